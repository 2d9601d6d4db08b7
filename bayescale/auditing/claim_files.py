"""Claims from a mapping, or from a TOML file of the same keys.

    [[claims]]
    label = "Approach 3"
    reference = "arXiv:2203.15556, table 2"
    values = { a = "0.46", alpha = "0.34" }
    intervals = { a = [0.454, 0.455] }
    mass = 0.8
    runs = 400
    data = { table = "chinchilla", without = [0, 4] }
    objective = { kind = "huber", delta = 1e-3 }

A number may be in quotes, to keep the zeros in which its printed digits end: rounding is judged by
the last digit.
"""

import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, replace
from decimal import Decimal
from os import PathLike
from pathlib import Path
from typing import Any

from bayescale.errors import DataError, LawError
from bayescale.spec.claim import Claim, ClaimData, Objective

Source = Mapping[str, Any] | str | PathLike[str]
Reader = Callable[[Any, str], Any]


def read_claims(source: Source) -> tuple[Claim, ...]:
    """Read claims from a TOML file, or from a mapping of the same keys.

    Parameters
    ----------
    source : path or mapping
        One claim, or several in a list ``claims``. The keys are the parameters of `Claim`; ``data``
        and ``objective`` are tables of the parameters of `ClaimData` and `Objective`.

    Returns
    -------
    tuple of Claim
        In the order of the file.

    Raises
    ------
    DataError
        If the file cannot be read, a key is missing or unknown, or a value is not of the expected
        kind. The message names the claim and the key.

    Examples
    --------
    >>> (claim,) = read_claims({"label": "ours", "reference": "here", "values": {"a": "0.50"}})
    >>> claim.values["a"], claim.rounding("a")
    (0.5, 0.005)
    """
    if isinstance(source, Mapping):
        where, content = "the claims", dict(source)
    else:
        try:
            where, content = str(source), tomllib.loads(Path(source).read_text(encoding="utf-8"))
        except OSError as error:
            raise DataError(
                f"{source} cannot be read ({error.strerror}); expected a TOML file of claims. "
                "Check the path."
            ) from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise DataError(
                f"{source} is no TOML ({error}); expected a table with label, reference and "
                "values. Correct that line."
            ) from error
    claims = content.get("claims", [content])
    if not (isinstance(claims, list) and claims and all(isinstance(x, Mapping) for x in claims)):
        raise DataError(
            f"{where} has claims {claims!r:.60}; expected a list of tables. Write [[claims]] "
            "before each."
        )
    return tuple(
        _read_claim(claim, f"{where}, claim {number}")
        for number, claim in enumerate(claims, start=1)
    )


def _read_claim(table: Mapping[str, Any], where: str) -> Claim:
    claim: Claim = _record(Claim)(table, where)
    decimals = {
        name: -int(Decimal(value.strip()).as_tuple().exponent)
        for name, value in table["values"].items()
        if isinstance(value, str)
    }
    return replace(claim, digits={**decimals, **claim.digits})


def _record(record: type[Any]) -> Reader:
    """Make a reader of a record from a table of its fields."""

    def read_record(table: Any, where: str) -> Any:
        if not isinstance(table, Mapping):
            raise DataError(f"{where} is {table!r:.60}; expected a table. Write its keys in {{ }}.")
        known = {field.name: field for field in fields(record)}
        required = {
            name
            for name, field in known.items()
            if field.default is MISSING and field.default_factory is MISSING
        }
        for problem, keys in (
            ("lacks", sorted(required - set(table))),
            ("has unknown", [key for key in table if key not in known]),
        ):
            if keys:
                raise DataError(
                    f"{where} {problem} {', '.join(map(repr, keys))}; expected keys among "
                    f"{', '.join(known)}. Correct the spelling, or add what is missing."
                )
        values = {}
        for key, value in table.items():
            read: Reader = READERS.get(key, _text)
            values[key] = read(value, f"{where}, {key}")
        try:
            return record(**values)
        except LawError as error:
            raise DataError(f"{where}: {error}") from error

    return read_record


def _table(read: Reader, example: str) -> Reader:
    """Make a reader of values by name from a reader of one value."""

    def read_table(table: Any, where: str) -> dict[str, Any]:
        if not isinstance(table, Mapping):
            raise DataError(
                f"{where} is {table!r:.60}; expected a table of values by name. "
                f"Write {{ {example} }}, for example."
            )
        return {name: read(value, f"{where} of {name!r}") for name, value in table.items()}

    return read_table


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


def _whole_number(value: Any, where: str) -> int:
    number = _number(value, where)
    if number != int(number):
        raise DataError(
            f"{where} is {value!r:.60}; expected a whole number. Write it without a fraction."
        )
    return int(number)


def _interval(value: Any, where: str) -> tuple[float, float]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise DataError(f"{where} is {value!r:.60}; expected two numbers. Write [lower, upper].")
    return _number(value[0], where), _number(value[1], where)


def _rows(value: Any, where: str) -> tuple[int, ...]:
    if not isinstance(value, list | tuple):
        raise DataError(f"{where} is {value!r:.60}; expected a list of rows. Write [0, 1].")
    return tuple(_whole_number(row, where) for row in value)


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise DataError(f"{where} is {value!r:.60}; expected text. Put it in quotes.")
    return value


_numbers, _texts = _table(_number, "alpha = 0.34"), _table(_text, 'loss = "loss_c4"')

READERS: Mapping[str, Reader] = {
    **dict.fromkeys(("values", "errors", "at"), _numbers),
    "intervals": _table(_interval, "alpha = [0.33, 0.35]"),
    "digits": _table(_whole_number, "alpha = 2"),
    **dict.fromkeys(("mass", "budget", "delta"), _number),
    "runs": _whole_number,
    "data": _record(ClaimData),
    "objective": _record(Objective),
    **dict.fromkeys(("columns", "where"), _texts),
    "without": _rows,
}
"""Readers of the fields that are no text."""
