"""How losses and other positive responses scatter about a law.

All work on the logarithm of the response, except `STUDENT_T_UNLOGGED`.
"""

from collections.abc import Mapping
from itertools import combinations_with_replacement
from typing import Any

import numpy as np

from bayescale.errors import LawError
from bayescale.likelihoods.families import LOG_NORMAL, LOG_STUDENT_T, UNLOGGED_STUDENT_T
from bayescale.priors import Gamma, HalfNormal, HalfStudentT, Normal, Prior
from bayescale.spec.functions import Array, cached
from bayescale.spec.likelihood import Family, Likelihood, column
from bayescale.spec.settings import name_with_settings

# Well-tuned runs scatter by 0.003 to 0.01 about a good law; the tail admits untuned ones.
SIGMA = HalfStudentT(nu=3.0, sigma=0.05)
# nu - 1: between a Cauchy (outliers as in the Chinchilla runs) and practically a Normal.
TAIL = Gamma(alpha=2.0, beta=0.1)


def _nu(tail: Array) -> Array:
    return 1.0 + tail


NORMAL = Likelihood(
    name="normal",
    title="Normal on the log response, one scale",
    family=LOG_NORMAL,
    priors={"sigma": SIGMA},
    scatter=lambda expected, sigma: {"mu": np.log(expected), "sigma": sigma},
)
"""One scale for all runs."""


ERRORS_IN_VARIABLES = Likelihood(
    name="errors_in_variables",
    title="Normal on the log response, its inputs measured with the same relative error",
    family=LOG_NORMAL,
    priors={"sigma": SIGMA},
    scatter=lambda expected, design, sigma: {
        "mu": np.log(expected),
        "sigma": sigma
        * np.sqrt(1 + sum(x**2 for name, x in design.items() if name.startswith("slope_"))),
    },
)
"""One scale for all runs and for the noisy inputs of a law.

Each noisy input has the relative error of the response. It adds to the response's own error by the
slope of the law there:

    log y_i ~ Normal(log f(x_i), sigma sqrt(1 + sum_j slope_ij^2))

That is the density of the runs with their true inputs integrated out, as long as the law is
straight over so short a distance; terms of the order of sigma^2 are neglected.
"""


def _one_scale_t(name: str, title: str, family: Family) -> Likelihood:
    return Likelihood(
        name=name,
        title=title,
        family=family,
        priors={"sigma": SIGMA, "tail": TAIL},
        derived={"nu": _nu},
        scatter=lambda expected, sigma, tail: {
            "nu": _nu(tail),
            "mu": family.observed(expected),
            "sigma": sigma,
        },
    )


STUDENT_T = _one_scale_t("student_t", "Student-t on the log response, one scale", LOG_STUDENT_T)
"""Heavy tails and one scale for all runs."""

STUDENT_T_UNLOGGED = _one_scale_t(
    "student_t_unlogged", "Student-t on the response, one scale", UNLOGGED_STUDENT_T
)
"""Heavy tails about the law itself, with one scale in the response's unit, to see whether the
logarithm matters.

The prior of the scale suits losses of a few nats. A predictive density of the response cannot be
compared with a density of its logarithm.
"""


def _pairs(inputs: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    return tuple(combinations_with_replacement(inputs, 2))


def _scale(inputs: tuple[str, ...], design: Mapping[str, Array], sigma: Array, bend: Any) -> Array:
    """Return a scale whose log is quadratic in the standardised inputs, plus a constant part.

    A third of the usual scale is common to all runs. Without it, runs in a corner of the table can
    get a scale of almost zero, and the law then passes through them.
    """
    terms = [design[x] for x in inputs] + [design[x] * design[y] for x, y in _pairs(inputs)]
    quadratic: Array = sum(slope * term for slope, term in zip(bend, terms, strict=True))
    common = 1 / 3
    return sigma * (common + (1 - common) * np.exp(quadratic))


def _bend(inputs: tuple[str, ...]) -> Prior:
    """Return the prior of the slopes of the log scale, of their squares and of their products.

    One standard deviation of an input changes the scale by a factor of about 1.6 or less. Squares
    and products count as much as slopes in a corner three standard deviations out. With the slopes'
    prior they would allow a scale there a thousand times that of the middle.
    """
    products = tuple(f"{x}*{y}" for x, y in _pairs(inputs))
    sigma = (0.5,) * len(inputs) + (0.15,) * len(products)
    return Normal(mu=0.0, sigma=sigma, parts=(*inputs, *products))


VARIANCE_FUNCTION = Likelihood(
    name="variance_function",
    title="Student-t on the log response, its log scale quadratic in the log inputs",
    family=LOG_STUDENT_T,
    priors=lambda inputs: {"sigma": SIGMA, "tail": TAIL, "bend": _bend(inputs)},
    derived={"nu": _nu},
    scatter=lambda inputs, expected, design, sigma, tail, bend: {
        "nu": _nu(tail),
        "mu": np.log(expected),
        "sigma": _scale(inputs, design, sigma, bend),
    },
)
"""Heavy tails and a scale that depends on the inputs.

Runs far from the balanced ratio of tokens to parameters scatter more. With one scale for all of
them, that looks like heavy tails and makes intervals too narrow.
"""


NORMAL_VARIANCE_FUNCTION = Likelihood(
    name="normal_variance_function",
    title="Normal on the log response, its log scale quadratic in the log inputs",
    family=LOG_NORMAL,
    priors=lambda inputs: {"sigma": SIGMA, "bend": _bend(inputs)},
    scatter=lambda inputs, expected, design, sigma, bend: {
        "mu": np.log(expected),
        "sigma": _scale(inputs, design, sigma, bend),
    },
)
"""A scale that depends on the inputs, without heavy tails.

These are nearly always runs that scatter more somewhere, which the scale already allows.
"""


@cached
def with_errors(errors: str, sigma: float = 0.05) -> Likelihood:
    """Return a Normal about the log of the law, with known errors that are read from a column.

    Parameters
    ----------
    errors : str
        Column with the standard error of the log response.
    sigma : float
        Standard deviation of the HalfNormal prior of the scale by which the law misses responses
        that have no error.

    Returns
    -------
    Likelihood

    Raises
    ------
    LawError
        If `sigma` is not above zero.

    Examples
    --------
    >>> with_errors("log_loss_se").name
    'with_errors:errors=log_loss_se,sigma=0.05'
    """
    if not sigma > 0:
        raise LawError(
            f"with_errors got sigma {sigma:g}; expected a number above zero, as no law is exact. "
            "Leave it out for the usual 0.05."
        )
    return Likelihood(
        name=name_with_settings("with_errors", errors=errors, sigma=sigma),
        title=f"Normal on the log response, with errors from {errors} and one further scale",
        family=LOG_NORMAL,
        priors={"sigma": HalfNormal(sigma=sigma)},
        columns={errors: column(errors)},
        scatter=lambda expected, design, sigma: {
            "mu": np.log(expected),
            "sigma": np.sqrt(design[errors] ** 2 + sigma**2),
        },
    )
