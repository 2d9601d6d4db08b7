"""Whether a law fits the runs that it was fitted to as well as it can.

A likelihood that explains runs by something else, or a prior that holds a parameter where the runs
do not want it, leaves the law off its own runs. Its intervals may be right for the model, and its
predictions are not. So the law is compared with the same law fitted by robust least squares, which
has no priors and no model of the scatter.
"""

import numpy as np
from scipy.optimize import least_squares

from bayescale.inference.coordinates import points_of, values_and_log_prior
from bayescale.inference.density import Density
from bayescale.posterior.draws import Draws
from bayescale.posterior.drift import on_misfit_scale, spread_of_residuals, usual_residual
from bayescale.posterior.widening import of_law
from bayescale.spec.functions import Array

WORSE = 1.3
"""Largest ratio of usual residuals of a law that fits its own runs."""

MOST_CALLS = 60
"""Evaluations of the residuals, apart from those for slopes, that the comparison may take."""


def worse_than_closest(draws: Draws) -> tuple[float, float]:
    """How many times as far off a law is as it could be, and the largest ratio of a good fit.

    Parameters
    ----------
    draws : Draws
        Of a fitted law.

    Returns
    -------
    ratio, limit : float
        Of usual residuals (`bayescale.posterior.drift.usual_residual`). The limit is `WORSE`,
        enlarged by two standard errors of a median absolute residual of Normal runs, 1.17 over the
        root of the degrees of freedom. The ratio is 1 where there are no more runs than
        coefficients.
    """
    structure, runs, law = draws.structure, draws.runs, draws.law
    points = points_of(structure, draws.posterior)
    own = of_law(structure)
    free = len(runs) - int(own.sum())
    if free < 1:
        return 1.0, WORSE
    density, middle = Density(structure, runs), points.mean(axis=0)

    def residuals(coordinates: Array) -> Array:
        point = middle.copy()
        point[own] = coordinates
        with np.errstate(all="ignore"):  # a step too far is taken back
            values, _, _ = values_and_log_prior(structure, point[None])
            apart = on_misfit_scale(law, runs, density.expected(values)[0])
        return np.nan_to_num(apart, nan=1e3, posinf=1e3, neginf=-1e3)

    usual = usual_residual(draws)
    closest = least_squares(
        residuals, middle[own], loss="soft_l1", f_scale=max(usual, 1e-9), max_nfev=MOST_CALLS
    )
    best = spread_of_residuals(residuals(closest.x), len(law.coefficient_labels))
    limit = WORSE * (1 + 2 * 1.17 / np.sqrt(free))
    return float(usual / max(best, 1e-12)), float(limit)
