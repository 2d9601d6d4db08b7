"""The cards, from the TOML files in `cards/`.

A file describes one table, named after the file, or several in `[tables.NAME]`. What stands
outside of `[tables]` is true of all of them: a table adds to it, and what both say, the table has
the last word on (its quirks come after the shared ones).
"""

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from bayescale.datasets.records import Card, File, Join, Recipe
from bayescale.errors import DataError

CARDS = Path(__file__).parent / "cards"


@cache
def cards() -> Mapping[str, Card]:
    """Every card there is, by name."""
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
    """Cards in a TOML file, checked."""
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # bad TOML, or bytes that are not UTF-8
        raise DataError(
            f"card {path} cannot be read: {error}; expected TOML in UTF-8. Mend that line."
        ) from error
    tables = said.pop("tables", {path.stem: {}})
    return [_card(name, _merged(said, own)) for name, own in tables.items()]


def _merged(shared: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """What is shared, with what a table says of itself laid over it."""
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
    wanted = facts.pop("files", list(described))
    try:
        files = [_file(key, described[key], source, where) for key in wanted]
    except KeyError as error:
        raise DataError(
            f"{where} is read from file {error}, which [described] lacks; expected one of "
            f"{', '.join(described)}. Describe it there or correct the spelling."
        ) from error
    if isinstance(recipe := facts.get("recipe"), dict):
        facts["recipe"] = _recipe(recipe, f"the recipe of {where}")
    return _made(Card, {"name": name, "files": files, **facts}, where)


def _file(name: str, facts: dict[str, Any], source: str, where: str) -> File:
    """File as described; `at` is where it is below the card's source."""
    known = {**facts, "name": name}
    at = known.pop("at", None)
    if at is not None:
        known["url"] = known.pop("source", source) + quote(at)
    return _made(File, known, f"file {name!r} of {where}")


def _recipe(facts: dict[str, Any], where: str) -> Recipe:
    joins = [_made(Join, join, f"a join in {where}") for join in facts.get("join", ())]
    return _made(Recipe, {**facts, "join": joins}, where)


def _made[T: (Card, File, Join, Recipe)](record: type[T], facts: dict[str, Any], where: str) -> T:
    """Record from what a TOML file says, provided it says neither too much nor too little."""
    known = {entry.name: entry for entry in fields(record)}
    if unknown := sorted(facts.keys() - known.keys()):
        raise DataError(
            f"{where} has the unknown field {unknown[0]!r}; expected {', '.join(known)}. "
            "Correct the spelling or take the field out."
        )
    for name, entry in known.items():
        required = entry.default is MISSING and entry.default_factory is MISSING
        if required and name not in facts:
            raise DataError(f"{where} lacks the field {name!r}; expected it on every card. Add it.")
    arguments: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in facts.items()
    }
    return record(**arguments)
