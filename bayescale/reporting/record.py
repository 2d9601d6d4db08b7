"""What a report says, before it is HTML, Markdown or JSON.

A report is sections, a section is blocks: text, lists, tables, pictures, code. Everything in it is
text as it was found; each form escapes it in its own way.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from os import PathLike
from typing import Any, ClassVar, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure

Kind = Literal["plain", "answer", "good", "bad", "note"]
SENTENCE = 40
"""Letters from which a cell is more than a number or a name."""


@dataclass(frozen=True)
class Text:
    """A paragraph.

    Parameters
    ----------
    text : str
        What it says.
    kind : str
        ``"answer"`` is what the reader came for; ``"good"`` and ``"bad"`` are verdicts, ``"note"``
        stands below a table.
    """

    text: str
    kind: Kind = "plain"
    form: ClassVar[str] = "text"


@dataclass(frozen=True)
class Listing:
    """Sentences below one another."""

    items: tuple[str, ...]
    form: ClassVar[str] = "listing"


@dataclass(frozen=True)
class Code:
    """Text to copy as it stands, such as a command or BibTeX."""

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
        """Whether there are sentences in it, which a narrow page shows below one another."""
        return any(len(cell) > SENTENCE for row in self.rows for cell in row[1:])


@dataclass(frozen=True, eq=False)
class Picture:
    """A figure that is drawn when it is needed.

    Parameters
    ----------
    name : str
        What its file is called, without an extension.
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
    draw: Callable[[], Figure]
    form: ClassVar[str] = "picture"


Block = Text | Listing | Code | Table | Picture


@dataclass(frozen=True, eq=False)
class Section:
    """A part of a report.

    Parameters
    ----------
    anchor : str
        What links to it: small letters, digits and hyphens.
    heading : str
        Its title.
    blocks : tuple of Block
        What it holds.
    parts : tuple of Section
        Sections below it, after its own blocks.
    numbers : mapping
        What it says, for machines: plain numbers, text, lists and dictionaries.
    """

    anchor: str
    heading: str
    blocks: tuple[Block, ...] = ()
    parts: tuple["Section", ...] = ()
    numbers: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Report:
    """A page with an answer, what it rests on, and where it comes from.

    Made by `report`.

    Parameters
    ----------
    title : str
        Of the page.
    about : str
        One line below the title.
    sections : tuple of Section
        In the order in which they are read.
    """

    title: str
    about: str
    sections: tuple[Section, ...]

    def pictures(self) -> Iterator[Picture]:
        """All of its pictures, in order."""
        for section in self.sections:
            yield from _pictures(section)

    def html(self) -> str:
        """One page of HTML that fetches nothing."""
        from bayescale.reporting.pages import html

        return html(self)

    def markdown(self) -> str:
        """The same as Markdown, without the pictures."""
        from bayescale.reporting.pages import markdown

        return markdown(self)

    def json(self) -> dict[str, Any]:
        """The same as dictionaries and lists that JSON can hold."""
        from bayescale.reporting.pages import as_json

        return as_json(self)

    def save(
        self,
        path: str | PathLike[str],
        *,
        form: str | None = None,
        figures: str | PathLike[str] | None = None,
    ) -> None:
        """Write the report; see `bayescale.reporting.writing.save`."""
        from bayescale.reporting.writing import save

        save(self, path, form=form, figures=figures)

    def __repr__(self) -> str:
        return self.markdown()

    def _repr_html_(self) -> str:
        from markupsafe import escape

        # In a frame of its own: its style stays out of the notebook, and the notebook's out of it.
        return (
            f'<iframe sandbox title="{escape(self.title)}" srcdoc="{escape(self.html())}" '
            'style="width:100%;height:42rem;border:1px solid #ccc"></iframe>'
        )


def _pictures(section: Section) -> Iterator[Picture]:
    yield from (block for block in section.blocks if isinstance(block, Picture))
    for part in section.parts:
        yield from _pictures(part)


def on_axes(draw: Callable[[Axes], Any], size: tuple[float, float]) -> Callable[[], Figure]:
    """Make a figure of one Axes of what draws on Axes; `size` in inches."""

    def drawn() -> Figure:
        # Not through pyplot: nothing is left open, and no window is asked for.
        figure = Figure(figsize=size, layout="constrained")
        draw(figure.subplots())
        return figure

    return drawn
