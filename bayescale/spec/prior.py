"""A prior is a PyMC distribution with its numbers, which checks itself when it is created."""

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from bayescale.errors import LawError

Numbers = Mapping[str, float | tuple[float, ...]]


@dataclass(frozen=True, init=False, eq=False)
class Prior:
    """A PyMC distribution with its numbers.

    Parameters
    ----------
    distribution : PyMC distribution class
        The class itself, for example ``pm.LogNormal``.
    parts : sequence of str, optional
        Names of the components of a vector parameter. Without them the parameter is a scalar.
    **parameters : float or sequence of float
        The distribution's parameters by name; a sequence has one number for each part.

    Raises
    ------
    LawError
        If the distribution does not take these parameters, or a number is not finite.

    Examples
    --------
    >>> import pymc as pm
    >>> Prior(pm.LogNormal, mu=-1.2, sigma=0.6)
    LogNormal(mu=-1.2, sigma=0.6)
    """

    distribution: Any
    parameters: Numbers
    parts: tuple[str, ...]

    def __init__(
        self,
        distribution: Any,
        *,
        parts: Iterable[str] = (),
        **parameters: float | Iterable[float],
    ) -> None:
        numbers = {}
        for name, value in parameters.items():
            try:
                number = tuple(map(float, value)) if isinstance(value, Iterable) else float(value)
                finite = bool(np.all(np.isfinite(number)))
            except (TypeError, ValueError):
                finite = False
            if not finite:
                raise LawError(
                    f"the prior's {name} is {value!r}; expected a finite number or a sequence of "
                    "them. Give numbers: what depends on the runs belongs into the law's "
                    "coefficients."
                )
            numbers[name] = number
        object.__setattr__(self, "distribution", distribution)
        object.__setattr__(self, "parts", tuple(parts))
        object.__setattr__(self, "parameters", MappingProxyType(numbers))
        _check_prior(self)

    def __repr__(self) -> str:
        written = []
        for name, value in self.parameters.items():
            numbers = [f"{number:g}" for number in np.atleast_1d(value)]
            listed = f"({', '.join(numbers)})" if self.parts and len(numbers) > 1 else numbers[0]
            written.append(f"{name}={listed}")
        return f"{self.distribution.__name__}({', '.join(written)})"

    @property
    def form(self) -> tuple[Any, ...]:
        """What a compiled model depends on: everything but the numbers."""
        shapes = tuple((name, np.shape(value)) for name, value in self.parameters.items())
        return (self.distribution, self.parts, shapes)


def _check_prior(prior: Prior) -> None:
    """Raise LawError unless PyMC can create the distribution."""
    for name, value in prior.parameters.items():
        if isinstance(value, tuple) and len(value) != len(prior.parts):
            raise LawError(
                f"the prior's {name} has {len(value)} numbers for parts {prior.parts}; expected "
                f"{len(prior.parts)}. Name one part for each number with parts=(...)."
            )
    create = getattr(prior.distribution, "dist", None)
    if create is None:
        raise LawError(
            f"{prior.distribution!r} is no PyMC distribution; expected a class such as "
            "pm.LogNormal. Pass the class itself, not its name and not a call of it."
        )
    takes = set(inspect.signature(create).parameters) - {"args", "kwargs"}
    unknown = sorted(set(prior.parameters) - takes)
    if takes and unknown:  # PyMC would ignore them
        raise LawError(
            f"{prior!r} names {unknown}; expected parameters that PyMC's "
            f"{prior.distribution.__name__} takes, {sorted(takes)}. Correct the spelling."
        )
    try:
        create(**prior.parameters)
    except (TypeError, ValueError, NotImplementedError) as error:
        raise LawError(
            f"{prior!r} cannot be created ({error}); expected the parameters that PyMC's "
            f"{prior.distribution.__name__} takes. See its signature."
        ) from error
