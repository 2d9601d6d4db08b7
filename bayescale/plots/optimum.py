"""What to train on a budget: N_opt, D_opt, tokens per parameter or loss against compute."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from bayescale.errors import DataError
from bayescale.fitting.record import Fit
from bayescale.plots.bands import draw_band, draw_curve, interval_label
from bayescale.plots.colours import BLACK, GREY
from bayescale.plots.labels import (
    coloured_groups,
    draw_legend,
    mark_extrapolation,
    plain_text,
    plain_ticks,
    quantity_label,
)
from bayescale.posterior.draws import SAMPLE_DIMS
from bayescale.posterior.optimum import group_optimum
from bayescale.posterior.summary import interval
from bayescale.spec.functions import arguments, call


def plot_optimum(
    optimum: xr.Dataset,
    *,
    quantity: str = "N_opt",
    fit: Fit | None = None,
    ax: Axes | None = None,
) -> Axes:
    """What is optimal at each compute budget, with its uncertainty, also beyond the runs.

    Parameters
    ----------
    optimum : Dataset
        From `Fit.optimum` at two budgets or more, for example ``np.geomspace(1e18, 1e25, 60)``.
        Every group of a grouped fit has a line.
    quantity : str
        ``"N_opt"``, ``"D_opt"``, ``"tokens_per_param"``, ``"L_opt"``, or another quantity that the
        law gives at an optimum.
    fit : Fit, optional
        Where the optimum is from. Its runs are drawn as well, where they have the quantity, and
        the optimum of each group, where the groups belong to the law.
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
    if quantity not in optimum:
        raise DataError(
            f"the optimum has no {quantity!r}; expected one of {', '.join(map(str, optimum))}. "
            "Choose one of these."
        )
    if optimum.sizes["budget"] < 2:
        raise DataError(
            "the optimum is for one budget; expected two or more, to draw a line through. "
            "Pass fit.optimum(np.geomspace(1e18, 1e25, 60)), for example."
        )
    ax = plt.gca() if ax is None else ax
    draws = optimum[quantity].sortby("budget")
    budgets = draws["budget"].to_numpy()
    # Compute of the largest run; infinite if no budget is beyond it.
    past = optimum["decades_beyond_runs"]
    edge = float((optimum["budget"] / 10 ** past.where(past > 0)).max().fillna(np.inf))
    for name, line, color in coloured_groups(draws, along=("budget",)):
        for mass, alpha in ((None, 0.2), (0.5, 0.35)):
            label = None if name else interval_label(mass)
            draw_band(ax, budgets, line, mass=mass, color=color, alpha=alpha, label=label)
        median = line.median(SAMPLE_DIMS).to_numpy()
        label = f"{name}, with {interval_label()}" if name else "median"
        draw_curve(ax, budgets, median, support=(0.0, edge), color=color, label=label)
    ax.set(xscale="log", yscale="log", xlim=budgets[[0, -1]])
    ax.set(xlabel=quantity_label("flops"), ylabel=quantity_label(quantity))
    if fit is not None:
        _draw_runs(ax, fit, quantity)
    plain_ticks(ax.yaxis)
    falls = bool(draws.isel(budget=-1).median() < draws.isel(budget=0).median())
    mark_extrapolation(ax, edge, at_top=falls)
    draw_legend(ax, fit)
    return ax


def _draw_runs(ax: Axes, fit: Fit, quantity: str) -> None:
    """Draw the runs, if they have the quantity, and the optimum of each of the law's groups."""
    runs, (bottom, top) = fit.runs, ax.get_ylim()
    values = {
        "N_opt": runs["params"],
        "D_opt": runs["tokens"],
        "tokens_per_param": runs["tokens"] / runs["params"],
        "L_opt": runs[fit.law.response],
    }
    function = fit.law.optimum.also.get(quantity)
    # Quantities that take coefficients are not known of a run.
    if function is not None and set(arguments(function)) <= set(runs):
        values[quantity] = call(function, {str(column): runs[column] for column in runs})
    if quantity in values:
        shown = values[quantity]
        ax.scatter(
            runs["flops"], shown, s=7, color=GREY, alpha=0.7, linewidth=0, zorder=4, label="runs"
        )
        ax.set_ylim(min(bottom, shown.min() / 1.2), max(top, shown.max() * 1.2))
    if fit.structure.own_groups:
        optimum = group_optimum(fit.draws)
        median = optimum[quantity].median(SAMPLE_DIMS).to_numpy()
        low, high = interval(optimum[quantity])
        ax.errorbar(
            optimum["flops"],
            median,
            yerr=(median - low, high - median),
            fmt="o",
            markersize=4,
            color=BLACK,
            linewidth=1.0,
            zorder=5,
            label=f"by {plain_text(str(fit.structure.by))}, {interval_label()}",
        )
