"""What somebody published about a law: numbers, how sure they said to be, and where it stands.

A claim stands with its law, or comes from a user (`bayescale.claimfiles`).
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
likelihood of a density that falls with the Huber loss of residual over a scale found with it."""

AT_BUDGET = {"N_opt": "a", "D_opt": "b", "k_N": "a", "k_D": "b"}
"""What a claim may say of the optimum whatever its law, with the exponent that belongs to it:
params and tokens at the budget, and the factors of N_opt = k_N C^a and D_opt = k_D C^b."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What somebody published about a law.

    Parameters
    ----------
    label : str
        Short name, for example ``"Hoffmann et al., rounded"``.
    values : mapping of str to float
        Coefficients and derived quantities as printed, and those of `AT_BUDGET`. One part of
        several goes by its label in a summary, such as ``d[1]``.
    errors : mapping of str to float, optional
        Their standard errors, where printed.
    intervals : mapping of str to (float, float), optional
        Their intervals, where printed.
    mass : float, optional
        Probability the intervals were said to hold; needed with `intervals`.
    runs : int, optional
        Number of runs behind the claim.
    budget : float, optional
        Compute in FLOP that the claim was made for.
    at : mapping of str to float, optional
        The law's further inputs that it was made for, such as ``{"unique_tokens": 25e9}``.
    digits : mapping of str to int, optional
        Decimals that were printed, of numbers that end in zeros.
    counts : str, optional
        How params and compute were counted.
    made_from : str, optional
        What the claim was found from, where that is more or other than final losses such as the
        table's: its width is then not held against it.
    method : str, optional
        Which of the estimates in the source this is. Claims of one source and method are the same
        estimate, printed differently.
    reference : str
        Paper or repository, and where in it.
    status : str
        One of `STATUSES`. Nothing is tested against figures that are only remembered.
    table : str, optional
        Dataset that the claim is about (`bayescale.datasets`).
    columns : mapping of str to str, optional
        Our column -> the dataset's that the claim takes for it.
    without : tuple of int, optional
        Rows of the dataset that its authors left out, counted from 0.
    objective, delta : str and float, optional
        One of `OBJECTIVES` that the claim minimises, and the log residual beyond which it is
        linear. Needs `runs`, by which its own runs are told.
    held_out, where : str and mapping of str to str, optional
        Dataset with runs of the same kind that the claim was not fitted to, and the column = value
        of those that count.

    Raises
    ------
    LawError
        If an interval has no mass or no width, the status or objective is none, or `delta`, `runs`
        or a budget is lacking for what is said.
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
    table: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    without: tuple[int, ...] = ()
    objective: str = ""
    delta: float | None = None
    held_out: str = ""
    where: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.intervals and (self.mass is None or not 0 < self.mass < 1):
            raise LawError(
                f"claim {self.label!r} has intervals with mass {self.mass!r}; expected the "
                "probability they were said to hold, between 0 and 1. Set mass=0.8, say."
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
                "Say where its figures come from."
            )
        if self.objective and self.objective not in OBJECTIVES:
            raise LawError(
                f"claim {self.label!r} minimises {self.objective!r}; expected one of "
                f"{', '.join(OBJECTIVES)}. Correct the spelling, or leave it out."
            )
        if self.objective and not (self.runs and self.delta and self.delta > 0):
            raise LawError(
                f"claim {self.label!r} minimises {self.objective} with delta {self.delta!r} over "
                f"{self.runs!r} runs; expected both above 0. State delta and runs."
            )
        if {"N_opt", "D_opt"} & self.names and not (self.budget and self.budget > 0):
            raise LawError(
                f"claim {self.label!r} has an optimum at budget {self.budget!r}; expected FLOP. "
                "Set budget=3.8e25, say."
            )

    @property
    def names(self) -> set[str]:
        """Every quantity the claim says something about."""
        return {*self.values, *self.errors, *self.intervals}

    @property
    def source(self) -> str:
        """What tells papers apart: the first arXiv number or DOI of the reference, or all of it."""
        found = re.search(r"arXiv:\d{4}\.\d{4,5}|doi:\S+", self.reference)
        return found.group() if found else self.reference

    def sd(self, name: str) -> float | None:
        """Standard deviation that is claimed: the error, or that of a Normal with the interval."""
        from scipy import stats

        if name in self.errors:
            return self.errors[name]
        if name not in self.intervals or self.mass is None:
            return None
        lower, upper = self.intervals[name]
        return float((upper - lower) / (2 * stats.norm.ppf((1 + self.mass) / 2)))

    def rounding(self, name: str) -> float:
        """Half a unit of the last digit that was printed."""
        if name in self.digits:
            return 0.5 * 10.0 ** -self.digits[name]
        return half_digit(self.values[name])


def budget_of(claims: Iterable[Claim]) -> float | None:
    """The largest compute in FLOP that a claim was made for; None where none names any."""
    return max((each.budget for each in claims if each.budget), default=None)


def half_digit(number: float) -> float:
    """Half a unit of the last digit that is not a zero."""
    exponent = Decimal(repr(float(number))).normalize().as_tuple().exponent
    return 0.5 * 10.0 ** int(exponent)
