"""Many audits on one page: every claim in one sentence, then each table of runs."""

from collections import Counter
from collections.abc import Sequence

from bayescale.auditing.check_result import DEFAULT
from bayescale.auditing.record import Audit
from bayescale.auditing.verdicts import VERDICTS
from bayescale.documents.document import Block, Document, Listing, Section, Table, Text
from bayescale.reporting.audit_page import (
    audit_references,
    claims_picture,
    verdict_sentence,
    verdicts_of,
)
from bayescale.reporting.provenance import Origin, provenance_facts, references_section
from bayescale.wording import listed


def audits_page(audits: Sequence[Audit], origin: Origin) -> Document:
    """Page of several audits.

    Parameters
    ----------
    audits : sequence of Audit
        With or without fits.
    origin : Origin
        With the command that made them.

    Returns
    -------
    Document
    """
    titles = {
        audit: audit.title or f"{audit.law.name} on {audit.dataset or 'the runs'}"
        for audit in audits
    }
    rows = tuple(
        (claim.label, titles[audit], claim.status, ", ".join(audited.verdict), audited.reasons[0])
        for audit in audits
        for audited in audit.claims
        for claim in (audited.claim,)
    )
    columns = ("claim", "audit", "status", "verdict", "because")
    overview = Table("Every claim in one sentence", columns, rows)
    parts = tuple(
        _audit_section(audit, titles[audit], number) for number, audit in enumerate(audits, start=1)
    )
    names = ("SHA-256 of the runs", "random seed", "versions")
    facts = [
        (titles[audit], provenance_facts(audit.fits[DEFAULT], Origin(audit.dataset)))
        for audit in audits
        if audit.fits
    ]
    sources = tuple((title, *(known[name] for name in names)) for title, known in facts)
    provenance = Table("Where the numbers come from", ("audit", *names), sources)
    sections = (
        _answer_section(audits, titles),
        Section("claims", "Published values and the runs", (overview,)),
        Section("each", "Table by table", parts=parts),
        Section("provenance", "Provenance", (provenance, *origin.repeat_blocks())),
        references_section([text for audit in audits for text in audit_references(audit)]),
    )
    runs = sum(len(audit.fits[DEFAULT].runs) for audit in audits if audit.fits)
    about = f"{len(audits)} audits, {runs} runs in all"
    return Document("Published claims and the runs behind them", about, sections)


def _answer_section(audits: Sequence[Audit], titles: dict[Audit, str]) -> Section:
    """How many claims have which verdict, the most frequent first, and what verdicts mean."""
    verdicts = Counter(audited.verdict for audit in audits for audited in audit.claims)
    counts = [
        f"{count} {'is' if count == 1 else 'are'} {' and '.join(verdict)}"
        for verdict, count in verdicts.most_common()
    ]
    sentence = f"Of {verdicts.total()} published claims, {listed(counts)}."
    words = {word for verdict in verdicts for word in verdict}
    meanings = tuple(f"{word}: {meaning}." for word, meaning in VERDICTS.items() if word in words)
    blocks = (Text(sentence, "answer"), Listing(meanings))
    by_title = {titles[audit]: verdicts_of(audit) for audit in audits}
    numbers = {"sentence": sentence, "verdicts": by_title}
    return Section("answer", "Answer", blocks, numbers=numbers)


def _audit_section(audit: Audit, title: str, number: int) -> Section:
    """One audit; only the reasons where its runs were not available."""
    reasons = Listing(
        tuple(
            f"{audited.claim.label}: {reason}"
            for audited in audit.claims
            for reason in audited.reasons
        )
    )
    blocks: tuple[Block, ...] = (reasons,)
    if audit.fits:
        verdict = audit.fits[DEFAULT].verdict
        trust = Text("The fit is trusted.", "good")
        if not verdict.trusted:
            trust = Text(str(verdict), "bad")
        pictures = claims_picture(audit, f"claims-{number}")
        blocks = (Text(verdict_sentence(audit)), trust, reasons, *pictures)
    return Section(f"audit-{number}", title, blocks)
