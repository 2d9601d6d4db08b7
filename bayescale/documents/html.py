"""A document as HTML: a page of its own, or a fragment for a notebook."""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from types import MappingProxyType
from typing import Any

import jinja2
from markupsafe import Markup, escape

from bayescale.documents.document import Document
from bayescale.documents.drawing import MARK, draw_picture, drawing, inline, svg
from bayescale.documents.escaping import show_unseen


def to_html(document: Document, drawings: Mapping[str, str] = MappingProxyType({})) -> str:
    """One page of HTML that fetches nothing and runs nothing.

    Parameters
    ----------
    document : Document
        What the page shows. All of its text is escaped.
    drawings : mapping of str to str, optional
        SVG of pictures that were drawn already, by name.

    Returns
    -------
    str
    """
    pictures = {}
    for picture in document.pictures():
        image = drawings.get(picture.name)
        if image is None:
            with drawing():
                image = svg(draw_picture(picture))
        pictures[picture.name] = Markup(inline(image, picture.name, show_unseen(picture.alt)))
    generator = f"{MARK} {version('bayescale')}"
    template = _environment().get_template("page.html")
    return template.render(document=document, pictures=pictures, generator=generator)


def to_fragment(document: Document) -> str:
    """An HTML element for a notebook, without headings and pictures."""
    return _environment().get_template("fragment.html").render(document=document)


@cache
def _environment() -> jinja2.Environment:
    def show(value: Any) -> Any:
        # Markup is our own; all other text may be from a file.
        is_foreign = isinstance(value, str) and not isinstance(value, Markup)
        return show_unseen(value) if is_foreign else value

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("bayescale.documents"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=show,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["code"] = lambda text: escape(show_unseen(text, lines=True))
    return environment
