"""Whether intervals hold as many of the larger runs as they should."""

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from bayescale.errors import DataError
from bayescale.plots.colours import CATEGORIES, GREY, MARKERS
from bayescale.validation.backtest import Backtest

SCORE_LABELS = {
    "bias": "median minus observed, in log loss",
    "rmse": "error of the median, in log loss",
    "width_90": "width of the 90% interval, in log loss",
    "crps": "CRPS, in log loss",
    "log_score": "log score",
}


STYLES = {
    "posterior": ("posterior", CATEGORIES[0], MARKERS[0]),
    "one_scale": ("posterior, one scale", CATEGORIES[1], MARKERS[1]),
    "point_fit": ("point fit, bootstrap", CATEGORIES[2], MARKERS[2]),
}
"""Label, colour and marker of each method."""


def plot_coverage(backtest: Backtest, *, ax: Axes | None = None) -> Axes:
    """Percentage of the larger runs inside central intervals, against what these should hold.

    Parameters
    ----------
    backtest : Backtest
        From `bayescale.backtest`.
    ax : Axes, optional
        The current ones by default.

    Returns
    -------
    Axes
        A curve for each method, in which every cut counts equally. Intervals are too narrow where
        the curve is under the diagonal. If runs were independent, the curve of a method with
        correct intervals would lie in the grey band with 95% probability.

    Examples
    --------
    >>> plot_coverage(bs.backtest(law, runs))  # doctest: +SKIP
    """
    ax = plt.gca() if ax is None else ax
    nominal = np.linspace(0, 1, 101)
    pit = backtest.predictions["pit"]
    runs = int(np.mean([part.size for _, part in pit.groupby(["method", "cut"])]))
    spread = 1.96 * np.sqrt(nominal * (1 - nominal) / runs)
    ax.fill_between(
        100 * nominal,
        100 * np.clip(nominal - spread, 0, 1),
        100 * np.clip(nominal + spread, 0, 1),
        color=GREY,
        alpha=0.15,
        linewidth=0,
        label=f"chance, {runs} runs",
    )
    ax.plot([0, 100], [0, 100], color=GREY, linewidth=1.0)
    for method, (label, color, marker) in STYLES.items():
        own = pit[(pit["method"] == method).to_numpy()]
        if not own.size:
            continue
        # A run is inside a central interval of mass m where |2 PIT - 1| <= m.
        inside = [
            (np.abs(2 * cut.to_numpy()[:, None] - 1) <= nominal).mean(axis=0)
            for _, cut in own.groupby("cut")
        ]
        ax.plot(
            100 * nominal,
            100 * np.mean(inside, axis=0),
            color=color,
            marker=marker,
            markevery=(10, 20),
            label=label,
        )
    ax.set(xlim=(0, 100), ylim=(0, 100), aspect="equal")
    ax.set(xlabel="interval for a new run (%)", ylabel="larger runs inside (%)")
    ax.legend(loc="upper left", fontsize="small")  # the corner that curves rarely reach
    return ax


def plot_by_distance(
    backtest: Backtest, *, score: str = "inside_90", bins: int = 4, ax: Axes | None = None
) -> Axes:
    """A score against the distance of the predicted runs from the fitted ones.

    Parameters
    ----------
    backtest : Backtest
        From `bayescale.backtest`.
    score : str
        A column of ``backtest.scores()``.
    bins : int
        Number of bins of the distance, which hold about equally many runs.
    ax : Axes, optional
        The current ones by default.

    Returns
    -------
    Axes
        A line for each method, at the mean distance in each bin, in decades. A grey line marks the
        best value of a score that has one.

    Raises
    ------
    DataError
        If there is no such score.

    Examples
    --------
    >>> plot_by_distance(bs.backtest(law, runs), score="width_90")  # doctest: +SKIP
    """
    ax = plt.gca() if ax is None else ax
    decades = backtest.predictions["decades"].to_numpy()
    edges = np.unique(np.quantile(decades, np.linspace(0, 1, bins + 1)))
    table = backtest.scores(decades=edges.tolist())
    if score not in table:
        raise DataError(
            f"a back-test has no score {score!r}; expected one of {', '.join(map(str, table))}. "
            "Choose one."
        )
    middle = [decades[(decades >= low) & (decades <= high)].mean() for low, high in pairwise(edges)]
    values = table[score].unstack("decades")
    if score.startswith("inside_"):
        mass = float(score.removeprefix("inside_"))
        values *= 100
        ax.axhline(mass, color=GREY, linewidth=1.0)
        ax.set(ylim=(0, 104), ylabel=f"larger runs inside the {mass:g}% interval (%)")
    else:
        if score == "bias":
            ax.axhline(0.0, color=GREY, linewidth=1.0)
        ax.set_ylabel(SCORE_LABELS[score])
    for method, (label, color, marker) in STYLES.items():
        if method in values.index:
            ax.plot(middle, values.loc[method], color=color, marker=marker, label=label)
    ax.set_xlabel(f"decades of {backtest.order_by} beyond the fitted runs")
    ax.legend(loc="best", fontsize="small")
    return ax
