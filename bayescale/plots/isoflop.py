"""IsoFLOP slices: how the response depends on params at one compute, budget by budget."""

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayescale.errors import LawError
from bayescale.fitting.record import Fit
from bayescale.plots.bands import draw_band, draw_curve, interval_label
from bayescale.plots.colours import BLACK, BLUE, SKY, VERMILION
from bayescale.plots.labels import few_ticks, plain_ticks, quantity_label
from bayescale.plots.runs import budget_points, chosen_runs, dense_budgets, on_budgets, runs_near
from bayescale.posterior.draws import SAMPLE_DIMS
from bayescale.posterior.summary import interval

ACROSS = 3
"""Panels in a row."""


POINTS = 32
"""Points of a curve: panels are small."""


def plot_slices(fit: Fit, *, group: str | None = None, figure: Figure | None = None) -> np.ndarray:
    """Response against params at the budgets where most runs are, a panel each.

    Parameters
    ----------
    fit : Fit
        A fitted law of params and tokens, or of params and compute.
    group : str, optional
        Which group to draw; needed for a grouped fit, unless the groups belong to the law.
    figure : Figure, optional
        Drawn on; a new one by default.

    Returns
    -------
    (budget,) array of Axes
        The runs within a factor of 1.2 of the budget; the law, dashed where no run supports it,
        with its interval and that of a new run; and the params where it is lowest, with their
        interval.

    Raises
    ------
    LawError
        If the law has other inputs.
    DataError
        If the fit has groups and none is chosen, or there is no such group.

    Examples
    --------
    >>> plot_slices(fitted)  # doctest: +SKIP
    """
    if not on_budgets(fit):
        raise LawError(
            f"law {fit.law.name!r} has inputs {fit.law.inputs}; expected params and tokens, or "
            "compute. Draw plot_runs(fit) instead."
        )
    runs = chosen_runs(fit, group)
    budgets = dense_budgets(runs)
    near = [runs_near(runs, budget) for budget in budgets]
    points = pd.concat(
        [budget_points(fit, group, *pair, POINTS) for pair in zip(near, budgets, strict=True)],
        ignore_index=True,
    )
    predicted = fit.predict(points, drift=False)
    optimum = fit.optimum(budgets.tolist(), drift=False)["N_opt"]
    if group is not None:
        optimum = optimum.sel({str(fit.structure.by): group})
    rows = -(-len(budgets) // ACROSS)
    if figure is None:
        import matplotlib.pyplot as plt

        figure = plt.figure(figsize=(2.5 * ACROSS, 2.1 * rows + 0.4), layout="constrained")
    panels = figure.subplots(rows, ACROSS, squeeze=False).ravel()
    drawn: np.ndarray = panels[: len(budgets)]
    for k, ax in enumerate(drawn):
        ax.set_title(f"{budgets[k]:.2g} FLOP", fontsize="medium")
        along = predicted.isel(point=slice(k * POINTS, (k + 1) * POINTS))
        _draw_slice(ax, near[k], along, optimum.isel(budget=k), fit.law.response)
    for ax in panels[len(budgets) :]:
        ax.set_axis_off()
    figure.supxlabel(quantity_label("params"), fontsize="medium")
    figure.supylabel(quantity_label(fit.law.response), fontsize="medium")
    handles, labels = drawn[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside upper center", ncols=5, frameon=False, fontsize="small"
    )
    return drawn


def _draw_slice(
    ax: Axes, near: pd.DataFrame, predicted: xr.Dataset, optimum: xr.DataArray, response: str
) -> None:
    """Draw the runs near a budget, the law along it and its optimum."""
    params = predicted["params"].to_numpy()
    ax.set(xscale="log", yscale="log")
    for variable, color, alpha, label in (
        ("new_run", SKY, 0.3, "new run"),
        ("mean", BLUE, 0.4, "law"),
    ):
        label = f"{label}, {interval_label()}"
        draw_band(ax, params, predicted[variable], color=color, alpha=alpha, label=label)
    median = predicted["mean"].median(SAMPLE_DIMS).to_numpy()
    support = near["params"].min(), near["params"].max()
    draw_curve(ax, params, median, support=support, color=BLUE)
    ax.scatter(near["params"], near[response], s=14, color=BLACK, zorder=4, label="runs")
    # Where the law is vague, the interval of a new run would flatten the rest.
    shown = np.concatenate([near[response], median])
    ax.set_ylim(shown.min() * 0.99, shown.max() * 1.01)
    plain_ticks(ax.yaxis)
    low, high = map(float, interval(optimum))
    ax.axvspan(low, high, color=VERMILION, alpha=0.15, linewidth=0, zorder=1)
    ax.axvline(
        float(optimum.median()),
        color=VERMILION,
        linewidth=1.2,
        linestyle=":",
        zorder=3,
        label=r"$N_\mathrm{opt}$",
    )
    # Last, so that an optimum outside the slice does not widen it.
    ax.set_xlim(params[0], params[-1])
    few_ticks(ax.xaxis)
