"""IsoFLOP slices: how the response depends on params at one compute, budget by budget."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayescale.diagnosis import interval_kind
from bayescale.draws import SAMPLE_DIMS
from bayescale.errors import LawError
from bayescale.plots.bands import draw_band, draw_curve, ends, interval_label
from bayescale.plots.labels import few_ticks, plain_ticks, quantity_label
from bayescale.plots.palette import BLACK, BLUE, SKY, VERMILION
from bayescale.plots.runs import NEAR, REACH, chosen_runs, dense_budgets, on_budgets, slice_of

if TYPE_CHECKING:
    from bayescale.fitting import Fit

ACROSS = 3
"""Panels beside one another."""
PANEL = (2.5, 2.1)
"""Inches."""
POINTS = 32


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
    if not on_budgets(fit):
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
    slices = [_Slice.at(float(budget), runs) for budget in budgets]
    best = _best(fit, budgets, group)
    for ax, each, said, lowest in zip(
        panels, slices, _said(fit, slices, group), best, strict=False
    ):
        _draw_slice(ax, each, said, fit.law.response)
        _mark_lowest(ax, lowest, each)
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


@dataclass(frozen=True)
class _Slice:
    """A budget, the runs near it, and the params that its curve runs along."""

    budget: float
    runs: pd.DataFrame
    params: np.ndarray

    @classmethod
    def at(cls, budget: float, runs: pd.DataFrame) -> "_Slice":
        near = runs[np.abs(np.log(runs["flops"] / budget)) < np.log(NEAR)]
        ends = near["params"].min() / REACH, near["params"].max() * REACH
        return cls(budget, near, np.geomspace(*ends, POINTS))


def _best(fit: "Fit", budgets: np.ndarray, group: str | None) -> list[xr.DataArray]:
    """Draws of the optimum at each budget."""
    found = fit.optimum(budgets, extrapolate=False)["N_opt"]
    if group is not None:
        found = found.sel({str(fit.structure.by): group})
    return [found.isel(budget=k) for k in range(len(budgets))]


def _said(fit: "Fit", slices: list[_Slice], group: str | None) -> list[xr.Dataset]:
    """What the fit says along each slice, found together."""
    points = pd.concat([slice_of(fit, group, each.params, each.budget) for each in slices])
    said = fit.predict(points.reset_index(drop=True), extrapolate=False)
    return [said.isel(point=slice(k * POINTS, (k + 1) * POINTS)) for k in range(len(slices))]


def _draw_slice(ax: Axes, each: _Slice, said: xr.Dataset, response: str) -> None:
    mass, params, near = interval_kind()[1], each.params, each.runs
    ax.set(xscale="log", yscale="log")
    ax.set_title(f"{each.budget:.2g} FLOP", fontsize="medium")
    for what, color, alpha, label in (("new_run", SKY, 0.3, "new run"), ("mean", BLUE, 0.4, "law")):
        text = f"{label}, {interval_label(mass)}"
        draw_band(ax, params, said[what], mass=mass, color=color, alpha=alpha, label=text)
    median = said["mean"].median(SAMPLE_DIMS).to_numpy()
    within = near["params"].min(), near["params"].max()
    draw_curve(ax, params, median, within=within, color=BLUE)
    ax.scatter(near["params"], near[response], s=14, color=BLACK, zorder=4, label="runs")
    # Where the law is vague, a new run's interval would flatten all else.
    seen = np.concatenate([near[response], median])
    ax.set_ylim(seen.min() * 0.99, seen.max() * 1.01)
    plain_ticks(ax.yaxis)


def _mark_lowest(ax: Axes, best: xr.DataArray, each: _Slice) -> None:
    """The optimum, where it lies in the panel."""
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
    ax.set_xlim(each.params[0], each.params[-1])
    few_ticks(ax.xaxis)
