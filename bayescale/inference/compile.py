"""A PyMC model becomes a log density with its gradient, compiled once.

PyTensor compiles through numba. There are two differences from ``nutpie.compile_pymc_model``. The
compiled code comes out of PyTensor's cache on disk, so that a new process starts in seconds. And
the data are an argument, so that one compiled model samples any table of the same structure.
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
from pytensor.compile.mode import NUMBA
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.replace import clone_replace

from bayescale.inference.model import build_model
from bayescale.inference.structure import Structure


@dataclass(frozen=True, eq=False)
class Compiled:
    """A log density with its gradient.

    Parameters
    ----------
    log_density : callable
        ``log_density(point, packed)`` gives the log density and its gradient, at a point of the
        sampling scale.
    data : tuple of str
        Names of the data, in the order in which they are packed.
    start : (n,) array
        Middle of the priors on the sampling scale.
    """

    log_density: Callable[..., tuple[Any, Any]]
    data: tuple[str, ...]
    start: np.ndarray

    def pack(self, data: Mapping[str, np.ndarray]) -> np.ndarray:
        """Put all data into one vector; passing two dozen arrays takes longer than using them."""
        return np.concatenate([np.ravel(data[name]).astype("float64") for name in self.data])


_COMPILED: dict[tuple[Any, ...], Compiled] = {}


def compiled_model(structure: Structure, runs: pd.DataFrame) -> Compiled:
    """Compiled model of a structure; only the first call for a structure compiles."""
    if structure.key not in _COMPILED:
        if len(_COMPILED) >= 32:  # the oldest goes, so that memory does not grow without end
            del _COMPILED[next(iter(_COMPILED))]
        # With a C compiler PyTensor would run it for every constant that it folds.
        with pytensor.config.change_flags(cxx=""):
            _COMPILED[structure.key] = compile_model(build_model(structure, runs))
    return _COMPILED[structure.key]


def compile_model(model: pm.Model) -> Compiled:
    """Compile a model's log density, with its data as an argument."""
    point = model.initial_point()
    start = {v: np.asarray(point[v.name], dtype="float64") for v in model.value_vars}
    packed = pt.vector("packed")
    names, swap = _unpack_data(model, packed)
    # Each value variable is a piece of one flat point.
    ends = np.cumsum([value.size for value in start.values()])
    flat = pt.tensor("point", shape=(sum(value.size for value in start.values()),), dtype="float64")
    for (variable, value), end in zip(start.items(), ends, strict=True):
        swap[variable] = flat[end - value.size : end].reshape(value.shape)
    (log_density,) = clone_replace([model.logp()], swap)
    with model, warnings.catch_warnings():
        # Loops of more than 32 operands are not fused, at no cost worth a warning.
        warnings.filterwarnings("ignore", message="Loop fusion failed", category=UserWarning)
        function = pm.compile([flat, packed], [log_density, pt.grad(log_density, flat)], mode=NUMBA)
    return Compiled(
        log_density=function.vm.jit_fn,
        data=names,
        start=np.concatenate([value.ravel() for value in start.values()]),
    )


def _unpack_data(model: pm.Model, packed: Any) -> tuple[tuple[str, ...], dict[Any, Any]]:
    """Order of a model's data in one vector, columns of the runs last; and each as its slice."""
    columns = [v for v in model.data_vars if model.named_vars_to_dims.get(v.name) == ("run",)]
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
