"""Functions that say by the names of their arguments what they take."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any


def arguments(function: Callable[..., Any]) -> tuple[str, ...]:
    """Names of the arguments of a function."""
    return tuple(inspect.signature(function).parameters)


def call(function: Callable[..., Any], values: Mapping[str, Any], **more: Any) -> Any:
    """Call a function with those of the values that it names."""
    every = {**values, **more}
    return function(**{name: every[name] for name in arguments(function)})
