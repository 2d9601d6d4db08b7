"""A prior is a distribution with its numbers, which checks itself when it is created.

It has two faces. To PyMC it is a random variable of the same name. To everything else it is a scipy
distribution and a transform to the real line, so that a density needs no compiler.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np

from bayescale.errors import LawError
from bayescale.priors.transforms import Array, Transform

Numbers = Mapping[str, float | tuple[float, ...]]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Distribution:
    """A kind of prior, such as ``LogNormal``: called with numbers, it gives a `Prior`.

    Parameters
    ----------
    name : str
        Its name in PyMC.
    parameters : tuple of str
        Names of its numbers in PyMC.
    frozen : callable
        The frozen scipy distribution, from the same numbers.
    transform : Transform
        The scale on which it is sampled, that of PyMC.
    positive : tuple of str
        Numbers that have to be above zero.
    log_density : callable, optional
        ``log_density(coordinates, **numbers)`` gives the log density on that scale, where it has a
        short form. Otherwise it follows from scipy's.

    Examples
    --------
    >>> from bayescale.priors import LogNormal
    >>> LogNormal(mu=-1.2, sigma=0.6)
    LogNormal(mu=-1.2, sigma=0.6)
    """

    name: str
    parameters: tuple[str, ...]
    frozen: Callable[..., Any]
    transform: Transform
    positive: tuple[str, ...] = ()
    log_density: Callable[..., Array] | None = None

    def __call__(self, *, parts: Iterable[str] = (), **numbers: float | Iterable[float]) -> "Prior":
        """Return a prior of this kind.

        Parameters
        ----------
        parts : sequence of str, optional
            Names of the components of a vector parameter. Without them it is a scalar.
        **numbers : float or sequence of float
            The distribution's numbers by name; a sequence has one for each part.

        Returns
        -------
        Prior

        Raises
        ------
        LawError
            If these are not the numbers of the distribution.
        """
        return Prior(self, parts=parts, **numbers)

    def __repr__(self) -> str:
        return self.name

    # Distributions are the constants of one module, equal by name in every process.
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Distribution) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __reduce__(self) -> Any:
        known = DISTRIBUTIONS.get(self.name) is self
        return (_named, (self.name,)) if known else super().__reduce__()


def _named(name: str) -> Distribution:
    """The distribution of a name, as a pickle asks for it."""
    return DISTRIBUTIONS[name]


DISTRIBUTIONS: dict[str, Distribution] = {}
"""Every kind of prior by name; `bayescale.priors.distributions` fills it."""


@dataclass(frozen=True, init=False, eq=False)
class Prior:
    """A distribution with its numbers.

    Parameters
    ----------
    distribution : Distribution
        One of `bayescale.priors`, such as ``LogNormal``.
    parts : sequence of str, optional
        Names of the components of a vector parameter. Without them the parameter is a scalar.
    **parameters : float or sequence of float
        The distribution's numbers by name; a sequence has one for each part.

    Raises
    ------
    LawError
        If the distribution does not take these numbers, or a number is not finite.
    """

    distribution: Distribution
    parameters: Numbers
    parts: tuple[str, ...]

    def __init__(
        self,
        distribution: Distribution,
        *,
        parts: Iterable[str] = (),
        **parameters: Any,
    ) -> None:
        if not isinstance(distribution, Distribution):
            raise LawError(
                f"a prior was given the distribution {distribution!r}; expected one of "
                "bayescale.priors. Write for example priors.LogNormal(mu=0.0, sigma=0.3)."
            )
        numbers = {}
        for name, value in parameters.items():
            try:
                number = tuple(map(float, value)) if np.ndim(value) else float(value)
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
        return f"{self.distribution.name}({', '.join(written)})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "parameters": dict(self.parameters)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        parameters = MappingProxyType(state["parameters"])
        self.__dict__.update({**state, "parameters": parameters})

    @property
    def form(self) -> tuple[Any, ...]:
        """What a compiled model depends on: everything but the numbers."""
        shapes = tuple((name, np.shape(value)) for name, value in self.parameters.items())
        return (self.distribution, self.parts, shapes)

    @cached_property
    def numbers(self) -> dict[str, Array]:
        """The numbers as arrays."""
        return {name: np.asarray(value) for name, value in self.parameters.items()}

    @property
    def separate(self) -> bool:
        """Whether the parameter has parts, each with a coordinate of its own."""
        return bool(self.parts) and not self.distribution.transform.joint

    @property
    def coordinates(self) -> int:
        """How many numbers there are on the scale on which the parameter is sampled."""
        return max(len(self.parts), 1) - self.distribution.transform.joint

    def forward(self, values: Array) -> Array:
        """Return the coordinates of values.

        Parameters
        ----------
        values : (..., part) array
            Without the axis of parts for a scalar.

        Returns
        -------
        (..., coordinate) array
            One less than the parts of a simplex.
        """
        return self.distribution.transform.forward(values, **self.numbers)

    def backward(self, coordinates: Array) -> Array:
        """Return the values at coordinates.

        Parameters
        ----------
        coordinates : (..., coordinate) array
            On the scale on which the parameter is sampled.

        Returns
        -------
        (..., part) array
            Without the last axis for a scalar.
        """
        return self.distribution.transform.backward(coordinates, **self.numbers)

    def log_density(self, coordinates: Array) -> Array:
        """Return the log density on the scale on which the parameter is sampled.

        Parameters
        ----------
        coordinates : (..., coordinate) array
            Without the last axis for a scalar.

        Returns
        -------
        (...) array
            Of all parts together.
        """
        kind = self.distribution
        if kind.log_density is not None:
            density = kind.log_density(coordinates, **self.numbers)
            return np.asarray(density.sum(axis=-1) if self.separate else density)
        slope = kind.transform.log_slope(coordinates, **self.numbers)
        own = slope.sum(axis=-1) if self.separate else slope
        return np.asarray(self.log_density_of(self.backward(coordinates)) + own)

    def log_density_of(self, values: Array) -> Array:
        """Return the log density of values.

        Parameters
        ----------
        values : (..., part) array
            Without the last axis for a scalar.

        Returns
        -------
        (...) array
            Of all parts together.
        """
        frozen = self.distribution.frozen(**self.numbers)
        if self.distribution.transform.joint:
            flat = np.reshape(values, (-1, len(self.parts)))
            return np.asarray(frozen.logpdf(flat.T)).reshape(np.shape(values)[:-1])
        density = frozen.logpdf(values)
        return np.asarray(density.sum(axis=-1) if self.parts else density)

    def draw(self, size: tuple[int, ...], rng: np.random.Generator) -> Array:
        """Return draws.

        Parameters
        ----------
        size : tuple of int
            Shape of the draws.
        rng : Generator
            Where they come from.

        Returns
        -------
        (*size, part) array
            Without the last axis for a scalar.
        """
        shape = (*size, len(self.parts)) if self.separate else size
        frozen = self.distribution.frozen(**self.numbers)
        return np.asarray(frozen.rvs(size=shape, random_state=rng))


def _check_prior(prior: Prior) -> None:
    """Raise LawError unless these are numbers of the distribution."""
    kind = prior.distribution
    for name, value in prior.parameters.items():
        if isinstance(value, tuple) and len(value) != len(prior.parts):
            raise LawError(
                f"the prior's {name} has {len(value)} numbers for parts {prior.parts}; expected "
                f"{len(prior.parts)}. Name one part for each number with parts=(...)."
            )
    unknown = sorted(set(prior.parameters) - set(kind.parameters))
    missing = sorted(set(kind.parameters) - set(prior.parameters))
    if unknown or missing:
        raise LawError(
            f"{prior!r} {'names' if unknown else 'lacks'} {unknown or missing}; expected the "
            f"parameters {list(kind.parameters)}. "
            + ("Correct the spelling." if unknown else "Give a number for each.")
        )
    if kind.transform.joint and len(prior.parts) < 2:
        raise LawError(
            f"{prior!r} has parts {prior.parts}; expected two or more, which add up to 1. Name "
            "them with parts=(...)."
        )
    for name in kind.positive:
        if not np.all(np.asarray(prior.parameters.get(name, 1.0)) > 0):
            raise LawError(
                f"{prior!r} has {name} {prior.parameters[name]}; expected a number above zero. "
                "Correct it."
            )
    low, high = (np.asarray(prior.parameters.get(*end)) for end in (("lower", 0), ("upper", 1)))
    if not np.all(low < high):
        raise LawError(
            f"{prior!r} begins at {low} and ends at {high}; expected lower below upper. "
            "Exchange them."
        )
