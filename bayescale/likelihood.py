"""How observed responses scatter about a law.

Like a law, a likelihood is a function and a table of priors. ``scatter(expected, design, **noise)``
turns the law's expected response into the parameters of a distribution for each run; it runs on
numpy, xarray and PyTensor, so the model, the pointwise log likelihood and the draws of new runs
all come from the one place.

`student_t`, `normal` and `variance_function` are functions from a law's inputs to a `Likelihood`:
pass one of them, or one of your own, as ``fit(..., likelihood=...)``. All work on the logarithm of
the response but `student_t_unlogged`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm

from bayescale.errors import DataError, LawError
from bayescale.families import LOG_NORMAL, LOG_STUDENT_T, UNLOGGED_STUDENT_T, Family
from bayescale.files import read_numbers
from bayescale.flops import Array
from bayescale.law import Law
from bayescale.priors import Prior
from bayescale.series import Series
from bayescale.spelling import spelled

RUNS_PER_TERM = 2
"""A variance function is fitted when there are this many runs for every parameter of the model."""

COMMON = 1 / 3
"""Share of the usual scale that every run has. With none, runs in a corner of the table can get a
scale of next to nothing, and the law then goes through them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Likelihood:
    """A distribution of responses about a law's expectation.

    Parameters
    ----------
    name, title : str
        Identifier, also on the shell; and one line a person can tell it by.
    family : Family
        The distribution.
    priors : mapping of str to Prior
        The noise parameters.
    scatter : callable
        ``scatter(expected, design, **noise)`` gives the family's parameters for each run.
        `design` maps each input to its standardised logarithm, and each of `columns` to its
        numbers as they are. With a series also ``rho``, the correlation of neighbours.
    columns : mapping of str to callable
        Further numbers of each row: functions of a table and of the runs, which tell what is
        usual where the table does not (`column`).
    series : Series, optional
        Which rows follow one another, where they err alike (`bayescale.series`).
    derived : mapping of str to callable
        Further quantities to report, as functions of noise parameters taken by name.
    """

    name: str
    title: str
    family: Family
    priors: Mapping[str, Prior]
    scatter: Callable[..., dict[str, Array]]
    columns: Mapping[str, Callable[[pd.DataFrame, pd.DataFrame], Array]] = field(
        default_factory=dict
    )
    series: Series | None = None
    derived: Mapping[str, Callable[..., Array]] = field(default_factory=dict)

    def needs(self) -> set[str]:
        """Columns without which it cannot be taken."""
        series = {self.series.by, self.series.order} if self.series else set()
        return {*self.columns, *series}


def column(name: str) -> Callable[[pd.DataFrame, pd.DataFrame], Array]:
    """Positive numbers of a column; where new points have none, the median of the runs."""

    def taken(table: pd.DataFrame, runs: pd.DataFrame) -> Array:
        if name not in runs:
            raise DataError(
                f"the table has no column {name!r}, which this likelihood needs; expected a "
                "number above zero in every row. Add it, or take another likelihood."
            )
        if name not in table:
            return np.full(len(table), np.median(read_numbers(runs[name], name, "the table")))
        return read_numbers(table[name], name, "the table").to_numpy()

    return taken


LikelihoodFactory = Callable[[tuple[str, ...]], Likelihood]

# Well-tuned runs scatter by 0.003 to 0.01 about a good law; the tail admits untuned ones.
SIGMA = Prior(pm.HalfStudentT, nu=3.0, sigma=0.05)
# nu - 1: between a Cauchy (outliers as in the Chinchilla runs) and practically a Normal.
TAIL = Prior(pm.Gamma, alpha=2.0, beta=0.1)


def _nu(tail: Array) -> Array:
    return 1.0 + tail


@cache
def normal(inputs: tuple[str, ...]) -> Likelihood:
    """Normal about the log of the law, one scale for all runs."""
    return Likelihood(
        name="normal",
        title="Normal on the log response, one scale",
        family=LOG_NORMAL,
        priors={"sigma": SIGMA},
        scatter=lambda expected, design, sigma: {"mu": np.log(expected), "sigma": sigma},
    )


@cache
def errors_in_variables(inputs: tuple[str, ...]) -> Likelihood:
    """Normal about the log of the law, with inputs measured as well, or as badly, as the response.

    For laws that say which of their inputs are `noisy`. Each such input errs by the same share as
    the response, and where it does the law errs by its slope there:

        log y_i ~ Normal(log f(x_i), sigma sqrt(1 + sum_j slope_ij^2))

    That is the density of the runs with their true inputs integrated out, as long as the law is
    straight over so short a distance: of the order of sigma^2 it is not.
    """

    def scatter(expected: Array, design: Mapping[str, Array], sigma: Array) -> dict[str, Array]:
        steep = sum(x**2 for name, x in design.items() if name.startswith("slope_"))
        return {"mu": np.log(expected), "sigma": sigma * np.sqrt(1 + steep)}

    return Likelihood(
        name="errors_in_variables",
        title="Normal on the log response, the inputs erring like it",
        family=LOG_NORMAL,
        priors={"sigma": SIGMA},
        scatter=scatter,
    )


@cache
def student_t(inputs: tuple[str, ...]) -> Likelihood:
    """Student-t about the log of the law, one scale for all runs."""
    return _one_scale_t("student_t", "Student-t on the log response, one scale", LOG_STUDENT_T)


@cache
def student_t_unlogged(inputs: tuple[str, ...]) -> Likelihood:
    """Student-t about the law itself, one scale in the response's unit for all runs.

    To see whether the logarithm matters. The prior of the scale is made for losses of a few nats;
    a predictive density of the response does not compare with one of its logarithm.
    """
    title = "Student-t on the response, one scale"
    return _one_scale_t("student_t_unlogged", title, UNLOGGED_STUDENT_T)


def _one_scale_t(name: str, title: str, family: Family) -> Likelihood:
    return Likelihood(
        name=name,
        title=title,
        family=family,
        priors={"sigma": SIGMA, "tail": TAIL},
        derived={"nu": _nu},
        scatter=lambda expected, design, sigma, tail: {
            "nu": _nu(tail),
            "mu": family.observed(expected),
            "sigma": sigma,
        },
    )


def _scale(inputs: tuple[str, ...], design: Mapping[str, Array], sigma: Array, bend: Any) -> Array:
    """The scale: a common part, and one whose log is a quadratic in the standardised log inputs."""
    terms = [design[x] for x in inputs] + [design[x] * design[y] for x, y in _pairs(inputs)]
    quadratic: Array = sum(slope * term for slope, term in zip(bend, terms, strict=True))
    return sigma * (COMMON + (1 - COMMON) * np.exp(quadratic))


def _pairs(inputs: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    return tuple(combinations_with_replacement(inputs, 2))


def _bend(inputs: tuple[str, ...]) -> Prior:
    """One standard deviation of an input changes the scale by a factor of about 1.6 or less.

    Squares and products count as much as slopes in a corner three standard deviations out. With
    the slopes' prior they would allow a scale there a thousand times that of the middle.
    """
    products = tuple(f"{x}*{y}" for x, y in _pairs(inputs))
    sigma = (0.5,) * len(inputs) + (0.15,) * len(products)
    return Prior(pm.Normal, mu=0.0, sigma=sigma, parts=(*inputs, *products))


@cache
def variance_function(inputs: tuple[str, ...]) -> Likelihood:
    """Student-t about the log of the law; its log scale is a quadratic in the log inputs.

    Runs far from the balanced ratio of tokens to parameters scatter more. With one scale for all
    of them, that looks like heavy tails and makes intervals too narrow.
    """

    def scatter(
        expected: Array, design: Mapping[str, Array], sigma: Array, tail: Array, bend: Any
    ) -> dict[str, Array]:
        scale = _scale(inputs, design, sigma, bend)
        return {"nu": _nu(tail), "mu": np.log(expected), "sigma": scale}

    return Likelihood(
        name="variance_function",
        title="Student-t on the log response, its log scale quadratic in the log inputs",
        family=LOG_STUDENT_T,
        priors={"sigma": SIGMA, "tail": TAIL, "bend": _bend(inputs)},
        derived={"nu": _nu},
        scatter=scatter,
    )


@cache
def normal_variance_function(inputs: tuple[str, ...]) -> Likelihood:
    """Normal about the log of the law, with the scale of `variance_function`.

    For clusters of runs: it lets their common misfit be integrated out. Heavy tails are nearly
    always runs that scatter more somewhere, and the scale already says so.
    """

    def scatter(
        expected: Array, design: Mapping[str, Array], sigma: Array, bend: Any
    ) -> dict[str, Array]:
        scale = _scale(inputs, design, sigma, bend)
        return {"mu": np.log(expected), "sigma": scale}

    return Likelihood(
        name="normal_variance_function",
        title="Normal on the log response, its log scale quadratic in the log inputs",
        family=LOG_NORMAL,
        priors={"sigma": SIGMA, "bend": _bend(inputs)},
        scatter=scatter,
    )


@cache
def with_errors(errors: str, sigma: float = 0.05) -> LikelihoodFactory:
    """Responses that were measured with a known error: likelihoods that read it from a column.

    Parameters
    ----------
    errors : str
        Column with the standard error of the log response.
    sigma : float
        By how much the law itself misses responses without an error: standard deviation of the
        HalfNormal prior of that scale.

    Returns
    -------
    callable
        From a law's inputs to the likelihood, as `fit` takes it.

    Raises
    ------
    LawError
        If `sigma` is not above zero.
    """
    if not sigma > 0:
        raise LawError(
            f"with_errors got sigma {sigma:g}; expected a number above zero, as no law is exact. "
            "Leave it out for the usual 0.05."
        )

    @cache
    def likelihood(inputs: tuple[str, ...]) -> Likelihood:
        return Likelihood(
            name=spelled("with_errors", errors=errors, sigma=sigma),
            title=f"Normal on the log response, its errors from {errors} and one scale beside them",
            family=LOG_NORMAL,
            priors={"sigma": Prior(pm.HalfNormal, sigma=sigma)},
            columns={errors: column(errors)},
            scatter=lambda expected, design, sigma: {
                "mu": np.log(expected),
                "sigma": np.sqrt(design[errors] ** 2 + sigma**2),
            },
        )

    return likelihood


# Neighbours among checkpoints err alike, hardly ever the other way; not wholly alike either, since
# what a whole curve has in common is its offset.
RHO = Prior(pm.Beta, alpha=2.0, beta=2.0)


@cache
def autoregressive(by: str, order: str, apart: float = 0.0) -> LikelihoodFactory:
    """Normal about the log of the law, each row of a curve lying off it about as the one before.

    Parameters
    ----------
    by, order : str
        Columns that tell curves apart, and along which they run (`bayescale.series`).
    apart : float
        How far apart, in `order`, rows are that are fitted. 0 takes all.

    Returns
    -------
    callable
        From a law's inputs to the likelihood, as `fit` takes it.
    """

    @cache
    def likelihood(inputs: tuple[str, ...]) -> Likelihood:
        return Likelihood(
            name=spelled("autoregressive", by=by, order=order, apart=apart),
            title=f"Normal on the log response, correlated along {order} within each {by}",
            family=LOG_NORMAL,
            priors={"sigma": SIGMA, "rho": RHO},
            scatter=lambda expected, design, sigma, rho: {
                "mu": np.log(expected),
                "sigma": sigma,
                "rho": rho,
            },
            series=Series(by, order, apart),
        )

    return likelihood


def default_likelihood(
    law: Law, runs: pd.DataFrame, *, clustered: bool = False
) -> LikelihoodFactory:
    """The first of the law's own whose columns are there; by default as the number of runs allows.

    That is a variance function, or one scale where the runs are too few to learn a scale's shape.
    The rule: at least `RUNS_PER_TERM` runs for every number the model has, counting each part of
    the law's and the likelihood's parameters. Clustered runs scatter normally, others as Student-t.
    """
    if law.likelihoods:
        there = (one for one in law.likelihoods if one(law.inputs).needs() <= set(runs))
        return next(there, law.likelihoods[-1])
    varying, alike = (
        (normal_variance_function, normal) if clustered else (variance_function, student_t)
    )
    priors = [*law.priors.values(), *varying(law.inputs).priors.values()]
    numbers = sum(max(len(prior.parts), 1) for prior in priors)
    return varying if len(runs) >= RUNS_PER_TERM * numbers else alike
