"""The report of an audit: what holds, what does not and why; then what the fit is worth."""

from collections.abc import Iterator
from functools import partial

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayescale import plots
from bayescale.auditing import DEFAULT, Audit, ClaimAudit
from bayescale.claims import Claim
from bayescale.diagnosis import interval
from bayescale.display import heading, listed, significant
from bayescale.draws import number
from bayescale.plots import multiverse
from bayescale.plots.claims import caption, claimed_most, figure_size
from bayescale.plots.labels import is_exponent
from bayescale.reporting.evidence import SIZE, evidence
from bayescale.reporting.fitted import support, verdict
from bayescale.reporting.methods import checklist, methods
from bayescale.reporting.provenance import Origin, provenance, references
from bayescale.reporting.record import (
    Block,
    Listing,
    Picture,
    Report,
    Section,
    Table,
    Text,
    on_axes,
)
from bayescale.sensitive import BEST, NAME
from bayescale.specifications import TRUSTED
from bayescale.verdicts import FINE, VERDICTS

STATUS = {
    "printed": "read in the source",
    "recomputed": "computed from the source's data or code",
    "remembered": "only quoted elsewhere",
}


def audit_report(audited: Audit, origin: Origin) -> Report:
    """The report of an audit; see `bayescale.report`."""
    fit = audited.fits[DEFAULT]
    summary = fit.summary()
    said = [fit.law.reference, *(each.claim.reference for each in audited.claims)]
    sections = (
        _answer(audited),
        verdict(fit, summary),
        _overview(audited),
        _claims(audited),
        support(fit, summary, audited.budget),
        *_choices(audited),
        evidence(fit, {}),
        methods(fit),
        checklist(fit, origin),
        provenance(fit, origin),
        references(said),
    )
    title = f"Audit of claims about {origin.table or fit.law.name}"
    return Report(title, ". ".join(heading(fit)) + ".", sections)


def _answer(audited: Audit) -> Section:
    sentence, found = verdict_sentence(audited), _by_verdict(audited)
    items = tuple(
        f"{', '.join(words)} ({'; '.join(VERDICTS[word] for word in words)}): {'; '.join(labels)}"
        for words, labels in found.items()
    )
    numbers = {"sentence": sentence, "verdicts": verdicts(audited)}
    return Section("answer", "Answer", (Text(sentence, "answer"), Listing(items)), numbers=numbers)


def verdicts(audited: Audit) -> dict[str, list[str]]:
    """Verdict of every claim, by its label."""
    return {each.claim.label: list(each.verdict) for each in audited.claims}


def verdict_sentence(audited: Audit) -> str:
    """How many claims came to what, the gravest last."""
    counts = [
        f"{len(labels)} {'is' if len(labels) == 1 else 'are'} {' and '.join(words)}"
        for words, labels in _by_verdict(audited).items()
    ]
    total, runs = len(audited.claims), len(audited.fits[DEFAULT].runs)
    claims = "1 claim" if total == 1 else f"{total} claims"
    return f"Of {claims} held against these {runs} runs, {listed(counts)}."


def _by_verdict(audited: Audit) -> dict[tuple[str, ...], list[str]]:
    """Labels of the claims of every verdict, the gravest last."""
    found: dict[tuple[str, ...], list[str]] = {}
    for each in sorted(audited.claims, key=lambda each: -list(VERDICTS).index(each.verdict[0])):
        found.setdefault(each.verdict, []).append(each.claim.label)
    return found


def _overview(audited: Audit) -> Section:
    rows = tuple(
        (each.claim.label, each.claim.status, ", ".join(each.verdict), each.reasons[0])
        for each in audited.claims
    )
    table = Table("Every claim in one sentence", ("claim", "status", "verdict", "because"), rows)
    blocks: tuple[Block, ...] = (table, *claims_picture(audited), *_pair(audited))
    return Section("claims", "What was published, and what the runs say", blocks)


def claims_picture(audited: Audit, name: str = "claims") -> Iterator[Picture]:
    """Published values beside the posterior, if the fit has any of them as one number."""
    if names := claimed_most(audited):
        yield Picture(
            name,
            caption(),
            f"Published values of {', '.join(names)} with their intervals, below the posterior's.",
            partial(_draw_claims, audited, names),
        )


def _draw_claims(audited: Audit, names: list[str]) -> Figure:
    figure = Figure(figsize=figure_size(audited, len(names)), layout="constrained")
    plots.plot_claims(audited, names, figure=figure)
    return figure


def _pair(audited: Audit) -> Iterator[Picture]:
    names = [name for name in audited.law.coefficient_names if is_exponent(name)][:2]
    if len(names) == 2 and any({*names} <= {*each.claim.values} for each in audited.claims):
        yield Picture(
            "claimed-pair",
            f"{names[0]} and {names[1]} together: the posterior's draws, and what was published.",
            f"Joint posterior of {names[0]} and {names[1]} with the published pairs as markers.",
            on_axes(partial(_draw_pair, audited, names[0], names[1]), SIZE),
        )


def _draw_pair(audited: Audit, x: str, y: str, ax: Axes) -> None:
    told = [each.claim for each in audited.claims]
    plots.plot_pair(audited.fits[DEFAULT], x, y, claims=told, ax=ax)


def _choices(audited: Audit) -> Iterator[Section]:
    """What the answer is under other choices, where they were tried."""
    found = audited.multiverse
    if found is None:
        return
    trusted = int(found[TRUSTED].sum())
    said = (
        f"The law was fitted under {found[TRUSTED].size} combinations of choices, and {trusted} of "
        "these fits are trusted."
    )
    # The exponent of the frontier, where the law has one, or what most claims are about.
    other = [*audited.law.derived][:1] or claimed_most(audited, most=1)
    quantities = [name for name in (BEST, *other) if name in found]
    sensitivities = tuple(
        f"{each.claim.label}: {each.results[NAME].sentence}"
        for each in audited.claims
        if NAME in each.results
    )
    pictures = tuple(_specifications(found, name) for name in quantities)
    blocks: tuple[Block, ...] = (Text(said), Listing(sensitivities), *pictures)
    yield Section("choices", "Under other choices", blocks)


def _specifications(found: xr.Dataset, name: str) -> Picture:
    axes = ", ".join(str(dim) for dim in found[TRUSTED].dims)
    return Picture(
        f"choices-{name}",
        f"{name} under every combination of choices ({axes}), from the smallest mean; below, which "
        "they were.",
        f"Specification curve of {name}: mean and interval of each combination, in order.",
        partial(_draw_specifications, found, name),
    )


def _draw_specifications(found: xr.Dataset, name: str) -> Figure:
    figure = Figure(figsize=multiverse.figure_size(found), layout="constrained")
    multiverse.plot_multiverse(found, name, figure=figure)
    return figure


def _claims(audited: Audit) -> Section:
    parts = tuple(_claim(audited, each, k) for k, each in enumerate(audited.claims, start=1))
    return Section("each", "Claim by claim", parts=parts)


def _claim(audited: Audit, each: ClaimAudit, number: int) -> Section:
    claim, fine = each.claim, set(each.verdict) <= FINE
    checks = tuple((name, r.outcome, r.sentence) for name, r in each.results.items())
    blocks: list[Block] = [
        Text(f"Verdict: {', '.join(each.verdict)}.", "good" if fine else "bad"),
        Listing(each.reasons),
        Text(f"Source: {claim.reference} ({STATUS[claim.status]}).", "note"),
    ]
    if rows := tuple(_values(audited, claim)):
        header = ("quantity", "claimed", "its error or interval", "by the runs")
        blocks.append(Table(f"{claim.label}: values", header, rows))
    blocks.append(Table(f"{claim.label}: checks", ("check", "outcome", "what it says"), checks))
    numbers = {
        "verdict": list(each.verdict),
        "reasons": list(each.reasons),
        "status": claim.status,
        "reference": claim.reference,
        "checks": {
            name: {"outcome": r.outcome, "sentence": r.sentence, "numbers": r.numbers}
            for name, r in each.results.items()
        },
    }
    return Section(f"claim-{number}", claim.label, tuple(blocks), numbers=numbers)


def _values(audited: Audit, claim: Claim) -> Iterator[tuple[str, ...]]:
    fit = audited.fits[DEFAULT]
    for name, value in claim.values.items():
        if (draws := number(fit.posterior, name)) is not None:
            sd = float(draws.std(ddof=1))
            mean, low, high = (significant(float(x), sd) for x in (draws.mean(), *interval(draws)))
            yield name, f"{value:g}", _error(claim, name), f"{mean} ({low} to {high})"


def _error(claim: Claim, name: str) -> str:
    if name in claim.intervals:
        low, high = claim.intervals[name]
        return f"{low:g} to {high:g} ({claim.mass:.0%})"
    return f"± {claim.errors[name]:g}" if name in claim.errors else "none printed"
