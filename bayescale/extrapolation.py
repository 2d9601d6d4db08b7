"""How wrong a law is beyond its runs, and what that does to predictions.

No law is exactly true, and its misfit grows with distance. At d decades of compute beyond the
runs, the log of the expected response is off by ``drift * d``, and the log of the optimal params
by ``split_drift * d``:

    drift ~ Normal(0, tau),   split_drift ~ Normal(0, split_tau)

one of each for a study. Their standard deviations have priors that public studies taught (the
back-tests in ``studies/extrapolation``), and a study's own runs can be asked as well: fitted below
a cut, a law shows above it what its drift is there (`misfit_slope`). A misfit that depends on
compute alone moves no optimum, hence a drift of its own for the split.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd
import pymc as pm
import xarray as xr

from bayescale.calling import call
from bayescale.draws import SAMPLE_DIMS, deviation, expected_response
from bayescale.flops import SIX_ND, Array, Cost
from bayescale.law import Law
from bayescale.misfit import misfit_at_points
from bayescale.model import QUICK
from bayescale.priors import Prior
from bayescale.structure import Structure

TAU = Prior(pm.LogNormal, mu=np.log(0.03), sigma=0.8)
"""Standard deviation of the log response a decade beyond the runs, for laws that were not measured:
between those of the laws that were."""
SPLIT_TAU = Prior(pm.LogNormal, mu=np.log(0.18), sigma=0.8)
"""The same of the log of the optimal params."""

PROPOSALS = 20
"""Times as many draws of the prior are weighed as are kept."""


def decades_beyond(law: Law, points: pd.DataFrame, runs: pd.DataFrame, cost: Cost) -> Array:
    """How many powers of ten a point lies past the largest run; 0 within the runs."""
    return decades_past(sizes(law, points, cost), sizes(law, runs, cost))


def decades_past(size: Array, known: Array) -> Array:
    """The same of sizes."""
    return np.maximum(np.log10(size / known.max()), 0.0)


def sizes(law: Law, table: pd.DataFrame, cost: Cost) -> Array:
    """How large runs are: what the law says, or else their compute.

    For laws without params and tokens it is the product of their inputs.
    """
    if law.size is not None:
        return np.asarray(call(law.size, {name: table[name] for name in law.inputs}))
    if {"params", "tokens"} <= set(law.inputs):
        return np.asarray(cost.flops(table["params"], table["tokens"]))
    return np.asarray(table[list(law.inputs)].prod(axis=1))


def drawn(law: Law, chains: int, draws: int, random_seed: int) -> xr.Dataset:
    """One drift a draw: ``tau, drift, split_tau, split_drift``, each (chain, draw).

    Those of a stage stand beside them, with its prefix.
    """
    rng = np.random.default_rng(random_seed)
    size = (chains, draws)
    found = {}
    for name, prior in (("", law.tau or TAU), ("split_", law.split_tau or SPLIT_TAU)):
        scale = from_prior(prior, size, rng)
        found[f"{name}tau"] = (SAMPLE_DIMS, scale)
        found[f"{name}drift"] = (SAMPLE_DIMS, scale * rng.standard_normal(size))
    own = xr.Dataset(found)
    if law.stage is None:
        return own
    below = drawn(law.stage, chains, draws, random_seed + 1)
    return own.assign({f"{law.stage.prefix}{name}": values for name, values in below.items()})


def from_prior(prior: Prior, size: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Draws of a prior."""
    variable = prior.distribution.dist(**prior.parameters, size=size)
    return np.asarray(pm.draw(variable, random_seed=rng, **QUICK))


def drift_share(drifts: xr.Dataset, optimum: xr.Dataset) -> xr.DataArray:
    """Share of the variance of the log of N_opt that is drift, for each budget (and group).

    Parameters
    ----------
    drifts : Dataset
        ``Fit.extrapolation``.
    optimum : Dataset
        ``Fit.optimum`` of the same fit, extrapolated.
    """
    added = drifts["split_drift"] * optimum["decades_beyond_runs"]
    whole: xr.DataArray = xr.ufuncs.log(optimum["N_opt"]).var(SAMPLE_DIMS)
    # They are independent, but in finite draws not quite.
    return (added.var(SAMPLE_DIMS) / whole).clip(max=1.0)


def misfit_slope(
    made: Structure, posterior: xr.Dataset, known: pd.DataFrame, larger: pd.DataFrame, seed: int
) -> tuple[float, float]:
    """Drift that larger runs show of a law fitted to the others, and its variance.

    Parameters
    ----------
    made, posterior, known
        A fit and its runs.
    larger : DataFrame
        Runs beyond them.
    seed : int
        For draws of clusters that are new.

    Returns
    -------
    slope, variance : float
        Weighted least squares of the log error on decades beyond, with the posterior predictive
        covariance of all runs: what they tell about the drift once everything that the fit is
        itself unsure of is allowed for.
    """
    decades = decades_beyond(made.law, larger, known, SIX_ND)
    shift = misfit_at_points(made, posterior, known, larger, np.random.default_rng(seed))
    off = deviation(made, posterior, known, larger, "point")
    on = made.law.scale_of(made.law.response)
    law = expected_response(made, posterior, larger, "point")
    expected = on.forward(law) + shift
    draws = expected.stack(sample=SAMPLE_DIMS).transpose("point", "sample").to_numpy()
    middle = law.median(SAMPLE_DIMS).to_numpy()
    # What is observed may lie at an edge of the scale, so that it is set off from the law there.
    steep = 1.0 if on.logged else on.slope(middle)
    own = (np.broadcast_to(off.mean({*off.dims} - {"point"}), len(larger)) / steep) ** 2
    observed = on.measured(larger[made.law.response].to_numpy())
    placed = on.forward(middle) + (observed - on.measured(middle)) / steep
    return weighted_slope(placed, draws, own, decades)


def weighted_slope(
    observed: Array, draws: Array, variance: Array, decades: Array
) -> tuple[float, float]:
    """Slope, against decades, of what was observed less what was predicted; and its variance.

    Parameters
    ----------
    observed, variance, decades : (point,) array
        Variances are those of the observations alone.
    draws : (point, draw) array
        Of what was predicted.
    """
    error = observed - np.median(draws, axis=1)
    weighted = np.linalg.solve(np.atleast_2d(np.cov(draws)) + np.diag(variance), decades)
    precision = decades @ weighted
    return float(error @ weighted / precision), float(1 / precision)


def updated(tau: Array, slopes: Iterable[tuple[float, float]], rng: np.random.Generator) -> Array:
    """Draws of a prior, drawn again as the slopes of a study's own back-tests suggest.

    The runs above one cut are among those above the next lower one, so all cuts together count as
    one slope.
    """
    slope, variance = np.array(list(slopes)).T
    spread = tau[:, None] ** 2 + variance
    weight = np.exp(-0.5 * (np.log(spread) + slope**2 / spread).mean(axis=1))
    return rng.choice(tau, size=len(tau) // PROPOSALS, p=weight / weight.sum())
