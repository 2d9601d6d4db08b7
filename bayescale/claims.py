"""What somebody published about a law: numbers, how sure they said to be, and where it stands.

A claim stands with its law, or comes from a user: a mapping, or a TOML file of the same keys.

    [[claims]]
    label = "Approach 3"
    reference = "arXiv:2203.15556, table 2"
    values = { a = "0.46", alpha = "0.34" }
    intervals = { a = [0.454, 0.455] }
    mass = 0.8

A number may stand in quotes, where the digits that were printed end in a zero: how far printed
numbers are from what was found is judged by their last digit.
"""

import math
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal, InvalidOperation
from os import PathLike
from pathlib import Path
from typing import Any

from bayescale.errors import DataError, LawError

STATUSES = ("printed", "recomputed", "remembered")
"""Read in the source, computed from its data, or only quoted elsewhere."""

OBJECTIVES = ("huber", "huber likelihood")
"""What a claim may minimise over log residuals: the sum of their Huber losses, or minus the log
likelihood of a density that falls with the Huber loss of residual over a scale found with it."""

AT_BUDGET = {"N_opt": "a", "D_opt": "b", "k_N": "a", "k_D": "b"}
"""What a claim may say of the optimum whatever its law, with the exponent that belongs to it:
params and tokens at the budget, and the factors of N_opt = k_N C^a and D_opt = k_D C^b."""

Source = Mapping[str, Any] | str | PathLike[str]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What somebody published about a law.

    Parameters
    ----------
    label : str
        Short name, for example ``"Hoffmann et al., rounded"``.
    values : mapping of str to float
        Coefficients and derived quantities as printed, and those of `AT_BUDGET`.
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
    digits : mapping of str to int, optional
        Decimals that were printed, of numbers that end in zeros.
    counts : str, optional
        How params and compute were counted.
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
    digits: Mapping[str, int] = field(default_factory=dict)
    counts: str = ""
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


def read_claims(source: Source) -> tuple[Claim, ...]:
    """Claims from a TOML file, or from a mapping of the same keys.

    Parameters
    ----------
    source : path or mapping
        One claim, or several in a list ``claims``. The keys are the parameters of `Claim`.

    Returns
    -------
    tuple of Claim

    Raises
    ------
    DataError
        If the file cannot be read, a key is missing or unknown, or a value is not what it should
        be; the message names the claim and the key.

    Examples
    --------
    >>> (claim,) = read_claims({"label": "ours", "reference": "here", "values": {"a": "0.50"}})
    >>> claim.values["a"], claim.rounding("a")
    (0.5, 0.005)
    """
    where, said = ("the claims", dict(source)) if isinstance(source, Mapping) else _parsed(source)
    listed = said.get("claims", [said])
    if not isinstance(listed, list) or not listed or not all(isinstance(x, dict) for x in listed):
        raise DataError(
            f"{where} has claims {listed!r:.60}; expected a list of tables. Write [[claims]] above "
            "each."
        )
    return tuple(_claim(each, f"{where}, claim {k + 1}") for k, each in enumerate(listed))


def _parsed(path: str | PathLike[str]) -> tuple[str, dict[str, Any]]:
    try:
        return str(path), tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror}); expected a TOML file of claims. "
            "Check the path."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} is no TOML ({error}); expected a table with label, reference and values. "
            "Mend that line."
        ) from error


REQUIRED = ("label", "reference", "values")
TABLES = ("values", "errors", "intervals", "digits")
TEXTS = ("columns", "where")


def _claim(said: Mapping[str, Any], where: str) -> Claim:
    known = [each.name for each in fields(Claim)]
    for problem, keys in (
        ("lacks", [key for key in REQUIRED if key not in said]),
        ("has unknown", [key for key in said if key not in known]),
    ):
        if keys:
            raise DataError(
                f"{where} {problem} {', '.join(map(repr, keys))}; expected keys among "
                f"{', '.join(known)}. Correct the spelling, or add what is missing."
            )
    tables: dict[str, Any] = {key: dict(_table(said, key, where)) for key in TABLES if key in said}
    tables |= {key: _texts(said[key], key, where) for key in TEXTS if key in said}
    values = said["values"]
    tables["digits"] = {**_quoted(values), **tables.get("digits", {})}
    scalars = {key: _scalar(said[key], key, where) for key in said if key not in tables}
    given: dict[str, Any] = {**scalars, **tables}
    try:
        return Claim(**given)
    except LawError as error:
        raise DataError(f"{where}: {error}") from error


def _table(said: Mapping[str, Any], key: str, where: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(said[key], Mapping):
        raise DataError(
            f"{where} has {key} = {said[key]!r:.60}; expected a table of numbers by name. "
            f"Write {key} = {{ alpha = 0.34 }}."
        )
    for name, value in said[key].items():
        at = f"{where}, {key} of {name!r}"
        if key == "intervals":
            if not isinstance(value, list | tuple) or len(value) != 2:
                raise DataError(
                    f"{at} is {value!r:.60}; expected two numbers. Write [lower, upper]."
                )
            yield name, (_number(value[0], at), _number(value[1], at))
        else:
            yield name, int(_number(value, at)) if key == "digits" else _number(value, at)


def _texts(value: Any, key: str, where: str) -> dict[str, str]:
    if not isinstance(value, Mapping) or not all(isinstance(x, str) for x in value.values()):
        raise DataError(
            f"{where} has {key} = {value!r:.60}; expected a table of texts by name. "
            f'Write {key} = {{ loss = "loss_c4" }}.'
        )
    return dict(value)


def _scalar(value: Any, key: str, where: str) -> Any:
    if key == "without":
        if not isinstance(value, list | tuple):
            raise DataError(
                f"{where} has without = {value!r:.60}; expected a list of rows. Write [0, 1]."
            )
        return tuple(int(_number(row, f"{where}, without")) for row in value)
    if key in ("mass", "budget", "delta"):
        return _number(value, f"{where}, {key}")
    if key == "runs":
        return int(_number(value, f"{where}, {key}"))
    if not isinstance(value, str):
        raise DataError(f"{where} has {key} = {value!r:.60}; expected text. Put it in quotes.")
    return value


def _number(value: Any, where: str) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise DataError(
            f"{where} is {value!r:.60}; expected a finite number. Write digits, as in 0.34."
        )
    return number


def _quoted(values: Mapping[str, Any]) -> dict[str, int]:
    """Decimals of the numbers that were given as text."""
    found = {}
    for name, value in values.items():
        if isinstance(value, str):
            try:
                found[name] = -int(Decimal(value.strip()).as_tuple().exponent)
            except (InvalidOperation, ValueError):
                continue  # said below that it is no number
    return found
