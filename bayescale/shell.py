"""What the shell's commands share: options, tables by name, progress, status."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bayescale.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from bayescale.fitting import Fit
    from bayescale.law import Law

GOOD, FAULT, UNTRUSTED = 0, 1, 3
DEFAULT_TABLE = "pocket"

Table = Annotated[
    str, typer.Argument(help="A file of runs (CSV, TSV, JSON, Parquet) or a dataset's name.")
]
Columns = Annotated[
    list[str] | None,
    typer.Option("--column", help="Name a column: params='Model Size'. May be repeated."),
]
Where = Annotated[
    list[str] | None,
    typer.Option("--where", help="Keep rows, by a column: task=boolq_val. May be repeated."),
]
Draws = Annotated[int, typer.Option(help="Draws a chain.")]
Chains = Annotated[int, typer.Option(help="Chains.")]
Seed = Annotated[int, typer.Option(help="Random seed.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
Budgets = Annotated[
    list[float] | None, typer.Option("--flops", help="Compute budget in FLOP; may be repeated.")
]

Given = Annotated[
    list[str] | None,
    typer.Option("--at", help="A further input of the law: unique_tokens=25e9. May be repeated."),
]


def given_as(pairs: list[str] | None) -> dict[str, Any]:
    """Further inputs of a law as ``--at NAME=NUMBER`` gives them."""
    given: dict[str, Any] = {}
    for pair in pairs or ():
        name, _, text = pair.partition("=")
        try:
            value = float(text)
        except ValueError:
            name = ""
        if not name or name in given:
            raise DataError(
                f"--at got {pair!r}{' again' * (name in given)}; expected NAME=NUMBER once an "
                "input, for example unique_tokens=25e9. Write it with one equals sign and digits."
            )
        given[name] = value
    return given


def columns_named(pairs: list[str]) -> dict[str, str]:
    """Columns as ``--column OURS=THEIRS`` names them."""
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


def table_of(
    table: str, columns: dict[str, str], law: "Law", where: list[str] | None = None
) -> "pd.DataFrame":
    """Read a file of that name as a law wants it; without one, the dataset of that name.

    Of the rows those are kept that `where` names, as ``COLUMN=VALUE``.
    """
    from bayescale import datasets as registry
    from bayescale.files import read_table
    from bayescale.runs import runs_for

    # os.path takes any text for a path; Path.exists does not.
    is_file = os.path.exists(table) or Path(table).suffix or len(Path(table).parts) > 1
    if is_file and not where:
        return runs_for(law, table, columns=columns)
    rows = read_table(table) if is_file else registry.load(table)
    for pair in where or []:
        rows = _kept(rows, pair)
    return runs_for(law, rows, columns=columns)


def _kept(rows: "pd.DataFrame", pair: str) -> "pd.DataFrame":
    """Rows in which a column is written like a value."""
    column, equals, value = pair.partition("=")
    if not equals or column not in rows:
        raise DataError(
            f"--where got {pair!r}; expected COLUMN=VALUE with one of the columns "
            f"{', '.join(map(str, rows))}. Correct the spelling."
        )
    there = rows[column].map(_written)
    if not (there == value).any():
        raise DataError(
            f"--where got {pair!r}, and no row has that; expected one of "
            f"{', '.join(there.unique()[:12])}. Correct the value."
        )
    return rows[there == value]


def _written(cell: Any) -> str:
    """A cell as a person writes it: 20 for 20.0."""
    return f"{cell:g}" if isinstance(cell, float) else str(cell)


def check_optimum(law: "Law", flops: list[float] | None, given: dict[str, float]) -> None:
    """Refuse budgets or further inputs at which the law can have no optimum."""
    from bayescale.allocation import checked_budgets

    checked_budgets(law, flops or [1.0], given)


@contextmanager
def showing(chains: int) -> Iterator[Callable[[list[Any]], None]]:
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


def status_of(fitted: "Fit") -> int:
    """Exit status of a fit; it says on standard error why it is not to be trusted."""
    if fitted.verdict.trusted:
        return GOOD
    print(f"bayescale: {' '.join(str(fitted.verdict).split())}", file=sys.stderr)
    return UNTRUSTED
