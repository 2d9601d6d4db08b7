"""A report: a document that can be shown, and written in three forms."""

from dataclasses import dataclass
from os import PathLike
from typing import Any

from markupsafe import escape

from bayescale.documents.as_json import to_json
from bayescale.documents.document import Document
from bayescale.documents.escaping import show_unseen
from bayescale.documents.html import to_html
from bayescale.documents.markdown import to_markdown
from bayescale.reporting.files import save_document


@dataclass(frozen=True, eq=False, repr=False)
class Report:
    """A page with an answer, the evidence for it, and where it comes from.

    Returned by `bayescale.report`.

    Parameters
    ----------
    document : Document
        What the page shows: sections with text, tables, pictures and numbers.
    """

    document: Document

    def html(self) -> str:
        """Page as HTML.

        Returns
        -------
        str
            A whole document, which fetches nothing and runs nothing.
        """
        return to_html(self.document)

    def markdown(self) -> str:
        """Page as Markdown.

        Returns
        -------
        str
            With the captions of pictures in place of the pictures.
        """
        return to_markdown(self.document)

    def json(self) -> dict[str, Any]:
        """Page as dictionaries and lists that JSON can hold, with the numbers beside the text.

        Returns
        -------
        dict
            Each section has its ``anchor``, ``heading``, ``numbers``, ``blocks`` and ``sections``.
        """
        return to_json(self.document)

    def save(
        self,
        path: str | PathLike[str],
        *,
        form: str | None = None,
        figures: str | PathLike[str] | None = None,
    ) -> None:
        """Write the page, and its pictures if a folder is named.

        Parameters
        ----------
        path : path
            The file. A report that is there is replaced; any other file is not.
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
        >>> report(fitted).save("report.html", figures="figures")  # doctest: +SKIP
        """
        save_document(self.document, path, form=form, figures=figures)

    def __repr__(self) -> str:
        return self.markdown()

    def _repr_html_(self) -> str:
        # In a frame of its own, so that styles of page and notebook do not mix.
        title = escape(show_unseen(self.document.title))
        return (
            f'<iframe sandbox title="{title}" srcdoc="{escape(self.html())}" '
            'style="width:100%;height:42rem;border:1px solid #ccc"></iframe>'
        )
