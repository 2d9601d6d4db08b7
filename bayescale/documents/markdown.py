"""A document as Markdown."""

import os
import re
from collections.abc import Iterator
from pathlib import PurePath
from urllib.parse import quote

from bayescale.documents.document import Code, Document, Listing, Picture, Section, Table, Text
from bayescale.documents.escaping import show_unseen

APART = "<!-- -->"
"""A comment, which nobody sees. It separates what GitHub would read as one."""


def to_markdown(document: Document, *, figures: str | None = None) -> str:
    """Markdown, in which text of the document has no other meaning than itself.

    Parameters
    ----------
    document : Document
        What to write.
    figures : str, optional
        Folder with an SVG of each picture, as a path from the file of Markdown. Without it a
        picture is its caption.

    Returns
    -------
    str
    """
    paragraphs = [f"# {_escaped(document.title)}", _escaped(document.about)]
    for section in document.sections:
        paragraphs.extend(_paragraphs(section, "##", figures))
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph) + "\n"


def _paragraphs(section: Section, level: str, figures: str | None) -> Iterator[str]:
    yield f"{level} {_escaped(section.heading)}"
    for block in section.blocks:
        match block:
            case Text(kind="answer"):
                yield f"**{_escaped(block.text)}**"
            case Text():
                yield _escaped(block.text)
            case Listing():
                yield "\n".join(f"- {_escaped(item)}" for item in block.items)
            case Code():
                text = show_unseen(block.text, lines=True)
                # A fence is longer than any run of backticks in what it encloses.
                longest = max((len(run) for run in re.findall("`+", text)), default=0)
                fence = "`" * max(longest + 1, 3)
                yield f"{fence}text\n{text}\n{fence}"
            case Table():
                yield _escaped(block.caption)
                lines = [" | ".join(map(_escaped, row)) for row in (block.columns, *block.rows)]
                marks = " | ".join("--:" if numeric else "---" for numeric in block.numeric)
                yield "\n".join(f"| {line} |" for line in (lines[0], marks, *lines[1:]))
            case Picture() if figures is not None:
                path = quote(os.fsencode(PurePath(figures, f"{block.name}.svg").as_posix()))
                alt = _escaped(block.alt).replace(APART, "")  # nothing there is a link
                yield f"![{alt}](<{path}>)"
                yield _escaped(block.caption)
            case Picture():
                yield f"Figure: {_escaped(block.caption)}"
    for part in section.parts:
        yield from _paragraphs(part, level + "#", figures)


def _escaped(text: str) -> str:
    """Text on one line, in which nothing has a meaning for Markdown or for GitHub."""
    line = re.sub(r"([\\`*_{}\[\]<>#|!~$&])", r"\\\1", " ".join(show_unseen(text).split()))
    # What begins a list or a rule, only at the beginning of a line.
    line = re.sub(r"^([-+=])(?=[-=\s]|$)", r"\\\1", line)
    line = re.sub(r"^(\d+)(?=[.)](?:\s|$))", r"\1\\", line)
    line = re.sub(r":(?=//)|(?<=www)\.", r"\\\g<0>", line, flags=re.IGNORECASE)
    # GitHub looks for addresses, users, issues and emoji after it has removed backslashes.
    special = r"@|#(?=\d)|gh(?=-\d)|:(?=[\w+-]+:)"
    return re.sub(special, rf"\g<0>{APART}", line, flags=re.IGNORECASE)
