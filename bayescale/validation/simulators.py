"""Truths, and runs simulated from them at a design: as the model is, or as it should not be.

Every simulator takes one draw of the parameters with a structure and a design (`Draws`) and a
generator, and returns responses. `as_modelled` is what calibration tests with; the others violate
one assumption of the model each, and show which intervals still hold.
"""

from collections.abc import Callable
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.inference.structure import response_from_observed
from bayescale.posterior.draws import SAMPLE_DIMS, Draws, add_prefix
from bayescale.posterior.expectation import expected_response
from bayescale.posterior.pointwise import replicate_runs
from bayescale.posterior.quantities import population_names, quantities

Array = np.ndarray[Any, np.dtype[np.float64]]
Simulator = Callable[[Draws, np.random.Generator], Array]

OUTLIERS = 0.05
"""Share of runs that are outliers."""


def choose_draws(draws: Draws, count: int, random_seed: int) -> xr.Dataset:
    """Free parameters of draws chosen at random, along ``draw``, one chain."""
    rng = np.random.default_rng([random_seed, 0])
    free = free_parameters(draws).stack(sample=SAMPLE_DIMS).drop_vars(["sample", *SAMPLE_DIMS])
    chosen = free.isel(sample=rng.integers(free.sizes["sample"], size=count))
    return chosen.rename(sample="draw").expand_dims(chain=1).transpose(*SAMPLE_DIMS, ...)


def free_parameters(draws: Draws) -> xr.Dataset:
    """Draws of what a model samples, out of those of all quantities of a fit."""
    structure, posterior = draws.structure, draws.posterior
    # A coefficient of a law with groups of its own has the population's value under its name.
    sources = {name: structure.grouped(name) for name, _ in structure.priors}
    free = {name: posterior[own if own in posterior else name] for name, own in sources.items()}
    kept = [f"{name}_{kind}" for name in population_names(structure) for kind in ("common", "sd")]
    free |= {name: posterior[name] for name in kept}
    own_free = xr.Dataset(free)
    if structure.stage is None:
        return own_free
    return own_free.merge(add_prefix(structure.stage, free_parameters(draws.stage)))


def with_stage(truth: Draws, rng: np.random.Generator) -> pd.DataFrame:
    """The design with the input that a stage describes, simulated; as it is without a stage."""
    stage = truth.structure.stage
    if stage is None:
        return truth.runs
    design = with_stage(truth.stage, rng)
    response = as_modelled(Draws(stage, truth.stage.posterior, design), rng)
    return design.assign(**{stage.law.response: response})


def as_modelled(truth: Draws, rng: np.random.Generator) -> Array:
    """Simulate from the model itself."""
    known = Draws(truth.structure, quantities(truth), truth.runs)
    observed = replicate_runs(known, rng).reshape(-1)
    with np.errstate(over="ignore"):  # refused by whoever fits it
        response: Array = response_from_observed(truth.structure, observed, truth.runs, truth.runs)
    return response


def heteroscedastic(truth: Draws, rng: np.random.Generator) -> Array:
    """The first input widens the scatter, by a factor that grows without end."""
    # One standard deviation of the first input makes a run scatter e times as much.
    widths = np.exp(_standardised(truth.runs, truth.law.inputs[0]))
    return _about_law(truth, rng.standard_normal(len(truth.runs)) * widths)


def clustered(truth: Draws, rng: np.random.Generator) -> Array:
    """Runs of one budget have an error in common, whether the model has clusters or not."""
    budget = pd.factorize(np.round(np.log10(truth.runs["flops"]), 1))[0]
    shared = 3.0 * rng.standard_normal(budget.max() + 1)[budget]  # three usual scales
    return _about_law(truth, shared + rng.standard_normal(len(truth.runs)))


def outliers(truth: Draws, rng: np.random.Generator) -> Array:
    """A few runs scatter ten times as much as the others."""
    scale = np.where(rng.random(len(truth.runs)) < OUTLIERS, 10.0, 1.0)
    return _about_law(truth, scale * rng.standard_normal(len(truth.runs)))


def bent_law(truth: Draws, rng: np.random.Generator) -> Array:
    """The law itself is wrong, by a parabola in the log of each input."""
    # A hundredth of the log response at one standard deviation of the inputs from their middle.
    misfit = sum(0.01 * (_standardised(truth.runs, name) ** 2 - 1) for name in truth.law.inputs)
    kind = truth.law.kind_of(truth.law.response)
    response = _about_law(truth, rng.standard_normal(len(truth.runs)))
    return np.asarray(kind.shifted(response, misfit))


def smooth_misfit(truth: Draws, rng: np.random.Generator) -> Array:
    """A closely sampled law that is nearly right: scatter and a smooth misfit of 0.3% each."""
    logs = [_standardised(truth.runs, name) for name in truth.law.inputs]
    terms = [
        np.prod([logs[k] for k in chosen], axis=0)
        for degree in (2, 3)
        for chosen in combinations_with_replacement(range(len(logs)), degree)
    ]
    surface = rng.standard_normal(len(terms)) @ np.array(terms)
    surface = (surface - surface.mean()) / surface.std()
    kind = truth.law.kind_of(truth.law.response)
    expected = _about_law(truth, np.zeros(len(truth.runs)))
    off = 0.003 * (surface + rng.standard_normal(len(truth.runs)))
    return np.asarray(kind.shifted(expected, off))


def _about_law(truth: Draws, scales: Array) -> Array:
    """Responses so many usual scales off the law."""
    known = Draws(truth.structure, quantities(truth), truth.runs)
    expected = expected_response(known, truth.runs, "run").to_numpy().ravel()
    kind = truth.law.kind_of(truth.law.response)
    return np.asarray(kind.shifted(expected, float(known.posterior["sigma"].squeeze()) * scales))


def _standardised(design: pd.DataFrame, name: str) -> Array:
    logs = np.log(design[name].to_numpy())
    return np.asarray((logs - logs.mean()) / logs.std())


SIMULATORS: dict[str, Simulator] = {
    "as_modelled": as_modelled,
    "heteroscedastic": heteroscedastic,
    "clustered": clustered,
    "outliers": outliers,
    "bent_law": bent_law,
    "smooth_misfit": smooth_misfit,
}
"""Simulators by name."""
