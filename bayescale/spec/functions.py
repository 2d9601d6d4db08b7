"""Functions that are called with those of many values that their arguments name."""

import inspect
from collections.abc import Callable, Mapping
from functools import cache, lru_cache, wraps
from typing import Any

Array = Any
"""A float, or an array of numpy, xarray or PyTensor."""


@lru_cache(maxsize=1024)
def arguments(function: Callable[..., Any]) -> tuple[str, ...]:
    """Return the names of the arguments of a function."""
    return tuple(inspect.signature(function).parameters)


def call(function: Callable[..., Any], values: Mapping[str, Any], **more: Any) -> Any:
    """Call a function with those of the values that its arguments name.

    Parameters
    ----------
    function : callable
        Function of named arguments.
    values : mapping of str to object
        Values by name; those that the function does not name are ignored.
    **more
        Further values, which come before those of `values`.

    Returns
    -------
    object
        What the function returns.

    Examples
    --------
    >>> call(lambda alpha, beta: alpha + beta, {"alpha": 1, "beta": 2, "E": 3})
    3
    """
    known = {**values, **more}
    return function(**{name: known[name] for name in arguments(function)})


def cached[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Cache a function by its arguments, however they are passed.

    Laws and likelihoods are equal only to themselves and their copies, so that a function that
    creates them has to return the same one for the same arguments.

    Parameters
    ----------
    function : callable
        Function of hashable arguments.

    Returns
    -------
    callable
    """
    remembered = cache(function)

    @wraps(function)
    def cached_function(*args: P.args, **kwargs: P.kwargs) -> R:
        bound = inspect.signature(function).bind(*args, **kwargs)
        bound.apply_defaults()
        return remembered(*bound.args, **bound.kwargs)

    return cached_function
