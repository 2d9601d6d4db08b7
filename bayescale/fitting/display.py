"""A fit as a short document: the answer first, then whether to trust it, then the coefficients."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import xarray as xr

from bayescale.documents.document import Block, Document, Listing, Section, Table, Text
from bayescale.fitting.answer import FittedDraws, answer_sections
from bayescale.posterior.convergence import Verdict
from bayescale.posterior.draws import Draws
from bayescale.posterior.summary import interval_kind, interval_names
from bayescale.runs.read import describe_runs
from bayescale.wording import plural, significant

MOST_REMARKS = 3

DOUBTS = Text("Doubtful, but no reason against the draws:")
"""Stands before remarks where reasons, or a verdict in other words, precede them."""


def fit_document(
    fitted: FittedDraws,
    summary: pd.DataFrame,
    remarks: Sequence[str],
    drawn: str = "",
    *,
    title: str = "",
    flops: Sequence[float] | None = None,
    at: Mapping[str, Any] | None = None,
) -> Document:
    """Document of a fit, as it is printed.

    Parameters
    ----------
    fitted : FittedDraws
        Of the fitted law.
    summary : DataFrame
        Table of the quantities to show, from `bayescale.posterior.summary.summary_table`.
    remarks : sequence of str
        Doubts, the most important first. At most three are shown.
    drawn : str
        How the draws were made.
    title : str
        Printed above the document.
    flops, at
        Budgets and extra inputs, as for `bayescale.fitting.answer.answer_sections`.

    Returns
    -------
    Document
        Sections ``answer``, ``budgets``, ``verdict`` and ``coefficients``.
    """
    reasons = fitted.verdict.reasons
    verdict: list[Block] = [
        Text("Verdict: NOT TO BE TRUSTED.", "bad") if reasons else Text("Verdict: trusted.", "good")
    ]
    if reasons:
        verdict.append(Listing(reasons))
    if remarks:
        if reasons:
            verdict.append(DOUBTS)
        verdict.append(Listing(tuple(remarks[:MOST_REMARKS])))
    if len(remarks) > MOST_REMARKS:
        more = plural(len(remarks) - MOST_REMARKS, "more remark")
        verdict.append(Text(f"{more}: bayescale.diagnose, or bayescale diagnose.", "note"))
    about = Text(" ".join([*(f"{part}." for part in describe_fit(fitted.draws)), drawn]).strip())
    sections = (
        *answer_sections(fitted, flops, at),
        Section("verdict", "Verdict", tuple(verdict)),
        Section("coefficients", "Coefficients", (about, summary_block(summary))),
    )
    return Document(title, "", sections)


def how_drawn(tree: xr.DataTree) -> str:
    """How the draws of a fit were made, in a sentence or two.

    Parameters
    ----------
    tree : DataTree
        Of the fit.
    """
    attrs, sizes = tree.attrs, tree["posterior"].sizes
    stats, library = tree["sample_stats"].attrs, tree["posterior"].attrs["inference_library"]
    chains = f"{sizes['chain']} chains of {sizes['draw']} draws"
    thin = int(attrs["thin"])
    thinned = "" if thin == 1 else f", every {thin}th of {thin * sizes['draw']},"
    if attrs["sampler"] == "importance":
        return (
            f"{chains}{thinned} by importance sampling ({stats['evaluations']:,} evaluations of "
            f"the density, Pareto k of the proposal {stats['pareto_k']:.2f})."
        )
    sentence = (
        f"{chains}{thinned} by NUTS ({library}) after {attrs['tune']} to tune, target acceptance "
        f"{attrs['target_accept']:g}."
    )
    reason = attrs["sampler_reason"]
    return f"{sentence} Importance sampling was not used: {reason}." if reason else sentence


def verdict_numbers(verdict: Verdict, remarks: Sequence[str]) -> dict[str, Any]:
    """A verdict with its reasons and all remarks, for JSON."""
    reasons = list(verdict.reasons)
    return {"trusted": verdict.trusted, "reasons": reasons, "warnings": list(remarks)}


def describe_fit(draws: Draws) -> tuple[str, str, str]:
    """Law, runs, and likelihood with the kind of the intervals."""
    kind, mass = interval_kind()
    law = draws.law
    priors = "" if law.plain is None else ", with priors of public studies"
    return (
        f"{law.title} ({law.name}{priors})",
        describe_runs(draws.runs, inputs=law.inputs, response=law.response),
        f"{draws.structure.likelihood.title}; {mass:.0%} {kind.upper()} intervals",
    )


def summary_block(summary: pd.DataFrame, caption: str = "") -> Table:
    """A summary as a table of text: numbers to the second digit of their uncertainty.

    Parameters
    ----------
    summary : DataFrame
        From `bayescale.posterior.summary.summary_table`.
    caption : str
        Of the table.

    Returns
    -------
    Table
    """
    lower, upper = interval_names()
    columns = {
        name: [*map(significant, summary[name], summary["sd"])]
        for name in ("mean", "sd", lower, upper)
    }
    for name, digits in (("widened", 2), ("ess_bulk", 0), ("ess_tail", 0), ("r_hat", 3)):
        if name in summary:
            columns[name] = [f"{value:.{digits}f}" for value in summary[name]]
    rows = zip(map(str, summary.index), *columns.values(), strict=True)
    return Table(caption, ("", *columns), tuple(rows))
