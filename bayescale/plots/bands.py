"""A curve with its uncertainty: the median of draws, and intervals around it."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from bayescale.posterior.draws import SAMPLE_DIMS
from bayescale.posterior.summary import interval_kind


def interval_label(mass: float | None = None) -> str:
    """Mass and kind of an interval for a legend, for example ``89% ETI``.

    Parameters
    ----------
    mass : float, optional
        That of ArviZ's settings by default, which also give the kind.
    """
    kind, usual = interval_kind()
    return f"{(mass or usual) * 100:g}% {kind.upper()}"


def draw_band(
    ax: Axes,
    x: np.ndarray,
    draws: xr.DataArray,
    *,
    color: str | tuple[float, ...],
    alpha: float,
    mass: float | None = None,
    label: str | None = None,
) -> None:
    """Fill the interval of draws along a curve.

    Parameters
    ----------
    ax : Axes
        Drawn on.
    x : (point,) array
        Where the draws are.
    draws : (chain, draw, point) DataArray
        Draws of the curve. The third dimension may have any name.
    color : color
        Of the band.
    alpha : float
        Its opacity, from 0 to 1.
    mass : float, optional
        Probability that the interval holds; that of ArviZ's settings by default.
    label : str, optional
        For the legend.
    """
    import arviz_stats

    kind, usual = interval_kind()
    band = getattr(arviz_stats, kind)(draws, prob=mass or usual, dim=list(SAMPLE_DIMS))
    low, high = (band.isel(ci_bound=end).to_numpy() for end in (0, 1))
    ax.fill_between(x, low, high, color=color, alpha=alpha, linewidth=0, label=label, zorder=2)


def draw_curve(
    ax: Axes,
    x: np.ndarray,
    y: np.ndarray,
    *,
    support: tuple[float, float],
    color: str | tuple[float, ...],
    label: str | None = None,
) -> None:
    """Draw a curve, solid where there are runs and dashed outside.

    Parameters
    ----------
    ax : Axes
        Drawn on.
    x, y : (point,) array
        Points of the curve, with increasing `x`.
    support : (float, float)
        Range of `x` in which there are runs.
    color : color
        Of the curve.
    label : str, optional
        For the legend.
    """
    low, high = support
    # The ends of the support are points of both parts, so that these meet there.
    grid = np.unique(np.concatenate([x, np.clip([low, high], x[0], x[-1])]))
    logged = min(x.min(), y.min()) > 0
    forward, backward = (np.log, np.exp) if logged else (np.asarray, np.asarray)
    curve = backward(np.interp(forward(grid), forward(x), forward(y)))
    inside = (grid >= low) & (grid <= high)
    for part, style in ((inside, "-"), (grid <= low, "--"), (grid >= high, "--")):
        if part.sum() > 1:
            ax.plot(
                grid[part], curve[part], style, color=color, linewidth=1.5, label=label, zorder=3
            )
            label = None
