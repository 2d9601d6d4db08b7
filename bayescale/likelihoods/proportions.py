"""How proportions scatter: accuracies and errors, with or without the number of questions.

A proportion of n questions scatters at least as much as counts of right answers do, with variance
p (1 - p) / n. Runs differ by more than that, and where n is unknown there is no such lower limit.
Both are described by a Beta distribution about the law, with standard deviation

    sqrt(p (1 - p)) * sigma / sqrt(1 + sigma^2)

so that `sigma` has one meaning at every level of the law, and for any number of questions.
"""

import numpy as np
from scipy import stats
from scipy.special import betaln

from bayescale.errors import DataError
from bayescale.likelihoods.families import unchanged
from bayescale.priors import LogNormal
from bayescale.spec.functions import Array
from bayescale.spec.likelihood import Family, Likelihood, column

ITEMS = "items"
"""Column with the number of questions behind a proportion."""

# Repeated runs differ by about a percent of the questions, 0.02 here; published models, which
# others trained on other data, by five to ten, 0.1 to 0.2. 95% within 0.004 to 0.21.
SIGMA = LogNormal(mu=np.log(0.03), sigma=1.0)


def _refuse_edges(proportions: Array) -> Array:
    """Return proportions strictly between 0 and 1, as a Beta distribution requires."""
    values = np.asarray(proportions)
    edges = np.flatnonzero((values <= 0) | (values >= 1))
    if edges.size:
        raise DataError(
            f"a proportion is exactly {values[edges[0]]:g} in row {edges[0] + 1}"
            f"{f' and {edges.size - 1} more' if edges.size > 1 else ''}; expected proportions "
            f"between 0 and 1 where the number of questions is unknown. Add a column {ITEMS!r} "
            "with their number, drop these rows, or use likelihood student_t_unlogged."
        )
    return proportions


def _beta_about(expected: Array, sigma: Array) -> dict[str, Array]:
    """Return the parameters of the Beta distribution about an expected proportion."""
    return {"alpha": expected / sigma**2, "beta": (1 - expected) / sigma**2}


def _certain(values: Array, alpha: Array, beta: Array) -> Array:
    """Return log densities; minus infinity where they would be differences of rounding errors.

    That is so at a sigma below a millionth, ten prior standard deviations from the middle.
    """
    return np.where(alpha + beta < 1e12, values, -np.inf)


BETA_BINOMIAL = Likelihood(
    name="beta_binomial",
    title="Beta-binomial number of right answers",
    family=Family(
        distribution="BetaBinomial",
        frozen=lambda n, alpha, beta: stats.betabinom(n=n, a=alpha, b=beta),
        observed=unchanged,
        response=unchanged,
        prefix="right_",
        trials=ITEMS,
        log_density=lambda observed, n, alpha, beta: _certain(
            betaln(observed + alpha, n - observed + beta)
            - betaln(alpha, beta)
            - betaln(observed + 1, n - observed + 1)
            - np.log(n + 1),
            alpha,
            beta,
        ),
    ),
    priors={"sigma": SIGMA},
    columns={ITEMS: column(ITEMS)},
    scatter=lambda expected, design, sigma: {"n": design[ITEMS], **_beta_about(expected, sigma)},
)
"""Right answers to known numbers of questions, whose proportion itself scatters between runs."""

BINOMIAL = Likelihood(
    name="binomial",
    title="Binomial number of right answers",
    family=Family(
        distribution="Binomial",
        frozen=lambda n, p: stats.binom(n=n, p=p),
        observed=unchanged,
        response=unchanged,
        prefix="right_",
        trials=ITEMS,
    ),
    priors={},
    columns={ITEMS: column(ITEMS)},
    # PyMC draws from whole numbers of trials only.
    scatter=lambda expected, design: {"n": design[ITEMS].astype("int64"), "p": expected},
)
"""Right answers to known numbers of questions, and no other scatter.

Intervals are too narrow wherever runs differ by more than chance, which they nearly always do.
"""

BETA = Likelihood(
    name="beta",
    title="Beta distributed proportion",
    # A drawn proportion that rounds to 0 or 1 stays there, and is refused when it is fitted. Moved
    # inside it would pass for a measured one, and make the scatter too small.
    family=Family(
        distribution="Beta",
        frozen=lambda alpha, beta: stats.beta(a=alpha, b=beta),
        observed=_refuse_edges,
        response=unchanged,
        prefix="share_",
        log_density=lambda observed, alpha, beta: _certain(
            (alpha - 1) * np.log(observed) + (beta - 1) * np.log1p(-observed) - betaln(alpha, beta),
            alpha,
            beta,
        ),
    ),
    priors={"sigma": SIGMA},
    scatter=_beta_about,
)
"""Proportions of unknown numbers of questions, strictly between 0 and 1."""
