"""Densities to propose points from: a Student-t, and a triangular map that bends.

Posteriors of scaling laws are nearly Normal along a few long, bent ridges. In coordinates sorted by
how far the points reach, longest first, each coordinate is proposed given those before it: its mean
is a quadratic in them, the logarithm of its scale is linear, and the two sides of it may differ. So
a narrow direction follows the bend of a long one. All of it is weighted least squares.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import gammaln, logsumexp

from bayescale.importance.modes import Array

REACH = 5.0
"""Standard deviations from the middle beyond which a map bends no further."""

NU = 8.0
"""Degrees of freedom of each coordinate of a map, given those before it."""

BENT = 14
"""How many of the longest directions have squares and products in a map. More would cost more
effective points to learn than a few rounds have."""


class Proposal(Protocol):
    """A density to draw from."""

    def log_density(self, points: Array) -> Array:
        """Return the log density at (point, coordinate) points."""

    def draw(self, count: int, rng: np.random.Generator) -> Array:
        """Return (point, coordinate) draws."""


@dataclass(frozen=True, eq=False)
class MultivariateT:
    """A multivariate Student-t.

    Parameters
    ----------
    mean : (coordinate,) array
        Its middle.
    factor : (coordinate, coordinate) array
        Lower triangular root of the scale matrix.
    nu : float
        Degrees of freedom.
    """

    mean: Array
    factor: Array
    nu: float = 4.0

    @classmethod
    def of(cls, mean: Array, covariance: Array) -> "MultivariateT":
        """Return one with this scale matrix, made definite where it is not quite."""
        sizes, axes = np.linalg.eigh(covariance)
        root = axes * np.sqrt(np.maximum(sizes, 1e-10 * sizes.max()))
        return cls(mean, np.linalg.qr(root.T)[1].T)  # a Cholesky factor, but for signs

    def log_density(self, points: Array) -> Array:
        """Return the log density at (point, coordinate) points."""
        n, nu = len(self.mean), self.nu
        whitened = solve_triangular(self.factor, (points - self.mean).T, lower=True)
        constant = gammaln((nu + n) / 2) - gammaln(nu / 2) - n / 2 * np.log(nu * np.pi)
        slope = np.log(np.abs(np.diag(self.factor))).sum()
        squares = (whitened**2).sum(axis=0)
        return np.asarray(constant - slope - (nu + n) / 2 * np.log1p(squares / nu))

    def draw(self, count: int, rng: np.random.Generator) -> Array:
        """Return (point, coordinate) draws."""
        z = rng.standard_normal((count, len(self.mean))) @ self.factor.T
        return np.asarray(self.mean + z / np.sqrt(rng.chisquare(self.nu, (count, 1)) / self.nu))


@dataclass(frozen=True, eq=False)
class TriangularMap:
    """Coordinates proposed one after another, each given those before it.

    Parameters
    ----------
    middle, axes, reach : array
        Mean of the points, their principal axes as columns, and the standard deviation along each,
        longest first.
    mean : (feature, coordinate) array
        Of the mean of each coordinate, in standard deviations.
    log_scale : (1 + coordinate, coordinate) array
        Of the logarithm of its scale.
    left, right : (coordinate,) array
        Its scale below and above the mean.
    """

    middle: Array
    axes: Array
    reach: Array
    mean: Array
    log_scale: Array
    left: Array
    right: Array

    def log_density(self, points: Array) -> Array:
        """Return the log density at (point, coordinate) points."""
        u = (points - self.middle) @ self.axes / self.reach
        features = _features(u)
        linear = _linear(u)
        log_scale = np.clip(linear @ self.log_scale, -3.0, 3.0)
        e = (u - features @ self.mean) * np.exp(-log_scale)
        e = e / np.where(e < 0, self.left, self.right)
        kernel = -(NU + 1) / 2 * np.log1p(e * e / NU) - log_scale
        constant = gammaln((NU + 1) / 2) - gammaln(NU / 2) - 0.5 * np.log(NU * np.pi)
        sides = np.log(2 / (self.left + self.right)) - np.log(self.reach) + constant
        return np.asarray(kernel.sum(axis=1) + sides.sum())

    def draw(self, count: int, rng: np.random.Generator) -> Array:
        """Return (point, coordinate) draws."""
        n = len(self.middle)
        size = np.abs(rng.standard_t(NU, (count, n)))
        above = rng.random((count, n)) < self.right / (self.left + self.right)
        e = np.where(above, size * self.right, -size * self.left)
        u, ends = np.zeros((count, n)), _ends(n)
        features = np.empty((count, len(self.mean)))
        features[:, 0] = 1.0
        for k in range(n):
            linear = _linear(u[:, :k])
            log_scale = np.clip(linear @ self.log_scale[: k + 1, k], -3.0, 3.0)
            u[:, k] = features[:, : ends[k]] @ self.mean[: ends[k], k] + np.exp(log_scale) * e[:, k]
            if k + 1 < n:
                features[:, ends[k] : ends[k + 1]] = _features_of(np.clip(u, -REACH, REACH), k)
        return np.asarray(self.middle + (u * self.reach) @ self.axes.T)


def fit_map(points: Array, weights: Array) -> TriangularMap:
    """Fit a map to weighted points.

    Parameters
    ----------
    points : (point, coordinate) array
        Where the density is.
    weights : (point,) array
        Adding up to 1.

    Returns
    -------
    TriangularMap
    """
    middle = weights @ points
    moved = points - middle
    variances, axes = np.linalg.eigh((moved * weights[:, None]).T @ moved)
    order = np.argsort(-variances)
    axes, reach = axes[:, order], np.sqrt(np.maximum(variances, 1e-12 * variances.max()))[order]
    u = moved @ axes / reach
    features, linear = _features(u), _linear(u)
    # Features of a coordinate come before those of the next one, so that all regressions are pieces
    # of one. A ridge of about one observation keeps what few effective points cannot tell at zero.
    effective = 1 / np.sum(weights**2)
    n, ends = u.shape[1], _ends(u.shape[1])
    gram, on = (features * weights[:, None]).T @ features, (features * weights[:, None]).T @ u
    linear_gram = (linear * weights[:, None]).T @ linear
    mean, log_scale = np.zeros((features.shape[1], n)), np.zeros((n + 1, n))
    left, right = np.empty(n), np.empty(n)
    for k in range(n):
        end = ends[k]
        mean[:end, k] = np.linalg.solve(gram[:end, :end] + _ridge(end, effective), on[:end, k])
        residual = u[:, k] - features[:, :end] @ mean[:end, k]
        target = 0.5 * (linear[:, : k + 1] * weights[:, None]).T @ np.log(residual**2 + 1e-3)
        penalised = linear_gram[: k + 1, : k + 1] + 2.5 * _ridge(k + 1, effective)
        log_scale[: k + 1, k] = np.linalg.solve(penalised, target)
        scale = np.exp(np.clip(linear[:, : k + 1] @ log_scale[: k + 1, k], -3.0, 3.0))
        squares = weights * (residual / scale) ** 2
        # Two halves of Normals that meet: the likeliest scales, in closed form.
        sides = squares[residual < 0].sum(), squares[residual >= 0].sum()
        low, high = np.cbrt(np.maximum(sides, 1e-6))
        # 5% wider, since what is proposed too rarely gets too large a weight.
        left[k], right[k] = 1.05 * np.sqrt((NU - 2) / NU * (low + high)) * np.array([low, high])
    return TriangularMap(middle, axes, reach, mean, log_scale, left, right)


def _ridge(count: int, effective: float) -> Array:
    diagonal = np.full(count, count / effective)
    diagonal[0] = 0.0
    return np.diag(diagonal)


def _linear(u: Array) -> Array:
    """One, and each coordinate within reach."""
    return np.column_stack([np.ones(len(u)), np.clip(u, -REACH, REACH)])


def _features(u: Array) -> Array:
    """One, each coordinate, and its products with itself and those before it."""
    bounded, ends = np.clip(u, -REACH, REACH), _ends(u.shape[1])
    features = np.empty((len(u), ends[-1]))
    features[:, 0] = 1.0
    for k in range(u.shape[1] - 1):
        features[:, ends[k] : ends[k + 1]] = _features_of(bounded, k)
    return features


def _features_of(bounded: Array, k: int) -> Array:
    """What one coordinate adds to the features."""
    own = bounded[:, k : k + 1]
    if k >= BENT:
        return own
    products = own * bounded[:, : k + 1]
    products[:, k] -= 1.0
    return np.column_stack([own, products])


def _ends(n: int) -> list[int]:
    """How many features precede each coordinate."""
    sizes = [1, *(1 + (k + 1 if k < BENT else 0) for k in range(n - 1))]
    return list(np.cumsum(sizes))


@dataclass(frozen=True, eq=False)
class Mixture:
    """Several densities with their shares.

    Parameters
    ----------
    shares : sequence of float
        Adding up to 1.
    parts : sequence of Proposal
        The densities.
    """

    shares: Sequence[float]
    parts: Sequence[Proposal]

    def log_densities(self, points: Array) -> Array:
        """Return the log density of each part with its share, (part, point)."""
        pairs = zip(self.shares, self.parts, strict=True)
        return np.array([np.log(share) + part.log_density(points) for share, part in pairs])

    def log_density(self, points: Array) -> Array:
        """Return the log density at (point, coordinate) points."""
        return np.asarray(logsumexp(self.log_densities(points), axis=0))

    def draw(self, count: int, rng: np.random.Generator) -> Array:
        """Return (point, coordinate) draws, in random order."""
        counts = rng.multinomial(count, self.shares)
        drawn = [part.draw(own, rng) for own, part in zip(counts, self.parts, strict=True)]
        return rng.permutation(np.concatenate(drawn))
