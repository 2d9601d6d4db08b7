"""The shell: fit, optimum, diagnose, report, audit, laws, datasets.

Answers go to standard output, as text or with ``--json`` for machines; progress, warnings and
refusals go to standard error. Exit status: 0 good, 1 the user's or the table's fault, 3 fitted but
not to be trusted.

Nothing here loads PyMC before a command needs it.
"""

import os
import sys
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from bayescale.cli.fits import (
    FAULT,
    GOOD,
    compare_with_others,
    fit_table,
    is_saved_fit,
    load_fit,
    status_of,
)
from bayescale.cli.lines import print_complaint, print_text
from bayescale.cli.options import (
    DEFAULT_LAW,
    DEFAULT_TABLE,
    At,
    Budgets,
    Chains,
    Columns,
    Draws,
    Groups,
    Json,
    LawName,
    LikelihoodName,
    Pool,
    Priors,
    Seed,
    Table,
    TableOrFit,
    Where,
    read_columns,
    read_extra_inputs,
)
from bayescale.cli.report_commands import audit, report
from bayescale.errors import BayescaleError, DataError

app = typer.Typer(
    name="bayescale",
    help="Fit neural scaling laws to training runs, with intervals that hold up.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def main() -> None:
    """Run a command of the shell, with every refusal in one line."""
    # Matrices here are small: a second thread would only wait for the first.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    warnings.showwarning = print_complaint  # those of libraries may quote the table
    command = typer.main.get_command(app)
    try:
        status = command(standalone_mode=False)
    except BayescaleError as error:
        status = _refuse(str(error))
    except BrokenPipeError:
        sys.stderr.close()
        status = GOOD
    except Exception as error:
        # Usage errors are click's own; which class that is depends on how typer carries it.
        if not hasattr(error, "format_message"):
            raise
        status = _refuse(f"{error.format_message().rstrip('.')}. See bayescale --help.")
    sys.exit(status)


def _refuse(message: str) -> int:
    print_complaint(message)
    return FAULT


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"bayescale {version('bayescale')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Read the options that come before a command."""


@app.command()
def fit(
    table: Table = DEFAULT_TABLE,
    law: LawName = None,
    likelihood: LikelihoodName = None,
    priors: Priors = None,
    columns: Columns = None,
    where: Where = None,
    groups: Groups = None,
    pool: Pool = None,
    flops: Budgets = None,
    at: At = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also print parameters of scatter and groups.")
    ] = False,
    draws: Draws = 1000,
    chains: Chains = 4,
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option(help="Save the fit; the name ends in .nc.")] = None,
    as_json: Json = False,
) -> int:
    """Fit a law to a table of runs and print the answer."""
    from bayescale.cli import printing
    from bayescale.fitting.tree_files import check_target
    from bayescale.models import law_named
    from bayescale.posterior.optimum import check_budgets

    # All that can be refused is refused before the work, not after it.
    chosen, inputs = law_named(law or DEFAULT_LAW), read_extra_inputs(at)
    if out is not None:
        check_target(out)
    if as_json and (flops or inputs):
        raise DataError(
            f"{'--flops' if flops else '--at'} was given with --json; expected one of them, since "
            "the JSON of a fit holds no optimum. Save the fit with --out and ask bayescale optimum."
        )
    if flops or inputs:
        check_budgets(chosen, flops or [1.0], inputs)
    fitted = fit_table(
        table,
        chosen,
        likelihood=likelihood,
        priors=priors,
        columns=read_columns(columns),
        where=where,
        groups=groups,
        pool=pool,
        draws=draws,
        chains=chains,
        random_seed=seed,
    )
    if out is not None:
        fitted.save(out)
    if as_json:
        printing.print_json(printing.fit_json(fitted, table))
    else:
        document = fitted.document(title=f"{table}:", flops=flops, at=inputs, all=everything)
        printing.print_document(document)
    return status_of(fitted)


@app.command()
def optimum(
    saved: Annotated[Path, typer.Argument(help="A fit saved with bayescale fit --out.")],
    flops: Budgets = None,
    at: At = None,
    cost: Annotated[
        str, typer.Option(help="6ND, serving:tokens_served=..., transformer:vocab=...,context=...")
    ] = "6ND",
    as_json: Json = False,
) -> int:
    """Print how to spend compute budgets, from a saved fit."""
    if not flops:
        raise DataError("no compute budget given; expected --flops, e.g. --flops 1e24. Add one.")
    from bayescale.cli import printing
    from bayescale.documents.document import Document
    from bayescale.fitting.answer import budget_section
    from bayescale.fitting.load import load
    from bayescale.spec.compute import cost_named

    fitted = load(saved)
    best = fitted.optimum(flops, at=read_extra_inputs(at), cost=cost_named(cost))
    section = budget_section(fitted.fitted_draws, best)
    if as_json:
        known = {name: section.numbers.get(name) for name in ("cost", "at", "budgets")}
        given = {name: value for name, value in known.items() if value is not None}
        printing.print_json({"law": fitted.law.name} | given)
    else:
        printing.print_document(Document("", "", (section,)))
    return status_of(fitted)


@app.command()
def diagnose(
    source: TableOrFit = DEFAULT_TABLE,
    law: LawName = None,
    likelihood: LikelihoodName = None,
    priors: Priors = None,
    columns: Columns = None,
    where: Where = None,
    groups: Groups = None,
    pool: Pool = None,
    draws: Draws = 1000,
    chains: Chains = 4,
    seed: Seed = 0,
    others: Annotated[
        bool,
        typer.Option(
            "--others", help="Which law of the same inputs predicts larger runs best; a minute."
        ),
    ] = False,
    as_json: Json = False,
) -> int:
    """Print what is doubtful about a fit, and why."""
    from bayescale.cli import printing
    from bayescale.diagnostics.diagnose import diagnose as diagnose_fit
    from bayescale.models import law_named

    if is_saved_fit(source):
        fitted = load_fit(source, law)
    else:
        fitted = fit_table(
            source,
            law_named(law or DEFAULT_LAW),
            likelihood=likelihood,
            priors=priors,
            columns=read_columns(columns),
            where=where,
            groups=groups,
            pool=pool,
            draws=draws,
            chains=chains,
            random_seed=seed,
        )
    diagnosis = diagnose_fit(fitted)
    compared = compare_with_others(fitted) if others else None
    if as_json:
        printing.print_json(
            {
                "law": fitted.law.name,
                "warnings": list(fitted.warnings),
                "findings": [asdict(finding) for finding in diagnosis.findings],
            }
            | ({} if compared is None else {"laws": compared.table.to_dict("index")})
        )
    else:
        printing.print_document(diagnosis.document())
        if compared is not None:
            printing.print_document(compared.document())
    return status_of(fitted)


app.command()(report)
app.command()(audit)


@app.command()
def laws(
    name: Annotated[str | None, typer.Argument(help="The law to describe in full.")] = None,
) -> int:
    """List the laws, or describe one."""
    from bayescale.cli import printing
    from bayescale.documents.document import Table
    from bayescale.models import LAWS, law_named

    if name is None:
        rows = tuple((law.name, law.title) for law in LAWS.values())
        document = printing.table_document(Table("", ("law", "what it describes"), rows))
    else:
        document = printing.law_document(law_named(name))
    printing.print_document(document)
    return GOOD


@app.command()
def datasets(
    name: Annotated[str | None, typer.Argument(help="The dataset to describe in full.")] = None,
    as_json: Json = False,
) -> int:
    """List the datasets, or describe one."""
    from bayescale import datasets as registry
    from bayescale.cli import printing
    from bayescale.documents.document import Table

    if as_json and name is not None:
        printing.print_json(asdict(registry.card(name)))
    elif name is not None:
        print_text(str(registry.card(name)))
    elif as_json:
        entries = registry.catalogue().to_dict("records")
        printing.print_json(
            [entry | {"laws": list(registry.card(entry["name"]).laws)} for entry in entries]
        )
    else:
        # Without the columns that would make the table too wide.
        header = ("name", "rows", "kind", "licence", "title")
        cells = registry.catalogue()[[*header]].astype("str").to_numpy()
        rows = tuple(map(tuple, cells.tolist()))
        printing.print_document(printing.table_document(Table("", header, rows)))
    return GOOD
