"""Documents and their pictures on disk: whole or not at all, and never over a file of others."""

import json
import os
import tempfile
from os import PathLike
from pathlib import Path

from bayescale.documents.as_json import to_json
from bayescale.documents.document import Document
from bayescale.documents.drawing import MARK, draw_picture, drawing, png, svg
from bayescale.documents.html import to_html
from bayescale.documents.markdown import to_markdown
from bayescale.errors import DataError


def save_document(
    document: Document,
    path: str | PathLike[str],
    *,
    form: str | None = None,
    figures: str | PathLike[str] | None = None,
) -> None:
    """Write a document, and its pictures if a folder is named.

    Parameters
    ----------
    document : Document
        What to write.
    path : path
        The file. A report that is there is replaced; any other file is refused.
    form : {"html", "md", "json"}, optional
        By default that of the extension.
    figures : path, optional
        Folder for every picture as SVG and as PNG. It is created where it is missing.

    Raises
    ------
    DataError
        If the form is none of these, or something cannot be written.

    Examples
    --------
    >>> save_document(report(fitted).document, "report.html")  # doctest: +SKIP
    """
    target, form = check_target(path, form)
    # Pictures are drawn once, for the page and for the folder.
    drawings = {} if figures is None else _write_figures(document, Path(figures))
    if form == "html":
        text = to_html(document, drawings)
    elif form == "json":
        numbers = {"generator": MARK, **to_json(document)}
        text = json.dumps(numbers, allow_nan=False, indent=1)
    else:
        folder = None if figures is None else os.path.relpath(figures, target.parent)
        text = f"<!-- {MARK} -->\n\n{to_markdown(document, figures=folder)}"
    _write_atomically(target, text.encode())


def check_target(path: str | PathLike[str], form: str | None = None) -> tuple[Path, str]:
    """Refuse, before anything is computed, a path or form that a document cannot be written to.

    Returns
    -------
    target : Path
        The path.
    form : str
        ``"html"``, ``"md"`` or ``"json"``.

    Raises
    ------
    DataError
        If the form is unknown, there is no such folder, or the file there is not ours.
    """
    target = Path(path)
    forms = {"html": "html", "htm": "html", "md": "md", "markdown": "md", "json": "json"}
    chosen = forms.get((form or target.suffix[1:]).lower())
    if chosen is None:
        what = f"the format {form!r}" if form else f"the extension {target.suffix!r}"
        raise DataError(
            f"cannot write {target}: {what} is unknown; expected html, md or json. Name the file "
            "report.html, for example."
        )
    if not os.path.isdir(target.parent):
        raise DataError(
            f"cannot write {target}: there is no folder {target.parent}; expected one that exists. "
            "Create it first."
        )
    _check_replaceable(target)
    return target, chosen


def _check_replaceable(target: Path) -> None:
    """Refuse a path at which there is something else than a report or a figure of ours."""
    if not os.path.lexists(target):
        return
    if os.path.isfile(target):
        with open(target, "rb") as file:
            if MARK.encode() in file.read(4096):  # the mark is near the beginning
                return
    raise DataError(
        f"cannot write {target}: what is there was not written by bayescale; expected a free name, "
        "or a report to replace. Choose another name, or remove it first."
    )


def _write_figures(document: Document, folder: Path) -> dict[str, str]:
    """Write every picture as SVG and as PNG; return the SVG by name."""
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise DataError(
            f"cannot write figures into {folder} ({error.strerror}); expected a folder, or a name "
            "for a new one in a folder that exists. Choose another."
        ) from error
    # All are checked before the first is written.
    pictures = list(document.pictures())
    for picture in pictures:
        for suffix in (".svg", ".png"):
            _check_replaceable(folder / f"{picture.name}{suffix}")
    drawings = {}
    for picture in pictures:
        with drawing():
            figure = draw_picture(picture)
            drawings[picture.name] = svg(figure)
            _write_atomically(folder / f"{picture.name}.svg", drawings[picture.name].encode())
            _write_atomically(folder / f"{picture.name}.png", png(figure))
    return drawings


def _write_atomically(target: Path, content: bytes) -> None:
    """Write a file beside its place, then move it there."""
    try:
        handle, draft = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:40]}-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            # A temporary file is private; this one gets the permissions of any new file.
            mask = os.umask(0)
            os.umask(mask)
            os.chmod(draft, 0o666 & ~mask)
            os.replace(draft, target)
        except BaseException:
            os.unlink(draft)
            raise
    except OSError as error:
        raise DataError(
            f"cannot write {target} ({error.strerror}); expected a folder that is open for writing "
            "and room on the disk. Choose another place."
        ) from error
