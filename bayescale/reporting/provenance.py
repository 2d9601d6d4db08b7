"""Where a report comes from: runs, table, versions, seed, command; and whom to cite."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from bayescale.citations import CHECKLIST, JACKKNIFE, bibtex
from bayescale.datasets import Card
from bayescale.fitting import Fit
from bayescale.reporting.record import Block, Code, Section, Table, Text
from bayescale.runs import digest

UNKNOWN = "not known"


@dataclass(frozen=True)
class Origin:
    """What a fit does not know of itself.

    Parameters
    ----------
    table : str
        Name of the dataset or the file, or nothing.
    command : str
        The command line that made the report, or nothing.
    """

    table: str = ""
    command: str = ""

    @property
    def card(self) -> Card | None:
        """The dataset's card, if the table is one."""
        from bayescale.datasets.reading import cards

        return cards().get(self.table)


def provenance(fit: Fit, origin: Origin) -> Section:
    """Everything needed to get the same numbers again."""
    found = dict(facts(fit, origin))
    table = Table("Where the numbers come from", ("what", "value"), tuple(found.items()))
    blocks: list[Block] = [table]
    if origin.command:
        blocks += [Text("The same again:"), Code(origin.command)]
    return Section("provenance", "Provenance", tuple(blocks), numbers=found)


def facts(fit: Fit, origin: Origin) -> Iterator[tuple[str, str]]:
    """What tells one fit from another, by name."""
    card, said, sizes = origin.card, fit.tree.attrs, fit.posterior.sizes
    yield "table", origin.table or UNKNOWN
    if card is not None:
        yield "source of the table", card.citation
        yield "licence of the table", card.licence
    yield "SHA-256 of the runs", digest(fit.runs)
    yield "law", f"{fit.law.name} ({fit.law.reference})"
    yield "likelihood", fit.likelihood.name
    yield "random seed", str(fit.random_seed)
    thinned = "" if said["thin"] == 1 else f" (every {said['thin']}th draw kept)"
    yield (
        "draws",
        f"{sizes['chain']} chains of {sizes['draw']}{thinned}, after {said['tune']} to tune",
    )
    yield "drawn on", str(fit.tree["sample_stats"].attrs.get("created_at", UNKNOWN))[:10]
    versions = json.loads(said["versions"]).items()
    yield "versions", ", ".join(f"{name} {number}" for name, number in versions)


def references(texts: list[str]) -> Section:
    """BibTeX of the papers of laws and claims, and of the methods."""
    said = [*texts, JACKKNIFE, CHECKLIST]
    return Section(
        "references",
        "References",
        (Text("Cite the law's papers, the table's source, and bayescale:"), Code(bibtex(said))),
    )
