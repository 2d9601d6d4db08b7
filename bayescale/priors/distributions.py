"""The kinds of prior, under the names and with the numbers that PyMC gives them.

scipy is imported when a density is asked for, so that stating a law loads none of it.
"""

from functools import cache
from typing import Any

import numpy as np

from bayescale.priors.prior import DISTRIBUTIONS, Distribution
from bayescale.priors.transforms import (
    INTERVAL,
    LOG,
    LOG_ODDS,
    REAL_LINE,
    SIMPLEX,
    Array,
    log_expit,
    log_shares,
)


@cache
def _scipy() -> Any:
    from scipy import stats

    return stats


def _gammaln(values: Any) -> Any:
    from scipy import special

    return special.gammaln(values)


class HalfT:
    """Absolute value of a Student-t variable, which scipy does not have.

    Parameters
    ----------
    nu, sigma : array
        Degrees of freedom, and scale.
    """

    def __init__(self, nu: Any, sigma: Any) -> None:
        self.whole = _scipy().t(df=nu, scale=sigma)

    def logpdf(self, x: Array) -> Array:
        """Return the log density."""
        return np.asarray(np.log(2) + self.whole.logpdf(x))

    def median(self) -> Array:
        """Return the median."""
        return np.asarray(self.whole.ppf(0.75))

    def rvs(self, size: Any, random_state: np.random.Generator) -> Array:
        """Return draws."""
        return np.asarray(np.abs(self.whole.rvs(size=size, random_state=random_state)))


def _normal(x: Array, mu: Any, sigma: Any) -> Array:
    return np.asarray(-0.5 * ((x - mu) / sigma) ** 2 - np.log(sigma) - 0.5 * np.log(2 * np.pi))


def _student_t(x: Array, nu: Any, sigma: Any) -> Array:
    constant = _gammaln((nu + 1) / 2) - _gammaln(nu / 2) - 0.5 * np.log(nu * np.pi) - np.log(sigma)
    return np.asarray(constant - (nu + 1) / 2 * np.log1p((x / sigma) ** 2 / nu))


Normal = Distribution(
    name="Normal",
    parameters=("mu", "sigma"),
    positive=("sigma",),
    frozen=lambda mu, sigma: _scipy().norm(loc=mu, scale=sigma),
    transform=REAL_LINE,
    log_density=_normal,
)
LogNormal = Distribution(
    name="LogNormal",
    parameters=("mu", "sigma"),
    positive=("sigma",),
    frozen=lambda mu, sigma: _scipy().lognorm(s=sigma, scale=np.exp(mu)),
    transform=LOG,
    log_density=_normal,
)
HalfNormal = Distribution(
    name="HalfNormal",
    parameters=("sigma",),
    positive=("sigma",),
    frozen=lambda sigma: _scipy().halfnorm(scale=sigma),
    transform=LOG,
    log_density=lambda z, sigma: np.log(2) + _normal(np.exp(z), 0.0, sigma) + z,
)
StudentT = Distribution(
    name="StudentT",
    parameters=("nu", "mu", "sigma"),
    positive=("nu", "sigma"),
    frozen=lambda nu, mu, sigma: _scipy().t(df=nu, loc=mu, scale=sigma),
    transform=REAL_LINE,
    log_density=lambda z, nu, mu, sigma: _student_t(z - mu, nu, sigma),
)
HalfStudentT = Distribution(
    name="HalfStudentT",
    parameters=("nu", "sigma"),
    positive=("nu", "sigma"),
    frozen=HalfT,
    transform=LOG,
    log_density=lambda z, nu, sigma: np.log(2) + _student_t(np.exp(z), nu, sigma) + z,
)
Gamma = Distribution(
    name="Gamma",
    parameters=("alpha", "beta"),
    positive=("alpha", "beta"),
    frozen=lambda alpha, beta: _scipy().gamma(a=alpha, scale=1 / beta),
    transform=LOG,
    log_density=lambda z, alpha, beta: (
        alpha * (np.log(beta) + z) - _gammaln(alpha) - beta * np.exp(z)
    ),
)
Beta = Distribution(
    name="Beta",
    parameters=("alpha", "beta"),
    positive=("alpha", "beta"),
    frozen=lambda alpha, beta: _scipy().beta(a=alpha, b=beta),
    transform=LOG_ODDS,
    log_density=lambda z, alpha, beta: (
        alpha * log_expit(z)
        + beta * log_expit(-z)
        + _gammaln(alpha + beta)
        - _gammaln(alpha)
        - _gammaln(beta)
    ),
)
Dirichlet = Distribution(
    name="Dirichlet",
    parameters=("a",),
    positive=("a",),
    frozen=lambda a: _scipy().dirichlet(alpha=a),
    transform=SIMPLEX,
    log_density=lambda z, a: (
        (a * log_shares(z)).sum(axis=-1)
        + np.log(z.shape[-1] + 1)
        + _gammaln(a.sum())
        - _gammaln(a).sum()
    ),
)
HalfCauchy = Distribution(
    name="HalfCauchy",
    parameters=("beta",),
    positive=("beta",),
    frozen=lambda beta: _scipy().halfcauchy(scale=beta),
    transform=LOG,
)
Exponential = Distribution(
    name="Exponential",
    parameters=("lam",),
    positive=("lam",),
    frozen=lambda lam: _scipy().expon(scale=1 / lam),
    transform=LOG,
)
InverseGamma = Distribution(
    name="InverseGamma",
    parameters=("alpha", "beta"),
    positive=("alpha", "beta"),
    frozen=lambda alpha, beta: _scipy().invgamma(a=alpha, scale=beta),
    transform=LOG,
)
Weibull = Distribution(
    name="Weibull",
    parameters=("alpha", "beta"),
    positive=("alpha", "beta"),
    frozen=lambda alpha, beta: _scipy().weibull_min(c=alpha, scale=beta),
    transform=LOG,
)
Laplace = Distribution(
    name="Laplace",
    parameters=("mu", "b"),
    positive=("b",),
    frozen=lambda mu, b: _scipy().laplace(loc=mu, scale=b),
    transform=REAL_LINE,
)
Logistic = Distribution(
    name="Logistic",
    parameters=("mu", "s"),
    positive=("s",),
    frozen=lambda mu, s: _scipy().logistic(loc=mu, scale=s),
    transform=REAL_LINE,
)
Cauchy = Distribution(
    name="Cauchy",
    parameters=("alpha", "beta"),
    positive=("beta",),
    frozen=lambda alpha, beta: _scipy().cauchy(loc=alpha, scale=beta),
    transform=REAL_LINE,
)
SkewNormal = Distribution(
    name="SkewNormal",
    parameters=("mu", "sigma", "alpha"),
    positive=("sigma",),
    frozen=lambda mu, sigma, alpha: _scipy().skewnorm(a=alpha, loc=mu, scale=sigma),
    transform=REAL_LINE,
)
Uniform = Distribution(
    name="Uniform",
    parameters=("lower", "upper"),
    frozen=lambda lower, upper: _scipy().uniform(loc=lower, scale=upper - lower),
    transform=INTERVAL,
)
TruncatedNormal = Distribution(
    name="TruncatedNormal",
    parameters=("mu", "sigma", "lower", "upper"),
    positive=("sigma",),
    frozen=lambda mu, sigma, lower, upper: _scipy().truncnorm(
        (lower - mu) / sigma, (upper - mu) / sigma, loc=mu, scale=sigma
    ),
    transform=INTERVAL,
)

DISTRIBUTIONS.update(
    (kind.name, kind)
    for kind in (
        *(Normal, StudentT, Laplace, Logistic, Cauchy, SkewNormal),
        *(LogNormal, HalfNormal, HalfStudentT, HalfCauchy),
        *(Gamma, InverseGamma, Weibull, Exponential),
        *(Beta, Uniform, TruncatedNormal, Dirichlet),
    )
)
