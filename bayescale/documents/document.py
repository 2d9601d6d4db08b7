"""A document, before it is text, HTML, Markdown or JSON.

A document is sections, and a section is blocks: text, lists, tables, pictures, code. Everything in
it is plain text, which each renderer escapes in its own way.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Kind = Literal["plain", "answer", "good", "bad", "note"]


@dataclass(frozen=True)
class Text:
    """A paragraph.

    Parameters
    ----------
    text : str
        The paragraph.
    kind : str
        ``"answer"`` is what the reader came for; ``"good"`` and ``"bad"`` are verdicts; ``"note"``
        explains the table above it.
    """

    text: str
    kind: Kind = "plain"
    form: ClassVar[str] = "text"


@dataclass(frozen=True)
class Listing:
    """Sentences below one another; they go on with the text before them, if there is any."""

    items: tuple[str, ...]
    form: ClassVar[str] = "listing"


@dataclass(frozen=True)
class Code:
    """Text to copy as it is, such as a command or BibTeX."""

    text: str
    form: ClassVar[str] = "code"


@dataclass(frozen=True)
class Table:
    """A table with a header; the first column names the rows.

    Parameters
    ----------
    caption : str
        What it shows.
    columns : tuple of str
        The header.
    rows : tuple of tuple of str
        The cells, as they are printed.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    form: ClassVar[str] = "table"

    @property
    def numeric(self) -> tuple[bool, ...]:
        """Which columns hold numbers."""
        if not self.rows:
            return (False,) * len(self.columns)
        return tuple(
            any(cells) and all(cell[:1] in "-+0123456789" for cell in cells)
            for cells in zip(*self.rows, strict=True)
        )

    @property
    def prose(self) -> bool:
        """Whether it holds sentences, which a narrow page shows below one another."""
        return any(len(cell) > 40 for row in self.rows for cell in row[1:])


@dataclass(frozen=True, eq=False)
class Picture:
    """A figure that is drawn when it is needed.

    Parameters
    ----------
    name : str
        Name of its file, without an extension.
    caption : str
        What to see in it.
    alt : str
        What it shows, for those who do not see it.
    draw : callable
        Makes the figure.
    """

    name: str
    caption: str
    alt: str
    draw: "Callable[[], Figure]"
    form: ClassVar[str] = "picture"


Block = Text | Listing | Code | Table | Picture


@dataclass(frozen=True, eq=False)
class Section:
    """A part of a document.

    Parameters
    ----------
    anchor : str
        Its name in links: small letters, digits and hyphens.
    heading : str
        Its title.
    blocks : tuple of Block
        Its content.
    parts : tuple of Section
        Sections within it, after its own blocks.
    numbers : mapping
        Its content for machines: plain numbers, text, lists and dictionaries.
    """

    anchor: str
    heading: str
    blocks: tuple[Block, ...] = ()
    parts: tuple["Section", ...] = ()
    numbers: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Document:
    """A page, or a short text.

    Parameters
    ----------
    title : str
        Title of the page; may be empty for a short text.
    about : str
        One line below the title; may be empty.
    sections : tuple of Section
        In the order in which they are read.
    """

    title: str
    about: str
    sections: tuple[Section, ...]

    def pictures(self) -> Iterator[Picture]:
        """All of its pictures, in order."""
        pending = list(self.sections)
        while pending:
            section = pending.pop(0)
            yield from (block for block in section.blocks if isinstance(block, Picture))
            pending[:0] = section.parts


def on_axes(draw: "Callable[..., Any]", size: tuple[float, float]) -> "Callable[[], Figure]":
    """Turn a function that draws on one Axes into one that makes a figure.

    Parameters
    ----------
    draw : callable
        Called with the Axes as ``ax``.
    size : (float, float)
        Width and height in inches.

    Returns
    -------
    callable
        For `Picture`.
    """
    return on_figure(lambda figure: draw(ax=figure.subplots()), size)


def on_figure(draw: "Callable[..., Any]", size: tuple[float, float]) -> "Callable[[], Figure]":
    """Turn a function that draws on a figure into one that makes a figure.

    Parameters
    ----------
    draw : callable
        Called with the figure as ``figure``.
    size : (float, float)
        Width and height in inches.

    Returns
    -------
    callable
        For `Picture`.
    """

    def draw_figure() -> "Figure":
        from matplotlib.figure import Figure

        # Not through pyplot: no figure stays open, and no window is opened.
        figure = Figure(figsize=size, layout="constrained")
        draw(figure=figure)
        return figure

    return draw_figure
