"""What to train on a budget: N_opt, D_opt, tokens per parameter or loss against compute."""

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes

from bayescale.calling import arguments, call
from bayescale.diagnosis import interval_kind
from bayescale.draws import SAMPLE_DIMS
from bayescale.errors import DataError
from bayescale.law import Law
from bayescale.plots.bands import HALF, draw_band, draw_curve, ends, interval_label
from bayescale.plots.groups import by_group
from bayescale.plots.labels import mark_beyond, plain_ticks, put_legend, quantity_label
from bayescale.plots.palette import BLACK, GREY

if TYPE_CHECKING:
    from bayescale.fitting import Fit


def plot_optimum(
    optimum: xr.Dataset,
    *,
    quantity: str = "N_opt",
    fit: "Fit | None" = None,
    ax: Axes | None = None,
) -> Axes:
    """What is optimal at each compute budget, with its uncertainty, to beyond the runs.

    Parameters
    ----------
    optimum : Dataset
        From `Fit.optimum` at two budgets or more, for example ``np.geomspace(1e18, 1e25, 60)``.
        Of grouped fits, every group has a line.
    quantity : str
        ``"N_opt"``, ``"D_opt"``, ``"tokens_per_param"``, ``"L_opt"``, or what else the law says of
        an optimum.
    fit : Fit, optional
        Where the optimum comes from: its runs are drawn as well, where they tell the quantity, and
        the optimum of each group where groups are the law's own.
    ax : Axes, optional
        The current ones by default.

    Returns
    -------
    Axes
        The median, dashed beyond the runs, with the 50% interval and that of ArviZ's settings.

    Raises
    ------
    DataError
        If there is no such quantity, only one budget, or more groups than colours.

    Examples
    --------
    >>> budgets = np.geomspace(1e18, 1e25, 60)
    >>> plot_optimum(fitted.optimum(budgets), quantity="L_opt", fit=fitted)  # doctest: +SKIP
    """
    ax = plt.gca() if ax is None else ax
    draws = _draws(optimum, quantity)
    edge = _largest_run(optimum)
    for name, line, color in by_group(draws, along=("budget",)):
        _draw_line(ax, line, edge, color, name)
    ax.set(xscale="log", yscale="log", xlim=draws["budget"].to_numpy()[[0, -1]])
    ax.set(xlabel=quantity_label("flops"), ylabel=quantity_label(quantity))
    if fit is not None:
        _draw_runs(ax, fit, quantity)
        if fit.structure.own_groups:
            _draw_groups(ax, fit, quantity)
    plain_ticks(ax.yaxis)
    falls = bool(draws.isel(budget=-1).median() < draws.isel(budget=0).median())
    mark_beyond(ax, edge, at_top=falls)
    put_legend(ax, fit)
    return ax


def _draws(optimum: xr.Dataset, quantity: str) -> xr.DataArray:
    if quantity not in optimum:
        raise DataError(
            f"the optimum has no {quantity!r}; expected one of {', '.join(map(str, optimum))}. "
            "Choose one of these."
        )
    if optimum.sizes["budget"] < 2:
        raise DataError(
            "the optimum is for one budget; expected two or more, to draw a line through. "
            "Ask for fit.optimum(np.geomspace(1e18, 1e25, 60)), say."
        )
    return optimum[quantity].sortby("budget")


def _largest_run(optimum: xr.Dataset) -> float:
    """Compute of the largest run, or infinity if no budget lies beyond it."""
    beyond = optimum["decades_beyond_runs"]
    if not (beyond > 0).any():
        return np.inf
    return float((optimum["budget"] / 10**beyond).where(beyond > 0).max())


def _draw_line(ax: Axes, draws: xr.DataArray, edge: float, color: str, name: str | None) -> None:
    budgets = draws["budget"].to_numpy()
    for mass, alpha in ((interval_kind()[1], 0.2), (HALF, 0.35)):
        said = None if name else interval_label(mass)
        draw_band(ax, budgets, draws, mass=mass, color=color, alpha=alpha, label=said)
    median = draws.median(SAMPLE_DIMS).to_numpy()
    label = f"{name}, with {interval_label(interval_kind()[1])}" if name else "median"
    draw_curve(ax, budgets, median, within=(0.0, edge), color=color, label=label)


def _draw_runs(ax: Axes, fit: "Fit", quantity: str) -> None:
    values = _of_runs(fit.runs, fit.law).get(quantity)
    if values is None:
        return
    bottom, top = ax.get_ylim()
    ax.scatter(
        fit.runs["flops"], values, s=7, color=GREY, alpha=0.7, linewidth=0, zorder=4, label="runs"
    )
    ax.set_ylim(min(bottom, values.min() / 1.2), max(top, values.max() * 1.2))


def _draw_groups(ax: Axes, fit: "Fit", quantity: str) -> None:
    """Median and interval of each group's own optimum."""
    from bayescale.allocation import optimum_of_groups

    found = optimum_of_groups(fit)
    draws, mass = found[quantity], interval_kind()[1]
    median = draws.median(SAMPLE_DIMS).to_numpy()
    low, high = ends(draws, mass)
    ax.errorbar(
        found["flops"],
        median,
        yerr=(median - low, high - median),
        fmt="o",
        markersize=4,
        color=BLACK,
        linewidth=1.0,
        zorder=5,
        label=f"by {fit.structure.by}, {interval_label(mass)}",
    )


def _of_runs(runs: pd.DataFrame, law: Law) -> dict[str, "pd.Series[float]"]:
    """What the runs have of each quantity; nothing of those that take coefficients."""
    more = {
        name: call(function, {str(column): runs[column] for column in runs})
        for name, function in law.at_optimum.items()
        if set(arguments(function)) <= set(runs)
    }
    return more | {
        "N_opt": runs["params"],
        "D_opt": runs["tokens"],
        "tokens_per_param": runs["tokens"] / runs["params"],
        "L_opt": runs[law.response],
    }
