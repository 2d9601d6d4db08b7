"""Figures of a document as SVG and PNG.

Loads matplotlib where something is drawn, since most documents are printed without pictures.
"""

import io
import math
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from markupsafe import escape

from bayescale.documents.document import Picture
from bayescale.wording import raised_power

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARK = "made by bayescale"
"""Text near the beginning of every report and figure, by which files of ours are recognised."""

STYLE: Any = {  # the keys that matplotlib's type knows are hundreds
    "svg.fonttype": "none",  # text stays text: it can be searched, and has the reader's fonts
    "svg.hashsalt": "bayescale",  # the same figure gives the same file
    "font.size": 10.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
"""Settings of matplotlib for the figures of documents."""


@contextmanager
def drawing() -> Iterator[None]:
    """Draw in the style of documents, without warnings about fonts that a reader may have."""
    import matplotlib

    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        warnings.filterwarnings("ignore", "Matplotlib currently does not support", UserWarning)
        yield


def draw_picture(picture: Picture) -> "Figure":
    """Draw a picture, with powers of ten at its axes written as text.

    As formulas they take a fifth of the time of a whole report, and cannot be searched for.
    """
    from matplotlib.ticker import LogFormatterSciNotation, NullFormatter

    figure = picture.draw()
    for axis in (axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)):
        if isinstance(axis.get_major_formatter(), LogFormatterSciNotation):
            axis.set_major_formatter(lambda value, _: raised_power(math.log10(value)))
            axis.set_minor_formatter(NullFormatter())
    return figure


def svg(figure: "Figure") -> str:
    """A figure as an SVG file, without the date."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": MARK}, transparent=True)
    return buffer.getvalue()


def png(figure: "Figure") -> bytes:
    """A figure as a PNG file, of 200 pixels per inch."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": MARK}, dpi=200)
    return buffer.getvalue()


def inline(text: str, name: str, alt: str) -> str:
    """An SVG file as an element of a page.

    Parameters
    ----------
    text : str
        The SVG file.
    name : str
        Prefix of all ids in it, so that no two figures of a page have the same.
    alt : str
        What the figure shows, for readers who do not see it.

    Returns
    -------
    str
    """
    element = text[text.index("<svg") :]
    # Only within tags and style sheets: text of the figure may look like either.
    names = re.compile(r'(\bid="|href="#|url\(#)')
    element = re.sub("<[^>]+>", lambda tag: names.sub(rf"\g<1>{name}-", tag.group()), element)
    element = re.sub(r"\s*<metadata>.*?</metadata>", "", element, count=1, flags=re.DOTALL)
    return element.replace("<svg ", f'<svg role="img" aria-label="{escape(alt)}" ', 1)
