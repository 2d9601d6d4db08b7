"""The place of a truth among the draws of a posterior, for every quantity of a model."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.allocation import optimal_params, response_at
from bayescale.diagnosis import mixed
from bayescale.draws import ROLES, SAMPLE_DIMS, coefficients_of, numbers, quantities
from bayescale.errors import DataError
from bayescale.extrapolation import sizes
from bayescale.flops import SIX_ND
from bayescale.law import Law
from bayescale.likelihood import LikelihoodFactory
from bayescale.prediction import log_likelihood
from bayescale.resampling import sample_carefully
from bayescale.sampling import Settings, sample
from bayescale.simulators import with_stage
from bayescale.structure import Structure, structure, units_of, usual_likelihood

Array = np.ndarray[Any, np.dtype[np.float64]]
Simulator = Callable[[Structure, xr.Dataset, pd.DataFrame, np.random.Generator], Array]

BEYOND = 10.0
"""The optimum is judged at this multiple of the largest run's compute."""
RANKED = 100
"""Draws, thinned to be nearly independent, among which a truth is ranked; and the effective sample
size below which they are not."""
AGREED = 1.05
"""R-hat above which chains of so few draws are said to disagree."""


def fixed_structure(
    law: Law, design: pd.DataFrame, likelihood: LikelihoodFactory | None, clusters: str | None
) -> Structure:
    """What `fit` would make of the design, in units that stay as they are."""
    chosen = likelihood or usual_likelihood(law, design, clusters, law.by)
    made = structure(law, chosen(law.inputs), design, clusters=clusters)
    return fixed(made, design)


def fixed(made: Structure, design: pd.DataFrame) -> Structure:
    """A structure in the units of a design, its stage too."""
    stage = None if made.stage is None else fixed(made.stage, design)
    return replace(made, units=units_of(made.law, design), stage=stage)


def placed(
    law: Law,
    likelihood: LikelihoodFactory | None,
    clusters: str | None,
    design: pd.DataFrame,
    simulator: Simulator,
    truth: xr.Dataset,
    settings: Settings,
    random_seed: int,
) -> dict[str, Any]:
    """Simulate, fit, and find the place of the truth of every quantity."""
    made = fixed_structure(law, design, likelihood, clusters)
    rng = np.random.default_rng(random_seed)
    runs = with_stage(made, truth, design, rng)
    runs = runs.assign(**{law.response: simulator(made, truth, runs, rng)})
    scale, found = law.scale_of(law.response), runs[law.response].to_numpy()
    if not np.all(np.isfinite(found) & ~scale.outside(found)):
        raise DataError(
            f"the simulated {law.response} is not a finite {scale.name} everywhere; expected that "
            "it is. Take tighter priors."
        )
    drawn = sample_carefully(sample, made, runs, replace(settings, random_seed=random_seed))
    posterior, known = (_judged(made, free, runs) for free in (drawn.posterior, truth))
    diverging = int(drawn.sample_stats["diverging"].sum())
    doubts = [f"{diverging} divergences"] * bool(diverging)
    doubts += ["not mixed"] * (not mixed(drawn.posterior, r_hat=AGREED, ess=RANKED))
    return {
        "doubt": "; ".join(doubts),
        "places": {name: _place(values, known[name], rng) for name, values in posterior.items()},
    }


def _judged(made: Structure, free: xr.Dataset, runs: pd.DataFrame) -> dict[str, Array]:
    """Draws of every quantity that is judged, a row of numbers each, by name."""
    found = quantities(made, runs, free)
    chosen = {str(name): x for name, x in found.items() if x.attrs.get("role") in ROLES}
    chosen["log_likelihood"] = log_likelihood(made, found, runs).to_array().sum(("variable", "run"))
    if made.law.has_optimum:
        chosen |= _optimum(made, found, runs)
    return {
        label: part.transpose(*SAMPLE_DIMS).to_numpy().ravel()
        for name, values in chosen.items()
        for label, part in numbers(values, name)
    }


def _optimum(made: Structure, found: xr.Dataset, runs: pd.DataFrame) -> dict[str, xr.DataArray]:
    law = made.law
    coefficients = coefficients_of(law, found)
    flops = xr.DataArray(BEYOND * float(sizes(law, runs, SIX_ND).max()))
    params = optimal_params(law, coefficients, flops, SIX_ND)
    return {"N_opt": params, "L_opt": response_at(law, coefficients, params, flops, SIX_ND, {})}


def _place(draws: Array, truth: Array, rng: np.random.Generator) -> float:
    """Share of thinned draws below the truth, spread evenly over the step it falls into."""
    thinned = draws[:: max(len(draws) // RANKED, 1)][:RANKED]
    return float(((thinned < truth).sum() + rng.random()) / (len(thinned) + 1))
