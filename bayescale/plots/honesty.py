"""Whether intervals are as wide as resampling the runs would make them."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from bayescale.diagnosis import HONEST
from bayescale.errors import DataError
from bayescale.plots.labels import plain, put_legend
from bayescale.plots.palette import BLUE, GREY, VERMILION


def plot_honesty(summary: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Honesty ratio of each quantity: near 1 or below, its interval holds up.

    Parameters
    ----------
    summary : DataFrame
        From `Fit.summary`.
    ax : Axes, optional
        The current ones by default.

    Returns
    -------
    Axes
        A row for each quantity, in the order of the table; flagged ones stand out.

    Raises
    ------
    DataError
        If the table has no column ``honesty``.

    Examples
    --------
    >>> plot_honesty(fitted.summary())  # doctest: +SKIP
    """
    if "honesty" not in summary:
        raise DataError(
            f"the table has columns {list(summary)}; expected honesty among them. "
            "Pass what fit.summary() returns."
        )
    ax = plt.gca() if ax is None else ax
    ratios, rows = summary["honesty"].to_numpy(), np.arange(len(summary))
    right = max(1.15 * float(np.nanmax(ratios)), 1.6)
    ax.axvspan(HONEST, right, color=VERMILION, alpha=0.1, linewidth=0, zorder=0)
    ax.axvline(1.0, color=GREY, linewidth=1.0, zorder=1)
    for chosen, color, marker, label in (
        (ratios <= HONEST, BLUE, "o", "holds up"),
        (ratios > HONEST, VERMILION, "D", f"too narrow (above {HONEST})"),
    ):
        ax.hlines(rows[chosen], 1.0, ratios[chosen], color=color, linewidth=1.5, zorder=2)
        ax.scatter(ratios[chosen], rows[chosen], color=color, marker=marker, label=label, zorder=3)
    ax.set(xlim=(0.0, right), yticks=rows, yticklabels=[plain(str(name)) for name in summary.index])
    ax.set(xlabel="honesty ratio: jackknife sd / posterior sd", ylim=(len(rows) - 0.5, -0.5))
    put_legend(ax)
    return ax
