import numpy as np
import pandas as pd
import pytest

from bayescale.runs.checks import WRONG
from bayescale.runs.mixtures import losses_in_bits
from bayescale.runs.read import read_runs
from bayescale.spec.compute import SIX_ND, serving_cost
from tests.runs.grid import check, isoflop, only
from tests.tables import PublicTable


def read_again(runs: pd.DataFrame, *names: str) -> pd.DataFrame:
    """Read columns of a table; of params, tokens and flops the third is filled."""
    return read_runs(runs[[*names, "loss"]])


@pytest.mark.parametrize("other", ["tokens", "flops"])
@pytest.mark.parametrize("unit", [1e6, 1e9])
def test_params_in_millions_or_billions_are_remarked_on(unit: float, other: str) -> None:
    runs = isoflop()
    runs["params"] /= unit
    (remark,) = check(read_again(runs, "params", other))
    assert remark.rank == WRONG
    assert remark.text.startswith("params of all 28 runs look like another unit: ")
    assert f"Multiply params by {unit:.4g} there" in remark.text


@pytest.mark.parametrize("other", ["params", "flops"])
@pytest.mark.parametrize("unit", [1e6, 1e9, 1e12])
def test_tokens_in_millions_or_more_are_remarked_on(unit: float, other: str) -> None:
    runs = isoflop()
    runs["tokens"] /= unit
    remark = only(check(read_again(runs, "tokens", other)))
    assert f"Multiply tokens by {unit:.4g} there" in remark


@pytest.mark.parametrize("other", ["params", "tokens"])
@pytest.mark.parametrize("unit", [1e6, 1e9, 1e12, 1e15, 1e18, 1e21])
def test_the_flops_are_named_where_another_column_was_filled_from_them(
    unit: float, other: str
) -> None:
    runs = isoflop()
    runs["flops"] /= unit
    remark = only(check(read_again(runs, "flops", other)))
    assert remark.startswith("flops of all 28 runs look like another unit: ")
    assert f"Multiply flops by {unit:.4g} there" in remark


def test_params_in_millions_whose_largest_is_large_are_seen() -> None:
    """Up to 70 billion: 7e4 millions is no small number, but tokens per param say it."""
    params, tokens = (
        np.ravel(a) for a in np.meshgrid(np.geomspace(7e7, 7e10, 8), [5e10, 3e11, 2e12])
    )
    loss = 1.69 + 406.4 / params**0.34 + 410.7 / tokens**0.28
    loss *= np.exp(0.004 * np.random.default_rng(6).standard_normal(24))
    table = pd.DataFrame({"params": params / 1e6, "tokens": tokens, "loss": loss})
    assert "Multiply params by 1e+06 there" in only(check(read_runs(table)))
    assert check(read_runs(table.assign(params=params))) == ()


def test_two_columns_in_billions_are_named_together() -> None:
    runs = isoflop()
    runs[["params", "tokens"]] /= 1e9
    remark = only(check(read_again(runs, "params", "tokens")))
    assert remark.startswith("params and tokens of all 28 runs look like another unit: ")
    assert "Multiply params by 1e+09 and tokens by 1e+09 there" in remark


def test_flops_of_a_table_without_sizes_are_judged_by_themselves() -> None:
    flops = np.geomspace(1e18, 1e22, 15)
    runs = pd.DataFrame({"flops": flops / 1e18, "loss": 1.7 + 20 * flops**-0.06})
    law = {"inputs": ("flops",), "parameters": 3, "law": "kaplan_c"}
    assert "Multiply flops by 1e+18 there" in only(check(runs, **law))
    assert check(runs.assign(flops=flops), **law) == ()


@pytest.mark.parametrize(
    ("name", "unit"),
    [("flops", 1e9), ("flops", 8.64e19), ("params", 1e3), ("tokens", 1e3), ("tokens", 1e6)],
)
def test_a_column_that_the_other_two_contradict_is_named(name: str, unit: float) -> None:
    """All three are in the table, and one is in a unit of its own in all rows."""
    runs = isoflop()
    runs[name] /= unit
    assert f"Multiply {name} by {unit:.4g} there" in only(check(runs))


def mixed(name: str, unit: float, rows: object, *, seed: int = 4) -> pd.DataFrame:
    """Write a column of some rows in another unit; flops are filled."""
    runs = isoflop(seed=seed)
    runs.loc[rows, name] /= unit
    return read_again(runs, "params", "tokens")


RATIO, BUDGET = np.arange(28) // 4, np.arange(28) % 4
SOME = {
    "two": np.isin(np.arange(28), [3, 17]),
    "a few": np.isin(np.arange(28), [0, 5, 9, 13, 22, 26]),
    "second half": np.arange(28) >= 14,
    "the largest budget": BUDGET == 3,
    "the two larger budgets": BUDGET >= 2,
    "large tokens per param": RATIO >= 4,
    "most": np.arange(28) % 3 > 0,
}
"""Rows of the grid, whose budgets vary fastest."""


@pytest.mark.parametrize("rows", SOME.values(), ids=SOME)
@pytest.mark.parametrize("unit", [1e3, 1e6, 1e9])
@pytest.mark.parametrize("name", ["params", "tokens"])
def test_counts_of_some_rows_in_another_unit_are_named(
    name: str, unit: float, rows: np.ndarray
) -> None:
    (remark,) = check(mixed(name, unit, rows))
    assert remark.rank == WRONG
    numbers = [str(row + 1) for row in np.flatnonzero(rows)]
    assert remark.text.startswith(f"{name} of rows {', '.join(numbers[:8])}")
    assert f"Multiply {name} by {unit:.4g} there" in remark.text


@pytest.mark.parametrize("unit", [1e3, 1e6, 1e9])
def test_flops_of_some_rows_in_another_unit_are_named(unit: float) -> None:
    runs = isoflop()
    runs.loc[[3, 8, 20], "flops"] /= unit
    for table in (runs, read_again(runs, "params", "flops")):
        remark = only(check(table))
        assert remark.startswith("flops of rows 4, 9, 21 look like another unit")
        assert f"Multiply flops by {unit:.4g} there" in remark


def test_two_units_in_one_table_are_both_named() -> None:
    runs = mixed("params", 1e6, SOME["the largest budget"])
    runs.loc[SOME["two"], "loss"] /= np.log(2)
    first, second = check(runs)
    assert "Multiply params by 1e+06" in first.text
    assert second.text.startswith("loss in rows 4, 18 lies 1.4427 times")


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


@pytest.mark.parametrize("seed", [4, 5])
@pytest.mark.parametrize("rows", SOME.values(), ids=SOME)
def test_some_losses_in_bits_are_remarked_on_by_row(rows: np.ndarray, seed: int) -> None:
    runs = isoflop(seed=seed)
    runs.loc[rows, "loss"] /= np.log(2)
    (remark,) = check(runs)
    assert remark.rank == WRONG
    numbers = [str(row + 1) for row in np.flatnonzero(rows)]
    assert remark.text.startswith(f"loss in rows {', '.join(numbers[:8])}")
    assert "lies 1.4427 times above" in remark.text
    assert "Multiply those by ln 2 = 0.6931" in remark.text


def test_losses_of_two_sources_in_bits_are_named() -> None:
    """Two of four sources, shuffled, so that only their labels tell which rows they are."""
    runs = pd.concat([isoflop(seed=seed).assign(source=f"s{seed}") for seed in range(4)])
    runs = runs.sample(frac=1, random_state=1).reset_index(drop=True)
    bits = runs["source"].isin(["s1", "s3"]).to_numpy()
    runs.loc[bits, "loss"] /= np.log(2)
    remark = only(check(runs))
    assert ", ".join(str(row + 1) for row in np.flatnonzero(bits)[:8]) in remark
    assert f"and {bits.sum() - 8} more lies 1.4427 times" in remark


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


@pytest.mark.parametrize("factor", [1.1, 1.25, 2.0])
def test_few_runs_that_diverged_are_no_unit(factor: float) -> None:
    """Two runs at one corner of the grid; a quadratic without them fits well."""
    runs = isoflop()
    runs.loc[[3, 7], "loss"] *= factor
    assert check(runs) == ()


@pytest.mark.parametrize("name", ["chinchilla", "gadre_c4", "isoflop_llama3", "farseer", "gzip"])
def test_public_tables_are_in_one_unit(public_table: PublicTable, name: str) -> None:
    runs = read_runs(public_table(name)[["params", "tokens", "loss"]])
    texts = [remark.text for remark in check(runs) if remark.rank == WRONG]
    assert texts == []


@pytest.mark.parametrize("rows", ["second half", "every third"])
@pytest.mark.parametrize("name", ["chinchilla", "isoflop_llama3", "farseer"])
def test_bits_among_measured_losses_are_seen(
    public_table: PublicTable, name: str, rows: str
) -> None:
    runs = read_runs(public_table(name)[["params", "tokens", "loss"]])
    count = np.arange(len(runs))
    bits = count >= len(runs) / 2 if rows == "second half" else count % 3 == 0
    runs.loc[bits, "loss"] /= np.log(2)
    found = losses_in_bits(runs, ("params", "tokens"))
    # Runs of the Chinchilla study that lie 1.4 times off the others may be among them.
    assert found[bits].all()
    assert found[~bits].sum() <= 2
