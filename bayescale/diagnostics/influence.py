"""Which runs or clusters an answer depends on, without refitting.

To first order, the mean of a quantity changes by minus its posterior covariance with the log
likelihood of a case when that case is left out. The infinitesimal jackknife adds up the squares of
these changes, so they also show for which cases a posterior was widened.

References
----------
Giordano and Broderick (2023), arXiv:2305.06466.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.errors import DataError, LawError
from bayescale.fitting.record import Fit
from bayescale.fitting.refits import reported_quantities
from bayescale.posterior.draws import SAMPLE_DIMS
from bayescale.posterior.jackknife import RUN, influence_covariances
from bayescale.posterior.optimum import largest_budget
from bayescale.posterior.quantities import is_scalar

TOP = 10
"""Runs that a table of influential runs has by default."""


BY_SD, BY_PERCENT = "change_sd", "change_percent"
"""Columns of a table of influential runs."""


def influence(fit: Fit, of: xr.Dataset | None = None, *, of_each: str = RUN) -> xr.Dataset:
    """By how many standard deviations a posterior mean would change without each run or cluster.

    Those of the model as it stands. The squares of all changes add up to the square of the factor
    by which resampling would widen an interval.

    Parameters
    ----------
    fit : Fit
        A fitted law.
    of : Dataset, optional
        Anything computed from ``fit.as_modelled`` draw by draw, such as the logarithm of an
        optimum. By default the law's coefficients and derived quantities, on the logarithm where
        they are positive.
    of_each : {"run", "cluster"}
        What is left out, one at a time. Runs in no cluster count as clusters.

    Returns
    -------
    Dataset
        Each quantity with dim ``run`` (rows of the table from 0) or ``cluster`` in place of
        ``chain, draw``, in standard deviations of the model as it stands. Multiply by those for the
        unit of the quantity.

    Raises
    ------
    LawError
        If `of_each` is neither.
    DataError
        If the runs are in no clusters.

    See Also
    --------
    influential_runs : the runs that change the answer most, as a table.
    bayescale.plots.plot_influence : the picture.

    References
    ----------
    Giordano and Broderick (2023), arXiv:2305.06466.

    Examples
    --------
    >>> influence(fitted, of_each="cluster")["alpha"]  # doctest: +SKIP
    """
    quantities = reported_quantities(fit.as_modelled.draws) if of is None else of
    cases = fit.case_log_likelihood(of_each)
    change = {
        name: -influence_covariances(values, cases) / values.std(SAMPLE_DIMS, ddof=1)
        for name, values in quantities.items()
    }
    return xr.Dataset(change)


def influential_runs(
    fit: Fit, flops: float | None = None, *, top: int | None = TOP
) -> pd.DataFrame:
    """Runs that change the answer most when they are left out, the most influential first.

    Parameters
    ----------
    fit : Fit
        A fitted law.
    flops : float, optional
        Compute budget in FLOP at which N_opt is the answer, without drift; that of the largest run
        by default. The answer of a law without an optimum is its first derived quantity, or else
        its first coefficient (`headline_quantity`).
    top : int, optional
        How many runs; None for all.

    Returns
    -------
    DataFrame
        Index ``row``, counted from 1. Columns are the law's inputs and response, ``cluster`` where
        runs are clustered, ``change_sd`` (of the posterior mean, on the logarithm where the answer
        is positive, in sd of the model as it stands) and ``change_percent`` (of the answer).
        ``attrs["answer"]`` names the answer. Changes are of first order, as in `influence`.

    Raises
    ------
    DataError
        If every quantity of the law has one number for each group.

    Examples
    --------
    >>> influential_runs(fitted, 1e22)  # doctest: +SKIP
    """
    answer = headline_quantity(fit.as_modelled, flops)
    change = influence(fit, answer.draws.to_dataset(name="answer"))["answer"].to_numpy()
    shift = change * float(answer.draws.std(SAMPLE_DIMS, ddof=1))
    relative = np.expm1(shift) if answer.logged else shift / abs(float(answer.draws.mean()))
    table = fit.runs[[*fit.law.inputs, fit.law.response]].copy()
    if fit.structure.clusters is not None:
        table["cluster"] = fit.structure.clusters.names(fit.runs)
    table.index = pd.RangeIndex(1, len(table) + 1, name="row")
    table = table.assign(**{BY_SD: change, BY_PERCENT: 100 * relative})
    table = table.iloc[np.argsort(-np.abs(change), kind="stable")[:top]]
    table.attrs = {"answer": answer.name}
    return table


@dataclass(frozen=True, eq=False)
class Headline:
    """The one number that a fit is used for.

    Parameters
    ----------
    name : str
        What it is.
    draws : (chain, draw) DataArray
        Its draws, or their logarithms.
    logged : bool
        Whether the draws are logarithms.
    budget : float, optional
        Compute budget in FLOP, of an optimum.
    """

    name: str
    draws: xr.DataArray
    logged: bool
    budget: float | None = None


def headline_quantity(fit: Fit, flops: float | None = None) -> Headline:
    """Logarithm of N_opt at a budget, or else the first quantity of the law that is one number.

    Parameters
    ----------
    fit : Fit
        A fitted law.
    flops : float, optional
        Compute budget in FLOP; that of the largest run by default.

    Returns
    -------
    Headline
        Without drift. Without an optimum, the first derived quantity or else the first coefficient.

    Raises
    ------
    DataError
        If every quantity of the law has one number for each group.
    """
    law, by = fit.law, fit.structure.by
    if law.has_optimum and by in (None, law.groups.by):
        budget = flops or largest_budget(fit.draws)
        try:
            params = fit.optimum(budget, drift=False)["N_opt"].isel(budget=0, drop=True)
        except LawError:  # the law has no optimum on this budget
            pass
        else:
            return Headline(f"N_opt at {budget:.3g} FLOP", xr.ufuncs.log(params), True, budget)
    for name in (*law.derived, *law.coefficient_names):
        if is_scalar(fit.posterior[name]):
            positive = bool((fit.posterior[name] > 0).all())
            return Headline(name, reported_quantities(fit.draws)[name], positive)
    raise DataError(
        f"every quantity of law {law.name!r} has one number for each {by}; expected one for all "
        "runs. Fit a single group, or ask bayescale.influence."
    )
