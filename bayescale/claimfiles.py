"""Claims from a user: a mapping, or a TOML file of the same keys.

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
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import fields
from decimal import Decimal, InvalidOperation
from os import PathLike
from pathlib import Path
from typing import Any

from bayescale.claims import Claim
from bayescale.errors import DataError, LawError

Source = Mapping[str, Any] | str | PathLike[str]


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
TABLES = ("values", "errors", "intervals", "digits", "at")
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
