"""What an answer owes to each run or cluster, without refits: the infinitesimal jackknife.

References
----------
Giordano and Broderick (2023), arXiv:2305.06466.
"""

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.errors import DataError, LawError
from bayescale.inference.clusters import Clusters
from bayescale.inference.structure import Structure
from bayescale.posterior.draws import SAMPLE_DIMS, Draws

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


def resampling_unit(clusters: Clusters | None) -> str:
    """Unit that resampling draws: ``"cluster"``, or ``"run"`` with fewer than five clusters.

    Errors of runs in a cluster are correlated, so that resampling runs one by one gives too little.
    """
    return RUN if clusters is None or len(clusters.labels) < 5 else CLUSTER


def case_log_likelihood(
    draws: Draws, log_likelihood: xr.DataArray, unit: str | None = None
) -> xr.DataArray:
    """Log likelihood of each run, or of each cluster with the runs that are in none.

    Parameters
    ----------
    draws : Draws
        Of a fitted law.
    log_likelihood : (chain, draw, run) DataArray
        Of its runs.
    unit : str, optional
        ``"run"`` or ``"cluster"``; by default `resampling_unit`.

    Returns
    -------
    (chain, draw, case) DataArray
        With dim ``run`` or ``cluster``. Clusters come first, in their order.

    Raises
    ------
    LawError
        If `unit` is neither.
    DataError
        If the runs are in no clusters.
    """
    unit = unit or resampling_unit(draws.structure.clusters)
    if unit == RUN:
        return log_likelihood
    if unit != CLUSTER:
        raise LawError(
            f"the unit to resample is {unit!r}; expected {RUN!r} or {CLUSTER!r}. Choose one."
        )
    clusters = require_clusters(draws.structure, len(draws.runs))
    names = pd.Index(clusters.cases(draws.runs))
    labels = [*clusters.labels, *names[~names.isin(clusters.labels)]]
    # Summed case by case, since a matrix of runs by cases would be dense in runs of no cluster.
    codes = pd.Index(labels).get_indexer(names)
    order = np.argsort(codes, kind="stable")
    begins = np.flatnonzero(np.diff(codes[order], prepend=-1))
    values = log_likelihood.transpose(*SAMPLE_DIMS, RUN).to_numpy()[..., order]
    coords = {dim: log_likelihood[dim] for dim in SAMPLE_DIMS if dim in log_likelihood.coords}
    summed = np.add.reduceat(values, begins, axis=-1)
    return xr.DataArray(summed, {**coords, CLUSTER: labels}, (*SAMPLE_DIMS, CLUSTER))


def require_clusters(structure: Structure, runs: int) -> Clusters:
    """The clusters of a structure.

    Parameters
    ----------
    structure : Structure
        With clusters or without.
    runs : int
        Number of runs, for the message.

    Raises
    ------
    DataError
        If the runs are in no clusters.
    """
    if structure.clusters is None:
        raise DataError(
            f"the {runs} runs are in no clusters; expected some, to leave out one at a time. Name "
            f"a column with clusters=, or leave out {RUN!r}."
        )
    return structure.clusters
