"""Sampling again where the first draws are not good enough and another try is sure to help."""

from dataclasses import replace

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.diagnosis import ESS, mixed
from bayescale.draws import quantities
from bayescale.sampling import Sampled, Sampler, Settings
from bayescale.structure import Structure

CAREFUL = 0.99
"""Acceptance aimed at where trajectories diverged."""

LONGER, UNHURRIED = 4, 0.97
"""How many times as many draws are taken where the usual number tells too little, and at what
acceptance at least."""


def sample_carefully(
    sampler: Sampler, made: Structure, runs: pd.DataFrame, settings: Settings
) -> Sampled:
    """Sample, and once more where that is sure to help, whatever it shows then.

    Where trajectories diverged, with smaller steps. Where the draws that were asked for turn out to
    be too much alike, with `LONGER` times as many, thinned to as many; not for groups of runs
    that are not the law's own, which would take minutes.
    """
    drawn = sampler(made, runs, settings)
    if settings.target_accept is not None:
        return drawn
    if bool(drawn.sample_stats["diverging"].any()):
        drawn = _after(drawn, sampler(made, runs, replace(settings, target_accept=CAREFUL)))
    alone = made.by is None or made.own_groups
    enough = alone and settings.draws * settings.chains >= LONGER * ESS
    if enough and not mixed(_judged(made, runs, drawn)):
        longer = replace(
            settings,
            draws=LONGER * settings.draws,
            tune=2 * settings.tune,
            # More draws find more places to diverge in.
            target_accept=max(UNHURRIED, drawn.target_accept),
        )
        drawn = _after(drawn, _thinned(sampler(made, runs, longer)))
    return drawn


def _judged(made: Structure, runs: pd.DataFrame, drawn: Sampled) -> xr.Dataset:
    """What the verdict looks at: a coefficient may mix worse than what it follows from."""
    return quantities(made, runs, drawn.posterior).drop_vars(list(made.law.derived))


def _after(before: Sampled, drawn: Sampled) -> Sampled:
    """The later draws, with the time that both took."""
    seconds = {part: before.seconds[part] + drawn.seconds[part] for part in drawn.seconds}
    return replace(drawn, seconds=seconds)


def _thinned(drawn: Sampled) -> Sampled:
    """Every `LONGER`-th draw; one that stands for a divergence counts as diverged."""
    kept = {"draw": slice(None, None, LONGER)}
    diverging = drawn.sample_stats["diverging"].coarsen(draw=LONGER).max().astype(bool)
    draw = np.arange(diverging.sizes["draw"])
    stats = drawn.sample_stats.isel(kept).assign_coords(draw=draw)
    return replace(
        drawn,
        posterior=drawn.posterior.isel(kept).assign_coords(draw=draw),
        sample_stats=stats.assign(diverging=diverging.assign_coords(draw=draw)),
        thin=LONGER,
    )
