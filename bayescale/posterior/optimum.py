"""How to spend a compute budget: N_opt, D_opt, tokens per parameter and loss, draw by draw.

Never from posterior means: N_opt raises 1e23 or so to a fitted power, so that the third decimal of
an exponent matters. Where the law has a closed form and compute is 6 N D, that is used. Otherwise
a bracketed search in log N minimises the loss along the budget, all draws and budgets at once.
"""

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
import xarray as xr

from bayescale.errors import DataError, LawError
from bayescale.posterior.draws import Draws, split_parts
from bayescale.posterior.drift import decades_past, run_sizes
from bayescale.posterior.expectation import group_coefficients
from bayescale.spec.compute import SIX_ND, Cost
from bayescale.spec.functions import call
from bayescale.spec.law import Law

EDGE = 1e-3
"""A minimum of the search that is nearer than this to an end, in log params, is none."""


def optimum(
    draws: Draws,
    flops: Any,
    *,
    drift: xr.Dataset | None,
    at: Mapping[str, float] | None = None,
    cost: Cost = SIX_ND,
) -> xr.Dataset:
    """Best split of each compute budget between parameters and tokens, one for each draw.

    Parameters
    ----------
    draws : Draws
        Of a fitted law of params and tokens, or of the optimum itself.
    flops : float or sequence of float
        Compute budgets, in floating-point operations as `cost` counts them.
    drift : Dataset or None
        How wrong the law is beyond its runs, from `bayescale.posterior.drift.draw_drift`. None
        for the law alone.
    at : mapping of str to float, optional
        The law's extra inputs, such as ``{"unique_tokens": 25e9}``.
    cost : Cost
        What a model costs; 6 N D by default.

    Returns
    -------
    Dataset
        ``N_opt`` (parameters), ``D_opt`` (tokens), ``tokens_per_param``, ``L_opt`` (the law's
        response at the optimum), and the law's further quantities at an optimum, each (chain, draw,
        budget). Its coordinates are ``budget`` (FLOP) and ``decades_beyond_runs`` (budget).

    Raises
    ------
    LawError
        If the law is not one of params and tokens, or has no optimum on a budget.
    DataError
        If a budget or an extra input is missing or not a valid number.
    """
    law, inputs = draws.law, dict(at or {})
    budgets = check_budgets(law, flops, inputs)
    budget = xr.DataArray(budgets, dims="budget", coords={"budget": budgets})
    past = decades_past(budgets, run_sizes(law, draws.runs, cost))
    decades = xr.DataArray(past, dims="budget", coords={"budget": budgets})
    alone = optimal_params(law, draws.coefficients, budget, cost, inputs)
    loss = response_at(law, draws.coefficients, alone, budget, cost, inputs)
    moved, split = (0.0 * decades,) * 2
    if drift is not None:
        moved, split = drift["drift"] * decades, drift["split_drift"] * decades
    params = alone * np.exp(split)
    tokens = cost.tokens(params, budget)
    split_of_budget = {
        "N_opt": params,
        "D_opt": tokens,
        "tokens_per_param": tokens / params,
        "L_opt": law.kind_of(law.response).shifted(loss, moved),
    }
    values = {**draws.coefficients, "params": params, "tokens": tokens, "flops": budget, **inputs}
    also = {name: call(function, values) for name, function in law.optimum.also.items()}
    first = [dim for dim in ("chain", "draw") if dim in params.dims]
    answer = xr.Dataset(split_of_budget | also).transpose(*first, ..., "budget")
    return answer.assign_coords(decades_beyond_runs=decades).assign_attrs(
        law=law.name, cost=cost.name, **inputs
    )


def group_optimum(draws: Draws, *, cost: Cost = SIX_ND) -> xr.Dataset:
    """The optimum of each group of a law that groups its runs by compute, at its own compute.

    Parameters
    ----------
    draws : Draws
        Of a law with groups of its own, such as the budgets of an IsoFLOP sweep.
    cost : Cost
        What a model costs.

    Returns
    -------
    Dataset
        As `optimum`, with the groups' dim in place of ``budget`` and coordinate ``flops``, the
        geometric mean of their runs' compute.

    Raises
    ------
    LawError
        If the groups do not belong to the law, or it is not a law of params and tokens.
    """
    law, structure, runs = draws.law, draws.structure, draws.runs
    if not (structure.own_groups and law.has_optimum):
        raise LawError(
            f"law {law.name!r} does not group runs by their compute; expected one that does, for "
            "example isoflop. Use fit.optimum(flops)."
        )
    middles = np.log(runs["flops"]).groupby(runs[structure.by].map(str)).mean()
    labels = list(structure.groups)
    flops = xr.DataArray(
        np.exp(middles.loc[labels]), dims=structure.by, coords={structure.by: labels}
    )
    chosen = group_coefficients(draws)
    coefficients = {name: split_parts(chosen, name, law.parts) for name in law.coefficient_names}
    params = optimal_params(law, coefficients, flops, cost)
    tokens = cost.tokens(params, flops)
    optima = {
        "N_opt": params,
        "D_opt": tokens,
        "tokens_per_param": tokens / params,
        "L_opt": response_at(law, coefficients, params, flops, cost, {}),
    }
    return xr.Dataset(optima).transpose("chain", "draw", ...).assign_coords(flops=flops)


def response_at(
    law: Law,
    coefficients: Mapping[str, Any],
    params: Any,
    budget: Any,
    cost: Cost,
    given: Mapping[str, float],
) -> Any:
    """Expected response of models of that size, each trained for its whole budget.

    Parameters
    ----------
    law : Law
        The law.
    coefficients : mapping of str to array
        As its formula takes them.
    params, budget : array
        Sizes of the models, and their compute in FLOP.
    cost, given
        As for `optimum`, whose `at` is `given`.
    """
    inputs = {"params": params, "tokens": cost.tokens(params, budget), "flops": budget, **given}
    return call(law.formula, coefficients, **inputs)


def check_budgets(law: Law, flops: Any, given: Mapping[str, Any] | None = None) -> np.ndarray:
    """Compute budgets as an array, if the law can have an optimum on them.

    Parameters
    ----------
    law : Law
        The law.
    flops : float or sequence of float
        Compute budgets in FLOP.
    given : mapping of str to float, optional
        The law's extra inputs.

    Returns
    -------
    (budget,) array

    Raises
    ------
    LawError
        If the law is not one of params and tokens.
    DataError
        If a budget or an extra input is missing or not a valid number.
    """
    if not law.allocates:
        raise LawError(
            f"law {law.name!r} has inputs {law.inputs}; an optimum needs params and tokens. "
            "Fit a law of both, for example coupled or chinchilla."
        )
    extra, inputs = law.extra_inputs, dict(given or {})
    if set(inputs) != set(extra):
        values = ", ".join(f"{name!r}: ..." for name in extra)
        options = " ".join(f"--at {name}=..." for name in extra)
        way = f"Write optimum(1e24, at={{{values}}}), and {options} on the shell."
        raise DataError(
            f"the optimum of law {law.name!r} got a budget and {inputs or 'nothing else'}; "
            f"expected the budget and {', '.join(extra) or 'nothing else'}. "
            f"{way if extra else 'Leave the rest out.'}"
        )
    for name, value in inputs.items():
        kind = law.kind_of(name)
        number = isinstance(value, Real) and np.isfinite(float(value))
        if not number or kind.invalid(np.float64(float(value))):
            raise DataError(
                f"{name} is {value!r}; expected a finite {kind.name} number. Correct it."
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
    law: Law,
    coefficients: Mapping[str, Any],
    budget: xr.DataArray,
    cost: Cost,
    given: Mapping[str, float] | None = None,
) -> xr.DataArray:
    """Parameters that minimise the law's response on each budget, for each draw.

    Parameters
    ----------
    law : Law
        The law.
    coefficients : mapping of str to (..., draw) DataArray
        As its formula takes them.
    budget : (budget,) DataArray
        Compute in FLOP.
    cost, given
        As for `optimum`, whose `at` is `given`.

    Returns
    -------
    (..., draw, budget) DataArray

    Raises
    ------
    LawError
        If the response has no minimum on a budget.
    """
    if law.optimum.params is not None and (cost is SIX_ND or "tokens" not in law.inputs):
        values = {**coefficients, **(given or {})}
        params: xr.DataArray = call(law.optimum.params, values, product=budget / 6.0)
        return params
    return search_optimal_params(law, coefficients, budget, cost, given)


def search_optimal_params(
    law: Law,
    coefficients: Mapping[str, Any],
    budget: xr.DataArray,
    cost: Cost,
    given: Mapping[str, float] | None = None,
) -> xr.DataArray:
    """Minimise the law's response along each budget by a search, as for `optimal_params`."""
    from scipy.optimize import elementwise

    # A coefficient with parts goes through the search part by part.
    parts = {
        name: value if isinstance(value, tuple) else (value,)
        for name, value in coefficients.items()
    }
    *values, budgets = xr.broadcast(*(x for group in parts.values() for x in group), budget)
    arrays = tuple(np.asarray(array, dtype="float64") for array in (*values, budgets))

    def response(log_params: np.ndarray, *numbers: np.ndarray) -> np.ndarray:
        rest, params = iter(numbers), np.exp(log_params)
        named = {
            name: tuple(next(rest) for _ in parts[name]) if name in law.parts else next(rest)
            for name in parts
        }
        return np.asarray(response_at(law, named, params, numbers[-1], cost, given or {}))

    # From one parameter up to the size at which the budget pays for one token only.
    low, high = 0.0, _log_largest(cost, budgets.to_numpy())
    middle = np.clip(0.5 * np.log(budgets.to_numpy() / 120.0), low + 0.1, high - 0.1)
    bracket = elementwise.bracket_minimum(
        response, middle, xl0=middle - 0.05, xr0=middle + 0.05, xmin=low, xmax=high, args=arrays
    )
    minimum = elementwise.find_minimum(response, bracket.bracket, args=arrays)
    # Where the response falls all the way, the bracket shrinks onto an end.
    ends = (minimum.x < low + EDGE) | (minimum.x > high - EDGE)
    inside = bracket.success & minimum.success & ~ends
    if not np.all(inside):
        raise LawError(
            f"law {law.name!r} has no optimum on the budget for {1 - np.mean(inside):.1%} of the "
            "draws; expected the loss to turn between one parameter and one token. Try a budget "
            "nearer the runs."
        )
    best: xr.DataArray = budgets.copy(data=np.exp(minimum.x))
    return best


def _log_largest(cost: Cost, budgets: np.ndarray) -> np.ndarray:
    """Logarithm of the parameters at which a budget still pays for one token."""
    from scipy.optimize import elementwise

    def excess(log_params: np.ndarray, budget: np.ndarray) -> np.ndarray:
        return np.asarray(cost.flops(np.exp(log_params), 1.0) / budget - 1.0)

    top = np.log(budgets)
    return np.asarray(
        elementwise.find_root(excess, (np.full_like(top, -50.0), top), args=(budgets,)).x
    )


def largest_budget(draws: Draws) -> float:
    """Compute of the largest run, as 6 N D where the law has params and tokens."""
    return float(run_sizes(draws.law, draws.runs).max())
