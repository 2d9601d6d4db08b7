"""Where a report comes from: runs, table, versions, seed, command; and what to cite."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from bayescale.datasets import Card
from bayescale.datasets.reading import cards
from bayescale.documents.document import Block, Code, Section, Table, Text
from bayescale.fitting.display import how_drawn
from bayescale.fitting.record import Fit
from bayescale.reporting.citations import bibtex
from bayescale.runs.read import digest

UNKNOWN = "not known"


@dataclass(frozen=True)
class Origin:
    """What a fit does not know of itself.

    Parameters
    ----------
    table : str
        Name of the dataset or the file, or empty.
    command : str
        The command line that makes the report, or empty.
    """

    table: str = ""
    command: str = ""

    @property
    def card(self) -> Card | None:
        """The dataset's card, if the table is one."""
        return cards().get(self.table)

    def repeat_blocks(self) -> tuple[Block, ...]:
        """How to make the report, if the command is known."""
        if not self.command:
            return ()
        return (Text("The command that makes this report:"), Code(self.command))


def provenance_section(fit: Fit, origin: Origin) -> Section:
    """Everything needed to get the same numbers again."""
    facts = provenance_facts(fit, origin)
    table = Table("Where the numbers come from", ("what", "value"), tuple(facts.items()))
    blocks = (table, *origin.repeat_blocks())
    return Section("provenance", "Provenance", blocks, numbers=facts)


def provenance_facts(fit: Fit, origin: Origin) -> dict[str, str]:
    """What identifies a fit, by name."""
    card, attrs = origin.card, fit.tree.attrs
    facts = {"table": origin.table or UNKNOWN}
    if card is not None:
        facts |= {"source of the table": card.citation, "licence of the table": card.licence}
    versions = json.loads(attrs["versions"]).items()
    return facts | {
        "SHA-256 of the runs": digest(fit.runs),
        "law": f"{fit.law.name} ({fit.law.reference})",
        "likelihood": fit.likelihood.name,
        "random seed": str(fit.random_seed),
        "draws": how_drawn(fit.tree),
        "drawn on": str(fit.tree["sample_stats"].attrs.get("created_at", UNKNOWN))[:10],
        "versions": ", ".join(f"{name} {number}" for name, number in versions),
    }


def references_section(references: Iterable[str]) -> Section:
    """BibTeX of the papers of laws and claims, and of the methods.

    Parameters
    ----------
    references : iterable of str
        Texts that name papers by their number on arXiv.
    """
    # The infinitesimal jackknife, and the checklist.
    methods = ("arXiv:2305.06466", "arXiv:2502.18969")
    text = Text("Cite the law's papers, the table's source, and bayescale:")
    return Section("references", "References", (text, Code(bibtex([*references, *methods]))))
