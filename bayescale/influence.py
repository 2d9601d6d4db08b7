"""How far an answer hangs on single runs, or on single clusters of runs, without refitting.

To first order, the mean of a quantity changes by less its posterior covariance with a case's log
likelihood when that case is dropped. The infinitesimal jackknife adds the squares of these changes
up, so they also say which cases an honesty ratio comes from.

References
----------
Giordano and Broderick (2023), arXiv:2305.06466.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.clusterwise import log_cluster_likelihood
from bayescale.diagnosis import influences
from bayescale.draws import SAMPLE_DIMS, quantities, scattered
from bayescale.errors import DataError, LawError
from bayescale.misfit import misfit_at_runs
from bayescale.sampling import Sampler, Settings
from bayescale.structure import Structure

if TYPE_CHECKING:
    from bayescale.fitting import Fit

RUN, CLUSTER = "run", "cluster"
FEWEST = 5
"""Clusters from which honesty resamples them: with fewer, it is itself unsure by 40% or more."""
CHANCE = 0.01
"""Probability that a table without outliers is said to have one."""


def influence(fit: "Fit", of: xr.Dataset | None = None, *, by: str = RUN) -> xr.Dataset:
    """By how many posterior standard deviations a mean would change without each run or cluster.

    Parameters
    ----------
    fit : Fit
        A fitted law.
    of : Dataset, optional
        Anything computed from this fit draw by draw, such as the logarithm of an optimum; by
        default the logarithms of the law's coefficients, and its derived quantities.
    by : str
        ``"run"`` or ``"cluster"``. A run is dropped with what its cluster misses known, a cluster
        with all its runs.

    Returns
    -------
    DataArray of each quantity
        With dim ``run`` (rows of the table from 0) or ``cluster`` in place of the draws. Multiply
        by the posterior sd for the unit of the quantity.

    Raises
    ------
    LawError
        If `by` is neither.
    DataError
        If the runs are in no clusters.

    Examples
    --------
    >>> influence(fitted, by="cluster")["alpha"]  # doctest: +SKIP
    """
    draws = reported(fit) if of is None else of
    cases = cases_by(fit, by)
    change = {
        name: -influences(values, cases) / values.std(SAMPLE_DIMS, ddof=1)
        for name, values in draws.items()
    }
    return xr.Dataset(change)


def reported(fit: "Fit") -> xr.Dataset:
    """Coefficients on the logarithm, where they are positive, and derived quantities."""
    chosen = _reported(fit)
    return _on_logs(chosen, chosen)


def _reported(fit: "Fit") -> xr.Dataset:
    return fit.posterior[[*fit.law.coefficient_names, *fit.law.derived]]


def _on_logs(draws: xr.Dataset, *like: xr.Dataset) -> xr.Dataset:
    """Logarithms of what is positive in all draws of each of `like`."""
    positive = [name for name in draws if all(bool((each[name] > 0).all()) for each in like)]
    return draws.assign({name: np.log(draws[name]) for name in positive})


def resampled(fit: "Fit") -> str:
    """What the honesty ratio resamples when nothing is said: clusters, or runs.

    Runs of a cluster err together, so that resampling them one by one gives too little: simulated
    from models that are right, intervals have a ratio of 0.6 by run and 0.8 by cluster, where 1
    was to be expected. Fewer than `FEWEST` clusters say too little of how clusters differ.
    """
    clusters = fit.structure.clusters
    return RUN if clusters is None or len(clusters.labels) < FEWEST else CLUSTER


def cases_by(fit: "Fit", by: str) -> xr.DataArray:
    """Log likelihood of runs, or of what errs on its own (`case_likelihood`)."""
    if by == RUN:
        return fit.log_likelihood
    if by != CLUSTER:
        raise LawError(f"by is {by!r}; expected {RUN!r} or {CLUSTER!r}. Choose one of these.")
    if fit.structure.clusters is None:
        raise DataError(
            f"the {len(fit.runs)} runs are in no clusters; expected some, to drop one at a time. "
            f"Ask by={RUN!r}, or name a column with fit(..., clusters=)."
        )
    return fit.case_likelihood


def case_likelihood(fit: "Fit") -> xr.DataArray:
    """Log likelihood of what errs on its own: clusters where there are any, or else runs.

    With Normal scatter, what a cluster misses is integrated out. With other scatter it is not, and
    the sum over the cluster's runs makes a cluster look less influential than it is.
    """
    made = fit.structure
    if made.clusters is None:
        return fit.log_likelihood
    if made.integrable and made.stage is None:
        return log_cluster_likelihood(fit)
    names = np.array([*made.clusters.labels, ""])[made.clusters.index(fit.runs)]
    alone = [f"run {row}" for row in range(1, len(names) + 1)]
    labels = xr.DataArray(np.where(names == "", alone, names), dims=RUN, name=CLUSTER)
    summed: xr.DataArray = fit.log_likelihood.groupby(labels).sum(RUN)
    return summed


def moved_without(
    fit: "Fit", rows: Sequence[int], sampler: Sampler, settings: Settings
) -> dict[int, float]:
    """By how many posterior standard deviations the law moves when a run is really left out.

    Parameters
    ----------
    fit : Fit
        Of all runs.
    rows : sequence of int
        Which to leave out, one at a time, counted from 0.
    sampler, settings
        What the fit was drawn with.

    Returns
    -------
    dict
        By row, the change of the coefficient or derived quantity that moves most.
    """
    chosen, found = _reported(fit), {}
    for row in rows:
        runs = fit.runs.drop(index=row).reset_index(drop=True)
        free = sampler(fit.structure, runs, replace(settings, progress=False)).posterior
        other = quantities(fit.structure, runs, free)[list(chosen)]
        # Without it, what was positive may be so no more.
        before, after = (_on_logs(each, chosen, other) for each in (chosen, other))
        change = abs(after.mean(SAMPLE_DIMS) - before.mean(SAMPLE_DIMS))
        ratio = change / before.std(SAMPLE_DIMS, ddof=1)
        found[row] = float(ratio.to_array().max())
    return found


def standardised_residuals(fit: "Fit") -> xr.DataArray:
    """How many of its scales each run lies off the law and its cluster, averaged over draws.

    Raises
    ------
    LawError
        If the scatter is not Normal: heavy tails have no scale to count in.
    """
    if not _normal(fit.structure):
        raise LawError(
            f"the likelihood is {fit.likelihood.name!r}; expected Normal scatter, or a scale says "
            "little about what is far. Look at the influence of runs instead."
        )
    return in_scales(fit)


def in_scales(fit: "Fit") -> xr.DataArray:
    """The same for any scatter that has a middle `mu` and a scale `sigma`, heavy tails too."""
    parts = (fit.structure, fit.posterior, fit.runs)
    parameters = scattered(*parts, fit.runs, RUN, misfit_at_runs(*parts))
    observed = fit.tree["observed_data"].to_dataset()
    values = next(iter(observed.values()))
    residual: xr.DataArray = (values - parameters["mu"]) / parameters["sigma"]
    return residual.mean(SAMPLE_DIMS)


def _normal(made: Structure) -> bool:
    import pymc as pm

    return made.likelihood.family.distribution is pm.Normal


def outliers(fit: "Fit") -> pd.Series:
    """Standardised residuals of the runs that lie too far off, by row counted from 1.

    Empty if none does, or if the scatter is not Normal. Of tables without outliers, one in a
    hundred has one by this rule, or fewer.
    """
    if not _normal(fit.structure):
        return pd.Series(dtype="float64")
    residual = standardised_residuals(fit).to_series()
    residual.index = pd.Index(np.arange(1, len(residual) + 1), name="row")
    return residual[residual.abs() > furthest(len(residual))]


def furthest(runs: int) -> float:
    """How many scales off the furthest of that many Normal runs lies with probability `CHANCE`."""
    from scipy import stats

    return float(stats.norm.isf(CHANCE / 2 / runs))
