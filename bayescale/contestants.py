"""What a back-test scores: the fit with its likelihood, and what people use instead.

Each takes a law, a likelihood, the runs to fit, the runs to predict and a seed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import logsumexp
from scipy.stats import gaussian_kde

from bayescale.law import Law
from bayescale.likelihood import LikelihoodFactory, student_t

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, eq=False)
class Predicted:
    """What is said of new runs.

    Parameters
    ----------
    draws : (draw, point) array
        Of the log response.
    log_density : (point,) array
        At the observed log response.
    doubt : str
        Why not to trust it; empty if there is no reason.
    """

    draws: Array
    log_density: Array
    doubt: str = ""


def _posterior(
    law: Law,
    likelihood: LikelihoodFactory | None,
    known: pd.DataFrame,
    larger: pd.DataFrame,
    random_seed: int,
) -> Predicted:
    from bayescale.fitting import fit
    from bayescale.prediction import scatter

    fitted = fit(law, known, likelihood=likelihood, random_seed=random_seed)
    there = scatter(fitted.structure, fitted.posterior, fitted.runs, larger, "point")
    observed = fitted.likelihood.family.observed(larger[law.response].to_numpy())
    density = there.logpdf(observed).reshape(-1, len(larger))
    rng = np.random.default_rng(random_seed)
    draws = there.rvs(random_state=rng).reshape(-1, len(larger))
    return Predicted(
        draws=np.log(fitted.likelihood.family.response(draws)),
        log_density=logsumexp(density, axis=0) - np.log(len(density)),
        doubt=" ".join(fitted.verdict.reasons),
    )


def _one_scale(
    law: Law,
    likelihood: LikelihoodFactory | None,
    known: pd.DataFrame,
    larger: pd.DataFrame,
    random_seed: int,
) -> Predicted:
    return _posterior(law, student_t, known, larger, random_seed)


def _point_fit(
    law: Law,
    likelihood: LikelihoodFactory | None,
    known: pd.DataFrame,
    larger: pd.DataFrame,
    random_seed: int,
) -> Predicted:
    from bayescale.pointfit import point_fit

    best, resampled = point_fit(law, known, random_seed=random_seed)
    names = law.coefficient_names

    def expected(runs: pd.DataFrame, coefficients: xr.Dataset) -> Array:
        inputs = [runs[name].to_numpy() for name in law.inputs]
        values = [coefficients[name].to_numpy()[..., None] for name in names]
        logs: Array = np.log(law.formula(*inputs, *values))
        return logs

    left = np.log(known[law.response].to_numpy()) - expected(known, best)
    means = np.repeat(expected(larger, resampled), 10, axis=0)
    rng = np.random.default_rng(random_seed)
    draws = means + rng.choice(np.ravel(left), size=means.shape)
    observed = np.log(larger[law.response].to_numpy())
    kernels = [
        gaussian_kde(column).logpdf(x)[0] for column, x in zip(draws.T, observed, strict=True)
    ]
    return Predicted(draws, np.array(kernels))


Method = Callable[[Law, LikelihoodFactory | None, pd.DataFrame, pd.DataFrame, int], Predicted]
METHODS: Mapping[str, Method] = {
    "posterior": _posterior,
    "one_scale": _one_scale,
    "point_fit": _point_fit,
}
"""What is scored, by name."""
