"""Beyond the runs: how wrong a law is there, where that comes from and what it does."""

import json

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from bayescale.errors import DataError, LawError
from bayescale.extrapolation import (
    TAU,
    drawn,
    drift_share,
    misfit_slope,
    updated,
    weighted_slope,
)
from bayescale.fitting import Fit, fit
from bayescale.likelihood import normal
from bayescale.models import LAWS
from tests.designs import simulated

CHINCHILLA = LAWS["chinchilla"]
DRIFT = 0.05


@pytest.fixture(scope="module")
def cut_runs() -> tuple[Fit, pd.DataFrame]:
    """A fit to the smaller of simulated runs, and the larger ones with a drift put on them."""
    runs = simulated(CHINCHILLA, noise=0.005, seed=4, each=9)
    flops = runs["params"] * runs["tokens"]
    above = flops > flops.quantile(0.6)
    known, larger = runs[~above].reset_index(drop=True), runs[above].reset_index(drop=True)
    decades = np.log10((larger["params"] * larger["tokens"]) / flops[~above].max())
    larger["loss"] *= np.exp(DRIFT * decades)
    fitted = fit(
        CHINCHILLA, known, likelihood=normal, clusters=None, draws=200, chains=2, random_seed=3
    )
    return fitted, larger


def test_a_drift_is_normal_with_its_own_tau() -> None:
    found = drawn(CHINCHILLA, 4, 1000, 1)
    z = (found["drift"] / found["tau"]).to_numpy()
    # Monte Carlo errors of a mean and an sd of 4,000 independent values, times five.
    assert abs(z.mean()) < 5 / np.sqrt(z.size)
    assert abs(z.std() - 1) < 5 / np.sqrt(2 * z.size)


def test_a_slope_is_found_again(cut_runs: tuple[Fit, pd.DataFrame]) -> None:
    """Within four standard errors: missed by chance once in 16,000."""
    fitted, larger = cut_runs
    slope, variance = misfit_slope(fitted.structure, fitted.posterior, fitted.runs, larger, 1)
    assert abs(slope - DRIFT) < 4 * np.sqrt(variance)
    assert np.sqrt(variance) < DRIFT / 2


def test_a_weighted_slope_is_least_squares_where_predictions_are_sure() -> None:
    decades = np.array([0.5, 1.0, 2.0])
    slope, variance = weighted_slope(0.1 * decades, np.zeros((3, 50)), np.full(3, 0.04), decades)
    assert_allclose(slope, 0.1)
    assert_allclose(variance, 0.04 / (decades**2).sum())


@pytest.mark.parametrize(
    ("slopes", "low", "high"),
    [
        ([(0.0, 1e6)], 0.9, 1.1),  # says nothing
        ([(0.001, 1e-8), (-0.001, 1e-8)], 0.0, 0.5),
        ([(0.1, 1e-6)], 2.0, 20.0),
    ],
)
def test_slopes_move_tau(slopes: list[tuple[float, float]], low: float, high: float) -> None:
    rng = np.random.default_rng(5)
    prior = np.exp(np.log(0.02) + 0.9 * rng.standard_normal(40_000))
    ratio = np.median(updated(prior, slopes, rng)) / np.median(prior)
    assert low < ratio < high


def test_within_the_runs_nothing_is_added(small_fit: Fit) -> None:
    inside = small_fit.runs.iloc[:5]
    alone = small_fit.predict(inside, extrapolate=False)
    assert_allclose(small_fit.predict(inside)["mean"], alone["mean"])


def test_beyond_the_runs_the_law_drifts(small_fit: Fit) -> None:
    points = {"params": [1e7, 1e8], "tokens": [1e9, 1e10]}
    found, alone = (small_fit.predict(points, extrapolate=e)["mean"] for e in (True, False))
    drift = np.log(found / alone) / found["decades_beyond_runs"]
    assert bool((found["decades_beyond_runs"] > 1).all())
    expected = small_fit.extrapolation["drift"].to_numpy()
    for k in range(2):
        assert_allclose(drift.isel(point=k), expected, rtol=1e-9)


def test_an_optimum_that_moved_still_costs_its_budget(small_fit: Fit) -> None:
    found, alone = (small_fit.optimum([1e13, 1e16], extrapolate=e) for e in (True, False))
    flops = 6 * found["N_opt"] * found["D_opt"]
    assert_allclose(flops, found["budget"].broadcast_like(flops))
    moved = np.log(found["N_opt"] / alone["N_opt"]).isel(budget=1)
    far = float(found["decades_beyond_runs"][1])
    assert_allclose(moved, far * small_fit.extrapolation["split_drift"], rtol=1e-9)


def test_rolling_forward_on_runs_of_the_law_makes_tau_smaller() -> None:
    """Runs that follow the law, at two cuts: the prior's median is halved at least."""
    runs = simulated(CHINCHILLA, noise=0.002, seed=6, each=9)
    first = fit(
        CHINCHILLA, runs, likelihood=normal, clusters=None, draws=100, chains=2, random_seed=2
    )
    rolled = first.roll_forward(cuts=(0.5, 0.7), jobs=1)
    slopes = json.loads(rolled.extrapolation.attrs["slopes"])
    assert [each["cut"] for each in slopes] == ["0.5", "0.7"]
    before, after = (np.log(f.extrapolation["tau"]).median() for f in (first, rolled))
    assert before - after > 3 * 1.2533 * CHINCHILLA.tau.parameters["sigma"] * np.sqrt(2 / 200)
    assert rolled.posterior.identical(first.posterior)


def test_rolling_forward_needs_runs_on_both_sides(small_fit: Fit) -> None:
    with pytest.raises(DataError, match="expected one that does"):
        small_fit.roll_forward(cuts=(0.01, 0.999), jobs=1)


def test_grouped_runs_do_not_roll(small_fit: Fit) -> None:
    from dataclasses import replace

    grouped = replace(small_fit, structure=replace(small_fit.structure, by="corpus"))
    with pytest.raises(LawError, match="ungrouped"):
        grouped.roll_forward()


def test_laws_that_were_not_measured_have_the_general_prior() -> None:
    found = drawn(LAWS["power_law"], 4, 1000, 7)
    spread = TAU.parameters["sigma"]
    error = 1.2533 * spread / np.sqrt(4000)  # of the median of Normal draws
    assert abs(np.log(found["tau"]).median() - TAU.parameters["mu"]) < 5 * error


def test_drift_s_share_of_an_optimum_is_what_is_gone_without_it(small_fit: Fit) -> None:
    largest = float((6 * small_fit.runs["params"] * small_fit.runs["tokens"]).max())
    budgets = [largest / 2, 30 * largest]
    with_drift, alone = (
        np.log(small_fit.optimum(budgets, extrapolate=each)["N_opt"]) for each in (True, False)
    )
    share = drift_share(small_fit.extrapolation, small_fit.optimum(budgets))
    dims = ("chain", "draw")
    gone = 1 - alone.var(dims) / with_drift.var(dims)
    assert float(share[0]) == 0
    # Independent draws correlate by chance, by less than 4 over the root of their number.
    chance = 4 / np.sqrt(small_fit.posterior.sizes["chain"] * small_fit.posterior.sizes["draw"])
    assert_allclose(share, gone, atol=chance)
