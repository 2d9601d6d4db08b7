"""The runs, and the law through them."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm

from bayescale.errors import DataError, LawError
from bayescale.fitting.record import Fit
from bayescale.plots.bands import draw_band, draw_curve, interval_label
from bayescale.plots.colours import BLACK, BLUE, SKY, compute_colours
from bayescale.plots.labels import draw_legend, mark_extrapolation, plain_ticks, quantity_label
from bayescale.posterior.draws import SAMPLE_DIMS
from bayescale.posterior.expectation import expected_response
from bayescale.spec.compute import SIX_ND

NEAR = 1.2
"""Runs within this factor of a budget support its curve."""


REACH = 2.0
"""Factor by which curves are drawn beyond the runs that support them."""


POINTS = 60
"""Points of a curve."""


def plot_runs(fit: Fit, *, group: str | None = None, ax: Axes | None = None) -> Axes:
    """Runs with the law's curve through them, and its interval.

    For a law of params and tokens, or of params and compute: response against params, coloured by
    compute, with the law at a few compute budgets among those of the runs (isoFLOP curves). For a
    law of one input: the response against it, with intervals of the law and of a new run.

    Parameters
    ----------
    fit : Fit
        A fitted law of params and tokens or compute, or of one input.
    group : str, optional
        Which group to draw; needed for a grouped fit, unless the groups belong to the law.
    ax : Axes, optional
        The current ones by default.

    Returns
    -------
    Axes
        Curves are the posterior median of the law, dashed where no runs support them.

    Raises
    ------
    LawError
        If the law has other inputs.
    DataError
        If the fit has groups and none is chosen, or there is no such group.

    Examples
    --------
    >>> plot_runs(fitted)  # doctest: +SKIP
    """
    ax = plt.gca() if ax is None else ax
    runs = chosen_runs(fit, group)
    if on_budgets(fit):
        _draw_budgets(ax, fit, runs, group)
    elif len(fit.law.inputs) == 1:
        _draw_input(ax, fit, runs, group)
    else:
        raise LawError(
            f"law {fit.law.name!r} has inputs {fit.law.inputs}; expected params and tokens, or "
            "compute, or one input. Draw fit.predict(...) along the input you care about."
        )
    if fit.law.kind_of(fit.law.response).logged:
        plain_ticks(ax.yaxis)
    ax.set_ylabel(quantity_label(fit.law.response))
    draw_legend(ax, fit)
    return ax


def chosen_runs(fit: Fit, group: str | None) -> pd.DataFrame:
    """Runs of a group, or all of them where there are no groups."""
    by, groups = fit.structure.by, fit.structure.groups
    if group is None and (by is None or fit.structure.own_groups):
        return fit.runs
    if by is None:
        raise DataError(
            f"group is {group!r}; expected None, as this fit has no groups. Leave it out."
        )
    if group not in groups:
        raise DataError(
            f"group is {group!r}; expected one of {list(groups)}, the groups of the fit. "
            f"Choose one: plot_runs(fit, group={groups[0]!r})."
        )
    return fit.runs[fit.runs[by].map(str) == group]


def on_budgets(fit: Fit) -> bool:
    """Whether the law gives the response for any params at one compute."""
    return set(fit.law.inputs) in ({"params", "tokens"}, {"params", "flops"})


def dense_budgets(runs: pd.DataFrame) -> np.ndarray:
    """Compute of the runs with most neighbours, one in each sixth of the log compute."""
    log_flops = np.log(runs["flops"].to_numpy())
    neighbours = (np.abs(log_flops - log_flops[:, None]) < np.log(NEAR)).sum(axis=1)
    edges = np.linspace(log_flops.min(), log_flops.max(), 7)
    part = np.digitize(log_flops, edges[1:-1])
    parts = [np.flatnonzero(part == k) for k in np.unique(part)]
    densest = [inside[neighbours[inside].argmax()] for inside in parts]
    return np.exp(log_flops[densest])


def runs_near(runs: pd.DataFrame, budget: float) -> pd.DataFrame:
    """Runs that support the curve of a compute budget."""
    near: pd.DataFrame = runs[np.abs(np.log(runs["flops"] / budget)) < np.log(NEAR)]
    return near


def budget_points(
    fit: Fit, group: str | None, near: pd.DataFrame, budget: float, count: int
) -> pd.DataFrame:
    """Points of the curve of a compute budget.

    Parameters
    ----------
    fit : Fit
        A fitted law of params and tokens or compute.
    group : str or None
        Of the points; where the groups belong to the law, it is that of the nearest run.
    near : DataFrame
        The runs that support the curve.
    budget : float
        Compute in FLOP.
    count : int
        Number of points.

    Returns
    -------
    DataFrame
        Params, tokens, compute and perhaps the group of each point.
    """
    if fit.structure.own_groups:
        nearest = np.abs(np.log(fit.runs["flops"] / budget)).argmin()
        group = str(fit.runs[fit.structure.by].iloc[nearest])
    params = np.geomspace(near["params"].min() / REACH, near["params"].max() * REACH, count)
    tokens = SIX_ND.tokens(params, budget)
    return _points(fit, group, params=params, tokens=tokens, flops=budget)


def _points(fit: Fit, group: str | None, **columns: Any) -> pd.DataFrame:
    """New points, of a group if there are groups."""
    table = pd.DataFrame(columns)
    return table if fit.structure.by is None else table.assign(**{fit.structure.by: group})


def _draw_budgets(ax: Axes, fit: Fit, runs: pd.DataFrame, group: str | None) -> None:
    """Response against params, with a curve for each of a few budgets."""
    norm, colours = LogNorm(runs["flops"].min(), runs["flops"].max()), compute_colours()
    ax.set(xscale="log", yscale="log", xlabel=quantity_label("params"))
    dots = ax.scatter(
        runs["params"],
        runs[fit.law.response],
        c=runs["flops"],
        norm=norm,
        cmap=colours,
        s=14,
        edgecolor="white",
        linewidth=0.3,
        zorder=4,
        label="runs",
    )
    limits = ax.get_ylim()
    budgets = dense_budgets(runs)
    # Groups that belong to the law are budgets themselves; each has a curve, if they are few.
    if fit.structure.own_groups and len(fit.structure.groups) <= 16:
        logs = np.log(runs["flops"]).groupby(runs[fit.structure.by].map(str)).mean()
        budgets = np.exp(logs.to_numpy())
    for budget in budgets:
        color, near = colours(norm(budget)), runs_near(runs, budget)
        points = budget_points(fit, group, near, budget, POINTS)
        mean, params = expected_response(fit.draws, points), points["params"].to_numpy()
        draw_band(ax, params, mean, color=color, alpha=0.35)
        median = mean.median(SAMPLE_DIMS).to_numpy()
        support = near["params"].min(), near["params"].max()
        draw_curve(ax, params, median, support=support, color=color)
    ax.set_ylim(limits)
    # Entries of the legend are black, since curves have the colours of their compute.
    ax.plot([], [], color=BLACK, linewidth=1.8, label="law at one compute")
    ax.plot([], [], "--", color=BLACK, linewidth=1.8, label="beyond its runs")
    ax.fill_between([], [], color=BLACK, alpha=0.35, linewidth=0, label=interval_label())
    ax.figure.colorbar(dots, ax=ax, label=quantity_label("flops"))


def _draw_input(ax: Axes, fit: Fit, runs: pd.DataFrame, group: str | None) -> None:
    """Response against the one input, with intervals of the law and of a new run."""
    (name,) = fit.law.inputs
    kind, low, high = fit.law.kind_of(name), runs[name].min(), runs[name].max()
    if kind.logged:
        x = np.geomspace(low / REACH, high * REACH, POINTS)
        ax.set_xscale("log")
    else:
        margin = (high - low) / 4
        x = np.linspace(max(low - margin, kind.lowest), min(high + margin, kind.highest), POINTS)
    if fit.law.kind_of(fit.law.response).logged:
        ax.set_yscale("log")
    predicted = fit.predict(_points(fit, group, **{name: x}))
    ax.set(xlim=(x[0], x[-1]), xlabel=quantity_label(name))
    for variable, color, label in (("new_run", SKY, "new run"), ("mean", BLUE, "law")):
        label = f"{label}, {interval_label()}"
        draw_band(ax, x, predicted[variable], color=color, alpha=0.35, label=label)
    median = predicted["mean"].median(SAMPLE_DIMS).to_numpy()
    draw_curve(ax, x, median, support=(low, high), color=BLUE, label="law, median")
    ax.scatter(runs[name], runs[fit.law.response], s=14, color=BLACK, zorder=4, label="runs")
    if kind.logged:
        mark_extrapolation(ax, high, at_top=bool(median[-1] < median[0]))
