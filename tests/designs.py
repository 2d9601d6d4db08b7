"""Tables of runs for any law."""

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.inference.structure import Structure, build_structure
from bayescale.inference.units import units_of
from bayescale.models import LAWS
from bayescale.posterior.draws import Draws, add_prefix
from bayescale.priors import Prior
from bayescale.spec.functions import call
from bayescale.spec.law import Law
from bayescale.spec.likelihood import Likelihood
from bayescale.validation.simulators import as_modelled, with_stage

FORMS = LAWS | {
    f"{name}, field": law.learned for name, law in LAWS.items() if law.learned is not None
}
"""Every registered law, and those with what public studies teach."""
RANGES = {"params": (5e7, 1e10), "tokens": (1e9, 1e12), "flops": (1e17, 1e22), "x": (1e1, 1e5)}
RESPONSES = {"positive": 3.0, "proportion": 0.5, "amount": 1.0, "number": 1.0}


def response_of(law: Law) -> float:
    """A plain value of the response."""
    return RESPONSES[law.kind_of(law.response).name]


def design(law: Law, each: int = 8) -> pd.DataFrame:
    """Every combination of `each` values of each input, over a range it is used on.

    An input that is the response of the law's stage has the values that the stage expects.
    """
    if law.stage is not None:
        table = design(law.stage, each)
        truth = coefficients(law.stage, table, middle(law.stage))
        expected = law.stage.formula(*(table[name] for name in law.stage.inputs), **truth)
        return table.assign(**{law.stage.response: expected})
    axes = []
    for name in law.inputs:
        space = np.geomspace if law.kind_of(name).logged else np.linspace
        axes.append(space(*(law.domain.get(name) or RANGES[name]), each))
    grids = np.meshgrid(*axes)
    table = pd.DataFrame({name: g.ravel() for name, g in zip(law.inputs, grids, strict=True)})
    for name, function in law.computed_columns.items():
        if name not in (*table, law.response):
            table[name] = function(table)
    return table


def given(law: Law) -> dict[str, float]:
    """Extra inputs of an optimum: the largest of the law's domain."""
    return {name: law.domain[name][1] for name in law.extra_inputs}


def with_columns(likelihood: Likelihood, runs: pd.DataFrame, value: float = 100.0) -> pd.DataFrame:
    """Runs with the columns of a likelihood: one value in each, and four curves of rows."""
    runs = runs.assign(**{name: value for name in likelihood.columns if name not in runs})
    series = likelihood.series
    if series is None or series.by in runs:
        return runs
    curve = np.arange(len(runs)) // max(len(runs) // 4, 1)
    along = pd.Series(curve).groupby(curve).cumcount() + 1.0
    return runs.assign(**{series.by: curve.astype(str), series.order: along.to_numpy()})


def middle(law: Law) -> dict[str, Any]:
    """A plain value of each free parameter of a law."""
    return {name: value_of(prior) for name, prior in law.priors.items()}


def value_of(prior: Prior) -> Any:
    """The equal shares of a simplex; the median of the rest, a tuple if there are parts."""
    if prior.distribution.transform.joint:
        return tuple(np.full(len(prior.parts), 1 / len(prior.parts)))
    median = prior.distribution.frozen(**prior.numbers).median()
    return tuple(np.broadcast_to(median, len(prior.parts))) if prior.parts else float(median)


def coefficients(law: Law, runs: pd.DataFrame, free: dict[str, Any]) -> dict[str, Any]:
    """Coefficients of free parameters on a design, the response's pivot being a plain value."""
    units = units_of(law, runs.assign(**{law.response: response_of(law)}))
    staged = {} if law.stage is None else coefficients(law.stage, runs, middle(law.stage))
    values: dict[str, Any] = call(law.coefficients, {**staged, **free}, units=units)
    return values


def simulated(law: Law, *, noise: float, seed: int, each: int = 8) -> pd.DataFrame:
    """Runs of the law at the middle of its priors, with noise on the scale of its response."""
    runs = design(law, each)
    truth = coefficients(law, runs, middle(law))
    expected = law.formula(*(runs[name].to_numpy() for name in law.inputs), **truth)
    scatter = noise * np.random.default_rng(seed).standard_normal(len(runs))
    return runs.assign(**{law.response: law.kind_of(law.response).shifted(expected, scatter)})


def modelled(
    law: Law, likelihood: Likelihood, runs: pd.DataFrame, seed: int
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Runs of the model at the design of others, at the middle of its priors; and coefficients."""
    plain = runs.assign(**{law.response: response_of(law)})
    structure = build_structure(
        law, plain, likelihood, pool="shared" if law.groups.by else None, clusters=None
    )
    truth, rng = truth_of(structure), np.random.default_rng(seed)
    staged = with_stage(Draws(structure, truth, plain), rng)
    response = as_modelled(Draws(structure, truth, staged), rng)
    return staged.assign(**{law.response: response}), coefficients(law, runs, middle(law))


def truth_of(structure: Structure) -> xr.Dataset:
    """Plain values of all parameters, those of a stage too, as one draw."""
    free = {
        name: (("chain", "draw", *((f"{name}_part",) if prior.parts else ())), [[value_of(prior)]])
        for name, prior in structure.priors
    }
    own = xr.Dataset(free)
    if structure.stage is None:
        return own
    return own.merge(add_prefix(structure.stage, truth_of(structure.stage)))
