"""The shell: fit, optimum, report, audit, laws, datasets.

Answers go to standard output, as tables or with ``--json`` for machines; progress, warnings and
complaints go to standard error. Exit status: 0 good, 1 the user's or the table's fault, 3 fitted
but not to be trusted.

Nothing here loads PyMC before a command needs it.
"""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bayescale.cli_reports import audit, report
from bayescale.errors import BayescaleError, DataError
from bayescale.shell import (
    DEFAULT_TABLE,
    FAULT,
    GOOD,
    Budgets,
    Chains,
    Columns,
    Draws,
    Given,
    Json,
    Seed,
    Table,
    Where,
    check_optimum,
    columns_named,
    given_as,
    showing,
    status_of,
    table_of,
)

if TYPE_CHECKING:
    from bayescale.law import Law

app = typer.Typer(
    name="bayescale",
    help="Fit neural scaling laws to training runs, with intervals that hold up.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def main() -> None:
    """Run the shell command, with every complaint in one line."""
    command = typer.main.get_command(app)
    try:
        status = command(standalone_mode=False)
    except BayescaleError as error:
        status = _complain(str(error))
    except BrokenPipeError:
        sys.stderr.close()
        status = GOOD
    except Exception as error:
        # Usage errors are click's own; which class that is depends on how typer carries it.
        if not hasattr(error, "format_message"):
            raise
        status = _complain(f"{error.format_message().rstrip('.')}. See bayescale --help.")
    sys.exit(status)


def _complain(message: str) -> int:
    print("bayescale: " + " ".join(message.split()), file=sys.stderr)
    return FAULT


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"bayescale {version('bayescale')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take the options that come before a command."""


@app.command()
def fit(
    table: Table = DEFAULT_TABLE,
    law: Annotated[str, typer.Option(help="Which law; see bayescale laws.")] = "coupled",
    likelihood: Annotated[
        str | None,
        typer.Option(
            help="variance_function, student_t, normal; beta, beta_binomial; "
            "autoregressive:by=COLUMN,order=COLUMN; with_errors:errors=COLUMN."
        ),
    ] = None,
    columns: Columns = None,
    where: Where = None,
    by: Annotated[str | None, typer.Option(help="Column that groups the runs.")] = None,
    pool: Annotated[
        str | None, typer.Option(help="With --by: shared, separate or partial.")
    ] = None,
    flops: Budgets = None,
    at: Given = None,
    draws: Draws = 1000,
    chains: Chains = 4,
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option(help="Save the fit: .zarr or .nc.")] = None,
    as_json: Json = False,
) -> int:
    """Fit a law to a table of runs and print the answer."""
    from bayescale import fitting, printing, storage
    from bayescale.likelihoods import likelihood_named
    from bayescale.models import law_named

    chosen, given = law_named(law), given_as(at)
    # All that can be refused is refused before the work, not after it.
    factory = None if likelihood is None else likelihood_named(likelihood)
    if out is not None:
        storage.check_target(out)
    if flops or given:
        _check_budgets(chosen, flops, given, as_json)
    runs = table_of(table, columns_named(columns or []), chosen, where)
    with showing(chains) as progress:
        fitted = fitting.fit(
            chosen,
            runs,
            likelihood=factory,
            by=by,
            pool=pool,
            draws=draws,
            chains=chains,
            random_seed=seed,
            progress=progress,
        )
    if out is not None:
        fitted.save(out)
    if as_json:
        print(json.dumps(printing.fit_json(fitted, table), allow_nan=False))
    else:
        printing.print_fit(fitted, table, flops, given)
    return status_of(fitted)


@app.command()
def optimum(
    saved: Annotated[Path, typer.Argument(help="A fit saved with bayescale fit --out.")],
    flops: Budgets = None,
    at: Given = None,
    cost: Annotated[
        str, typer.Option(help="6ND, serving:tokens_served=..., transformer:vocab=...,context=...")
    ] = "6ND",
    as_json: Json = False,
) -> int:
    """Print how to spend compute budgets, from a saved fit."""
    if not flops:
        raise DataError("no compute budget given; expected --flops, e.g. --flops 1e24. Add one.")
    from bayescale import printing, storage
    from bayescale.flops import cost_named

    fitted = storage.load(saved)
    found = fitted.optimum(flops, cost=cost_named(cost), **given_as(at))
    if as_json:
        print(json.dumps(printing.optimum_json(fitted, found), allow_nan=False))
    else:
        printing.print_optimum(fitted, found)
    return status_of(fitted)


app.command()(report)
app.command()(audit)


@app.command()
def laws(name: Annotated[str | None, typer.Argument(help="Say all about this one.")] = None) -> int:
    """List the laws, or describe one."""
    from bayescale import printing
    from bayescale.models import LAWS, law_named

    if name is None:
        printing.print_rows(("law", "what it says"), [(x.name, x.title) for x in LAWS.values()])
    else:
        printing.print_law(law_named(name))
    return GOOD


@app.command()
def datasets(
    name: Annotated[str | None, typer.Argument(help="Say all about this one.")] = None,
    as_json: Json = False,
) -> int:
    """List the datasets, or describe one."""
    from bayescale import datasets as registry
    from bayescale import printing

    if as_json:
        print(json.dumps(printing.datasets_json(name), allow_nan=False))
    elif name is None:
        printing.print_datasets()
    else:
        print(registry.card(name))
    return GOOD


def _check_budgets(
    law: "Law", flops: list[float] | None, given: dict[str, float], as_json: bool
) -> None:
    if as_json:
        raise DataError(
            f"{'--flops' if flops else '--at'} stands beside --json; expected one of them, since "
            "the JSON of a fit holds no optimum. Save the fit with --out and ask bayescale optimum."
        )
    check_optimum(law, flops, given)
