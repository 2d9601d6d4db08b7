"""Checks that a record read from TOML has fields of the declared types and texts."""

import re
from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin, get_type_hints

from bayescale.errors import DataError


def check_types(record: object, where: str) -> None:
    """Raise DataError if a field of a dataclass does not have the type it is declared with."""
    for name, hint in get_type_hints(type(record)).items():
        value = getattr(record, name)
        if not _fits(value, hint):
            expected = str(getattr(hint, "__name__", hint) if get_origin(hint) is None else hint)
            raise DataError(
                f"{where} has {name} = {value!r}; expected {expected}. Give it in that form."
            )


def _fits(value: object, hint: Any) -> bool:
    """Return whether a value read from TOML is of the type that its field is declared with."""
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin is Literal:
        return value in inner
    if isinstance(value, dict) and origin is dict:
        return all(_fits(entry, inner[1]) for entry in value.values())
    if isinstance(value, list | tuple) and origin in (list, tuple):
        return all(_fits(entry, inner[0]) for entry in value)
    return origin not in (dict, list, tuple) and isinstance(value, hint)


def check_text(record: object, where: str, name: str, pattern: str, expected: str) -> None:
    """Raise DataError if a text field does not match a pattern."""
    if not re.fullmatch(pattern, value := getattr(record, name), flags=re.ASCII):
        raise DataError(
            f"{where} has {name} = {value!r}; expected {expected}. Write it in that form."
        )


def check_known(where: str, what: str, name: str, known: Mapping[str, object]) -> None:
    """Raise DataError if there is nothing of this name."""
    if name not in known:
        raise DataError(
            f"{where} has the {what} {name!r}; expected one of {', '.join(known)}. "
            "Correct the spelling."
        )
