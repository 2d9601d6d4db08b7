"""Tables arrive in standard columns, and only tables that exist arrive."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from bayescale.datasets import card, catalogue, load
from bayescale.errors import DataError
from bayescale.models import LAWS
from bayescale.runs.checks import check_runs
from bayescale.runs.read import runs_for

BESIDE_THE_CHECKOUT = Path(__file__).parents[3] / "shared" / "data"
NAMES = list(catalogue()["name"])


@pytest.fixture(scope="module", params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    """Name of a table whose files are at hand, so that no test downloads anything."""
    return str(request.param)


@pytest.fixture(scope="module")
def table(name: str) -> pd.DataFrame:
    directory = os.environ.get("BAYESCALE_DATA") or str(BESIDE_THE_CHECKOUT)
    with pytest.MonkeyPatch.context() as patch:
        if card(name).kind != "shipped":
            for file in card(name).files:
                if not Path(directory, file.path).is_file():
                    pytest.skip(
                        f"{file.path} is not in {directory}; name its place in BAYESCALE_DATA"
                    )
            patch.setenv("BAYESCALE_DATA", directory)
        return load(name)


def test_rows_and_columns_are_those_of_the_card(name: str, table: pd.DataFrame) -> None:
    assert len(table) == card(name).rows
    assert list(table) == list(card(name).columns)
    assert table.index.tolist() == list(range(len(table)))


def test_numbers_are_positive_finite_floats(name: str, table: pd.DataFrame) -> None:
    described = card(name)
    numbers = table.drop(columns=list(described.groups))
    assert (numbers.dtypes == np.float64).all()
    assert np.isfinite(numbers).all(axis=None)
    unsigned = numbers.drop(columns=list(described.signed))
    assert (unsigned >= 0).all(axis=None)
    assert (unsigned.drop(columns=list(described.zeros), errors="ignore") > 0).all(axis=None)


def test_labels_are_text_and_never_missing(name: str, table: pd.DataFrame) -> None:
    labels = table[list(card(name).groups)]
    assert (labels.dtypes == "str").all()
    assert labels.notna().all(axis=None)
    assert (labels != "nan").all(axis=None)


def test_flops_are_what_the_card_says_they_are(name: str, table: pd.DataFrame) -> None:
    if {"params", "tokens", "flops"} <= set(table):
        ratio = table["flops"] / (6 * table["params"] * table["tokens"])
        low, high = card(name).flops_per_6nd
        assert low * (1 - 1e-5) <= ratio.min()  # simulated_isoflop is rounded to six digits
        assert ratio.max() <= high * (1 + 1e-5)


def test_laws_on_the_card_take_the_table(name: str, table: pd.DataFrame) -> None:
    for law in (LAWS[law] for law in card(name).laws):
        if "x" not in law.inputs:  # those of any column need its name
            runs = runs_for(law, table)
            check_runs(
                runs,
                inputs=law.inputs,
                response=law.response,
                parameters=len(law.priors),
                law=law.name,
                kinds=law.kinds,
            )


@pytest.mark.parametrize("name", ["chinchilla"], indirect=True, scope="module")
def test_chinchilla_covers_the_published_range(table: pd.DataFrame) -> None:
    assert_allclose(table["params"].agg(["min", "max"]), [5.7e7, 1.62e10], rtol=0.01)
    assert_allclose(table["flops"].agg(["min", "max"]), [1.40e18, 1.30e22], rtol=0.01)
    assert_allclose(table["loss"].agg(["min", "max"]), [2.077, 5.006], atol=5e-4)
    # The source's first row, to the last digit.
    assert table["params"].iloc[0] == 6795600349.289497
    assert table["loss"].iloc[0] == 5.005581996196243


def test_nine_sizes_follow_the_line_they_were_printed_from() -> None:
    # N = 0.0992 C^0.4981 by least squares on the printed digits.
    table = load("chinchilla_nine_sizes")
    slope, level = np.polyfit(np.log(table["flops"]), np.log(table["params"]), 1)
    assert slope == pytest.approx(0.4981, abs=5e-5)
    assert np.exp(level) == pytest.approx(0.0992, abs=5e-5)


def test_only_the_67b_row_is_off_as_the_card_says() -> None:
    table = load("chinchilla_nine_sizes")
    excess = 6 * table["params"] * table["tokens"] / table["flops"] - 1
    assert table["params"].iloc[int(excess.argmax())] == 6.7e10
    assert excess.max() == pytest.approx(0.0469, abs=5e-5)
    assert excess[table["params"] == 1.75e11].item() == pytest.approx(0.0091, abs=5e-5)
    assert excess[~table["params"].isin([6.7e10, 1.75e11])].abs().max() < 0.003


def test_rows_can_be_chosen() -> None:
    two = load("chinchilla_nine_sizes", params=[1e9, 4e8])
    assert two["params"].tolist() == [4e8, 1e9]
    assert two.index.tolist() == [0, 1]
    assert load("chinchilla_nine_sizes", params=1e9, flops=1.21e20).equals(
        two[1:].reset_index(drop=True)
    )


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"corpus": "c4"}, "no column 'corpus' to filter by; it has params, flops, tokens"),
        ({"params": 2e9}, r"no row .* has params = 2000000000.0; expected one of 400000000.0, "),
        ({"params": [1e9, "x"]}, "has params = 'x'"),
        ({"params": 1e9, "flops": 1.92e19}, "has flops = 1.92e"),
    ],
)
def test_rows_that_are_not_there_are_refused(filters: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        load("chinchilla_nine_sizes", **filters)


@pytest.mark.parametrize("wrong", ["../x", "/etc/passwd", "", "cards/chinchilla", "Chinchilla"])
def test_unknown_names_are_refused(wrong: str) -> None:
    with pytest.raises(DataError, match=r"no table is called .*; expected one of .*catalogue"):
        load(wrong)


def test_a_slip_of_the_finger_gets_a_suggestion() -> None:
    with pytest.raises(DataError, match=r"no table is called 'chinchila'.*mean 'chinchilla'"):
        load("chinchila")


def test_the_import_is_light() -> None:
    heavy = {"pymc", "pytensor", "arviz", "matplotlib", "pooch"}
    script = f"import sys, bayescale.datasets; print({heavy} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
