from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bayescale.errors import DataError
from bayescale.runs.checks import NARROW, VAGUE, WRONG, Remark, check_runs
from bayescale.runs.read import read_runs
from bayescale.spec.columns import AMOUNT, PROPORTION
from bayescale.spec.compute import SIX_ND, serving_cost


def refusal(function: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    with pytest.raises(DataError) as caught:
        function(*args, **kwargs)
    return str(caught.value)


def isoflop(*, noise: float = 0.005, seed: int = 4) -> pd.DataFrame:
    """Four budgets of seven models each on the law of Hoffmann et al., with lognormal noise."""
    flops, ratio = (
        np.ravel(a) for a in np.meshgrid(10.0 ** np.arange(18, 22), np.geomspace(4, 120, 7))
    )
    params = np.sqrt(flops / 6 / ratio)
    tokens = flops / 6 / params
    loss = 1.69 + 406.4 / params**0.34 + 410.7 / tokens**0.28
    loss = loss * np.exp(noise * np.random.default_rng(seed).standard_normal(len(loss)))
    return read_runs(pd.DataFrame({"params": params, "tokens": tokens, "loss": loss}))


def check(runs: pd.DataFrame, **changes: Any) -> tuple[Remark, ...]:
    usual: dict[str, Any] = {"inputs": ("params", "tokens"), "response": "loss"}
    usual |= {"parameters": 5, "law": "chinchilla"}
    return check_runs(runs, **(usual | changes))


def with_repeat(loss_factor: float, **labels: list[int]) -> pd.DataFrame:
    """Add the third run again at the end, its loss multiplied."""
    runs = isoflop()
    repeat = runs.iloc[[2]].assign(loss=runs["loss"].iloc[2] * loss_factor)
    both = pd.concat([runs, repeat], ignore_index=True)
    return both.assign(**{name: [a] * len(runs) + [b] for name, (a, b) in labels.items()})


@pytest.mark.parametrize("seed", range(20))
def test_a_clean_isoflop_grid_has_no_remarks(seed: int) -> None:
    assert check(isoflop(seed=seed)) == ()


def test_remarks_have_the_rank_of_what_they_change() -> None:
    runs = isoflop()
    runs.loc[[1, 4], "flops"] *= 3
    doubled = pd.concat([runs, runs.iloc[[2]]], ignore_index=True)
    remarks = check(doubled, parameters=12)
    assert [remark.rank for remark in remarks] == [WRONG, NARROW, VAGUE]
    assert WRONG < NARROW < VAGUE


def test_too_few_runs_are_refused_with_the_counts() -> None:
    assert len(check(isoflop().iloc[::5])) > 0  # six runs for five parameters pass, with a remark
    message = refusal(check, isoflop().iloc[:5])
    assert "'chinchilla' has 5 parameters and there are 5 runs" in message
    assert "at least 6" in message


def test_an_input_that_does_not_vary_is_refused() -> None:
    message = refusal(check, isoflop().assign(tokens=2e9))
    assert "tokens is 2e+09 in all 28 runs" in message


def test_repeats_that_disagree_are_refused_with_both_rows_and_values() -> None:
    runs = with_repeat(1.06)
    message = refusal(check, runs)
    assert "rows 3 and 29" in message
    assert f"{runs['loss'][2]:.6g} and {runs['loss'][28]:.6g}" in message
    assert "seed" in message


def test_rows_are_counted_in_the_table_given() -> None:
    assert "rows 1 and 27" in refusal(check, with_repeat(1.06).iloc[2:])


def test_repeats_within_seed_noise_pass() -> None:
    assert check(with_repeat(1.04)) == ()


def test_repeats_with_different_seeds_pass() -> None:
    assert check(with_repeat(1.3, seed=[0, 1])) == ()


def test_repeats_with_one_seed_are_refused() -> None:
    assert "rows 3 and 29" in refusal(check, with_repeat(1.06, seed=[0, 0]))


def only(remarks: tuple[Remark, ...]) -> str:
    assert len(remarks) == 1, remarks
    return str(remarks[0])


def test_copies_are_remarked_on() -> None:
    assert "rows 3, 29 are copies" in only(check(with_repeat(1.0)))


def test_copies_with_objects_in_other_columns_are_seen() -> None:
    runs = with_repeat(1.0)
    assert "rows 3, 29" in only(check(runs.assign(config=[{"width": 8}] * len(runs))))


@pytest.mark.parametrize(("name", "unit"), [("params", 1e6), ("tokens", 1e9)])
def test_counts_in_millions_or_billions_are_remarked_on(name: str, unit: float) -> None:
    runs = isoflop()
    remark = check(runs.assign(**{name: runs[name] / unit}).drop(columns="flops"))
    assert only(remark).startswith(f"{name} are ")
    assert "millions or billions" in only(remark)


def test_flops_that_disagree_are_remarked_on_with_rows_and_factor() -> None:
    runs = isoflop()
    runs.loc[[1, 4], "flops"] *= 3
    remark = only(check(runs))
    assert "2 of 28 runs (rows 2, 5)" in remark
    assert "by 3 times" in remark


def test_flops_are_compared_with_the_cost() -> None:
    runs = isoflop()
    cost = serving_cost(1e13)
    runs["flops"] = cost.flops(runs["params"], runs["tokens"])
    assert "flops differ" in only(check(runs, cost=SIX_ND))
    assert check(runs, cost=cost) == ()


def test_losses_worse_than_guessing_are_remarked_on() -> None:
    runs = isoflop()
    assert "median loss" in only(check(runs.assign(loss=runs["loss"] * 1024)))


@pytest.mark.parametrize("rows", [[3, 17], [0, 5, 9, 13, 22, 26]])
def test_some_losses_in_bits_are_remarked_on_by_row(rows: list[int]) -> None:
    runs = isoflop()
    runs.loc[rows, "loss"] /= np.log(2)
    remark = only(check(runs))
    assert f"loss in rows {', '.join(str(row + 1) for row in rows)} lies 1.44 times" in remark


def test_some_losses_off_by_another_factor_are_no_bits() -> None:
    runs = isoflop()
    runs.loc[[3, 17], "loss"] *= 1.25
    assert check(runs) == ()


def test_a_single_outlier_is_no_bits() -> None:
    runs = isoflop()
    runs.loc[3, "loss"] /= np.log(2)
    assert check(runs) == ()


def test_other_responses_are_no_losses() -> None:
    runs = isoflop().rename(columns={"loss": "perplexity"})
    runs["perplexity"] *= 1024
    runs.loc[[3, 17], "perplexity"] /= np.log(2)
    assert check(runs, response="perplexity") == ()


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
