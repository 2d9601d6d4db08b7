"""Distributions that more than one likelihood uses."""

import numpy as np
import pymc as pm
from scipy import stats

from bayescale.spec.functions import Array
from bayescale.spec.likelihood import Family

LOG_NORMAL = Family(
    distribution=pm.Normal,
    frozen=lambda mu, sigma: stats.norm(loc=mu, scale=sigma),
    observed=np.log,
    response=np.exp,
    prefix="log_",
)

LOG_STUDENT_T = Family(
    distribution=pm.StudentT,
    frozen=lambda nu, mu, sigma: stats.t(df=nu, loc=mu, scale=sigma),
    observed=np.log,
    response=np.exp,
    prefix="log_",
)


def unchanged(values: Array) -> Array:
    """Return the values themselves, for a response that is observed as it is."""
    return values


UNLOGGED_STUDENT_T = Family(
    distribution=pm.StudentT,
    frozen=LOG_STUDENT_T.frozen,
    observed=unchanged,
    # A tail on the plain scale reaches below zero, where draws are cut off.
    response=lambda values: np.maximum(values, np.finfo("float64").tiny),
    prefix="unlogged_",
)
