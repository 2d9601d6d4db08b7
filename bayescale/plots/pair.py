"""Two quantities together, and what was published about them."""

from collections.abc import Sequence
from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from scipy.stats import gaussian_kde

from bayescale.errors import LawError
from bayescale.fitting.record import Fit
from bayescale.plots.colours import BLACK, CATEGORIES, MARKERS
from bayescale.plots.labels import coloured_groups, draw_legend, plain_text, symbol
from bayescale.spec.claim import Claim


def plot_pair(
    fit: Fit,
    x: str = "alpha",
    y: str = "beta",
    *,
    claims: bool | Sequence[Claim] = True,
    ax: Axes | None = None,
) -> Axes:
    """Joint posterior of two quantities, beside the values that were published.

    Parameters
    ----------
    fit : Fit
        A fitted law.
    x, y : str
        Coefficients or derived quantities.
    claims : bool or sequence of Claim
        Those of `Law.claims_about`, none, or those of another law, for example
        ``CHINCHILLA.claims_about()``. Those that give both quantities are drawn, with a bar where
        an error or interval was printed.
    ax : Axes, optional
        The current ones by default.

    Returns
    -------
    Axes
        Draws, and contours that hold 50% and 90% of them.

    Raises
    ------
    LawError
        If the posterior has no such quantity, or it has parts.

    Examples
    --------
    >>> plot_pair(fitted, "a", "g", claims=False)  # doctest: +SKIP
    """
    unknown = [name for name in (x, y) if name not in fit.posterior]
    if unknown:
        raise LawError(
            f"the posterior has no {unknown}; expected names among {list(fit.posterior)}. "
            "Choose from these."
        )
    parted = [name for name in (x, y) if f"{name}_part" in fit.posterior[name].dims]
    if parted:
        raise LawError(
            f"{parted} have several parts; expected quantities that are one number a draw. "
            "Choose coefficients or derived quantities."
        )
    ax = plt.gca() if ax is None else ax
    for group, draws, color in coloured_groups(fit.posterior[[x, y]]):
        points = np.stack([draws[name].to_numpy().ravel() for name in (x, y)])
        _draw_cloud(ax, points, color, group or "draws")
    chosen = fit.law.claims_about() if claims is True else claims or ()
    shown = [claim for claim in chosen if {x, y} <= set(claim.values)]
    for claim, color, marker in zip(shown, cycle(CATEGORIES[1:]), cycle(MARKERS[1:]), strict=False):
        _draw_claim(ax, claim, x, y, color, marker)
    ax.set(xlabel=symbol(x), ylabel=symbol(y))
    draw_legend(ax, fit, columns=2)
    return ax


def _draw_cloud(ax: Axes, draws: np.ndarray, color: str, name: str) -> None:
    """Draw about a thousand draws as dots, and contours that hold 50% and 90% of them."""
    shown = draws[:, :: max(1, draws.shape[1] // 1000)]
    ax.scatter(shown[0], shown[1], s=5, color=color, alpha=0.3, linewidth=0, zorder=1, label=name)
    # If one quantity follows from the other, as b = 1 - a does, the draws have no density.
    if abs(np.corrcoef(draws)[0, 1]) >= 1 - 1e-6:
        return
    density = gaussian_kde(shown)
    levels = np.quantile(density(shown), (1 - 0.9, 1 - 0.5))
    margin = 0.15 * np.ptp(shown, axis=1)
    start, stop = shown.min(axis=1) - margin, shown.max(axis=1) + margin
    across, along = np.linspace(start, stop, 100, axis=1)
    grid = np.stack(np.meshgrid(across, along))
    heights = density(grid.reshape(2, -1)).reshape(grid.shape[1:])
    ax.contour(across, along, heights, levels, colors=color, linewidths=(0.9, 1.8), zorder=2)
    ax.plot([], [], color=color, linewidth=1.8, label=f"50% and 90% of {name}")


def _draw_claim(ax: Axes, claim: Claim, x: str, y: str, color: str, marker: str) -> None:
    """Draw published values with their errors or intervals, which the legend names."""
    label = plain_text(claim.label)
    if {x, y} & set(claim.errors):
        label += " (± 1 se)"
    elif {x, y} & set(claim.intervals):
        label += f" ({claim.mass:.0%} interval)"
    ax.errorbar(
        claim.values[x],
        claim.values[y],
        xerr=_error_bar(claim, x),
        yerr=_error_bar(claim, y),
        fmt=marker,
        color=color,
        markeredgecolor=BLACK,
        markeredgewidth=0.6,
        markersize=7,
        capsize=2.5,
        label=label,
        zorder=3,
    )


def _error_bar(claim: Claim, name: str) -> np.ndarray | None:
    """Lengths of a bar to either side: one standard error, or else the interval."""
    value = claim.values[name]
    if name in claim.errors:
        return np.full((2, 1), claim.errors[name])
    if name in claim.intervals:
        low, high = claim.intervals[name]
        return np.array([[max(value - low, 0.0)], [max(high - value, 0.0)]])
    return None
