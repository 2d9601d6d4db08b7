"""What a fit would say without a run or a cluster, from its draws alone."""

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from numpy.testing import assert_allclose
from scipy import stats

import bayescale as bs
from bayescale.clusterwise import log_cluster_likelihood
from bayescale.diagnosis import MOVED, honesty, influences
from bayescale.errors import DataError, LawError
from bayescale.fitting import Fit, fit
from bayescale.influence import (
    CHANCE,
    CLUSTER,
    case_likelihood,
    furthest,
    influence,
    outliers,
    resampled,
    standardised_residuals,
)
from bayescale.likelihood import normal
from bayescale.models import CHINCHILLA, LAWS
from tests.designs import simulated

NOISE, RUNS, FAR = 0.01, 30, 30
"""`FAR` is the row, counted from 1, of the run that is off."""


def straight(off: float) -> pd.DataFrame:
    """Runs of a power law, the last of them so many scales above it."""
    x = np.geomspace(10.0, 1e3, RUNS)
    noise = NOISE * np.random.default_rng(5).standard_normal(RUNS)
    noise[FAR - 1] = off * NOISE
    return pd.DataFrame({"x": x, "y": 8.0 / x**0.2 * np.exp(noise)})


@cache
def fitted(off: float, without: int | None = None) -> Fit:
    runs = straight(off)
    kept = runs if without is None else runs.drop(index=without - 1).reset_index(drop=True)
    return bs.fit(
        LAWS["power_law"],
        kept,
        likelihood=bs.likelihood.normal,
        draws=1000,
        tune=400,
        chains=2,
        random_seed=1,
    )


@pytest.mark.parametrize("row", [1, 15, FAR])
def test_a_dropped_run_moves_the_exponent_as_a_refit_does(row: int) -> None:
    """The change to first order is that of least squares times 1 - leverage, which is divided out.

    The two means and the covariance each have a Monte Carlo error of an sd over the root of what
    the draws are worth (that of the covariance times the sd of the log likelihood). Three of these
    in all, and 5% for what the scale does, which changes when a run that is far off is dropped.
    """
    whole, less = fitted(3.0), fitted(3.0, row)
    log_x = np.log(whole.runs["x"].to_numpy())
    moved = log_x - log_x.mean()
    leverage = 1 / RUNS + moved[row - 1] ** 2 / (moved**2).sum()
    alpha = whole.posterior["alpha"]
    sd = float(alpha.std(ddof=1))
    change = float(influence(whole, xr.Dataset({"alpha": alpha}))["alpha"][row - 1])
    refit = (float(less.posterior["alpha"].mean()) - float(alpha.mean())) / sd
    worth = whole.summary(["alpha"])["ess_bulk"].iloc[0]
    own = float(whole.log_likelihood[..., row - 1].std())
    error = np.sqrt((2 + own**2) / worth)
    assert abs(change / (1 - leverage) - refit) < 3 * error + 0.05 * abs(refit)


def test_a_run_that_is_off_at_the_end_is_the_most_influential() -> None:
    change = influence(fitted(6.0), fitted(6.0).posterior[["alpha"]])["alpha"]
    assert int(np.abs(change.to_numpy()).argmax()) == FAR - 1
    assert change[FAR - 1] > 0  # the exponent is lower than it would be without it


def test_squares_of_the_changes_add_up_to_the_honesty_ratio(small_fit: Fit) -> None:
    for by, dim in (("run", "run"), ("cluster", "cluster")):
        change = influence(small_fit, small_fit.posterior[["alpha"]], by=by)["alpha"]
        assert change.dims == (dim,)
        n = change.size
        expected = np.sqrt(n / (n - 1) * ((change - change.mean()) ** 2).sum())
        assert_allclose(small_fit.summary(["alpha"], by=by)["honesty"], expected)


def test_clusters_are_what_is_resampled_where_there_are_enough(small_fit: Fit) -> None:
    assert resampled(small_fit) == CLUSTER
    assert resampled(fitted(3.0)) == "run"
    table = small_fit.summary()["honesty"]
    assert_allclose(table, small_fit.summary(by="cluster")["honesty"])
    assert not np.allclose(table, small_fit.summary(by="run")["honesty"], rtol=0.1)


def test_resampling_clusters_sees_what_resampling_runs_does_not() -> None:
    """Thirty clusters of four runs that are the same: 30 pieces of evidence taken for 120.

    Means of Normal runs of scale 1, the posterior sd of their mean 1 / sqrt(120). By cluster the
    ratio is 2 times the sd of the clusters' levels, by run 1 times it; the covariances' error and
    bias as in the test of `honesty` by run.
    """
    rng = np.random.default_rng(8)
    levels = rng.standard_normal(30)
    y = xr.DataArray(np.repeat(levels, 4), dims="run")
    mean = y.mean() + xr.DataArray(rng.normal(size=(4, 1000)), dims=("chain", "draw")) / np.sqrt(
        120
    )
    by_run = -0.5 * (y - mean) ** 2
    by_cluster = by_run.coarsen(run=4).sum().rename(run="cluster")
    tolerance = 5 / np.sqrt(2 * 4000) + 120 / (2 * 4000)
    assert_allclose(float(honesty(mean, by_cluster)), 2 * levels.std(ddof=1), rtol=tolerance)
    spread = float(y.std(ddof=1))
    assert_allclose(float(honesty(mean, by_run)), spread, rtol=tolerance)


def test_influence_by_cluster_leaves_out_all_its_runs(small_fit: Fit) -> None:
    assert_allclose(case_likelihood(small_fit), log_cluster_likelihood(small_fit))
    found = influence(small_fit, by="cluster")
    assert list(found["cluster"].to_numpy()[: len(small_fit.structure.clusters.labels)]) == list(
        small_fit.structure.clusters.labels
    )
    assert set(found) == {*small_fit.law.coefficient_names, *small_fit.law.derived}


def test_what_cannot_be_left_out_is_refused(small_fit: Fit) -> None:
    with pytest.raises(LawError, match=r"by is 'budget'; expected 'run' or 'cluster'"):
        influence(small_fit, by="budget")
    with pytest.raises(DataError, match="30 runs are in no clusters"):
        influence(fitted(3.0), by="cluster")


def test_an_optimum_has_an_influence_at_every_budget(small_fit: Fit) -> None:
    best = np.log(small_fit.optimum([1e14, 1e15], extrapolate=False)[["N_opt"]])
    change = influence(small_fit, best)["N_opt"]
    assert change.sizes == {"run": len(small_fit.runs), "budget": 2}
    raw = influences(best["N_opt"], small_fit.log_likelihood)
    assert_allclose(change * best["N_opt"].std(("chain", "draw"), ddof=1), -raw)


def test_only_a_run_that_is_far_off_is_an_outlier() -> None:
    found = outliers(fitted(10.0))
    assert list(found.index) == [FAR]
    assert found[FAR] > furthest(RUNS)
    assert outliers(fitted(2.0)).empty


def test_the_furthest_of_normal_runs_is_rarely_so_far() -> None:
    """The bound adds up the runs' probabilities: below CHANCE by at most its square."""
    inside = 1 - 2 * stats.norm.sf(furthest(50))
    assert CHANCE - CHANCE**2 < 1 - inside**50 < CHANCE


def test_residuals_with_heavy_tails_have_no_scale() -> None:
    heavy = bs.fit(
        LAWS["power_law"],
        straight(10.0),
        likelihood=bs.likelihood.student_t,
        draws=100,
        tune=300,
        chains=2,
        random_seed=1,
    )
    assert outliers(heavy).empty
    with pytest.raises(LawError, match="'student_t'; expected Normal scatter"):
        standardised_residuals(heavy)


def test_a_run_that_the_draws_cannot_speak_for_is_really_left_out() -> None:
    """A corner of a grid, far off the law."""
    runs = simulated(CHINCHILLA, noise=0.01, seed=3, each=5)
    runs.loc[0, "loss"] *= 1.6
    how: dict[str, Any] = {"likelihood": normal, "clusters": None, "random_seed": 2, "chains": 2}
    fitted = fit(CHINCHILLA, runs, **how)
    assert fitted.loo["pareto_k"][0] > 1
    names = [*CHINCHILLA.coefficient_names, *CHINCHILLA.derived]
    without = fit(CHINCHILLA, runs.drop(index=0), **how)
    before, after = (np.log(each.posterior[names]) for each in (fitted, without))
    dims = ("chain", "draw")
    moved = (abs(after.mean(dims) - before.mean(dims)) / before.std(dims, ddof=1)).to_array().max()
    # Two means of 2,000 draws, worth 400 or more, each known to 0.05 posterior sd of their own.
    assert float(fitted.loo["moved"][0]) == pytest.approx(float(moved), abs=0.3)
    assert np.isnan(fitted.loo["moved"][1:]).all()
    hangs = any(reason.startswith("pareto_k") for reason in fitted.verdict.reasons)
    assert hangs == (float(fitted.loo["moved"][0]) > MOVED)
