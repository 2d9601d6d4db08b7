"""The shipped table of measured runs is the study its script describes, whole and unpolished."""

import numpy as np
import pandas as pd
import pytest
from design import CAP, KEY, chosen_rates, left_to_do
from numpy.testing import assert_allclose
from sizes import Size

from bayescale.datasets import card, load
from bayescale.datasets.fetching import fetch

RAW = pd.read_csv(fetch(card("pocket"))["runs"])
GRID, HOLDOUT, SWEEP = (load(name) for name in ("pocket", "pocket_holdout", "pocket_sweep"))
SIZES = [Size(width, layers) for width, layers in RAW[["width", "layers"]].to_numpy().tolist()]


def test_every_run_of_the_design_was_trained() -> None:
    assert left_to_do(RAW) == []


def test_every_run_is_in_one_table_or_did_not_end_well() -> None:
    assert len(GRID) + len(HOLDOUT) + len(SWEEP) == (RAW["status"] == "done").sum()
    assert not RAW.duplicated(KEY).any()
    failed = RAW[RAW["status"] != "done"]
    assert failed["loss"].isna().all()


def test_the_design_is_as_large_as_the_card_says() -> None:
    cells = GRID.groupby(["params", "tokens"])["seed"].nunique()
    sizes = GRID["params_non_embedding"].unique()
    assert len(cells) >= 60
    assert (cells >= 3).sum() >= 8
    assert len(sizes) >= 8
    assert np.log10(sizes.max() / sizes.min()) > 2.49
    assert GRID["tokens"].nunique() >= 6
    assert np.log10(GRID["tokens"].max() / GRID["tokens"].min()) > 2
    assert set(GRID["role"]) == {"grid", "repeat"}


def test_counts_are_those_of_the_models() -> None:
    for column in ("params_total", "params_non_embedding", "params_with_head"):
        assert RAW[column].tolist() == [getattr(size, column) for size in SIZES]
    exact = np.array([size.flops_per_token for size in SIZES]) * RAW["tokens"]
    assert_allclose(RAW["flops_exact"], exact, rtol=1e-15)
    assert_allclose(RAW["flops_6nd"], 6.0 * RAW["params_with_head"] * RAW["tokens"], rtol=1e-15)
    assert (RAW["flops_exact"][RAW["role"] == "grid"] <= CAP).all()
    done = RAW["status"] == "done"
    assert (RAW["steps"] * RAW["batch"] * 128 == RAW["tokens"])[done].all()


@pytest.mark.parametrize("flops", ["flops_exact", "flops_6nd"])
def test_held_out_runs_cost_four_to_ten_times_the_rest(flops: str) -> None:
    held_out = RAW["role"] == "holdout"
    ratio = RAW[flops][held_out] / RAW[flops][~held_out].max()
    assert len(ratio) >= 6
    assert ratio.between(4, 10).all()


def test_learning_rates_come_from_the_sweeps() -> None:
    levels, slope = chosen_rates(RAW)
    expected = [
        float(f"{levels[size] * tokens**slope:.3g}")
        for size, tokens in zip(SIZES, RAW["tokens"], strict=True)
    ]
    chosen = RAW["role"] != "sweep"
    assert RAW["learning_rate"][chosen].tolist() == list(np.array(expected)[chosen])


def test_losses_are_losses() -> None:
    for table in (GRID, HOLDOUT):
        assert table["loss"].between(0.5, np.log(256)).all()
        assert (abs(table["loss"] - table["train_loss"]) < 0.5).all()
        assert table["loss_se"].between(1e-3, 0.05).all()
    # The same model gets better with four times the data and more.
    best = GRID.groupby("params")["loss"].min()
    assert (HOLDOUT["loss"] < HOLDOUT["params"].map(best)).all()
