"""Sample a second time: where the draws are not good enough, and without a run."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.inference.record import Sampled, Sampler, Settings
from bayescale.inference.sample import ESS, SAMPLERS
from bayescale.inference.structure import Structure
from bayescale.posterior.convergence import chains_mixed
from bayescale.posterior.draws import SAMPLE_DIMS, Draws
from bayescale.posterior.quantities import quantities

LONGER = 4
"""How many times as many draws are sampled where the chosen number is too correlated."""


def sample_carefully(
    sampler: Sampler, structure: Structure, runs: pd.DataFrame, settings: Settings
) -> Sampled:
    """Sample, and a second time where that is sure to help, whatever the result is then.

    With smaller steps where trajectories of NUTS diverged, unless a target acceptance was given.
    With `LONGER` times as many draws, thinned to as many, where the draws turn out too correlated;
    not for groups of runs that do not belong to the law, which would take minutes. And by NUTS
    where that is still so with importance sampling, unless it was asked for by name.

    Parameters
    ----------
    sampler : Sampler
        Of `bayescale.inference.sample.SAMPLERS`.
    structure : Structure
        The model.
    runs : DataFrame
        Validated runs.
    settings : Settings
        How to sample first.

    Returns
    -------
    Sampled
        With the seconds of all attempts.
    """
    sampled = sampler(structure, runs, settings)
    if settings.target_accept is not None:
        return sampled
    # What importance sampling could not do once, it does not try again.
    sampler = SAMPLERS.get(sampled.way, sampler)
    by_nuts = "diverging" in sampled.sample_stats
    if by_nuts and bool(sampled.sample_stats["diverging"].any()):
        careful = replace(settings, target_accept=0.99)
        again = sampler(structure, runs, careful)
        sampled = _with_seconds_of(sampled, again)
    sampling = settings.sampling
    ungrouped = structure.by is None or structure.own_groups
    if not (ungrouped and sampling.draws * sampling.chains >= LONGER * ESS):
        return sampled
    if _mixed(structure, runs, sampled):
        return sampled
    more = replace(sampling, draws=LONGER * sampling.draws, tune=2 * sampling.tune)
    # More draws of NUTS find more places to diverge in.
    accept = max(0.97, sampled.target_accept) if by_nuts else None
    longer = replace(settings, sampling=more, target_accept=accept)
    again = sampler(structure, runs, longer)
    draw = np.arange(sampling.draws)
    kept = {"draw": slice(None, None, LONGER)}
    posterior, stats = (
        draws.isel(kept).assign_coords(draw=draw) for draws in (again.posterior, again.sample_stats)
    )
    if by_nuts:  # a thinned draw counts as diverged if one of those that it represents did
        diverging = again.sample_stats["diverging"].coarsen(draw=LONGER).max().astype(bool)
        stats = stats.assign(diverging=diverging.assign_coords(draw=draw))
    thinned = replace(again, posterior=posterior, sample_stats=stats, thin=LONGER)
    drawn = _with_seconds_of(sampled, thinned)
    if (sampled.way, sampling.sampler) != ("importance", "auto") or _mixed(structure, runs, drawn):
        return drawn
    by_nuts_instead = sample_carefully(SAMPLERS["nuts"], structure, runs, settings)
    reason = f"its chains were too correlated in {LONGER * sampling.draws} draws as well"
    return _with_seconds_of(replace(drawn, reason=reason), by_nuts_instead)


def _mixed(structure: Structure, runs: pd.DataFrame, sampled: Sampled) -> bool:
    """Whether the chains agree on what a verdict is about.

    A coefficient may mix worse than the parameters that it follows from.
    """
    judged = quantities(Draws(structure, sampled.posterior, runs))
    return chains_mixed(judged.drop_vars(list(structure.law.derived)))


def _with_seconds_of(before: Sampled, after: Sampled) -> Sampled:
    """The later draws, with the seconds of both."""
    seconds = {part: before.seconds[part] + after.seconds[part] for part in after.seconds}
    return replace(after, seconds=seconds, reason=before.reason)


def reported_quantities(draws: Draws) -> xr.Dataset:
    """Coefficients and derived quantities, on the logarithm where they are positive."""
    chosen = draws.posterior[[*draws.law.coefficient_names, *draws.law.derived]]
    return _logged(chosen, chosen)


def _logged(draws: xr.Dataset, *like: xr.Dataset) -> xr.Dataset:
    """Logarithms of what is positive in all draws of each of `like`."""
    positive = [name for name in draws if all(bool((other[name] > 0).all()) for other in like)]
    return draws.assign({name: np.log(draws[name]) for name in positive})


def shift_without(
    draws: Draws, rows: Sequence[int], sampler: Sampler, settings: Settings
) -> dict[int, float]:
    """Shift of the law when a run is left out, in posterior standard deviations, by refits.

    Parameters
    ----------
    draws : Draws
        Of a fit to all runs.
    rows : sequence of int
        Runs to leave out, one at a time, counted from 0.
    sampler, settings
        Sampler and settings of the fit.

    Returns
    -------
    dict of int to float
        By row, the shift of the coefficient or derived quantity that moves most.
    """
    names = [*draws.law.coefficient_names, *draws.law.derived]
    chosen, shifts = draws.posterior[names], {}
    # A thousand draws show a shift of one standard deviation.
    sizes = replace(settings.sampling, draws=min(settings.sampling.draws, 250))
    short = replace(settings, sampling=sizes, progress=False)
    for row in rows:
        runs = draws.runs.drop(index=row).reset_index(drop=True)
        free = sampler(draws.structure, runs, short).posterior
        other = quantities(Draws(draws.structure, free, runs))[names]
        # A quantity that was positive in all draws may not be so without the run.
        before, after = (_logged(values, chosen, other) for values in (chosen, other))
        change = abs(after.mean(SAMPLE_DIMS) - before.mean(SAMPLE_DIMS))
        ratio = change / before.std(SAMPLE_DIMS, ddof=1)
        shifts[row] = float(ratio.to_array().max())
    return shifts
