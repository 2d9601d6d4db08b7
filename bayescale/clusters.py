"""Runs that err together: the misfit that runs of about the same compute share.

No law is exactly true, and where it is off, it is off for a whole compute budget. Residuals are
then alike within a budget, runs count for more than they are worth, and intervals come out too
narrow. So each budget has an *offset* of its own, and a *tilt* along the direction in which its
runs differ, both on the logarithm of the expected response and both shrunk towards none:

    log expected_i = log law_i + offset_sd * u[c_i] + tilt_sd * v[c_i] * t_i,   u, v ~ Normal(0, 1)

Clusters are found in the flops, or a column names what errs together.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pymc as pm

from bayescale.errors import DataError
from bayescale.flops import RESOLUTION, Array, alike
from bayescale.law import FOUND, Law
from bayescale.priors import Prior

FLOPS = "flops"

WIDTH = 0.25
"""Decades of compute that a cluster spans at most: a factor of 1.8. Budgets of a sweep are further
apart than that, as a rule; runs that were made at no budgets in particular are cut into pieces."""
RUNS_EACH, CLUSTERS, SHARE = 4, 3, 0.5
"""Clusters are taken into account where at least `CLUSTERS` of them have `RUNS_EACH` runs or more,
and those hold a `SHARE` of all runs: fewer say nothing of how clusters differ."""

INDEX, TILT = "cluster_index", "cluster_tilt"
"""What the model calls each run's cluster, and its place along the direction of tilt."""

# On public studies these are a few tenths of a percent, of the law as of the study. A prior that
# reaches to zero and far up mixes badly, and lets few clusters swallow what the law should explain.
BETWEEN = Prior(pm.LogNormal, mu=np.log(0.002), sigma=0.8)
PRIORS: Mapping[str, Prior] = {"offset_sd": BETWEEN, "tilt_sd": BETWEEN}


@dataclass(frozen=True)
class Clusters:
    """Which runs err together.

    Parameters
    ----------
    by : str
        The column that says so.
    labels : tuple of str
        Name of each cluster.
    tilted : bool
        Whether clusters have a tilt besides their offset: not in a law of one input, where a tilt
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
        """What `clusters_of` makes them of again."""
        return FOUND if self.edges else self.by

    @property
    def terms(self) -> tuple[str, ...]:
        """What each cluster has of its own."""
        return ("offset", "tilt") if self.tilted else ("offset",)

    @property
    def priors(self) -> dict[str, Prior]:
        """Priors of the standard deviations between clusters."""
        return {f"{term}_sd": PRIORS[f"{term}_sd"] for term in self.terms}

    def index(self, runs: pd.DataFrame) -> np.ndarray:
        """Position of each run's cluster among the labels; -1 where it is in none."""
        return pd.Index(self.labels).get_indexer(pd.Index(self.names(runs)))

    def names(self, runs: pd.DataFrame) -> list[str]:
        """Name of each run's cluster, also of those that are not among the labels."""
        own = _neighbours(runs, self.edges) if self.edges else _text(runs, self.by)
        if self.group is None:
            return own
        return [f"{group} {name}" for group, name in zip(_text(runs, self.group), own, strict=True)]


def clusters_of(
    law: Law, runs: pd.DataFrame, by: str | None, group: str | None = None
) -> Clusters | None:
    """Clusters of the runs.

    Parameters
    ----------
    law : Law
        Its inputs say whether clusters can have a tilt.
    runs : DataFrame
        Validated runs.
    by : str, optional
        A column; ``"found"`` for what the law says errs together, compute budgets as a rule; None
        for no clusters.
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
    by = law.clusters if by == FOUND else by
    if by is None:
        return None
    edges = neighbourhoods(runs) if by == FOUND else ()
    tilted = law.tilts and len(law.inputs) > 1
    made = Clusters(FLOPS if by == FOUND else by, (), tilted, edges, group)
    labels = _labels(made, runs) if edges or by != FOUND else ()
    if 2 <= len(labels) <= len(runs) / 2:
        return replace(made, labels=labels)
    if by == FOUND:
        return None
    raise DataError(
        f"column {by!r} makes {len(labels)} clusters of {len(runs)} runs; expected two or "
        "more, of two runs or more on average. Cluster by another column, or by none."
    )


def neighbourhoods(runs: pd.DataFrame) -> tuple[tuple[float, float], ...]:
    """Lowest and highest flops of runs of about the same compute; none if there are too few.

    Complete linkage on the logarithm, cut at `WIDTH`.
    """
    if FLOPS not in runs or len(runs) < RUNS_EACH * CLUSTERS:
        return ()
    logs = np.log10(runs[FLOPS].to_numpy())
    pieces = pd.Series(logs).groupby(alike(logs, WIDTH))
    sizes = pieces.size()
    large = sizes >= RUNS_EACH
    if large.sum() < CLUSTERS or sizes[large].sum() < SHARE * len(logs):
        return ()
    return tuple(
        (float(10**low), float(10**high))
        for low, high in sorted(zip(pieces.min(), pieces.max(), strict=True))
    )


def _labels(made: Clusters, runs: pd.DataFrame) -> tuple[str, ...]:
    """Every cluster of the runs, in the order of the table; budgets in their own."""
    if made.by not in runs:
        raise DataError(
            f"clusters={made.by!r} names no column of the table; expected one of "
            f"{list(map(str, runs))}. Correct the spelling, or add the column."
        )
    ordered = runs.sort_values(FLOPS, kind="stable") if made.edges else runs
    named = np.array(_text(ordered, made.by)) != ""
    return tuple(dict.fromkeys(np.array(made.names(ordered))[named].tolist()))


def _neighbours(runs: pd.DataFrame, edges: tuple[tuple[float, float], ...]) -> list[str]:
    """Name of each run's cluster: its middle, or beyond all of them that of a step of `WIDTH`.

    A point whose compute is not known is a cluster of its own.
    """
    if FLOPS not in runs:
        return [f"point {k + 1}" for k in range(len(runs))]
    low, high = np.log10(np.array(edges)).T
    logs = np.log10(runs[FLOPS].to_numpy())[:, None]
    away = np.maximum(np.maximum(low - logs, logs - high), 0.0)
    nearest = ((low + high) / 2)[away.argmin(axis=1)]
    steps = np.round(logs[:, 0] / WIDTH) * WIDTH
    middles = np.where(away.min(axis=1) <= RESOLUTION, nearest, steps)
    return [f"{value:.3g}" for value in 10**middles]


def _text(runs: pd.DataFrame, by: str) -> list[str]:
    """What a column holds, as text; nothing where it is missing."""
    column = runs[by] if by in runs else pd.Series(np.nan, index=runs.index)
    return ["" if pd.isna(value) else str(value) for value in column]


def direction(design: Mapping[str, Array], index: Array) -> Array:
    """The way in which the runs of a cluster differ most, as weights of the standardised inputs.

    Along a compute budget that is more tokens for fewer params; along a training curve, more
    tokens.
    """
    columns = pd.DataFrame(np.column_stack(list(design.values())))
    within = columns - columns.groupby(index).transform("mean")
    weights = np.linalg.svd(within.to_numpy(), full_matrices=False)[2][0]
    return np.asarray(weights * np.where(weights[-1] < 0, -1.0, 1.0))


def tilt(
    made: Clusters,
    design: Mapping[str, Array],
    index: Array,
    points: Mapping[str, Array] | None = None,
) -> Array:
    """Place of each run along the direction of tilt, standardised; or of each point.

    Points beyond the runs are put where the last run is: how a budget tilts there is not known.
    """
    inside = index >= 0
    weights = direction({name: x[inside] for name, x in design.items()}, index[inside])
    along = np.column_stack(list(design.values())) @ weights
    if points is None:
        return np.asarray(along / along.std())
    there = np.column_stack(list(points.values())) @ weights
    return np.asarray(np.clip(there, along.min(), along.max()) / along.std())
