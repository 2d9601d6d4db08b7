"""Local maxima of a log density in numpy, from which a proposal is learned.

A posterior may have several. Climbs from draws of the prior end in those that many points lead to,
which need not be the highest.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]
LogDensity = Callable[[Array], Array]

STARTS = 3
"""Draws of the prior from which modes are searched for, besides its middle."""

FAR = 3.0
"""How far a search from a mode moves a coordinate from the middle of its prior, in standard
deviations."""

MOST_MODES = 8
"""Modes from which others are searched for. A posterior with more is left to NUTS."""

MOST_STEPS, HASTE = 300, 120
"""Steps of a climb at most; and where a search is not thorough and has found a mode."""

IMPOSSIBLE = 1e12
"""Minus the log density of a point that has none, for the search of modes."""


@dataclass(frozen=True, eq=False)
class Mode:
    """A local maximum of the log density.

    Parameters
    ----------
    point : (coordinate,) array
        Where it is.
    log_density : float
        There.
    covariance : (coordinate, coordinate) array
        Inverse of the curvature there.
    """

    point: Array
    log_density: float
    covariance: Array

    @classmethod
    def at(cls, log_density: LogDensity, point: Array, height: float, spread: Array) -> "Mode":
        """Return the mode at a point, its curvature by differences over a third of its spread.

        Parameters
        ----------
        log_density : callable
            Of (point, coordinate) points.
        point : (coordinate,) array
            Where it is.
        height : float
            The log density there.
        spread : (coordinate,) array
            About the standard deviation of each coordinate.
        """
        n, steps = len(point), np.diag(0.3 * spread)
        first, second = np.tril_indices(n)
        both = steps[first] + steps[second]
        apart = steps[first] - steps[second]
        values = log_density(point + np.concatenate([both, -both, apart, -apart]))
        up, down, across, back = values.reshape(4, -1)
        curvature = np.empty((n, n))
        width = np.diag(steps)
        with np.errstate(invalid="ignore"):  # beside points without a density
            bend = -(up + down - across - back)
        curvature[first, second] = bend / (4 * width[first] * width[second])
        curvature[second, first] = curvature[first, second]
        sizes, axes = np.linalg.eigh(np.nan_to_num(curvature, posinf=0.0, neginf=0.0))
        # A direction without curvature gets a wide, finite reach.
        sizes = np.maximum(sizes, 1e-3 * max(np.median(sizes), 1e-3))
        return cls(point.copy(), height, (axes / sizes) @ axes.T)

    def reaches(self, point: Array, log_density: float) -> bool:
        """Return whether a point is as near as most draws would be, and no higher."""
        away = point - self.point
        distance = away @ self.precision @ away
        return bool(distance < len(away) and log_density < self.log_density + 1)

    @cached_property
    def precision(self) -> Array:
        """The curvature: a climb asks for the distance from every known mode at every step."""
        return np.linalg.inv(self.covariance)

    @cached_property
    def log_mass(self) -> float:
        """Logarithm of its share of the posterior if it were Normal, up to a constant."""
        return float(self.log_density + 0.5 * np.linalg.slogdet(self.covariance)[1])


def search_modes(log_density: LogDensity, prior: Array, thorough: bool) -> list[Mode]:
    """Search for modes from the middle of the priors, from draws of them, and from other modes.

    A search from a mode moves one coordinate at a time far out. That finds modes that hardly any
    draw of the prior leads to.

    Parameters
    ----------
    log_density : callable
        Of (point, coordinate) points.
    prior : (draw, coordinate) array
        Draws of the prior.
    thorough : bool
        Whether to search from modes even if there seems to be one only. That takes three times as
        long as the rest.

    Returns
    -------
    list of Mode
        Those that count, the greatest first. Where there are more than `MOST_MODES`, there may be
        others yet.
    """
    middle, spread = np.median(prior, axis=0), prior.std(axis=0)
    # Any draws: those of highest density lie where the scatter is large, in one and the same mode.
    count, patience = (STARTS, MOST_STEPS) if thorough else (STARTS - 1, HASTE)
    modes = find_modes(log_density, np.vstack([middle, prior[:count]]), [], patience)
    searched: list[Mode] = []
    while (thorough or len(modes) > 1) and len(searched) < MOST_MODES:
        begin = next((mode for mode in modes if mode not in searched), None)
        if begin is None:
            break
        searched.append(begin)
        far = np.diag(FAR * spread)
        starts = np.concatenate([middle + far, middle - far])
        moved = np.tile(far > 0, (2, 1))
        modes = find_modes(log_density, np.where(moved, starts, begin.point), modes)
    return modes


def find_modes(
    log_density: LogDensity, starts: Array, known: list[Mode], patience: int = MOST_STEPS
) -> list[Mode]:
    """Climb from several points at once, and return the modes that count, the greatest first.

    By BFGS, in step: one batch of points gives the slopes of all climbs, which takes half of the
    time that one climb after another would.

    Parameters
    ----------
    log_density : callable
        Of (point, coordinate) points.
    starts : (start, coordinate) array
        Where to begin.
    known : list of Mode
        Modes that were found before. A climb ends where it comes near one.
    patience : int
        Steps after which the climbs under way are given up, if a mode was found.

    Returns
    -------
    list of Mode
        Those with a mass of 1e-6 of the greatest or more, known ones included.
    """
    found = [*known]
    points, n = starts.copy(), starts.shape[1]
    values, slopes = _descent(log_density, points)
    steepness = np.maximum(np.linalg.norm(slopes, axis=1), 1e-12)
    inverse = np.eye(n) / steepness[:, None, None]
    length, fresh = np.ones(len(points)), np.ones(len(points), dtype=bool)
    climbing = values < IMPOSSIBLE
    for steps in range(MOST_STEPS):
        (rows,) = np.nonzero(climbing)
        if not rows.size or (found and steps >= patience):
            break
        step = -length[rows, None] * np.einsum("kij,kj->ki", inverse[rows], slopes[rows])
        expected = np.einsum("ki,ki->k", step, slopes[rows])
        new_values, new_slopes = _descent(log_density, points[rows] + step)
        good = new_values <= values[rows] + 1e-4 * expected
        length[rows[~good]] /= 8
        taken, step, change = rows[good], step[good], new_slopes[good] - slopes[rows[good]]
        points[taken] += step
        values[taken], slopes[taken], length[taken] = new_values[good], new_slopes[good], 1.0
        inverse[taken] = _updated(inverse[taken], step, change, fresh[taken])
        fresh[taken] = False
        # A climb ends at the top, where no step is short enough to rise, or near a known mode.
        ended = (np.abs(slopes[rows]).max(axis=1) < 0.1) | (length[rows] < 1e-9)
        ended |= steps == MOST_STEPS - 1
        for row, end in zip(rows, ended, strict=True):
            near = any(mode.reaches(points[row], -values[row]) for mode in found)
            if near or end:
                climbing[row] = False
                if not near:
                    spread = np.sqrt(np.clip(np.diag(inverse[row]), 1e-6, 4.0))
                    found.append(Mode.at(log_density, points[row], float(-values[row]), spread))
    found.sort(key=lambda mode: -mode.log_mass)
    return [mode for mode in found if mode.log_mass > found[0].log_mass + np.log(1e-6)]


def _descent(log_density: LogDensity, points: Array) -> tuple[Array, Array]:
    """Minus the log density at points, and its slopes, right to a tenth at curvatures of 1e6."""
    step, n = 1e-7, points.shape[1]
    around = points[:, None] + np.vstack([np.zeros(n), step * np.eye(n)])
    values = np.minimum(-log_density(around.reshape(-1, n)), IMPOSSIBLE).reshape(-1, n + 1)
    return values[:, 0], (values[:, 1:] - values[:, :1]) / step


def _updated(inverse: Array, step: Array, change: Array, fresh: Array) -> Array:
    """Inverse curvatures after a step of BFGS; as they were where the slope did not rise."""
    rise = np.einsum("ki,ki->k", step, change)
    up = rise > 1e-12
    safe = np.where(up, rise, 1.0)
    # A first step gives the size of the curvature.
    scale = safe / np.maximum(np.einsum("ki,ki->k", change, change), 1e-300)
    first = scale[:, None, None] * np.eye(step.shape[1])
    before = np.where((fresh & up)[:, None, None], first, inverse)
    away = np.eye(step.shape[1]) - step[:, :, None] * change[:, None, :] / safe[:, None, None]
    outer = step[:, :, None] * step[:, None, :] / safe[:, None, None]
    after = away @ before @ away.transpose(0, 2, 1) + outer
    return np.asarray(np.where(up[:, None, None], after, inverse))
