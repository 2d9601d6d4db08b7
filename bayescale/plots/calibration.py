"""Whether truths lie anywhere among the draws of their posteriors, as they should."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from bayescale.errors import LawError
from bayescale.plots.labels import symbol
from bayescale.plots.palette import CATEGORIES, GREY

if TYPE_CHECKING:
    from bayescale.calibration import Calibration

BAND = 0.95


def plot_calibration(
    found: "Calibration", var_names: Sequence[str] | None = None, *, ax: Axes | None = None
) -> Axes:
    """ECDF of the places of truths, less that of a uniform distribution.

    Parameters
    ----------
    found : Calibration
        From `calibrate`.
    var_names : sequence of str, optional
        Quantities; all by default.
    ax : Axes, optional
        The current ones by default.

    Returns
    -------
    Axes
        A curve a quantity. Those that leave the simultaneous band are coloured and named. An arch
        up says that the posterior lies too high, an arch down too low; first up and then down that
        it is too narrow, first down and then up too wide.

    Raises
    ------
    LawError
        If a quantity is not there.

    Examples
    --------
    >>> plot_calibration(bs.calibrate(law, design), ["alpha", "N_opt"])  # doctest: +SKIP
    """
    from arviz_stats.ecdf_utils import ecdf_pit

    ax = plt.gca() if ax is None else ax
    places = found.places
    outside = 0
    for name in _chosen(list(map(str, places)), var_names):
        points, ecdf, low, high = ecdf_pit(places[name].to_numpy().ravel(), BAND, 1000)
        left = bool(((ecdf > high) | (ecdf < low)).any())
        color = CATEGORIES[outside % len(CATEGORIES)] if left else GREY
        ax.step(
            points,
            ecdf - points,
            where="post",
            color=color,
            linewidth=1.6 if left else 0.8,
            alpha=1.0 if left else 0.6,
            label=symbol(name) if left else None,
        )
        outside += left
    band = f"{BAND:.0%} band, {places.sizes['draw']} simulations"
    ax.fill_between(points, low - points, high - points, color=GREY, alpha=0.15, lw=0, label=band)
    ax.axhline(0.0, color=GREY, linewidth=0.8)
    ax.set(xlim=(0, 1), xlabel="share of draws below the truth", ylabel="ECDF less uniform")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, frameon=False, fontsize=8)
    return ax


def _chosen(known: list[str], names: Sequence[str] | None) -> list[str]:
    chosen = known if names is None else list(names)
    unknown = sorted(set(chosen) - set(known))
    if unknown or not chosen:
        raise LawError(
            f"the calibration has no {unknown}; expected names among {known}. Choose from these."
        )
    return chosen
