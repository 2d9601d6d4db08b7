"""IsoFLOP slices: how the response depends on params at one compute, budget by budget."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayescale.diagnosis import interval_kind
from bayescale.draws import SAMPLE_DIMS
from bayescale.errors import LawError
from bayescale.flops import SIX_ND
from bayescale.plots.bands import draw_band, draw_curve, ends, interval_label
from bayescale.plots.labels import few_ticks, plain_ticks, quantity_label
from bayescale.plots.palette import BLACK, BLUE, SKY, VERMILION
from bayescale.plots.runs import NEAR, REACH, chosen_runs, dense_budgets, points_of

if TYPE_CHECKING:
    from bayescale.fitting import Fit

ACROSS = 3
"""Panels beside one another."""
PANEL = (2.5, 2.1)
"""Inches."""
POINTS = 40


def plot_slices(
    fit: "Fit", *, group: str | None = None, figure: Figure | None = None
) -> np.ndarray:
    """Response against params at the budgets where most runs are, a panel each.

    Parameters
    ----------
    fit : Fit
        A fitted law of params and tokens.
    group : str, optional
        Which group to draw; needed for a grouped fit.
    figure : Figure, optional
        Drawn on; a new one by default.

    Returns
    -------
    array of Axes
        The runs within a factor of 1.2 of the budget; the law, dashed where no run supports it,
        with its interval and that of a new run; and where it is lowest, with the interval of that.

    Raises
    ------
    LawError
        If the law is not of params and tokens.
    DataError
        If the fit has groups and none is chosen, or the group is not there.

    Examples
    --------
    >>> plot_slices(fitted)  # doctest: +SKIP
    """
    if set(fit.law.inputs) != {"params", "tokens"}:
        raise LawError(
            f"law {fit.law.name!r} has inputs {fit.law.inputs}; expected params and tokens. "
            "Draw plot_runs(fit) instead."
        )
    runs = chosen_runs(fit, group)
    budgets = dense_budgets(runs)
    rows = -(-len(budgets) // ACROSS)
    if figure is None:
        import matplotlib.pyplot as plt

        size = (PANEL[0] * ACROSS, PANEL[1] * rows + 0.4)
        figure = plt.figure(figsize=size, layout="constrained")
    panels = figure.subplots(rows, ACROSS, squeeze=False).ravel()
    for ax, budget in zip(panels, budgets, strict=False):
        _draw_slice(ax, fit, runs, group, float(budget))
    for ax in panels[len(budgets) :]:
        ax.set_axis_off()
    figure.supxlabel(quantity_label("params"), fontsize="medium")
    figure.supylabel(quantity_label(fit.law.response), fontsize="medium")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside upper center", ncols=5, frameon=False, fontsize="small"
    )
    drawn: np.ndarray = panels[: len(budgets)]
    return drawn


def _draw_slice(ax: Axes, fit: "Fit", runs: pd.DataFrame, group: str | None, budget: float) -> None:
    near = runs[np.abs(np.log(runs["flops"] / budget)) < np.log(NEAR)]
    low, high = near["params"].min(), near["params"].max()
    params = np.geomspace(low / REACH, high * REACH, POINTS)
    points = points_of(fit, group, params=params, tokens=SIX_ND.tokens(params, budget))
    said, mass = fit.predict(points, extrapolate=False), interval_kind()[1]
    ax.set(xscale="log", yscale="log")
    ax.set_title(f"{budget:.2g} FLOP", fontsize="medium")
    for what, color, alpha, label in (("new_run", SKY, 0.3, "new run"), ("mean", BLUE, 0.4, "law")):
        text = f"{label}, {interval_label(mass)}"
        draw_band(ax, params, said[what], mass=mass, color=color, alpha=alpha, label=text)
    median = said["mean"].median(SAMPLE_DIMS).to_numpy()
    draw_curve(ax, params, median, within=(low, high), color=BLUE)
    ax.scatter(near["params"], near[fit.law.response], s=14, color=BLACK, zorder=4, label="runs")
    _mark_lowest(ax, fit, group, budget, (params[0], params[-1]))
    # Where the law is vague, a new run's interval would flatten all else.
    seen = np.concatenate([near[fit.law.response], median])
    ax.set_ylim(seen.min() * 0.99, seen.max() * 1.01)
    plain_ticks(ax.yaxis)
    few_ticks(ax.xaxis)


def _mark_lowest(
    ax: Axes, fit: "Fit", group: str | None, budget: float, limits: tuple[float, float]
) -> None:
    """The optimum, where it lies in the panel."""
    best = fit.optimum(budget, extrapolate=False)["N_opt"].isel(budget=0)
    if group is not None:
        best = best.sel({str(fit.structure.by): group})
    low, high = (float(end) for end in ends(best, interval_kind()[1]))
    ax.axvspan(low, high, color=VERMILION, alpha=0.15, linewidth=0, zorder=1)
    ax.axvline(
        float(best.median()),
        color=VERMILION,
        linewidth=1.2,
        linestyle=":",
        zorder=3,
        label=quantity_label("N_opt").split()[-1],
    )
    ax.set_xlim(limits)
