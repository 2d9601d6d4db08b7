"""Tables of runs that any law can be tried on."""

from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import xarray as xr

from bayescale.calling import call
from bayescale.draws import above_of
from bayescale.law import Law
from bayescale.likelihood import LikelihoodFactory
from bayescale.model import QUICK
from bayescale.priors import Prior
from bayescale.simulators import as_modelled, with_stage
from bayescale.structure import Structure, structure, units_of

RANGES = {"params": (5e7, 1e10), "tokens": (1e9, 1e12), "flops": (1e17, 1e22), "x": (1e1, 1e5)}
RESPONSES = {"positive": 3.0, "share": 0.5, "amount": 1.0, "number": 1.0}


def response_of(law: Law) -> float:
    """A plain value of the response."""
    return RESPONSES[law.scale_of(law.response).name]


def design(law: Law, each: int = 8) -> pd.DataFrame:
    """Every combination of `each` values of each input, over a range it is used on.

    An input that the law has a stage for is what that expects.
    """
    if law.stage is not None:
        there = design(law.stage, each)
        truth = coefficients(law.stage, there, middle(law.stage))
        expected = law.stage.formula(*(there[name] for name in law.stage.inputs), **truth)
        return there.assign(**{law.stage.response: expected})
    axes = [_axis(law, name, each) for name in law.inputs]
    grids = np.meshgrid(*axes)
    table = pd.DataFrame({name: g.ravel() for name, g in zip(law.inputs, grids, strict=True)})
    for name, follows in law.columns.items():
        if name not in (*table, law.response):
            table[name] = follows(table)
    return table


def given(law: Law) -> dict[str, float]:
    """Further inputs that an optimum is asked for at: as large as the law knows them."""
    return {name: law.domain[name][1] for name in law.further}


def _axis(law: Law, name: str, each: int) -> np.ndarray:
    ends = law.domain.get(name) or RANGES[name]
    space = np.geomspace if law.scale_of(name).logged else np.linspace
    return np.asarray(space(*ends, each))


def middle(law: Law) -> dict[str, Any]:
    """A plain value of each free parameter of a law."""
    return {name: value_of(prior) for name, prior in law.priors.items()}


def value_of(prior: Prior) -> Any:
    """The equal shares of a simplex; the median of the rest, a tuple if there are parts."""
    if prior.distribution is pm.Dirichlet:
        return tuple(np.full(len(prior.parts), 1 / len(prior.parts)))
    if prior.distribution is pm.LogNormal and not prior.parts:
        return np.exp(prior.parameters["mu"])
    shape = (4001, *([len(prior.parts)] if prior.parts else []))
    drawn = prior.distribution.dist(
        **{k: np.array(v) for k, v in prior.parameters.items()}, shape=shape
    )
    median = np.median(pm.draw(drawn, random_seed=1, **QUICK), axis=0)
    return tuple(median) if prior.parts else float(median)


def coefficients(law: Law, runs: pd.DataFrame, free: dict[str, Any]) -> dict[str, Any]:
    """Coefficients of free parameters on a design, the response's pivot being a plain value."""
    units = units_of(law, runs.assign(**{law.response: response_of(law)}))
    below = {} if law.stage is None else coefficients(law.stage, runs, middle(law.stage))
    found: dict[str, Any] = call(law.coefficients, {**below, **free}, units=units)
    return found


def simulated(law: Law, *, noise: float, seed: int, each: int = 8) -> pd.DataFrame:
    """Runs of the law at the middle of its priors, with noise on the scale of its response."""
    runs = design(law, each)
    truth = coefficients(law, runs, middle(law))
    expected = law.formula(*(runs[name].to_numpy() for name in law.inputs), **truth)
    scatter = noise * np.random.default_rng(seed).standard_normal(len(runs))
    return runs.assign(**{law.response: law.scale_of(law.response).moved(expected, scatter)})


def modelled(
    law: Law, likelihood: LikelihoodFactory, runs: pd.DataFrame, seed: int
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Runs at the places of others as the model says at the middle of its priors; coefficients."""
    placed = runs.assign(**{law.response: response_of(law)})
    made: Structure = structure(
        law, likelihood(law.inputs), placed, pool="shared" if law.by else None
    )
    truth, rng = _truth(made), np.random.default_rng(seed)
    there = with_stage(made, truth, placed, rng)
    response = as_modelled(made, truth, there, rng)
    return there.assign(**{law.response: response}), coefficients(law, runs, middle(law))


def _truth(made: Structure) -> xr.Dataset:
    """Plain values of all parameters, those of a stage too, as one draw."""
    free = {
        name: (("chain", "draw", *((f"{name}_part",) if prior.parts else ())), [[value_of(prior)]])
        for name, prior in made.priors
    }
    below = xr.Dataset() if made.stage is None else above_of(made.stage, _truth(made.stage))
    return xr.Dataset(free).merge(below)
