"""The shell's reports: of a fit, and of published claims held against runs."""

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bayescale.errors import DataError
from bayescale.shell import (
    DEFAULT_TABLE,
    GOOD,
    Budgets,
    Chains,
    Columns,
    Draws,
    Given,
    Json,
    Seed,
    Where,
    check_optimum,
    columns_named,
    given_as,
    showing,
    status_of,
    table_of,
)

if TYPE_CHECKING:
    from bayescale.auditing import Audit
    from bayescale.claims import Claim
    from bayescale.fitting import Fit
    from bayescale.law import Law

SAVED = (".zarr", ".nc")

Form = Annotated[
    str | None, typer.Option("--format", help="html, md or json; by default what --out ends in.")
]
Figures = Annotated[Path | None, typer.Option(help="Folder for every figure, as SVG and as PNG.")]


def report(
    source: Annotated[
        str,
        typer.Argument(help="A file of runs, a dataset's name, or a fit saved as .zarr or .nc."),
    ] = DEFAULT_TABLE,
    law: Annotated[str | None, typer.Option(help="Which law; coupled by default.")] = None,
    columns: Columns = None,
    where: Where = None,
    by: Annotated[str | None, typer.Option(help="Column that groups the runs.")] = None,
    flops: Budgets = None,
    at: Given = None,
    draws: Draws = 1000,
    chains: Chains = 4,
    seed: Seed = 0,
    out: Annotated[Path, typer.Option(help="Where to write it: .html, .md or .json.")] = Path(
        "report.html"
    ),
    form: Form = None,
    figures: Figures = None,
) -> int:
    """Write a page with the answer, how far to trust it, and where it comes from."""
    from bayescale.models import law_named
    from bayescale.reporting import report as report_of
    from bayescale.reporting.writing import check_target

    chosen, given = law_named(law or "coupled"), given_as(at)
    check_target(out, form)
    if Path(source).suffix in SAVED:
        fitted, table = _loaded(source, law), ""
    else:
        if given or (flops and chosen.allocates):
            check_optimum(chosen, flops, given)
        settings = {"draws": draws, "chains": chains, "random_seed": seed}
        fitted, table = _fitted(source, chosen, columns, where, by, **settings), source
    made = report_of(fitted, flops=flops, at=given, table=table, command=_command())
    made.save(out, form=form, figures=figures)
    print(out)
    return status_of(fitted)


def _command() -> str:
    return shlex.join(["bayescale", *sys.argv[1:]])


def _loaded(source: str, law: str | None) -> "Fit":
    from bayescale import storage

    fitted = storage.load(source)
    if law not in (None, fitted.law.name):
        raise DataError(
            f"--law is {law}, but {source} is a fit of {fitted.law.name}; expected no --law beside "
            "a saved fit. Leave it out, or name the table of runs."
        )
    return fitted


def _fitted(
    table: str,
    law: "Law",
    columns: list[str] | None,
    where: list[str] | None = None,
    by: str | None = None,
    *,
    chains: int,
    **settings: Any,
) -> "Fit":
    from bayescale import fitting

    runs = table_of(table, columns_named(columns or []), law, where)
    with showing(chains) as progress:
        return fitting.fit(law, runs, by=by, chains=chains, progress=progress, **settings)


def audit(
    table: Annotated[
        str, typer.Argument(help="A file of runs, or a dataset's name.")
    ] = "chinchilla",
    claims: Annotated[
        str, typer.Option(help="A law, for what was published about it; or a TOML file of claims.")
    ] = "chinchilla",
    law: Annotated[
        str | None, typer.Option(help="What the claims of a file are about; chinchilla by default.")
    ] = None,
    columns: Columns = None,
    choices: Annotated[
        bool, typer.Option("--choices", help="Fit again under other choices; takes minutes.")
    ] = False,
    every: Annotated[
        bool, typer.Option("--all", help="Every claim that stands with a law, on its own dataset.")
    ] = False,
    draws: Draws = 1000,
    chains: Chains = 4,
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option(help="Write a page: .html, .md or .json.")] = None,
    form: Form = None,
    figures: Figures = None,
    as_json: Json = False,
) -> int:
    """Hold published estimates against the runs behind them."""
    from bayescale.auditing import DEFAULT, Audit
    from bayescale.reporting import report as report_of
    from bayescale.reporting.writing import check_target

    if out is not None:
        check_target(out, form)
    elif form or figures:
        raise DataError("--format or --figures stands without --out; expected a file. Add --out.")
    settings = {"draws": draws, "chains": chains, "random_seed": seed}
    found: Audit | tuple[Audit, ...]
    found = _every(settings) if every else _audit(table, claims, law, columns, choices, settings)
    made = report_of(found, table=table, command=_command())
    if out is not None:
        made.save(out, form=form, figures=figures)
    if as_json:
        print(json.dumps(made.json(), allow_nan=False))
    else:
        print(out or _said(found))
    return GOOD if isinstance(found, tuple) else status_of(found.fits[DEFAULT])


def _said(found: "Audit | tuple[Audit, ...]") -> str:
    if not isinstance(found, tuple):
        return repr(found)
    return "\n\n".join(f"== {each.title}\n{each}" for each in found)


def _every(settings: dict[str, Any]) -> "tuple[Audit, ...]":
    from bayescale.published import audit_published

    return audit_published(progress=sys.stderr.isatty(), **settings)


def _audit(
    table: str,
    claims: str,
    law: str | None,
    columns: list[str] | None,
    choices: bool,
    settings: dict[str, Any],
) -> "Audit":
    from bayescale import auditing

    chosen, told = _claims(claims, law, table)
    # A claim may be about another column of its dataset; what the user says goes first.
    named = [f"{ours}={theirs}" for ours, theirs in told[0].columns.items()]
    given = {pair.partition("=")[0] for pair in columns or ()}
    columns = [*(columns or ()), *(p for p in named if p.partition("=")[0] not in given)]
    fitted = _fitted(table, chosen, columns, **settings)
    return auditing.audit(
        told, fitted, law=chosen, dataset=table, multiverse=choices or None, **settings
    )


def _claims(claims: str, law: str | None, table: str) -> tuple["Law", tuple["Claim", ...]]:
    """The law, and claims of a file or of the catalogue."""
    from bayescale.claimfiles import read_claims
    from bayescale.models import LAWS, law_named

    if claims not in LAWS and Path(claims).suffix:
        return law_named(law or "chinchilla"), read_claims(claims)
    chosen = law_named(claims)
    if law not in (None, claims):
        raise DataError(
            f"--law is {law} beside --claims {claims}; expected them to be the same, or a file of "
            "claims. Leave one of them out."
        )
    if not chosen.claims:
        raise DataError(
            f"nothing was published about law {claims!r}; expected a law with claims, or a file. "
            "See bayescale laws."
        )
    return chosen, chosen.claims_about(table) or chosen.claims_about()
