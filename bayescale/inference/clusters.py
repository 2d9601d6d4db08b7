"""Clusters of runs that err together: runs of about the same compute.

No law is exactly true, and where it is off, it is off for a whole compute budget. Errors of the
runs of a budget are then correlated, and runs carry less information than they seem to. Clusters
have no terms in the model, which would take the law's place. They are what resampling draws, and
the posterior is widened by them (`bayescale.posterior.widening`).

Clusters are found in the flops, or named by a column.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from bayescale.errors import DataError
from bayescale.spec.compute import RESOLUTION, same_compute
from bayescale.spec.law import AUTO, Law

FLOPS = "flops"

WIDTH = 0.25
"""Decades of compute that a cluster spans at most: a factor of 1.8. Budgets of a sweep are usually
further apart than that; runs at no particular budgets are cut into pieces."""


@dataclass(frozen=True)
class Clusters:
    """Which runs err together.

    Parameters
    ----------
    by : str
        The column that names the clusters, or ``"flops"``.
    labels : tuple of str
        Name of each cluster.
    edges : tuple of (float, float)
        Lowest and highest flops of each cluster that was found in them; empty where a column names
        the clusters.
    group : str, optional
        Column of groups, each of which has clusters of its own.
    """

    by: str
    labels: tuple[str, ...]
    edges: tuple[tuple[float, float], ...] = ()
    group: str | None = None

    @property
    def saved(self) -> str:
        """What `find_clusters` needs to find them again."""
        return AUTO if self.edges else self.by

    def index(self, runs: pd.DataFrame) -> np.ndarray:
        """Position of each run's cluster among the labels; -1 where it is in none."""
        return pd.Index(self.labels).get_indexer(pd.Index(self.names(runs)))

    def cases(self, runs: pd.DataFrame) -> list[str]:
        """Name of what resampling draws with each run: its cluster, or ``run 7`` if it is in none.

        Rows are counted from 1.
        """
        alone = [f"run {row}" for row in range(1, len(runs) + 1)]
        named = [self.labels[k] if k >= 0 else "" for k in self.index(runs)]
        return [name or own for name, own in zip(named, alone, strict=True)]

    def names(self, runs: pd.DataFrame) -> list[str]:
        """Name of each run's cluster, also of those that are not among the labels.

        A point whose compute is not known is a cluster of its own.
        """
        if not self.edges:
            own = _text(runs, self.by)
        elif FLOPS not in runs:
            own = [f"point {k + 1}" for k in range(len(runs))]
        else:
            # The middle of the budget; outside all budgets the nearest multiple of the width.
            low, high = np.log10(np.array(self.edges)).T
            logs = np.log10(runs[FLOPS].to_numpy())[:, None]
            distance = np.maximum(np.maximum(low - logs, logs - high), 0.0)
            nearest = ((low + high) / 2)[distance.argmin(axis=1)]
            steps = np.round(logs[:, 0] / WIDTH) * WIDTH
            middles = np.where(distance.min(axis=1) <= RESOLUTION, nearest, steps)
            own = [f"{value:.3g}" for value in 10**middles]
        if self.group is None:
            return own
        return [f"{group} {name}" for group, name in zip(_text(runs, self.group), own, strict=True)]


def find_clusters(
    law: Law, runs: pd.DataFrame, by: str | None, group: str | None = None
) -> Clusters | None:
    """Clusters of the runs.

    Parameters
    ----------
    law : Law
        Which may say what makes a cluster.
    runs : DataFrame
        Validated runs.
    by : str, optional
        A column; ``"auto"`` for the choice of the law, usually compute budgets; None for no
        clusters.
    group : str, optional
        Column of groups that have clusters of their own.

    Returns
    -------
    Clusters or None
        None also where the runs were not made at a few budgets.

    Raises
    ------
    DataError
        If the column is missing, or makes fewer than two clusters.
    """
    by = law.clusters.by if by == AUTO else by
    if by is None:
        return None
    edges = compute_neighbourhoods(runs) if by == AUTO else ()
    if by == AUTO and not edges:
        return None
    clusters = Clusters(FLOPS if edges else by, (), edges, group)
    if clusters.by not in runs:
        raise DataError(
            f"clusters={clusters.by!r} names no column of the table; expected one of "
            f"{list(map(str, runs))}. Correct the spelling, or add the column."
        )
    # Every cluster of the runs, in the order of the table; budgets in increasing order.
    ordered = runs.sort_values(FLOPS, kind="stable") if edges else runs
    named = np.array(_text(ordered, clusters.by)) != ""
    labels = tuple(dict.fromkeys(np.array(clusters.names(ordered))[named].tolist()))
    if 2 <= len(labels) <= len(runs) / 2:
        return replace(clusters, labels=labels)
    if edges:
        return None
    raise DataError(
        f"column {by!r} makes {len(labels)} clusters of {len(runs)} runs; expected two or "
        "more, of two runs or more on average. Cluster by another column, or by none."
    )


def compute_neighbourhoods(runs: pd.DataFrame) -> tuple[tuple[float, float], ...]:
    """Lowest and highest flops of runs of about the same compute; none if there are too few.

    Complete linkage on the logarithm, cut at `WIDTH`. Clusters count where at least 3 of them have
    4 runs or more, and those hold half of all runs: fewer show nothing about how clusters differ.
    """
    smallest, fewest = 4, 3
    if FLOPS not in runs or len(runs) < smallest * fewest:
        return ()
    logs = np.log10(runs[FLOPS].to_numpy())
    pieces = pd.Series(logs).groupby(same_compute(logs, WIDTH))
    sizes = pieces.size()
    large = sizes >= smallest
    if large.sum() < fewest or sizes[large].sum() < 0.5 * len(logs):
        return ()
    return tuple(
        (float(10**low), float(10**high))
        for low, high in sorted(zip(pieces.min(), pieces.max(), strict=True))
    )


def _text(runs: pd.DataFrame, by: str) -> list[str]:
    """Values of a column as text; empty where they are missing."""
    column = runs[by] if by in runs else pd.Series(np.nan, index=runs.index)
    return ["" if pd.isna(value) else str(value) for value in column]
