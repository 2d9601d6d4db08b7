"""A file as a table and its cells as numbers, or the reason why not.

Nothing is guessed: a cell is a number only if it is written as a plain one, every row has as many
cells as the header, and no column is renamed. Pickles are never opened.
"""

import codecs
import csv
import gzip
import io
import json
import numbers
import os
import re
import zlib
from collections import Counter
from collections.abc import Callable, Hashable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bayescale.errors import DataError
from bayescale.scales import POSITIVE, SHARE, Scale

NUMBER = re.compile(
    r"[ \t]*[+-]?(([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|inf(inity)?)[ \t]*", re.IGNORECASE
)
"""A plain number, without thousands separators, decimal comma or unit. Infinity passes here."""

_WHOLE = re.compile(r"[ \t]*[+-]?[0-9]{1,18}[ \t]*")  # what is sure to fit in 64 bits
_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none"})


def read_table(source: str | os.PathLike[str]) -> pd.DataFrame:
    """Return the table in a local file, its format told by the extension.

    Parameters
    ----------
    source : path
        CSV (comma, semicolon or tab between cells), TSV, JSON lines, a JSON list of records, or
        Parquet; compressed with gzip or not.

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
    reader = _reader(path.name)
    data = _contents(path)
    if not data.removeprefix(codecs.BOM_UTF8).strip():
        raise DataError(
            f"{path.name} is empty; expected a header and one row a run. "
            "Write the table again, or check that the download finished."
        )
    return reader(data, path.name)


def refuse_repeated(names: list[Hashable], where: str) -> None:
    """Raise DataError if two columns have the same name."""
    repeated = [name for name, count in Counter(names).items() if count > 1 and name != ""]
    if repeated:
        columns = [place for place, name in enumerate(names, start=1) if name == repeated[0]]
        raise DataError(
            f"{where} has {len(columns)} columns named {str(repeated[0])!r} (columns "
            f"{', '.join(map(str, columns))}); expected every name once. Rename or drop one."
        )


def read_numbers(column: pd.Series, name: str, where: str, scale: Scale = POSITIVE) -> pd.Series:
    """Return a column as float64, every cell of it a number that can be on its scale."""
    if is_real(column):
        values = column.to_numpy(dtype="float64", na_value=np.nan)
        unread = np.zeros(len(values), dtype=bool)
    else:
        cells = [_number(cell) for cell in column]
        unread = np.array([cell is None for cell in cells])
        values = np.array(cells, dtype="float64")
    read_as = "" if column.name == name else f" (read as {name})"
    said = f"{where}: column {str(column.name)!r}{read_as}"
    refuse_unusable(column, values, unread, said, scale)
    return pd.Series(values)


def _number(cell: Any) -> float | None:
    """Return a cell as a number, NaN where there is nothing, None where it is something else."""
    if cell is None or cell is pd.NA or cell is pd.NaT:
        return np.nan
    if isinstance(cell, bool | np.bool_) or not isinstance(cell, str | numbers.Real | Decimal):
        return None
    if isinstance(cell, str) and not NUMBER.fullmatch(cell):
        return None
    try:
        return float(cell)
    except OverflowError:  # an integer of more than 308 digits
        return np.inf


def refuse_unusable(
    column: pd.Series, values: Any, unread: Any, said: str, scale: Scale = POSITIVE
) -> None:
    """Raise DataError at the first cell that is no number of its scale."""
    checks = (
        (
            unread,
            "which is not a plain number; expected digits, with a decimal point or an exponent if "
            "need be (7e7, 2.51). Write numbers in full, without thousands separators, decimal "
            "commas or units.",
        ),
        (
            np.isnan(values),
            "a missing cell; expected a number in every row. Write it in or drop that run; drop "
            "the column if no law needs it.",
        ),
        (
            np.isinf(values),
            "which is infinite or too large to hold; expected a finite number. Correct it, or "
            "drop that run (a loss that diverged has no place on a law).",
        ),
        (scale.outside(values), _outside(scale)),
    )
    for bad, meaning in checks:
        if bad.any():
            first = int(bad.argmax())
            cell = column.iloc[first]
            shown = repr(cell) if isinstance(cell, str) else str(cell)
            more = f" and {bad.sum() - 1} more" if bad.sum() > 1 else ""
            raise DataError(
                f"{said} holds {shown} in row {first + 1} of the table{more}, {meaning}"
            )


def _outside(scale: Scale) -> str:
    """What is wrong with a number that is not on its scale."""
    if scale is POSITIVE:
        return (
            "but its logarithm is taken; expected a number above zero. Correct it, or drop that "
            "run."
        )
    percent = " Divide percentages by 100." if scale is SHARE else ""
    return (
        f"which can be no {scale.name}; expected a number from {scale.lowest:g} to "
        f"{scale.highest:g}. Correct it, or drop that run.{percent}"
    )


def is_real(column: pd.Series) -> bool:
    """Return whether a column holds real numbers, and not booleans."""
    return pd.api.types.is_any_real_numeric_dtype(column.dtype)


def _reader(name: str) -> Callable[[bytes, str], pd.DataFrame]:
    """Return what reads a file of this name."""
    suffix = Path(name.lower().removesuffix(".gz")).suffix
    if suffix in {".pkl", ".pickle"}:
        raise DataError(
            f"{name} is a pickle, and opening a pickle can run any code it carries; expected "
            f"{_known()}. Save the table with to_csv or to_parquet, or pass it as a DataFrame."
        )
    if suffix not in READERS:
        raise DataError(
            f"{name} has {f'the extension {suffix!r}' if suffix else 'no extension'}, which "
            f"tells no format; expected {_known()}. Rename the file, or export it as one of these."
        )
    return READERS[suffix]


def _known() -> str:
    return f"one of {', '.join(READERS)} (or any of them with .gz)"


def _contents(path: Path) -> bytes:
    """Return the bytes of a file, decompressed if its name ends in .gz."""
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if path.name.lower().endswith(".gz") else data
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
    text = _decoded(data, name)
    separator = _separator(text, "\t" if ".tsv" in name.lower() else ",")
    try:
        # StringIO turns every kind of line end into one; strict refuses a quote never closed.
        lines = csv.reader(
            io.StringIO(text, newline=None), delimiter=separator, skipinitialspace=True, strict=True
        )
        header, *rows = (line for line in lines if line not in ([], [""]))
    except csv.Error as error:
        raise DataError(
            f"{name} cannot be split into cells ({error}); expected {separator!r} between cells "
            "and quotes in pairs. Mend the quotes, or save the table again."
        ) from error
    header = [cell.strip() for cell in header]
    refuse_repeated(list(header), name)
    _refuse_ragged(header, rows, separator, name)
    cells = dict(enumerate(zip(*rows, strict=True)))
    return _named(pd.DataFrame({place: _typed(column) for place, column in cells.items()}), header)


def _separator(text: str, usual: str) -> str:
    """Return what stands between the cells of the header, the usual mark if nothing else leads."""
    header = text.lstrip().split("\n", 1)[0]
    if usual == "\t" and usual in header:
        return usual
    return max((usual, ",", ";", "\t"), key=header.count)


def _refuse_ragged(header: list[str], rows: list[list[str]], separator: str, name: str) -> None:
    """Raise DataError at the first row with more or fewer cells than the header."""
    for number, row in enumerate(rows, start=1):
        if len(row) != len(header):
            raise DataError(
                f"{name} has {len(row)} cells in row {number} of the table "
                f"({_short(separator.join(row))}); expected {len(header)}, as in its header "
                f"({_short(separator.join(header))}). Mend the row, and write numbers without "
                "thousands separators or decimal commas."
            )


def _named(frame: pd.DataFrame, header: list[str]) -> pd.DataFrame:
    """Return the columns under their names, without the row numbers that pandas wrote."""
    if frame.empty:
        return pd.DataFrame(columns=header)
    names = [cell or f"unnamed {place}" for place, cell in enumerate(header, start=1)]
    named = frame.set_axis(names, axis="columns")
    numbered = header[0] == "" and named.dtypes.iloc[0] == np.int64
    return named.iloc[:, 1:] if numbered else named


def _typed(cells: tuple[str, ...]) -> pd.Series:
    """Return a column as numbers if all its cells are plain ones, otherwise as the text it is."""
    if all(_WHOLE.fullmatch(cell) for cell in cells):
        return pd.Series([int(cell) for cell in cells], dtype="int64")
    missing = [cell.strip().lower() in _MISSING for cell in cells]
    if all(gap or NUMBER.fullmatch(cell) for cell, gap in zip(cells, missing, strict=True)):
        numbers = [np.nan if gap else float(c) for c, gap in zip(cells, missing, strict=True)]
        return pd.Series(numbers, dtype="float64")
    return pd.Series([cell if cell.strip() else None for cell in cells], dtype="str")


def _read_json_lines(data: bytes, name: str) -> pd.DataFrame:
    lines = [line for line in _decoded(data, name).split("\n") if line.strip()]
    rows = enumerate(lines, start=1)
    return _from_records([_parsed(line, f"{name}, row {i}") for i, line in rows], name)


def _read_json(data: bytes, name: str) -> pd.DataFrame:
    records = _parsed(_decoded(data, name), name)
    if not isinstance(records, list):
        raise DataError(
            f"{name} holds a JSON {type(records).__name__}; expected a list of records, one a run. "
            'Write it as [{"params": 1e8, ...}, ...], for example with to_json(orient="records").'
        )
    return _from_records(records, name)


def _parsed(text: str, where: str) -> Any:
    """Return what a piece of JSON says."""

    def record(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        # Left alone, json keeps the last of two values without a word.
        refuse_repeated([key for key, _ in pairs], where)
        return dict(pairs)

    try:
        return json.loads(text, object_pairs_hook=record)
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{where} is not JSON ({error}): {_short(text)}; expected a record in every line of "
            "a .jsonl file, one list of records in a .json file. Mend it or change the extension."
        ) from error


def _from_records(records: list[Any], name: str) -> pd.DataFrame:
    for number, record in enumerate(records, start=1):
        if not isinstance(record, dict):
            raise DataError(
                f"{name} holds {_short(str(record))} in row {number} of the table; expected a "
                'record. Write every run as {"params": 1e8, "tokens": 2e9, "loss": 3.1}.'
            )
    return pd.DataFrame(records)


def _read_parquet(data: bytes, name: str) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Without what pandas once noted beside the data, an index is a column like any other.
        frame: pd.DataFrame = pq.read_table(io.BytesIO(data)).to_pandas(ignore_metadata=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(
            f"{name} is not Parquet ({_short(str(error))}); expected a whole Parquet file. "
            "Write the table again, or give the file the extension of what it is."
        ) from error
    refuse_repeated(list(frame.columns), name)
    unnamed = [column for column in frame if str(column).startswith("__index_level_")]
    return frame.drop(columns=unnamed)


def _short(text: str, most: int = 70) -> str:
    """Return a text in quotes, cut to what is worth showing."""
    return repr(text if len(text) <= most else text[: most - 3] + "...")


READERS: dict[str, Callable[[bytes, str], pd.DataFrame]] = {
    ".csv": _read_delimited,
    ".tsv": _read_delimited,
    ".jsonl": _read_json_lines,
    ".ndjson": _read_json_lines,
    ".json": _read_json,
    ".parquet": _read_parquet,
}
"""What reads each kind of file, by extension."""
