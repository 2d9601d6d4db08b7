"""What a back-test scores: the fit with its likelihood, and what people use instead.

Each method answers one question: given these runs, what will those larger ones show?
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import logsumexp
from scipy.stats import gaussian_kde

from bayescale.fitting.fit import fit
from bayescale.fitting.point_fit import point_fit
from bayescale.inference.structure import (
    likelihood_columns,
    observed_values,
    response_from_observed,
)
from bayescale.likelihoods import STUDENT_T, STUDENT_T_UNLOGGED
from bayescale.posterior.drift import extrapolation_decades
from bayescale.posterior.pointwise import log_density, point_distribution
from bayescale.spec.law import Law
from bayescale.spec.likelihood import Likelihood

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, eq=False)
class HeldOutPrediction:
    """What a method predicts for held-out runs.

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
class BacktestTask:
    """What is to be predicted, and from what.

    Parameters
    ----------
    law : Law
        What to fit.
    likelihood : Likelihood, optional
        As for `bayescale.fit`.
    clusters : str, optional
        As for `bayescale.fit`.
    known, larger : DataFrame
        Runs to fit and runs to predict.
    random_seed : int
        Everything random follows from it.
    """

    law: Law
    likelihood: Likelihood | None
    clusters: str | None
    known: pd.DataFrame
    larger: pd.DataFrame
    random_seed: int

    @property
    def observed(self) -> Array:
        """Response of the runs to predict: the log response, as a rule."""
        on = self.law.kind_of(self.law.response).scaled
        return np.asarray(on(self.larger[self.law.response].to_numpy()))


def _predict_by_posterior(task: BacktestTask, *, drift: bool = True) -> HeldOutPrediction:
    """The fit, with how wrong laws are beyond their runs unless that is left out."""
    law, larger = task.law, task.larger
    fitted = fit(
        law,
        task.known,
        likelihood=task.likelihood,
        clusters=task.clusters,
        random_seed=task.random_seed,
    )
    structure, runs = fitted.structure, fitted.runs
    rng = np.random.default_rng(task.random_seed)
    decades = xr.DataArray(drift * extrapolation_decades(law, larger, runs), dims="point")
    shift = fitted.drift["drift"] * decades
    distribution = point_distribution(fitted.draws, larger, shift)
    observed = observed_values(structure, larger)
    density = log_density(structure, distribution, observed).reshape(-1, len(larger))
    trials = structure.likelihood.family.trials
    if trials is not None:  # of the proportion, in which one count is 1/n wide
        density += np.log(likelihood_columns(structure, larger, runs)[trials])
    drawn = distribution.rvs(random_state=rng)
    responses = response_from_observed(structure, drawn, larger, runs)
    return HeldOutPrediction(
        draws=law.kind_of(law.response).scaled(responses).reshape(-1, len(larger)),
        log_density=logsumexp(density, axis=0) - np.log(len(density)),
        doubt=" ".join(fitted.verdict.reasons),
    )


def _predict_with_one_scale(task: BacktestTask) -> HeldOutPrediction:
    """What a model of one line gives: one scale, no clusters, and a law that is true everywhere."""
    logged = task.law.kind_of(task.law.response).logged
    likelihood = STUDENT_T if logged else STUDENT_T_UNLOGGED
    alone = replace(task, likelihood=likelihood, clusters=None)
    return _predict_by_posterior(alone, drift=False)


def _predict_by_point_fit(task: BacktestTask) -> HeldOutPrediction:
    """What papers report: the point fit, a pairs bootstrap, and residuals drawn at random."""
    on = task.law.kind_of(task.law.response).scaled
    best, resampled = point_fit(task.law, task.known, random_seed=task.random_seed)

    def expected(runs: pd.DataFrame, coefficients: xr.Dataset) -> Array:
        inputs = [runs[name].to_numpy() for name in task.law.inputs]
        values = [coefficients[name].to_numpy()[..., None] for name in task.law.coefficient_names]
        scaled: Array = on(task.law.formula(*inputs, *values))
        return scaled

    residuals = on(task.known[task.law.response].to_numpy()) - expected(task.known, best)
    # Ten residuals for every resample.
    means = np.repeat(expected(task.larger, resampled), 10, axis=0)
    rng = np.random.default_rng(task.random_seed)
    draws = means + rng.choice(np.ravel(residuals), size=means.shape)
    density = [
        gaussian_kde(column).logpdf(x)[0] for column, x in zip(draws.T, task.observed, strict=True)
    ]
    return HeldOutPrediction(draws, np.array(density))


METHODS: Mapping[str, Callable[[BacktestTask], HeldOutPrediction]] = {
    "posterior": _predict_by_posterior,
    "one_scale": _predict_with_one_scale,
    "point_fit": _predict_by_point_fit,
}
"""What is scored, by name."""
