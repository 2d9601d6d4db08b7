"""A document as plain text, for terminals."""

import io
import re
from collections.abc import Sequence

from bayescale.documents.document import (
    Code,
    Document,
    Listing,
    Picture,
    Section,
    Table,
    Text,
)
from bayescale.documents.escaping import show_unseen

UNBROKEN = "\ue000"
"""Stands for a space at which a cell is not broken; a character that no font has."""


def to_text(document: Document, width: int = 100) -> str:
    """Plain text with an empty line between blocks.

    Headings of sections are left out: a short text does without them. Pictures are named by their
    caption.

    Parameters
    ----------
    document : Document
        What to print.
    width : int
        Characters in a line. A table that needs more runs over it, so that no cell is lost.

    Returns
    -------
    str
    """
    paragraphs = [_wrapped(text, width) for text in (document.title, document.about) if text]
    for section in document.sections:
        paragraphs.extend(_paragraphs(section, width))
    return "\n\n".join(paragraphs)


def table_text(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> str:
    """A table as text, with numbers to the right.

    Parameters
    ----------
    columns : sequence of str
        The header.
    rows : sequence of sequence of str
        The cells.
    width : int
        Characters in a line. Cells are broken at spaces to fit into it, an estimate before the
        bracket with its interval. A table that is still too wide runs over, so that nothing is cut.

    Returns
    -------
    str
    """
    from rich import box
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table as RichTable

    numeric = Table("", tuple(columns), tuple(map(tuple, rows))).numeric
    lines = [[*map(show_unseen, line)] for line in (columns, *rows)]
    for line in lines[1:]:
        line[:] = [
            re.sub(r"\(.*?\)", lambda m: m.group().replace(" ", UNBROKEN), cell)
            if is_number
            else cell
            for cell, is_number in zip(line, numeric, strict=True)
        ]
    cells = [*zip(*lines, strict=True)]
    words = [max(cell_len(word) for cell in column for word in cell.split(" ")) for column in cells]
    widths = [
        max(min(max(map(cell_len, column)), width), longest)
        for column, longest in zip(cells, words, strict=True)
    ]
    # Columns become narrower by turns, the one that has the most room to spare first.
    gaps = 2 * len(widths) - 1  # a space before the first column, two before the others
    while sum(widths) + gaps > width and widths != words:
        widest = max(range(len(widths)), key=lambda k: widths[k] - words[k])
        widths[widest] -= 1
    table = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name, is_number, column_width in zip(lines[0], numeric, widths, strict=True):
        table.add_column(name, justify="right" if is_number else "left", width=column_width)
    for line in lines[1:]:
        table.add_row(*line)
    file = io.StringIO()
    console = Console(
        file=file, width=sum(widths) + gaps + 1, markup=False, emoji=False, force_terminal=False
    )
    console.print(table)
    printed = file.getvalue().replace(UNBROKEN, " ").split("\n")
    return "\n".join(line.rstrip() for line in printed).strip("\n")


def _paragraphs(section: Section, width: int) -> list[str]:
    """Blocks of a section and of its parts."""
    paragraphs: list[str] = []
    for previous, block in zip((None, *section.blocks), section.blocks, strict=False):
        match block:
            case Text():
                paragraph = _wrapped(block.text, width)
            case Listing():
                paragraph = "\n".join(
                    f"- {_wrapped(item, width, indent=2)}" for item in block.items
                )
                if isinstance(previous, Text):  # it introduces the list
                    paragraph = f"{paragraphs.pop()}\n{paragraph}"
            case Code():
                paragraph = show_unseen(block.text, lines=True)
            case Table():
                caption = f"{_wrapped(block.caption, width)}\n\n" if block.caption else ""
                paragraph = f"{caption}{table_text(block.columns, block.rows, width)}"
            case Picture():
                paragraph = _wrapped(f"Figure: {block.caption}", width)
        paragraphs.append(paragraph)
    return paragraphs + [text for part in section.parts for text in _paragraphs(part, width)]


def _wrapped(text: str, width: int, indent: int = 0) -> str:
    """Text broken at spaces; lines after the first are indented."""
    from rich.console import Console
    from rich.text import Text as RichText

    lines = RichText(show_unseen(text)).wrap(Console(), width - indent, overflow="fold")
    return f"\n{' ' * indent}".join(line.plain.rstrip() for line in lines)
