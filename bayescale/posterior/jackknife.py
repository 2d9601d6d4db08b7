"""Effect of resampling the runs on an answer, without refits: the infinitesimal jackknife.

References
----------
Giordano and Broderick (2023), arXiv:2305.06466.
"""

import numpy as np
import xarray as xr

from bayescale.errors import DataError, LawError
from bayescale.inference.clusters import Clusters
from bayescale.posterior.cluster_terms import log_cluster_likelihood
from bayescale.posterior.draws import SAMPLE_DIMS, Draws

HONEST = 1.3
"""An interval with a larger honesty ratio is flagged as too narrow."""

RUN, CLUSTER = "run", "cluster"


def influence_covariances(draws: xr.DataArray, log_likelihood: xr.DataArray) -> xr.DataArray:
    """Posterior covariance of a quantity with the log likelihood of each run or cluster.

    To first order, the posterior mean changes by minus this when the case is left out.
    """
    moved = draws - draws.mean(SAMPLE_DIMS)
    surprise = log_likelihood - log_likelihood.mean(SAMPLE_DIMS)
    count = draws.sizes["chain"] * draws.sizes["draw"]
    covariance: xr.DataArray = xr.dot(moved, surprise, dim=SAMPLE_DIMS) / (count - 1)
    return covariance


def jackknife_sd(draws: xr.DataArray, log_likelihood: xr.DataArray) -> xr.DataArray:
    """Standard deviation of a posterior mean under resampling of the runs, without refits.

    Parameters
    ----------
    draws : (chain, draw, ...) DataArray
        Any quantity of the posterior.
    log_likelihood : (chain, draw, run) DataArray
        Log likelihood of each run at the same draws; or of each cluster, to resample clusters.

    Returns
    -------
    (...) DataArray
    """
    (case,) = (str(dim) for dim in log_likelihood.dims if dim not in SAMPLE_DIMS)
    cases = log_likelihood.sizes[case]
    influence = influence_covariances(draws, log_likelihood)
    spread: xr.DataArray = ((influence - influence.mean(case)) ** 2).sum(case)
    variance: xr.DataArray = spread * cases / (cases - 1)
    return variance**0.5


def honesty(draws: xr.DataArray, log_likelihood: xr.DataArray) -> xr.DataArray:
    """Jackknife over posterior standard deviation; above `HONEST` the interval is too narrow."""
    return jackknife_sd(draws, log_likelihood) / draws.std(SAMPLE_DIMS, ddof=1)


def resampling_unit(clusters: Clusters | None) -> str:
    """Unit that the honesty ratio resamples by default: ``"cluster"``, or ``"run"``.

    Errors of runs in a cluster are correlated, so that resampling runs one by one gives too little:
    simulated from models that are right, intervals have a ratio of 0.6 by run and 0.8 by cluster,
    where 1 is expected. With fewer than five clusters the ratio itself is uncertain by 40% or more,
    and runs are resampled.
    """
    return RUN if clusters is None or len(clusters.labels) < 5 else CLUSTER


def case_log_likelihood(draws: Draws, log_likelihood: xr.DataArray, unit: str) -> xr.DataArray:
    """Log likelihood of each run, or of each cluster with the runs that are in none.

    With Normal scatter, the terms of a cluster are integrated out. With other scatter they are not,
    and the sum over the cluster's runs makes a cluster appear less influential than it is.

    Parameters
    ----------
    draws : Draws
        Of a fitted law.
    log_likelihood : (chain, draw, run) DataArray
        Of its runs.
    unit : str
        ``"run"`` or ``"cluster"``.

    Returns
    -------
    (chain, draw, case) DataArray
        With dim ``run`` or ``cluster``.

    Raises
    ------
    LawError
        If `unit` is neither.
    DataError
        If the runs are in no clusters.
    """
    structure, runs = draws.structure, draws.runs
    if unit == RUN:
        return log_likelihood
    if unit != CLUSTER:
        raise LawError(
            f"the unit to resample is {unit!r}; expected {RUN!r} or {CLUSTER!r}. Choose one."
        )
    if structure.clusters is None:
        raise DataError(
            f"the {len(runs)} runs are in no clusters; expected some, to leave out one at a time. "
            f"Ask for {RUN!r}, or name a column with fit(..., clusters=)."
        )
    if structure.integrable and structure.stage is None:
        return log_cluster_likelihood(draws)
    names = np.array([*structure.clusters.labels, ""])[structure.clusters.index(runs)]
    alone = [f"run {row}" for row in range(1, len(names) + 1)]
    labels = xr.DataArray(np.where(names == "", alone, names), dims=RUN, name=CLUSTER)
    summed: xr.DataArray = log_likelihood.groupby(labels).sum(RUN)
    return summed
