"""What every check of a claim takes and returns: the evidence and the result."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
import xarray as xr

from bayescale.fitting.record import Fit
from bayescale.posterior.quantities import scalar_draws
from bayescale.spec.claim import Claim
from bayescale.spec.functions import arguments
from bayescale.spec.law import Law

AGREES, DISAGREES, UNTESTED = "agrees", "disagrees", "not testable"

CHANCE = 0.01
"""Probability that a check of a true claim disagrees, over all quantities of the check."""

EXACT = 1e-9
"""Relative rounding of a number that is printed with all its digits."""

DEFAULT, ONE_SCALE = "default", "one scale"
"""Names of the two fits that claims are compared with: the usual likelihood, and Student-t scatter
of one scale with every run on its own."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a claim is compared with.

    Parameters
    ----------
    fits : mapping of str to Fit
        Fits of one law to the same runs, by likelihood; `DEFAULT` is among them.
    identified : set of str
        Labels of the coefficients and derived quantities that the runs identify.
    claims : tuple of Claim
        All claims of the audit and of the law. The claim that is checked may be among them.
    multiverse : Dataset, optional
        The law fitted under other choices, from `bayescale.multiverse`.
    """

    fits: Mapping[str, Fit]
    identified: frozenset[str]
    claims: tuple[Claim, ...] = ()
    multiverse: xr.Dataset | None = None

    @property
    def fit(self) -> Fit:
        """The fit with the usual likelihood."""
        return self.fits[DEFAULT]

    def testable_names(self, claim: Claim) -> list[str]:
        """Quantities with a claimed value that are one number in the fit and that runs identify."""
        posterior = self.fit.posterior
        return [
            name
            for name in claim.values
            if name in self.identified and scalar_draws(posterior, name) is not None
        ]


@dataclass(frozen=True, eq=False)
class CheckResult:
    """The result of one check of one claim.

    Parameters
    ----------
    outcome : {"agrees", "disagrees", "not testable"}
        Whether the claim passes.
    numbers : mapping
        What was measured, by name.
    sentence : str
        What the numbers mean.
    data : Dataset, optional
        Arrays behind the numbers.
    """

    outcome: str
    numbers: Mapping[str, Any]
    sentence: str
    data: xr.Dataset = field(default_factory=xr.Dataset)

    def __str__(self) -> str:
        return f"{self.outcome}. {self.sentence}"


def untested(sentence: str) -> CheckResult:
    """Result of a check that the claim or the runs do not allow, with the reason."""
    return CheckResult(UNTESTED, {}, sentence)


def draws_of_label(fit: Fit, label: str) -> xr.DataArray:
    """Draws of the quantity with a label, which has to be one number in the fit."""
    draws = scalar_draws(fit.posterior, label)
    if draws is None:
        raise KeyError(label)
    return draws


def is_whole_law(claim: Claim, fit: Fit) -> bool:
    """Whether the claim gives every coefficient of the law."""
    return set(fit.law.coefficient_labels) <= set(claim.values)


def derivable_names(claim: Claim, law: Law) -> list[str]:
    """Derived quantities of the law that follow from the coefficients of a claim."""
    return [
        name
        for name, function in law.derived.items()
        if set(law.labels(arguments(function))) <= set(claim.values)
    ]


def rounded(claim: Claim, law: Law, names: Iterable[str]) -> dict[str, Any]:
    """Claimed coefficients, with every way in which their printed digits can have been rounded.

    Parameters
    ----------
    claim : Claim
        Gives every number of these coefficients.
    law : Law
        The law of the claim.
    names : iterable of str
        Coefficients.

    Returns
    -------
    dict of str to DataArray or tuple of DataArray
        Each coefficient as the formula takes it, along ``corner``: as printed, then the corners of
        the box of all numbers that round to the printed ones.
    """
    names = tuple(names)
    labels = law.labels(names)
    printed = np.array([claim.values[label] for label in labels])
    half = np.array([claim.rounding(label) for label in labels])
    signs = np.array([np.zeros(len(labels)), *product((-1.0, 1.0), repeat=len(labels))])
    corners = xr.DataArray(printed + signs * half, dims=("corner", "number"))
    values = {label: corners.isel(number=k) for k, label in enumerate(labels)}
    return law.group_parts(values, names)
