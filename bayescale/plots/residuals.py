"""Where runs lie off the law, and whether by as much as the model says they scatter."""

from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import AsinhLocator, NullLocator

from bayescale.draws import SAMPLE_DIMS
from bayescale.errors import DataError
from bayescale.plots.labels import plain, put_legend, quantity_label
from bayescale.plots.palette import BLACK, GREY, SKY, VERMILION

if TYPE_CHECKING:
    from bayescale.fitting import Fit

MASS = 0.9
"""Share of runs that each run's band is meant to hold."""
WIDE = 10.0
"""When the widest band is so many times the middle one, the axis is stretched about zero."""

TICKS = 5
"""At most so many along such an axis."""
CROWDED = 12
"""More words than these stand upright under the axis."""
UNITS = {"positive": " (%)", "share": " (% points)"}
"""Of residuals that are shown times a hundred, by the kind of response."""


def plot_residuals(fit: "Fit", *, against: str | None = None, ax: Axes | None = None) -> Axes:
    """How far each run lies off the law, in percent, with the scatter the model gives it.

    A share lies off by percentage points, and what else is not positive by its own unit.

    Parameters
    ----------
    fit : Fit
        A fitted law.
    against : str, optional
        Column of the runs, or ``"tokens_per_param"``; by default compute, or the law's first
        input where there is no compute.
    ax : Axes, optional
        The current ones by default.

    Returns
    -------
    Axes
        A dot for each run: 100 times the log of its response less the posterior mean of the law's
        log, or the plain difference. A bar for each: where 90% of new runs there would lie. Runs
        outside theirs stand out.

    Raises
    ------
    DataError
        If there is no such column.

    Examples
    --------
    >>> plot_residuals(fitted, against="tokens_per_param")  # doctest: +SKIP
    """
    ax = plt.gca() if ax is None else ax
    name = against or ("flops" if "flops" in fit.runs else fit.law.inputs[0])
    column = _column(fit.runs, name)
    numeric = pd.api.types.is_numeric_dtype(column)
    residual, low, high = _residuals(fit)
    _draw(ax, column.to_numpy() if numeric else _side_by_side(ax, column), residual, low, high)
    if np.max(high - low) > WIDE * np.median(high - low):
        width = float(np.median(high - low))
        ax.set_yscale("asinh", linear_width=width)
        # As many as the scale would have for itself overlap about zero.
        ax.yaxis.set_major_locator(AsinhLocator(width, numticks=TICKS))
        ax.yaxis.set_minor_locator(NullLocator())
        ax.yaxis.set_major_formatter("{x:g}")
    if numeric and column.min() > 0 and fit.law.scale_of(name).logged:
        ax.set_xscale("log")
    ax.set_xlabel(quantity_label(name))
    unit = UNITS.get(fit.law.scale_of(fit.law.response).name, "")
    ax.set_ylabel(f"{fit.law.response} above (+) or below (−) the law{unit}")  # noqa: RUF001
    put_legend(ax, fit)
    return ax


def _column(runs: pd.DataFrame, name: str) -> "pd.Series[Any]":
    if name == "tokens_per_param" and {"params", "tokens"} <= set(runs):
        return runs["tokens"] / runs["params"]
    if name not in runs:
        raise DataError(
            f"the runs have no column {name!r}; expected one of {', '.join(map(str, runs))}. "
            "Choose one of these."
        )
    return runs[name]


def _side_by_side(ax: Axes, column: "pd.Series[Any]") -> np.ndarray:
    """Places of runs that a word tells apart: beside one another, over that word."""
    codes, words = pd.factorize(column, sort=True)
    runs = column.groupby(codes)
    crowded = len(words) > CROWDED
    ax.set_xticks(
        range(len(words)),
        [plain(str(word)) for word in words],
        rotation=90 if crowded else 0,
        fontsize="x-small" if crowded else None,
    )
    return codes + 0.8 * ((runs.cumcount() + 0.5) / runs.transform("size") - 0.5).to_numpy()


def _residuals(fit: "Fit") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Residual of each run and the ends of its band, in percent where there is a unit for it."""
    on = fit.law.scale_of(fit.law.response)
    factor = 100.0 if on.name in UNITS else 1.0
    said = fit.predict(fit.runs).map(on.measured)
    centre = said["mean"].mean(SAMPLE_DIMS)
    band = (said["new_run"] - centre).quantile([(1 - MASS) / 2, (1 + MASS) / 2], SAMPLE_DIMS)
    residual = on.measured(fit.runs[fit.law.response].to_numpy()) - centre.to_numpy()
    low, high = band.to_numpy()
    return factor * residual, factor * low, factor * high


def _draw(ax: Axes, x: np.ndarray, residual: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
    outside = (residual < low) | (residual > high)
    ax.vlines(x, low, high, color=SKY, alpha=0.4, linewidth=2.5, label=f"{MASS:.0%} of new runs")
    ax.axhline(0.0, color=GREY, linewidth=0.8)
    ax.scatter(x[~outside], residual[~outside], s=12, color=BLACK, zorder=4, label="runs")
    counted = f"outside: {outside.sum()} of {len(x)}, {(1 - MASS) * len(x):.3g} expected"
    ax.scatter(
        x[outside], residual[outside], s=14, color=VERMILION, marker="D", zorder=4, label=counted
    )
