"""Whether truths are spread evenly among the draws of their posteriors."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from bayescale.errors import LawError
from bayescale.plots.colours import CATEGORIES, GREY
from bayescale.plots.labels import draw_legend, symbol
from bayescale.validation.calibrate import Calibration

BAND = 0.95


def plot_calibration(
    calibration: Calibration, var_names: Sequence[str] | None = None, *, ax: Axes | None = None
) -> Axes:
    """ECDF of the ranks of truths among draws, minus that of a uniform distribution.

    Parameters
    ----------
    calibration : Calibration
        From `bayescale.calibrate`.
    var_names : sequence of str, optional
        Quantities; all by default.
    ax : Axes, optional
        The current ones by default.

    Returns
    -------
    Axes
        A curve for each quantity. Those that leave the simultaneous 95% band are coloured and
        named. An arch up means that the posterior lies too high, an arch down that it lies too
        low. A curve that goes up first and down later means that the posterior is too narrow; down
        first and up later, that it is too wide.

    Raises
    ------
    LawError
        If the calibration has no such quantity.

    Examples
    --------
    >>> plot_calibration(bs.calibrate(law, design), ["alpha", "N_opt"])  # doctest: +SKIP
    """
    from arviz_stats.ecdf_utils import ecdf_pit

    places = calibration.places
    known = [str(name) for name in places]
    names = known if var_names is None else list(var_names)
    unknown = sorted(set(names) - set(known))
    if unknown or not names:
        raise LawError(
            f"the calibration has no {unknown}; expected names among {known}. Choose from these."
        )
    ax = plt.gca() if ax is None else ax
    coloured = 0
    for name in names:
        points, ecdf, low, high = ecdf_pit(places[name].to_numpy().ravel(), BAND, 1000)
        outside = bool(((ecdf > high) | (ecdf < low)).any())
        ax.step(
            points,
            ecdf - points,
            where="post",
            color=CATEGORIES[coloured % len(CATEGORIES)] if outside else GREY,
            linewidth=1.6 if outside else 0.8,
            alpha=1.0 if outside else 0.6,
            label=symbol(name) if outside else None,
        )
        coloured += outside
    band = f"{BAND:.0%} band, {places.sizes['draw']} simulations"
    ax.fill_between(points, low - points, high - points, color=GREY, alpha=0.15, lw=0, label=band)
    ax.axhline(0.0, color=GREY, linewidth=0.8)
    ax.set(xlim=(0, 1), xlabel="proportion of draws below the truth", ylabel="ECDF minus uniform")
    draw_legend(ax)
    return ax
