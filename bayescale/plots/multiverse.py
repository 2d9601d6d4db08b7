"""An answer under every combination of choices."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayescale.diagnosis import interval_kind
from bayescale.errors import LawError
from bayescale.plots.labels import put_legend, symbol
from bayescale.plots.palette import BLUE, GREY, VERMILION
from bayescale.specifications import STATISTICS, TRUSTED, USED
from bayescale.sweeps import ERROR

HEIGHT = 0.22
"""Inches a choice takes below the curve."""


def plot_multiverse(
    found: xr.Dataset,
    quantity: str,
    *,
    published: float | None = None,
    figure: Figure | None = None,
) -> tuple[Axes, Axes]:
    """Specification curve: the answer of every combination of choices, in order, and which it was.

    Parameters
    ----------
    found : Dataset
        From `bayescale.multiverse`.
    quantity : str
        One of its quantities.
    published : float, optional
        A value to draw across.
    figure : Figure, optional
        Drawn on; a new one by default.

    Returns
    -------
    tuple of Axes
        Above, the mean and interval of each specification, from the smallest; those whose fit is
        not trusted stand out. Below, a dot in the row of each choice that was made.

    Raises
    ------
    LawError
        If there is no such quantity.

    Examples
    --------
    >>> plot_multiverse(multiverse(law, runs), "a")  # doctest: +SKIP
    """
    quantities = [name for name in found if name not in (TRUSTED, USED, ERROR)]
    if quantity not in quantities:
        raise LawError(
            f"the multiverse has no {quantity!r}; expected one of "
            f"{', '.join(map(str, quantities))}. Choose one."
        )
    axes = [str(dim) for dim in found[TRUSTED].dims]
    flat = found[[quantity, TRUSTED]].stack(specification=axes)
    fitted = flat.isel(specification=np.isfinite(flat[quantity].sel(statistic="mean").to_numpy()))
    ordered = fitted.isel(
        specification=np.argsort(fitted[quantity].sel(statistic="mean").to_numpy())
    )
    rows = [(axis, str(label)) for axis in axes for label in found[axis].to_numpy()]
    if figure is None:
        figure = plt.figure(figsize=figure_size(found), layout="constrained")
    above, below = figure.subplots(
        2, 1, sharex=True, height_ratios=(2.6, HEIGHT * (len(rows) + len(axes)))
    )
    _curve(above, ordered, quantity, published)
    _choices(below, ordered, rows)
    return above, below


def figure_size(found: xr.Dataset) -> tuple[float, float]:
    """Inches that a picture of these specifications wants."""
    sizes = found[TRUSTED].sizes
    return 8.0, 3 + HEIGHT * (sum(sizes.values()) + len(sizes) + 1)


def _curve(ax: Axes, ordered: xr.Dataset, quantity: str, published: float | None) -> None:
    mean, _, lower, upper = (ordered[quantity].sel(statistic=s).to_numpy() for s in STATISTICS)
    trusted = ordered[TRUSTED].to_numpy().astype(bool)
    places = np.arange(len(mean))
    kind, mass = interval_kind()
    for chosen, color, marker, label in (
        (trusted, BLUE, "o", f"mean and {mass:.0%} {kind.upper()}"),
        (~trusted, VERMILION, "D", "not trusted"),
    ):
        if chosen.any():
            ax.vlines(places[chosen], lower[chosen], upper[chosen], color=color, linewidth=1.0)
            ax.scatter(places[chosen], mean[chosen], s=16, color=color, marker=marker, label=label)
    if published is not None:
        ax.axhline(published, color=GREY, linewidth=1.0, linestyle="--", label="published")
    ax.set_ylabel(symbol(quantity))
    ax.tick_params(bottom=False)
    put_legend(ax)


def _choices(ax: Axes, ordered: xr.Dataset, rows: list[tuple[str, str]]) -> None:
    """A row a choice, with room between the axes they are of."""
    axes = list(dict.fromkeys(axis for axis, _ in rows))
    heights = [-(k + axes.index(axis)) for k, (axis, _) in enumerate(rows)]
    for (axis, label), height in zip(rows, heights, strict=True):
        places = np.flatnonzero(ordered[axis].to_numpy().astype(str) == label)
        ax.scatter(places, np.full(len(places), height), s=10, color=GREY)
    for axis in axes:
        top = max(h for h, (name, _) in zip(heights, rows, strict=True) if name == axis)
        # In the strip of the labels, above those of this axis.
        ax.annotate(
            axis,
            (0, top + 0.8),
            xycoords=ax.get_yaxis_transform(),
            xytext=(-8, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontweight="bold",
            annotation_clip=False,
        )
    ax.set_yticks(heights, [label for _, label in rows])
    ax.set_ylim(min(heights) - 0.7, 1.3)
    ax.set_xlabel("specifications, by their mean")
    ax.set_xticks([])
    for spine in ("top", "right", "bottom"):
        ax.spines[spine].set_visible(False)
