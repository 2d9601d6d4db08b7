"""The shell's reports: of a fit, and of published claims held against runs."""

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bayescale.errors import DataError
from bayescale.shell import (
    DEFAULT_TABLE,
    Budgets,
    Chains,
    Columns,
    Draws,
    Json,
    Seed,
    columns_named,
    showing,
    status_of,
    table_of,
)

if TYPE_CHECKING:
    from bayescale.claims import Claim
    from bayescale.fitting import Fit

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
    flops: Budgets = None,
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

    chosen = law_named(law or "coupled")
    check_target(out, form)
    if Path(source).suffix in SAVED:
        fitted, table = _loaded(source, law), ""
    else:
        fitted, table = _fitted(source, chosen.name, columns, draws, chains, seed), source
    made = report_of(fitted, flops=flops, table=table, command=_command())
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
    table: str, law: str, columns: list[str] | None, draws: int, chains: int, seed: int
) -> "Fit":
    from bayescale import fitting
    from bayescale.models import law_named

    chosen = law_named(law)
    runs = table_of(table, columns_named(columns or []), chosen.inputs, chosen.response)
    with showing(chains) as progress:
        return fitting.fit(
            chosen, runs, draws=draws, chains=chains, random_seed=seed, progress=progress
        )


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
    draws: Draws = 1000,
    chains: Chains = 4,
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option(help="Write a page: .html, .md or .json.")] = None,
    form: Form = None,
    figures: Figures = None,
    as_json: Json = False,
) -> int:
    """Hold published estimates against the runs behind them."""
    from bayescale import auditing
    from bayescale.reporting import report as report_of
    from bayescale.reporting.writing import check_target

    if out is not None:
        check_target(out, form)
    elif form or figures:
        raise DataError("--format or --figures stands without --out; expected a file. Add --out.")
    about, chosen = _claims(claims, law)
    fitted = _fitted(table, about, columns, draws, chains, seed)
    found = auditing.audit(
        chosen,
        fitted,
        law=fitted.law,
        multiverse=choices or None,
        draws=draws,
        chains=chains,
        random_seed=seed,
    )
    made = report_of(found, table=table, command=_command())
    if out is not None:
        made.save(out, form=form, figures=figures)
    print(json.dumps(made.json(), allow_nan=False) if as_json else out or found)
    return status_of(fitted)


def _claims(claims: str, law: str | None) -> tuple[str, tuple["Claim", ...]]:
    """Name of the law, and claims of a file or of the catalogue."""
    from bayescale.claimfiles import read_claims
    from bayescale.models import LAWS, law_named

    if claims not in LAWS and Path(claims).suffix:
        return law_named(law or "chinchilla").name, read_claims(claims)
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
    return claims, chosen.claims_about()
