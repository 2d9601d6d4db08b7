"""How wrong a law is beyond its runs, and what that does to predictions.

No law is exactly true, and its misfit grows with distance. At d decades of size beyond the runs,
the expected response is off by ``drift * d`` on its scale, and the log of the optimal params by
``split_drift * d``:

    drift ~ Normal(0, tau),   split_drift ~ Normal(0, split_tau)

with one of each for a study. A law that is off by much among its runs is off by much beyond them:
so tau is a multiple of the usual distance of a run from the law (`usual_residual`), and the prior
of the multiple comes, for some laws, from back-tests of public studies (``studies/extrapolation``).
A study's own runs can update it: a law that is fitted to the runs below a cut shows its drift above
the cut (`drift_slope`). A misfit that depends on compute alone moves no optimum, hence a separate
drift for the split.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from bayescale.posterior.draws import SAMPLE_DIMS, Draws
from bayescale.posterior.expectation import expected_response, scatter_sd
from bayescale.priors import LogNormal
from bayescale.spec.compute import SIX_ND, Cost
from bayescale.spec.functions import Array, call
from bayescale.spec.law import Law

RATIO = LogNormal(mu=np.log(4.0), sigma=0.8)
"""Standard deviation of the response on its scale per decade beyond the runs, over the usual
residual, for laws without back-tests: about those of laws that have them, and less sure."""

SPLIT_TAU = LogNormal(mu=np.log(0.31), sigma=0.8)
"""Standard deviation of the log of the optimal params, for laws without back-tests."""

PROPOSALS = 20
"""Draws of the prior of tau that are weighted for every one that is kept."""


def extrapolation_decades(
    law: Law, points: pd.DataFrame, runs: pd.DataFrame, cost: Cost = SIX_ND
) -> Array:
    """How many powers of ten each point is larger than the largest run; 0 within the runs."""
    return decades_past(run_sizes(law, points, cost), run_sizes(law, runs, cost))


def decades_past(size: Array, known: Array) -> Array:
    """How many powers of ten sizes exceed the largest known one; 0 where they do not."""
    return np.maximum(np.log10(size / known.max()), 0.0)


def run_sizes(law: Law, table: pd.DataFrame, cost: Cost = SIX_ND) -> Array:
    """Size of each run, (run,): by the law's own measure, or else its compute.

    For laws without params and tokens it is the product of their inputs.
    """
    if law.drift.size is not None:
        return np.asarray(call(law.drift.size, {name: table[name] for name in law.inputs}))
    if {"params", "tokens"} <= set(law.inputs):
        return np.asarray(cost.flops(table["params"], table["tokens"]))
    return np.asarray(table[list(law.inputs)].prod(axis=1))


def draw_drift(draws: Draws, random_seed: int) -> xr.Dataset:
    """Draw one drift for each draw of a posterior.

    Parameters
    ----------
    draws : Draws
        Of a fitted law.
    random_seed : int
        Seed of these draws.

    Returns
    -------
    Dataset
        ``tau``, ``drift``, ``split_tau`` and ``split_drift``, each (chain, draw); those of a stage
        with its prefix.
    """
    rng = np.random.default_rng(random_seed)
    size = tuple(draws.posterior.sizes[dim] for dim in SAMPLE_DIMS)
    tau = draw_tau(draws, size, rng)
    drift = tau * rng.standard_normal(size)
    split_tau = (draws.law.drift.split_tau or SPLIT_TAU).draw(size, rng)
    drawn = {
        "tau": tau,
        "drift": drift,
        "split_tau": split_tau,
        "split_drift": split_tau * rng.standard_normal(size),
    }
    own = xr.Dataset({name: (SAMPLE_DIMS, values) for name, values in drawn.items()})
    if draws.structure.stage is None:
        return own
    staged = draw_drift(draws.stage, random_seed + 1)
    prefix = draws.structure.stage.prefix
    return own.assign({f"{prefix}{name}": values for name, values in staged.items()})


def draw_tau(draws: Draws, size: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Draw from the prior of tau.

    Parameters
    ----------
    draws : Draws
        Of a fitted law, whose residuals are the unit where the prior is one of their multiple.
    size : tuple of int
        How many.
    rng : Generator
        Where they come from.
    """
    drift = draws.law.drift
    if drift.tau is not None:
        return drift.tau.draw(size, rng)
    return usual_residual(draws) * (drift.ratio or RATIO).draw(size, rng)


def usual_residual(draws: Draws) -> float:
    """The usual distance of a run from the law alone, on the scale of misfits.

    The median absolute residual as a standard deviation, corrected for the coefficients that were
    fitted to the same runs.

    Parameters
    ----------
    draws : Draws
        Of a fitted law.
    """
    runs = draws.runs
    middle = expected_response(draws, runs, "run").median(SAMPLE_DIMS).to_numpy()
    residuals = on_misfit_scale(draws.law, runs, middle)
    return spread_of_residuals(residuals, len(draws.law.coefficient_labels))


def spread_of_residuals(residuals: Array, fitted: int) -> float:
    """The median absolute residual as the standard deviation of a Normal.

    Parameters
    ----------
    residuals : (run,) array
        Of the runs that a law was fitted to.
    fitted : int
        How many coefficients were fitted to them, for which the spread is corrected.
    """
    count = len(residuals)
    usual = np.median(abs(residuals)) / stats.norm.ppf(0.75)
    return float(usual * np.sqrt(count / max(count - fitted, 1)))


def on_misfit_scale(law: Law, runs: pd.DataFrame, middle: Array) -> Array:
    """Observed less expected response, on the scale of misfits.

    An observed response may be at an end of its scale, so its misfit is linearised.
    """
    kind = law.kind_of(law.response)
    apart = kind.scaled(runs[law.response].to_numpy()) - kind.scaled(middle)
    return np.asarray(apart if kind.logged else apart / kind.slope(middle))


def drift_share(drift: xr.Dataset, optimum: xr.Dataset) -> xr.DataArray:
    """Share of the variance of the log of N_opt that is drift.

    Parameters
    ----------
    drift : Dataset
        ``Fit.drift``.
    optimum : Dataset
        ``Fit.optimum`` of the same fit, with drift.

    Returns
    -------
    (budget,) DataArray
        And by group, if there are groups.
    """
    added = drift["split_drift"] * optimum["decades_beyond_runs"]
    whole: xr.DataArray = xr.ufuncs.log(optimum["N_opt"]).var(SAMPLE_DIMS)
    # Drift and posterior are independent, but not exactly so in finitely many draws.
    return (added.var(SAMPLE_DIMS) / whole).clip(max=1.0)


def drift_slope(draws: Draws, larger: pd.DataFrame) -> tuple[float, float]:
    """Drift that larger runs show of a law fitted to smaller ones, and its variance.

    Parameters
    ----------
    draws : Draws
        Of the law fitted to the smaller runs.
    larger : DataFrame
        Runs beyond them.

    Returns
    -------
    slope, variance : float
        Weighted least squares of the misfit on decades beyond the runs, with the posterior
        predictive covariance of all larger runs: their information on the drift, given everything
        that is uncertain in the fit.
    """
    law = draws.law
    kind = law.kind_of(law.response)
    decades = extrapolation_decades(law, larger, draws.runs)
    scatter = scatter_sd(draws, larger)
    expected = expected_response(draws, larger)
    samples = (
        kind.forward(expected).stack(sample=SAMPLE_DIMS).transpose("point", "sample").to_numpy()
    )
    middle = expected.median(SAMPLE_DIMS).to_numpy()
    steep = 1.0 if kind.logged else kind.slope(middle)
    variance = (
        np.broadcast_to(scatter.mean({*scatter.dims} - {"point"}), len(larger)) / steep
    ) ** 2
    on_scale = kind.forward(middle) + on_misfit_scale(law, larger, middle)
    return weighted_slope(on_scale, samples, variance, decades)


def weighted_slope(
    observed: Array, draws: Array, variance: Array, decades: Array
) -> tuple[float, float]:
    """Slope of observed less predicted values against decades, and its variance.

    Parameters
    ----------
    observed, variance, decades : (point,) array
        Variances are those of the observations alone.
    draws : (point, draw) array
        Predictions.

    Returns
    -------
    slope, variance : float
    """
    error = observed - np.median(draws, axis=1)
    weighted = np.linalg.solve(np.atleast_2d(np.cov(draws)) + np.diag(variance), decades)
    precision = decades @ weighted
    return float(error @ weighted / precision), float(1 / precision)


def reweighted_tau(
    tau: Array, slopes: Iterable[tuple[float, float]], rng: np.random.Generator
) -> Array:
    """Draws of tau from its prior, resampled by how well they explain the slopes of back-tests.

    The runs above one cut are also above the next lower cut, so that all cuts together count as one
    slope.

    Parameters
    ----------
    tau : (proposal,) array
        Draws of the prior, `PROPOSALS` for every one that is kept.
    slopes : iterable of (float, float)
        Slope and variance of each cut.
    rng : Generator
        For the resampling.

    Returns
    -------
    (draw,) array
    """
    slope, variance = np.array(list(slopes)).T
    spread = tau[:, None] ** 2 + variance
    weight = np.exp(-0.5 * (np.log(spread) + slope**2 / spread).mean(axis=1))
    return rng.choice(tau, size=len(tau) // PROPOSALS, p=weight / weight.sum())
