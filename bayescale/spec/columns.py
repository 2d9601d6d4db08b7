"""What a column may hold, the scale it is compared on, and its cells as numbers.

Inputs and responses are positive unless a law states another kind, and are compared on the
logarithm. An accuracy is a proportion and is compared on its log odds; a sum of drops of the
learning rate may be 0; a rating may be any number. A misfit `shift` moves the expectation of a law
to ``backward(forward(expected) + shift)``.
"""

import numbers
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from bayescale.errors import DataError

STEP = 1e-4
"""Shift of the finite difference behind a slope, which is then right to eight digits."""


@dataclass(frozen=True)
class ColumnKind:
    """What a column may hold.

    Parameters
    ----------
    name : str
        Name of the kind, for messages.
    forward, backward : callable
        To the scale on which misfits add up, and back; on numpy, xarray and PyTensor.
    lowest, highest : float
        Values lie between these.
    closed : bool
        Whether values may be equal to these.
    logged : bool
        Whether pivot and spread are those of the logarithm.
    """

    name: str
    forward: Callable[[Any], Any]
    backward: Callable[[Any], Any]
    lowest: float = -np.inf
    highest: float = np.inf
    closed: bool = False
    logged: bool = False

    def shifted(self, values: Any, shift: Any) -> Any:
        """Return values moved by a shift on the scale of misfits."""
        if self.logged:
            return values * np.exp(shift)
        return self.backward(self.forward(values) + shift)

    def slope(self, values: Any) -> Any:
        """Return the derivative of the shifted values by the shift, at no shift."""
        return (self.shifted(values, STEP) - self.shifted(values, -STEP)) / (2 * STEP)

    def scaled(self, values: Any) -> Any:
        """Return values on the scale on which pivot and spread are mean and standard deviation."""
        return np.log(values) if self.logged else values

    def centre(self, values: Any) -> Any:
        """Return the geometric mean, or the plain mean where nothing is logged."""
        mean = self.scaled(values).mean()
        return np.exp(mean) if self.logged else mean

    def invalid(self, values: Any) -> Any:
        """Return which values a column of this kind cannot hold."""
        if self.closed:
            return (values < self.lowest) | (values > self.highest)
        return (values <= self.lowest) | (values >= self.highest)

    @property
    def requirement(self) -> str:
        """What is wrong with an invalid value, and what was expected, for messages."""
        if self.logged:
            return (
                "but its logarithm is needed; expected a number above zero. Correct it, or drop "
                "that run."
            )
        percent = " Divide percentages by 100." if self.highest == 1 else ""
        return (
            f"which can be no {self.name}; expected a number from {self.lowest:g} to "
            f"{self.highest:g}. Correct it, or drop that run.{percent}"
        )


# Named functions, by which a pickled kind is equal to the original.
def _plain(values: Any) -> Any:
    return values


def _log_odds(proportions: Any) -> Any:
    return np.log(proportions) - np.log1p(-proportions)


def _proportion(log_odds: Any) -> Any:
    return 1 / (1 + np.exp(-log_odds))


POSITIVE = ColumnKind("positive", np.log, np.exp, lowest=0.0, logged=True)
"""Above zero: losses, sizes, compute."""


AMOUNT = ColumnKind("amount", _plain, _plain, lowest=0.0, closed=True)
"""Zero or above."""


PROPORTION = ColumnKind("proportion", _log_odds, _proportion, lowest=0.0, highest=1.0, closed=True)
"""From 0 to 1: accuracies, errors."""


REAL = ColumnKind("number", _plain, _plain)
"""Any number."""


@dataclass(frozen=True)
class Column:
    """A column of the table of a law.

    Parameters
    ----------
    kind : ColumnKind
        What it may hold.
    known : bool
        Whether it is an input whose effect is known, such as a level of guessing: it may be the
        same in all runs.
    noisy : bool
        Whether it is an input measured with an error like that of the response
        (`bayescale.likelihoods.ERRORS_IN_VARIABLES`).
    computed : callable, optional
        Function of a table in standard columns that gives the column where the table lacks it.
    """

    kind: ColumnKind = POSITIVE
    known: bool = False
    noisy: bool = False
    computed: Callable[[pd.DataFrame], pd.Series] | None = None


NUMBER = re.compile(
    r"[ \t]*[+-]?(([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|inf(inity)?)[ \t]*", re.IGNORECASE
)
"""A plain number, without thousands separators, decimal comma or unit. Infinity passes here."""


def read_numbers(
    column: pd.Series, name: str, where: str, kind: ColumnKind = POSITIVE
) -> pd.Series:
    """Return a column as float64, every cell of it a number of its kind.

    Parameters
    ----------
    column : Series
        Numbers, or texts that are plain numbers.
    name : str
        What the column is read as, for messages.
    where : str
        The file or table, for messages.
    kind : ColumnKind
        What the column may hold.

    Returns
    -------
    Series
        Rows are numbered from 0.

    Raises
    ------
    DataError
        If a cell is no number of this kind; the message has its row and its value.
    """
    if is_real(column):
        values = column.to_numpy(dtype="float64", na_value=np.nan)
        unread = np.zeros(len(values), dtype=bool)
    else:
        cells = [_number(cell) for cell in column]
        unread = np.array([cell is None for cell in cells])
        values = np.array(cells, dtype="float64")
    read_as = "" if column.name == name else f" (read as {name})"
    refuse_unusable(column, values, unread, f"{where}: column {str(column.name)!r}{read_as}", kind)
    return pd.Series(values)


def _number(cell: Any) -> float | None:
    """Return a cell as a number, NaN where there is nothing, None where it is something else."""
    if cell is None or cell is pd.NA or cell is pd.NaT:
        return np.nan
    if isinstance(cell, bool | np.bool_) or not isinstance(cell, str | numbers.Real | Decimal):
        return None
    if isinstance(cell, str) and not NUMBER.fullmatch(cell):
        return None
    try:
        return float(cell)
    except OverflowError:  # an integer of more than 308 digits
        return np.inf


def refuse_unusable(
    column: pd.Series, values: Any, unread: Any, where: str, kind: ColumnKind = POSITIVE
) -> None:
    """Raise DataError at the first cell that is no number of its kind.

    Parameters
    ----------
    column : Series
        The cells, for messages.
    values : (row,) array of float
        The cells as numbers, NaN where one is missing.
    unread : (row,) array of bool
        Which cells are not plain numbers.
    where : str
        File and column, for messages.
    kind : ColumnKind
        What the column may hold.
    """
    checks = (
        (
            unread,
            "which is not a plain number; expected digits, with a decimal point or an exponent if "
            "need be (7e7, 2.51). Write numbers in full, without thousands separators, decimal "
            "commas or units.",
        ),
        (
            np.isnan(values),
            "a missing cell; expected a number in every row. Write it in or drop that run; drop "
            "the column if no law needs it.",
        ),
        (
            np.isinf(values),
            "which is infinite or too large to hold; expected a finite number. Correct it, or "
            "drop that run (a loss that diverged has no place on a law).",
        ),
        (kind.invalid(values), kind.requirement),
    )
    for bad, meaning in checks:
        if bad.any():
            first = int(bad.argmax())
            cell = column.iloc[first]
            shown = repr(cell) if isinstance(cell, str) else str(cell)
            more = f" and {bad.sum() - 1} more" if bad.sum() > 1 else ""
            raise DataError(
                f"{where} holds {shown} in row {first + 1} of the table{more}, {meaning}"
            )


def is_real(column: pd.Series) -> bool:
    """Return whether a column holds real numbers, and not booleans."""
    return pd.api.types.is_any_real_numeric_dtype(column.dtype)
