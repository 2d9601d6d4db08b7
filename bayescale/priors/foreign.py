"""Priors that other packages write: frozen distributions of scipy, of PreliZ and pymc-extras."""

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from bayescale.errors import LawError
from bayescale.priors.prior import DISTRIBUTIONS, Prior

_SCIPY: dict[str, Callable[..., tuple[str, dict[str, Any]]]] = {
    "norm": lambda loc, scale: ("Normal", {"mu": loc, "sigma": scale}),
    "t": lambda loc, scale, df: ("StudentT", {"nu": df, "mu": loc, "sigma": scale}),
    "laplace": lambda loc, scale: ("Laplace", {"mu": loc, "b": scale}),
    "logistic": lambda loc, scale: ("Logistic", {"mu": loc, "s": scale}),
    "cauchy": lambda loc, scale: ("Cauchy", {"alpha": loc, "beta": scale}),
    "skewnorm": lambda loc, scale, a: ("SkewNormal", {"mu": loc, "sigma": scale, "alpha": a}),
    "lognorm": lambda scale, s: ("LogNormal", {"mu": np.log(scale), "sigma": s}),
    "halfnorm": lambda scale: ("HalfNormal", {"sigma": scale}),
    "halfcauchy": lambda scale: ("HalfCauchy", {"beta": scale}),
    "gamma": lambda scale, a: ("Gamma", {"alpha": a, "beta": 1 / scale}),
    "invgamma": lambda scale, a: ("InverseGamma", {"alpha": a, "beta": scale}),
    "weibull_min": lambda scale, c: ("Weibull", {"alpha": c, "beta": scale}),
    "expon": lambda scale: ("Exponential", {"lam": 1 / scale}),
    "beta": lambda a, b: ("Beta", {"alpha": a, "beta": b}),
    "uniform": lambda loc, scale: ("Uniform", {"lower": loc, "upper": loc + scale}),
    "truncnorm": lambda loc, scale, a, b: (
        "TruncatedNormal",
        {"mu": loc, "sigma": scale, "lower": loc + scale * a, "upper": loc + scale * b},
    ),
}
"""Our name and numbers of a distribution, from scipy's numbers. A location or a scale that is not
among the arguments has to be 0 or 1."""


def as_prior(given: Any, parts: Iterable[str] = ()) -> Prior:
    """Return a prior as a record of ours, whichever package wrote it.

    Parameters
    ----------
    given : Prior, or distribution of another package
        A frozen distribution of scipy, a distribution of PreliZ, or a `pymc_extras.prior.Prior`
        with plain numbers.
    parts : sequence of str
        Names of the components of the parameter that it is for.

    Returns
    -------
    Prior

    Raises
    ------
    LawError
        If it is none of these, or there is no such distribution in `bayescale.priors`.
    """
    if isinstance(given, Prior):
        return given
    if hasattr(given, "dist") and hasattr(given, "kwds"):
        name, numbers = _of_scipy(given)
    elif type(given).__name__ == "dirichlet_frozen":
        name, numbers = "Dirichlet", {"a": given.alpha}
    elif isinstance(getattr(given, "distribution", None), str):  # pymc-extras
        name, numbers = given.distribution, dict(given.parameters)
    elif hasattr(given, "params_dict"):  # PreliZ; a number that was left open is None
        name, numbers = type(given).__name__, dict(given.params_dict)
    else:
        raise LawError(
            f"a prior is {given!r}; expected one of bayescale.priors, a frozen distribution of "
            "scipy, a distribution of PreliZ or a pymc_extras.prior.Prior. Write for example "
            "priors.LogNormal(mu=0.0, sigma=0.3)."
        )
    if name not in DISTRIBUTIONS:
        raise LawError(
            f"a prior is {given!r}, a {name}; expected one of {', '.join(DISTRIBUTIONS)}. Choose "
            "one of these."
        )
    kind = DISTRIBUTIONS[name]
    return Prior(kind, parts=parts, **numbers)


def _of_scipy(given: Any) -> tuple[str, dict[str, Any]]:
    """Our name and numbers of a frozen distribution of scipy; its own name where we have none."""
    kind = given.dist
    names = [*filter(None, (kind.shapes or "").replace(" ", "").split(",")), "loc", "scale"]
    numbers = {"loc": 0.0, "scale": 1.0, **dict(zip(names, given.args, strict=False)), **given.kwds}
    if kind.name not in _SCIPY:
        return kind.name, numbers
    takes = inspect.signature(_SCIPY[kind.name]).parameters
    for name, usual in (("loc", 0.0), ("scale", 1.0)):
        if name not in takes and numbers.pop(name) != usual:
            raise LawError(
                f"a prior is scipy's {kind.name} with {name} {given.kwds.get(name)}; expected "
                f"{name} {usual:g}, since PyMC has no such distribution. Choose another one."
            )
    return _SCIPY[kind.name](**numbers)
