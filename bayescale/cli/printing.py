"""What commands of the shell print: documents for people, JSON with stable keys for machines."""

import inspect
import json
import re
import shutil
import sys
from typing import Any

from bayescale.cli.lines import print_text
from bayescale.documents.document import Block, Code, Document, Section, Table
from bayescale.documents.text import to_text
from bayescale.fitting.record import Fit
from bayescale.posterior.summary import interval_kind, interval_names
from bayescale.spec.law import Law
from bayescale.wording import finite


def print_document(document: Document) -> None:
    """Print a document as text, as wide as the terminal; 160 characters where there is none."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 160
    print_text(to_text(document, width))


def print_json(value: Any) -> None:
    """Print a value as JSON on one line."""
    print(json.dumps(value, allow_nan=False))


def table_document(*tables: Table, title: str = "") -> Document:
    """A document of tables."""
    return Document(title, "", (Section("tables", "", tables),))


def law_document(law: Law) -> Document:
    """A law's own page, the priors of its parameters, and what was published about it."""
    page = inspect.getdoc(inspect.getmodule(law.coefficients)) or law.reference
    # Without the marks that only a documentation builder reads.
    page = re.sub(r"(?::\w+:)?`+([^`]*)`+", r"\1", page).replace(".. math::", "   ")
    priors = tuple((name, repr(prior)) for name, prior in law.priors.items())
    claims = tuple(
        (
            claim.label,
            ", ".join(f"{name} {value:g}" for name, value in claim.values.items()),
            claim.reference,
        )
        for claim in law.claims
    )
    blocks: list[Block] = [Code(page), Table("", ("parameter", "prior"), priors)]
    if claims:
        blocks.append(Table("", ("published by", "values", "where"), claims))
    return Document(f"{law.name}: {law.title}", "", (Section("law", law.name, tuple(blocks)),))


def fit_json(fit: Fit, table: str) -> dict[str, Any]:
    """A fit as ``bayescale fit --json`` prints it."""
    kind, mass = interval_kind()
    lower, upper = interval_names()
    summary = fit.summary(all=True).rename(columns={lower: "lower", upper: "upper"})
    columns = ("mean", "sd", "lower", "upper", "widened", "ess_bulk", "r_hat")
    return {
        "law": fit.law.name,
        "table": table,
        "runs": len(fit.runs),
        "verdict": {"trusted": fit.verdict.trusted, "reasons": list(fit.verdict.reasons)},
        "warnings": list(fit.warnings),
        "summary": {
            str(name): {column: finite(row[column]) for column in columns}
            for name, row in summary.iterrows()
        },
        "interval": {"kind": kind, "mass": mass},
        "elpd_loo": finite(fit.loo.attrs["elpd"]),
        "seconds": fit.seconds,
    }
