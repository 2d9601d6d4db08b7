"""Getting hold of the file behind a card.

A shipped file stands in `data/`. A remote one is looked for in the directory that the environment
variable BAYESCALE_DATA names, which is never written to, then in the user's cache, and is
downloaded into that cache as the last resort. Whichever it is, a remote file is used only if its
SHA-256 is the one on the card.
"""

import hashlib
import os
from pathlib import Path

from bayescale.datasets.records import Card
from bayescale.errors import DataError

SHIPPED = Path(__file__).parent / "data"

DIRECTORY = "BAYESCALE_DATA"
"""The environment variable that names a directory with files already at hand."""


def fetch(card: Card) -> Path:
    """Path of the file behind a card, downloaded if it is nowhere at hand.

    Raises
    ------
    DataError
        If the file at hand is another one than the card describes, or none can be had.
    """
    if card.kind == "shipped":
        return SHIPPED / card.path
    return _at_hand(card) or _cached(card)


def _at_hand(card: Card) -> Path | None:
    """File in the directory named by BAYESCALE_DATA, verified; None if there is none."""
    directory = os.environ.get(DIRECTORY)
    if not directory:
        return None
    if not (root := Path(directory).expanduser()).is_dir():
        raise DataError(
            f"{DIRECTORY} is {directory!r}, which is no directory; expected the directory that "
            f"holds {card.path}. Correct the variable or unset it to download the file."
        )
    path = root / card.path
    if not path.is_file():
        return None
    if (found := _sha256(path)) != card.sha256:
        raise DataError(
            f"{path} has SHA-256 {found}; expected {card.sha256} for table {card.name!r}. Put the "
            f"file from {card.url} in its place, or unset {DIRECTORY} to download it."
        )
    return path


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror}); expected a file open to this user. "
            f"Change its permissions, or unset {DIRECTORY} to download it."
        ) from error


def _cached(card: Card) -> Path:
    """File in the user's cache, downloaded if it is missing there or not what it should be.

    Pooch downloads beside the final place and moves the file there once its SHA-256 is right, so
    nothing half-written can be found under the final name.
    """
    import pooch  # only needed here, and half of what importing bayescale.datasets would cost

    cache = Path(pooch.os_cache("bayescale"))
    try:
        found = pooch.retrieve(
            card.url, known_hash=f"sha256:{card.sha256}", fname=card.path, path=cache
        )
    # OSError: no network, a refusal, a full or closed disk; ValueError: another file than expected.
    except (OSError, ValueError) as error:
        raise DataError(
            f"table {card.name!r} could not be downloaded from {card.url} to {cache} "
            f"({type(error).__name__}: {error}); expected {card.bytes:,} bytes with SHA-256 "
            f"{card.sha256}. Try again, or put the file by hand at {cache / card.path}, or at "
            f"{card.path} below a directory of yours and name that directory in {DIRECTORY}."
        ) from error
    return Path(found)
