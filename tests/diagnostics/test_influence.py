"""Influence of single runs and clusters, and residuals that are too large."""

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from numpy.testing import assert_allclose
from scipy import stats

from bayescale.diagnostics.influence import influence
from bayescale.diagnostics.residuals import (
    CHANCE,
    outlier_threshold,
    outliers,
    standardised_residuals,
)
from bayescale.errors import DataError, LawError
from bayescale.fitting.fit import fit
from bayescale.fitting.record import Fit
from bayescale.likelihoods import NORMAL, STUDENT_T
from bayescale.models import CHINCHILLA, LAWS
from bayescale.posterior.draws import SAMPLE_DIMS, Draws
from bayescale.posterior.jackknife import influence_covariances, resampling_unit
from bayescale.posterior.loo import MOVED
from bayescale.posterior.quantities import quantities
from bayescale.posterior.widening import stretch, widen
from bayescale.validation.simulators import free_parameters
from tests.designs import simulated

POWER_LAW = LAWS["power_law"]
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
    return fit(POWER_LAW, kept, likelihood=NORMAL, draws=1000, tune=400, chains=2, random_seed=1)


@pytest.mark.parametrize("row", [1, 15, FAR])
def test_influence_on_the_exponent_is_that_of_a_refit(row: int) -> None:
    """The change to first order is that of least squares times 1 - leverage, which is divided out.

    The two means and the covariance each have a Monte Carlo error of an sd over the root of what
    the draws are worth (that of the covariance times the sd of the log likelihood). Three of these
    in all, and 5% for what the scale does, which changes when a run that is far off is dropped.
    """
    whole, less = fitted(3.0).as_modelled, fitted(3.0, row).as_modelled
    log_x = np.log(whole.runs["x"].to_numpy())
    centred = log_x - log_x.mean()
    leverage = 1 / RUNS + centred[row - 1] ** 2 / (centred**2).sum()
    alpha = whole.posterior["alpha"]
    sd = float(alpha.std(ddof=1))
    change = float(influence(whole, xr.Dataset({"alpha": alpha}))["alpha"][row - 1])
    refit = (float(less.posterior["alpha"].mean()) - float(alpha.mean())) / sd
    worth = whole.summary(["alpha"])["ess_bulk"].iloc[0]
    own = float(whole.log_likelihood[..., row - 1].std())
    error = np.sqrt((2 + own**2) / worth)
    assert abs(change / (1 - leverage) - refit) < 3 * error + 0.05 * abs(refit)


def test_a_run_that_is_off_at_the_end_is_the_most_influential() -> None:
    change = influence(fitted(6.0), fitted(6.0).as_modelled.posterior[["alpha"]])["alpha"]
    assert int(np.abs(change.to_numpy()).argmax()) == FAR - 1
    assert change[FAR - 1] > 0  # the exponent is lower than it would be without it


def test_squares_of_the_changes_add_up_to_what_resampling_gives(small_fit: Fit) -> None:
    """And an interval is at least as wide, of a parameter that is sampled on its logarithm."""
    own = np.log(small_fit.as_modelled.posterior[["kappa"]])
    for unit in ("run", "cluster"):
        change = influence(small_fit, own, of_each=unit)["kappa"]
        assert change.dims == (unit,)
        n = change.size
        ratio = float(np.sqrt(n / (n - 1) * ((change - change.mean()) ** 2).sum()))
    assert small_fit.summary(["kappa"])["widened"].item() > max(1.0, ratio) - 1e-9


def test_clusters_are_resampled_where_there_are_enough(small_fit: Fit) -> None:
    assert resampling_unit(small_fit.structure.clusters) == "cluster"
    assert resampling_unit(fitted(3.0).structure.clusters) == "run"
    structure, runs = small_fit.structure, small_fit.runs
    free = Draws(structure, free_parameters(small_fit.as_modelled.draws), runs)
    by_cluster, by_run = (
        quantities(Draws(structure, widen(free, small_fit.case_log_likelihood(unit)), runs))
        for unit in ("cluster", "run")
    )
    for name in small_fit.law.coefficient_names:
        assert_allclose(small_fit.posterior[name], by_cluster[name], rtol=1e-9)
    assert not np.allclose(by_run["alpha"].std(), by_cluster["alpha"].std(), rtol=0.1)


def test_resampling_clusters_shows_what_resampling_runs_does_not() -> None:
    """Thirty clusters of four runs that are the same: 30 pieces of evidence counted as 120.

    Means of Normal runs of scale 1, the posterior sd of their mean 1 / sqrt(120). By cluster the
    stretch is 2 times the sd of the clusters' levels, by run 1 times it, or 1 if that is more. The
    covariances have an error of 1 / sqrt(2 * 4000) and a bias of n / (2 * 4000): five of the first
    and the second.
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
    wide = 2 * levels.std(ddof=1)
    assert wide > 1 + 2 * tolerance
    moved, runs, clusters = (
        x.transpose(*SAMPLE_DIMS, ...).to_numpy().reshape(4000, -1)
        for x in (mean - mean.mean(), by_run, by_cluster)
    )
    by_run_alone = max(float(y.std(ddof=1)), 1.0)
    assert_allclose(stretch(moved, runs - runs.mean(axis=0)), [[by_run_alone]], rtol=tolerance)
    assert_allclose(stretch(moved, clusters - clusters.mean(axis=0)), [[wide]], rtol=tolerance)


def test_influence_by_cluster_leaves_out_all_its_runs(small_fit: Fit) -> None:
    change = influence(small_fit, of_each="cluster")
    labels = list(small_fit.structure.clusters.labels)
    members = np.array(small_fit.structure.clusters.names(small_fit.runs))
    by_run = influence(small_fit)["alpha"].to_numpy()
    # Covariances are linear: a cluster's is the sum of those of its runs.
    sums = [by_run[members == label].sum() for label in labels]
    assert_allclose(change["alpha"].sel(cluster=labels), sums, rtol=1e-9)
    assert list(change["cluster"].to_numpy()[: len(labels)]) == labels
    assert set(change) == {*small_fit.law.coefficient_names, *small_fit.law.derived}


def test_units_that_cannot_be_left_out_are_refused(small_fit: Fit) -> None:
    with pytest.raises(LawError, match="'budget'; expected 'run' or 'cluster'"):
        influence(small_fit, of_each="budget")
    with pytest.raises(DataError, match="30 runs are in no clusters"):
        influence(fitted(3.0), of_each="cluster")


def test_an_optimum_has_an_influence_at_every_budget(small_fit: Fit) -> None:
    best = np.log(small_fit.as_modelled.optimum([1e14, 1e15], drift=False)[["N_opt"]])
    change = influence(small_fit, best)["N_opt"]
    assert change.sizes == {"run": len(small_fit.runs), "budget": 2}
    raw = influence_covariances(best["N_opt"], small_fit.log_likelihood)
    assert_allclose(change * best["N_opt"].std(("chain", "draw"), ddof=1), -raw)


def test_only_a_run_that_is_far_off_is_an_outlier() -> None:
    residual = outliers(fitted(10.0))
    assert list(residual.index) == [FAR]
    assert residual[FAR] > outlier_threshold(RUNS)
    assert outliers(fitted(2.0)).empty


def test_the_furthest_of_normal_runs_is_rarely_so_far() -> None:
    """The bound adds up the runs' probabilities: below CHANCE by at most its square."""
    inside = 1 - 2 * stats.norm.sf(outlier_threshold(50))
    assert CHANCE - CHANCE**2 < 1 - inside**50 < CHANCE


def test_residuals_with_heavy_tails_show_no_outliers() -> None:
    runs = straight(10.0)
    heavy = fit(POWER_LAW, runs, likelihood=STUDENT_T, draws=100, tune=300, chains=2, random_seed=1)
    assert outliers(heavy).empty
    with pytest.raises(LawError, match="'student_t'; expected Normal scatter"):
        standardised_residuals(heavy)
    residual = standardised_residuals(heavy, heavy_tails=True).to_numpy()
    assert int(residual.argmax()) == FAR - 1


def test_a_run_with_a_large_pareto_k_is_left_out_by_a_refit() -> None:
    """A corner of a grid, far off the law."""
    runs = simulated(CHINCHILLA, noise=0.01, seed=3, each=5)
    runs.loc[0, "loss"] *= 1.6
    how: dict[str, Any] = {"likelihood": NORMAL, "clusters": None, "random_seed": 2, "chains": 2}
    fitted = fit(CHINCHILLA, runs, **how).as_modelled
    assert fitted.loo["pareto_k"][0] > 1
    names = [*CHINCHILLA.coefficient_names, *CHINCHILLA.derived]
    without = fit(CHINCHILLA, runs.drop(index=0), **how).as_modelled
    before, after = (np.log(one.posterior[names]) for one in (fitted, without))
    dims = ("chain", "draw")
    shift = (abs(after.mean(dims) - before.mean(dims)) / before.std(dims, ddof=1)).to_array().max()
    # Two means of 2,000 draws, worth 400 or more, each known to 0.05 posterior sd of their own.
    assert float(fitted.loo["moved"][0]) == pytest.approx(float(shift), abs=0.3)
    assert np.isnan(fitted.loo["moved"][1:]).all()
    doubted = any(reason.startswith("pareto_k") for reason in fitted.verdict.reasons)
    assert doubted == (float(fitted.loo["moved"][0]) > MOVED)
