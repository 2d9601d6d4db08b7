"""A card as text for terminals and as HTML for notebooks."""

import textwrap
from collections.abc import Mapping, Sequence
from html import escape


def card_text(title: str, description: str, facts: Mapping[str, Sequence[str]]) -> str:
    """Return a card as plain text.

    Parameters
    ----------
    title, description : str
        One line, and one paragraph.
    facts : mapping of str to sequence of str
        Label -> entries.

    Returns
    -------
    str
        Lines of at most 88 characters, unless a word is longer.
    """
    lines = [title, "", textwrap.fill(description, width=88), ""]
    for label, entries in facts.items():
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


def card_html(title: str, description: str, facts: Mapping[str, Sequence[str]]) -> str:
    """Return a card as HTML.

    Parameters
    ----------
    title, description, facts
        As for `card_text`.

    Returns
    -------
    str
        A block; every text is escaped.
    """
    top = "text-align:left;vertical-align:top"
    rows = []
    for label, entries in facts.items():
        shown = escape(entries[0])
        if len(entries) > 1:
            items = "".join(f"<li>{escape(entry)}</li>" for entry in entries)
            shown = f"<ul style='margin:0;padding-left:1.2em'>{items}</ul>"
        rows.append(
            f"<tr><th style='{top}'>{escape(label)}</th>"
            f"<td style='{top};overflow-wrap:anywhere'>{shown}</td></tr>"
        )
    return (
        f"<div style='max-width:60em'><b>{escape(title)}</b>"
        f"<p>{escape(description)}</p><table>{''.join(rows)}</table></div>"
    )
