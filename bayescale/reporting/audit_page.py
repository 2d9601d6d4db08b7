"""The page of an audit: the verdict on every claim, its reasons, then what the fit is worth."""

from collections.abc import Iterator
from functools import partial

from bayescale import plots
from bayescale.auditing.check_result import DEFAULT
from bayescale.auditing.checks import SENSITIVITY
from bayescale.auditing.record import Audit, ClaimAudit
from bayescale.auditing.sensitivity import BEST
from bayescale.auditing.verdicts import FINE, VERDICTS
from bayescale.documents.document import (
    Block,
    Document,
    Listing,
    Picture,
    Section,
    Table,
    Text,
    on_axes,
    on_figure,
)
from bayescale.fitting.display import describe_fit
from bayescale.plots.claims import caption, claimed_most, claims_figure_size
from bayescale.plots.labels import is_exponent
from bayescale.plots.multiverse import multiverse_figure_size
from bayescale.posterior.quantities import scalar_draws
from bayescale.posterior.summary import interval
from bayescale.reporting.figures import SIZE, evidence_section
from bayescale.reporting.fit_page import coefficients_section, verdict_section
from bayescale.reporting.methods import checklist_section, methods_section
from bayescale.reporting.provenance import Origin, provenance_section, references_section
from bayescale.validation.multiverse import TRUSTED
from bayescale.wording import listed, plural, significant


def audit_page(audit: Audit, origin: Origin) -> Document:
    """Page of an audit.

    Parameters
    ----------
    audit : Audit
        With its fits.
    origin : Origin
        What a fit does not know of itself.

    Returns
    -------
    Document
    """
    fit = audit.fits[DEFAULT]
    summary = fit.summary(all=True)
    sections = (
        _answer_section(audit),
        verdict_section(fit, summary),
        _overview_section(audit),
        Section("each", "Claim by claim", parts=tuple(_claim_sections(audit))),
        coefficients_section(fit, summary, audit.budget),
        *_choice_sections(audit),
        evidence_section(fit, {}),
        methods_section(fit),
        checklist_section(fit, origin),
        provenance_section(fit, origin),
        references_section(audit_references(audit)),
    )
    title = f"Audit of claims about {origin.table or fit.law.name}"
    return Document(title, ". ".join(describe_fit(fit.draws)) + ".", sections)


def audit_references(audit: Audit) -> list[str]:
    """Texts that name the papers of the law and of the claims."""
    return [audit.law.reference, *(audited.claim.reference for audited in audit.claims)]


def verdicts_of(audit: Audit) -> dict[str, list[str]]:
    """Verdict on every claim, by its label."""
    return {audited.claim.label: list(audited.verdict) for audited in audit.claims}


def verdict_sentence(audit: Audit) -> str:
    """How many claims have which verdict, the gravest last."""
    counts = [
        f"{len(labels)} {'is' if len(labels) == 1 else 'are'} {' and '.join(verdict)}"
        for verdict, labels in _labels_by_verdict(audit).items()
    ]
    claims, runs = plural(len(audit.claims), "claim"), len(audit.fits[DEFAULT].runs)
    return f"Of {claims} compared with these {runs} runs, {listed(counts)}."


def _labels_by_verdict(audit: Audit) -> dict[tuple[str, ...], list[str]]:
    """Labels of the claims of every verdict, the gravest last."""
    gravity = list(VERDICTS)
    labels: dict[tuple[str, ...], list[str]] = {}
    for audited in sorted(audit.claims, key=lambda one: -gravity.index(one.verdict[0])):
        labels.setdefault(audited.verdict, []).append(audited.claim.label)
    return labels


def _answer_section(audit: Audit) -> Section:
    sentence = verdict_sentence(audit)
    items = tuple(
        f"{', '.join(verdict)} ({'; '.join(VERDICTS[word] for word in verdict)}): "
        f"{'; '.join(labels)}"
        for verdict, labels in _labels_by_verdict(audit).items()
    )
    numbers = {"sentence": sentence, "verdicts": verdicts_of(audit)}
    return Section("answer", "Answer", (Text(sentence, "answer"), Listing(items)), numbers=numbers)


def claims_picture(audit: Audit, name: str = "claims") -> Iterator[Picture]:
    """Published values beside the posterior, if the fit has any of them as one number."""
    if names := claimed_most(audit):
        yield Picture(
            name,
            caption(),
            f"Published values of {', '.join(names)} with their intervals, below the posterior's.",
            on_figure(
                partial(plots.plot_claims, audit, names), claims_figure_size(audit, len(names))
            ),
        )


def _overview_section(audit: Audit) -> Section:
    """Every claim in one sentence; its values in pictures, also of two exponents together."""
    rows = tuple(
        (audited.claim.label, audited.claim.status, ", ".join(audited.verdict), audited.reasons[0])
        for audited in audit.claims
    )
    table = Table("Every claim in one sentence", ("claim", "status", "verdict", "because"), rows)
    blocks: list[Block] = [table, *claims_picture(audit)]
    names = [name for name in audit.law.coefficient_names if is_exponent(name)][:2]
    claims = [audited.claim for audited in audit.claims]
    if len(names) == 2 and any({*names} <= {*claim.values} for claim in claims):
        pair = Picture(
            "claimed-pair",
            f"{names[0]} and {names[1]} together: the posterior's draws, and what was published.",
            f"Joint posterior of {names[0]} and {names[1]} with the published pairs as markers.",
            on_axes(partial(plots.plot_pair, audit.fits[DEFAULT], *names, claims=claims), SIZE),
        )
        blocks.append(pair)
    return Section("claims", "Published values and the runs", tuple(blocks))


def _choice_sections(audit: Audit) -> Iterator[Section]:
    """The answer under other choices, where they were tried."""
    multiverse = audit.multiverse
    if multiverse is None:
        return
    trusted = multiverse[TRUSTED]
    text = (
        f"The law was fitted under {trusted.size} combinations of choices, and "
        f"{int(trusted.sum())} of these fits are trusted."
    )
    sensitivities = tuple(
        f"{audited.claim.label}: {audited.results[SENSITIVITY].sentence}"
        for audited in audit.claims
        if SENSITIVITY in audited.results
    )
    # The optimum, and the exponent of the frontier, or what most claims are about.
    others = [*audit.law.derived][:1] or claimed_most(audit, most=1)
    axes = ", ".join(map(str, trusted.dims))
    pictures = [
        Picture(
            f"choices-{name}",
            f"{name} under every combination of choices ({axes}), from the smallest mean; below, "
            "the choices of each.",
            f"Specification curve of {name}: mean and interval of each combination, in order.",
            on_figure(
                partial(plots.plot_multiverse, multiverse, name),
                multiverse_figure_size(multiverse),
            ),
        )
        for name in (BEST, *others)
        if name in multiverse
    ]
    blocks: tuple[Block, ...] = (Text(text), Listing(sensitivities), *pictures)
    yield Section("choices", "Under other choices", blocks)


def _claim_sections(audit: Audit) -> Iterator[Section]:
    """A section for each claim: verdict, reasons, values, checks."""
    statuses = {
        "printed": "read in the source",
        "recomputed": "computed from the source's data or code",
        "remembered": "only quoted elsewhere",
    }
    for number, audited in enumerate(audit.claims, start=1):
        claim, fine = audited.claim, set(audited.verdict) <= FINE
        blocks: list[Block] = [
            Text(f"Verdict: {', '.join(audited.verdict)}.", "good" if fine else "bad"),
            Listing(audited.reasons),
            Text(f"Source: {claim.reference} ({statuses[claim.status]}).", "note"),
        ]
        if rows := tuple(_value_rows(audit, audited)):
            header = ("quantity", "claimed", "its error or interval", "by the runs")
            blocks.append(Table(f"{claim.label}: values", header, rows))
        results = audited.results.items()
        rows = tuple((name, result.outcome, result.sentence) for name, result in results)
        blocks.append(Table(f"{claim.label}: checks", ("check", "outcome", "result"), rows))
        checks = {
            name: {"outcome": x.outcome, "sentence": x.sentence, "numbers": x.numbers}
            for name, x in results
        }
        numbers = {
            "verdict": list(audited.verdict),
            "reasons": list(audited.reasons),
            "status": claim.status,
            "reference": claim.reference,
            "checks": checks,
        }
        yield Section(f"claim-{number}", claim.label, tuple(blocks), numbers=numbers)


def _value_rows(audit: Audit, audited: ClaimAudit) -> Iterator[tuple[str, ...]]:
    """Claimed values that the fit has as one number, with the posterior's."""
    claim, posterior = audited.claim, audit.fits[DEFAULT].posterior
    for name, value in claim.values.items():
        draws = scalar_draws(posterior, name)
        if draws is None:
            continue
        sd = float(draws.std(ddof=1))
        mean, low, high = (significant(float(x), sd) for x in (draws.mean(), *interval(draws)))
        error = f"± {claim.errors[name]:g}" if name in claim.errors else "none printed"
        if name in claim.intervals:
            lowest, highest = claim.intervals[name]
            error = f"{lowest:g} to {highest:g} ({claim.mass:.0%})"
        yield name, f"{value:g}", error, f"{mean} ({low} to {high})"
