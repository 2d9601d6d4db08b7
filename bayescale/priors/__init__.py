"""Priors: distributions under the names and with the numbers that PyMC gives them.

>>> from bayescale import priors
>>> priors.LogNormal(mu=0.0, sigma=0.3)
LogNormal(mu=0, sigma=0.3)
"""

from bayescale.priors.distributions import (
    Beta,
    Cauchy,
    Dirichlet,
    Exponential,
    Gamma,
    HalfCauchy,
    HalfNormal,
    HalfStudentT,
    InverseGamma,
    Laplace,
    Logistic,
    LogNormal,
    Normal,
    SkewNormal,
    StudentT,
    TruncatedNormal,
    Uniform,
    Weibull,
)
from bayescale.priors.foreign import as_prior
from bayescale.priors.prior import DISTRIBUTIONS, Distribution, Prior

__all__ = [
    "DISTRIBUTIONS",
    "Beta",
    "Cauchy",
    "Dirichlet",
    "Distribution",
    "Exponential",
    "Gamma",
    "HalfCauchy",
    "HalfNormal",
    "HalfStudentT",
    "InverseGamma",
    "Laplace",
    "LogNormal",
    "Logistic",
    "Normal",
    "Prior",
    "SkewNormal",
    "StudentT",
    "TruncatedNormal",
    "Uniform",
    "Weibull",
    "as_prior",
]
