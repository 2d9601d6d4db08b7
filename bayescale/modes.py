"""Whether the draws of a quantity lie in more than one heap.

Chains that disagree show in R-hat. A chain that goes to and fro between two modes does not, and its
mean and sd then describe neither.
"""

import numpy as np
import xarray as xr

from bayescale.flops import Array

VALLEY = 0.3
"""Depth from which there are two modes. With draws worth 400, none of 1,000 samples of a Normal or
of a Student-t of 4 degrees of freedom passed it, 2 of a Gamma(2) and 10 of a lognormal of log sd
0.5; of two Normals 4 sd apart, 77% did, and of two 5 sd apart nearly all."""
LESSER = 0.05
"""Share of the draws that a mode holds at least."""
FEWEST = 100
"""What draws must be worth: with fewer, every long walk looks like a mode, and R-hat speaks."""
POINTS = 256


def valley(draws: xr.DataArray) -> tuple[float, float]:
    """Depth of the deepest valley between two modes, and the share of draws in the lesser mode.

    Parameters
    ----------
    draws : (chain, draw) DataArray
        On a scale on which one mode would be about Normal.

    Returns
    -------
    float, float
        The depth is 1 less the density at the bottom of the valley over that of its lower side: 0
        with one mode, or too few draws to tell, and 1 where nothing is between two. The density is
        a Gaussian kernel estimate with Silverman's bandwidth for as many draws as these are worth.
    """
    import arviz_stats

    values = draws.to_numpy().ravel()
    worth = min(float(arviz_stats.ess(draws, method="bulk")), float(values.size))
    if not worth >= FEWEST:
        return 0.0, 0.0
    points, density = _density(values, worth)
    depth, place = _deepest(points, density, np.sort(values))
    lesser = float(np.mean(values < place))
    return depth, min(lesser, 1 - lesser)


def _density(values: Array, worth: float) -> tuple[Array, Array]:
    from scipy.stats import gaussian_kde, iqr

    low, high = np.quantile(values, [0.001, 0.999])
    points = np.linspace(low, high, POINTS)
    sd = values.std(ddof=1)
    if not sd > 0:
        return points, np.ones(POINTS)
    width = 0.9 * min(sd, iqr(values) / 1.34) * worth**-0.2
    # scipy counts the bandwidth in standard deviations.
    return points, np.asarray(gaussian_kde(values, bw_method=max(width / sd, 1e-3))(points))


def _deepest(points: Array, density: Array, ordered: Array) -> tuple[float, float]:
    """The deepest valley that leaves `LESSER` of the draws on either side, and where it is."""
    left = np.maximum.accumulate(density)
    right = np.maximum.accumulate(density[::-1])[::-1]
    below = np.searchsorted(ordered, points) / len(ordered)
    depth = np.where(
        np.minimum(below, 1 - below) >= LESSER, 1 - density / np.minimum(left, right), 0.0
    )
    bottom = int(depth.argmax())
    return float(depth[bottom]), float(points[bottom])
