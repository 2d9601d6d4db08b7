"""Rows on disk, added one by one: JSON lines whose first line says what rows they are.

A row is on disk when `keep` returns. A line cut short, by a kill or a full disk, is taken off when
the file is opened again; nothing else is ever rewritten.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

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
        """Open a file of rows, made if it is not there; without a path, only remember.

        Raises
        ------
        DataError
            If the file holds something else, or rows under another title.
        """
        if path is None:
            yield cls(key)
            return
        place = Path(path)
        rows = _read(place, title, key) if place.exists() and place.stat().st_size else {}
        with place.open("a", encoding="utf-8") as file:
            if file.tell() == 0:
                _write(file, title)
            yield cls(key, rows, file)

    def keep(self, row: Row) -> None:
        """Add a row of numbers and texts (`plain`)."""
        self.rows[row[self.key]] = row
        if self.file is not None:
            _write(self.file, row)


def _write(file: IO[str], row: Row) -> None:
    file.write(json.dumps(row) + "\n")
    file.flush()
    os.fsync(file.fileno())


def plain(row: Mapping[str, Any]) -> Row:
    """Row as it will be read again: numpy's numbers as Python's.

    Raises
    ------
    TypeError
        If a cell is neither a number nor a text, nor a list or mapping of these.
    """
    read: Row = json.loads(json.dumps(dict(row), default=_item))
    return read


def _item(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a {type(value).__name__} is no number or text")


def _read(path: Path, title: Row, key: str) -> dict[str, Row]:
    whole = path.read_bytes()
    kept = whole[: whole.rfind(b"\n") + 1]
    try:
        first, *lines = [json.loads(line) for line in kept.splitlines()]
        rows = {line[key]: line for line in lines}
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} holds something else than rows of a sweep ({error}); expected a new file, or "
            "one that a sweep began. Give another path."
        ) from error
    if first != title:
        raise DataError(
            f"{path} holds rows of {first}; expected {title}. Give another path, or remove the "
            "file to begin anew."
        )
    if len(kept) < len(whole):
        os.truncate(path, len(kept))
    return rows
