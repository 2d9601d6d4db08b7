"""What the shell prints: tables for people, JSON with stable keys for machines."""

import inspect
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import xarray as xr
from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from bayescale import datasets
from bayescale.diagnosis import HONEST, interval, interval_kind, interval_names
from bayescale.display import heading, printed, remarks
from bayescale.draws import SAMPLE_DIMS
from bayescale.extrapolation import drift_share
from bayescale.fitting import Fit
from bayescale.law import Law

JSON_COLUMNS = ("mean", "sd", "lower", "upper", "honesty", "ess_bulk", "r_hat")
QUANTITIES = {
    "N_opt": "N_opt",
    "D_opt": "D_opt",
    "tokens_per_param": "tokens_per_param",
    "loss": "L_opt",
}
BEYOND = 0.05
"""Decades from which a budget is said to lie beyond the runs: they are printed to one place."""
PAST_RUNS = (1.0, 10.0, 100.0)
"""Without budgets, the optimum is shown at these multiples of the largest run's compute."""


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
            str(name): {column: _finite(row[column]) for column in JSON_COLUMNS}
            for name, row in rows.iterrows()
        },
        "interval": {"kind": kind, "mass": mass},
        "elpd_loo": _finite(fit.loo.attrs["elpd"]),
        "seconds": fit.seconds,
    }


def optimum_json(fit: Fit, optimum: xr.Dataset) -> dict[str, Any]:
    """An optimum as the shell's ``--json`` prints it; with one more key, ``group``, by groups."""
    budgets = [
        {**({"group": labels[0]} if labels else {}), **_budget(one)}
        for labels, one in _split(optimum)
    ]
    return {"law": fit.law.name, "cost": optimum.attrs["cost"], "budgets": budgets}


def _budget(one: xr.Dataset) -> dict[str, Any]:
    described = {}
    for key, name in QUANTITIES.items():
        lower, upper = interval(one[name])
        described[key] = {
            "mean": _finite(one[name].mean()),
            "median": _finite(one[name].median()),
            "lower": _finite(lower),
            "upper": _finite(upper),
        }
    beyond = _finite(one["decades_beyond_runs"])
    return {"flops": float(one["budget"]), **described, "decades_beyond_runs": beyond}


def _finite(value: Any) -> float | None:
    """A number that JSON can hold."""
    return float(value) if np.isfinite(value) else None


def print_fit(fit: Fit, table: str, flops: Sequence[float] | None) -> None:
    """Print a fit, and the optimum at some budgets where the law has one."""
    optimum = None  # found before anything is printed, since it may be refused
    if {"params", "tokens"} <= set(fit.law.inputs):
        optimum = fit.optimum(flops or np.multiply(PAST_RUNS, _largest(fit)))
    console = _console()
    for line in (f"{table}:", *heading(fit)):
        console.print(line)
    shown = printed(fit.summary())
    print_rows(("", *shown.columns), [(str(name), *row) for name, *row in shown.itertuples()])
    if optimum is not None:
        print_optimum(fit, optimum)
    # How narrow intervals are is among the remarks.
    found = (each for each in fit.diagnose().findings if each.name != "honesty")
    for line in (*remarks(fit), *(f"! {each.sentence}" for each in found)):
        console.print(line)


def _largest(fit: Fit) -> float:
    """Compute of the largest run, to two digits."""
    from bayescale.flops import SIX_ND

    return float(f"{SIX_ND.flops(fit.runs['params'], fit.runs['tokens']).max():.1e}")


def print_optimum(fit: Fit, optimum: xr.Dataset) -> None:
    """Print the median and the honest interval of the best split of each budget."""
    kind, mass = interval_kind()
    console = _console()
    console.print(
        f"\nBest use of compute ({optimum.attrs['cost']}): median and {mass:.0%} {kind.upper()}"
    )
    parts = list(_split(optimum))
    rows = [(*labels, *_optimum_row(fit, one)) for labels, one in parts]
    groups = ("group",) if parts[0][0] else ()
    print_rows((*groups, "FLOP", *QUANTITIES, "decades beyond the runs"), rows)
    if any("*" in cell for row in rows for cell in row):
        console.print(f"* widened to what resampling would give (honesty above {HONEST})")
    if bool((optimum["decades_beyond_runs"] > BEYOND).any()):
        console.print(f"Beyond the runs, how wrong laws are there makes {_shares(fit, optimum)}.")


def _shares(fit: Fit, optimum: xr.Dataset) -> str:
    """Drift in the variance of log N_opt, at every budget beyond the runs, on average of groups."""
    share = drift_share(fit.extrapolation, optimum)
    mean = share.mean({*share.dims} - {"budget"})
    beyond = mean.isel(budget=np.flatnonzero(optimum["decades_beyond_runs"] > BEYOND))
    each = ", ".join(f"{float(one):.0%} (at {float(one['budget']):.3g})" for one in beyond)
    return f"{each} of the variance of log N_opt"


def _split(optimum: xr.Dataset) -> Iterator[tuple[tuple[str, ...], xr.Dataset]]:
    """Each group's label, if there are groups, with its optimum at each budget."""
    groups = [str(dim) for dim in optimum.dims if dim not in (*SAMPLE_DIMS, "budget")]
    for k in range(optimum.sizes["budget"]):
        one = optimum.isel(budget=k)
        if not groups:
            yield (), one
        for name in one[groups[0]].to_numpy() if groups else ():
            yield (str(name),), one.sel({groups[0]: name}, drop=True)


def _optimum_row(fit: Fit, one: xr.Dataset) -> list[str]:
    table = fit.summary(one[list(QUANTITIES.values())])
    cells = [_between(float(one[name].median()), table.loc[name]) for name in QUANTITIES.values()]
    beyond = float(one["decades_beyond_runs"])
    return [f"{float(one['budget']):.3g}", *cells, f"{beyond:.1f}"]


def _between(median: float, row: Any) -> str:
    mark = "*" if row["honesty"] > HONEST else ""
    return f"{median:.3g} ({row['honest_lb']:.3g} to {row['honest_ub']:.3g}){mark}"


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
