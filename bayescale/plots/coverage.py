"""Whether intervals hold as many of the larger runs as they say."""

from itertools import pairwise
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from bayescale.errors import DataError
from bayescale.plots.palette import CATEGORIES, GREY, MARKERS

if TYPE_CHECKING:
    from bayescale.backtesting import Backtest

SAID = {
    "bias": "median less observed, in log loss",
    "rmse": "error of the median, in log loss",
    "width_90": "width of the 90% interval, in log loss",
    "crps": "CRPS, in log loss",
    "log_score": "log score",
}
AIMS = {"bias": 0.0}

NAMES = {
    "posterior": "posterior",
    "one_scale": "posterior, one scale",
    "point_fit": "point fit, bootstrap",
}


def plot_coverage(tested: "Backtest", *, ax: Axes | None = None) -> Axes:
    """Share of the larger runs inside central intervals, against the share they should hold.

    Parameters
    ----------
    tested : Backtest
        From `backtest`.
    ax : Axes, optional
        The current ones by default.

    Returns
    -------
    Axes
        A curve for each method, every cut counting equally. Below the diagonal, intervals are too
        narrow; the band is where independent runs would leave 95% of honest curves.

    Examples
    --------
    >>> plot_coverage(bs.backtest(law, runs))  # doctest: +SKIP
    """
    ax = plt.gca() if ax is None else ax
    nominal = np.linspace(0, 1, 101)
    pit = tested.predictions["pit"]
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
    methods = dict.fromkeys(pit["method"].to_numpy().tolist())
    for method, color, marker in zip(methods, CATEGORIES, MARKERS, strict=False):
        scored = pit[(pit["method"] == method).to_numpy()]
        inside = [
            (np.abs(2 * part.to_numpy()[:, None] - 1) <= nominal).mean(axis=0)
            for _, part in scored.groupby("cut")
        ]
        ax.plot(
            100 * nominal,
            100 * np.mean(inside, axis=0),
            color=color,
            marker=marker,
            markevery=(10, 20),
            label=NAMES.get(method, method),
        )
    ax.set(xlim=(0, 100), ylim=(0, 100), aspect="equal")
    ax.set(xlabel="interval for a new run (%)", ylabel="larger runs inside (%)")
    ax.legend(loc="upper left", fontsize="small")  # the corner that curves keep out of
    return ax


def plot_by_distance(
    tested: "Backtest", *, score: str = "inside_90", bins: int = 4, ax: Axes | None = None
) -> Axes:
    """A score against how far the predicted runs lie beyond the fitted ones.

    Parameters
    ----------
    tested : Backtest
        From `backtest`.
    score : str
        A column of ``tested.scores()``.
    bins : int
        Into how many parts of about as many runs the decades are cut.
    ax : Axes, optional
        The current ones by default.

    Returns
    -------
    Axes
        A line for each method, at the mean distance of each part. Where a score has a value to aim
        at, a grey line is there.

    Raises
    ------
    DataError
        If there is no such score.

    Examples
    --------
    >>> plot_by_distance(bs.backtest(law, runs), score="width_90")  # doctest: +SKIP
    """
    ax = plt.gca() if ax is None else ax
    decades = tested.predictions["decades"].to_numpy()
    edges = np.unique(np.quantile(decades, np.linspace(0, 1, bins + 1)))
    table = tested.scores(decades=edges.tolist())
    if score not in table:
        raise DataError(
            f"a back-test has no score {score!r}; expected one of {', '.join(map(str, table))}. "
            "Choose one."
        )
    middle = [decades[(decades >= low) & (decades <= high)].mean() for low, high in pairwise(edges)]
    shown = table[score].unstack("decades")
    factor = 100.0 if score.startswith("inside_") else 1.0
    aim = float(score.partition("_")[2]) if score.startswith("inside_") else AIMS.get(score)
    if aim is not None:
        ax.axhline(aim, color=GREY, linewidth=1.0)
    for method, color, marker in zip(NAMES, CATEGORIES, MARKERS, strict=False):
        if method in shown.index:
            values = factor * shown.loc[method].to_numpy()
            ax.plot(middle, values, color=color, marker=marker, label=NAMES[method])
    said = f"larger runs inside the {aim:g}% interval (%)" if factor > 1 else SAID[score]
    ax.set(xlabel=f"decades of {tested.by} beyond the fitted runs", ylabel=said)
    if factor > 1:
        ax.set_ylim(0, 104)
    ax.legend(loc="best", fontsize="small")
    return ax
