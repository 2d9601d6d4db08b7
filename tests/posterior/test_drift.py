"""Drift: how wrong a law is beyond its runs, where that comes from and what it does."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from bayescale.fitting.fit import fit
from bayescale.fitting.record import Fit
from bayescale.likelihoods import NORMAL
from bayescale.models import LAWS
from bayescale.posterior.drift import (
    TAU,
    draw_drift,
    drift_share,
    drift_slope,
    reweighted_tau,
    weighted_slope,
)
from tests.designs import simulated

CHINCHILLA = LAWS["chinchilla"]
DRIFT = 0.05


@pytest.fixture(scope="module")
def cut_runs() -> tuple[Fit, pd.DataFrame]:
    """A fit to the smaller of simulated runs, and the larger ones with a drift put on them."""
    runs = simulated(CHINCHILLA, noise=0.005, seed=4, each=9)
    flops = runs["params"] * runs["tokens"]
    large = flops > flops.quantile(0.6)
    known, larger = runs[~large].reset_index(drop=True), runs[large].reset_index(drop=True)
    decades = np.log10((larger["params"] * larger["tokens"]) / flops[~large].max())
    larger["loss"] *= np.exp(DRIFT * decades)
    fitted = fit(
        CHINCHILLA, known, likelihood=NORMAL, clusters=None, draws=200, chains=2, random_seed=3
    )
    return fitted, larger


def test_a_drift_is_normal_with_its_own_tau() -> None:
    drawn = draw_drift(CHINCHILLA, 4, 1000, 1)
    z = (drawn["drift"] / drawn["tau"]).to_numpy()
    # Monte Carlo errors of a mean and an sd of 4,000 independent values, times five.
    assert abs(z.mean()) < 5 / np.sqrt(z.size)
    assert abs(z.std() - 1) < 5 / np.sqrt(2 * z.size)


def test_a_slope_is_recovered(cut_runs: tuple[Fit, pd.DataFrame]) -> None:
    """Within four standard errors: missed by chance once in 16,000."""
    fitted, larger = cut_runs
    slope, variance = drift_slope(fitted.draws, larger, 1)
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
        ([(0.0, 1e6)], 0.9, 1.1),  # no information
        ([(0.001, 1e-8), (-0.001, 1e-8)], 0.0, 0.5),
        ([(0.1, 1e-6)], 2.0, 20.0),
    ],
)
def test_slopes_move_tau(slopes: list[tuple[float, float]], low: float, high: float) -> None:
    rng = np.random.default_rng(5)
    prior = np.exp(np.log(0.02) + 0.9 * rng.standard_normal(40_000))
    ratio = np.median(reweighted_tau(prior, slopes, rng)) / np.median(prior)
    assert low < ratio < high


def test_within_the_runs_nothing_is_added(small_fit: Fit) -> None:
    inside = small_fit.runs.iloc[:5]
    alone = small_fit.predict(inside, drift=False)
    assert_allclose(small_fit.predict(inside)["mean"], alone["mean"])


def test_the_law_drifts_outside_the_runs(small_fit: Fit) -> None:
    points = {"params": [1e7, 1e8], "tokens": [1e9, 1e10]}
    mean, alone = (small_fit.predict(points, drift=on)["mean"] for on in (True, False))
    drift = np.log(mean / alone) / mean["decades_beyond_runs"]
    assert bool((mean["decades_beyond_runs"] > 1).all())
    expected = small_fit.drift["drift"].to_numpy()
    for k in range(2):
        assert_allclose(drift.isel(point=k), expected, rtol=1e-9)


def test_an_optimum_that_moved_still_costs_its_budget(small_fit: Fit) -> None:
    best, alone = (small_fit.optimum([1e13, 1e16], drift=on) for on in (True, False))
    flops = 6 * best["N_opt"] * best["D_opt"]
    assert_allclose(flops, best["budget"].broadcast_like(flops))
    moved = np.log(best["N_opt"] / alone["N_opt"]).isel(budget=1)
    far = float(best["decades_beyond_runs"][1])
    assert_allclose(moved, far * small_fit.drift["split_drift"], rtol=1e-9)


def test_laws_without_back_tests_have_the_general_prior() -> None:
    drawn = draw_drift(LAWS["power_law"], 4, 1000, 7)
    spread = TAU.parameters["sigma"]
    error = 1.2533 * spread / np.sqrt(4000)  # of the median of Normal draws
    assert abs(np.log(drawn["tau"]).median() - TAU.parameters["mu"]) < 5 * error


def test_the_share_of_drift_is_the_variance_that_goes_without_it(small_fit: Fit) -> None:
    largest = float((6 * small_fit.runs["params"] * small_fit.runs["tokens"]).max())
    budgets = [largest / 2, 30 * largest]
    with_drift, alone = (
        np.log(small_fit.optimum(budgets, drift=on)["N_opt"]) for on in (True, False)
    )
    share = drift_share(small_fit.drift, small_fit.optimum(budgets))
    dims = ("chain", "draw")
    gone = 1 - alone.var(dims) / with_drift.var(dims)
    assert float(share[0]) == 0
    # Independent draws correlate by chance, by less than 4 over the root of their number.
    chance = 4 / np.sqrt(small_fit.posterior.sizes["chain"] * small_fit.posterior.sizes["draw"])
    assert_allclose(share, gone, atol=chance)
