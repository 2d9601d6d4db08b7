"""BibTeX of the papers that laws, claims and methods refer to, from `references.bib`."""

import re
from collections.abc import Iterable
from importlib.resources import files

_ENTRIES = files("bayescale.reporting").joinpath("references.bib").read_text("utf-8").strip()

PAPERS: dict[str, str] = {
    re.findall(r"eprint = \{(.+?)\}", entry)[0]: entry for entry in _ENTRIES.split("\n\n")
}
"""BibTeX entries by their number on arXiv. Every paper of a law or a claim needs one."""


def eprints(references: Iterable[str]) -> list[str]:
    """Numbers on arXiv in some texts, each once, in their order."""
    return list(dict.fromkeys(re.findall(r"arXiv:(\d{4}\.\d{4,5})", "\n".join(references))))


def bibtex(references: Iterable[str]) -> str:
    """BibTeX entries of the papers that texts refer to by their number on arXiv.

    Parameters
    ----------
    references : iterable of str
        Such as the `reference` of a law and of its claims.

    Returns
    -------
    str
        Each entry once, in the order of the texts.

    Examples
    --------
    >>> print(bibtex(["Kaplan et al. (2020), arXiv:2001.08361, eq. 1.5"]))
    @misc{kaplan2020,
      author = {Kaplan and others},
      title = {{Scaling Laws for Neural Language Models}},
      year = {2020},
      eprint = {2001.08361},
      archivePrefix = {arXiv},
    }
    """
    return "\n\n".join(PAPERS[number] for number in eprints(references) if number in PAPERS)
