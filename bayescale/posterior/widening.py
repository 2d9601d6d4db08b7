"""Draws as wide as resampling the runs would make them.

A posterior is as wide as its model believes, and every model of the scatter is wrong somewhere:
where a law is off, it is off for all runs of a compute budget. Terms for such errors in the mean
would take the law's place. So the law is fitted without them, and its draws are stretched about
their mean afterwards: to the covariance that resampling clusters of runs would give, in the
directions in which that is wider than the posterior.

That covariance is the infinitesimal jackknife's: it follows from the covariance of the draws with
the log likelihood of each cluster, without a refit.

References
----------
Müller (2013), doi:10.3982/ECTA9097, and Shaby (2014), doi:10.1214/14-BA890, for posteriors with the
covariance of a sandwich. Giordano and Broderick (2023), arXiv:2305.06466, for the jackknife.
"""

import numpy as np
import xarray as xr

from bayescale.inference.coordinates import (
    as_dataset,
    blocks_of,
    points_of,
    values_and_log_prior,
    with_stages,
)
from bayescale.inference.structure import Structure
from bayescale.posterior.draws import SAMPLE_DIMS, Draws
from bayescale.spec.functions import Array


def widen(free: Draws, cases: xr.DataArray) -> xr.Dataset:
    """Draws of free parameters, those of the law stretched to what resampling would give.

    Parameters
    ----------
    free : Draws
        Of free parameters.
    cases : (chain, draw, case) DataArray
        Log likelihood of each run, or of each cluster, at the same draws.

    Returns
    -------
    Dataset
        Parameters of the scatter are left as they are.
    """
    structure, chains = free.structure, free.posterior.sizes["chain"]
    points = points_of(structure, free.posterior)
    own = of_law(structure)
    case = next(dim for dim in cases.dims if dim not in SAMPLE_DIMS)
    surprise = cases.transpose(*SAMPLE_DIMS, case).to_numpy().reshape(len(points), -1)
    middle = points[:, own].mean(axis=0)
    moved = points[:, own] - middle
    stretched = points.copy()
    stretched[:, own] = middle + moved @ stretch(moved, surprise - surprise.mean(axis=0)).T
    values, dims, _ = values_and_log_prior(structure, stretched)
    return as_dataset(structure, values, dims, chains)


def stretch(moved: Array, surprise: Array) -> Array:
    """The symmetric map, in units of the posterior, that makes draws wide enough.

    Parameters
    ----------
    moved : (draw, coordinate) array
        Draws about their mean.
    surprise : (draw, case) array
        Log likelihoods of the cases about their mean.

    Returns
    -------
    (coordinate, coordinate) array
        The identity where no direction is too narrow, or where the draws span fewer dimensions.
    """
    count, n = moved.shape
    influence = moved.T @ surprise / (count - 1)
    influence -= influence.mean(axis=1, keepdims=True)
    number = influence.shape[1]
    sandwich = influence @ influence.T * number / max(number - 1, 1)
    covariance = np.atleast_2d(np.cov(moved.T))
    sd = np.sqrt(np.diag(covariance))
    # A chain that never moved, about which the verdict speaks, or a coordinate that follows from
    # others.
    if not np.all(sd > 0) or np.linalg.eigvalsh(covariance / np.outer(sd, sd))[0] < 1e-10:
        return np.eye(n)
    factor = np.linalg.cholesky(covariance)
    whitened = np.linalg.solve(factor, np.linalg.solve(factor, sandwich).T)
    sizes, axes = np.linalg.eigh(whitened)
    wider = (axes * np.sqrt(np.maximum(sizes, 1.0))) @ axes.T
    return np.asarray(factor @ wider @ np.linalg.inv(factor))


def of_law(structure: Structure) -> Array:
    """For each coordinate, whether it belongs to a law or its stage, and not to their scatter."""
    noise = {f"{prefix}{name}" for prefix, part in with_stages(structure) for name in part.noise}
    members = [np.full(block.size, block.name not in noise) for block in blocks_of(structure)]
    return np.concatenate(members)
