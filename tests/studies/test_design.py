"""The pocket study asks for the runs it should, in an order that can be broken off anywhere."""

import numpy as np
import pandas as pd
import pytest
from design import CAP, KEY, RATES, REPEATED, Run, chosen_rates, left_to_do
from sizes import Size

COLUMNS = [*KEY, "status", "loss"]
EMPTY = pd.DataFrame(columns=COLUMNS)
SLOPE = -0.1


def best_rate(size: Size, tokens: float) -> float:
    """Optimum of the made-up losses below: smaller for wide models and for more tokens."""
    return 0.3 / size.width * (tokens / 2**18) ** SLOPE


def trained(run: Run) -> dict[str, object]:
    """Row of a made-up run, whose loss is a parabola in the log learning rate."""
    off = np.log(run.learning_rate / best_rate(run.size, run.tokens))
    return dict(zip(KEY, run.key, strict=True)) | {"status": "done", "loss": 2 + 0.1 * off**2}


def study(spoil: float = np.inf) -> pd.DataFrame:
    """Whole study; runs at learning rates from `spoil` on diverge."""
    table = EMPTY
    while runs := left_to_do(table):
        rows = pd.DataFrame([trained(run) for run in runs], columns=COLUMNS)
        diverged = rows["learning_rate"] >= spoil
        rows.loc[diverged, ["status", "loss"]] = "diverged", np.nan
        table = rows if table.empty else pd.concat([table, rows], ignore_index=True)
    return table


@pytest.fixture(scope="module")
def done() -> pd.DataFrame:
    return study()


def test_it_begins_with_the_sweeps() -> None:
    assert {run.role for run in left_to_do(EMPTY)} == {"sweep"}
    assert {run.learning_rate for run in left_to_do(EMPTY)} == set(RATES)


def test_no_run_is_repeated(done: pd.DataFrame) -> None:
    assert not done.duplicated(KEY).any()
    assert left_to_do(done) == []


def test_the_grid_is_as_large_as_planned(done: pd.DataFrame) -> None:
    grid = done[done["role"] == "grid"]
    params = [Size(w, d).params_non_embedding for w, d in zip(grid.width, grid.layers, strict=True)]
    assert len(set(params)) >= 8
    assert np.log10(max(params) / min(params)) > 2.49
    assert grid["tokens"].nunique() >= 6
    assert np.log10(grid["tokens"].max() / grid["tokens"].min()) > 2
    assert len(grid) >= 60


def test_cells_are_repeated_with_three_seeds(done: pd.DataFrame) -> None:
    repeats = done[done["role"] == "repeat"]
    cells = repeats.groupby(["width", "layers", "tokens"])
    assert len(cells) == len(REPEATED) >= 8
    assert (cells["seed"].nunique() == 2).all()
    # The third is the grid's own, trained at the same rate.
    grid = done[done["role"] == "grid"]
    same = repeats.merge(grid, on=["width", "layers", "tokens", "learning_rate"])
    assert len(same) == len(repeats)


def test_held_out_runs_cost_four_to_ten_times_the_rest(done: pd.DataFrame) -> None:
    sizes = [Size(w, d) for w, d in zip(done["width"], done["layers"], strict=True)]
    counts = {
        "exact": [size.flops_per_token for size in sizes],
        "6ND": [6 * size.params_with_head for size in sizes],
    }
    for per_token in counts.values():
        flops = per_token * done["tokens"]
        held_out = done["role"] == "holdout"
        ratio = flops[held_out] / flops[~held_out].max()
        assert len(ratio) >= 6
        assert ratio.between(4, 10).all()
    assert flops[done["role"] == "grid"].max() <= CAP


def test_sweeps_recover_the_best_rate(done: pd.DataFrame) -> None:
    levels, slope = chosen_rates(done)
    # Parabolas are fitted exactly.
    assert slope == pytest.approx(SLOPE)
    assert {size: level * 2.0 ** (18 * slope) for size, level in levels.items()} == pytest.approx(
        {size: best_rate(size, 2**18) for size in levels}
    )


def test_a_sweep_goes_on_until_its_best_is_inside(done: pd.DataFrame) -> None:
    for _, sweep in done[done["role"] == "sweep"].groupby(["width", "layers", "tokens"]):
        ordered = sweep.sort_values("learning_rate")["loss"].to_numpy()
        assert 0 < ordered.argmin() < len(ordered) - 1


def test_diverged_runs_are_kept_and_never_chosen() -> None:
    table = study(spoil=0.015)
    assert (table["status"] == "diverged").any()
    levels, slope = chosen_rates(table)
    assert max(level * 2.0 ** (18 * slope) for level in levels.values()) < 0.015


def test_a_study_goes_on_where_it_was(done: pd.DataFrame) -> None:
    half = done.sample(frac=0.5, random_state=1)
    remaining = {run.key for run in left_to_do(half)}
    assert remaining
    assert not remaining & set(half[KEY].itertuples(index=False, name=None))
