"""The report of a fit: its answer first, then how far to trust it, then where it is from."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import pandas as pd
from matplotlib.axes import Axes

from bayescale import plots
from bayescale.budgets import finite
from bayescale.diagnosis import interval_names
from bayescale.display import heading, printed
from bayescale.driving import BY_PERCENT, BY_SD, drivers
from bayescale.findings import Diagnosis
from bayescale.fitting import Fit
from bayescale.reporting.answers import answer_sections
from bayescale.reporting.evidence import evidence
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
from bayescale.reporting.words import power

FEW_RUNS = 5
"""Runs that are listed because the answer hangs on them most."""


def fit_report(
    fit: Fit,
    origin: Origin,
    flops: Sequence[float] | None = None,
    at: Mapping[str, float] | None = None,
) -> Report:
    """The report of a fit; see `bayescale.report`."""
    answer, budgets = answer_sections(fit, flops, at or {})
    summary = fit.summary()
    title = f"Scaling-law report: {origin.table or fit.law.name}"
    sections = (
        answer,
        verdict(fit, summary),
        budgets,
        support(fit, summary),
        evidence(fit, at or {}),
        methods(fit),
        checklist(fit, origin),
        provenance(fit, origin),
        references([fit.law.reference]),
    )
    return Report(title, ". ".join(heading(fit)) + ".", sections)


def verdict(fit: Fit, summary: pd.DataFrame) -> Section:
    """Whether the draws are to be trusted, with the numbers, and what is doubtful."""
    found = fit.verdict
    if found.trusted:
        worst = f"R-hat at most {summary['r_hat'].max():.3f}, effective sample size at least "
        least = min(summary["ess_bulk"].min(), summary["ess_tail"].min())
        blocks: list[Block] = [Text(f"The draws are to be trusted: {worst}{least:.0f}.", "good")]
    else:
        blocks = [Text("The fit is not to be trusted.", "bad"), Listing(found.reasons)]
    if fit.warnings:
        blocks += [Text("Doubtful, but no reason against the draws:"), Listing(fit.warnings)]
    numbers = {
        "trusted": found.trusted,
        "reasons": list(found.reasons),
        "warnings": list(fit.warnings),
    }
    return Section("verdict", "Can it be trusted?", tuple(blocks), numbers=numbers)


def support(fit: Fit, summary: pd.DataFrame, flops: float | None = None) -> Section:
    """Quantities with honesty, what the runs do not tell, and what the answer hangs on."""
    diagnosis = fit.diagnose()
    shown = printed(summary)
    rows = tuple(tuple(map(str, row)) for row in shown.itertuples())
    table = Table("What the runs say of each quantity", ("quantity", *shown.columns), rows)
    picture = Picture(
        "honesty",
        "Honesty ratio: the standard deviation that resampling would give, over the posterior's. "
        "Near or below 1 an interval holds up.",
        "Honesty ratio of each quantity; those beyond 1.3 stand out.",
        on_axes(partial(_draw_honesty, summary), (6.4, 0.9 + 0.24 * len(summary))),
    )
    # How narrow intervals are is in the table, and among the warnings.
    findings = [each for each in diagnosis.findings if each.name != "honesty"]
    found = [f"{each.sentence} (Threshold: {each.reason}.)" for each in findings]
    said = Listing(tuple(found or ["Nothing passes a threshold."]))
    numbers = {"summary": _numbers(summary), "findings": _findings(diagnosis)}
    hangs = Text("What the answer hangs on:")
    blocks: tuple[Block, ...] = (table, picture, hangs, said, *_drivers(fit, flops))
    return Section("support", "What the intervals rest on", blocks, numbers=numbers)


def _drivers(fit: Fit, flops: float | None) -> Iterator[Table]:
    """The runs that move the answer most, by row."""
    if fit.structure.by is not None and not fit.structure.own_groups:
        return
    found = drivers(fit, flops, top=FEW_RUNS)
    places = [str(name) for name in found if name not in (BY_SD, BY_PERCENT)]
    rows = tuple(
        (
            f"row {row}",
            *(one if isinstance(one, str) else power(float(one)) for one in where),
            f"{found.loc[row, BY_SD]:+.2f}",
            f"{found.loc[row, BY_PERCENT]:+.1f}",
        )
        for row, where in zip(found.index, found[places].to_numpy(), strict=True)
    )
    caption = f"Runs that move {found.attrs['answer']} most when left out (to first order)"
    yield Table(caption, ("run", *places, "change in posterior sd", "in percent"), rows)


def _draw_honesty(summary: pd.DataFrame, ax: Axes) -> None:
    plots.plot_honesty(summary, ax=ax)


def _numbers(summary: pd.DataFrame) -> dict[str, dict[str, float | None]]:
    lower, upper = interval_names()
    table = summary.rename(columns={lower: "lower", upper: "upper"})
    return {
        str(name): {str(column): finite(value) for column, value in row.items()}
        for name, row in table.iterrows()
    }


def _findings(diagnosis: Diagnosis) -> list[dict[str, object]]:
    return [
        {
            "name": each.name,
            "quantity": each.quantity,
            "value": each.value,
            "threshold": each.threshold,
            "sentence": each.sentence,
        }
        for each in diagnosis.findings
    ]
