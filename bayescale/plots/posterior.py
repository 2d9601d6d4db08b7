"""Two quantities together, and what was published about them."""

from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from scipy.stats import gaussian_kde

from bayescale.claims import Claim
from bayescale.errors import LawError
from bayescale.plots.groups import by_group
from bayescale.plots.labels import plain, put_legend, symbol
from bayescale.plots.palette import BLACK, CATEGORIES, MARKERS

if TYPE_CHECKING:
    from bayescale.fitting import Fit

SHOWN = 1000
"""Draws that are shown as dots."""
MASSES = (0.9, 0.5)
"""Shares of the draws that the contours hold."""
GRID = 100
TIED = 1 - 1e-6
"""Correlation from which on two quantities are one."""


def plot_pair(
    fit: "Fit",
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
    ax = plt.gca() if ax is None else ax
    for name, horizontal, vertical, color in _clouds(fit, x, y):
        _draw_cloud(ax, horizontal, vertical, color, name)
    chosen = fit.law.claims_about() if claims is True else claims or ()
    told = [claim for claim in chosen if {x, y} <= set(claim.values)]
    for claim, color, marker in zip(told, cycle(CATEGORIES[1:]), cycle(MARKERS[1:]), strict=False):
        _draw_claim(ax, claim, x, y, color, marker)
    ax.set(xlabel=symbol(x), ylabel=symbol(y))
    put_legend(ax, fit, columns=2)
    return ax


def _clouds(fit: "Fit", x: str, y: str) -> Iterator[tuple[str, np.ndarray, np.ndarray, str]]:
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
    for group, draws, color in by_group(fit.posterior[[x, y]]):
        yield group or "draws", draws[x].to_numpy().ravel(), draws[y].to_numpy().ravel(), color


def _draw_cloud(ax: Axes, x: np.ndarray, y: np.ndarray, color: str, name: str) -> None:
    every = max(1, len(x) // SHOWN)
    shown = np.stack([x, y])[:, ::every]
    ax.scatter(shown[0], shown[1], s=5, color=color, alpha=0.3, linewidth=0, zorder=1, label=name)
    # One that follows from the other, as b = 1 - a does, leaves a line and nothing to go round.
    if abs(np.corrcoef(x, y)[0, 1]) < TIED:
        _draw_contours(ax, shown, color, name)


def _draw_contours(ax: Axes, draws: np.ndarray, color: str, name: str) -> None:
    density = gaussian_kde(draws)
    levels = np.quantile(density(draws), [1 - mass for mass in MASSES])
    margin = 0.15 * np.ptp(draws, axis=1)
    start, stop = draws.min(axis=1) - margin, draws.max(axis=1) + margin
    across, along = np.linspace(start, stop, GRID, axis=1)
    heights = density(np.stack(np.meshgrid(across, along)).reshape(2, -1)).reshape(GRID, GRID)
    ax.contour(across, along, heights, levels, colors=color, linewidths=(0.9, 1.8), zorder=2)
    said = " and ".join(f"{mass:.0%}" for mass in sorted(MASSES))
    ax.plot([], [], color=color, linewidth=1.8, label=f"{said} of {name}")


def _draw_claim(ax: Axes, claim: Claim, x: str, y: str, color: str, marker: str) -> None:
    ax.errorbar(
        claim.values[x],
        claim.values[y],
        xerr=_arms(claim, x),
        yerr=_arms(claim, y),
        fmt=marker,
        color=color,
        markeredgecolor=BLACK,
        markeredgewidth=0.6,
        markersize=7,
        capsize=2.5,
        label=_said(claim, (x, y)),
        zorder=3,
    )


def _arms(claim: Claim, name: str) -> np.ndarray | None:
    """Lengths of a bar to the left and right: one standard error, or else the interval."""
    value = claim.values[name]
    if name in claim.errors:
        return np.full((2, 1), claim.errors[name])
    if name in claim.intervals:
        low, high = claim.intervals[name]
        return np.array([[max(value - low, 0.0)], [max(high - value, 0.0)]])
    return None


def _said(claim: Claim, names: tuple[str, str]) -> str:
    if any(name in claim.errors for name in names):
        return f"{plain(claim.label)} (± 1 se)"
    if any(name in claim.intervals for name in names):
        return f"{plain(claim.label)} ({claim.mass:.0%} interval)"
    return plain(claim.label)
