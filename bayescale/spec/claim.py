"""What somebody published about a law: numbers, how certain they are, and where they are printed.

Claims are listed with their law, or come from a user (`bayescale.auditing.claim_files`).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from bayescale.errors import LawError

STATUSES = ("printed", "recomputed", "remembered")
"""Read in the source, computed from its data, or only quoted elsewhere."""


OBJECTIVES = ("huber", "huber likelihood")
"""What a claim may minimise over log residuals: the sum of their Huber losses, or minus the log
likelihood of a density that falls with the Huber loss of the residual over a scale, which is
estimated with the coefficients."""


AT_BUDGET = {"N_opt": "a", "D_opt": "b", "k_N": "a", "k_D": "b"}
"""What a claim about any law may state of the optimum, with the exponent that belongs to it: params
and tokens at the budget, and the factors of N_opt = k_N C^a and D_opt = k_D C^b."""


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What an estimate minimises over log residuals.

    Parameters
    ----------
    kind : str
        One of `OBJECTIVES`.
    delta : float
        Log residual from which on the Huber loss is linear.

    Raises
    ------
    LawError
        If there is no such kind, or `delta` is not above 0.
    """

    kind: str
    delta: float

    def __post_init__(self) -> None:
        if self.kind not in OBJECTIVES:
            raise LawError(
                f"a claim minimises {self.kind!r}; expected one of {', '.join(OBJECTIVES)}. "
                "Correct the spelling, or leave it out."
            )
        if not self.delta > 0:
            raise LawError(
                f"a claim minimises {self.kind} with delta {self.delta!r}; expected a log residual "
                "above 0. State delta."
            )


@dataclass(frozen=True, kw_only=True)
class ClaimData:
    """The dataset that a claim is about (`bayescale.datasets`).

    Parameters
    ----------
    table : str, optional
        Its name; empty where the claim is about no dataset.
    columns : mapping of str to str, optional
        From bayescale's name of a column to the dataset's column that the claim uses for it.
    without : tuple of int, optional
        Rows that its authors left out, counted from 0.
    held_out : str, optional
        Name of a dataset with runs of the same kind that the claim was not fitted to.
    where : mapping of str to str, optional
        Column and value of the held-out runs that count.
    """

    table: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    without: tuple[int, ...] = ()
    held_out: str = ""
    where: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What somebody published about a law.

    Parameters
    ----------
    label : str
        Short name, for example ``"Hoffmann et al., rounded"``.
    values : mapping of str to float
        Coefficients and derived quantities as printed, and those of `AT_BUDGET`. One part of
        several has the label that it has in a summary, such as ``d[1]``.
    reference : str
        Paper or repository, and where in it.
    errors : mapping of str to float, optional
        Their standard errors, where printed.
    intervals : mapping of str to (float, float), optional
        Their intervals, where printed.
    mass : float, optional
        Probability that the intervals are claimed to hold; required with `intervals`.
    runs : int, optional
        Number of runs behind the claim.
    budget : float, optional
        Compute in FLOP that the claim is made for.
    at : mapping of str to float, optional
        The law's extra inputs that it is made for, such as ``{"unique_tokens": 25e9}``.
    digits : mapping of str to int, optional
        Decimals that were printed, of numbers that end in zeros.
    counts : str, optional
        How params and compute were counted.
    made_from : str, optional
        What the claim was estimated from, where that is more or other than final losses such as
        those of the table. Its width is then not tested.
    method : str, optional
        Which of the estimates in the source this is. Claims of one source and method are the same
        estimate, printed differently.
    status : str
        One of `STATUSES`. Figures that are only remembered are no reference in tests.
    data : ClaimData
        The dataset that the claim is about.
    objective : Objective, optional
        What the claim minimises. Requires `runs`, which identifies the runs it was fitted to.

    Raises
    ------
    LawError
        If an interval has no mass or no width, there is no such status, or the number of runs or
        the budget is missing where the claim requires it.
    """

    label: str
    values: Mapping[str, float]
    reference: str
    errors: Mapping[str, float] = field(default_factory=dict)
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    mass: float | None = None
    runs: int | None = None
    budget: float | None = None
    at: Mapping[str, Any] = field(default_factory=dict)
    digits: Mapping[str, int] = field(default_factory=dict)
    counts: str = ""
    made_from: str = ""
    method: str = ""
    status: str = "printed"
    data: ClaimData = ClaimData()
    objective: Objective | None = None

    def __post_init__(self) -> None:
        if self.intervals and (self.mass is None or not 0 < self.mass < 1):
            raise LawError(
                f"claim {self.label!r} has intervals with mass {self.mass!r}; expected the "
                "probability they are claimed to hold, between 0 and 1. Set it, such as mass=0.8."
            )
        for name, (lower, upper) in self.intervals.items():
            if not lower < upper:
                raise LawError(
                    f"claim {self.label!r} has {name} in ({lower}, {upper}); expected the lower "
                    "end below the upper. Swap or correct them."
                )
        if self.status not in STATUSES:
            raise LawError(
                f"claim {self.label!r} is {self.status!r}; expected one of {', '.join(STATUSES)}. "
                "State where its figures come from."
            )
        if self.objective and not self.runs:
            raise LawError(
                f"claim {self.label!r} minimises {self.objective.kind} over {self.runs!r} runs; "
                "expected their number. State runs."
            )
        if {"N_opt", "D_opt"} & self.names and not (self.budget and self.budget > 0):
            raise LawError(
                f"claim {self.label!r} has an optimum at budget {self.budget!r}; expected FLOP. "
                "Set it, such as budget=3.8e25."
            )

    @property
    def names(self) -> set[str]:
        """Every quantity that the claim is about."""
        return {*self.values, *self.errors, *self.intervals}

    @property
    def source(self) -> str:
        """Identifier of the paper: the first arXiv number or DOI of the reference, or all of it."""
        identifier = re.search(r"arXiv:\d{4}\.\d{4,5}|doi:\S+", self.reference)
        return identifier.group() if identifier else self.reference

    def sd(self, name: str) -> float | None:
        """Return the standard deviation that is claimed.

        Parameters
        ----------
        name : str
            A quantity.

        Returns
        -------
        float or None
            The error, or the standard deviation of a Normal with the claimed interval; None where
            there is neither.
        """
        from scipy import stats

        if name in self.errors:
            return self.errors[name]
        if name not in self.intervals or self.mass is None:
            return None
        lower, upper = self.intervals[name]
        return float((upper - lower) / (2 * stats.norm.ppf((1 + self.mass) / 2)))

    def rounding(self, name: str) -> float:
        """Return half a unit of the last digit that was printed.

        Parameters
        ----------
        name : str
            A quantity with a value.

        Returns
        -------
        float
            In the unit of the quantity.
        """
        if name in self.digits:
            return 0.5 * 10.0 ** -self.digits[name]
        return half_digit(self.values[name])


def budget_of(claims: Iterable[Claim]) -> float | None:
    """Return the largest compute in FLOP that a claim is made for; None where there is none."""
    return max((claim.budget for claim in claims if claim.budget), default=None)


def half_digit(number: float) -> float:
    """Return half a unit of the last digit that is not a zero.

    Examples
    --------
    >>> half_digit(0.34), half_digit(5400)
    (0.005, 50.0)
    """
    exponent = Decimal(repr(float(number))).normalize().as_tuple().exponent
    return 0.5 * 10.0 ** int(exponent)
