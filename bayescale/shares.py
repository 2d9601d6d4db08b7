"""How shares scatter: accuracies and errors, with or without the number of questions.

A share of n questions scatters at least as right and wrong answers do, with variance p (1 - p) / n.
Runs differ by more than that, and a share of which nobody knows n has no such least. Both are the
spread of a Beta distribution about the law, with standard deviation

    sqrt(p (1 - p)) * sigma / sqrt(1 + sigma^2)

so that `sigma` means the same wherever the law is, and for any number of questions.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import pymc as pm

from bayescale.errors import DataError
from bayescale.families import Family
from bayescale.flops import Array
from bayescale.likelihood import Likelihood, LikelihoodFactory, column
from bayescale.priors import Prior

ITEMS = "items"
"""Column of how many questions a share is of."""

# Repeated runs differ by about a percent of the questions, 0.02 here; published models, which
# others trained on other data, by five to ten, 0.1 to 0.2. 95% within 0.004 to 0.21.
SIGMA = Prior(pm.LogNormal, mu=np.log(0.03), sigma=1.0)


def _as_it_is(values: Array) -> Array:
    return values


def _between(values: Array) -> Array:
    """The share, which a Beta distribution has to be strictly between 0 and 1."""
    at = np.flatnonzero((np.asarray(values) <= 0) | (np.asarray(values) >= 1))
    if at.size:
        raise DataError(
            f"a share is exactly {np.asarray(values)[at[0]]:g} in row {at[0] + 1}"
            f"{f' and {at.size - 1} more' if at.size > 1 else ''}; expected shares between 0 and 1 "
            f"where nobody says of how many questions. Add a column {ITEMS!r} with their number, "
            "drop these rows, or take likelihood student_t_unlogged."
        )
    return values


def _scipy_binomial(n: Array, p: Array) -> Any:
    from scipy import stats

    return stats.binom(n=n, p=p)


def _scipy_beta_binomial(n: Array, alpha: Array, beta: Array) -> Any:
    from scipy import stats

    return stats.betabinom(n=n, a=alpha, b=beta)


def _scipy_beta(alpha: Array, beta: Array) -> Any:
    from scipy import stats

    return stats.beta(a=alpha, b=beta)


BINOMIAL = Family(
    distribution=pm.Binomial,
    frozen=_scipy_binomial,
    observed=_as_it_is,
    response=_as_it_is,
    prefix="right_",
    trials=ITEMS,
)
BETA_BINOMIAL = Family(
    distribution=pm.BetaBinomial,
    frozen=_scipy_beta_binomial,
    observed=_as_it_is,
    response=_as_it_is,
    prefix="right_",
    trials=ITEMS,
)
# A share that is drawn so near to an edge that it rounds to it stays there: who fits it is told.
# Moved off the edge it would pass for a measured one, and make the scatter too small.
BETA = Family(
    distribution=pm.Beta,
    frozen=_scipy_beta,
    observed=_between,
    response=_as_it_is,
    prefix="share_",
)


def _spread(expected: Array, sigma: Array) -> dict[str, Array]:
    """Parameters of the Beta distribution about an expected share."""
    return {"alpha": expected / sigma**2, "beta": (1 - expected) / sigma**2}


@cache
def binomial(inputs: tuple[str, ...]) -> Likelihood:
    """Right answers of known numbers of questions, and nothing else that scatters.

    Intervals are too narrow wherever runs differ by more than chance, which they nearly always do.
    """
    return Likelihood(
        name="binomial",
        title="Binomial number of right answers",
        family=BINOMIAL,
        priors={},
        columns={ITEMS: column(ITEMS)},
        scatter=lambda expected, design: {"n": design[ITEMS], "p": expected},
    )


@cache
def beta_binomial(inputs: tuple[str, ...]) -> Likelihood:
    """Right answers of known numbers of questions, whose share itself scatters from run to run."""

    def scatter(expected: Array, design: Mapping[str, Array], sigma: Array) -> dict[str, Array]:
        return {"n": design[ITEMS], **_spread(expected, sigma)}

    return Likelihood(
        name="beta_binomial",
        title="Beta-binomial number of right answers",
        family=BETA_BINOMIAL,
        priors={"sigma": SIGMA},
        columns={ITEMS: column(ITEMS)},
        scatter=scatter,
    )


@cache
def beta(inputs: tuple[str, ...]) -> Likelihood:
    """Shares of unknown numbers of questions, strictly between 0 and 1."""
    return Likelihood(
        name="beta",
        title="Beta distributed share",
        family=BETA,
        priors={"sigma": SIGMA},
        scatter=lambda expected, design, sigma: _spread(expected, sigma),
    )


SHARES: dict[str, LikelihoodFactory] = {
    "beta_binomial": beta_binomial,
    "binomial": binomial,
    "beta": beta,
}
