"""An answer under every combination of choices."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayescale.errors import LawError
from bayescale.plots.colours import BLUE, GREY, VERMILION
from bayescale.plots.labels import draw_legend, plain_text, symbol
from bayescale.posterior.summary import interval_kind
from bayescale.validation.multiverse import STATISTICS, TRUSTED, USED
from bayescale.validation.sweep import ERROR

HEIGHT = 0.22
"""Inches of the row of a choice."""


def plot_multiverse(
    multiverse: xr.Dataset,
    quantity: str,
    *,
    published: float | None = None,
    figure: Figure | None = None,
) -> tuple[Axes, Axes]:
    """Specification curve: the answer of every combination of choices, in order of its mean.

    Parameters
    ----------
    multiverse : Dataset
        From `bayescale.multiverse`.
    quantity : str
        One of its quantities.
    published : float, optional
        A value to draw across.
    figure : Figure, optional
        Drawn on; a new one by default.

    Returns
    -------
    (Axes, Axes)
        First, the mean and interval of each specification, from the smallest; those whose fit is
        not trusted stand out. Then a row for each choice, with a dot for each specification that
        has it.

    Raises
    ------
    LawError
        If there is no such quantity.

    Examples
    --------
    >>> plot_multiverse(bs.multiverse(law, runs), "a")  # doctest: +SKIP
    """
    quantities = [name for name in multiverse if name not in (TRUSTED, USED, ERROR)]
    if quantity not in quantities:
        raise LawError(
            f"the multiverse has no {quantity!r}; expected one of "
            f"{', '.join(map(str, quantities))}. Choose one."
        )
    axes = [str(dim) for dim in multiverse[TRUSTED].dims]
    flat = multiverse[[quantity, TRUSTED]].stack(specification=axes)
    means = flat[quantity].sel(statistic="mean").to_numpy()
    fitted = np.flatnonzero(np.isfinite(means))
    ordered = flat.isel(specification=fitted[np.argsort(means[fitted])])
    mean, _, lower, upper = (ordered[quantity].sel(statistic=s).to_numpy() for s in STATISTICS)
    trusted, places = ordered[TRUSTED].to_numpy().astype(bool), np.arange(len(mean))
    choices = {axis: [str(label) for label in multiverse[axis].to_numpy()] for axis in axes}
    if figure is None:
        figure = plt.figure(figsize=multiverse_figure_size(multiverse), layout="constrained")
    lines = sum(map(len, choices.values())) + len(axes)
    curve, rows = figure.subplots(2, 1, sharex=True, height_ratios=(2.6, HEIGHT * lines))
    kind, mass = interval_kind()
    for chosen, color, marker, label in (
        (trusted, BLUE, "o", f"mean and {mass:.0%} {kind.upper()}"),
        (~trusted, VERMILION, "D", "not trusted"),
    ):
        if chosen.any():
            curve.vlines(places[chosen], lower[chosen], upper[chosen], color=color, linewidth=1.0)
            dots = places[chosen], mean[chosen]
            curve.scatter(*dots, s=16, color=color, marker=marker, label=label)
    if published is not None:
        curve.axhline(published, color=GREY, linewidth=1.0, linestyle="--", label="published")
    curve.set_ylabel(symbol(quantity))
    curve.tick_params(bottom=False)
    draw_legend(curve)
    _draw_choices(rows, ordered, choices)
    return curve, rows


def multiverse_figure_size(multiverse: xr.Dataset) -> tuple[float, float]:
    """Width and height in inches of a figure of these specifications."""
    sizes = multiverse[TRUSTED].sizes
    return 8.0, 3 + HEIGHT * (sum(sizes.values()) + len(sizes) + 1)


def _draw_choices(ax: Axes, ordered: xr.Dataset, choices: dict[str, list[str]]) -> None:
    """Draw a row for each choice, and the name of each axis before its choices."""
    heights: list[float] = []
    height = 1.0
    for axis, labels in choices.items():
        height -= 1
        # The name has the strip of the tick labels to itself, over those of its choices.
        ax.annotate(
            plain_text(axis),
            (0, height + 0.8),
            xycoords=ax.get_yaxis_transform(),
            xytext=(-8, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontweight="bold",
            annotation_clip=False,
        )
        for label in labels:
            places = np.flatnonzero(ordered[axis].to_numpy().astype(str) == label)
            ax.scatter(places, np.full(len(places), height), s=10, color=GREY)
            heights.append(height)
            height -= 1
    names = [plain_text(label) for labels in choices.values() for label in labels]
    ax.set_yticks(heights, names)
    ax.set_ylim(heights[-1] - 0.7, 1.3)
    ax.set_xlabel("specifications, by their mean")
    ax.set_xticks([])
    for spine in ("top", "right", "bottom"):
        ax.spines[spine].set_visible(False)
