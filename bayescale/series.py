"""Runs that follow one another: rows of one curve err alike from one to the next.

A checkpoint lies off its law about as far as the one before. With ``rho`` the correlation of
neighbours and g the distance of a row from the one before it, in usual distances,

    y_i | y_{i-1} ~ Normal(mu_i + r sigma_i z_{i-1}, sigma_i sqrt(1 - r^2)),   r = rho^g

with z how far the row before lies off in its own sigma. The first row of a curve scatters as
``Normal(mu, sigma)``, and so does any row of a curve that nothing is known of.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bayescale.errors import DataError
from bayescale.files import read_numbers
from bayescale.flops import Array
from bayescale.scales import REAL

PREVIOUS, GAP = "previous", "gap"
"""What the model calls the place of the row before each row, -1 for none; and its distance."""


@dataclass(frozen=True)
class Series:
    """Which rows are one curve, and in what order.

    Parameters
    ----------
    by : str
        Column that tells curves apart.
    order : str
        Column along which a curve runs.
    apart : float
        How far apart, along it, rows are that a fit takes of a curve. Rows that follow closely
        tell of the noise rather than of the law, and where their correlation is not what is said
        above, it shows in what is learned of the law.
    """

    by: str
    order: str
    apart: float = 0.0

    def links(self, runs: pd.DataFrame) -> dict[str, Array]:
        """Place of the row before each row, and its distance in those that are usual.

        Raises
        ------
        DataError
            If a column is missing, or two rows of a curve stand at one place.
        """
        for name in (self.by, self.order):
            if name not in runs:
                raise DataError(
                    f"the table has no column {name!r}; expected {self.by!r}, which tells curves "
                    f"apart, and {self.order!r}, along which they run. Add or rename it."
                )
        along = read_numbers(runs[self.order], self.order, "the table", REAL).to_numpy()
        curve = pd.factorize(runs[self.by])[0]
        ordered = np.lexsort((along, curve))
        follows = np.r_[False, np.diff(curve[ordered]) == 0]
        step = np.r_[1.0, np.diff(along[ordered])]
        if np.any(step[follows] <= 0):
            row = ordered[np.flatnonzero(follows & (step <= 0))[0]]
            raise DataError(
                f"row {row + 1} of the table is the second of {self.by} "
                f"{runs[self.by].iloc[row]!s} at {self.order} {along[row]:g}; expected one row at "
                "each. Drop one, or name what tells them apart."
            )
        previous, gap = np.full(len(runs), -1), np.ones(len(runs))
        previous[ordered[follows]] = ordered[:-1][follows[1:]]
        gap[ordered[follows]] = step[follows] / np.median(step[follows])
        return {PREVIOUS: previous, GAP: gap}

    def taken(self, runs: pd.DataFrame, columns: Iterable[str]) -> Array:
        """Which rows a fit takes: those far enough apart, each once.

        Parameters
        ----------
        runs : DataFrame
            With the columns that tell what was measured where.
        columns : iterable of str
            In which rows agree, besides `order`, that a branch has from another curve.

        Returns
        -------
        (row,) array of bool
        """
        spaced = np.zeros(len(runs), dtype=bool)
        place = pd.Series(np.arange(len(runs)), runs.index)
        ordered = place.loc[runs[self.order].sort_values(kind="stable").index]
        for rows in ordered.groupby(runs[self.by], sort=False):
            spaced[self._spaced(rows[1].to_numpy(), runs[self.order].to_numpy())] = True
        kept = runs[spaced]
        spaced[np.flatnonzero(spaced)[self.copies(kept, columns)]] = False
        return spaced

    def _spaced(self, rows: Array, along: Array) -> list[int]:
        """The first row of a curve, then those far enough from the one before, and its last."""
        chosen = [rows[0]]
        for row in rows[1:]:
            if along[row] - along[chosen[-1]] >= self.apart:
                chosen.append(row)
        return [*chosen, rows[-1]]

    def copies(self, runs: pd.DataFrame, columns: Iterable[str]) -> Array:
        """Which rows a branch has from a curve that is in the table before it.

        Not the last row before it leaves: that says where the branch begins.
        """
        repeated = runs.duplicated([self.order, *columns]).to_numpy()
        ordered = runs.assign(copy=repeated).sort_values(self.order, kind="stable")
        stays = ordered.groupby(self.by)["copy"].shift(-1, fill_value=True)
        return repeated & stays.sort_index().to_numpy()


Taken = Callable[[Any, Any], Any]


def conditional(
    mu: Any, sigma: Any, rho: Any, observed: Any, links: Mapping[str, Any], take: Taken
) -> dict[str, Any]:
    """Mean and scale of each row given the one before it; `take` picks rows of an array."""
    before = links[PREVIOUS]
    carried = (before >= 0) * rho ** links[GAP]
    off = (take(observed, before) - take(mu, before)) / take(sigma, before)
    return {"mu": mu + carried * sigma * off, "sigma": sigma * np.sqrt(1 - carried**2)}


def drawn(mu: Array, sigma: Array, rho: Array, links: Mapping[str, Array], rng: Any) -> Array:
    """Rows drawn anew, whole curves at a time, (..., row)."""
    fresh = rng.standard_normal(mu.shape)
    before, gap = links[PREVIOUS], links[GAP]
    place = _places(before)
    for k in range(1, int(place.max()) + 1):
        rows = np.flatnonzero(place == k)
        carried = rho[..., rows] ** gap[rows]
        fresh[..., rows] = (
            carried * fresh[..., before[rows]] + np.sqrt(1 - carried**2) * fresh[..., rows]
        )
    return np.asarray(mu + sigma * fresh)


def _places(before: Array) -> Array:
    """How many rows of its curve come before each row."""
    place, known = np.zeros(len(before), dtype=int), before < 0
    while not known.all():
        ready = ~known & known[before]
        place[ready] = place[before[ready]] + 1
        known |= ready
    return place
