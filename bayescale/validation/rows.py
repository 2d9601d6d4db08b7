"""Rows on disk as they come: JSON lines under a title, each whole before the next begins.

One process at a time writes a file. A file beside it, its name with ``.lock`` at the end, says who.
"""

import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from bayescale.errors import DataError

Row = dict[str, Any]


@dataclass
class RowStore:
    """Rows so far by their key, and the file that new ones are added to, if there is one."""

    key: str
    rows: dict[str, Row] = field(default_factory=dict)
    file: IO[str] | None = None

    @classmethod
    @contextmanager
    def opened(
        cls, path: str | os.PathLike[str] | None, title: Row, key: str
    ) -> Iterator["RowStore"]:
        """Open a file of rows, new or of this title alone; without a path, keep in memory.

        Raises
        ------
        DataError
            If it holds something else, another process writes it, or the disk refuses it.
        """
        if path is None:
            yield cls(key)
            return
        place = Path(path)
        with _locked(place):
            own, rows = read_rows(place, key)
            if own and own != title:
                raise DataError(
                    f"{place} holds rows of {own}; expected {title}. Give another path, or remove "
                    "the file to start again."
                )
            with _writable(place):
                file = place.open("a", encoding="utf-8")
            with file:
                # The last row may have been cut short.
                file.truncate(place.read_bytes().rfind(b"\n") + 1)
                store = cls(key, rows, file)
                if not own:
                    store.write(title)
                yield store

    def keep(self, row: Row) -> None:
        """Add a row of numbers and texts."""
        self.rows[row[self.key]] = row
        self.write(row)

    def write(self, row: Row) -> None:
        """Put a line on disk, if there is a file.

        Raises
        ------
        DataError
            If there is no room. The rows before it are safe.
        """
        if self.file is not None:
            with _writable(Path(self.file.name)):
                self.file.write(json.dumps(row) + "\n")
                self.file.flush()
                os.fsync(self.file.fileno())


@contextmanager
def _writable(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(
            f"cannot write rows to {place} ({error.strerror}); expected a file in a folder that "
            "exists, that may be written to and has room. Give another path, or make room: rows "
            "that are there are not computed again."
        ) from error


@contextmanager
def _locked(place: Path) -> Iterator[None]:
    """Keep others off a file, where the system has locks for that."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    beside = place.with_name(f"{place.name}.lock")
    with _writable(place):
        lock = beside.open("a+", encoding="utf-8")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            raise DataError(
                f"{place} is being written by {lock.read() or 'another process'}; expected one "
                "process at a time. Wait for it, or give another path."
            ) from error
        except OSError:  # a network's disk without locks
            pass
        lock.truncate(0)
        lock.write(f"process {os.getpid()} on {platform.node()}")
        lock.flush()
        try:
            yield
        finally:
            beside.unlink(missing_ok=True)


def read_rows(path: Path, key: str) -> tuple[Row, dict[str, Row]]:
    """Return the title of a file of rows, and its complete rows by their key.

    Parameters
    ----------
    path : path
        The file. One that is not there, is empty, or broke off within its title has neither.
    key : str
        Name of what rows are found by.

    Returns
    -------
    title : dict
    rows : dict of str to dict

    Raises
    ------
    DataError
        If the file holds something else.
    """
    if not path.exists():
        return {}, {}
    if not path.is_file():
        raise DataError(
            f"{path} is a folder or a device; expected a file of rows, or a free name. Give "
            "another path."
        )
    with _writable(path):
        whole = path.read_bytes()
    begun = b'{"work": '
    if b"\n" not in whole and (begun.startswith(whole) or whole.startswith(begun)):
        return {}, {}
    try:
        title, *rows = [dict(json.loads(line)) for line in whole.splitlines()[: whole.count(b"\n")]]
        return title, {row[key]: row for row in rows}
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} holds something else than rows of a sweep ({error}); expected a new file, or "
            "one that a sweep began. Give another path."
        ) from error
