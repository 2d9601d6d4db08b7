import numpy as np
import pandas as pd
import pytest

from bayescale.runs.checks import NARROW
from bayescale.runs.read import read_runs
from tests.runs.grid import check, isoflop, only, refusal


def with_repeat(loss_factor: float, **labels: list[int]) -> pd.DataFrame:
    """Add the third run again at the end, its loss multiplied."""
    runs = isoflop()
    repeat = runs.iloc[[2]].assign(loss=runs["loss"].iloc[2] * loss_factor)
    both = pd.concat([runs, repeat], ignore_index=True)
    return both.assign(**{name: [a] * len(runs) + [b] for name, (a, b) in labels.items()})


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


def test_copies_are_remarked_on() -> None:
    assert "rows 3, 29 are copies" in only(check(with_repeat(1.0)))


def test_copies_with_objects_in_other_columns_are_seen() -> None:
    runs = with_repeat(1.0)
    assert "rows 3, 29" in only(check(runs.assign(config=[{"width": 8}] * len(runs))))


def twice(factor: float, **labels: object) -> pd.DataFrame:
    """Give the table twice, with all losses of the second half multiplied."""
    runs = isoflop()
    both = pd.concat([runs, runs.assign(loss=runs["loss"] * factor)], ignore_index=True)
    return both.assign(**labels)


@pytest.mark.parametrize("factor", [1 + 1e-9, 1 - 1e-9, 1 + 1e-7])
def test_copies_within_rounding_are_remarked_on(factor: float) -> None:
    (remark,) = check(twice(factor))
    assert remark.rank == NARROW
    assert remark.text.startswith("rows 1, 2, 3, 4, 5, 6, 7, 8 and 48 more are copies")
    assert "rounding" in remark.text


def test_inputs_that_differ_by_rounding_are_copies_too() -> None:
    runs = twice(1.0)
    runs.loc[28:, "params"] *= 1 + 1e-12
    assert "rows 1, 2, 3, 4, 5, 6, 7, 8 and 48 more" in only(check(runs))


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("seed", np.repeat([1, 2], 28)),
        ("init_seed", np.repeat([1, 2], 28)),
        ("run", [f"run-{k}" for k in range(56)]),
        ("what", [f"job {k}" for k in range(56)]),
        ("Unnamed: 0", np.arange(56)),
    ],
)
def test_copies_told_apart_by_a_number_alone_are_seen(name: str, labels: object) -> None:
    remark = only(check(twice(1.0, **{name: labels})))
    assert "rows 1, 2, 3, 4, 5, 6, 7, 8 and 48 more" in remark
    assert "seed" in remark


def test_one_copy_under_another_seed_is_seen_by_its_rows() -> None:
    assert "rows 3, 29 are copies" in only(check(with_repeat(1.0, seed=[1, 2])))


def test_seeds_whose_losses_differ_are_no_copies() -> None:
    assert check(twice(1.001, seed=np.repeat([1, 2], 28))) == ()
    assert check(twice(1 + 1e-5, seed=np.repeat([1, 2], 28))) == ()


def test_seeds_whose_rounded_losses_agree_are_no_copies() -> None:
    runs = twice(1.0001, seed=np.repeat([1, 2], 28))
    runs["loss"] = runs["loss"].round(2)
    assert check(runs) == ()


def test_runs_that_differ_in_a_setting_are_no_copies() -> None:
    """Equal to all digits, but not told apart by a number alone."""
    assert check(twice(1.0, corpus=["web"] * 28 + ["code"] * 28)) == ()
    assert check(twice(1.0, learning_rate=np.repeat([1e-3, 2e-3], 28))) == ()


def with_total(kind: str, place: int, *, flops: bool = False) -> pd.DataFrame:
    """Put the sums or means of the runs in a row of their own, loss averaged to four digits."""
    runs = isoflop()
    columns = ["params", "tokens", "flops", "loss"] if flops else ["params", "tokens", "loss"]
    row = runs[columns].agg(kind)
    row["loss"] = round(runs["loss"].mean(), 4)
    parts = (runs[columns].iloc[:place], row.to_frame().T, runs[columns].iloc[place:])
    return read_runs(pd.concat(parts, ignore_index=True))


@pytest.mark.parametrize("flops", [True, False])
@pytest.mark.parametrize("place", [28, 0, 12])
@pytest.mark.parametrize("kind", ["sum", "mean"])
def test_a_total_or_a_mean_of_the_others_is_refused(kind: str, place: int, flops: bool) -> None:
    message = refusal(check, with_total(kind, place, flops=flops))
    assert message.startswith(f"row {place + 1} of the table holds the {kind} of other rows")
    assert "Drop that row" in message


def test_a_total_followed_by_a_mean_is_refused() -> None:
    runs = with_total("sum", 28)
    both = pd.concat([runs, with_total("mean", 28).iloc[[-1]]], ignore_index=True)
    assert refusal(check, both).startswith("row 29 of the table holds the sum")


def test_a_total_in_one_column_alone_is_refused() -> None:
    runs = with_total("sum", 28)
    runs.loc[28, ["tokens", "loss"]] = [3e10, 2.2]
    message = refusal(check, runs.drop(columns="flops"))
    assert f"row 29 of the table holds the sum of other rows (params {runs['params'][28]:.6g})" in (
        message
    )


def test_a_run_of_the_middle_size_is_no_mean() -> None:
    """On an even grid the middle size and the middle data are the means of the others."""
    params, tokens = (np.ravel(a) for a in np.meshgrid([1e9, 2e9, 3e9], [1e10, 2e10, 3e10]))
    loss = 1.69 + 406.4 / params**0.34 + 410.7 / tokens**0.28
    remarks = check(read_runs(pd.DataFrame({"params": params, "tokens": tokens, "loss": loss})))
    assert all("mean" not in remark.text for remark in remarks)


@pytest.mark.parametrize("loss", [2.5, 2.9])
def test_seeds_of_one_run_and_a_larger_run_are_no_totals(loss: float) -> None:
    """Four seeds, a fifth that is exactly their mean, and a run of four times the size."""
    seeds = pd.DataFrame({"params": 1e8, "tokens": 2e9, "loss": [2.90, 2.91, 2.89, 2.90, 2.90]})
    more = isoflop()[["params", "tokens", "loss"]]
    larger = pd.DataFrame({"params": [4e8], "tokens": [8e9], "loss": [loss]})
    for first in (seeds, seeds.iloc[:4]):
        runs = pd.concat([first, larger, more], ignore_index=True)
        check(read_runs(runs.assign(seed=np.arange(len(runs)))))


def test_sizes_that_double_are_no_totals() -> None:
    params = 2.0 ** np.arange(20, 36)
    tokens = 20 * params * np.tile([0.3, 3.0], 8)
    loss = 1.69 + 406.4 / params**0.34 + 410.7 / tokens**0.28
    assert check(read_runs(pd.DataFrame({"params": params, "tokens": tokens, "loss": loss}))) == ()


@pytest.mark.parametrize("wiggle", [0.0, 1e-12])
def test_losses_that_are_all_the_same_are_refused(wiggle: float) -> None:
    runs = isoflop()
    message = refusal(check, runs.assign(loss=2.5 * (1 + wiggle * np.arange(len(runs)))))
    assert "loss is 2.5 in all 28 runs" in message
    assert "expected it to vary with params and tokens" in message
    assert "Check which column" in message
