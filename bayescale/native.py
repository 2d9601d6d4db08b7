"""A compiled log density as the C function that nutpie calls, with no Python in between.

The function below does not contain the density: it jumps to its address. So it is the same for
every model, numba compiles it once for all of them, and it comes out of PyTensor's cache on disk
afterwards. Chains in several threads may call it at once.
"""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from pytensor.link.numba.cache import CACHED_SRC_FUNCTIONS

VECTOR = types.Array(types.float64, 1, "C")
VALUE_AND_GRADIENT = types.Tuple((types.Array(types.float64, 0, "C"), VECTOR))
TAKES = types.UniTuple(VECTOR, 2)
"""What the compiled density takes and gives: (point, packed data), (value, gradient)."""

FAILED = 1
"""What nutpie calls an error to recover from: the trajectory ends there, as diverging."""


def address_of(log_density: Any) -> int:
    """Where the machine code of a density is that has been called at least once.

    Parameters
    ----------
    log_density : numba dispatcher
        Of ``(point, packed) -> (value, gradient)``.
    """
    compiled = log_density.overloads[(TAKES,)]
    if compiled.signature.return_type != VALUE_AND_GRADIENT:
        raise TypeError(f"a density {compiled.signature} cannot be called by its address")
    address: int = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)
    return address


def call_data(log_density: Any, packed: np.ndarray) -> np.ndarray:
    """What nutpie hands to `DENSITY` at each call; `packed` has to outlive it."""
    numbers = (address_of(log_density), packed.ctypes.data, packed.size)
    return np.array(numbers, dtype="uint64")


@intrinsic  # type: ignore[untyped-decorator]
def _jump(_: Any, address: Any, arguments: Any) -> Any:
    """Call the function at an address, by numba's own calling convention."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        convention, gives, takes = context.call_conv, signature.return_type, signature.args[1:]
        kind = convention.get_function_type(gives, takes).as_pointer()
        there = builder.inttoptr(values[0], kind)
        status, result = convention.call_function(builder, there, gives, takes, values[1:])
        with cgutils.if_unlikely(builder, status.is_error):
            convention.return_status_propagate(builder, status)
        return result

    return VALUE_AND_GRADIENT(address, arguments), generate


@intrinsic  # type: ignore[untyped-decorator]
def _pointer(_: Any, address: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.inttoptr(values[0], cgutils.voidptr_t)

    return types.voidptr(address), generate


def _density(size: Any, point: Any, gradient: Any, value: Any, data: Any) -> int:
    try:
        numbers = numba.carray(data, 3, numba.uint64)
        packed = numba.carray(_pointer(numbers[1]), numbers[2], numba.float64)
        found, slope = _jump(numbers[0], (numba.carray(point, size), packed))
        value[0] = found[()]
        finite = np.isfinite(value[0])
        for k in range(size):
            gradient[k] = slope[k]
            finite &= np.isfinite(slope[k])
    except Exception:
        return FAILED
    return 0 if finite else FAILED


def _same(size: Any, expanded: Any, point: Any, out: Any, data: Any) -> int:
    for k in range(size):
        out[k] = point[k]
    return 0


def _compiled(function: Any, signature: Any) -> Any:
    """The function for C, from PyTensor's cache if this file has not changed since."""
    CACHED_SRC_FUNCTIONS[function] = sha256(Path(__file__).read_bytes()).hexdigest()
    return numba.cfunc(signature, cache=True)(function)


_NUMBERS = types.CPointer(types.float64)
DENSITY = _compiled(
    _density, types.int64(types.uint64, _NUMBERS, _NUMBERS, _NUMBERS, types.voidptr)
)
"""The log density and its gradient at a point; `call_data` says of which model and data."""
SAME = _compiled(_same, types.int64(types.uint64, types.uint64, _NUMBERS, _NUMBERS, types.voidptr))
"""The point itself, which is all that is kept of each draw."""


def nutpie_model(log_density: Any, packed: np.ndarray, size: int, start: Any) -> Any:
    """What nutpie samples: a density on the sampling scale, whose draws are called ``point``.

    Parameters
    ----------
    log_density : numba dispatcher
        As for `address_of`.
    packed : array
        The data.
    size : int
        Free numbers.
    start : callable
        ``start(seed)`` is where a chain starts.
    """
    from nutpie.compile_pymc import CompiledPyMCModel

    nothing: Mapping[str, Any] = {}
    return CompiledPyMCModel(
        dims=nothing,
        _coords=nothing,
        _n_dim=size,
        _shapes={"point": (size,)},
        compiled_logp_func=DENSITY,
        compiled_expand_func=SAME,
        initial_point_func=start,
        shared_data={"packed": packed, "density": log_density},  # kept alive while it samples
        shared_var_keys=nothing,
        user_data=call_data(log_density, packed),
        n_expanded=size,
        shape_info=(["point"], [slice(0, size)], [(size,)]),
        logp_func=None,
        expand_func=None,
    )
