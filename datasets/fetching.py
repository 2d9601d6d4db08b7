"""Getting hold of the files behind a card.

A shipped file stands in `data/`. Another one is looked for in the directory that the environment
variable BAYESCALE_DATA names, which is never written to, then in the user's cache, and is
downloaded into that cache as the last resort. Whichever it is, a file that is not shipped is used
only if its SHA-256 is the one on the card.
"""

import hashlib
import os
import sys
from pathlib import Path
from typing import Any

from bayescale.datasets.records import Card, File
from bayescale.errors import DataError

SHIPPED = Path(__file__).parent / "data"

DIRECTORY = "BAYESCALE_DATA"
"""The environment variable that names a directory with files already at hand."""


def fetch(card: Card) -> dict[str, Path]:
    """Paths of the files behind a card by their names on it, downloaded if they are not at hand.

    Raises
    ------
    DataError
        If a file at hand is another one than the card describes, or one cannot be had.
    """
    if card.kind == "shipped":
        return {file.name: SHIPPED / file.path for file in card.files}
    return {file.name: _at_hand(file) or _cached(file, card) for file in card.files}


def _at_hand(file: File) -> Path | None:
    """File in the directory named by BAYESCALE_DATA, verified; None if there is none."""
    directory = os.environ.get(DIRECTORY)
    if not directory:
        return None
    if not (root := Path(directory).expanduser()).is_dir():
        raise DataError(
            f"{DIRECTORY} is {directory!r}, which is no directory; expected the directory that "
            f"holds {file.path}. Correct the variable or unset it to download the file."
        )
    path = root / file.path
    if not path.is_file():
        return None
    if (found := _sha256(path)) != file.sha256:
        raise DataError(
            f"{path} has SHA-256 {found}; expected {file.sha256}. Put the file"
            f"{f' from {file.url}' if file.url else ''} in its place, or unset {DIRECTORY}."
        )
    return path


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror}); expected a file open to this user. "
            f"Change its permissions, or unset {DIRECTORY} to download it."
        ) from error


def _cached(file: File, card: Card) -> Path:
    """File in the user's cache, downloaded if it is missing there or not what it should be.

    Pooch downloads beside the final place and moves the file there once its SHA-256 is right, so
    nothing half-written can be found under the final name.
    """
    if not file.url:
        raise DataError(
            f"table {card.name!r} is derived from files that bayescale does not open, and cannot "
            f"be downloaded; expected {file.path} with SHA-256 {file.sha256} below the directory "
            f"that {DIRECTORY} names. Its card tells what it was made from."
        )
    import pooch  # only needed here, and half of what importing bayescale.datasets would cost

    cache = Path(pooch.os_cache("bayescale"))

    def download(url: str, output: str, manager: Any) -> None:
        pooch.HTTPDownloader(progressbar=sys.stderr.isatty())(url, output, manager)
        _refuse_another(Path(output), file)

    try:
        found = pooch.retrieve(
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
            f"{file.path} below a directory of yours and name that directory in {DIRECTORY}."
        ) from error
    return Path(found)


def _refuse_another(path: Path, file: File) -> None:
    """Raise ValueError if what was downloaded is a web page, or not as long as it should be.

    The hash would tell that it is wrong, but not how.
    """
    with path.open("rb") as opened:
        if opened.read(200).lstrip().lower().startswith((b"<!doctype html", b"<html")):
            raise ValueError("an HTML page came in place of the file")
    if (size := path.stat().st_size) != file.bytes:
        raise ValueError(f"{size:,} bytes came")
