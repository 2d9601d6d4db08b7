"""Rows that follow one another: the errors of neighbouring rows of a curve are correlated.

The error of a checkpoint is about that of the checkpoint before it. With ``rho`` the correlation of
neighbours and g the distance of a row from the row before it, in units of the usual distance,

    y_i | y_{i-1} ~ Normal(mu_i + r sigma_i z_{i-1}, sigma_i sqrt(1 - r^2)),   r = rho^g

with z the error of the row before it in units of its own sigma. The first row of a curve scatters
as ``Normal(mu, sigma)``, and so does any row whose neighbours are unknown.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bayescale.errors import DataError
from bayescale.spec.columns import REAL, read_numbers
from bayescale.spec.functions import Array

PREVIOUS, GAP = "previous", "gap"
"""Names in the model of the position of the row before each row, -1 for none, and its distance."""


@dataclass(frozen=True)
class Series:
    """Which rows are one curve, and in what order.

    Parameters
    ----------
    by : str
        Column that identifies curves.
    order : str
        Column along which a curve runs.
    apart : float
        Least distance, in `order`, between the rows of a curve that are fitted. Close rows inform
        about the noise rather than the law, and where their correlation is not that of the formula,
        they bias the law.
    """

    by: str
    order: str
    apart: float = 0.0

    def links(self, runs: pd.DataFrame) -> dict[str, Array]:
        """Return the position of the row before each row, and its distance from it.

        Parameters
        ----------
        runs : DataFrame
            With the columns `by` and `order`.

        Returns
        -------
        dict of str to (row,) array
            ``previous``, -1 for the first row of a curve; and ``gap``, in units of the median
            distance, 1 for a first row.

        Raises
        ------
        DataError
            If a column is missing, or two rows of a curve have the same `order`.
        """
        for name in (self.by, self.order):
            if name not in runs:
                raise DataError(
                    f"the table has no column {name!r}; expected {self.by!r}, which identifies "
                    f"curves, and {self.order!r}, along which they run. Add or rename it."
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
                "each. Drop one, or give the curves different names."
            )
        previous, gap = np.full(len(runs), -1), np.ones(len(runs))
        previous[ordered[follows]] = ordered[:-1][follows[1:]]
        gap[ordered[follows]] = step[follows] / np.median(step[follows])
        return {PREVIOUS: previous, GAP: gap}

    def kept_rows(self, runs: pd.DataFrame, columns: Iterable[str]) -> Array:
        """Return which rows a fit uses: rows far enough apart, every row once.

        Parameters
        ----------
        runs : DataFrame
            With the columns `by` and `order`, and `columns`.
        columns : iterable of str
            Columns in which, besides `order`, a row of a branch agrees with the curve that it
            comes from.

        Returns
        -------
        (row,) array of bool
            The first and the last row of a curve are kept, unless they repeat another curve.
        """
        kept = np.zeros(len(runs), dtype=bool)
        along = runs[self.order].to_numpy()
        positions = pd.Series(np.arange(len(runs)), runs.index)
        ordered = positions.loc[runs[self.order].sort_values(kind="stable").index]
        for _, curve in ordered.groupby(runs[self.by], sort=False):
            # The first row, then every row far enough from the last one that was kept, and the end.
            rows = curve.to_numpy()
            last = rows[0]
            kept[[rows[0], rows[-1]]] = True
            for row in rows[1:]:
                if along[row] - along[last] >= self.apart:
                    kept[row], last = True, row
        # A branch repeats rows of a curve that comes before it in the table. The last row that they
        # share is no copy: it shows where the branch begins.
        spaced = runs[kept]
        repeated = spaced.duplicated([self.order, *columns]).to_numpy()
        copies = spaced.assign(copy=repeated).sort_values(self.order, kind="stable")
        stays = copies.groupby(self.by)["copy"].shift(-1, fill_value=True)
        kept[np.flatnonzero(kept)[repeated & stays.sort_index().to_numpy()]] = False
        return kept


Take = Callable[[Any, Any], Any]


def conditional(
    mu: Any, sigma: Any, rho: Any, observed: Any, links: Mapping[str, Any], take: Take
) -> dict[str, Any]:
    """Return mean and scale of each row given the row before it.

    Parameters
    ----------
    mu, sigma, rho : (..., row) array
        Mean and scale of each row whose neighbours are unknown, and the correlation of neighbours.
    observed : (row,) array
        Observed values.
    links : mapping of str to (row,) array
        From `Series.links`.
    take : callable
        ``take(array, rows)`` selects rows of an array.

    Returns
    -------
    dict of str to (..., row) array
        ``mu`` and ``sigma``.
    """
    before = links[PREVIOUS]
    correlation = (before >= 0) * rho ** links[GAP]
    z = (take(observed, before) - take(mu, before)) / take(sigma, before)
    return {"mu": mu + correlation * sigma * z, "sigma": sigma * np.sqrt(1 - correlation**2)}


def draw_series(mu: Array, sigma: Array, rho: Array, links: Mapping[str, Array], rng: Any) -> Array:
    """Return new draws of whole curves, (..., row).

    Parameters
    ----------
    mu, sigma, rho : (..., row) array
        As for `conditional`.
    links : mapping of str to (row,) array
        From `Series.links`.
    rng : numpy.random.Generator
        The generator.

    Returns
    -------
    (..., row) array
    """
    z = rng.standard_normal(mu.shape)
    before, gap = links[PREVIOUS], links[GAP]
    # First rows are ready; then, round by round, the rows whose predecessor is ready.
    ready = before < 0
    while not ready.all():
        following = ~ready & ready[before]
        rows = np.flatnonzero(following)
        correlation = rho[..., rows] ** gap[rows]
        z[..., rows] = (
            correlation * z[..., before[rows]] + np.sqrt(1 - correlation**2) * z[..., rows]
        )
        ready |= following
    return np.asarray(mu + sigma * z)
