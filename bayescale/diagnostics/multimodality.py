"""Whether the draws of a quantity have more than one mode.

R-hat shows chains that disagree. It does not show chains that all move between two modes, whose
mean and sd describe neither mode.
"""

import numpy as np
import xarray as xr

BIMODAL = 0.3
"""Antimode depth above which a quantity counts as bimodal. With an effective sample size of 400,
none of 1,000 samples of a Normal or of a Student-t of 4 degrees of freedom exceeded it, 2 of a
Gamma(2) and 10 of a lognormal of log sd 0.5; of two Normals 4 sd apart, 77% did, and of two 5 sd
apart nearly all."""


LEAST_ESS = 100
"""Effective sample size that is needed. With less, every slow chain seems to have two modes; R-hat
shows it then."""


def antimode_depth(draws: xr.DataArray) -> tuple[float, float]:
    """Depth of the deepest antimode between two modes, and the share of draws in the lesser mode.

    Parameters
    ----------
    draws : (chain, draw) DataArray
        On a scale on which a single mode would be about Normal.

    Returns
    -------
    depth : float
        1 less the ratio of the density at the antimode to that of the lower mode beside it: 0 with
        one mode or too few draws, 1 where there are no draws between two modes. The density is a
        Gaussian kernel estimate with Silverman's bandwidth for the effective sample size.
    lesser : float
        Share of the draws on the smaller side of the antimode.
    """
    import arviz_stats
    from scipy.stats import gaussian_kde, iqr

    values = draws.to_numpy().ravel()
    ess = min(float(arviz_stats.ess(draws, method="bulk")), float(values.size))
    sd = values.std(ddof=1)
    if not (ess >= LEAST_ESS and sd > 0):
        return 0.0, 0.0
    low, high = np.quantile(values, [0.001, 0.999])
    points = np.linspace(low, high, 256)
    width = 0.9 * min(sd, iqr(values) / 1.34) * ess**-0.2
    # scipy measures the bandwidth in standard deviations.
    density = gaussian_kde(values, bw_method=max(width / sd, 1e-3))(points)
    highest_before = np.maximum.accumulate(density)
    highest_after = np.maximum.accumulate(density[::-1])[::-1]
    share = np.searchsorted(np.sort(values), points) / len(values)
    # A mode has at least 5% of the draws.
    two_sided = np.minimum(share, 1 - share) >= 0.05
    depth = np.where(two_sided, 1 - density / np.minimum(highest_before, highest_after), 0.0)
    antimode = int(depth.argmax())
    lesser = float(np.mean(values < points[antimode]))
    return float(depth[antimode]), min(lesser, 1 - lesser)
