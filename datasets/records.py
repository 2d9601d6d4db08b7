"""What is known of a table before its first row is read: the card, and the recipe on it.

A card is a TOML file in `cards/`, named after its table. It says where the file comes from and how
to recognise it, what the columns mean, which laws the runs suit and what is odd about them. The
recipe says in four fixed steps how the file's columns become ours; nothing on a card is ever
evaluated as code.
"""

import re
import textwrap
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from html import escape
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pandas as pd

from bayescale.errors import DataError
from bayescale.flops import SIX_ND, Cost

CARD_COSTS: dict[str, Cost] = {SIX_ND.name: SIX_ND}
"""The costs a card can name: those that leave nothing to choose."""

COMPUTED: dict[str, Callable[[Cost, pd.DataFrame], pd.Series]] = {
    "tokens": lambda cost, table: cost.tokens(table["params"], table["flops"]),
    "flops": lambda cost, table: cost.flops(table["params"], table["tokens"]),
}
"""The columns that a card's cost can fill in from two others."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How the columns of a file become the columns of a table, in the order of the fields.

    Parameters
    ----------
    filter : dict
        Column of the file -> the values whose rows are kept.
    rename : dict
        Our column -> the file's column; a column not named here keeps its name.
    scale : dict
        Our column -> the factor that brings it to the unit on the card.
    compute : tuple of str
        Columns filled in with the card's cost.
    """

    filter: dict[str, list[str | float | int]] = field(default_factory=dict)
    rename: dict[str, str] = field(default_factory=dict)
    scale: dict[str, float] = field(default_factory=dict)
    compute: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_types(self, "the recipe")
        for column in self.compute:
            if column not in COMPUTED:
                raise DataError(
                    f"the recipe computes {column!r}; expected one of {_listed(COMPUTED)}. "
                    "Take the column from the file instead."
                )


@dataclass(frozen=True, kw_only=True)
class Card:
    """A table of runs, described: source, meaning of the columns, and what to beware of.

    Parameters
    ----------
    name : str
        What `load` calls the table: small letters, digits and underscores.
    title, description : str
        One line, and one paragraph.
    paper, citation, licence : str
        Whose runs these are, how to cite them, and on what terms ("none stated" where so).
    kind : {"shipped", "remote"}
        Whether the file comes with bayescale or is downloaded when first asked for.
    path : str
        The file below `data/` (shipped: a bare name), or below a data directory (remote).
    url : str
        Where a remote file is, at a pinned commit. Empty for a shipped one.
    sha256 : str
        The SHA-256 of the file, 64 hexadecimal digits.
    bytes, rows : int
        Size of the file; rows of the finished table.
    columns : dict
        Column -> meaning and unit, in the order of the table.
    params_count : str
        What `params` counts: "total", "non-embedding", ...
    response, response_unit : str
        The column a law is to explain, and its unit.
    laws : tuple of str
        Names of the laws that the table suits.
    cost : str
        The cost that ties flops to params and tokens. Empty where the table has its own count.
    groups : tuple of str
        Columns that hold labels; all others are float64.
    quirks : tuple of str
        What a careful reader should know before fitting.
    truth : dict
        For simulated tables, the values they were drawn from.
    recipe : Recipe
        From the file's columns to these.
    """

    name: str
    title: str
    description: str
    paper: str
    citation: str
    licence: str
    kind: Literal["shipped", "remote"]
    path: str
    url: str = ""
    sha256: str
    bytes: int
    rows: int
    columns: dict[str, str]
    params_count: str
    response: str
    response_unit: str
    laws: tuple[str, ...]
    cost: str = ""
    groups: tuple[str, ...] = ()
    quirks: tuple[str, ...] = ()
    truth: dict[str, float] = field(default_factory=dict)
    recipe: Recipe = field(default_factory=Recipe)

    def __post_init__(self) -> None:
        _check_types(self, f"card {self.name!r}")
        _check_file(self)
        _check_columns(self)

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.title}", "", textwrap.fill(self.description, width=88), ""]
        for label, entries in _facts(self).items():
            for place, entry in enumerate(entries):
                first = f"{label if place == 0 else '':<10}"
                lines.append(
                    textwrap.fill(
                        entry,
                        width=88,
                        initial_indent=first,
                        subsequent_indent=" " * 12,
                        break_long_words=False,
                        break_on_hyphens=False,
                    )
                )
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left;vertical-align:top'>{escape(label)}</th>"
            f"<td style='text-align:left'>{'<br>'.join(map(escape, entries))}</td></tr>"
            for label, entries in _facts(self).items()
        )
        return (
            f"<b>{escape(self.name)}: {escape(self.title)}</b>"
            f"<p>{escape(self.description)}</p><table>{rows}</table>"
        )


def read_card(path: Path) -> Card:
    """Card in a TOML file, checked; the table is called what the file is called."""
    try:
        facts = tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # bad TOML, or bytes that are not UTF-8
        raise DataError(
            f"card {path} cannot be read: {error}; expected TOML in UTF-8. Mend that line."
        ) from error
    if isinstance(recipe := facts.get("recipe"), dict):
        facts["recipe"] = _made(Recipe, recipe, f"the recipe of card {path.stem!r}")
    return _made(Card, {"name": path.stem, **facts}, f"card {path.stem!r}")


def _made[T: (Card, Recipe)](record: type[T], facts: dict[str, Any], where: str) -> T:
    """Record from what a TOML file says, provided it says neither too much nor too little."""
    known = {entry.name: entry for entry in fields(record)}
    if unknown := sorted(facts.keys() - known.keys()):
        raise DataError(
            f"{where} has the unknown field {unknown[0]!r}; expected {_listed(known)}. "
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


def _check_types(record: Card | Recipe, where: str) -> None:
    for name, hint in get_type_hints(type(record)).items():
        value = getattr(record, name)
        if not _fits(value, hint):
            expected = str(getattr(hint, "__name__", hint) if get_origin(hint) is None else hint)
            raise DataError(
                f"{where} has {name} = {value!r}; expected {expected}. Give it in that form."
            )


def _fits(value: object, hint: Any) -> bool:
    """Whether a value read from TOML is of the type that the field is declared with."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return value in inner
    if isinstance(value, dict) and origin is dict:
        return all(_fits(entry, inner[1]) for entry in value.values())
    if isinstance(value, list | tuple) and origin in (list, tuple):
        return all(_fits(entry, inner[0]) for entry in value)
    return origin not in (dict, list, tuple) and isinstance(value, hint)


def _check_file(card: Card) -> None:
    # The path is joined to a directory, so it must not be able to leave it.
    step = r"(?!\.+(/|$))[\w.=-]+"
    below = step if card.kind == "shipped" else f"{step}(/{step})*"
    address = "" if card.kind == "shipped" else r"https?://\S+"
    for name, pattern, expected in (
        ("name", r"[a-z0-9_]+", "small letters, digits and underscores"),
        ("path", below, "a bare file name, or for a remote table a relative path without '..'"),
        ("url", address, "an http(s) address for a remote table and none for a shipped one"),
        ("sha256", r"[0-9a-f]{64}", "64 hexadecimal digits in small letters"),
    ):
        if not re.fullmatch(pattern, value := getattr(card, name), flags=re.ASCII):
            raise DataError(
                f"card {card.name!r} has {name} = {value!r}; expected {expected}. "
                "Write it in that form."
            )
    if min(card.bytes, card.rows) < 1:
        raise DataError(
            f"card {card.name!r} has bytes = {card.bytes} and rows = {card.rows}; expected one or "
            "more of both. Count them again."
        )


def _check_columns(card: Card) -> None:
    recipe = card.recipe
    named = (card.response, *card.groups, *recipe.rename, *recipe.scale, *recipe.compute)
    if absent := [name for name in named if name not in card.columns]:
        raise DataError(
            f"card {card.name!r} speaks of column {absent[0]!r}, which [columns] lacks; expected "
            f"one of {_listed(card.columns)}. Describe it there or correct the spelling."
        )
    needs_cost = card.cost or recipe.compute
    if needs_cost and card.cost not in CARD_COSTS:
        raise DataError(
            f"card {card.name!r} has cost = {card.cost!r}; expected {_listed(CARD_COSTS)}. "
            "Leave it out, and compute nothing, if the table has its own count."
        )


def _facts(card: Card) -> dict[str, list[str]]:
    """Label -> entries, for showing a card; labels with nothing to say are left out."""
    facts = {
        "rows": [f"{card.rows:,} ({card.bytes:,} bytes, {card.kind})"],
        "columns": [f"{name}: {meaning}" for name, meaning in card.columns.items()],
        "response": [f"{card.response}, in {card.response_unit}"],
        "params": [f"{card.params_count} count"],
        "cost": [card.cost] if card.cost else [],
        "groups": list(card.groups),
        "laws": [", ".join(card.laws)],
        "paper": [card.paper],
        "citation": [card.citation],
        "licence": [card.licence],
        "url": [card.url] if card.url else [],
        "beware": list(card.quirks),
        "truth": [", ".join(f"{name} = {value:g}" for name, value in card.truth.items())],
    }
    return {label: entries for label, entries in facts.items() if any(entries)}


def _listed(names: Mapping[str, object]) -> str:
    return ", ".join(names)
