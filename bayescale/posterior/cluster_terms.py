"""Distance of clusters of runs from the law, draw by draw, and the density of a whole cluster.

At the runs the posterior gives it. A new point shares the effect of its cluster if the runs have
that cluster, and draws a new one otherwise.

With Normal scatter the runs of a cluster are jointly Normal given law and scales, so that the terms
of the cluster can be integrated out (`bayescale.inference.marginal`). The score of a held-out
cluster is that density, since its own terms are unknown.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.errors import DataError, LawError
from bayescale.inference.clusters import Clusters
from bayescale.inference.marginal import cluster_sums, draw_cluster_terms
from bayescale.inference.structure import Structure, observed_values
from bayescale.inference.units import tilt_of
from bayescale.posterior.draws import SAMPLE_DIMS, Draws, add_prefix
from bayescale.posterior.expectation import scatter_parameters
from bayescale.posterior.quantities import coefficients_from_free, stack_parts
from bayescale.spec.functions import Array


def cluster_effects_at_runs(draws: Draws) -> Any:
    """Distance of the clusters of the runs from the law, on the scale of misfits.

    Parameters
    ----------
    draws : Draws
        Of all parameters, cluster terms included.

    Returns
    -------
    (chain, draw, run) DataArray
        0 for runs in no cluster; the number 0 without clusters.
    """
    clusters, posterior, runs = draws.structure.clusters, draws.posterior, draws.runs
    if clusters is None:
        return 0.0
    index = xr.DataArray(clusters.index(runs), dims="run")
    effects = {
        # A last cluster without an effect, at index -1, is that of runs in no cluster.
        term: _effects(posterior, term)
        .pad(cluster=(0, 1), constant_values=0.0)
        .isel(cluster=index, drop=True)
        for term in clusters.terms
    }
    return _add_terms(effects, tilt_of(draws.structure, runs), "run")


def cluster_effects_at_points(draws: Draws, points: pd.DataFrame, rng: np.random.Generator) -> Any:
    """Distance of the clusters of new points from the law, on the scale of misfits.

    Points of a cluster that the runs have share its effect; those of another cluster share a new
    one.

    Parameters
    ----------
    draws : Draws
        Of all parameters, cluster terms included.
    points : DataFrame
        With the columns that clusters are found in.
    rng : Generator
        Where effects of new clusters come from.

    Returns
    -------
    (chain, draw, point) DataArray
        The number 0 without clusters.
    """
    clusters, posterior = draws.structure.clusters, draws.posterior
    if clusters is None:
        return 0.0
    names = clusters.names(points)
    new = [name for name in dict.fromkeys(names) if name not in clusters.labels]
    place = pd.Index([*clusters.labels, *new]).get_indexer(pd.Index(names))
    effects = {}
    for term in clusters.terms:
        sd = posterior[f"{term}_sd"]
        noise = rng.standard_normal((*sd.shape, len(new)))
        drawn = sd * xr.DataArray(noise, dims=(*sd.dims, "cluster"))
        every = xr.concat([_effects(posterior, term), drawn], "cluster")
        effects[term] = every.isel(cluster=xr.DataArray(place, dims="point"), drop=True)
    return _add_terms(effects, tilt_of(draws.structure, draws.runs, points), "point")


def _effects(posterior: xr.Dataset, term: str) -> xr.DataArray:
    """Offset or tilt of each cluster."""
    return (posterior[f"{term}_sd"] * posterior[f"{term}_z"]).drop_vars("cluster")


def _add_terms(effects: Mapping[str, xr.DataArray], place: np.ndarray | None, dim: str) -> Any:
    """Offset, and tilt times the position along its direction, where there is a tilt."""
    offset = effects["offset"]
    return offset if place is None else offset + effects["tilt"] * xr.DataArray(place, dims=dim)


def recover_cluster_terms(free: Draws, random_seed: int) -> xr.Dataset:
    """Draws of the cluster terms that were integrated out, given all other parameters.

    Parameters
    ----------
    free : Draws
        Of free parameters.
    random_seed : int
        Seed of these draws.

    Returns
    -------
    Dataset
        ``offset_z`` and ``tilt_z``, (chain, draw, cluster), in units of their standard deviations;
        those of a stage with its prefix. Empty where nothing was integrated out.
    """
    structure, clusters = free.structure, free.structure.clusters
    own = xr.Dataset()
    if clusters is not None and structure.integrable:
        coefficients = stack_parts(structure.law, coefficients_from_free(free))
        known = Draws(structure, free.posterior.assign(coefficients), free.runs)
        residual, sigma = _residuals(known, free.runs)
        place = tilt_of(structure, free.runs)
        sums = cluster_sums(
            residual,
            sigma,
            clusters.index(free.runs),
            np.zeros(len(free.runs)) if place is None else place,
            len(clusters.labels),
        )
        offset, tilt = (
            free.posterior[f"{term}_sd"].to_numpy()[..., None]
            if term in clusters.terms
            else np.zeros(1)
            for term in ("offset", "tilt")
        )
        terms = draw_cluster_terms(sums, offset, tilt, np.random.default_rng(random_seed))
        drawn = dict(zip(("offset", "tilt"), terms, strict=True))
        own = xr.Dataset(
            {f"{term}_z": ((*SAMPLE_DIMS, "cluster"), drawn[term]) for term in clusters.terms},
            {"cluster": list(clusters.labels)},
        )
    if structure.stage is None:
        return own
    return own.merge(add_prefix(structure.stage, recover_cluster_terms(free.stage, random_seed)))


def log_cluster_likelihood(draws: Draws) -> xr.DataArray:
    """Log density of each cluster's runs together, with offset and tilt integrated out.

    Parameters
    ----------
    draws : Draws
        Of clustered runs, with Normal scatter.

    Returns
    -------
    (chain, draw, cluster) DataArray
        Runs in no cluster come one by one after the clusters.

    Raises
    ------
    DataError
        If the runs are in no clusters.
    LawError
        If the scatter is not Normal, so that there is no closed form.
    """
    runs = draws.runs
    index = require_clusters(draws.structure, len(runs)).index(runs)
    values = log_cluster_density(draws, runs, index)
    coords = {name: draws.posterior[name] for name in SAMPLE_DIMS} | {"cluster": case_labels(draws)}
    return xr.DataArray(values, coords, (*SAMPLE_DIMS, "cluster"))


def case_labels(draws: Draws) -> list[str]:
    """Names of the clusters, then of the runs in none of them, by their rows counted from 1."""
    clusters = require_clusters(draws.structure, len(draws.runs))
    alone = np.flatnonzero(clusters.index(draws.runs) < 0) + 1
    return [*clusters.labels, *map("run {}".format, alone)]


def require_clusters(structure: Structure, runs: int) -> Clusters:
    """The clusters of a structure, if there are any and they have a density.

    Parameters
    ----------
    structure : Structure
        With clusters or without.
    runs : int
        Number of runs, for the message.

    Returns
    -------
    Clusters

    Raises
    ------
    DataError
        If the runs are in no clusters.
    LawError
        If the scatter is not Normal.
    """
    if structure.clusters is None:
        raise DataError(
            f"the {runs} runs are in no clusters; expected some, to leave out one at a time. Name "
            "a column with clusters=, or leave out 'run' or 'backtest'."
        )
    if not structure.integrable:
        raise LawError(
            f"the likelihood is {structure.likelihood.name!r}; expected Normal scatter, for which "
            "a cluster has a density in closed form. Leave likelihood to its default, or pass "
            "bayescale.likelihoods.NORMAL."
        )
    return structure.clusters


def log_cluster_density(draws: Draws, points: pd.DataFrame, index: Array) -> Array:
    """Log density of points by cluster, with offsets and tilts integrated out.

    Parameters
    ----------
    draws : Draws
        Of clustered runs, with Normal scatter.
    points : DataFrame
        Runs with their responses, the fitted ones or new ones.
    index : (point,) array of int
        Cluster of each point, from 0; -1 for a point in no cluster.

    Returns
    -------
    (chain, draw, case) array
        In the order of the index; points in no cluster come last.
    """
    structure, posterior = draws.structure, draws.posterior
    terms = require_clusters(structure, len(draws.runs)).terms
    clusters = int(index.max()) + 1
    alone = index < 0
    case = np.where(alone, clusters + np.cumsum(alone) - 1, index)
    count = clusters + int(alone.sum())
    residual, sigma = _residuals(draws, points)
    place = tilt_of(structure, draws.runs, points)
    sums = cluster_sums(
        residual, sigma, case, np.zeros(len(points)) if place is None else place, count
    )
    shared = (np.arange(count) < clusters).astype(float)
    offset, tilt = (
        posterior[f"{term}_sd"].to_numpy()[..., None] ** 2 * shared
        if term in terms
        else 0.0 * shared
        for term in ("offset", "tilt")
    )
    member = (case[:, None] == np.arange(count)).astype(float)
    own = (np.log(sigma) + 0.5 * (residual / sigma) ** 2 + 0.5 * np.log(2 * np.pi)) @ member
    common = 0.5 * (np.log(sums.determinant(offset, tilt)) - sums.explained(offset, tilt))
    return np.asarray(-own - common)


def _residuals(draws: Draws, points: pd.DataFrame) -> tuple[Array, Array]:
    """Residual of each point, and its scale, (chain, draw, point)."""
    parameters = scatter_parameters(draws, points, "run")
    aligned = xr.broadcast(parameters["mu"], parameters["sigma"])
    mu, sigma = (values.transpose(*SAMPLE_DIMS, "run").to_numpy() for values in aligned)
    return observed_values(draws.structure, points) - mu, sigma
