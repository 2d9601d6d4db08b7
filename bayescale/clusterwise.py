"""The density of a whole cluster of runs, whatever its offset and tilt are.

With Normal scatter the runs of a cluster are jointly Normal given law and scales, so the terms of
the cluster are integrated out (`bayescale.marginal`). That is what a cluster nobody has seen is to
be judged by: its own terms are not known.
"""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.clusters import Clusters
from bayescale.draws import SAMPLE_DIMS, scattered
from bayescale.errors import DataError, LawError
from bayescale.flops import Array
from bayescale.marginal import sums_of
from bayescale.structure import Structure, observed_of, tilt_of

if TYPE_CHECKING:
    from bayescale.fitting import Fit


def log_cluster_likelihood(fit: "Fit") -> xr.DataArray:
    """Log density of each cluster's runs together, whatever its offset and tilt are.

    Parameters
    ----------
    fit : Fit
        Of clustered runs, with Normal scatter.

    Returns
    -------
    DataArray
        (chain, draw, cluster). Runs in no cluster stand singly behind the clusters.

    Raises
    ------
    DataError
        If the runs are in no clusters.
    LawError
        If the scatter is not Normal, so that there is no closed form.
    """
    index = check_clustered(fit.structure, len(fit.runs)).index(fit.runs)
    values = log_cluster_density(fit.structure, fit.posterior, fit.runs, fit.runs, index)
    coords = {name: fit.posterior[name] for name in SAMPLE_DIMS} | {"cluster": cases_of(fit)}
    return xr.DataArray(values, coords, (*SAMPLE_DIMS, "cluster"))


def cases_of(fit: "Fit") -> list[str]:
    """Clusters by their names, then the runs that are in none, by their rows counted from 1."""
    clusters = check_clustered(fit.structure, len(fit.runs))
    alone = np.flatnonzero(clusters.index(fit.runs) < 0) + 1
    return [*clusters.labels, *map("run {}".format, alone)]


def check_clustered(made: Structure, runs: int) -> Clusters:
    """The clusters, if there are any and they have a density.

    Raises
    ------
    DataError
        If the runs are in no clusters.
    LawError
        If the scatter is not Normal.
    """
    if made.clusters is None:
        raise DataError(
            f"the {runs} runs are in no clusters; expected some, to leave out one at a time. Name "
            "a column with clusters=, or compare by 'loo' or 'backtest'."
        )
    if not made.integrable:
        raise LawError(
            f"the likelihood is {made.likelihood.name!r}; expected Normal scatter, for which a "
            "cluster has a density in closed form. Leave likelihood to its default, or pass "
            "bayescale.likelihood.normal."
        )
    return made.clusters


def log_cluster_density(
    made: Structure,
    posterior: xr.Dataset,
    runs: pd.DataFrame,
    points: pd.DataFrame,
    index: Array,
) -> Array:
    """Log density of points that err together, offsets and tilts integrated out.

    Parameters
    ----------
    made, posterior, runs
        What was fitted to what.
    points : DataFrame
        Runs with their responses, the fitted ones or new ones.
    index : (point,) array of int
        Which points belong together, from 0; -1 for a point that belongs to none.

    Returns
    -------
    (chain, draw, case) array
        In the order of the index; points that belong to none come last.
    """
    terms = check_clustered(made, len(runs)).terms
    clusters = int(index.max()) + 1
    alone = index < 0
    case = np.where(alone, clusters + np.cumsum(alone) - 1, index)
    count = clusters + int(alone.sum())
    residual, sigma = _residuals(made, posterior, runs, points)
    place = tilt_of(made, runs, points)
    sums = sums_of(residual, sigma, case, np.zeros(len(points)) if place is None else place, count)
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


def _residuals(
    made: Structure, posterior: xr.Dataset, runs: pd.DataFrame, points: pd.DataFrame
) -> tuple[Array, Array]:
    """How far each point lies off the law, and its scale, (chain, draw, point)."""
    parameters = scattered(made, posterior, runs, points, "run")
    aligned = xr.broadcast(parameters["mu"], parameters["sigma"])
    mu, sigma = (values.transpose(*SAMPLE_DIMS, "run").to_numpy() for values in aligned)
    observed = observed_of(made, points)
    return observed - mu, sigma
