"""Distributions of responses, for the model and for draws already made."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm

from bayescale.flops import Array


def _scipy_student_t(nu: Array, mu: Array, sigma: Array) -> Any:
    from scipy import stats

    return stats.t(df=nu, loc=mu, scale=sigma)


def _scipy_normal(mu: Array, sigma: Array) -> Any:
    from scipy import stats

    return stats.norm(loc=mu, scale=sigma)


@dataclass(frozen=True, kw_only=True)
class Family:
    """A distribution of responses, for the model and for draws already made.

    Parameters
    ----------
    distribution : PyMC distribution class
        What is observed in the model.
    frozen : callable
        The same distribution as a scipy one, from the same parameters.
    observed : callable
        From the response to what is distributed so.
    response : callable
        The inverse of `observed`.
    prefix : str
        Put before the response's name to name what is observed.
    trials : str, optional
        Column of the likelihood with how many trials the response is the share of: what is
        observed is their number, and the distribution one of whole numbers.
    """

    distribution: Any
    frozen: Callable[..., Any]
    observed: Callable[[Array], Array]
    response: Callable[[Array], Array]
    prefix: str
    trials: str | None = None


LOG_STUDENT_T = Family(
    distribution=pm.StudentT,
    frozen=_scipy_student_t,
    observed=np.log,
    response=np.exp,
    prefix="log_",
)
LOG_NORMAL = Family(
    distribution=pm.Normal,
    frozen=_scipy_normal,
    observed=np.log,
    response=np.exp,
    prefix="log_",
)


def _as_it_is(values: Array) -> Array:
    return values


def _positive(values: Array) -> Array:
    """A response is positive, which a tail that is not on the logarithm does not know."""
    return np.maximum(values, np.finfo("float64").tiny)


UNLOGGED_STUDENT_T = Family(
    distribution=pm.StudentT,
    frozen=_scipy_student_t,
    observed=_as_it_is,
    response=_positive,
    prefix="unlogged_",
)
