"""Which runs drive the answer: by how much it would change without each, without refitting.

From the covariances behind the honesty ratio (`bayescale.influence`), with each run's place in the
table, so that a person can look it up.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.draws import SAMPLE_DIMS, is_number
from bayescale.errors import DataError, LawError
from bayescale.extrapolation import sizes
from bayescale.flops import SIX_ND
from bayescale.influence import RUN, influence, reported

if TYPE_CHECKING:
    from bayescale.fitting import Fit

TOP = 10
"""Runs that are shown when nothing is said."""
BY_SD, BY_PERCENT = "change_sd", "change_percent"


def drivers(fit: "Fit", flops: float | None = None, *, top: int | None = TOP) -> pd.DataFrame:
    """Runs that move the answer most when they are left out, the first the most.

    Parameters
    ----------
    fit : Fit
        A fitted law.
    flops : float, optional
        Compute budget at which N_opt is the answer, of the law alone; the largest run's by
        default. A law without an optimum is asked for its first derived quantity, or else its first
        coefficient.
    top : int, optional
        How many runs; None for all.

    Returns
    -------
    DataFrame
        Index ``row``, counted from 1. The law's inputs and response, ``cluster`` where runs err
        together, ``change_sd`` (of the posterior mean, on the logarithm where the answer is
        positive, in posterior sd) and ``change_percent`` (of the answer). ``attrs["answer"]`` says
        what it is. The change is of first order: `bayescale.influence.influence`.

    Raises
    ------
    DataError
        If every quantity of the law has one number a group.

    Examples
    --------
    >>> drivers(fitted, 1e22)  # doctest: +SKIP
    """
    asked = answer_of(fit, flops)
    draws = asked.draws
    change = influence(fit, draws.to_dataset(name="answer"), by=RUN)["answer"].to_numpy()
    moved = change * float(draws.std(SAMPLE_DIMS, ddof=1))
    share = np.expm1(moved) if asked.logged else moved / abs(float(draws.mean()))
    table = _places(fit).assign(**{BY_SD: change, BY_PERCENT: 100 * share})
    order = np.argsort(-np.abs(change), kind="stable")[:top]
    found = table.iloc[order]
    found.attrs = {"answer": asked.name}
    return found


def largest_budget(fit: "Fit") -> float:
    """Compute of the largest run, as 6 N D where the law has params and tokens."""
    return float(sizes(fit.law, fit.runs, SIX_ND).max())


@dataclass(frozen=True, eq=False)
class Asked:
    """What a fit is asked for: its name, draws, whether they are logarithms, and the budget."""

    name: str
    draws: xr.DataArray
    logged: bool
    budget: float | None = None


def answer_of(fit: "Fit", flops: float | None = None) -> Asked:
    """Logarithm of N_opt, or else the first quantity of the law, as `drivers` takes it."""
    if fit.law.has_optimum and fit.structure.by in (None, fit.law.by):
        budget = flops or largest_budget(fit)
        try:
            best = fit.optimum(budget, extrapolate=False)["N_opt"].isel(budget=0, drop=True)
        except LawError:  # the law has no optimum on this budget
            pass
        else:
            return Asked(f"N_opt at {budget:.3g} FLOP", xr.ufuncs.log(best), True, budget)
    name = _single(fit)
    return Asked(name, reported(fit)[name], bool((fit.posterior[name] > 0).all()))


def _single(fit: "Fit") -> str:
    """First derived quantity or coefficient that is one number."""
    for name in (*fit.law.derived, *fit.law.coefficient_names):
        if is_number(fit.posterior[name]):
            return name
    raise DataError(
        f"every quantity of law {fit.law.name!r} has one number for each {fit.structure.by}; "
        "expected one for all runs. Fit one group, or ask bayescale.influence.influence."
    )


def _places(fit: "Fit") -> pd.DataFrame:
    table = fit.runs[[*fit.law.inputs, fit.law.response]].copy()
    if fit.structure.clusters is not None:
        table["cluster"] = fit.structure.clusters.names(fit.runs)
    table.index = pd.RangeIndex(1, len(table) + 1, name="row")
    return table
