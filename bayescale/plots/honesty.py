"""Whether intervals are as wide as resampling the runs would make them."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from bayescale.errors import DataError
from bayescale.plots.colours import BLUE, GREY, VERMILION
from bayescale.plots.labels import draw_legend, plain_text
from bayescale.posterior.jackknife import HONEST


def plot_honesty(summary: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Honesty ratio of each quantity: above 1.3 its interval is too narrow.

    Parameters
    ----------
    summary : DataFrame
        From `Fit.summary`.
    ax : Axes, optional
        The current ones by default.

    Returns
    -------
    Axes
        A row for each quantity, in the order of the table; those above 1.3 stand out.

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
    names = [plain_text(str(name)) for name in summary.index]
    ax.set(xlim=(0.0, right), yticks=rows, yticklabels=names)
    ax.set(xlabel="honesty ratio: jackknife sd / posterior sd", ylim=(len(rows) - 0.5, -0.5))
    draw_legend(ax)
    return ax
