"""How far an answer depends on single runs or clusters."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from bayescale.errors import LawError
from bayescale.plots.colours import BLUE, GREY, VERMILION
from bayescale.plots.labels import draw_legend, plain_text, symbol
from bayescale.posterior.draws import SAMPLE_DIMS
from bayescale.posterior.jackknife import RUN
from bayescale.posterior.loo import MOVED


def plot_influence(change: xr.DataArray, *, ax: Axes | None = None) -> Axes:
    """Change of a quantity without each run or cluster, in standard deviations of the model.

    Parameters
    ----------
    change : (run,) or (cluster,) DataArray
        One quantity of the result of `bayescale.influence`.
    ax : Axes, optional
        The current ones by default.

    Returns
    -------
    Axes
        A stem for each case. Those that change the answer by more than one sd of the model stand
        out; runs among them are labelled with their rows, counted from 1.

    Raises
    ------
    LawError
        If there is more than one number for each case.

    Examples
    --------
    >>> plot_influence(bs.influence(fitted, of_each="cluster")["alpha"])  # doctest: +SKIP
    """
    if len(change.dims) != 1 or change.dims[0] in SAMPLE_DIMS:
        raise LawError(
            f"the influence has dims {change.dims}; expected run or cluster alone. Choose one "
            "quantity of what influence() returns, and one budget or group of it."
        )
    ax = plt.gca() if ax is None else ax
    unit, values, places = str(change.dims[0]), change.to_numpy(), np.arange(1, change.size + 1)
    large = np.abs(values) > MOVED
    ax.axhspan(-MOVED, MOVED, color=GREY, alpha=0.1, linewidth=0, zorder=0)
    ax.axhline(0.0, color=GREY, linewidth=1.0, zorder=1)
    for chosen, color, marker, label in (
        (~large, BLUE, "o", "within one sd"),
        (large, VERMILION, "D", "more than one sd"),
    ):
        ax.vlines(places[chosen], 0.0, values[chosen], color=color, linewidth=1.2, zorder=2)
        ax.scatter(places[chosen], values[chosen], s=22, color=color, marker=marker, label=label)
    limit = 1.25 * max(float(np.abs(values).max()), 1.2 * MOVED)
    ax.set(xlim=(0.3, len(values) + 0.7), ylim=(-limit, limit))
    ax.set_ylabel(f"change of {symbol(str(change.name))} without it (sd of the model)")
    if unit == RUN:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set_xlabel("row of the table")
        for place, value in zip(places[large], values[large], strict=True):
            side = 1 if value > 0 else -1
            ax.annotate(
                str(place),
                (place, value),
                xytext=(0, 6 * side),
                textcoords="offset points",
                ha="center",
                va="bottom" if side > 0 else "top",
                fontsize="small",
            )
    else:
        names = [plain_text(str(name)) for name in change[unit].to_numpy()]
        ax.set_xticks(places, labels=names, rotation=90 if len(names) > 8 else 0)
        ax.set_xlabel(plain_text(unit))
    draw_legend(ax)
    return ax
