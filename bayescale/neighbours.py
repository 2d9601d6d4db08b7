"""Whether runs that are neighbours along the only input of a law lie off it alike.

Checkpoints of one run do, and so do runs of their own where a law bends otherwise than they. Either
way they are worth fewer than they are, and intervals are too narrow.
"""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayescale.influence import CHANCE, in_scales
from bayescale.structure import Structure

if TYPE_CHECKING:
    from bayescale.fitting import Fit


def alike(fit: "Fit") -> tuple[float, float]:
    """Correlation of each run's residual with that of the next, and what it rarely exceeds.

    Of ranks, so that no single run makes it. Residuals of a fit correlate less than those of the
    truth, so that of tables whose runs err on their own fewer than `CHANCE` exceed the threshold.

    Returns
    -------
    correlation, threshold : float
        Both 0 where there is no one order of the runs, or the fit knows what they have in common.
    """
    from scipy import stats

    if _known(fit.structure) or len(fit.law.inputs) > 1:
        return 0.0, 0.0
    ordered = np.argsort(fit.runs[fit.law.inputs[0]].to_numpy(), kind="stable")
    ranks = pd.Series(in_scales(fit).to_numpy()[ordered]).rank()
    return float(ranks.autocorr()), float(stats.norm.isf(CHANCE) / np.sqrt(len(ranks)))


def _known(made: Structure) -> bool:
    """Whether the fit knows what runs have in common, or has no scale to count residuals in."""
    import pymc as pm

    scaled = made.likelihood.family.distribution in (pm.Normal, pm.StudentT)
    shared = (made.clusters, made.by, made.likelihood.series)
    return not scaled or any(each is not None for each in shared)
