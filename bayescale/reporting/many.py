"""Many audits on one page: every claim in one sentence, then each table of runs."""

from collections import Counter
from collections.abc import Sequence

from bayescale.auditing import DEFAULT, Audit
from bayescale.display import listed
from bayescale.reporting.audited import claims_picture, verdict_sentence, verdicts
from bayescale.reporting.provenance import Origin, facts, references
from bayescale.reporting.record import Block, Code, Listing, Report, Section, Table, Text
from bayescale.verdicts import VERDICTS


def audits_report(audits: Sequence[Audit], origin: Origin) -> Report:
    """The report of several audits; see `bayescale.report`."""
    said = [each.law.reference for each in audits]
    said += [found.claim.reference for each in audits for found in each.claims]
    runs = sum(len(each.fits[DEFAULT].runs) for each in audits if each.fits)
    about = f"{len(audits)} audits, {runs} runs in all"
    sections = (
        _answer(audits),
        _overview(audits),
        Section("each", "Table by table", parts=_parts(audits)),
        _provenance(audits, origin),
        references(said),
    )
    return Report("Published claims and the runs behind them", about, sections)


def _answer(audits: Sequence[Audit]) -> Section:
    words = Counter(" and ".join(found.verdict) for each in audits for found in each.claims)
    counts = [f"{n} {'is' if n == 1 else 'are'} {word}" for word, n in words.most_common()]
    sentence = f"Of {words.total()} published claims, {listed(counts)}."
    used = {word for each in audits for found in each.claims for word in found.verdict}
    meanings = tuple(f"{word}: {VERDICTS[word]}." for word in VERDICTS if word in used)
    numbers = {
        "sentence": sentence,
        "verdicts": {_title(each): verdicts(each) for each in audits},
    }
    return Section(
        "answer", "Answer", (Text(sentence, "answer"), Listing(meanings)), numbers=numbers
    )


def _title(each: Audit) -> str:
    return each.title or f"{each.law.name} on {each.dataset or 'the runs'}"


def _overview(audits: Sequence[Audit]) -> Section:
    rows = tuple(
        (
            found.claim.label,
            _title(each),
            found.claim.status,
            ", ".join(found.verdict),
            found.reasons[0],
        )
        for each in audits
        for found in each.claims
    )
    columns = ("claim", "audit", "status", "verdict", "because")
    table = Table("Every claim in one sentence", columns, rows)
    return Section("claims", "What was published, and what the runs say", (table,))


def _parts(audits: Sequence[Audit]) -> tuple[Section, ...]:
    return tuple(_part(each, number) for number, each in enumerate(audits, start=1))


def _part(each: Audit, number: int) -> Section:
    told = tuple(f"{one.claim.label}: {why}" for one in each.claims for why in one.reasons)
    if not each.fits:  # its runs could not be had
        return Section(f"audit-{number}", _title(each), (Listing(told),))
    fit = each.fits[DEFAULT]
    trusted = "The fit is trusted." if fit.verdict.trusted else str(fit.verdict)
    blocks: tuple[Block, ...] = (
        Text(verdict_sentence(each)),
        Text(trusted, "good" if fit.verdict.trusted else "bad"),
        Listing(told),
        *claims_picture(each, f"claims-{number}"),
    )
    return Section(f"audit-{number}", _title(each), blocks)


def _provenance(audits: Sequence[Audit], origin: Origin) -> Section:
    columns = ("SHA-256 of the runs", "random seed", "versions")
    known = [
        (_title(each), dict(facts(each.fits[DEFAULT], Origin(each.dataset))))
        for each in audits
        if each.fits
    ]
    rows = tuple((title, *(found[name] for name in columns)) for title, found in known)
    blocks: list[Block] = [Table("Where the numbers come from", ("audit", *columns), rows)]
    if origin.command:
        blocks += [Text("The same again:"), Code(origin.command)]
    return Section("provenance", "Provenance", tuple(blocks))
