"""A compiled log density as the C function that nutpie calls, without Python in between.

`density` does not contain the log density: it jumps to its address. So it is the same for every
model, numba compiles it once for all of them, and later it comes out of PyTensor's cache on disk.
Chains in several threads may call it at the same time.

nutpie can also sample a Python function, by ``nutpie.compiled_pyfunc.from_pyfunc``. The draws are
then the same, but every step passes through the interpreter, whose lock makes chains wait for each
other. For the default model of table ``pocket`` (82 runs, law ``coupled``), 4 chains of 800 + 1000
draws take 1.5 s by this module and 6.0 s by `from_pyfunc`, 3.9 times as long; with chains one after
another 2.8 s and 4.5 s, 1.6 times (nutpie 0.16.11, 2 CPUs, median of 3 seeds).
"""

from collections.abc import Callable, Mapping
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

NUMBERS = types.CPointer(types.float64)

FAILED = 1
"""Status of an error that nutpie recovers from: the trajectory ends there, as diverging."""


def address_of(log_density: Any) -> int:
    """Address of the machine code of a density that was called at least once.

    Parameters
    ----------
    log_density : numba dispatcher
        Of ``(point, packed) -> (value, gradient)``.

    Returns
    -------
    int

    Raises
    ------
    TypeError
        If the density returns something else.
    """
    # It takes a point and the packed data.
    compiled = log_density.overloads[(types.UniTuple(VECTOR, 2),)]
    if compiled.signature.return_type != VALUE_AND_GRADIENT:
        raise TypeError(f"a density {compiled.signature} cannot be called by its address")
    address: int = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)
    return address


def call_data(log_density: Any, packed: np.ndarray) -> np.ndarray:
    """Model and data of `density`, which nutpie passes at each call; `packed` has to outlive it."""
    numbers = (address_of(log_density), packed.ctypes.data, packed.size)
    return np.array(numbers, dtype="uint64")


@intrinsic  # type: ignore[untyped-decorator]
def _jump(_: Any, address: Any, arguments: Any) -> Any:
    """Call the function at an address, by numba's own calling convention."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        convention, gives, takes = context.call_conv, signature.return_type, signature.args[1:]
        kind = convention.get_function_type(gives, takes).as_pointer()
        pointer = builder.inttoptr(values[0], kind)
        status, result = convention.call_function(builder, pointer, gives, takes, values[1:])
        with cgutils.if_unlikely(builder, status.is_error):
            convention.return_status_propagate(builder, status)
        return result

    return VALUE_AND_GRADIENT(address, arguments), generate


@intrinsic  # type: ignore[untyped-decorator]
def _pointer(_: Any, address: Any) -> Any:
    """An address as a pointer."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.inttoptr(values[0], cgutils.voidptr_t)

    return types.voidptr(address), generate


def _for_c(*arguments: Any) -> Callable[[Callable[..., int]], Any]:
    """Compile a function for C, from PyTensor's cache if this file has not changed since."""

    def compiled(function: Callable[..., int]) -> Any:
        CACHED_SRC_FUNCTIONS[function] = sha256(Path(__file__).read_bytes()).hexdigest()
        return numba.cfunc(types.int64(*arguments), cache=True)(function)

    return compiled


@_for_c(types.uint64, NUMBERS, NUMBERS, NUMBERS, types.voidptr)
def density(size: Any, point: Any, gradient: Any, value: Any, data: Any) -> int:
    """Log density and its gradient at a point; `data` is that of `call_data`."""
    try:
        numbers = numba.carray(data, 3, numba.uint64)
        packed = numba.carray(_pointer(numbers[1]), numbers[2], numba.float64)
        log_density, slope = _jump(numbers[0], (numba.carray(point, size), packed))
        value[0] = log_density[()]
        finite = np.isfinite(value[0])
        for k in range(size):
            gradient[k] = slope[k]
            finite &= np.isfinite(slope[k])
    except Exception:
        return FAILED
    return 0 if finite else FAILED


@_for_c(types.uint64, types.uint64, NUMBERS, NUMBERS, types.voidptr)
def same_point(size: Any, expanded: Any, point: Any, out: Any, data: Any) -> int:
    """Copy the point, which is all that is kept of each draw."""
    for k in range(size):
        out[k] = point[k]
    return 0


def nutpie_model(log_density: Any, packed: np.ndarray, size: int, start: Any) -> Any:
    """Model for nutpie: a density on the sampling scale, whose draws are called ``point``.

    Parameters
    ----------
    log_density : numba dispatcher
        As for `address_of`.
    packed : array
        The data.
    size : int
        Number of free numbers.
    start : callable
        ``start(seed)`` is where a chain starts.

    Returns
    -------
    nutpie.compile_pymc.CompiledPyMCModel
    """
    from nutpie.compile_pymc import CompiledPyMCModel

    nothing: Mapping[str, Any] = {}
    return CompiledPyMCModel(
        dims=nothing,
        _coords=nothing,
        _n_dim=size,
        _shapes={"point": (size,)},
        compiled_logp_func=density,
        compiled_expand_func=same_point,
        initial_point_func=start,
        shared_data={"packed": packed, "density": log_density},  # kept alive while it samples
        shared_var_keys=nothing,
        user_data=call_data(log_density, packed),
        n_expanded=size,
        shape_info=(["point"], [slice(0, size)], [(size,)]),
        logp_func=None,
        expand_func=None,
    )
