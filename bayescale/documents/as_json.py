"""A document as dictionaries and lists that JSON can hold."""

from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import numpy as np

from bayescale.documents.document import Document, Picture, Section
from bayescale.wording import finite


def to_json(document: Document) -> dict[str, Any]:
    """Dictionaries and lists that JSON can hold, with the numbers beside the text.

    Parameters
    ----------
    document : Document
        Pictures in it are described, not drawn.

    Returns
    -------
    dict
        Keys ``title``, ``about``, ``bayescale`` (the version) and ``sections``.
    """
    return {
        "title": document.title,
        "about": document.about,
        "bayescale": version("bayescale"),
        "sections": [_section_json(section) for section in document.sections],
    }


def _section_json(section: Section) -> dict[str, Any]:
    blocks = []
    for block in section.blocks:
        if isinstance(block, Picture):  # whose function to draw it is nothing for JSON
            fields = {"name": block.name, "caption": block.caption, "alt": block.alt}
        else:
            fields = asdict(block)
        blocks.append({"form": block.form, **fields})
    return {
        "anchor": section.anchor,
        "heading": section.heading,
        "numbers": _value_json(section.numbers),
        "blocks": blocks,
        "sections": [_section_json(part) for part in section.parts],
    }


def _value_json(value: Any) -> Any:
    """A value that JSON can hold: nan and infinity become null."""
    if isinstance(value, Mapping):
        return {str(key): _value_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_value_json(item) for item in value]
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int | float | np.number):
        return finite(value)
    return str(value)
