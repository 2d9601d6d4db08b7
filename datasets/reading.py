"""The cards, from the TOML files in `cards/`.

A file describes one table, named after the file, or several in `[tables.NAME]`. What is outside of
`[tables]` applies to all of them: a table adds to it, and where both have a field, that of the
table counts (its quirks follow the shared ones).
"""

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from bayescale.datasets.card_record import Card, File
from bayescale.datasets.recipe import Join, Recipe
from bayescale.errors import DataError

CARDS = Path(__file__).parent / "cards"


@cache
def cards() -> Mapping[str, Card]:
    """Return every card by name."""
    read = [card for path in sorted(CARDS.glob("*.toml")) for card in read_cards(path)]
    named = {card.name: card for card in sorted(read, key=lambda card: card.name)}
    if len(named) < len(read):
        names = [card.name for card in read]
        raise DataError(
            f"two tables are called {max(names, key=names.count)!r}; expected every name once. "
            "Rename one."
        )
    return MappingProxyType(named)


def read_cards(path: Path) -> list[Card]:
    """Return the cards in a TOML file, checked.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    list of Card

    Raises
    ------
    DataError
        If the file is no TOML, or a field is missing, unknown or of another type.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # bad TOML, or bytes that are not UTF-8
        raise DataError(
            f"card {path} cannot be read: {error}; expected TOML in UTF-8. Correct that line."
        ) from error
    tables = content.pop("tables", {path.stem: {}})
    return [_card(name, _merged(content, own)) for name, own in tables.items()]


def _merged(shared: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Return the shared fields, with those of one table in their place where it has them."""
    merged = {**shared, **own}
    for name in shared.keys() & own.keys():
        if isinstance(shared[name], dict) and isinstance(own[name], dict):
            merged[name] = _merged(shared[name], own[name])
        elif name == "quirks":
            merged[name] = [*shared[name], *own[name]]
    return merged


def _card(name: str, facts: dict[str, Any]) -> Card:
    where = f"card {name!r}"
    source, described = facts.pop("source", ""), facts.pop("described", {})
    files = []
    for key in facts.pop("files", list(described)):
        if key not in described:
            raise DataError(
                f"{where} is read from file {key!r}, which [described] lacks; expected one of "
                f"{', '.join(described)}. Describe it there or correct the spelling."
            )
        file = {**described[key], "name": key}
        if "at" in file:  # its place under the source
            file["url"] = file.pop("source", source) + quote(file.pop("at"))
        files.append(_record(File, file, f"file {key!r} of {where}"))
    if isinstance(recipe := facts.get("recipe"), dict):
        joins = [
            _record(Join, join, f"a join in the recipe of {where}")
            for join in recipe.get("join", ())
        ]
        facts["recipe"] = _record(Recipe, {**recipe, "join": joins}, f"the recipe of {where}")
    return _record(Card, {"name": name, "files": files, **facts}, where)


def _record[T: (Card, File, Join, Recipe)](record: type[T], facts: dict[str, Any], where: str) -> T:
    """Return a record of what a TOML file has; no field may be unknown or missing."""
    known = {entry.name: entry for entry in fields(record)}
    if unknown := sorted(facts.keys() - known.keys()):
        raise DataError(
            f"{where} has the unknown field {unknown[0]!r}; expected {', '.join(known)}. "
            "Correct the spelling or remove the field."
        )
    for name, entry in known.items():
        required = entry.default is MISSING and entry.default_factory is MISSING
        if required and name not in facts:
            raise DataError(f"{where} lacks the field {name!r}; expected it on every card. Add it.")
    arguments: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in facts.items()
    }
    return record(**arguments)
