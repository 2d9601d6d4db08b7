"""Cluster terms integrated out, and drawn again.

Offsets and tilts of clusters are Normal, so with Normal scatter the runs of a cluster are jointly
Normal given everything else: the sampler never sees the terms themselves, which would be two more
dimensions a cluster and mix badly. Their draws follow from those of the rest exactly, one cluster
at a time.

With scales ``o`` and ``s`` of offset and tilt, weights ``w = 1 / sigma^2``, residuals ``r`` and
places ``t``, all that is needed of a cluster are the sums of w, w t, w t^2, w r, w t r. Everything
here is linear in the number of runs.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytensor.tensor as pt

from bayescale.flops import Array


@dataclass(frozen=True)
class Sums:
    """What the runs of each cluster say together, (..., cluster)."""

    w: Any
    wt: Any
    wtt: Any
    wr: Any
    wtr: Any

    def determinant(self, offset: Any, tilt: Any) -> Any:
        """Of the covariance of a cluster's runs, over the product of their own variances."""
        return (1 + offset * self.w) * (1 + tilt * self.wtt) - offset * tilt * self.wt**2

    def explained(self, offset: Any, tilt: Any) -> Any:
        """By how much the terms lower the weighted sum of squares; offset and tilt as variances."""
        both = (
            offset * (1 + tilt * self.wtt) * self.wr**2
            - 2 * offset * tilt * self.wt * self.wr * self.wtr
            + tilt * (1 + offset * self.w) * self.wtr**2
        )
        return both / self.determinant(offset, tilt)


def log_marginal(residual: Any, sigma: Any, index: Any, place: Any, offset: Any, tilt: Any) -> Any:
    """Log density of all runs, PyTensor; offset and tilt are the standard deviations.

    There is room for as many clusters as runs, so that the code does not depend on their number;
    an empty one adds nothing. Runs of index -1, in no cluster, are collected last and left out.
    """
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


def sums_of(residual: Array, sigma: Array, index: Array, place: Array, clusters: int) -> Sums:
    """The same sums, of draws: (chain, draw, run) arrays make (chain, draw, cluster) ones."""
    member = (index[:, None] == np.arange(clusters)).astype(float)
    w = np.broadcast_to(1 / sigma**2, residual.shape)
    parts = (w, w * place, w * place**2, w * residual, w * place * residual)
    return Sums(*(part @ member for part in parts))


def recovered(
    sums: Sums, offset: Array, tilt: Array, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Draws of each cluster's offset and tilt in units of their standard deviations.

    Given everything else these are Normal with precision ``1 + D S D`` and mean
    ``(1 + D S D)^-1 D R``, where S and R hold the sums and D the standard deviations.
    """
    a, b, c = 1 + offset**2 * sums.w, offset * tilt * sums.wt, 1 + tilt**2 * sums.wtt
    determinant = a * c - b**2
    u, v = offset * sums.wr, tilt * sums.wtr
    mean = (c * u - b * v) / determinant, (a * v - b * u) / determinant
    # Cholesky factor of the covariance [[c, -b], [-b, a]] / determinant.
    first = np.sqrt(c / determinant)
    z, y = rng.standard_normal((2, *first.shape))
    return mean[0] + first * z, mean[1] - b / determinant / first * z + y / np.sqrt(c)
