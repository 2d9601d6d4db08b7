"""A compiled model becomes draws: compiled once, sampled as often as wanted.

nutpie samples the log density of `bayescale.compiling` through `bayescale.native`, without Python
in between, and so chains run side by side.
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

from bayescale.compiling import Compiled, compiled_model
from bayescale.errors import ConvergenceError, LawError
from bayescale.misfit import cluster_terms
from bayescale.model import build_model, model_data, pooled
from bayescale.structure import Structure, coords_of

USUAL = 0.9
"""Acceptance aimed at: enough for most tables, at two thirds of the steps that 0.95 takes."""

JITTER = 0.5
"""Chains start within this of the priors' middle, on the sampling scale."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How much to sample, and how.

    Parameters
    ----------
    draws, tune : int
        Draws a chain, kept and thrown away.
    chains : int
        Independent chains.
    random_seed : int
        Everything random in a fit follows from it.
    target_accept : float, optional
        Higher takes smaller steps. `USUAL` by default.
    progress : bool or callable
        Show nutpie's own progress bar; or call this with the list of chains' progress.
    """

    draws: int = 1000
    tune: int = 800
    chains: int = 4
    random_seed: int = 0
    target_accept: float | None = None
    progress: bool | Callable[[list[Any]], None] = False

    def __post_init__(self) -> None:
        low = {name: getattr(self, name) for name in ("draws", "tune", "chains")}
        wrong = {name: value for name, value in low.items() if value < 1 + 3 * (name == "draws")}
        if wrong:
            raise LawError(
                f"sampling was asked for {wrong}; expected at least 4 draws, 1 tuning step and 1 "
                "chain. The defaults are 1000, 800 and 4."
            )


@dataclass(frozen=True)
class Sampled:
    """Draws of the free parameters, statistics of the sampler, and what it took.

    `tune` draws were thrown away before these, of which every `thin`-th is kept.
    """

    posterior: xr.Dataset
    sample_stats: xr.Dataset
    seconds: Mapping[str, float]
    library: str
    target_accept: float
    tune: int
    thin: int = 1


def sample(made: Structure, runs: pd.DataFrame, settings: Settings) -> Sampled:
    """Sample a structure on a table of runs with nutpie.

    Raises
    ------
    ConvergenceError
        If the log density is not finite where the chains would start.
    """
    begun = perf_counter()
    compiled = compiled_model(made, runs)
    packed = compiled.pack(model_data(made, runs))
    _check_start(compiled, packed)  # numba compiles at this first call
    ready = perf_counter()
    tree = _nutpie(compiled, packed, settings)
    points = tree["posterior"]["point"]
    if points.shape[:2] != (settings.chains, settings.draws) or bool(points.isnull().any()):
        raise KeyboardInterrupt  # nutpie returns what it had when it was interrupted
    values = compiled.expand(points.to_numpy().reshape(-1, compiled.start.size), packed)
    shape = (settings.chains, settings.draws)
    posterior = {
        name: (("chain", "draw", *dims), value.reshape(*shape, *value.shape[1:]))
        for (name, dims), value in zip(compiled.dims.items(), values, strict=True)
    }
    coords = {"chain": points["chain"].data, "draw": points["draw"].data, **coords_of(made)}
    draws = xr.Dataset(posterior, coords=_used(posterior, coords))
    draws = draws.assign(cluster_terms(made, draws, runs, settings.random_seed))
    seconds = {"compile": ready - begun, "sample": perf_counter() - ready}
    return Sampled(
        posterior=draws,
        sample_stats=tree["sample_stats"].to_dataset(),
        seconds=seconds,
        library=f"nutpie {version('nutpie')}",
        target_accept=settings.target_accept or USUAL,
        tune=settings.tune,
    )


def _used(variables: Mapping[str, Any], coords: Mapping[str, Any]) -> dict[str, Any]:
    dims = {dim for names, _ in variables.values() for dim in names}
    return {name: values for name, values in coords.items() if name in dims}


def _check_start(compiled: Compiled, packed: np.ndarray) -> None:
    value, gradient = compiled.log_density(compiled.start, packed)
    if not (np.isfinite(value) and np.all(np.isfinite(gradient))):
        raise ConvergenceError(
            f"the log density is {float(value)} at the middle of the priors; expected a finite "
            "number. Check the numbers of replaced priors, and the formula at the runs' pivot."
        )


def _nutpie(compiled: Compiled, packed: np.ndarray, settings: Settings) -> xr.DataTree:
    import nutpie

    from bayescale.native import nutpie_model

    def start(seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        return compiled.start + rng.uniform(-JITTER, JITTER, compiled.start.size)

    shown = settings.progress
    tree: xr.DataTree = nutpie.sample(
        nutpie_model(compiled.log_density, packed, compiled.start.size, start),
        draws=settings.draws,
        tune=settings.tune,
        chains=settings.chains,
        cores=min(settings.chains, _threads()),
        seed=settings.random_seed,
        target_accept=settings.target_accept or USUAL,
        adaptation="low_rank",
        save_warmup=False,
        progress_bar=shown is True,
        progress_callback=shown if callable(shown) else None,
    )
    return tree


def _threads() -> int:
    """How many threads this process may have: joblib, Dask and Ray say so to their workers.

    Where many fits run side by side, chains run one after another; a second thread each would only
    get in the way of the other fits.
    """
    told = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    return int(told) if told.isdecimal() and int(told) else os.cpu_count() or 1


def _sample_by_pymc(
    made: Structure, runs: pd.DataFrame, settings: Settings, *, nuts_sampler: str
) -> Sampled:
    """Sample with another sampler through `pm.sample`: slower, for comparison."""
    begun = perf_counter()
    model = build_model(made, runs)
    with model:
        tree = pm.sample(
            draws=settings.draws,
            tune=settings.tune,
            chains=settings.chains,
            random_seed=settings.random_seed,
            target_accept=settings.target_accept or USUAL,
            nuts_sampler=nuts_sampler,
            progressbar=bool(settings.progress),
            var_names=[v.name for v in (*model.free_RVs, *pooled(model))],
        )
    return Sampled(
        posterior=tree["posterior"].to_dataset(),
        sample_stats=tree["sample_stats"].to_dataset(),
        seconds={"compile": 0.0, "sample": perf_counter() - begun},
        library=f"pymc {version('pymc')}, {nuts_sampler}",
        target_accept=settings.target_accept or USUAL,
        tune=settings.tune,
    )


Sampler = Callable[[Structure, pd.DataFrame, Settings], Sampled]
SAMPLERS: dict[str, Sampler] = {
    "nutpie": sample,
    "pymc": partial(_sample_by_pymc, nuts_sampler="pymc"),
    "numpyro": partial(_sample_by_pymc, nuts_sampler="numpyro"),
}
"""Samplers by name."""
