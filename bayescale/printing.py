"""What the shell prints: tables for people, JSON with stable keys for machines."""

import inspect
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import xarray as xr
from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from bayescale import datasets
from bayescale.budgets import (
    WIDENED,
    answers,
    best_use,
    budgets_json,
    drift_sentence,
    finite,
    given_of,
    header,
    missing_sentence,
    optimum_at,
)
from bayescale.diagnosis import interval_kind, interval_names
from bayescale.display import heading, printed, remarks
from bayescale.fitting import Fit
from bayescale.law import Law

JSON_COLUMNS = ("mean", "sd", "lower", "upper", "honesty", "ess_bulk", "r_hat")


def fit_json(fit: Fit, table: str) -> dict[str, Any]:
    """A fit as the shell's ``--json`` prints it."""
    kind, mass = interval_kind()
    lower, upper = interval_names()
    rows = fit.summary().rename(columns={lower: "lower", upper: "upper"})
    return {
        "law": fit.law.name,
        "table": table,
        "runs": len(fit.runs),
        "verdict": {"trusted": fit.verdict.trusted, "reasons": list(fit.verdict.reasons)},
        "warnings": list(fit.warnings),
        "summary": {
            str(name): {column: finite(row[column]) for column in JSON_COLUMNS}
            for name, row in rows.iterrows()
        },
        "interval": {"kind": kind, "mass": mass},
        "elpd_loo": finite(fit.loo.attrs["elpd"]),
        "seconds": fit.seconds,
    }


def optimum_json(fit: Fit, optimum: xr.Dataset) -> dict[str, Any]:
    """An optimum as the shell's ``--json`` prints it.

    By groups each budget has one more key, ``group``; and ``at`` holds the law's further inputs.
    """
    return {
        "law": fit.law.name,
        "cost": optimum.attrs["cost"],
        **({"at": given_of(optimum)} if fit.law.further else {}),
        "budgets": budgets_json(optimum),
    }


def print_fit(
    fit: Fit,
    table: str,
    flops: Sequence[float] | None,
    given: Mapping[str, Any] | None = None,
) -> None:
    """Print a fit, and the optimum at some budgets where the law has one."""
    # Found before anything is printed, since it may be refused.
    asked = fit.law.has_optimum_at(given or {})
    optimum = optimum_at(fit, flops, given) if asked else None
    console = _console()
    for line in (f"{table}:", *heading(fit)):
        console.print(line)
    shown = printed(fit.summary())
    print_rows(("", *shown.columns), [(str(name), *row) for name, *row in shown.itertuples()])
    if optimum is not None:
        print_optimum(fit, optimum)
    elif fit.law.allocates:
        console.print(missing_sentence(fit.law))
    # How narrow intervals are is among the remarks.
    found = (each for each in fit.diagnose().findings if each.name != "honesty")
    for line in (*remarks(fit), *(f"! {each.sentence}" for each in found)):
        console.print(line)


def print_optimum(fit: Fit, optimum: xr.Dataset) -> None:
    """Print the median and the honest interval of the best split of each budget."""
    kind, mass = interval_kind()
    console = _console()
    console.print(f"\n{best_use(optimum)}: median and {mass:.0%} {kind.upper()}")
    found = answers(fit, optimum)
    print_rows(header(found), [each.row() for each in found])
    if any(one.widened for each in found for one in each.estimates.values()):
        console.print(f"* {WIDENED}")
    if drift := drift_sentence(fit, optimum):
        console.print(drift)


def print_rows(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a plain table; the first column to the left, numbers to the right.

    What is too wide for the terminal is broken at spaces, or runs over its edge: nothing is cut.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name, *cells in zip(header, *rows, strict=True):
        numeric = all(cell[:1] in "-0123456789" for cell in cells)
        table.add_column(
            name,
            justify="right" if numeric else "left",
            no_wrap=not any(" " in cell for cell in (name, *cells)),
            overflow="fold",
        )
    for row in rows:
        table.add_row(*row)
    console = _console()
    wide = console.options.update_width(1000)
    console.width = max(console.width, Measurement.get(console, wide, table).minimum)
    console.print(table)


def datasets_json(name: str | None) -> list[dict[str, Any]] | dict[str, Any]:
    """The catalogue, or one card, as the shell's ``--json`` prints it."""
    if name is not None:
        return asdict(datasets.card(name))
    table = datasets.catalogue()
    table["laws"] = [list(datasets.card(name).laws) for name in table["name"]]
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


def print_datasets() -> None:
    """Print the catalogue, without what would make it too wide."""
    header = ["name", "rows", "kind", "licence", "title"]
    print_rows(header, datasets.catalogue()[header].astype("str").to_numpy().tolist())


def print_law(law: Law) -> None:
    """Print what a law says, what it samples and what was published about it."""
    console = _console()
    console.print(f"{law.name}: {law.title}\n\n{_prose(law)}")
    print_rows(("parameter", "prior"), [(n, repr(prior)) for n, prior in law.priors.items()])
    claims = [
        (claim.label, ", ".join(f"{k} {v:g}" for k, v in claim.values.items()), claim.reference)
        for claim in law.claims
    ]
    if claims:
        print_rows(("published by", "values", "where"), claims)


def _prose(law: Law) -> str:
    """The law's own page, without the marks that only a documentation builder reads."""
    page = inspect.getdoc(inspect.getmodule(law.coefficients)) or law.reference
    return re.sub(r"(?::\w+:)?`+([^`]*)`+", r"\1", page).replace(".. math::", "   ")


def _console() -> Console:
    """Standard output, taking text as it is; when it is no terminal, wide enough for tables."""
    width = None if sys.stdout.isatty() else 160
    return Console(width=width, markup=False, emoji=False, highlight=False)
