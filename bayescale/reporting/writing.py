"""Reports and their pictures on disk: whole or not at all, and never over what is not ours."""

import io
import json
import math
import os
import re
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatterSciNotation, NullFormatter

from bayescale.errors import DataError
from bayescale.reporting.words import raised

if TYPE_CHECKING:
    from bayescale.reporting.record import Picture, Report

FORMS = {"html": "html", "htm": "html", "md": "md", "markdown": "md", "json": "json"}
"""Extension of a file -> the form it is written in."""
MARK = "made by bayescale"
"""Stands near the beginning of every file written here, so that it may be replaced."""
LOOKED_AT = 4096
"""Bytes at the beginning of a file in which the mark is looked for."""
PNG_DPI = 200
STYLE: Any = {  # the keys that matplotlib's type knows are hundreds
    "svg.fonttype": "none",  # text stays text: to be searched, and drawn with the reader's fonts
    "svg.hashsalt": "bayescale",  # the same figure is the same file
    "font.size": 10.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def save(
    report: "Report",
    path: str | PathLike[str],
    *,
    form: str | None = None,
    figures: str | PathLike[str] | None = None,
) -> None:
    """Write a report, and its pictures if a folder is named.

    Parameters
    ----------
    report : Report
        What to write.
    path : path
        The file. One that stands there is replaced if it is a report, and refused otherwise.
    form : {"html", "md", "json"}, optional
        By default, what the extension says.
    figures : path, optional
        Folder for every picture as SVG and as PNG; it is made if need be.

    Raises
    ------
    DataError
        If the form is none of these, or something cannot be written where it should.

    Examples
    --------
    >>> save(report(fitted), "report.html")  # doctest: +SKIP
    """
    target, form = check_target(path, form)
    # Drawn once, for the page and for the folder.
    drawings = {} if figures is None else write_figures(report, figures)
    where = None if figures is None else os.path.relpath(figures, target.parent)
    write(target, in_form(report, form, where, drawings).encode())


def in_form(report: "Report", form: str, figures: str | None, drawings: Mapping[str, str]) -> str:
    """A report in one of its forms; `figures` is where Markdown finds its pictures."""
    from bayescale.reporting.pages import html, markdown

    if form == "html":
        return html(report, drawings)
    if form == "json":
        return json.dumps({"generator": MARK, **report.json()}, allow_nan=False, indent=1)
    return f"<!-- {MARK} -->\n\n{markdown(report, figures=figures)}"


def check_target(path: str | PathLike[str], form: str | None = None) -> tuple[Path, str]:
    """Refuse, before anything is computed, a path or form that a report cannot be written to."""
    target = Path(path)
    found = FORMS.get((form or target.suffix[1:]).lower())
    if found is None:
        what = f"the format {form!r}" if form else f"the extension {target.suffix!r}"
        raise DataError(
            f"cannot write {target}: {what} is unknown; expected html, md or json. Name the file "
            "report.html, say."
        )
    if not os.path.isdir(target.parent):
        raise DataError(
            f"cannot write {target}: there is no folder {target.parent}; expected one that exists. "
            "Create it first."
        )
    _check_replaceable(target)
    return target, found


def _check_replaceable(target: Path) -> None:
    if not os.path.lexists(target):
        return
    if os.path.isfile(target):
        with open(target, "rb") as file:
            if MARK.encode() in file.read(LOOKED_AT):
                return
    raise DataError(
        f"cannot write {target}: what stands there was not written by bayescale; expected a free "
        "name, or a report to replace. Choose another name, or remove it first."
    )


def write(target: Path, content: bytes) -> None:
    """Write a file beside its place, then move it there."""
    try:
        handle, draft = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:40]}-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(draft, 0o666 & ~_umask())
            os.replace(draft, target)
        except BaseException:
            os.unlink(draft)
            raise
    except OSError as error:
        raise DataError(
            f"cannot write {target} ({error.strerror}); expected a folder that is open for writing "
            "and room on the disk. Choose another place."
        ) from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_figures(report: "Report", folder: str | PathLike[str]) -> dict[str, str]:
    """Write every picture of a report into a folder, as SVG and as PNG; the SVG by name."""
    place = Path(folder)
    try:
        place.mkdir(exist_ok=True)
    except OSError as error:
        raise DataError(
            f"cannot write figures into {place} ({error.strerror}); expected a folder, or a name "
            "for a new one in a folder that exists. Choose another."
        ) from error
    targets = {each: place / each.name for each in report.pictures()}
    for target in targets.values():
        for suffix in (".svg", ".png"):
            _check_replaceable(target.with_suffix(suffix))
    drawings = {}
    for picture, target in targets.items():
        with drawing():
            figure = drawn(picture)
            drawings[picture.name] = svg(figure)
            write(target.with_suffix(".svg"), drawings[picture.name].encode())
            write(target.with_suffix(".png"), _png(figure))
    return drawings


@contextmanager
def drawing() -> Iterator[None]:
    """The style of a report's figures; a reader's fonts may have what ours lack."""
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        warnings.filterwarnings("ignore", "Matplotlib currently does not support", UserWarning)
        yield


def drawn(picture: "Picture") -> Figure:
    """The figure of a picture, powers of ten at its axes written as text.

    As formulas they take a fifth of the time of a whole report, and nobody can search for them.
    """
    figure = picture.draw()
    for axis in (axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)):
        if isinstance(axis.get_major_formatter(), LogFormatterSciNotation):
            axis.set_major_formatter(lambda value, _: raised(math.log10(value)))
            axis.set_minor_formatter(NullFormatter())
    return figure


def svg(figure: Figure) -> str:
    """A figure as an SVG file."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": MARK}, transparent=True)
    return buffer.getvalue()


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": MARK}, dpi=PNG_DPI)
    return buffer.getvalue()


def inline(text: str, name: str, alt: str) -> str:
    """An SVG file as an element of a page: with its alternative, and ids of its own."""
    from markupsafe import escape

    element = text[text.index("<svg") :]
    element = re.sub(r'\bid="', f'id="{name}-', element)
    element = re.sub(r'(href="|url\()#', rf"\g<1>#{name}-", element)
    element = re.sub(r"\s*<metadata>.*?</metadata>", "", element, count=1, flags=re.DOTALL)
    return element.replace("<svg ", f'<svg role="img" aria-label="{escape(alt)}" ', 1)
