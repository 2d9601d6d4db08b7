"""What could not be saved with a fit is refused before the fit, and so is what cannot be read."""

import gzip
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bayescale.errors import DataError
from bayescale.runs import files
from bayescale.runs.read import read_runs

RUNS = pd.DataFrame({"params": [1e8, 2e8, 4e8], "tokens": [2e9, 4e9, 9e9], "loss": [3.1, 2.9, 2.7]})

# Further columns, and words of the refusal.
COLUMNS: dict[str, tuple[dict[Any, Any], str]] = {
    "names that differ by type": (
        {"1": 2.0, 1: 3.0},
        r"2 columns named '1', of the types int, str",
    ),
    "an empty name": ({"": 1}, r"a column 4 named '', 0 letters"),
    "a name with NUL": ({"a\0b": 1}, r"column 4 named 'a\\x00b'"),
    "a long name": ({"x" * 10_000: 1}, r"10000 letters long; expected a name of 1 to 1000"),
    "half a letter": ({"kind": pd.Series(["a", "b", "\ud800"], dtype=object)}, r"in row 3"),
    "text with NUL": ({"kind": ["a", "b\0", "c"]}, r"'kind' holds 'b\\x00' in row 2"),
    "bytes": ({"kind": [b"a", b"b", b"c"]}, r"'kind' holds b'a' in row 1"),
}


@pytest.mark.parametrize(("columns", "words"), COLUMNS.values(), ids=COLUMNS)
def test_what_a_file_cannot_hold_is_refused(columns: dict[Any, Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_runs(pd.concat([RUNS, pd.DataFrame(columns, index=RUNS.index)], axis=1))


def test_long_numbers_become_floats() -> None:
    read = read_runs(RUNS.assign(step=np.array([1, 2, 3], dtype=np.longdouble)))
    assert read["step"].dtype == np.float64


def test_half_a_letter_in_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "runs.json").write_text(r'[{"params": 1, "tokens": 1, "loss": 1, "g": "\ud800"}]')
    with pytest.raises(DataError, match=r"runs\.json has text with '\\ud800', half of a letter"):
        read_runs(tmp_path / "runs.json")


def test_lines_of_quotes_hold_no_runs(tmp_path: Path) -> None:
    (tmp_path / "runs.csv").write_text('""\n""\n')
    with pytest.raises(DataError, match=r"runs\.csv holds no runs"):
        read_runs(tmp_path / "runs.csv")


def test_what_never_ends_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "zero.csv").symlink_to("/dev/zero")
    for name in ("pipe.csv", "zero.csv"):
        with pytest.raises(DataError, match=rf"{name} is a device or a pipe; expected a file"):
            read_runs(tmp_path / name)


@pytest.mark.parametrize("name", ["runs.csv", "runs.csv.gz"])
def test_no_more_is_read_than_a_table_has(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "LARGEST", 1000)
    zeros = b"0" * 1001
    (tmp_path / name).write_bytes(gzip.compress(zeros) if name.endswith(".gz") else zeros)
    with pytest.raises(DataError, match=rf"{name} holds more than 1e-06 GB; expected a table"):
        read_runs(tmp_path / name)


# Text of a file, and the names of its columns.
PREFACES = {
    "a line that names the mark": ("sep=;\nparams;tokens;loss\n1e8;2e9;3.1\n", []),
    "comments": ("# mine\n# of 2026, in nats\nparams,tokens,loss\n1e8,2e9,3.1\n", []),
    "a header of numpy": ("# mine\n# params,tokens,loss\n1e8,2e9,3.1\n", []),
    "marks in quotes": ('"a; b; c",params,tokens,loss\nx,1e8,2e9,3.1\n', ["a; b; c"]),
}


@pytest.mark.parametrize(("text", "others"), PREFACES.values(), ids=PREFACES)
def test_what_stands_before_the_header_is_passed_over(
    text: str, others: list[str], tmp_path: Path
) -> None:
    (tmp_path / "runs.csv").write_text(text)
    runs = read_runs(tmp_path / "runs.csv")
    assert list(runs) == ["params", "tokens", "flops", "loss", *others]
    assert runs["loss"].tolist() == [3.1]


def test_a_header_may_begin_with_a_number_sign(tmp_path: Path) -> None:
    (tmp_path / "runs.csv").write_text("#,params,tokens,loss\n1,1e8,2e9,3.1\n2,2e8,4e9,2.9\n")
    assert read_runs(tmp_path / "runs.csv")["params"].tolist() == [1e8, 2e8]


def test_blank_signs_hold_no_runs(tmp_path: Path) -> None:
    (tmp_path / "runs.csv").write_text("\u00a0\u2003\n")
    with pytest.raises(DataError, match=r"runs\.csv holds no runs"):
        read_runs(tmp_path / "runs.csv")
