"""The operations a recipe can compute a column with.

`compute = { tokens = ["ratio", "flops", "flops_per_token"] }` divides one column by another. An
argument that names a column stands for it; any other text stands for itself.
"""

import re
from collections.abc import Callable
from inspect import signature
from typing import Any

import numpy as np
import pandas as pd

SUFFIXES = {"": 1.0, "K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}

Column = Any
"""A pandas Series, or a text where the operation takes one."""


def ratio(above: Column, below: Column) -> Column:
    """One column divided by another."""
    return above / below


def product(left: Column, right: Column) -> Column:
    """One column times another, as floats: whole numbers overflow beyond 9.2e18."""
    return 1.0 * left * right


def total(left: Column, right: Column) -> Column:
    """One column plus another."""
    return left + right


def difference(left: Column, right: Column) -> Column:
    """One column minus another."""
    return left - right


def one_minus(share: Column) -> Column:
    """Error from accuracy."""
    return 1.0 - share


def logarithm(values: Column) -> Column:
    """Natural logarithm: a loss from a perplexity."""
    return np.log(values)


def exponential(values: Column) -> Column:
    """Numbers from their natural logarithms."""
    return np.exp(values)


def power_of_ten(values: Column) -> Column:
    """Numbers from their decimal logarithms."""
    return 10.0**values


def count(texts: Column) -> Column:
    """Counts from texts such as 2.8B, 125m or 410M; missing where a text is none."""
    found = texts.astype("str").str.strip().str.extract(r"^([0-9.]+)([KMBTkmbt]?)$")
    return pd.to_numeric(found[0]) * found[1].str.upper().map(SUFFIXES)


def match(texts: Column, pattern: str) -> Column:
    """What the first group of a pattern finds in a text; missing where it finds nothing."""
    return texts.astype("str").str.extract(re.compile(pattern), expand=True)[0]


def number(texts: Column) -> Column:
    """Numbers from texts; missing where a text is none."""
    return pd.to_numeric(texts, errors="coerce")


def item(lists: Column, place: str) -> Column:
    """One entry of a list in every cell; the last one is -1."""
    return lists.str[int(place)]


def year(dates: Column) -> Column:
    """Years with decimals from dates such as 2024-06-20 or 2024/12/21; missing where none is."""
    texts = dates.astype("str").str.replace("/", "-")
    days = pd.to_datetime(texts, format="%Y-%m-%d", errors="coerce")
    return days.dt.year + (days.dt.day_of_year - 1) / (365 + days.dt.is_leap_year)


OPERATIONS: dict[str, Callable[..., Column]] = {
    "cost": lambda: None,  # the card's own, from whichever two of params, tokens, flops there are
    "ratio": ratio,
    "product": product,
    "sum": total,
    "difference": difference,
    "one_minus": one_minus,
    "log": logarithm,
    "exp": exponential,
    "power_of_ten": power_of_ten,
    "count": count,
    "match": match,
    "number": number,
    "item": item,
    "year": year,
}
"""What a recipe can name, and what it names."""

COUNTED = {name: len(signature(operation).parameters) for name, operation in OPERATIONS.items()}
"""How many arguments each takes."""
