"""A PyMC model becomes a log density with its gradient, compiled once.

PyTensor compiles through numba. Two things set this apart from ``nutpie.compile_pymc_model``: the
compiled code comes out of PyTensor's cache on disk, so that a new process starts in seconds; and
the data are an argument of it, so that one compiled model samples any table of the same structure.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pytensor
import pytensor.tensor as pt
from pytensor.compile.mode import NUMBA, Mode
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.replace import clone_replace, vectorize_graph

from bayescale.model import build_model, pooled
from bayescale.structure import Structure


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
    variables = [*model.free_RVs, *pooled(model)]
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
    with model, warnings.catch_warnings():
        # Loops of more than 32 operands stay apart, which costs nothing worth saying.
        warnings.filterwarnings("ignore", message="Loop fusion failed", category=UserWarning)
        function = pm.compile([flat, packed], [log_density, pt.grad(log_density, flat)], mode=NUMBA)
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
