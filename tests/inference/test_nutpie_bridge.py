import ctypes
from collections.abc import Callable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pymc as pm
import pytest
from numba.core import cgutils
from numba.core.callconv import CPUCallConv
from numba.core.dispatcher import Dispatcher
from numpy.testing import assert_allclose, assert_array_equal
from nutpie.compile_pymc import CompiledPyMCModel, compile_pymc_model
from pytensor.link.numba import cache

from bayescale.inference import nutpie_bridge
from bayescale.inference.compile import Compiled, compiled_model
from bayescale.inference.model import build_model, model_data
from bayescale.inference.nuts import JITTER, sample_by_nutpie
from bayescale.inference.record import Sampling, Settings
from bayescale.inference.structure import build_structure
from bayescale.likelihoods import STUDENT_T, VARIANCE_FUNCTION
from bayescale.models.size_and_data.chinchilla import CHINCHILLA
from tests.designs import simulated

RUNS = simulated(CHINCHILLA, noise=0.01, seed=4, each=5)
STRUCTURE = build_structure(CHINCHILLA, RUNS, STUDENT_T)


def compiled() -> tuple[Compiled, np.ndarray]:
    """A compiled model that has been called once, and the packed runs."""
    model = compiled_model(STRUCTURE, RUNS)
    packed = model.pack(model_data(STRUCTURE, RUNS))
    model.log_density(model.start, packed)
    return model, packed


def called(log_density: Any, packed: np.ndarray, point: np.ndarray) -> tuple[int, Any, np.ndarray]:
    """Status, value and gradient as nutpie gets them."""
    value, gradient = np.empty(()), np.empty_like(point)
    data = nutpie_bridge.call_data(log_density, packed)
    pointer = ctypes.POINTER(ctypes.c_double)
    arrays = [array.ctypes.data_as(pointer) for array in (point, gradient, value)]
    status = nutpie_bridge.density.ctypes(point.size, *arrays, data.ctypes.data)
    return status, value, gradient


def near(start: np.ndarray, count: int) -> np.ndarray:
    return start + np.random.default_rng(0).uniform(-JITTER, JITTER, (count, start.size))


def test_the_density_for_c_is_the_compiled_one_on_any_table() -> None:
    model, packed = compiled()
    fewer = model.pack(model_data(STRUCTURE, RUNS.iloc[:9]))
    for data in (packed, fewer):
        for point in near(model.start, 5):
            status, value, gradient = called(model.log_density, data, point)
            expected = model.log_density(point, data)
            assert status == 0
            assert_array_equal(value, expected[0])
            assert_array_equal(gradient, expected[1])


def test_the_compiled_density_is_the_interpreted_one() -> None:
    structure = build_structure(CHINCHILLA, RUNS, VARIANCE_FUNCTION)
    model = compiled_model(structure, RUNS)
    packed = model.pack(model_data(structure, RUNS))
    plain = build_model(structure, RUNS)
    interpreted = plain.compile_fn([plain.logp(), plain.dlogp()], mode="FAST_COMPILE")
    values = plain.initial_point()
    ends = np.cumsum([np.size(value) for value in values.values()])
    for point in near(model.start, 5):
        pieces = np.split(point, ends[:-1])
        free = {
            name: piece.reshape(np.shape(values[name]))
            for name, piece in zip(values, pieces, strict=True)
        }
        expected = interpreted(free)
        value, gradient = model.log_density(point, packed)
        # Sums of 25 runs of order 1e3: rounding in another order.
        assert_allclose(value, expected[0], rtol=1e-10)
        assert_allclose(gradient, expected[1], rtol=1e-10, atol=1e-8)


def test_draws_are_those_of_the_density_called_from_python() -> None:
    import nutpie
    from nutpie.compiled_pyfunc import from_pyfunc

    model, packed = compiled()

    def from_python(point: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = model.log_density(point, packed)
        return float(value), gradient

    def start(seed: int) -> np.ndarray:
        return model.start + np.random.default_rng(seed).uniform(-JITTER, JITTER, model.start.size)

    slow = from_pyfunc(
        ndim=model.start.size,
        make_logp_fn=lambda: from_python,
        make_expand_fn=lambda *seeds: lambda point: {"point": point},
        make_initial_point_fn=start,
        expanded_dtypes=[np.dtype("float64")],
        expanded_shapes=[model.start.shape],
        expanded_names=["point"],
    )
    options = {"draws": 100, "tune": 200, "chains": 2, "cores": 1, "seed": 1, "target_accept": 0.9}
    fast = nutpie_bridge.nutpie_model(model.log_density, packed, model.start.size, start)
    by_python, by_address = (
        nutpie.sample(way, **options, adaptation="low_rank", progress_bar=False)["posterior"]
        for way in (slow, fast)
    )
    assert_array_equal(by_address["point"], by_python["point"])


def test_parallel_chains_are_those_one_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn, settings = [], Settings(Sampling(draws=100, tune=200, chains=4))
    for threads in ("1", "4"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        drawn.append(sample_by_nutpie(STRUCTURE, RUNS, settings).posterior)
    assert drawn[0].identical(drawn[1])


def test_a_density_that_is_not_finite_is_an_error_to_recover_from() -> None:
    model, packed = compiled()
    assert called(model.log_density, packed * np.nan, model.start)[0] == nutpie_bridge.FAILED


def test_a_draw_is_kept_as_it_is() -> None:
    point, kept = np.array([1.5, -2.0, 0.25]), np.zeros(3)
    pointer = ctypes.POINTER(ctypes.c_double)
    arrays = [array.ctypes.data_as(pointer) for array in (point, kept)]
    assert nutpie_bridge.same_point.ctypes(3, 3, *arrays, None) == 0
    assert_array_equal(kept, point)


@numba.njit
def refusing(*arguments: Any) -> Any:
    if arguments[0].size:
        raise ArithmeticError("refused")
    return np.array(1.0), arguments[0]


def test_a_density_that_raises_is_an_error_to_recover_from() -> None:
    point = np.ones(2)
    with pytest.raises(ArithmeticError, match="refused"):
        refusing(point, point)
    assert called(refusing, point, point)[0] == nutpie_bridge.FAILED


@numba.njit
def without_gradient(*arguments: Any) -> Any:
    return np.array(1.0)


def test_only_a_density_with_its_gradient_is_called_by_its_address() -> None:
    without_gradient(np.ones(2), np.ones(2))
    with pytest.raises(TypeError, match="cannot be called by its address"):
        nutpie_bridge.address_of(without_gradient)


def plain() -> Any:
    """A compiled density without PyTensor, called once."""
    point = np.ones(2)

    @numba.njit
    def log_density(*arguments: Any) -> Any:
        return np.array(arguments[0].sum()), arguments[1]

    log_density(point, point)
    return log_density


# What the bridge leans on without the promise of its packages to keep it. A release that moves one
# of these fails here, by its name, before a chain jumps to a wrong address.
PRIVATE: dict[str, Callable[[], object]] = {
    "nutpie: CompiledPyMCModel asks for these fields": lambda: (
        {field.name for field in fields(CompiledPyMCModel) if field.default is MISSING}
        == {"dims", "_coords", "_n_dim", "_shapes", "compiled_logp_func", "compiled_expand_func"}
        | {"initial_point_func", "shared_data", "shared_var_keys", "user_data", "n_expanded"}
        | {"shape_info", "logp_func", "expand_func"}
    ),
    "numba: a dispatcher keeps what it compiled by the types of its arguments": lambda: (
        list(plain().overloads) == [(numba.types.UniTuple(nutpie_bridge.VECTOR, 2),)]
    ),
    "numba: a compiled function gives its signature, name and address": lambda: (
        nutpie_bridge.address_of(plain()) > 0
    ),
    "numba: calls by the convention of its own functions": lambda: (
        {"get_function_type", "call_function", "return_status_propagate"} <= {*dir(CPUCallConv)}
    ),
    "numba: builds branches and pointers": lambda: cgutils.if_unlikely and cgutils.voidptr_t,
    "pytensor: a compiled function is a dispatcher of numba": lambda: isinstance(
        compiled()[0].log_density, Dispatcher
    ),
    "pytensor: keeps registered functions in its cache on disk": lambda: (
        nutpie_bridge.density.__wrapped__ in cache.CACHED_SRC_FUNCTIONS
        and Path(nutpie_bridge.density._cache.cache_path) == Path(cache.NUMBA_CACHE_PATH)
    ),
}


@pytest.mark.parametrize("name", PRIVATE)
def test_a_private_name_is_where_it_was(name: str) -> None:
    assert PRIVATE[name]()


def test_nutpie_calls_densities_with_the_arguments_of_ours() -> None:
    with pm.Model() as model:
        pm.Normal("x")
    theirs = compile_pymc_model(model, backend="numba")
    # The signature of a function for C, as numba keeps it.
    assert nutpie_bridge.density._sig == theirs.compiled_logp_func._sig
    assert nutpie_bridge.same_point._sig == theirs.compiled_expand_func._sig
