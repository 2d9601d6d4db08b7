"""The runs, and the law through them."""

from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm

from bayescale.diagnosis import interval_kind
from bayescale.draws import SAMPLE_DIMS, expected_response
from bayescale.errors import DataError, LawError
from bayescale.flops import SIX_ND
from bayescale.plots.bands import draw_band, draw_curve, interval_label
from bayescale.plots.labels import mark_beyond, plain_ticks, put_legend, quantity_label
from bayescale.plots.palette import BLACK, BLUE, SKY, compute_colours
from bayescale.scales import Scale

if TYPE_CHECKING:
    from bayescale.fitting import Fit

CURVES = 6
"""Compute budgets through which the law is drawn."""
GROUPS = 16
"""Groups of a law's own that have a curve each."""
NEAR = 1.2
"""Runs within this factor of a budget say where its curve is supported."""
REACH = 2.0
"""How far, as a factor, curves go on beyond the runs that support them."""
POINTS = 60


def plot_runs(fit: "Fit", *, group: str | None = None, ax: Axes | None = None) -> Axes:
    """Runs with the law's curve through them, and its interval.

    For a law of params and tokens, or of params and compute: response against params, coloured by
    compute, with the law at a few compute budgets among those of the runs (isoFLOP curves). For a
    law of one input: the response against it, with intervals of the law and of a new run.

    Parameters
    ----------
    fit : Fit
        A fitted law of params and tokens or compute, or of one input.
    group : str, optional
        Which group to draw; needed for a grouped fit, unless the law groups its runs by itself.
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
        If the fit has groups and none is chosen, or the group is not there.

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
    if fit.law.scale_of(fit.law.response).logged:
        plain_ticks(ax.yaxis)
    ax.set_ylabel(quantity_label(fit.law.response))
    put_legend(ax, fit)
    return ax


def chosen_runs(fit: "Fit", group: str | None) -> pd.DataFrame:
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


def on_budgets(fit: "Fit") -> bool:
    """Whether the law says what params do to the response at one compute."""
    return set(fit.law.inputs) in ({"params", "tokens"}, {"params", "flops"})


def points_of(fit: "Fit", group: str | None, **columns: Any) -> pd.DataFrame:
    """New points, of a group if there are groups."""
    table = pd.DataFrame(columns)
    return table if fit.structure.by is None else table.assign(**{fit.structure.by: group})


def slice_of(fit: "Fit", group: str | None, params: np.ndarray, budget: float) -> pd.DataFrame:
    """New points along a budget, of the group of the nearest run where groups are the law's own."""
    if fit.structure.own_groups:
        nearest = np.abs(np.log(fit.runs["flops"] / budget)).argmin()
        group = str(fit.runs[fit.structure.by].iloc[nearest])
    points = points_of(fit, group, params=params, tokens=SIX_ND.tokens(params, budget))
    return points.assign(flops=budget)


def _draw_budgets(ax: Axes, fit: "Fit", runs: pd.DataFrame, group: str | None) -> None:
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
    for budget in _drawn_budgets(fit, runs):
        _draw_budget(ax, fit, runs, group, budget, colours(norm(budget)))
    ax.set_ylim(limits)
    _explain(ax)
    ax.figure.colorbar(dots, ax=ax, label=quantity_label("flops"))


def _drawn_budgets(fit: "Fit", runs: pd.DataFrame) -> np.ndarray:
    """The law's own groups, if they are few, or else where runs lie densest."""
    if not fit.structure.own_groups or len(fit.structure.groups) > GROUPS:
        return dense_budgets(runs)
    logs = np.log(runs["flops"]).groupby(runs[fit.structure.by].map(str)).mean()
    return np.asarray(np.exp(logs))


def dense_budgets(runs: pd.DataFrame) -> np.ndarray:
    """Where runs lie densest in each of a few equal parts of the log compute."""
    log_flops = np.log(runs["flops"].to_numpy())
    neighbours = (np.abs(log_flops - log_flops[:, None]) < np.log(NEAR)).sum(axis=1)
    edges = np.linspace(log_flops.min(), log_flops.max(), CURVES + 1)
    part = np.digitize(log_flops, edges[1:-1])
    parts = [np.flatnonzero(part == k) for k in np.unique(part)]
    densest = [inside[neighbours[inside].argmax()] for inside in parts]
    return np.exp(log_flops[densest])


def _draw_budget(
    ax: Axes,
    fit: "Fit",
    runs: pd.DataFrame,
    group: str | None,
    budget: float,
    color: tuple[float, ...],
) -> None:
    near = runs["params"][np.abs(np.log(runs["flops"] / budget)) < np.log(NEAR)]
    params = np.geomspace(near.min() / REACH, near.max() * REACH, POINTS)
    points = slice_of(fit, group, params, budget)
    mean = expected_response(fit.structure, fit.posterior, points, "point")
    draw_band(ax, params, mean, mass=interval_kind()[1], color=color, alpha=0.35)
    median = mean.median(SAMPLE_DIMS).to_numpy()
    draw_curve(ax, params, median, within=(near.min(), near.max()), color=color)


def _explain(ax: Axes) -> None:
    """Legend entries in black, since the curves have the colours of their compute."""
    ax.plot([], [], color=BLACK, linewidth=1.8, label="law at one compute")
    ax.plot([], [], "--", color=BLACK, linewidth=1.8, label="beyond its runs")
    ax.fill_between(
        [], [], color=BLACK, alpha=0.35, linewidth=0, label=interval_label(interval_kind()[1])
    )


def _draw_input(ax: Axes, fit: "Fit", runs: pd.DataFrame, group: str | None) -> None:
    (name,), mass = fit.law.inputs, interval_kind()[1]
    low, high = runs[name].min(), runs[name].max()
    logged = fit.law.scale_of(name).logged
    x = _around(low, high, fit.law.scale_of(name))
    said = fit.predict(points_of(fit, group, **{name: x}))
    kinds = {f"{k}scale": "log" for k, on in zip("xy", _scales(fit), strict=True) if on.logged}
    ax.set(**kinds, xlim=(x[0], x[-1]), xlabel=quantity_label(name))
    for what, color, label in (("new_run", SKY, "new run"), ("mean", BLUE, "law")):
        label = f"{label}, {interval_label(mass)}"
        draw_band(ax, x, said[what], mass=mass, color=color, alpha=0.35, label=label)
    median = said["mean"].median(SAMPLE_DIMS).to_numpy()
    draw_curve(ax, x, median, within=(low, high), color=BLUE, label="law, median")
    ax.scatter(runs[name], runs[fit.law.response], s=14, color=BLACK, zorder=4, label="runs")
    if logged:
        mark_beyond(ax, high, at_top=bool(median[-1] < median[0]))


def _around(low: float, high: float, on: Scale) -> np.ndarray:
    """Places among the runs of one input, and some way beyond."""
    if on.logged:
        return np.geomspace(low / REACH, high * REACH, POINTS)
    wider = (REACH - 1) * (high - low) / 4
    return np.linspace(max(low - wider, on.lowest), min(high + wider, on.highest), POINTS)


def _scales(fit: "Fit") -> tuple[Scale, Scale]:
    """Of the one input, and of the response."""
    return fit.law.scale_of(fit.law.inputs[0]), fit.law.scale_of(fit.law.response)
