"""The page of a fit: its answer first, then how far to trust it, then where it comes from."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import pandas as pd

from bayescale.diagnostics.diagnose import diagnose
from bayescale.diagnostics.influence import BY_PERCENT, BY_SD, influential_runs
from bayescale.documents.document import (
    Block,
    Document,
    Listing,
    Section,
    Table,
    Text,
)
from bayescale.fitting.answer import answer_sections
from bayescale.fitting.display import (
    DOUBTS,
    MOST_REMARKS,
    describe_fit,
    summary_block,
    verdict_numbers,
)
from bayescale.fitting.record import Fit
from bayescale.posterior.summary import interval_names
from bayescale.reporting.field_section import field_sections
from bayescale.reporting.figures import evidence_section
from bayescale.reporting.methods import checklist_section, methods_section
from bayescale.reporting.provenance import Origin, provenance_section, references_section
from bayescale.wording import finite, plural, power_of_ten


def fit_page(
    fit: Fit,
    origin: Origin,
    flops: Sequence[float] | None = None,
    at: Mapping[str, float] | None = None,
) -> Document:
    """Page of a fit.

    Parameters
    ----------
    fit : Fit
        A fitted law.
    origin : Origin
        What the fit does not know of itself.
    flops, at
        Budgets and extra inputs, as for `bayescale.report`.

    Returns
    -------
    Document
    """
    summary = fit.summary(all=True)
    sections = (
        *answer_sections(fit.fitted_draws, flops, at, multiples=(0.1, 1.0, 10.0, 100.0)),
        verdict_section(fit, summary),
        *field_sections(fit, flops, at),
        coefficients_section(fit, summary),
        evidence_section(fit, at or {}),
        methods_section(fit),
        checklist_section(fit, origin),
        provenance_section(fit, origin),
        references_section([fit.law.reference]),
    )
    title = f"Scaling-law report: {origin.table or fit.law.name}"
    return Document(title, ". ".join(describe_fit(fit.draws)) + ".", sections)


def verdict_section(fit: Fit, summary: pd.DataFrame) -> Section:
    """Whether the draws are trusted, with the numbers, and up to three remarks.

    Parameters
    ----------
    fit : Fit
        A fitted law.
    summary : DataFrame
        Of all quantities: ``fit.summary(all=True)``.

    Returns
    -------
    Section
        Its numbers hold all remarks.
    """
    verdict, remarks = fit.verdict, fit.warnings
    if verdict.trusted:
        r_hat, ess = summary["r_hat"].max(), summary[["ess_bulk", "ess_tail"]].min().min()
        convergence = f"R-hat at most {r_hat:.3f}, effective sample size at least {ess:.0f}"
        blocks: list[Block] = [Text(f"The draws are trusted: {convergence}.", "good")]
    else:
        blocks = [Text("The fit is not to be trusted.", "bad"), Listing(verdict.reasons)]
    if remarks:
        shown = Listing(remarks[:MOST_REMARKS])
        blocks += [DOUBTS, shown]
    if len(remarks) > MOST_REMARKS:
        more = plural(len(remarks) - MOST_REMARKS, "more remark")
        blocks.append(Text(f"{more} below, with what the answer depends on.", "note"))
    numbers = verdict_numbers(verdict, remarks)
    return Section("verdict", "Can it be trusted?", tuple(blocks), numbers=numbers)


def coefficients_section(fit: Fit, summary: pd.DataFrame, flops: float | None = None) -> Section:
    """Coefficients with their intervals, and what the answer depends on.

    Parameters
    ----------
    fit : Fit
        A fitted law.
    summary : DataFrame
        Of all quantities: ``fit.summary(all=True)``.
    flops : float, optional
        Compute budget in FLOP of the answer that runs move; by default that of the largest run.

    Returns
    -------
    Section
        Its numbers hold the parameters of scatter and groups too.
    """
    diagnosis = diagnose(fit)
    # Without the parameters of scatter and groups.
    shown = summary.loc[fit.summary().index]
    doubts = (
        *fit.warnings[MOST_REMARKS:],
        *(
            f"{finding.sentence} (Threshold {finding.threshold:.3g}: {finding.reason}.)"
            for finding in diagnosis.findings
        ),
    )
    blocks: list[Block] = [
        summary_block(shown, "Coefficients and what follows from them, with intervals"),
        Text("What the answer depends on:"),
        Listing(doubts or ("No finding passes its threshold.",)),
    ]
    if fit.structure.by is None or fit.structure.own_groups:
        blocks.append(_influence_table(influential_runs(fit, flops, top=5)))
    lower, upper = interval_names()
    columns = summary.rename(columns={lower: "lower", upper: "upper"})
    numbers = {
        "summary": {
            str(name): {str(column): finite(value) for column, value in row.items()}
            for name, row in columns.iterrows()
        },
        "findings": [asdict(finding) for finding in diagnosis.findings],
    }
    return Section("coefficients", "Coefficients", tuple(blocks), numbers=numbers)


def _influence_table(runs: pd.DataFrame) -> Table:
    """The most influential runs, by row."""
    columns = [str(name) for name in runs if name not in (BY_SD, BY_PERCENT)]
    rows = tuple(
        (
            f"row {row}",
            *(x if isinstance(x, str) else power_of_ten(float(x)) for x in values),
            f"{runs.loc[row, BY_SD]:+.2f}",
            f"{runs.loc[row, BY_PERCENT]:+.1f}",
        )
        for row, values in zip(runs.index, runs[columns].to_numpy(), strict=True)
    )
    caption = f"Runs that move {runs.attrs['answer']} most when left out (to first order)"
    return Table(caption, ("run", *columns, "change in sd of the model", "in percent"), rows)
