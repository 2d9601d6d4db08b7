"""A file as a table and its cells as numbers, or the reason why not.

Nothing is guessed: a cell is a number only if it is written as a plain one, every row has as many
cells as the header, and no column is renamed. Pickles are never opened.
"""

import codecs
import csv
import gzip
import io
import json
import os
import re
import zlib
from collections import Counter
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bayescale.errors import DataError
from bayescale.spec.columns import NUMBER

LARGEST = 1_000_000_000
"""Bytes of a table that are read at most, after they were decompressed."""


def read_table(source: str | os.PathLike[str]) -> pd.DataFrame:
    """Return the table in a local file; the extension gives its format.

    Parameters
    ----------
    source : path
        CSV (comma, semicolon or tab between cells), TSV, JSON lines, a JSON list of records, or
        Parquet; compressed with gzip or not.

    Returns
    -------
    DataFrame
        Columns of plain numbers are int64 or float64, others are text.

    Raises
    ------
    DataError
        If there is no such file, or it is not a table that can be read in one way only.
    """
    path = Path(os.path.expanduser(source))
    if not os.path.exists(path):  # unlike Path.exists, of any text
        raise DataError(
            f"no file {_short(os.fspath(source), 200)}; expected the path of a file on this "
            f"machine, starting from {Path.cwd()} if relative. Check the spelling, or download it."
        )
    if path.is_dir():
        raise DataError(
            f"{source} is a directory; expected one file with one row a run. "
            "Name the file in it, or put its tables together with pandas.concat."
        )
    if not path.is_file():  # reading it might never end
        raise DataError(
            f"{source} is a device or a pipe; expected a file. Write what comes from it to a file "
            "first."
        )
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    formats = f"one of {', '.join(READERS)} (or any of them with .gz)"
    if suffix in {".pkl", ".pickle"}:
        raise DataError(
            f"{path.name} is a pickle, and opening a pickle can run any code it carries; expected "
            f"{formats}. Save the table with to_csv or to_parquet, or pass it as a DataFrame."
        )
    if suffix not in READERS:
        raise DataError(
            f"{path.name} has {f'the extension {suffix!r}' if suffix else 'no extension'}, which "
            f"stands for no format; expected {formats}. Rename the file, or export it as one of "
            "these."
        )
    data = _contents(path)
    if not data.removeprefix(codecs.BOM_UTF8).strip():
        raise DataError(
            f"{path.name} is empty; expected a header and one row a run. "
            "Write the table again, or check that the download finished."
        )
    return READERS[suffix](data, path.name)


def refuse_repeated(names: list[Hashable], where: str) -> None:
    """Raise DataError if two columns have the same name."""
    repeated = [name for name, count in Counter(names).items() if count > 1 and name != ""]
    if repeated:
        columns = [place for place, name in enumerate(names, start=1) if name == repeated[0]]
        raise DataError(
            f"{where} has {len(columns)} columns named {str(repeated[0])!r} (columns "
            f"{', '.join(map(str, columns))}); expected every name once. Rename or drop one."
        )


def _contents(path: Path) -> bytes:
    """Return the bytes of a file, decompressed if its name ends in .gz."""
    opened = gzip.open if path.name.lower().endswith(".gz") else open
    try:
        with opened(path, "rb") as file:
            data: bytes = file.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise DataError(
                f"{path.name} holds more than {LARGEST / 1e9:g} GB; expected a table of runs, a "
                "row each. Keep final losses, or the rows and columns that are needed."
            )
        return data
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{path.name} cannot be opened ({error}); expected a file that is whole and that you "
            "may read. Check its permissions, and that a name in .gz is really compressed."
        ) from error


def _decoded(data: bytes, name: str) -> str:
    """Return the text of a file in UTF-8, with or without a byte order mark."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        problem = "is text in UTF-16"
    elif b"\0" in data:
        problem = "is binary, not text"
    else:
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            problem = f"is not UTF-8 (byte 0x{data[error.start]:02x} in line {line} of the file)"
    raise DataError(
        f"{name} {problem}; expected UTF-8. Save it again as UTF-8, for example with "
        "`iconv -f LATIN1 -t UTF-8`, or as 'CSV UTF-8' from a spreadsheet."
    )


def _read_delimited(data: bytes, name: str) -> pd.DataFrame:
    text, separator = _without_preface(_decoded(data, name), name)
    try:
        # StringIO turns every kind of line end into one; strict refuses a quote never closed.
        lines = csv.reader(
            io.StringIO(text, newline=None), delimiter=separator, skipinitialspace=True, strict=True
        )
        header, *rows = [line for line in lines if line not in ([], [""])] or [[]]
    except csv.Error as error:
        raise DataError(
            f"{name} cannot be split into cells ({error}); expected {separator!r} between cells "
            "and quotes in pairs. Correct the quotes, or save the table again."
        ) from error
    header = [cell.strip() for cell in header]
    refuse_repeated(list(header), name)
    for number, row in enumerate(rows, start=1):
        if len(row) != len(header):
            raise DataError(
                f"{name} has {len(row)} cells in row {number} of the table "
                f"({_short(separator.join(row))}); expected {len(header)}, as in its header "
                f"({_short(separator.join(header))}). Correct the row, and write numbers without "
                "thousands separators or decimal commas."
            )
    if not rows:
        return pd.DataFrame(columns=header)
    columns = enumerate(zip(*rows, strict=True))
    table = pd.DataFrame({place: _typed(cells) for place, cells in columns})
    named = table.set_axis(
        [cell or f"unnamed {place}" for place, cell in enumerate(header, start=1)], axis="columns"
    )
    # Whole numbers in a first column without a name are the row numbers that pandas wrote.
    numbered = header[0] == "" and named.dtypes.iloc[0] == np.int64
    return named.iloc[:, 1:] if numbered else named


def _without_preface(text: str, name: str) -> tuple[str, str]:
    """Text of a table from its header on, and the mark between its cells.

    Before the header may stand lines of comment, and a line that names the mark, as in ``sep=;``.
    """
    lines = text.lstrip().splitlines(keepends=True) or [""]
    named = re.fullmatch(r"sep=(.)\s*", lines[0], re.IGNORECASE)
    begin = 1 if named else 0
    while begin + 1 < len(lines) and lines[begin].startswith("#"):
        begin += 1
    # The usual mark of the extension, unless another one is more frequent in the header, outside of
    # quotes. A header of a .tsv file with one tab is separated by tabs, whatever its names contain.
    first = re.sub(r'"[^"]*"', "", lines[begin])
    separator = "\t" if ".tsv" in name.lower() else ","
    if named:
        separator = named[1]
    elif not (separator == "\t" and separator in first):
        separator = max((separator, ",", ";", "\t"), key=first.count)
    # numpy writes the header as a comment: it has as many cells as the numbers below it.
    above, cells = lines[begin - 1].lstrip("# "), first.split(separator)
    numbers = all(NUMBER.fullmatch(cell.strip()) for cell in cells)
    if begin > bool(named) and numbers and above.count(separator) == len(cells) - 1:
        return "".join([above, *lines[begin:]]), separator
    return "".join(lines[begin:]), separator


def _typed(cells: tuple[str, ...]) -> pd.Series:
    """Return a column as numbers if all its cells are plain ones, otherwise as the text it is."""
    # Up to 18 digits fit in 64 bits.
    if all(re.fullmatch(r"[ \t]*[+-]?[0-9]{1,18}[ \t]*", cell) for cell in cells):
        return pd.Series([int(cell) for cell in cells], dtype="int64")
    missing = [cell.strip().lower() in {"", "na", "n/a", "nan", "null", "none"} for cell in cells]
    if all(gap or NUMBER.fullmatch(cell) for cell, gap in zip(cells, missing, strict=True)):
        numbers = [np.nan if gap else float(c) for c, gap in zip(cells, missing, strict=True)]
        return pd.Series(numbers, dtype="float64")
    return pd.Series([cell if cell.strip() else None for cell in cells], dtype="str")


def _read_json(data: bytes, name: str) -> pd.DataFrame:
    """Return the table in a JSON list of records, or in lines of one record each."""
    text = _decoded(data, name)
    if name.lower().removesuffix(".gz").endswith(".json"):
        records = _parsed(text, name)
        if not isinstance(records, list):
            raise DataError(
                f"{name} holds a JSON {type(records).__name__}; expected a list of records, one a "
                'run. Write it as [{"params": 1e8, ...}, ...], for example with '
                'to_json(orient="records").'
            )
    else:
        lines = [line for line in text.split("\n") if line.strip()]
        records = [_parsed(line, f"{name}, row {row}") for row, line in enumerate(lines, start=1)]
    for row, record in enumerate(records, start=1):
        if not isinstance(record, dict):
            raise DataError(
                f"{name} holds {_short(str(record))} in row {row} of the table; expected a "
                'record. Write every run as {"params": 1e8, "tokens": 2e9, "loss": 3.1}.'
            )
    try:
        return pd.DataFrame(records)
    except UnicodeEncodeError as error:  # an escape such as \ud800 by itself is no letter
        raise DataError(
            f"{name} has text with {error.object[error.start]!r}, half of a letter; expected text "
            "of Unicode. Correct it, or drop the column."
        ) from error


def _parsed(text: str, where: str) -> Any:
    """Return what a JSON text holds, no key of a record twice."""

    def record(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        # By default json keeps the last of two values and reports nothing.
        refuse_repeated([key for key, _ in pairs], where)
        return dict(pairs)

    try:
        return json.loads(text, object_pairs_hook=record)
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{where} is not JSON ({error}): {_short(text)}; expected a record in every line of "
            "a .jsonl file, one list of records in a .json file. Correct it or change the "
            "extension."
        ) from error


def _read_parquet(data: bytes, name: str) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Without the metadata that pandas added, an index is a column like any other.
        table: pd.DataFrame = pq.read_table(io.BytesIO(data)).to_pandas(ignore_metadata=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(
            f"{name} is not Parquet ({_short(str(error))}); expected a whole Parquet file. "
            "Write the table again, or give the file the extension of what it is."
        ) from error
    refuse_repeated(list(table.columns), name)
    unnamed = [column for column in table if str(column).startswith("__index_level_")]
    return table.drop(columns=unnamed)


def _short(text: str, most: int = 70) -> str:
    """Return a text in quotes, cut to what is worth showing."""
    return repr(text if len(text) <= most else text[: most - 3] + "...")


READERS: dict[str, Callable[[bytes, str], pd.DataFrame]] = {
    ".csv": _read_delimited,
    ".tsv": _read_delimited,
    ".jsonl": _read_json,
    ".ndjson": _read_json,
    ".json": _read_json,
    ".parquet": _read_parquet,
}
"""Functions that read each kind of file, by extension."""
