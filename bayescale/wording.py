"""Numbers and lists as words."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np


def significant(value: float, scale: float) -> str:
    """Write a number to the second digit of its uncertainty."""
    if not (np.isfinite(value) and np.isfinite(scale) and scale > 0):
        return f"{value:.4g}"
    if abs(value) >= 1e6 or scale < 1e-6:
        digits = max(int(np.floor(np.log10(abs(value) / scale))), 0) + 2 if value else 2
        return f"{value:.{min(digits, 6) - 1}e}"
    return f"{value:.{max(1 - int(np.floor(np.log10(scale))), 0)}f}"


def about(count: float) -> str:
    """Write a count to two digits.

    Examples
    --------
    >>> about(283.1), about(613_000), about(0.74)
    ('280', '610,000', '0.74')
    """
    return f"{float(f'{count:.2g}'):,.15g}"


def listed(words: Sequence[str], most: int | None = None) -> str:
    """Join words with commas and "and"; beyond `most` of them, count the others.

    Examples
    --------
    >>> listed(["E", "A", "B"]), listed(["E", "A", "B", "a"], 2)
    ('E, A and B', 'E, A and 2 others')
    """
    if most is not None and len(words) > most + 1:
        words = [*words[:most], f"{len(words) - most} others"]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def plural(count: int, noun: str) -> str:
    """Write a count with its noun.

    Examples
    --------
    >>> plural(1, "run"), plural(82, "run")
    ('1 run', '82 runs')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def numbered_rows(which: Any) -> str:
    """Write the numbers of the rows where `which` holds, the first eight if there are more.

    Examples
    --------
    >>> numbered_rows([False, True, True]), numbered_rows([True, False])
    ('rows 2, 3', 'row 1')
    """
    numbers = [str(number) for number in np.flatnonzero(which) + 1]
    more = f" and {len(numbers) - 8} more" if len(numbers) > 8 else ""
    return f"{'row' if len(numbers) == 1 else 'rows'} {', '.join(numbers[:8])}{more}"


def finite(value: Any) -> float | None:
    """A number that JSON can hold: None in place of nan and infinity."""
    return float(value) if np.isfinite(value) else None


def count_unit(value: float) -> tuple[float, str]:
    """Size and name of the unit in which a count is read, such as million; none from 1e16 on."""
    units = ((1e12, "trillion"), (1e9, "billion"), (1e6, "million"), (1e3, "thousand"))
    if value >= 1e16:
        return 1.0, ""
    return next(((size, name) for size, name in units if value >= size), (1.0, ""))


def power_of(value: float) -> int:
    """Power of ten with which a number is written; 0 where it is written without one."""
    if value == 0 or 1e-3 <= abs(value) < 1e4:
        return 0
    return math.floor(math.log10(abs(value)))


def raised_power(exponent: float) -> str:
    """Write a power of ten.

    Examples
    --------
    >>> raised_power(13)
    '10¹³'
    """
    raised = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
    return f"10{f'{exponent:.0f}'.translate(raised)}"


def power_of_ten(value: float) -> str:
    """Write a number of any size, to three digits.

    Examples
    --------
    >>> power_of_ten(3.2e13), power_of_ten(26.8)
    ('3.2×10¹³', '26.8')
    """
    exponent = power_of(value)
    return f"{value / 10.0**exponent:.3g}{times_power(exponent)}"


def times_power(exponent: int) -> str:
    """What follows the digits of a number; nothing where it is written without a power."""
    return f"\N{MULTIPLICATION SIGN}{raised_power(exponent)}" if exponent else ""
