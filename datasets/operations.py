"""The operations by which a recipe can compute a column.

`compute = { tokens = ["ratio", "flops", "flops_per_token"] }` divides one column by another. An
argument that is the name of a column stands for the column; any other text stands for itself.
"""

import re
from collections.abc import Callable
from inspect import signature
from typing import Any

import numpy as np
import pandas as pd

Column = Any
"""A pandas Series, or a text where the operation takes a text."""


def ratio(numerator: Column, denominator: Column) -> Column:
    """Return one column divided by another."""
    return numerator / denominator


def product(first: Column, second: Column) -> Column:
    """Return one column times another, as floats: whole numbers overflow beyond 9.2e18."""
    return 1.0 * first * second


def total(first: Column, second: Column) -> Column:
    """Return one column plus another."""
    return first + second


def difference(first: Column, second: Column) -> Column:
    """Return one column minus another."""
    return first - second


def one_minus(proportion: Column) -> Column:
    """Return the error from an accuracy."""
    return 1.0 - proportion


def logarithm(values: Column) -> Column:
    """Return the natural logarithm: a loss from a perplexity."""
    return np.log(values)


def exponential(values: Column) -> Column:
    """Return numbers from their natural logarithms."""
    return np.exp(values)


def power_of_ten(values: Column) -> Column:
    """Return numbers from their decimal logarithms."""
    return 10.0**values


def count(texts: Column) -> Column:
    """Return counts from texts such as 2.8B, 125m or 410M; missing where a text is no count."""
    parts = texts.astype("str").str.strip().str.extract(r"^([0-9.]+)([KMBTkmbt]?)$")
    factors = {"": 1.0, "K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}
    return pd.to_numeric(parts[0]) * parts[1].str.upper().map(factors)


def match(texts: Column, pattern: str) -> Column:
    """Return what the first group of a pattern matches; missing where it matches nothing."""
    return texts.astype("str").str.extract(re.compile(pattern), expand=True)[0]


def number(texts: Column) -> Column:
    """Return numbers from texts; missing where a text is no number."""
    return pd.to_numeric(texts, errors="coerce")


def item(lists: Column, place: str) -> Column:
    """Return one entry of the list in every cell; the last entry is -1."""
    return lists.str[int(place)]


def year(dates: Column) -> Column:
    """Return years with decimals from dates such as 2024-06-20; missing where a text is no date."""
    texts = dates.astype("str").str.replace("/", "-")
    days = pd.to_datetime(texts, format="%Y-%m-%d", errors="coerce")
    return days.dt.year + (days.dt.day_of_year - 1) / (365 + days.dt.is_leap_year)


OPERATIONS: dict[str, Callable[..., Column]] = {
    "cost": lambda: None,  # the card's own, from the other two of params, tokens and flops
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
"""Operations by the name that a recipe uses."""

ARGUMENT_COUNTS = {
    name: len(signature(operation).parameters) for name, operation in OPERATIONS.items()
}
"""Number of arguments of each operation."""
