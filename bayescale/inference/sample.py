"""The ways to draws of free parameters, behind one door.

Importance sampling comes first: it compiles nothing and is done in a second. Where it does not
reach the whole posterior, or its chains are too correlated, NUTS draws, and the reason is kept.
Whatever needs PyMC is imported only then.
"""

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from time import perf_counter

import pandas as pd
import xarray as xr
from threadpoolctl import threadpool_limits

from bayescale.importance.draw import PARETO_K, draw_by_importance
from bayescale.importance.modes import MOST_MODES
from bayescale.inference.coordinates import (
    as_dataset,
    blocks_of,
    draw_prior_points,
    values_and_log_prior,
)
from bayescale.inference.density import Density
from bayescale.inference.record import WAYS, Sampled, Sampler, Settings
from bayescale.inference.structure import Structure

ESS = 400
"""Fewest effective draws for an interval whose ends are not noisy."""

MOST = 30
"""Free numbers of a model up to which importance sampling is tried."""


def sample(structure: Structure, runs: pd.DataFrame, settings: Settings) -> Sampled:
    """Sample by importance; by NUTS where that is not good enough.

    Parameters
    ----------
    structure : Structure
        From `bayescale.inference.structure.build_structure`.
    runs : DataFrame
        Validated runs.
    settings : Settings
        How.

    Returns
    -------
    Sampled
        With the reason, where NUTS drew.

    Raises
    ------
    ConvergenceError
        If the log density is not finite where the chains would start.
    """
    begun = perf_counter()
    numbers = sum(block.size for block in blocks_of(structure))
    if settings.target_accept is not None:
        reason = "a target acceptance was given, which only NUTS has"
    elif numbers > MOST:
        reason = f"{numbers} free numbers, more than the {MOST} up to which importance is tried"
    else:
        sampled = sample_by_importance(structure, runs, settings)
        if not sampled.reason:
            return sampled
        reason = sampled.reason
    tried = perf_counter() - begun
    drawn = sample_by_nuts(structure, runs, settings)
    seconds = {**drawn.seconds, "sample": drawn.seconds["sample"] + tried}
    return replace(drawn, seconds=seconds, reason=reason)


def sample_by_importance(structure: Structure, runs: pd.DataFrame, settings: Settings) -> Sampled:
    """Sample by importance, whether that is good enough or not.

    Parameters
    ----------
    structure, runs, settings
        As for `sample`.

    Returns
    -------
    Sampled
        With the reason against the draws, if there is one. Its ``sample_stats`` have ``lp``, the
        log density, and ``acceptance_rate``, each (chain, draw); and ``pareto_k`` of the proposal,
        ``evaluations`` of the density and ``modes`` as attributes.

    Raises
    ------
    ConvergenceError
        If the log density is finite nowhere near the middle of the priors.
    """
    begun = perf_counter()
    sizes = settings.sampling
    asked = min(ESS, 2 * sizes.draws * sizes.chains // 5)
    prior = draw_prior_points(structure, 100, settings.random_seed)
    density = Density(structure, runs)
    # A second thread on matrices of fifteen numbers only waits for the first one.
    with threadpool_limits(1, user_api="blas"):
        drawn = draw_by_importance(
            density, prior, sizes.draws, sizes.chains, settings.random_seed, asked
        )
    reason = ""
    if not drawn.pareto_k <= PARETO_K:
        reason = f"Pareto k of the proposal is {drawn.pareto_k:.2f}, above {PARETO_K}"
    elif drawn.modes > MOST_MODES:
        reason = f"the posterior has more than {MOST_MODES} modes"
    elif not drawn.ess >= asked:
        reason = f"{drawn.ess:.0f} effective draws, fewer than the {asked} that are needed"
    points = drawn.points.reshape(-1, drawn.points.shape[-1])
    values, dims, _ = values_and_log_prior(structure, points)
    along = ("chain", "draw")
    stats = {"lp": (along, drawn.log_density), "acceptance_rate": (along, drawn.acceptance)}
    posterior = as_dataset(structure, values, dims, sizes.chains)
    attrs = {
        "pareto_k": drawn.pareto_k,
        "evaluations": drawn.evaluations,
        "modes": drawn.modes,
        "created_at": datetime.now(UTC).isoformat(),
    }
    return Sampled(
        posterior=posterior,
        sample_stats=xr.Dataset(stats, {dim: posterior[dim] for dim in along}, attrs),
        seconds={"compile": 0.0, "sample": perf_counter() - begun},
        library=f"bayescale {version('bayescale')}, importance sampling",
        way="importance",
        reason=reason,
    )


def sample_by_nuts(structure: Structure, runs: pd.DataFrame, settings: Settings) -> Sampled:
    """Sample by NUTS with nutpie (`bayescale.inference.nuts`).

    Parameters
    ----------
    structure, runs, settings
        As for `sample`.
    """
    from bayescale.inference import nuts

    return nuts.sample_by_nutpie(structure, runs, settings)


def sample_by_pymc(
    structure: Structure, runs: pd.DataFrame, settings: Settings, *, nuts_sampler: str
) -> Sampled:
    """Sample by `pm.sample` (`bayescale.inference.nuts`).

    Parameters
    ----------
    structure, runs, settings
        As for `sample`.
    nuts_sampler : str
        As for `pm.sample`.
    """
    from bayescale.inference import nuts

    return nuts.sample_by_pymc(structure, runs, settings, nuts_sampler=nuts_sampler)


SAMPLERS: dict[str, Sampler] = dict(
    zip(
        WAYS,
        (
            sample,
            sample_by_importance,
            sample_by_nuts,
            partial(sample_by_pymc, nuts_sampler="pymc"),
            partial(sample_by_pymc, nuts_sampler="numpyro"),
        ),
        strict=True,
    )
)
"""Ways to the draws by name."""
