"""A curve with its uncertainty: the median of draws, and intervals around it."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from bayescale.diagnosis import interval_kind
from bayescale.draws import SAMPLE_DIMS

HALF = 0.5
"""Mass of the inner band."""


def interval_label(mass: float) -> str:
    """How a legend calls an interval, for example ``89% ETI``."""
    return f"{mass * 100:g}% {interval_kind()[0].upper()}"


def ends(draws: xr.DataArray, mass: float) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper end of the interval of ArviZ's kind that holds `mass`."""
    import arviz_stats

    found = getattr(arviz_stats, interval_kind()[0])(draws, prob=mass, dim=list(SAMPLE_DIMS))
    return found.isel(ci_bound=0).to_numpy(), found.isel(ci_bound=1).to_numpy()


def draw_band(
    ax: Axes,
    x: np.ndarray,
    draws: xr.DataArray,
    *,
    mass: float,
    color: str | tuple[float, ...],
    alpha: float,
    label: str | None = None,
) -> None:
    """Fill the interval of `draws`, whose one dimension besides the sample's runs along `x`."""
    low, high = ends(draws, mass)
    ax.fill_between(x, low, high, color=color, alpha=alpha, linewidth=0, label=label, zorder=2)


def draw_curve(
    ax: Axes,
    x: np.ndarray,
    y: np.ndarray,
    *,
    within: tuple[float, float],
    color: str | tuple[float, ...],
    label: str | None = None,
) -> None:
    """Draw a curve solid within a range of `x`, where there are runs, and dashed outside it."""
    low, high = within
    fine = np.unique(np.concatenate([x, np.clip([low, high], x[0], x[-1])]))
    logged = min(x.min(), y.min()) > 0
    there, back = (np.log, np.exp) if logged else (np.asarray, np.asarray)
    curve = back(np.interp(there(fine), there(x), there(y)))
    inside = (fine >= low) & (fine <= high)
    parts = ((inside, "-"), (fine <= low, "--"), (fine >= high, "--"))
    for part, style in parts:
        if part.sum() > 1:
            ax.plot(
                fine[part], curve[part], style, color=color, linewidth=1.5, label=label, zorder=3
            )
            label = None
