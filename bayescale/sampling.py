"""A PyMC model becomes draws: compiled once, sampled as often as wanted.

nutpie samples a log density that PyTensor compiled through numba. Two things set this apart from
``nutpie.compile_pymc_model``: the compiled code comes out of PyTensor's cache on disk, so that a
new process starts in seconds; and the data are an argument of it, so that one compiled model
samples any table of the same structure. The function releases Python's global lock while it
computes, so chains run side by side where that is worth it.
"""

import os
import timeit
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pytensor
import pytensor.tensor as pt
import xarray as xr
from pytensor.compile.mode import NUMBA, Mode
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.replace import clone_replace, vectorize_graph
from pytensor.link.numba.linker import NumbaLinker

from bayescale.errors import ConvergenceError, LawError
from bayescale.misfit import cluster_terms
from bayescale.model import build_model, model_data
from bayescale.structure import Structure, coords_of

USUAL = 0.9
"""Acceptance aimed at: enough for most tables, at two thirds of the steps that 0.95 takes."""

LONG = 4e-5
"""Seconds. Chains whose log density takes less would spend more on waiting for each other."""

JITTER = 0.5
"""Chains start within this of the priors' middle, on the sampling scale."""


class _UnlockedLinker(NumbaLinker):  # type: ignore[misc]
    """PyTensor's numba linker, with the outermost function free of the global lock."""

    def jit_compile(self, fn_and_cache: Any) -> Any:
        from pytensor.link.numba.dispatch.basic import numba_njit

        function, cache_key = fn_and_cache
        return numba_njit(
            function.py_func, final_function=True, cache=cache_key is not None, nogil=True
        )


@dataclass(frozen=True, eq=False)
class Compiled:
    """A log density with its gradient, and the way back to named parameters.

    Parameters
    ----------
    log_density : callable
        ``log_density(point, packed)`` gives the log density and its gradient, at a point of the
        sampling scale.
    expand : callable
        ``expand(points, packed)`` gives the free parameters at many points.
    dims : mapping of str to tuple of str
        What `expand` gives, in its order, with the dims after the point's.
    data : tuple of str
        Names of the data, in the order they are packed in.
    start : (n,) array
        Middle of the priors on the sampling scale.
    """

    log_density: Callable[..., tuple[Any, Any]]
    expand: Callable[..., list[np.ndarray]]
    dims: Mapping[str, tuple[str, ...]]
    data: tuple[str, ...]
    start: np.ndarray

    def pack(self, data: Mapping[str, np.ndarray]) -> np.ndarray:
        """Put all data into one vector; passing two dozen arrays takes longer than using them."""
        return np.concatenate([np.ravel(data[name]).astype("float64") for name in self.data])


_COMPILED: dict[tuple[Any, ...], Compiled] = {}
_KEPT = 32


def compiled_model(made: Structure, runs: pd.DataFrame) -> Compiled:
    """Get the compiled model of a structure; it is compiled on the first call for it only."""
    if made.key not in _COMPILED:
        if len(_COMPILED) >= _KEPT:
            del _COMPILED[next(iter(_COMPILED))]
        # With a C compiler at hand PyTensor would run it for every constant that it folds.
        with pytensor.config.change_flags(cxx=""):
            _COMPILED[made.key] = compile_model(build_model(made, runs, marginal=True))
    return _COMPILED[made.key]


def compile_model(model: pm.Model) -> Compiled:
    """Compile a model's log density, with its data as an argument."""
    point = model.initial_point()
    start = {v: np.asarray(point[v.name], dtype="float64") for v in model.value_vars}
    packed = pt.vector("packed")
    names, swap = _unpacked(model, packed)
    # What partial pooling makes is a free parameter of its group.
    pooled = [v for v in model.deterministics if f"{v.name}_common" in model.named_vars]
    variables = [*model.free_RVs, *pooled]
    outputs = model.replace_rvs_by_values(variables)
    size = sum(value.size for value in start.values())
    flat = pt.tensor("point", shape=(size,), dtype="float64")
    swap |= _pieces(flat, start)
    return Compiled(
        log_density=_log_density(model, flat, packed, *clone_replace([model.logp()], swap)),
        expand=_expand(flat, packed, clone_replace(outputs, swap)),
        dims={variable.name: _dims(model, variable) for variable in variables},
        data=names,
        start=np.concatenate([value.ravel() for value in start.values()]),
    )


def _unpacked(model: pm.Model, packed: Any) -> tuple[tuple[str, ...], dict[Any, Any]]:
    """Order of a model's data in one vector, columns of the runs last; and each as its slice."""
    columns = [v for v in model.data_vars if _dims(model, v) == ("run",)]
    rest = [v for v in model.data_vars if v not in columns]
    swap, end = {}, 0
    for variable in rest:
        begin, shape = end, variable.get_value(borrow=True).shape
        end += int(np.prod(shape))
        swap[variable] = packed[begin:end].reshape(shape)
    runs = (packed.shape[0] - end) // len(columns)
    for k, column in enumerate(columns):
        piece = packed[end + k * runs : end + (k + 1) * runs]
        swap[column] = piece.astype(column.dtype)
    # PyMC keeps the length of each dim as data; only the number of runs ever changes.
    lengths = {v: d for d, v in model.dim_lengths.items() if isinstance(v, SharedVariable)}
    for length, dim in lengths.items():
        same = runs.astype(length.dtype) if dim == "run" else pt.constant(length.get_value())
        swap[length] = same
    return tuple(variable.name for variable in (*rest, *columns)), swap


def _pieces(flat: Any, start: Mapping[Any, np.ndarray]) -> dict[Any, Any]:
    """Cut a flat point into the model's value variables."""
    ends = np.cumsum([value.size for value in start.values()])
    return {
        variable: flat[end - value.size : end].reshape(value.shape)
        for (variable, value), end in zip(start.items(), ends, strict=True)
    }


def _dims(model: pm.Model, variable: Any) -> tuple[str, ...]:
    """Dims of a variable; of its own where the model names none."""
    unnamed = tuple(f"{variable.name}_dim_{axis}" for axis in range(variable.ndim))
    return tuple(model.named_vars_to_dims.get(variable.name) or unnamed)


def _log_density(
    model: pm.Model, flat: Any, packed: Any, log_density: Any
) -> Callable[..., tuple[Any, Any]]:
    with model:
        function = pm.compile(
            [flat, packed],
            [log_density, pt.grad(log_density, flat)],
            # Small loops one after another run faster than one fused loop of everything.
            mode=Mode(_UnlockedLinker(), NUMBA.provided_optimizer.excluding("fusion")),
        )
    compiled: Callable[..., tuple[Any, Any]] = function.vm.jit_fn
    return compiled


def _expand(flat: Any, packed: Any, outputs: list[Any]) -> Callable[..., list[np.ndarray]]:
    """Outputs at many points at once: interpreted, since it runs once a fit on whole arrays."""
    points = pt.matrix("points")
    function: Callable[..., list[np.ndarray]] = pytensor.function(
        [points, packed],
        vectorize_graph(outputs, {flat: points}),
        mode=Mode("py", "fast_compile"),
        on_unused_input="ignore",
    )
    return function


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
    """Draws of the free parameters, statistics of the sampler, and what it took."""

    posterior: xr.Dataset
    sample_stats: xr.Dataset
    seconds: Mapping[str, float]
    library: str
    target_accept: float


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
    if made.integrable:
        draws = draws.assign(cluster_terms(made, draws, runs, settings.random_seed))
    seconds = {"compile": ready - begun, "sample": perf_counter() - ready}
    return Sampled(
        posterior=draws,
        sample_stats=tree["sample_stats"].to_dataset(),
        seconds=seconds,
        library=f"nutpie {version('nutpie')}",
        target_accept=settings.target_accept or USUAL,
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
    from nutpie.compiled_pyfunc import from_pyfunc

    def start(seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        return compiled.start + rng.uniform(-JITTER, JITTER, compiled.start.size)

    def log_density(point: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = compiled.log_density(point, packed)
        return float(value), gradient

    density = from_pyfunc(
        ndim=compiled.start.size,
        make_logp_fn=lambda: log_density,
        make_expand_fn=lambda *seeds: lambda point: {"point": point},
        make_initial_point_fn=start,
        expanded_dtypes=[np.dtype("float64")],
        expanded_shapes=[compiled.start.shape],
        expanded_names=["point"],
    )
    shown = settings.progress
    at_once = settings.chains if _seconds_a_call(log_density, compiled.start) > LONG else 1
    tree: xr.DataTree = nutpie.sample(
        density,
        draws=settings.draws,
        tune=settings.tune,
        chains=settings.chains,
        cores=min(at_once, os.cpu_count() or 1),
        seed=settings.random_seed,
        target_accept=settings.target_accept or USUAL,
        adaptation="low_rank",
        save_warmup=False,
        progress_bar=shown is True,
        progress_callback=shown if callable(shown) else None,
    )
    return tree


def _seconds_a_call(function: Callable[[np.ndarray], Any], point: np.ndarray) -> float:
    return min(timeit.repeat(lambda: function(point), number=20, repeat=5)) / 20


def _sample_by_pymc(
    made: Structure, runs: pd.DataFrame, settings: Settings, *, nuts_sampler: str
) -> Sampled:
    """Sample with another sampler through `pm.sample`: slower, for comparison."""
    begun = perf_counter()
    model = build_model(made, runs)
    pooled = [name for name in model.named_vars if f"{name}_common" in model.named_vars]
    with model:
        tree = pm.sample(
            draws=settings.draws,
            tune=settings.tune,
            chains=settings.chains,
            random_seed=settings.random_seed,
            target_accept=settings.target_accept or USUAL,
            nuts_sampler=nuts_sampler,
            progressbar=bool(settings.progress),
            var_names=[*(v.name for v in model.free_RVs), *pooled],
        )
    return Sampled(
        posterior=tree["posterior"].to_dataset(),
        sample_stats=tree["sample_stats"].to_dataset(),
        seconds={"compile": 0.0, "sample": perf_counter() - begun},
        library=f"pymc {version('pymc')}, {nuts_sampler}",
        target_accept=settings.target_accept or USUAL,
    )


Sampler = Callable[[Structure, pd.DataFrame, Settings], Sampled]
SAMPLERS: dict[str, Sampler] = {
    "nutpie": sample,
    "pymc": partial(_sample_by_pymc, nuts_sampler="pymc"),
    "numpyro": partial(_sample_by_pymc, nuts_sampler="numpyro"),
}
"""Samplers by name."""
