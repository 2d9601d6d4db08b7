"""How far an answer hangs on single runs or clusters."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from bayescale.diagnosis import MOVED
from bayescale.draws import SAMPLE_DIMS
from bayescale.errors import LawError
from bayescale.influence import RUN
from bayescale.plots.labels import put_legend, symbol
from bayescale.plots.palette import BLUE, GREY, VERMILION


def plot_influence(change: xr.DataArray, *, ax: Axes | None = None) -> Axes:
    """Change of a quantity without each run or cluster, in posterior standard deviations.

    Parameters
    ----------
    change : (run,) or (cluster,) DataArray
        One quantity out of `bayescale.influence.influence`.
    ax : Axes, optional
        The current ones by default.

    Returns
    -------
    Axes
        A stem for each case. Those that change the answer by more than its posterior sd stand out
        and are named: runs by their rows, counted from 1.

    Raises
    ------
    LawError
        If there is more than one number for each case.

    Examples
    --------
    >>> plot_influence(influence(fitted, by="cluster")["alpha"])  # doctest: +SKIP
    """
    if len(change.dims) != 1 or change.dims[0] in SAMPLE_DIMS:
        raise LawError(
            f"the influence has dims {change.dims}; expected run or cluster alone. Choose one "
            "quantity of what influence() returns, and one budget or group of it."
        )
    ax = plt.gca() if ax is None else ax
    by = str(change.dims[0])
    values, places = change.to_numpy(), np.arange(1, change.size + 1)
    names = list(map(str, places if by == RUN else change[by].to_numpy()))
    large = np.abs(values) > MOVED
    ax.axhspan(-MOVED, MOVED, color=GREY, alpha=0.1, linewidth=0, zorder=0)
    ax.axhline(0.0, color=GREY, linewidth=1.0, zorder=1)
    for chosen, color, marker, label in (
        (~large, BLUE, "o", "within one sd"),
        (large, VERMILION, "D", "more than one sd"),
    ):
        ax.vlines(places[chosen], 0.0, values[chosen], color=color, linewidth=1.2, zorder=2)
        ax.scatter(places[chosen], values[chosen], s=22, color=color, marker=marker, label=label)
    _name_axes(ax, change, by, names)
    if by == RUN:
        _name_runs(ax, places[large], values[large])
    put_legend(ax)
    return ax


def _name_axes(ax: Axes, change: xr.DataArray, by: str, names: list[str]) -> None:
    reach = 1.25 * max(float(np.abs(change).max()), 1.2 * MOVED)
    ax.set(xlim=(0.3, len(names) + 0.7), ylim=(-reach, reach))
    ax.set_ylabel(f"change of {symbol(str(change.name))} without it (posterior sd)")
    if by == RUN:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set_xlabel("row of the table")
        return
    steep = 90 if len(names) > 8 else 0
    ax.set_xticks(range(1, len(names) + 1), labels=names, rotation=steep)
    ax.set_xlabel(by)


def _name_runs(ax: Axes, places: np.ndarray, values: np.ndarray) -> None:
    for place, value in zip(places, values, strict=True):
        ax.annotate(
            str(place),
            (place, value),
            xytext=(0, 6 if value > 0 else -6),
            textcoords="offset points",
            ha="center",
            va="bottom" if value > 0 else "top",
            fontsize="small",
        )
