"""How to spend a compute budget: N_opt, D_opt, tokens per parameter and loss, draw by draw.

Never from posterior means: N_opt raises 1e23 or so to a fitted power, and the third decimal of an
exponent shows. Where the law has a closed form and compute is 6 N D, that is used; otherwise the
loss is minimised along the budget by a bracketed search in log N, all draws and budgets at once.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from bayescale.errors import DataError, LawError
from bayescale.extrapolation import decades_past, sizes
from bayescale.flops import SIX_ND, Cost
from bayescale.law import Law, call

if TYPE_CHECKING:
    from bayescale.fitting import Fit

SMALLEST = 1.0
"""The search looks from one parameter up to where one token is left."""

EDGE = 1e-3  # in log params: what is found nearer to an end than this is no minimum


def optimum(fit: "Fit", flops: Any, *, cost: Cost = SIX_ND, extrapolate: bool = True) -> xr.Dataset:
    """Best split of each compute budget between parameters and tokens, one answer a draw.

    Parameters
    ----------
    fit : Fit
        A fitted law of params and tokens.
    flops : float or sequence of float
        Compute budgets, in floating-point operations as `cost` counts them.
    cost : Cost
        What a model costs; 6 N D by default (`bayescale.flops`).
    extrapolate : bool
        Move what lies beyond the runs by as much as laws are wrong there
        (`bayescale.extrapolation`). False for what the law alone says.

    Returns
    -------
    Dataset
        ``N_opt`` (parameters), ``D_opt`` (tokens), ``tokens_per_param`` and ``L_opt`` (the law's
        response there), each (chain, draw, budget), with the budgets in FLOP as coordinate
        ``budget`` and ``decades_beyond_runs`` (budget) beside it.

    Raises
    ------
    LawError
        If the law is not one of params and tokens, or has no optimum on a budget.
    DataError
        If a budget is not a positive number.
    """
    law = fit.law
    budgets = checked_budgets(law, flops)
    budget = xr.DataArray(budgets, dims="budget", coords={"budget": budgets})
    coefficients = {name: fit.posterior[name] for name in law.coefficient_names}
    past = decades_past(budgets, sizes(law, fit.runs, cost))
    beyond = xr.DataArray(past, dims="budget", coords={"budget": budgets})
    alone = optimal_params(law, coefficients, budget, cost)
    loss = law.formula(params=alone, tokens=cost.tokens(alone, budget), **coefficients)
    drift = fit.extrapolation * beyond * extrapolate
    params = alone * np.exp(drift["split_drift"])
    tokens = cost.tokens(params, budget)
    found = {
        "N_opt": params,
        "D_opt": tokens,
        "tokens_per_param": tokens / params,
        "L_opt": loss * np.exp(drift["drift"]),
    }
    first = [dim for dim in ("chain", "draw") if dim in params.dims]
    answer = xr.Dataset(found).transpose(*first, ..., "budget")
    return answer.assign_coords(decades_beyond_runs=beyond).assign_attrs(
        law=law.name, cost=cost.name
    )


def checked_budgets(law: Law, flops: Any) -> np.ndarray:
    """Compute budgets as an array, if the law can have an optimum on them."""
    if not {"params", "tokens"} <= set(law.inputs):
        raise LawError(
            f"law {law.name!r} has inputs {law.inputs}; an optimum needs params and tokens. "
            "Fit a law of both, for example coupled or chinchilla."
        )
    try:
        budgets = np.atleast_1d(np.asarray(flops, dtype="float64")).ravel()
    except (TypeError, ValueError):
        budgets = np.array([np.nan])
    if not (budgets.size and np.all(np.isfinite(budgets)) and np.all(budgets > 0)):
        raise DataError(
            f"the compute budget is {flops!r}; expected positive numbers of FLOP. "
            "Write 1e24 for 10^24 FLOP; a PF-day is 8.64e19."
        )
    return budgets


def optimal_params(
    law: Law, coefficients: dict[str, xr.DataArray], budget: xr.DataArray, cost: Cost
) -> xr.DataArray:
    """Parameters that minimise the law's response on each budget, for each draw."""
    if law.optimal_params is not None and cost is SIX_ND:
        params: xr.DataArray = call(law.optimal_params, coefficients, product=budget / 6.0)
        return params
    return searched_params(law, coefficients, budget, cost)


def searched_params(
    law: Law, coefficients: dict[str, xr.DataArray], budget: xr.DataArray, cost: Cost
) -> xr.DataArray:
    """Minimise the law's response along each budget, without a closed form."""
    from scipy.optimize import elementwise

    names = tuple(coefficients)
    *values, budgets = xr.broadcast(*coefficients.values(), budget)
    arrays = [np.asarray(array, dtype="float64") for array in (*values, budgets)]

    def response(log_params: np.ndarray, *given: np.ndarray) -> np.ndarray:
        params = np.exp(log_params)
        tokens = cost.tokens(params, given[-1])
        named = dict(zip(names, given[:-1], strict=True))
        return np.asarray(law.formula(params=params, tokens=tokens, **named))

    low, high = np.log(SMALLEST), _largest(cost, budgets.to_numpy())
    middle = np.clip(0.5 * np.log(budgets.to_numpy() / 120.0), low + 0.1, high - 0.1)
    bracket = elementwise.bracket_minimum(
        response,
        middle,
        xl0=middle - 0.05,
        xr0=middle + 0.05,
        xmin=low,
        xmax=high,
        args=tuple(arrays),
    )
    found = elementwise.find_minimum(response, bracket.bracket, args=tuple(arrays))
    # A response that falls all the way has its bracket shrink onto an end.
    ends = (found.x < low + EDGE) | (found.x > high - EDGE)
    inside = bracket.success & found.success & ~ends
    if not np.all(inside):
        raise LawError(
            f"law {law.name!r} has no optimum on the budget for {1 - np.mean(inside):.1%} of the "
            "draws; expected the loss to turn between one parameter and one token. Try a budget "
            "nearer the runs."
        )
    return budgets.copy(data=np.exp(found.x))


def _largest(cost: Cost, budgets: np.ndarray) -> np.ndarray:
    """Logarithm of the parameters at which a budget still pays for one token."""
    from scipy.optimize import elementwise

    def over(log_params: np.ndarray, budget: np.ndarray) -> np.ndarray:
        return np.asarray(cost.flops(np.exp(log_params), 1.0) / budget - 1.0)

    top = np.log(budgets)
    return np.asarray(
        elementwise.find_root(over, (np.full_like(top, -50.0), top), args=(budgets,)).x
    )
