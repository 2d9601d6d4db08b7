"""The rank of a truth among the draws of a posterior, for every quantity of a model.

References
----------
Talts et al. (2018), arXiv:1804.06788; Modrak et al. (2023), doi:10.1214/23-BA1404, for the log
likelihood among the quantities. Säilynoja et al. (2025), arXiv:2502.03279, for refits to observed
and replicated runs together.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.errors import DataError
from bayescale.fitting.refits import sample_carefully
from bayescale.inference.record import Sampling, Settings
from bayescale.inference.sample import SAMPLERS
from bayescale.inference.structure import Structure, build_structure
from bayescale.inference.units import units_of
from bayescale.posterior.convergence import chains_mixed
from bayescale.posterior.draws import SAMPLE_DIMS, Draws
from bayescale.posterior.jackknife import case_log_likelihood
from bayescale.posterior.optimum import largest_budget, optimal_params, response_at
from bayescale.posterior.pointwise import log_likelihood, per_run
from bayescale.posterior.quantities import ROLES, quantities, scalars
from bayescale.posterior.widening import widen
from bayescale.spec.compute import SIX_ND
from bayescale.spec.law import Law
from bayescale.spec.likelihood import Likelihood
from bayescale.validation.simulators import Array, Simulator, with_stage
from bayescale.validation.sweep import DOUBT

RANKED = 100
"""Draws, thinned to be nearly independent, among which a truth is ranked; and the effective sample
size below which they are not."""


def fixed_structure(
    law: Law, design: pd.DataFrame, likelihood: Likelihood | None, clusters: str | None
) -> Structure:
    """The structure that a fit to the design has, with units that do not follow the responses."""
    return with_units_of(build_structure(law, design, likelihood, clusters=clusters), design)


def with_units_of(structure: Structure, design: pd.DataFrame) -> Structure:
    """A structure whose units are always those of a design, also those of its stage."""
    stage = None if structure.stage is None else with_units_of(structure.stage, design)
    return replace(structure, units=units_of(structure.law, design), stage=stage)


def joint_structure(structure: Structure) -> Structure:
    """The structure of observed and replicated runs in one table, as `joint_runs` makes it.

    Replicated runs share the law, its groups and the scatter with the observed ones. Their curves
    are new.
    """
    likelihood, stage = structure.likelihood, structure.stage
    if likelihood.series is not None:
        series = replace(likelihood.series, by=_joint_curve(structure))
        likelihood = replace(likelihood, series=series)
    return replace(
        structure,
        clusters=None,
        likelihood=likelihood,
        stage=None if stage is None else joint_structure(stage),
    )


def joint_runs(
    structure: Structure, observed: pd.DataFrame, replicated: pd.DataFrame
) -> pd.DataFrame:
    """Observed and replicated runs in one table.

    Parameters
    ----------
    structure : Structure
        Of the observed runs alone.
    observed, replicated : DataFrame
        Runs at the same design.
    """
    tables = [observed, replicated]
    level: Structure | None = structure
    while level is not None:
        if level.likelihood.series is not None:
            curve = pd.factorize(observed[level.likelihood.series.by])[0]
            for k in range(2):
                own = {_joint_curve(level): curve + k * (curve.max() + 2)}
                tables[k] = tables[k].assign(**own)
        level = level.stage
    return pd.concat(tables, ignore_index=True)


def _joint_curve(structure: Structure) -> str:
    """Column of curves in a table of observed and replicated runs."""
    return f"{structure.dim_prefix}joint_curve"


def rank_truth(
    structure: Structure,
    design: pd.DataFrame,
    simulator: Simulator,
    truth: xr.Dataset,
    joint: Structure | None,
    sampling: Sampling,
    random_seed: int,
    widened: bool = False,
) -> dict[str, Any]:
    """Simulate, fit, and rank the truth of every quantity.

    Parameters
    ----------
    structure : Structure
        Of the design, from `fixed_structure`.
    design : DataFrame
        Runs at whose inputs the simulated ones are.
    simulator : callable
        From `bayescale.validation.simulators`.
    truth : Dataset
        One draw of the free parameters: from the prior, or from the posterior of the design's runs.
    joint : Structure, optional
        From `joint_structure`, for a truth from the posterior: the fit is then one to the design's
        runs and the simulated ones together.
    sampling : Sampling
        How much to sample.
    random_seed : int
        Everything random follows from it.
    widened : bool
        Rank the truth among the widened draws that a fit has, and not among those of the model.

    Returns
    -------
    dict
        ``places``, by quantity the share of draws below the truth; and a doubt about the draws.

    Raises
    ------
    DataError
        If a simulated response cannot be fitted.
    """
    law, rng = structure.law, np.random.default_rng(random_seed)
    runs = with_stage(Draws(structure, truth, design), rng)
    runs = runs.assign(**{law.response: simulator(Draws(structure, truth, runs), rng)})
    kind, values = law.kind_of(law.response), runs[law.response].to_numpy()
    if not np.all(np.isfinite(values) & ~kind.invalid(values)):
        raise DataError(
            f"the simulated {law.response} is not a finite {kind.name} everywhere; expected that "
            "it is. Take tighter priors."
        )
    if joint is not None:
        structure, runs = joint, joint_runs(structure, design, runs)
    sampled = sample_carefully(
        SAMPLERS[sampling.sampler], structure, runs, Settings(sampling, random_seed)
    )
    drawn = Draws(structure, sampled.posterior, runs)
    if widened:
        modelled = Draws(structure, quantities(drawn), runs)
        free = widen(drawn, case_log_likelihood(modelled, per_run(log_likelihood(modelled))))
        drawn = Draws(structure, free, runs)
    posterior, truths = (
        dict(_ranked_quantities(draws)) for draws in (drawn, Draws(structure, truth, runs))
    )
    diverging = int(sampled.sample_stats.get("diverging", xr.DataArray(0)).sum())
    doubts = [f"{diverging} divergences"] * bool(diverging)
    # With so few draws, R-hat is above 1.05 only where chains disagree.
    doubts += ["not mixed"] * (not chains_mixed(sampled.posterior, r_hat=1.05, ess=RANKED))
    places = {}
    for name, draws in posterior.items():
        thinned = draws[:: max(len(draws) // RANKED, 1)][:RANKED]
        # Spread evenly over the step that the truth falls into.
        lower = (thinned < truths[name]).sum() + rng.random()
        places[name] = float(lower / (len(thinned) + 1))
    return {DOUBT: "; ".join(doubts), "places": places}


def _ranked_quantities(free: Draws) -> Iterator[tuple[str, Array]]:
    """Draws of every quantity whose truth is ranked, by name."""
    draws = Draws(free.structure, quantities(free), free.runs)
    law, values = draws.law, draws.posterior
    chosen = {str(name): x for name, x in values.items() if x.attrs.get("role") in ROLES}
    chosen["log_likelihood"] = per_run(log_likelihood(draws)).sum("run")
    if law.has_optimum:
        flops = xr.DataArray(10.0 * largest_budget(draws))  # ten times the largest run's compute
        params = optimal_params(law, draws.coefficients, flops, SIX_ND)
        loss = response_at(law, draws.coefficients, params, flops, SIX_ND, {})
        chosen |= {"N_opt": params, "L_opt": loss}
    for name, quantity in chosen.items():
        for label, part in scalars(quantity, name):
            yield label, part.transpose(*SAMPLE_DIMS).to_numpy().ravel()
