"""Runs simulated at the places of a design: as the model says, or as it should not be.

Every simulator takes a structure, one draw of its parameters, a design and a generator, and returns
responses. `as_modelled` is what calibration tests with; the others each break one thing that the
model takes for granted, and show what an interval survives.
"""

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.draws import SAMPLE_DIMS, below_of, expected_response, quantities
from bayescale.model import drawn_from_prior
from bayescale.prediction import drawn_at_runs
from bayescale.structure import Structure, response_of

Array = np.ndarray[Any, np.dtype[np.float64]]

OFFSET = 3.0
"""Standard deviation of what a budget misses, in usual scales."""
OUTLIERS, FAR = 0.05, 10.0
"""Share of runs that are outliers, and how many scales those scatter."""
BEND = 0.01
"""Misfit of the log response at one standard deviation of the inputs from their middle."""
STEEP = 1.0
"""Logarithm of how much more a run scatters at one standard deviation of the first input."""


def drawn_truths(made: Structure, design: pd.DataFrame, count: int, random_seed: int) -> xr.Dataset:
    """Draws of all parameters from their priors, along ``draw``, one chain."""
    return drawn_from_prior(made, design, count, random_seed)[0]


def with_stage(
    made: Structure, truth: xr.Dataset, design: pd.DataFrame, rng: np.random.Generator
) -> pd.DataFrame:
    """The design with what a stage simulates of one of its inputs; as it is without a stage."""
    if made.stage is None:
        return design
    below = below_of(made.stage, truth)
    there = with_stage(made.stage, below, design, rng)
    return there.assign(**{made.stage.law.response: as_modelled(made.stage, below, there, rng)})


def truths_like(made: Structure, posterior: xr.Dataset, count: int, random_seed: int) -> xr.Dataset:
    """The same from a posterior; what clusters miss is drawn anew."""
    # A stream for each, so that the first truths are the same however many are drawn.
    rng, *streams = (np.random.default_rng([random_seed, k]) for k in range(3))
    stacked = posterior.stack(sample=SAMPLE_DIMS).drop_vars(["sample", *SAMPLE_DIMS])
    chosen = stacked.isel(sample=rng.integers(stacked.sizes["sample"], size=count))
    truths = chosen.rename(sample="draw").expand_dims(chain=1)
    terms = [f"{term}_z" for term in made.clusters.terms] if made.clusters else []
    for term, stream in zip(terms, streams, strict=False):
        place = truths[term].transpose(*SAMPLE_DIMS, ...)
        truths[term] = place.copy(data=stream.standard_normal(place.shape))
    below = [name for name in truths if made.stage and str(name).startswith(made.stage.prefix)]
    return truths[[*(name for name, _ in made.priors), *terms, *below]].transpose(*SAMPLE_DIMS, ...)


def as_modelled(
    made: Structure, truth: xr.Dataset, design: pd.DataFrame, rng: np.random.Generator
) -> Array:
    """As the model says."""
    known = quantities(made, design, truth)
    observed = drawn_at_runs(made, known, design, rng).reshape(-1)
    with np.errstate(over="ignore"):  # refused by whoever fits it
        response: Array = response_of(made, observed, design, design)
    return response


def heteroscedastic(
    made: Structure, truth: xr.Dataset, design: pd.DataFrame, rng: np.random.Generator
) -> Array:
    """The first input widens the scatter, by a factor that grows without end."""
    first = _standard(design, made.law.inputs[0])
    return _about(made, truth, design, rng.standard_normal(len(design)) * np.exp(STEEP * first))


def clustered(
    made: Structure, truth: xr.Dataset, design: pd.DataFrame, rng: np.random.Generator
) -> Array:
    """Runs of one budget are off together, whether the model has clusters or not."""
    budget = pd.factorize(np.round(np.log10(design["flops"]), 1))[0]
    shared = OFFSET * rng.standard_normal(budget.max() + 1)[budget]
    return _about(made, truth, design, shared + rng.standard_normal(len(design)))


def outliers(
    made: Structure, truth: xr.Dataset, design: pd.DataFrame, rng: np.random.Generator
) -> Array:
    """A few runs scatter ten times as much as the others."""
    scale = np.where(rng.random(len(design)) < OUTLIERS, FAR, 1.0)
    return _about(made, truth, design, scale * rng.standard_normal(len(design)))


def bent_law(
    made: Structure, truth: xr.Dataset, design: pd.DataFrame, rng: np.random.Generator
) -> Array:
    """The law itself is off, by a parabola in the log of each input."""
    misfit = sum(BEND * (_standard(design, name) ** 2 - 1) for name in made.law.inputs)
    on = made.law.scale_of(made.law.response)
    response = _about(made, truth, design, rng.standard_normal(len(design)))
    return np.asarray(on.moved(response, misfit))


def _about(made: Structure, truth: xr.Dataset, design: pd.DataFrame, scales: Array) -> Array:
    """The law with scatter of its own, in units of the usual scale."""
    known = quantities(made, design, truth)
    expected = expected_response(made, known, design, "run").to_numpy().ravel()
    on = made.law.scale_of(made.law.response)
    return np.asarray(on.moved(expected, float(known["sigma"].squeeze()) * scales))


def _standard(design: pd.DataFrame, name: str) -> Array:
    logs = np.log(design[name].to_numpy())
    return np.asarray((logs - logs.mean()) / logs.std())


SIMULATORS = {
    simulate.__name__: simulate
    for simulate in (as_modelled, heteroscedastic, clustered, outliers, bent_law)
}
"""Simulators by name."""
