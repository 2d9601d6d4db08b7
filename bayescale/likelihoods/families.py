"""Distributions that more than one likelihood uses."""

import numpy as np
from scipy import stats
from scipy.special import gammaln

from bayescale.spec.functions import Array
from bayescale.spec.likelihood import Family


def _log_student_t(observed: Array, nu: Array, mu: Array, sigma: Array) -> Array:
    z = (observed - mu) / sigma
    constant = gammaln((nu + 1) / 2) - gammaln(nu / 2) - 0.5 * np.log(nu * np.pi)
    return constant - (nu + 1) / 2 * np.log1p(z * z / nu) - np.log(sigma)


LOG_NORMAL = Family(
    distribution="Normal",
    frozen=lambda mu, sigma: stats.norm(loc=mu, scale=sigma),
    observed=np.log,
    response=np.exp,
    prefix="log_",
    log_density=lambda observed, mu, sigma: (
        -0.5 * ((observed - mu) / sigma) ** 2 - np.log(sigma) - 0.5 * np.log(2 * np.pi)
    ),
)

LOG_STUDENT_T = Family(
    distribution="StudentT",
    frozen=lambda nu, mu, sigma: stats.t(df=nu, loc=mu, scale=sigma),
    observed=np.log,
    response=np.exp,
    prefix="log_",
    log_density=_log_student_t,
)


def unchanged(values: Array) -> Array:
    """Return the values themselves, for a response that is observed as it is."""
    return values


UNLOGGED_STUDENT_T = Family(
    distribution="StudentT",
    frozen=LOG_STUDENT_T.frozen,
    observed=unchanged,
    # A tail on the plain scale reaches below zero, where draws are cut off.
    response=lambda values: np.maximum(values, np.finfo("float64").tiny),
    prefix="unlogged_",
    log_density=_log_student_t,
)
