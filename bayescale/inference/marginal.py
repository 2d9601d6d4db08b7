"""Cluster terms are integrated out for sampling, and drawn afterwards.

Offsets and tilts of clusters are Normal. With Normal scatter the runs of a cluster are therefore
jointly Normal given everything else, and the sampler needs no terms, which would be two more
dimensions for each cluster and mix badly. Their draws follow exactly from those of the other
parameters, one cluster at a time.

With scales ``o`` and ``s`` of offset and tilt, weights ``w = 1 / sigma^2``, residuals ``r`` and
positions ``t``, only the sums of w, w t, w t^2, w r, w t r over a cluster are needed. The cost is
linear in the number of runs.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from bayescale.spec.functions import Array


@dataclass(frozen=True)
class Sums:
    """Sums over the runs of each cluster, (..., cluster)."""

    w: Any
    wt: Any
    wtt: Any
    wr: Any
    wtr: Any

    def determinant(self, offset: Any, tilt: Any) -> Any:
        """Determinant of the covariance of a cluster's runs, over the product of their variances.

        Parameters
        ----------
        offset, tilt
            Variances of the terms.
        """
        return (1 + offset * self.w) * (1 + tilt * self.wtt) - offset * tilt * self.wt**2

    def explained(self, offset: Any, tilt: Any) -> Any:
        """By how much the terms reduce the weighted sum of squares.

        Parameters
        ----------
        offset, tilt
            Variances of the terms.
        """
        both = (
            offset * (1 + tilt * self.wtt) * self.wr**2
            - 2 * offset * tilt * self.wt * self.wr * self.wtr
            + tilt * (1 + offset * self.w) * self.wtr**2
        )
        return both / self.determinant(offset, tilt)


def log_marginal(residual: Any, sigma: Any, index: Any, place: Any, offset: Any, tilt: Any) -> Any:
    """Log density of all runs in PyTensor, with the terms of clusters integrated out.

    Parameters
    ----------
    residual, sigma : (run,) tensor
        Distance of each run from the law, and its scale.
    index : (run,) tensor of int
        Cluster of each run; -1 for a run in no cluster.
    place : (run,) tensor
        Position of each run along the direction of tilt.
    offset, tilt : scalar
        Standard deviations of the terms.

    Returns
    -------
    scalar tensor
        The code has room for as many clusters as runs, so that it does not depend on their number;
        an empty cluster adds nothing. Runs in no cluster are collected last and then dropped.
    """
    import pytensor.tensor as pt

    none = pt.zeros(residual.shape[0] + 1)

    def total(values: Any) -> Any:
        return pt.inc_subtensor(none[index], values)[:-1]

    w = 1 / sigma**2
    sums = Sums(*map(total, (w, w * place, w * place**2, w * residual, w * place * residual)))
    own = pt.sum(pt.log(sigma)) + 0.5 * pt.sum(w * residual**2)
    shared = 0.5 * pt.sum(
        pt.log(sums.determinant(offset**2, tilt**2)) - sums.explained(offset**2, tilt**2)
    )
    return -own - shared - 0.5 * np.log(2 * np.pi) * residual.shape[0]


def log_marginal_batch(
    residual: Array,
    sigma: Array,
    begins: Array,
    clustered: int,
    place: Array | None,
    offset: Array,
    tilt: Array | float,
) -> Array:
    """Log density of all runs at many points, with the terms of clusters integrated out.

    Parameters
    ----------
    residual : (point, run) array
        Distance of each run from the law. The runs of a cluster follow one another, those in no
        cluster come last.
    sigma : (point, run) or (point, 1) array
        Scale of each run.
    begins : (cluster,) array of int
        First run of each cluster.
    clustered : int
        How many runs are in clusters.
    place : (run,) array, optional
        Position of each run along the direction of tilt.
    offset, tilt : (point, 1) array
        Standard deviations of the terms.

    Returns
    -------
    (point,) array
    """

    def total(values: Array) -> Array:
        return np.add.reduceat(values[:, :clustered], begins, axis=-1)

    sigma = np.broadcast_to(sigma, residual.shape)
    w = 1 / sigma**2
    wr = w * residual
    squares = (wr * residual).sum(axis=-1)
    own = np.log(sigma).sum(axis=-1) + 0.5 * squares
    if place is None:
        sums = Sums(total(w), 0.0, 0.0, total(wr), 0.0)
    else:
        sums = Sums(*map(total, (w, w * place, w * place**2, wr, wr * place)))
    shared = np.log(sums.determinant(offset**2, tilt**2)) - sums.explained(offset**2, tilt**2)
    whole = -own - 0.5 * shared.sum(axis=-1) - 0.5 * np.log(2 * np.pi) * residual.shape[-1]
    # With a scatter of nearly zero, two sums of squares cancel to nothing but rounding errors.
    return np.where(squares < 1e12, whole, -np.inf)


def cluster_sums(residual: Array, sigma: Array, index: Array, place: Array, clusters: int) -> Sums:
    """Sums over clusters at every draw.

    Parameters
    ----------
    residual, sigma : (chain, draw, run) array
        Distance of each run from the law, and its scale.
    index : (run,) array of int
        Cluster of each run; runs outside 0 to `clusters` - 1 are in none.
    place : (run,) array
        Position of each run along the direction of tilt.
    clusters : int
        Number of clusters.

    Returns
    -------
    Sums
        Of (chain, draw, cluster) arrays.
    """
    member = (index[:, None] == np.arange(clusters)).astype(float)
    w = np.broadcast_to(1 / sigma**2, residual.shape)
    parts = (w, w * place, w * place**2, w * residual, w * place * residual)
    return Sums(*(part @ member for part in parts))


def draw_cluster_terms(
    sums: Sums, offset: Array, tilt: Array, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Draws of each cluster's offset and tilt in units of their standard deviations.

    Given everything else these are Normal with precision ``1 + D S D`` and mean
    ``(1 + D S D)^-1 D R``, where S and R hold the sums and D the standard deviations.

    Parameters
    ----------
    sums : Sums
        Of (chain, draw, cluster) arrays.
    offset, tilt : (chain, draw, 1) array
        Standard deviations of the terms.
    rng : Generator
        Where the draws come from.

    Returns
    -------
    offset, tilt : (chain, draw, cluster) array
    """
    a, b, c = 1 + offset**2 * sums.w, offset * tilt * sums.wt, 1 + tilt**2 * sums.wtt
    determinant = a * c - b**2
    u, v = offset * sums.wr, tilt * sums.wtr
    mean = (c * u - b * v) / determinant, (a * v - b * u) / determinant
    # Cholesky factor of the covariance [[c, -b], [-b, a]] / determinant.
    first = np.sqrt(c / determinant)
    z, y = rng.standard_normal((2, *first.shape))
    return mean[0] + first * z, mean[1] - b / determinant / first * z + y / np.sqrt(c)
