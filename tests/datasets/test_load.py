"""Tables arrive in standard columns, and only tables that exist arrive."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from bayescale.datasets import card, catalogue, load
from bayescale.errors import DataError

BESIDE_THE_CHECKOUT = Path(__file__).parents[3] / "shared" / "data"
NAMES = list(catalogue()["name"])


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a table whose file is at hand, so that no test downloads anything."""
    table: str = request.param
    directory = os.environ.get("BAYESCALE_DATA") or str(BESIDE_THE_CHECKOUT)
    if card(table).kind == "remote":
        if not Path(directory, card(table).path).is_file():
            pytest.skip(
                f"{card(table).path} is not in {directory}; name its place in BAYESCALE_DATA"
            )
        monkeypatch.setenv("BAYESCALE_DATA", directory)
    return table


def test_rows_and_columns_are_those_of_the_card(name: str) -> None:
    table = load(name)
    assert len(table) == card(name).rows
    assert list(table) == list(card(name).columns)
    assert table.index.tolist() == list(range(len(table)))


def test_numbers_are_positive_finite_floats(name: str) -> None:
    numbers = load(name).drop(columns=list(card(name).groups))
    assert (numbers.dtypes == np.float64).all()
    assert np.isfinite(numbers).all(axis=None)
    assert (numbers > 0).all(axis=None)


# Relative disagreement of flops with 6 params tokens that the rounding of each table allows.
ROUNDING = {"chinchilla": 1e-15, "chinchilla_nine_sizes": 0.047, "simulated_isoflop": 1e-5}


@pytest.mark.parametrize("name", ROUNDING, indirect=True)
def test_flops_are_six_per_parameter_and_token(name: str) -> None:
    table = load(name)
    assert_allclose(6 * table["params"] * table["tokens"], table["flops"], rtol=ROUNDING[name])


@pytest.mark.parametrize("name", ["chinchilla"], indirect=True)
def test_chinchilla_covers_the_published_range(name: str) -> None:
    table = load(name)
    assert list(table) == ["params", "tokens", "flops", "loss"]
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


@pytest.mark.parametrize("wrong", ["../x", "/etc/passwd", "", "cards/chinchilla", "Chinchilla"])
def test_unknown_names_are_refused_with_the_known_ones(wrong: str) -> None:
    with pytest.raises(DataError, match="chinchilla, chinchilla_nine_sizes, simulated_isoflop"):
        load(wrong)


def test_a_slip_of_the_finger_gets_a_suggestion() -> None:
    with pytest.raises(DataError, match=r"no table is called 'chinchila'.*mean 'chinchilla'\?"):
        load("chinchila")


def test_the_import_is_light() -> None:
    heavy = {"pymc", "pytensor", "arviz", "matplotlib", "pooch"}
    script = f"import sys, bayescale.datasets; print({heavy} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
