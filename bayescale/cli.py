"""The shell: fit, optimum, laws, datasets.

Answers go to standard output, as tables or with ``--json`` for machines; progress, warnings and
complaints go to standard error. Exit status: 0 good, 1 the user's or the table's fault, 3 fitted
but not to be trusted.

Nothing here loads PyMC before a command needs it.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bayescale.errors import BayescaleError, DataError

if TYPE_CHECKING:
    import pandas as pd

    from bayescale.fitting import Fit
    from bayescale.law import Law

GOOD, FAULT, UNTRUSTED = 0, 1, 3
DEFAULT_TABLE = "pocket"

app = typer.Typer(
    name="bayescale",
    help="Fit neural scaling laws to training runs, with intervals that hold up.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
Budgets = Annotated[
    list[float] | None, typer.Option("--flops", help="Compute budget in FLOP; may be repeated.")
]


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
    table: Annotated[
        str, typer.Argument(help="A file of runs (CSV, TSV, JSON, Parquet) or a dataset's name.")
    ] = DEFAULT_TABLE,
    law: Annotated[str, typer.Option(help="Which law; see bayescale laws.")] = "coupled",
    likelihood: Annotated[
        str | None, typer.Option(help="variance_function, student_t or normal.")
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option("--column", help="Name a column: params='Model Size'. May be repeated."),
    ] = None,
    by: Annotated[str | None, typer.Option(help="Column that groups the runs.")] = None,
    pool: Annotated[
        str | None, typer.Option(help="With --by: shared, separate or partial.")
    ] = None,
    flops: Budgets = None,
    draws: Annotated[int, typer.Option(help="Draws a chain.")] = 1000,
    chains: Annotated[int, typer.Option(help="Chains.")] = 4,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Save the fit: .zarr or .nc.")] = None,
    as_json: Json = False,
) -> int:
    """Fit a law to a table of runs and print the answer."""
    from bayescale import fitting, storage
    from bayescale.likelihood import likelihood_named
    from bayescale.models import law_named

    chosen = law_named(law)
    # All that can be refused is refused before the work, not after it.
    factory = None if likelihood is None else likelihood_named(likelihood)
    if out is not None:
        storage.check_target(out)
    if flops:
        _check_budgets(chosen, flops, as_json)
    runs = _runs(table, _named(columns or []), chosen.inputs, chosen.response)
    with _progress(chains) as progress:
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
    _print(fitted, table, flops, as_json)
    return _status(fitted)


@app.command()
def optimum(
    saved: Annotated[Path, typer.Argument(help="A fit saved with bayescale fit --out.")],
    flops: Budgets = None,
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
    found = fitted.optimum(flops, cost=cost_named(cost))
    if as_json:
        print(json.dumps(printing.optimum_json(fitted, found), allow_nan=False))
    else:
        printing.print_optimum(fitted, found)
    return _status(fitted)


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


def _check_budgets(law: "Law", flops: list[float], as_json: bool) -> None:
    from bayescale.allocation import checked_budgets

    if as_json:
        raise DataError(
            "--flops stands beside --json; expected one of them, since the JSON of a fit holds no "
            "optimum. Save the fit with --out and ask bayescale optimum."
        )
    checked_budgets(law, flops)


def _named(pairs: list[str]) -> dict[str, str]:
    named: dict[str, str] = {}
    for pair in pairs:
        ours, equals, theirs = pair.partition("=")
        if not (ours and equals and theirs) or ours in named:
            raise DataError(
                f"--column got {pair!r}{' again' * (ours in named)}; expected OURS=THEIRS once a "
                "column, for example params='Model Size'. Write it with one equals sign and a "
                "name on either side."
            )
        named[ours] = theirs
    return named


def _runs(
    table: str, columns: dict[str, str], inputs: tuple[str, ...], response: str
) -> "pd.DataFrame":
    """Read a file of that name; without one, the dataset of that name."""
    from bayescale import datasets as registry
    from bayescale.runs import read_runs

    # os.path takes any text for a path; Path.exists does not.
    is_file = os.path.exists(table) or Path(table).suffix or len(Path(table).parts) > 1
    source: Any = table if is_file else registry.load(table)
    return read_runs(source, columns=columns, inputs=inputs, response=response)


@contextmanager
def _progress(chains: int) -> Iterator[Callable[[list[Any]], None]]:
    """Show on standard error how far the chains are."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("compiling", total=None)

        def update(states: list[Any]) -> None:
            diverging = sum(state.divergences for state in states)
            said = f"sampling {chains} chains" + (f", {diverging} divergences" if diverging else "")
            bar.update(
                task,
                description=said,
                total=sum(state.total_draws for state in states),
                completed=sum(state.finished_draws for state in states),
            )

        yield update


def _print(fitted: "Fit", table: str, flops: list[float] | None, as_json: bool) -> None:
    from bayescale import printing

    if as_json:
        print(json.dumps(printing.fit_json(fitted, table), allow_nan=False))
    else:
        printing.print_fit(fitted, table, flops)


def _status(fitted: "Fit") -> int:
    if fitted.verdict.trusted:
        return GOOD
    print(f"bayescale: {' '.join(str(fitted.verdict).split())}", file=sys.stderr)
    return UNTRUSTED
