"""A report as HTML, as Markdown and as JSON.

What came from a file is text in each of them: HTML is escaped by the template, Markdown here.
Characters that would turn the reading direction of their surroundings, or cannot be seen, are
written as their number.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from pathlib import PurePath
from types import MappingProxyType
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from bayescale.budgets import finite
from bayescale.reporting.record import Block, Code, Listing, Picture, Report, Section, Table, Text
from bayescale.reporting.writing import MARK, drawing, drawn, inline, svg

UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
"""Control characters, and those that turn the reading direction."""
SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|!~$])")
"""What Markdown may read as more than text."""


def seen(value: Any) -> Any:
    """Text with what cannot be seen, or disturbs its surroundings, written as U+ and its number."""
    if isinstance(value, str) and not isinstance(value, Markup):
        value = value.encode(errors="replace").decode()  # half a character cannot be written
        return UNSEEN.sub(lambda found: f"[U+{ord(found.group()):04X}]", value)
    return value


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("bayescale.reporting"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=seen,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html")


def html(report: Report, drawings: Mapping[str, str] = MappingProxyType({})) -> str:
    """One page of HTML with everything in it; `drawings` are pictures that were drawn already."""
    with drawing():
        pictures = {
            each.name: Markup(
                inline(drawings.get(each.name) or svg(drawn(each)), each.name, seen(each.alt))
            )
            for each in report.pictures()
        }
    made = f"{MARK} {version('bayescale')}"
    return _template().render(report=report, pictures=pictures, made=made)


def markdown(report: Report, *, figures: str | None = None) -> str:
    """Markdown, with the pictures that stand in the folder `figures`."""
    lines = [f"# {_plain(report.title)}", _plain(report.about)]
    for section in report.sections:
        lines.extend(_section(section, "##", figures))
    return "\n\n".join(line for line in lines if line) + "\n"


def _section(section: Section, level: str, figures: str | None) -> Iterator[str]:
    yield f"{level} {_plain(section.heading)}"
    for block in section.blocks:
        yield _block(block, figures)
    for part in section.parts:
        yield from _section(part, level + "#", figures)


def _block(block: Block, figures: str | None) -> str:
    match block:
        case Text():
            return f"**{_plain(block.text)}**" if block.kind == "answer" else _plain(block.text)
        case Listing():
            return "\n".join(f"- {_plain(item)}" for item in block.items)
        case Code():
            return _fenced(seen(block.text))
        case Table():
            return _table(block)
        case Picture():
            if figures is None:
                return f"Figure: {_plain(block.caption)}"
            path = PurePath(figures, f"{block.name}.svg").as_posix()
            return f"![{_plain(block.alt)}](<{path}>)\n\n{_plain(block.caption)}"


def _fenced(text: str) -> str:
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(longest + 1, 3)
    return f"{fence}text\n{text}\n{fence}"


def _table(table: Table) -> str:
    marks = ("--:" if numeric else "---" for numeric in table.numeric)
    rows = [table.columns, *table.rows]
    header, *body = (f"| {' | '.join(map(_plain, row))} |" for row in rows)
    return "\n".join([_plain(table.caption), "", header, f"| {' | '.join(marks)} |", *body])


def _plain(text: str) -> str:
    return SPECIAL.sub(r"\\\1", " ".join(seen(text).split()))


def as_json(report: Report) -> dict[str, Any]:
    """Dictionaries and lists, the numbers beside what is said of them."""
    return {
        "title": report.title,
        "about": report.about,
        "bayescale": version("bayescale"),
        "sections": [_section_json(section) for section in report.sections],
    }


def _section_json(section: Section) -> dict[str, Any]:
    return {
        "anchor": section.anchor,
        "heading": section.heading,
        "numbers": _for_json(section.numbers),
        "blocks": [{"form": block.form, **_fields(block)} for block in section.blocks],
        "sections": [_section_json(part) for part in section.parts],
    }


def _fields(block: Block) -> dict[str, Any]:
    if isinstance(block, Picture):
        return {"name": block.name, "caption": block.caption, "alt": block.alt}
    return asdict(block)


def _for_json(value: Any) -> Any:
    """What JSON can hold: numbers that are none become null."""
    if isinstance(value, Mapping):
        return {str(key): _for_json(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_for_json(each) for each in value]
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int | float | np.number):
        return finite(value)
    return str(value)
