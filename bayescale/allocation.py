"""How to spend a compute budget: N_opt, D_opt, tokens per parameter and loss, draw by draw.

Never from posterior means: N_opt raises 1e23 or so to a fitted power, and the third decimal of an
exponent shows. Where the law has a closed form and compute is 6 N D, that is used; otherwise the
loss is minimised along the budget by a bracketed search in log N, all draws and budgets at once.
"""

from collections.abc import Mapping
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from bayescale.calling import call
from bayescale.draws import by_group, coefficients_of
from bayescale.errors import DataError, LawError
from bayescale.extrapolation import decades_past, sizes
from bayescale.flops import SIX_ND, Cost
from bayescale.law import Law

if TYPE_CHECKING:
    from bayescale.fitting import Fit

SMALLEST = 1.0
"""The search looks from one parameter up to where one token is left."""

EDGE = 1e-3  # in log params: what is found nearer to an end than this is no minimum


def optimum(
    fit: "Fit", flops: Any, *, cost: Cost = SIX_ND, extrapolate: bool = True, **given: float
) -> xr.Dataset:
    """Best split of each compute budget between parameters and tokens, one answer a draw.

    Parameters
    ----------
    fit : Fit
        A fitted law of params and tokens, or of the optimum itself.
    flops : float or sequence of float
        Compute budgets, in floating-point operations as `cost` counts them.
    cost : Cost
        What a model costs; 6 N D by default (`bayescale.flops`).
    extrapolate : bool
        Move what lies beyond the runs by as much as laws are wrong there
        (`bayescale.extrapolation`). False for what the law alone says.
    **given : float
        The law's other inputs, at which the optimum is asked for, such as ``unique_tokens=25e9``.

    Returns
    -------
    Dataset
        ``N_opt`` (parameters), ``D_opt`` (tokens), ``tokens_per_param`` and ``L_opt`` (the law's
        response there), and what else the law says of an optimum, each (chain, draw, budget), with
        the budgets in FLOP as coordinate ``budget`` and ``decades_beyond_runs`` (budget) beside it.

    Raises
    ------
    LawError
        If the law is not one of params and tokens, or has no optimum on a budget.
    DataError
        If a budget or another input is missing or not a positive number.
    """
    law = fit.law
    budgets = checked_budgets(law, flops, given)
    budget = xr.DataArray(budgets, dims="budget", coords={"budget": budgets})
    coefficients = coefficients_of(law, fit.posterior)
    past = decades_past(budgets, sizes(law, fit.runs, cost))
    beyond = xr.DataArray(past, dims="budget", coords={"budget": budgets})
    alone = optimal_params(law, coefficients, budget, cost, given)
    loss = response_at(law, coefficients, alone, budget, cost, given)
    drift = fit.extrapolation * beyond * extrapolate
    params = alone * np.exp(drift["split_drift"])
    tokens = cost.tokens(params, budget)
    found = {
        "N_opt": params,
        "D_opt": tokens,
        "tokens_per_param": tokens / params,
        "L_opt": law.scale_of(law.response).moved(loss, drift["drift"]),
    }
    there = {**coefficients, "params": params, "tokens": tokens, "flops": budget, **given}
    found |= {name: call(function, there) for name, function in law.at_optimum.items()}
    first = [dim for dim in ("chain", "draw") if dim in params.dims]
    answer = xr.Dataset(found).transpose(*first, ..., "budget")
    return answer.assign_coords(decades_beyond_runs=beyond).assign_attrs(
        law=law.name, cost=cost.name, **given
    )


def optimum_of_groups(fit: "Fit", *, cost: Cost = SIX_ND) -> xr.Dataset:
    """The optimum of each group of a law that groups its runs by compute, at its own compute.

    Parameters
    ----------
    fit : Fit
        Of a law that brings groups, such as the budgets of an IsoFLOP sweep.
    cost : Cost
        What a model costs.

    Returns
    -------
    Dataset
        As `optimum`, with the groups' dim in place of ``budget`` and coordinate ``flops``, the
        geometric mean of their runs'.

    Raises
    ------
    LawError
        If the groups are not the law's own, or it says nothing of params and tokens.
    """
    law, made = fit.law, fit.structure
    if not (made.own_groups and law.has_optimum):
        raise LawError(
            f"law {law.name!r} does not group runs by their compute; expected one that does, for "
            "example isoflop. Ask for fit.optimum(flops)."
        )
    middles = np.log(fit.runs["flops"]).groupby(fit.runs[made.by].map(str)).mean()
    labels = list(made.groups)
    flops = xr.DataArray(np.exp(middles.loc[labels]), dims=made.by, coords={made.by: labels})
    coefficients = coefficients_of(law, by_group(made, fit.posterior))
    params = optimal_params(law, coefficients, flops, cost)
    tokens = cost.tokens(params, flops)
    found = {
        "N_opt": params,
        "D_opt": tokens,
        "tokens_per_param": tokens / params,
        "L_opt": response_at(law, coefficients, params, flops, cost, {}),
    }
    return xr.Dataset(found).transpose("chain", "draw", ...).assign_coords(flops=flops)


def response_at(
    law: Law,
    coefficients: Mapping[str, Any],
    params: Any,
    budget: Any,
    cost: Cost,
    given: Mapping[str, float],
) -> Any:
    """What the law expects of models of that size, each trained for its whole budget."""
    inputs = {"params": params, "tokens": cost.tokens(params, budget), "flops": budget, **given}
    return call(law.formula, coefficients, **inputs)


def checked_budgets(law: Law, flops: Any, given: Mapping[str, Any] | None = None) -> np.ndarray:
    """Compute budgets as an array, if the law can have an optimum on them."""
    if not law.allocates:
        raise LawError(
            f"law {law.name!r} has inputs {law.inputs}; an optimum needs params and tokens. "
            "Fit a law of both, for example coupled or chinchilla."
        )
    _check_given(law, given or {})
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


def _check_given(law: Law, given: Mapping[str, Any]) -> None:
    """Raise DataError unless each of the law's further inputs has a number, and nothing else."""
    if set(given) != set(law.further):
        raise DataError(
            f"the optimum of law {law.name!r} was asked for at a budget and "
            f"{dict(given) or 'nothing else'}; expected the budget and "
            f"{', '.join(law.further) or 'nothing else'}. {_how_to_ask(law)}"
        )
    for name, value in given.items():
        number = isinstance(value, Real) and np.isfinite(float(value))
        if not number or law.scale_of(name).outside(np.float64(float(value))):
            scale = law.scale_of(name)
            raise DataError(
                f"{name} is {value!r}; expected a finite {scale.name} number. Correct it."
            )


def _how_to_ask(law: Law) -> str:
    if not law.further:
        return "Leave the rest out."
    given = "".join(f", {name}=..." for name in law.further)
    options = " ".join(f"--at {name}=..." for name in law.further)
    return f"Write optimum(1e24{given}), and {options} on the shell."


def optimal_params(
    law: Law,
    coefficients: Mapping[str, Any],
    budget: xr.DataArray,
    cost: Cost,
    given: Mapping[str, float] | None = None,
) -> xr.DataArray:
    """Parameters that minimise the law's response on each budget, for each draw."""
    if law.optimal_params is not None and (cost is SIX_ND or "tokens" not in law.inputs):
        values = {**coefficients, **(given or {})}
        params: xr.DataArray = call(law.optimal_params, values, product=budget / 6.0)
        return params
    return searched_params(law, coefficients, budget, cost, given)


def searched_params(
    law: Law,
    coefficients: Mapping[str, Any],
    budget: xr.DataArray,
    cost: Cost,
    given: Mapping[str, float] | None = None,
) -> xr.DataArray:
    """Minimise the law's response along each budget, without a closed form."""
    from scipy.optimize import elementwise

    # A coefficient with parts goes through the search part by part.
    parts = {
        name: value if isinstance(value, tuple) else (value,)
        for name, value in coefficients.items()
    }
    *values, budgets = xr.broadcast(*(x for each in parts.values() for x in each), budget)
    arrays = [np.asarray(array, dtype="float64") for array in (*values, budgets)]

    def response(log_params: np.ndarray, *numbers: np.ndarray) -> np.ndarray:
        rest, params = iter(numbers), np.exp(log_params)
        named = {
            name: tuple(next(rest) for _ in parts[name]) if name in law.parts else next(rest)
            for name in parts
        }
        return np.asarray(response_at(law, named, params, numbers[-1], cost, given or {}))

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
    best: xr.DataArray = budgets.copy(data=np.exp(found.x))
    return best


def _largest(cost: Cost, budgets: np.ndarray) -> np.ndarray:
    """Logarithm of the parameters at which a budget still pays for one token."""
    from scipy.optimize import elementwise

    def over(log_params: np.ndarray, budget: np.ndarray) -> np.ndarray:
        return np.asarray(cost.flops(np.exp(log_params), 1.0) / budget - 1.0)

    top = np.log(budgets)
    return np.asarray(
        elementwise.find_root(over, (np.full_like(top, -50.0), top), args=(budgets,)).x
    )
