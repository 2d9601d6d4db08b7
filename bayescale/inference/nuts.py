"""Draws by NUTS, of a model that is compiled once and sampled as often as needed.

nutpie samples the log density of `bayescale.inference.compile` through
`bayescale.inference.nutpie_bridge`, without Python in between, so that chains run in parallel.
"""

import os
from importlib.metadata import version
from time import perf_counter

import numpy as np
import pandas as pd
import pymc as pm
import xarray as xr

from bayescale.errors import ConvergenceError
from bayescale.inference.compile import Compiled, compiled_model
from bayescale.inference.coordinates import as_dataset, values_and_log_prior
from bayescale.inference.model import build_model, model_data
from bayescale.inference.nutpie_bridge import nutpie_model
from bayescale.inference.pooling import pooled_variables
from bayescale.inference.record import Sampled, Settings
from bayescale.inference.structure import Structure

TARGET_ACCEPT = 0.9
"""Target acceptance: enough for most tables, at two thirds of the steps that 0.95 takes."""

JITTER = 0.5
"""Chains start within this distance of the priors' middle, on the sampling scale."""


def sample_by_nutpie(structure: Structure, runs: pd.DataFrame, settings: Settings) -> Sampled:
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
        Draws of all free parameters.

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
    flat = points.to_numpy().reshape(-1, compiled.start.size)
    values, dims, _ = values_and_log_prior(structure, flat)
    return Sampled(
        posterior=as_dataset(structure, values, dims, settings.sampling.chains),
        sample_stats=tree["sample_stats"].to_dataset(),
        seconds={"compile": ready - begun, "sample": perf_counter() - ready},
        library=f"nutpie {version('nutpie')}",
        way="nuts",
        target_accept=settings.target_accept or TARGET_ACCEPT,
        tune=settings.sampling.tune,
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
        As for `sample_by_nutpie`.
    nuts_sampler : str
        As for `pm.sample`.

    Returns
    -------
    Sampled
        Draws of all free parameters.
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
        way=nuts_sampler,
        target_accept=settings.target_accept or TARGET_ACCEPT,
        tune=settings.sampling.tune,
    )
