"""Clusters of runs with correlated errors: the misfit that runs of about the same compute share.

No law is exactly true, and where it is off, it is off for a whole compute budget. Residuals within
a budget are then correlated, runs carry less information than they seem to, and intervals come out
too narrow. So each budget has an *offset* of its own, and a *tilt* along the direction in which
its runs differ. Both act on the logarithm of the expected response, and both shrink towards zero:

    log expected_i = log law_i + offset_sd * u[c_i] + tilt_sd * v[c_i] * t_i,   u, v ~ Normal(0, 1)

Clusters are found in the flops, or named by a column.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from bayescale.errors import DataError
from bayescale.priors import LogNormal, Prior
from bayescale.spec.compute import RESOLUTION, same_compute
from bayescale.spec.functions import Array
from bayescale.spec.law import AUTO, Law

FLOPS = "flops"

WIDTH = 0.25
"""Decades of compute that a cluster spans at most: a factor of 1.8. Budgets of a sweep are usually
further apart than that; runs at no particular budgets are cut into pieces."""

INDEX, TILT = "cluster_index", "cluster_tilt"
"""Names in the model of each run's cluster, and of its position along the direction of tilt."""

# On public studies these are a few tenths of a percent, depending on the law and on the study. A
# prior that reaches to zero and far up mixes badly, and lets few clusters absorb what the law
# should explain.
BETWEEN = LogNormal(mu=np.log(0.002), sigma=0.8)

PRIORS: Mapping[str, Prior] = {"offset_sd": BETWEEN, "tilt_sd": BETWEEN}


@dataclass(frozen=True)
class Clusters:
    """Which runs have correlated errors.

    Parameters
    ----------
    by : str
        The column that names the clusters, or ``"flops"``.
    labels : tuple of str
        Name of each cluster.
    tilted : bool
        Whether clusters have a tilt besides their offset. Not in a law of one input, where a tilt
        would be the law's own exponent.
    edges : tuple of (float, float)
        Lowest and highest flops of each cluster that was found in them; empty where a column names
        the clusters.
    group : str, optional
        Column of groups, each of which has clusters of its own.
    """

    by: str
    labels: tuple[str, ...]
    tilted: bool
    edges: tuple[tuple[float, float], ...] = ()
    group: str | None = None

    @property
    def saved(self) -> str:
        """What `find_clusters` needs to find them again."""
        return AUTO if self.edges else self.by

    @property
    def terms(self) -> tuple[str, ...]:
        """The terms that each cluster has of its own."""
        return ("offset", "tilt") if self.tilted else ("offset",)

    @property
    def priors(self) -> dict[str, Prior]:
        """Priors of the standard deviations between clusters."""
        return {f"{term}_sd": PRIORS[f"{term}_sd"] for term in self.terms}

    def index(self, runs: pd.DataFrame) -> np.ndarray:
        """Position of each run's cluster among the labels; -1 where it is in none."""
        return pd.Index(self.labels).get_indexer(pd.Index(self.names(runs)))

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
        Its inputs decide whether clusters can have a tilt.
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
    tilted = law.clusters.tilt and len(law.inputs) > 1
    clusters = Clusters(FLOPS if edges else by, (), tilted, edges, group)
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


def tilt_direction(design: Mapping[str, Array], index: Array) -> Array:
    """Direction in which the runs of a cluster differ most, as weights of the standardised inputs.

    Along a compute budget that is more tokens for fewer params; along a training curve, more
    tokens.
    """
    columns = pd.DataFrame(np.column_stack(list(design.values())))
    within = columns - columns.groupby(index).transform("mean")
    weights = np.linalg.svd(within.to_numpy(), full_matrices=False)[2][0]
    return np.asarray(weights * np.where(weights[-1] < 0, -1.0, 1.0))


def tilt_places(
    clusters: Clusters,
    design: Mapping[str, Array],
    index: Array,
    points: Mapping[str, Array] | None = None,
) -> Array:
    """Position of each run along the direction of tilt, standardised; or of each point.

    Points outside the runs get the position of the last run: how a budget tilts there is not known.
    """
    inside = index >= 0
    weights = tilt_direction({name: x[inside] for name, x in design.items()}, index[inside])
    along = np.column_stack(list(design.values())) @ weights
    if points is None:
        return np.asarray(along / along.std())
    projected = np.column_stack(list(points.values())) @ weights
    return np.asarray(np.clip(projected, along.min(), along.max()) / along.std())
