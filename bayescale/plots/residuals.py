"""Residuals of the runs, and whether they are as large as the model expects."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import AsinhLocator, NullLocator

from bayescale.errors import DataError
from bayescale.fitting.record import Fit
from bayescale.plots.colours import BLACK, GREY, SKY, VERMILION
from bayescale.plots.labels import draw_legend, plain_text, quantity_label
from bayescale.posterior.draws import SAMPLE_DIMS
from bayescale.spec.columns import POSITIVE, PROPORTION

MASS = 0.9
"""Probability that each bar is meant to hold."""


UNITS = {POSITIVE.name: " (%)", PROPORTION.name: " (% points)"}
"""Of residuals that are multiplied by a hundred, by the kind of response."""


def plot_residuals(fit: Fit, *, against: str | None = None, ax: Axes | None = None) -> Axes:
    """Residual of each run in percent, with the scatter that the model expects.

    Residuals of a proportion are in percentage points, those of other responses that may be zero
    or negative in their own unit.

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
        A dot for each run: 100 times the log of its response minus the posterior mean of the law's
        log, or the plain difference. A bar for each: where 90% of new runs there would be. Runs
        outside their bars stand out.

    Raises
    ------
    DataError
        If there is no such column.

    Examples
    --------
    >>> plot_residuals(fitted, against="tokens_per_param")  # doctest: +SKIP
    """
    runs, law = fit.runs, fit.law
    name = against or ("flops" if "flops" in runs else law.inputs[0])
    if name == "tokens_per_param" and {"params", "tokens"} <= set(runs):
        column = runs["tokens"] / runs["params"]
    elif name in runs:
        column = runs[name]
    else:
        raise DataError(
            f"the runs have no column {name!r}; expected one of {', '.join(map(str, runs))}. "
            "Choose one of these."
        )
    ax = plt.gca() if ax is None else ax
    if pd.api.types.is_numeric_dtype(column):
        x = column.to_numpy()
        if column.min() > 0 and law.kind_of(name).logged:
            ax.set_xscale("log")
    else:
        x = _side_by_side(ax, column)
    residuals, low, high = _residuals_and_bars(fit)
    outside = (residuals < low) | (residuals > high)
    ax.vlines(x, low, high, color=SKY, alpha=0.4, linewidth=2.5, label=f"{MASS:.0%} of new runs")
    ax.axhline(0.0, color=GREY, linewidth=0.8)
    expected = f"outside: {outside.sum()} of {len(x)}, {(1 - MASS) * len(x):.3g} expected"
    for chosen, size, color, marker, label in (
        (~outside, 12, BLACK, "o", "runs"),
        (outside, 14, VERMILION, "D", expected),
    ):
        dots = x[chosen], residuals[chosen]
        ax.scatter(*dots, s=size, color=color, marker=marker, zorder=4, label=label)
    middle, widest = float(np.median(high - low)), float((high - low).max())
    if widest > 10 * middle:  # stretch about zero, with ticks that do not overlap there
        ax.set_yscale("asinh", linear_width=middle)
        ax.yaxis.set_major_locator(AsinhLocator(middle, numticks=5))
        ax.yaxis.set_minor_locator(NullLocator())
        ax.yaxis.set_major_formatter("{x:g}")
    unit = UNITS.get(law.kind_of(law.response).name, "")
    ax.set_xlabel(quantity_label(name))
    ax.set_ylabel(f"{plain_text(law.response)} above (+) or below (−) the law{unit}")  # noqa: RUF001
    draw_legend(ax, fit)
    return ax


def _residuals_and_bars(fit: Fit) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Residual of each run and the ends of its bar, in percent where there is a unit for it."""
    kind = fit.law.kind_of(fit.law.response)
    factor = 100.0 if kind.name in UNITS else 1.0
    predicted = fit.predict(fit.runs).map(kind.scaled)
    centre = predicted["mean"].mean(SAMPLE_DIMS)
    tails = [(1 - MASS) / 2, (1 + MASS) / 2]
    low, high = (predicted["new_run"] - centre).quantile(tails, SAMPLE_DIMS).to_numpy()
    residuals = kind.scaled(fit.runs[fit.law.response].to_numpy()) - centre.to_numpy()
    return factor * residuals, factor * low, factor * high


def _side_by_side(ax: Axes, column: pd.Series) -> np.ndarray:
    """Places of runs along an axis of words: those of one word beside each other, at its tick."""
    codes, words = pd.factorize(column, sort=True)
    runs = column.groupby(codes)
    crowded = len(words) > 12
    ax.set_xticks(
        range(len(words)),
        [plain_text(str(word)) for word in words],
        rotation=90 if crowded else 0,
        fontsize="x-small" if crowded else None,
    )
    return codes + 0.8 * ((runs.cumcount() + 0.5) / runs.transform("size") - 0.5).to_numpy()
