"""A PyMC model becomes draws: compiled once, sampled as often as wanted.

nutpie samples a log density that PyTensor compiled through numba. Two things set this apart from
``nutpie.compile_pymc_model``: the compiled code comes out of PyTensor's cache on disk, so that a
new process starts in seconds; and the data are arguments of it, so that one compiled model
samples any table of the same structure. The function releases Python's global lock while it
computes, so chains run side by side.
"""

from collections.abc import Callable, Mapping, Sequence
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
from bayescale.model import OBSERVED, Structure, build_model, coords_of, model_data

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
        ``log_density(point, *data)`` gives the log density and its gradient, at a point of the
        sampling scale.
    expand : callable
        ``expand(points, *data)`` gives the free parameters at many points.
    dims : mapping of str to tuple of str
        What `expand` gives, in its order, with the dims after the point's.
    data : tuple of str
        Names of the data, in the order that both take them.
    start : (n,) array
        Middle of the priors on the sampling scale.
    """

    log_density: Callable[..., tuple[Any, Any]]
    expand: Callable[..., list[np.ndarray]]
    dims: Mapping[str, tuple[str, ...]]
    data: tuple[str, ...]
    start: np.ndarray

    def arguments(self, data: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Put data into the order the functions take it in."""
        every = {**data, "run": np.asarray(data[OBSERVED].size)}
        # Copies, since numba compiles once more for arrays that cannot be written to.
        return [np.array(every[name], order="C") for name in self.data]


_COMPILED: dict[tuple[Any, ...], Compiled] = {}
_KEPT = 32


def compiled_model(made: Structure, runs: pd.DataFrame) -> Compiled:
    """Get the compiled model of a structure; it is compiled on the first call for it only."""
    if made.key not in _COMPILED:
        if len(_COMPILED) >= _KEPT:
            del _COMPILED[next(iter(_COMPILED))]
        _COMPILED[made.key] = compile_model(build_model(made, runs))
    return _COMPILED[made.key]


@dataclass(frozen=True)
class _Graph:
    """A model with its data, and the point it is sampled at, as plain arguments."""

    model: pm.Model
    inputs: Mapping[str, Any]
    swap: Mapping[Any, Any]
    start: Mapping[Any, np.ndarray]

    def at(self, flat: Any, outputs: list[Any]) -> list[Any]:
        """Rewrite outputs of the model as functions of a flat point and of the inputs."""
        ends = np.cumsum([value.size for value in self.start.values()])
        values = {
            variable: flat[end - value.size : end].reshape(value.shape)
            for (variable, value), end in zip(self.start.items(), ends, strict=True)
        }
        rewritten: list[Any] = clone_replace(outputs, {**self.swap, **values})
        return rewritten


def _graph(model: pm.Model) -> _Graph:
    # PyMC keeps the length of each dim as data; only the number of runs ever changes.
    lengths = {**model.dim_lengths}
    data = [*model.data_vars, lengths.pop("run")]
    inputs = {variable.name: variable.type(name=variable.name) for variable in data}
    swap = {variable: inputs[variable.name] for variable in data}
    shared = [length for length in lengths.values() if isinstance(length, SharedVariable)]
    swap |= {length: pt.constant(length.get_value()) for length in shared}
    point = model.initial_point()
    start = {v: np.asarray(point[v.name], dtype="float64") for v in model.value_vars}
    return _Graph(model, inputs, swap, start)


def compile_model(model: pm.Model) -> Compiled:
    """Compile a model's log density, with its data as arguments."""
    graph = _graph(model)
    start = np.concatenate([value.ravel() for value in graph.start.values()])
    # What partial pooling makes is a free parameter of its group.
    pooled = [v for v in model.deterministics if f"{v.name}_common" in model.named_vars]
    variables = [*model.free_RVs, *pooled]
    return Compiled(
        log_density=_log_density(graph, start.size),
        expand=_expand(graph, model.replace_rvs_by_values(variables)),
        dims={variable.name: _dims(model, variable) for variable in variables},
        data=tuple(graph.inputs),
        start=start,
    )


def _dims(model: pm.Model, variable: Any) -> tuple[str, ...]:
    """Dims of a variable; of its own where the model names none."""
    unnamed = tuple(f"{variable.name}_dim_{axis}" for axis in range(variable.ndim))
    return tuple(model.named_vars_to_dims.get(variable.name) or unnamed)


def _log_density(graph: _Graph, size: int) -> Callable[..., tuple[Any, Any]]:
    flat = pt.tensor("point", shape=(size,), dtype="float64")
    (log_density,) = graph.at(flat, [graph.model.logp()])
    with graph.model:
        function = pm.compile(
            [flat, *graph.inputs.values()],
            [log_density, pt.grad(log_density, flat)],
            mode=Mode(_UnlockedLinker(), NUMBA.provided_optimizer),
            on_unused_input="ignore",
        )
    compiled: Callable[..., tuple[Any, Any]] = function.vm.jit_fn
    return compiled


def _expand(graph: _Graph, outputs: list[Any]) -> Callable[..., list[np.ndarray]]:
    """Outputs at many points at once: interpreted, since it runs once a fit on whole arrays."""
    flat, points = pt.vector("point"), pt.matrix("points")
    function: Callable[..., list[np.ndarray]] = pytensor.function(
        [points, *graph.inputs.values()],
        vectorize_graph(graph.at(flat, outputs), {flat: points}),
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
    target_accept : float
        Higher takes smaller steps.
    progress : bool or callable
        Show nutpie's own progress bar; or call this with the list of chains' progress.
    """

    draws: int = 1000
    tune: int = 800
    chains: int = 4
    random_seed: int = 0
    target_accept: float = 0.95
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


def sample(made: Structure, runs: pd.DataFrame, settings: Settings) -> Sampled:
    """Sample a structure on a table of runs with nutpie.

    Raises
    ------
    ConvergenceError
        If the log density is not finite where the chains would start.
    """
    begun = perf_counter()
    compiled = compiled_model(made, runs)
    arguments = compiled.arguments(model_data(made, runs))
    _check_start(compiled, arguments)  # numba compiles at this first call
    ready = perf_counter()
    tree = _nutpie(compiled, arguments, settings)
    points = tree["posterior"]["point"]
    values = compiled.expand(points.to_numpy().reshape(-1, compiled.start.size), *arguments)
    shape = (settings.chains, settings.draws)
    posterior = {
        name: (("chain", "draw", *dims), value.reshape(*shape, *value.shape[1:]))
        for (name, dims), value in zip(compiled.dims.items(), values, strict=True)
    }
    coords = {"chain": points["chain"].data, "draw": points["draw"].data, **coords_of(made)}
    seconds = {"compile": ready - begun, "sample": perf_counter() - ready}
    return Sampled(
        posterior=xr.Dataset(posterior, coords=_used(posterior, coords)),
        sample_stats=tree["sample_stats"].to_dataset(),
        seconds=seconds,
        library=f"nutpie {version('nutpie')}",
    )


def _used(variables: Mapping[str, Any], coords: Mapping[str, Any]) -> dict[str, Any]:
    dims = {dim for names, _ in variables.values() for dim in names}
    return {name: values for name, values in coords.items() if name in dims}


def _check_start(compiled: Compiled, arguments: Sequence[np.ndarray]) -> None:
    value, gradient = compiled.log_density(compiled.start, *arguments)
    if not (np.isfinite(value) and np.all(np.isfinite(gradient))):
        raise ConvergenceError(
            f"the log density is {float(value)} at the middle of the priors; expected a finite "
            "number. Check the numbers of replaced priors, and the formula at the runs' pivot."
        )


def _nutpie(compiled: Compiled, arguments: list[np.ndarray], settings: Settings) -> xr.DataTree:
    import nutpie
    from nutpie.compiled_pyfunc import from_pyfunc

    def start(seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        return compiled.start + rng.uniform(-JITTER, JITTER, compiled.start.size)

    def log_density(point: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = compiled.log_density(point, *arguments)
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
    tree: xr.DataTree = nutpie.sample(
        density,
        draws=settings.draws,
        tune=settings.tune,
        chains=settings.chains,
        seed=settings.random_seed,
        target_accept=settings.target_accept,
        adaptation="low_rank",
        save_warmup=False,
        progress_bar=shown is True,
        progress_callback=shown if callable(shown) else None,
    )
    return tree


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
            target_accept=settings.target_accept,
            nuts_sampler=nuts_sampler,
            progressbar=bool(settings.progress),
            var_names=[*(v.name for v in model.free_RVs), *pooled],
        )
    return Sampled(
        posterior=tree["posterior"].to_dataset(),
        sample_stats=tree["sample_stats"].to_dataset(),
        seconds={"compile": 0.0, "sample": perf_counter() - begun},
        library=f"pymc {version('pymc')}, {nuts_sampler}",
    )


SAMPLERS: dict[str, Callable[[Structure, pd.DataFrame, Settings], Sampled]] = {
    "nutpie": sample,
    "pymc": partial(_sample_by_pymc, nuts_sampler="pymc"),
    "numpyro": partial(_sample_by_pymc, nuts_sampler="numpyro"),
}
"""Samplers by name."""
