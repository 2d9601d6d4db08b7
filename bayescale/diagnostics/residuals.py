"""Standardised residuals: outliers, and autocorrelation from one run to the next."""

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.errors import LawError
from bayescale.fitting.record import Fit
from bayescale.inference.structure import observed_values
from bayescale.posterior.draws import SAMPLE_DIMS
from bayescale.posterior.expectation import scatter_parameters
from bayescale.posterior.jackknife import RUN

CHANCE = 0.01
"""Probability that a table without outliers, or with independent errors, exceeds a threshold."""


def standardised_residuals(fit: Fit, *, heavy_tails: bool = False) -> xr.DataArray:
    """Distance of each run from the law in scales of its scatter, mean over draws.

    Parameters
    ----------
    fit : Fit
        A fitted law.
    heavy_tails : bool
        Also allow Student-t scatter, whose scale does not tell which runs are outliers.

    Returns
    -------
    (run,) DataArray
        Positive for a run above the law.

    Raises
    ------
    LawError
        If the scatter is not Normal, or Student-t with `heavy_tails`.

    Examples
    --------
    >>> standardised_residuals(fitted).max()  # doctest: +SKIP
    """
    if not has_scale(fit, heavy_tails):
        raise LawError(
            f"the likelihood is {fit.likelihood.name!r}; expected Normal scatter, since no other "
            "scale shows which runs are far off. Ask bayescale.influence instead."
        )
    parameters = scatter_parameters(fit.draws, fit.runs, RUN)
    observed = xr.DataArray(observed_values(fit.structure, fit.runs), dims=RUN)
    residual: xr.DataArray = (observed - parameters["mu"]) / parameters["sigma"]
    return residual.mean(SAMPLE_DIMS)


def has_scale(fit: Fit, heavy_tails: bool = False) -> bool:
    """Whether runs scatter normally, or as Student-t where that is allowed."""
    allowed = ("Normal", "StudentT") if heavy_tails else ("Normal",)
    return fit.likelihood.family.distribution in allowed


def outliers(fit: Fit) -> pd.Series:
    """Standardised residuals of the runs that lie too far from the law.

    Parameters
    ----------
    fit : Fit
        A fitted law.

    Returns
    -------
    Series
        By row, counted from 1. Empty if there is no outlier, or if the scatter is not Normal. Of
        tables without outliers, at most one in a hundred has one by this rule.
    """
    if not has_scale(fit):
        return pd.Series(dtype="float64")
    residual = standardised_residuals(fit).to_series()
    residual.index = pd.Index(np.arange(1, len(residual) + 1), name="row")
    return residual[residual.abs() > outlier_threshold(len(residual))]


def outlier_threshold(runs: int) -> float:
    """Standardised residual that the furthest of so many Normal runs exceeds with `CHANCE`."""
    from scipy import stats

    return float(stats.norm.isf(CHANCE / 2 / runs))


def residual_autocorrelation(fit: Fit) -> tuple[float, float]:
    """Rank correlation of the residuals of neighbouring runs, along the only input of the law.

    Of ranks, so that a single run cannot cause it. Residuals of a fit are less correlated than the
    errors, so that of tables with independent errors fewer than `CHANCE` exceed the threshold.

    Parameters
    ----------
    fit : Fit
        A fitted law.

    Returns
    -------
    correlation, threshold : float
        Both 0 where the runs have no unique order, the scatter has no scale, or the model has
        correlated errors already: groups or a series.
    """
    from scipy import stats

    modelled = fit.structure.by is not None or fit.likelihood.series is not None
    if modelled or not has_scale(fit, heavy_tails=True) or len(fit.law.inputs) > 1:
        return 0.0, 0.0
    order = np.argsort(fit.runs[fit.law.inputs[0]].to_numpy(), kind="stable")
    residual = standardised_residuals(fit, heavy_tails=True).to_numpy()
    ranks = pd.Series(residual[order]).rank()
    return float(ranks.autocorr()), float(stats.norm.isf(CHANCE) / np.sqrt(len(ranks)))
