import numpy as np
import pandas as pd
import pytest

from bayescale.errors import DataError
from bayescale.runs.checks import NARROW, ODD, VAGUE, WRONG, check_runs
from bayescale.runs.read import read_runs
from bayescale.spec.columns import AMOUNT, PROPORTION
from tests.runs.grid import check, isoflop, only, refusal


@pytest.mark.parametrize("seed", range(20))
def test_a_clean_isoflop_grid_has_no_remarks(seed: int) -> None:
    assert check(isoflop(seed=seed)) == ()


def test_remarks_have_the_rank_of_what_they_change() -> None:
    runs = isoflop()
    runs.loc[[1, 4], "flops"] *= 3
    doubled = pd.concat([runs, runs.iloc[[2]]], ignore_index=True)
    remarks = check(doubled, parameters=12)
    assert [remark.rank for remark in remarks] == [ODD, NARROW, VAGUE]
    assert WRONG < ODD < NARROW < VAGUE


def test_too_few_runs_are_refused_with_the_counts() -> None:
    assert len(check(isoflop().iloc[::5])) > 0  # six runs for five parameters pass, with a remark
    message = refusal(check, isoflop().iloc[:5])
    assert "'chinchilla' has 5 parameters and there are 5 runs" in message
    assert "at least 6" in message


def test_an_input_that_does_not_vary_is_refused() -> None:
    message = refusal(check, isoflop().assign(tokens=2e9))
    assert "tokens is 2e+09 in all 28 runs" in message


def ray(spread: float) -> pd.DataFrame:
    """Twenty runs at twenty tokens per param, give or take a lognormal spread."""
    params = np.geomspace(1e7, 1e10, 20)
    wiggle = np.exp(spread * np.random.default_rng(5).standard_normal(20))
    loss = 1.69 + 406.4 / params**0.34 + 410.7 / (20 * params * wiggle) ** 0.28
    return read_runs(pd.DataFrame({"params": params, "tokens": 20 * params * wiggle, "loss": loss}))


def test_runs_on_one_ray_are_remarked_on() -> None:
    remark = only(check(ray(0.01)))
    assert "move together" in remark
    assert "tokens per param 20" in remark


def test_runs_on_one_curve_are_remarked_on() -> None:
    runs = ray(0)
    assert "move together" in only(
        check(runs.assign(tokens=runs["params"] ** 1.2).drop(columns="flops"))
    )


def test_runs_off_the_ray_and_laws_of_one_input_are_not() -> None:
    assert check(ray(0.5)) == ()
    assert check(ray(0.01), inputs=("params",), parameters=3) == ()


def test_fewer_than_three_runs_a_parameter_are_remarked_on() -> None:
    assert "14 runs for the 5 parameters" in only(check(isoflop().iloc[::2]))
    assert check(isoflop(), parameters=9) == ()


def test_a_short_range_is_remarked_on() -> None:
    runs = isoflop()
    short = runs.assign(params=1e9 * (runs["params"] / 1e9) ** 0.1).drop(columns="flops")
    assert "params by a factor" in only(check(short))


def test_an_input_may_be_zero() -> None:
    runs = isoflop().assign(drop=lambda table: np.arange(len(table)) // 7)
    inputs = ("params", "tokens", "drop")
    law = {"inputs": inputs, "response": "loss", "parameters": 5, "law": "annealed"}
    assert check_runs(runs, kinds={"drop": AMOUNT}, **law) == ()


def test_proportions_that_differ_by_chance_are_no_contradiction() -> None:
    """Two runs alike, one right of ten and three: counting alone does that."""
    runs = pd.DataFrame({"flops": [1e18, 1e18, 1e20, 1e22], "accuracy": [0.1, 0.3, 0.5, 0.8]})
    law = {"inputs": ("flops",), "response": "accuracy", "parameters": 1, "law": "any"}
    check_runs(runs, kinds={"accuracy": PROPORTION}, **law)
    with pytest.raises(DataError, match="rows 1 and 2"):
        check_runs(runs, **law)


def test_only_the_range_of_a_size_is_remarked_on() -> None:
    """A loss never varies by a factor of three."""
    losses = np.linspace(2.0, 3.0, 12)
    runs = pd.DataFrame({"loss": losses, "error": 0.2 * losses})
    law = {"inputs": ("loss",), "response": "error", "parameters": 1, "law": "any"}
    kinds = {"error": PROPORTION, "loss": AMOUNT}
    assert check_runs(runs, kinds=kinds, **law) == ()
    assert any("factor 1.5" in remark.text for remark in check_runs(runs, **law))
