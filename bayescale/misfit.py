"""How far clusters of runs lie off the law, draw by draw.

At the runs that is known from the posterior. A new point shares it if its cluster is one of the
runs', and draws it anew otherwise.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.clusters import Clusters
from bayescale.draws import SAMPLE_DIMS, above_of, below_of, coefficients_from, scattered, stacked
from bayescale.marginal import Sums, recovered, sums_of
from bayescale.structure import Structure, observed_of, tilt_of


def misfit_at_runs(made: Structure, posterior: xr.Dataset, runs: pd.DataFrame) -> Any:
    """How far the clusters of the runs lie off the law, on the logarithm; 0 without clusters."""
    if made.clusters is None:
        return 0.0
    index = made.clusters.index(runs)
    effects = {
        term: _cluster_effect(posterior, term).isel(
            cluster=xr.DataArray(index, dims="run"), drop=True
        )
        for term in made.clusters.terms
    }
    return _misfit(effects, tilt_of(made, runs), "run")


def misfit_at_points(
    made: Structure,
    posterior: xr.Dataset,
    runs: pd.DataFrame,
    points: pd.DataFrame,
    rng: np.random.Generator,
) -> Any:
    """The same at new points: those of a known cluster share its misfit, others draw their own."""
    if made.clusters is None:
        return 0.0
    names = made.clusters.names(points)
    new = [name for name in dict.fromkeys(names) if name not in made.clusters.labels]
    place = pd.Index([*made.clusters.labels, *new]).get_indexer(pd.Index(names))
    effects = {}
    for term in made.clusters.terms:
        known = _cluster_effect(posterior, term, append_none=False)
        sd = posterior[f"{term}_sd"]
        drawn = sd * xr.DataArray(
            rng.standard_normal((*sd.shape, len(new))), dims=(*sd.dims, "cluster")
        )
        every = xr.concat([known, drawn], "cluster")
        effects[term] = every.isel(cluster=xr.DataArray(place, dims="point"), drop=True)
    return _misfit(effects, tilt_of(made, runs, points), "point")


def _cluster_effect(posterior: xr.Dataset, term: str, *, append_none: bool = True) -> xr.DataArray:
    """Draws of what each cluster has of its own; a last one that has nothing, for runs in none."""
    effect = (posterior[f"{term}_sd"] * posterior[f"{term}_z"]).drop_vars("cluster")
    return effect.pad(cluster=(0, 1), constant_values=0.0) if append_none else effect


def _misfit(effects: Mapping[str, xr.DataArray], place: np.ndarray | None, dim: str) -> Any:
    offset = effects["offset"]
    if place is None:
        return offset
    return offset + effects["tilt"] * xr.DataArray(place, dims=dim)


def cluster_terms(
    made: Structure, free: xr.Dataset, runs: pd.DataFrame, random_seed: int
) -> xr.Dataset:
    """Draws of the terms that were integrated out, of a stage too, given everything else."""
    found = _own_terms(made, free, runs, random_seed)
    if made.stage is None:
        return found
    below = cluster_terms(made.stage, below_of(made.stage, free), runs, random_seed)
    return found.merge(above_of(made.stage, below))


def _own_terms(
    made: Structure, free: xr.Dataset, runs: pd.DataFrame, random_seed: int
) -> xr.Dataset:
    clusters = made.clusters
    if clusters is None or not made.integrable:
        return xr.Dataset()
    sums = _sums(made, clusters, free, runs)
    offset, tilt = (
        free[f"{term}_sd"].to_numpy()[..., None] if term in clusters.terms else np.zeros(1)
        for term in ("offset", "tilt")
    )
    rng = np.random.default_rng(random_seed)
    drawn = dict(zip(("offset", "tilt"), recovered(sums, offset, tilt, rng), strict=True))
    return xr.Dataset(
        {f"{term}_z": ((*SAMPLE_DIMS, "cluster"), drawn[term]) for term in clusters.terms},
        {"cluster": list(clusters.labels)},
    )


def _sums(made: Structure, clusters: Clusters, free: xr.Dataset, runs: pd.DataFrame) -> Sums:
    """What the runs of each cluster say together, at every draw."""
    coefficients = stacked(made.law, coefficients_from(made, free, runs))
    parameters = scattered(made, free.assign(coefficients), runs, runs, "run")
    aligned = xr.broadcast(parameters["mu"], parameters["sigma"])
    mu, sigma = (values.transpose(*SAMPLE_DIMS, "run").to_numpy() for values in aligned)
    observed = observed_of(made, runs)
    place = tilt_of(made, runs)
    return sums_of(
        observed - mu,
        sigma,
        clusters.index(runs),
        np.zeros(len(runs)) if place is None else place,
        len(clusters.labels),
    )
