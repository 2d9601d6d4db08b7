"""Whether intervals hold as many of the larger runs as they say."""

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from bayescale.plots.palette import CATEGORIES, GREY, MARKERS

if TYPE_CHECKING:
    from bayescale.backtesting import Backtest

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
