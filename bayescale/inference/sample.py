"""A compiled model becomes draws: compiled once, sampled as often as needed.

nutpie samples the log density of `bayescale.inference.compile` through
`bayescale.inference.nutpie_bridge`, without Python in between, so that chains run in parallel.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import xarray as xr

from bayescale.errors import ConvergenceError, LawError
from bayescale.inference.compile import Compiled, compiled_model
from bayescale.inference.model import build_model, model_data
from bayescale.inference.nutpie_bridge import nutpie_model
from bayescale.inference.pooling import pooled_variables
from bayescale.inference.structure import Structure, coords_of

TARGET_ACCEPT = 0.9
"""Target acceptance: enough for most tables, at two thirds of the steps that 0.95 takes."""

JITTER = 0.5
"""Chains start within this distance of the priors' middle, on the sampling scale."""


@dataclass(frozen=True)
class Sampling:
    """How much to sample.

    Parameters
    ----------
    draws, tune : int
        Draws per chain that are kept, and draws per chain that are discarded before them.
    chains : int
        Independent chains.

    Raises
    ------
    LawError
        If there are fewer than 4 draws, 1 tuning draw or 1 chain.
    """

    draws: int = 1000
    tune: int = 800
    chains: int = 4

    def __post_init__(self) -> None:
        if self.draws < 4 or self.tune < 1 or self.chains < 1:
            raise LawError(
                f"sampling got draws={self.draws}, tune={self.tune}, chains={self.chains}; "
                "expected at least 4 draws, 1 tuning draw and 1 chain. The defaults are 1000, 800 "
                "and 4."
            )

    def __str__(self) -> str:
        return f"{self.chains} x ({self.tune} + {self.draws})"


@dataclass(frozen=True)
class Settings:
    """How to sample.

    Parameters
    ----------
    sampling : Sampling
        How much.
    random_seed : int
        Everything random in a fit follows from it.
    target_accept : float, optional
        A higher value takes smaller steps. `TARGET_ACCEPT` by default.
    progress : bool or callable
        Show nutpie's own progress bar, or call this with the list of chains' progress.
    """

    sampling: Sampling = Sampling()
    random_seed: int = 0
    target_accept: float | None = None
    progress: bool | Callable[[list[Any]], None] = False


@dataclass(frozen=True, kw_only=True)
class Sampled:
    """Draws of free parameters, as a sampler returns them.

    Parameters
    ----------
    posterior : Dataset
        Draws of free parameters.
    sample_stats : Dataset
        Statistics of the sampler.
    seconds : mapping of str to float
        Time spent: ``compile``, ``sample``.
    library : str
        The sampler and its version.
    target_accept : float
        Target acceptance of the sampler.
    tune : int
        Draws per chain that were discarded first.
    thin : int
        Every `thin`-th draw was kept.
    marginal : bool
        Whether cluster terms were integrated out.
    """

    posterior: xr.Dataset
    sample_stats: xr.Dataset
    seconds: Mapping[str, float]
    library: str
    target_accept: float
    tune: int
    thin: int = 1
    marginal: bool = False


def sample(structure: Structure, runs: pd.DataFrame, settings: Settings) -> Sampled:
    """Sample the free parameters of a structure on a table of runs with nutpie.

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
        Cluster terms are integrated out where the scatter is Normal.

    Raises
    ------
    ConvergenceError
        If the log density is not finite where the chains would start.
    """
    begun = perf_counter()
    compiled = compiled_model(structure, runs)
    packed = compiled.pack(model_data(structure, runs))
    value, gradient = compiled.log_density(compiled.start, packed)  # numba compiles here
    if not (np.isfinite(value) and np.all(np.isfinite(gradient))):
        raise ConvergenceError(
            f"the log density is {float(value)} at the middle of the priors; expected a finite "
            "number. Check the numbers of replaced priors, and the formula at the runs' pivot."
        )
    ready = perf_counter()
    tree = _nutpie(compiled, packed, settings)
    points = tree["posterior"]["point"]
    shape = (settings.sampling.chains, settings.sampling.draws)
    if points.shape[:2] != shape or bool(points.isnull().any()):
        raise KeyboardInterrupt  # nutpie returns what it had when it was interrupted
    values = compiled.expand(points.to_numpy().reshape(-1, compiled.start.size), packed)
    posterior = {
        name: (("chain", "draw", *dims), value.reshape(*shape, *value.shape[1:]))
        for (name, dims), value in zip(compiled.dims.items(), values, strict=True)
    }
    coords = {"chain": points["chain"].data, "draw": points["draw"].data, **coords_of(structure)}
    used = {dim for dims, _ in posterior.values() for dim in dims}
    return Sampled(
        posterior=xr.Dataset(posterior, {n: x for n, x in coords.items() if n in used}),
        sample_stats=tree["sample_stats"].to_dataset(),
        seconds={"compile": ready - begun, "sample": perf_counter() - ready},
        library=f"nutpie {version('nutpie')}",
        target_accept=settings.target_accept or TARGET_ACCEPT,
        tune=settings.sampling.tune,
        marginal=True,
    )


def _nutpie(compiled: Compiled, packed: np.ndarray, settings: Settings) -> xr.DataTree:
    """Draws of the flat point on the sampling scale, ``point``, with the sampler's statistics."""
    import nutpie

    def start(seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        return compiled.start + rng.uniform(-JITTER, JITTER, compiled.start.size)

    progress = settings.progress
    tree: xr.DataTree = nutpie.sample(
        nutpie_model(compiled.log_density, packed, compiled.start.size, start),
        draws=settings.sampling.draws,
        tune=settings.sampling.tune,
        chains=settings.sampling.chains,
        cores=min(settings.sampling.chains, _threads()),
        seed=settings.random_seed,
        target_accept=settings.target_accept or TARGET_ACCEPT,
        adaptation="low_rank",
        save_warmup=False,
        progress_bar=progress is True,
        progress_callback=progress if callable(progress) else None,
    )
    return tree


def _threads() -> int:
    """How many threads this process may use: joblib, Dask and Ray set it for their workers.

    Where many fits run in parallel, chains run one after another: a second thread for each fit
    would only slow the other fits down.
    """
    allowed = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    return int(allowed) if allowed.isdecimal() and int(allowed) else os.cpu_count() or 1


def sample_by_pymc(
    structure: Structure, runs: pd.DataFrame, settings: Settings, *, nuts_sampler: str
) -> Sampled:
    """Sample with another sampler through `pm.sample`: slower, for comparison.

    Parameters
    ----------
    structure, runs, settings
        As for `sample`.
    nuts_sampler : str
        As for `pm.sample`.

    Returns
    -------
    Sampled
        With cluster terms, which are sampled like everything else.
    """
    begun = perf_counter()
    model = build_model(structure, runs)
    with model:
        tree = pm.sample(
            draws=settings.sampling.draws,
            tune=settings.sampling.tune,
            chains=settings.sampling.chains,
            random_seed=settings.random_seed,
            target_accept=settings.target_accept or TARGET_ACCEPT,
            nuts_sampler=nuts_sampler,
            progressbar=bool(settings.progress),
            var_names=[v.name for v in (*model.free_RVs, *pooled_variables(model))],
        )
    return Sampled(
        posterior=tree["posterior"].to_dataset(),
        sample_stats=tree["sample_stats"].to_dataset(),
        seconds={"compile": 0.0, "sample": perf_counter() - begun},
        library=f"pymc {version('pymc')}, {nuts_sampler}",
        target_accept=settings.target_accept or TARGET_ACCEPT,
        tune=settings.sampling.tune,
    )


Sampler = Callable[[Structure, pd.DataFrame, Settings], Sampled]

SAMPLERS: dict[str, Sampler] = {
    "nutpie": sample,
    "pymc": partial(sample_by_pymc, nuts_sampler="pymc"),
    "numpyro": partial(sample_by_pymc, nuts_sampler="numpyro"),
}
"""Samplers by name."""
