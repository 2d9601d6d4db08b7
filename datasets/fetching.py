"""Getting the files behind a card.

A shipped file is in `data/`. Another one is looked for in the directory that the environment
variable BAYESCALE_DATA names, which is never written to, then in the user's cache, and is
downloaded into that cache as the last resort. A file that is not shipped is used only if its
SHA-256 is the one on the card.
"""

import hashlib
import os
import sys
from pathlib import Path
from typing import Any

from bayescale.datasets.card_record import Card, File
from bayescale.errors import DataError

SHIPPED = Path(__file__).parent / "data"

DIRECTORY = "BAYESCALE_DATA"
"""The environment variable that names a directory with files."""


def fetch(card: Card) -> dict[str, Path]:
    """Return the paths of the files behind a card, downloaded where necessary.

    Parameters
    ----------
    card : Card
        The card.

    Returns
    -------
    dict of str to Path
        By the files' names on the card.

    Raises
    ------
    DataError
        If a file in the directory differs from the one on the card, or one cannot be downloaded.
    """
    if card.kind == "shipped":
        return {file.name: SHIPPED / file.path for file in card.files}
    return {file.name: _in_directory(file) or _cached(file, card) for file in card.files}


def _in_directory(file: File) -> Path | None:
    """Return the verified file in the directory named by BAYESCALE_DATA; None if there is none."""
    directory = os.environ.get(DIRECTORY)
    if not directory:
        return None
    # Of any text, unlike the methods of Path.
    root = Path(os.path.expanduser(directory))
    if not os.path.isdir(root):
        raise DataError(
            f"{DIRECTORY} is {directory[:200]!r}, which is no directory; expected the one that "
            f"holds {file.path}. Correct the variable or unset it to download the file."
        )
    path = root / file.path
    if not path.is_file():
        return None
    try:
        with path.open("rb") as opened:
            sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror}); expected a file open to this user. "
            f"Change its permissions, or unset {DIRECTORY} to download it."
        ) from error
    if sha256 != file.sha256:
        raise DataError(
            f"{path} has SHA-256 {sha256}; expected {file.sha256}. Put the file"
            f"{f' from {file.url}' if file.url else ''} in its place, or unset {DIRECTORY}."
        )
    return path


def _cached(file: File, card: Card) -> Path:
    """Return the file in the user's cache, downloaded if it is missing there or damaged.

    Pooch downloads beside the final place and moves the file there once its SHA-256 is right, so
    that no part of a file is ever under the final name.
    """
    if not file.url:
        raise DataError(
            f"table {card.name!r} is derived from files that bayescale does not open, and cannot "
            f"be downloaded; expected {file.path} with SHA-256 {file.sha256} in the directory "
            f"that {DIRECTORY} names. Its card describes what it was derived from."
        )
    import pooch  # only needed here, and half of what importing bayescale.datasets would cost

    cache = Path(pooch.os_cache("bayescale"))

    def download(url: str, output: str, manager: Any) -> None:
        pooch.HTTPDownloader(progressbar=sys.stderr.isatty())(url, output, manager)
        # The hash would find a web page or a cut file as well, but not explain it.
        with Path(output).open("rb") as opened:
            if opened.read(200).lstrip().lower().startswith((b"<!doctype html", b"<html")):
                raise ValueError("an HTML page came in place of the file")
        if (size := Path(output).stat().st_size) != file.bytes:
            raise ValueError(f"{size:,} bytes came")

    try:
        path = pooch.retrieve(
            file.url,
            known_hash=f"sha256:{file.sha256}",
            fname=file.path,
            path=cache,
            downloader=download,
        )
    # OSError: no network, a refusal, a full or closed disk; ValueError: another file than expected.
    except (OSError, ValueError) as error:
        raise DataError(
            f"table {card.name!r} could not be downloaded from {file.url} to {cache} "
            f"({type(error).__name__}: {error}); expected {file.bytes:,} bytes with SHA-256 "
            f"{file.sha256}. Try again, or put the file by hand at {cache / file.path}, or at "
            f"{file.path} in a directory of yours and name that directory in {DIRECTORY}."
        ) from error
    return Path(path)
