"""What a back-test scores: the fit with its likelihood, and what people use instead.

Each answers the same question: given these runs, what will those larger ones show?
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import logsumexp
from scipy.stats import gaussian_kde

from bayescale.law import Law
from bayescale.likelihood import LikelihoodFactory, student_t, student_t_unlogged

RESIDUALS = 10
"""Residuals drawn for every resample of the point fit."""

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, eq=False)
class Predicted:
    """What is said of new runs.

    Parameters
    ----------
    draws : (draw, point) array
        Of the log response, or of one that is not positive as it is.
    log_density : (point,) array
        At the observed one.
    doubt : str
        Why not to trust it; empty if there is no reason.
    """

    draws: Array
    log_density: Array
    doubt: str = ""


@dataclass(frozen=True, eq=False)
class Question:
    """What is to be predicted, and from what.

    Parameters
    ----------
    law : Law
        What to fit.
    likelihood, clusters
        As for `bayescale.fit`.
    known, larger : DataFrame
        Runs to fit and runs to predict.
    random_seed : int
        Everything random follows from it.
    """

    law: Law
    likelihood: LikelihoodFactory | None
    clusters: str | None
    known: pd.DataFrame
    larger: pd.DataFrame
    random_seed: int

    @property
    def observed(self) -> Array:
        """Response of the runs to predict: the log response, as a rule."""
        on = self.law.scale_of(self.law.response).measured
        return np.asarray(on(self.larger[self.law.response].to_numpy()))


def _posterior(asked: Question, *, extrapolate: bool = True) -> Predicted:
    """The fit, with how wrong laws are beyond their runs unless that is left out."""
    from bayescale.extrapolation import decades_beyond
    from bayescale.fitting import fit
    from bayescale.flops import SIX_ND
    from bayescale.misfit import misfit_at_points
    from bayescale.prediction import log_density, scatter
    from bayescale.structure import further, observed_of, response_of

    fitted = fit(
        asked.law,
        asked.known,
        likelihood=asked.likelihood,
        clusters=asked.clusters,
        random_seed=asked.random_seed,
    )
    parts = (fitted.structure, fitted.posterior, fitted.runs, asked.larger)
    rng = np.random.default_rng(asked.random_seed)
    far = decades_beyond(asked.law, asked.larger, fitted.runs, SIX_ND)
    drift = fitted.extrapolation["drift"] * xr.DataArray(extrapolate * far, dims="point")
    there = scatter(*parts, misfit_at_points(*parts, rng) + drift)
    made, runs = fitted.structure, len(asked.larger)
    density = log_density(made, there, observed_of(made, asked.larger)).reshape(-1, runs)
    if made.likelihood.family.trials is not None:  # of the share: one count is 1/n of it wide
        density += np.log(further(made, asked.larger, fitted.runs)[made.likelihood.family.trials])
    draws = response_of(made, there.rvs(random_state=rng), asked.larger, fitted.runs)
    return Predicted(
        draws=asked.law.scale_of(asked.law.response).measured(draws).reshape(-1, runs),
        log_density=logsumexp(density, axis=0) - np.log(len(density)),
        doubt=" ".join(fitted.verdict.reasons),
    )


def _one_scale(asked: Question) -> Predicted:
    """What a model of one line gives: every run on its own, one scale, the law true everywhere."""
    logged = asked.law.scale_of(asked.law.response).logged
    alike = student_t if logged else student_t_unlogged
    return _posterior(replace(asked, likelihood=alike, clusters=None), extrapolate=False)


def _point_fit(asked: Question) -> Predicted:
    from bayescale.pointfit import point_fit

    on = asked.law.scale_of(asked.law.response).measured
    best, resampled = point_fit(asked.law, asked.known, random_seed=asked.random_seed)

    def expected(runs: pd.DataFrame, coefficients: xr.Dataset) -> Array:
        inputs = [runs[name].to_numpy() for name in asked.law.inputs]
        values = [coefficients[name].to_numpy()[..., None] for name in asked.law.coefficient_names]
        measured: Array = on(asked.law.formula(*inputs, *values))
        return measured

    left = on(asked.known[asked.law.response].to_numpy()) - expected(asked.known, best)
    means = np.repeat(expected(asked.larger, resampled), RESIDUALS, axis=0)
    rng = np.random.default_rng(asked.random_seed)
    draws = means + rng.choice(np.ravel(left), size=means.shape)
    kernels = [
        gaussian_kde(column).logpdf(x)[0] for column, x in zip(draws.T, asked.observed, strict=True)
    ]
    return Predicted(draws, np.array(kernels))


METHODS: Mapping[str, Callable[[Question], Predicted]] = {
    "posterior": _posterior,
    "one_scale": _one_scale,
    "point_fit": _point_fit,
}
"""What is scored, by name."""
