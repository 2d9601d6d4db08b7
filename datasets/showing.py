"""How a card looks in a terminal and in a notebook."""

import textwrap
from html import escape

from bayescale.datasets.records import Card

SHOWN_FILES = 3
"""Of a table made of more files, the others are counted only."""


def card_text(card: Card) -> str:
    """A card as plain text."""
    lines = [f"{card.name}: {card.title}", "", textwrap.fill(card.description, width=88), ""]
    for label, entries in _facts(card).items():
        for place, entry in enumerate(entries):
            lines.append(
                textwrap.fill(
                    entry,
                    width=88,
                    initial_indent=f"{label if place == 0 else '':<10}",
                    subsequent_indent=" " * 12,
                    break_long_words=False,
                    break_on_hyphens=False,
                )
            )
    return "\n".join(lines)


def card_html(card: Card) -> str:
    """A card as HTML, for notebooks."""
    top = "text-align:left;vertical-align:top"
    rows = "".join(
        f"<tr><th style='{top}'>{escape(label)}</th>"
        f"<td style='{top};overflow-wrap:anywhere'>{_entries_html(entries)}</td></tr>"
        for label, entries in _facts(card).items()
    )
    return (
        f"<div style='max-width:60em'><b>{escape(card.name)}: {escape(card.title)}</b>"
        f"<p>{escape(card.description)}</p><table>{rows}</table></div>"
    )


def _entries_html(entries: list[str]) -> str:
    if len(entries) == 1:
        return escape(entries[0])
    items = "".join(f"<li>{escape(entry)}</li>" for entry in entries)
    return f"<ul style='margin:0;padding-left:1.2em'>{items}</ul>"


def _facts(card: Card) -> dict[str, list[str]]:
    """Label -> entries, for showing a card; labels with nothing to say are left out."""
    facts = {
        "rows": [f"{card.rows:,} ({card.bytes:,} bytes, {card.kind})"],
        "columns": [f"{name}: {meaning}" for name, meaning in card.columns.items()],
        "response": [f"{card.response}, in {card.response_unit}"],
        "params": [f"count: {card.params_count}"] if "params" in card.columns else [],
        "cost": [card.cost] if card.cost else [],
        "groups": [", ".join(card.groups)],
        "laws": [", ".join(card.laws)],
        "suits": list(card.suits),
        "paper": [card.paper],
        "citation": [card.citation],
        "licence": [card.licence],
        "files": _files(card),
        "beware": list(card.quirks),
        "truth": [", ".join(f"{name} = {value:g}" for name, value in card.truth.items())],
    }
    return {label: entries for label, entries in facts.items() if any(entries)}


def _files(card: Card) -> list[str]:
    named = [file.url or file.path for file in card.files[:SHOWN_FILES]]
    rest = len(card.files) - len(named)
    return [*named, *([f"and {rest} more"] if rest else [])]
