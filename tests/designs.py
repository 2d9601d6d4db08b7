"""Tables of runs that any law can be tried on."""

import numpy as np
import pandas as pd

from bayescale.flops import Array
from bayescale.law import Law, Units, call

RANGES = {"params": (5e7, 1e10), "tokens": (1e9, 1e12), "flops": (1e17, 1e22), "x": (1e1, 1e5)}
RESPONSE = 3.0


def design(law: Law, each: int = 8) -> pd.DataFrame:
    """Every combination of `each` values of each input, over a range it is used on."""
    axes = [np.geomspace(*law.domain.get(name, RANGES[name]), each) for name in law.inputs]
    grids = np.meshgrid(*axes)
    return pd.DataFrame({name: g.ravel() for name, g in zip(law.inputs, grids, strict=True)})


def middle(law: Law) -> dict[str, Array]:
    """A plain value of each free parameter: the mean of a simplex, the median of the rest."""
    return {
        name: tuple(np.full(len(prior.parts), 1 / len(prior.parts)))
        if prior.parts
        else np.exp(prior.parameters["mu"])
        for name, prior in law.priors.items()
    }


def coefficients(law: Law, runs: pd.DataFrame, free: dict[str, Array]) -> dict[str, Array]:
    """Coefficients of free parameters on a design, the response's pivot being `RESPONSE`."""
    pivot = {name: np.exp(np.log(runs[name]).mean()) for name in law.inputs}
    spread = {name: np.log(runs[name]).std() for name in law.inputs}
    units = Units(pivot | {law.response: RESPONSE}, spread)
    found: dict[str, Array] = call(law.coefficients, free, units=units)
    return found


def simulated(law: Law, *, noise: float, seed: int, each: int = 8) -> pd.DataFrame:
    """Runs of the law at the middle of its priors, with lognormal noise."""
    runs = design(law, each)
    truth = coefficients(law, runs, middle(law))
    expected = law.formula(*(runs[name].to_numpy() for name in law.inputs), **truth)
    scatter = np.exp(noise * np.random.default_rng(seed).standard_normal(len(runs)))
    return runs.assign(**{law.response: expected * scatter})
