"""Numbers as people say and write them."""

import math
from collections.abc import Mapping

from bayescale.budgets import Estimate
from bayescale.display import significant

UNITS = ((1e12, "trillion"), (1e9, "billion"), (1e6, "million"), (1e3, "thousand"))
PLAIN = (1e-3, 1e4)
"""Between these, numbers are written without a power of ten; and in words up to 1e16."""
LARGEST = 1e16
TIMES = "\N{MULTIPLICATION SIGN}"
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
INTERVALS = {"eti": "equal-tailed", "hdi": "highest-density"}
"""Kinds of interval, in words."""


def counted(value: float) -> str:
    """A count in words: ``1.07 million``."""
    scale, unit = _unit(value)
    return f"{value / scale:.3g} {unit}".strip()


def counted_between(found: Estimate) -> str:
    """A count with its interval: ``1.07 million (0.57 to 1.68 million)``."""
    scale, unit = _unit(found.median)
    if not unit:
        return power_between(found)
    ends = " to ".join(f"{end / scale:.3g}" for end in (found.lower, found.upper))
    return f"{counted(found.median)} ({ends} {unit})"


def _unit(value: float) -> tuple[float, str]:
    if value >= LARGEST:
        return 1.0, ""
    return next(((size, name) for size, name in UNITS if value >= size), (1.0, ""))


def plain_between(found: Estimate) -> str:
    """A number with its interval, to the second digit of its uncertainty."""
    middle, low, high = (significant(x, found.sd) for x in (found.median, found.lower, found.upper))
    return f"{middle} ({low} to {high})"


def power(value: float) -> str:
    """A number of any size, to three digits: ``3.2×10¹³``."""
    if value == 0 or PLAIN[0] <= abs(value) < PLAIN[1]:
        return f"{value:.3g}"
    exponent = _exponent(value)
    return f"{value / 10.0**exponent:.3g}{TIMES}{raised(exponent)}"


def at_given(given: Mapping[str, float]) -> str:
    """Further inputs of a law as they follow a budget: `` and unique tokens of 2.5×10¹⁰``."""
    return "".join(
        f" and {name.replace('_', ' ')} of {power(value)}" for name, value in given.items()
    )


def power_between(found: Estimate) -> str:
    """The same with its interval, the power of ten once: ``1.29 (1.18 to 1.42)×10⁵``."""
    exponent = _exponent(found.median)
    if PLAIN[0] <= found.median < PLAIN[1]:
        exponent = 0
    shown = (x / 10.0**exponent for x in (found.median, found.lower, found.upper))
    middle, low, high = (f"{x:.3g}" for x in shown)
    return f"{middle} ({low} to {high}){TIMES + raised(exponent) if exponent else ''}"


def _exponent(value: float) -> int:
    return math.floor(math.log10(abs(value))) if value else 0


def raised(exponent: float) -> str:
    """A power of ten: ``10¹³``."""
    return f"10{f'{exponent:.0f}'.translate(RAISED)}"
