"""The fit that a command is about: made from a table of runs, or read from a file."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayescale.cli.lines import print_complaint
from bayescale.errors import DataError, LawError

if TYPE_CHECKING:
    import pandas as pd

    from bayescale.fitting.record import Fit
    from bayescale.spec.law import Law
    from bayescale.validation.compare import Comparison

GOOD, FAULT, UNTRUSTED = 0, 1, 3
"""Exit statuses: all is well, the user's or the table's fault, fitted but not to be trusted."""


def fit_table(
    table: str,
    law: "Law",
    *,
    likelihood: str | None = None,
    priors: str | None = None,
    columns: Mapping[str, str] | None = None,
    where: list[str] | None = None,
    groups: str | None = None,
    pool: str | None = None,
    draws: int,
    chains: int,
    random_seed: int,
) -> "Fit":
    """Fit a law to a table of runs, with progress on standard error.

    Parameters
    ----------
    table : str
        A file, or the name of a dataset.
    law : Law
        The law.
    likelihood : str, optional
        Name of a likelihood.
    priors : str, optional
        Name of priors: ``"field"``.
    where : list of str, optional
        Rows to keep, as ``COLUMN=VALUE``.
    columns, groups, pool, draws, chains, random_seed
        As for `bayescale.fit`.
    """
    from bayescale.fitting.fit import fit
    from bayescale.likelihoods import likelihood_named

    scatter = None if likelihood is None else likelihood_named(likelihood)
    runs = _find_runs(table, where or [])
    with _show_progress(chains) as progress:
        return fit(
            law,
            runs,
            columns=columns,
            likelihood=scatter,
            priors=priors,
            groups=groups,
            pool=pool,
            draws=draws,
            chains=chains,
            random_seed=random_seed,
            progress=progress,
        )


def is_saved_fit(source: str) -> bool:
    """Whether a name is that of a saved fit, and not of a table."""
    return Path(source).suffix == ".nc"


def load_fit(path: str, law: str | None) -> "Fit":
    """Read a saved fit, which is of that law if one is named."""
    from bayescale.fitting.load import load

    fitted = load(path)
    if law not in (None, fitted.law.name):
        raise DataError(
            f"--law is {law}, but {path} is a fit of {fitted.law.name}; expected no --law beside "
            "a saved fit. Leave it out, or name the table of runs."
        )
    return fitted


def compare_with_others(fitted: "Fit") -> "Comparison":
    """Compare a fit's law by back-tests with the package's other laws of the same inputs.

    Parameters
    ----------
    fitted : Fit
        A fitted law.

    Raises
    ------
    LawError
        If there is no other law.
    """
    from bayescale.models import LAWS
    from bayescale.validation.compare import compare

    own = fitted.law
    laws = [own] + [
        law
        for law in LAWS.values()
        if (law.inputs, law.response, law.stage, law.groups.by)
        == (own.inputs, own.response, None, None)
        and law.name != own.name
    ]
    if len(laws) == 1:
        raise LawError(
            f"no other law has the inputs {', '.join(own.inputs)} of {own.name!r}; expected one to "
            "compare it with. Leave --others out."
        )
    return compare(laws, fitted.runs, leave_out="backtest", random_seed=fitted.random_seed)


def status_of(fitted: "Fit") -> int:
    """Exit status of a fit; reasons not to trust it go to standard error."""
    if fitted.verdict.trusted:
        return GOOD
    print_complaint(fitted.verdict)
    return UNTRUSTED


def _find_runs(table: str, where: list[str]) -> "str | pd.DataFrame":
    """The file of that name, or else the dataset; of its rows those that `where` keeps."""
    from bayescale import datasets
    from bayescale.runs.files import read_table

    # os.path takes any text for a path; Path.exists does not.
    is_file = os.path.exists(table) or Path(table).suffix or len(Path(table).parts) > 1
    if is_file and not where:
        return table
    rows = read_table(table) if is_file else datasets.load(table)
    for pair in where:
        column, equals, value = pair.partition("=")
        if not equals or column not in rows:
            raise DataError(
                f"--where got {pair!r}; expected COLUMN=VALUE with one of the columns "
                f"{', '.join(map(str, rows))}. Correct the spelling."
            )
        # Cells as a person writes them: 20 for 20.0.
        cells = rows[column].map(lambda cell: f"{cell:g}" if isinstance(cell, float) else str(cell))
        if not (cells == value).any():
            raise DataError(
                f"--where got {pair!r}, and no row has that; expected one of "
                f"{', '.join(cells.unique()[:12])}. Correct the value."
            )
        rows = rows[cells == value]
    return rows


@contextmanager
def _show_progress(chains: int) -> Iterator[Callable[[list[Any]], None]]:
    """Show on standard error how far the chains are, if it is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    parts = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    hidden = not console.is_terminal
    with Progress(*parts, console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task("compiling", total=None)

        def update(states: list[Any]) -> None:
            diverging = sum(state.divergences for state in states)
            divergences = f", {diverging} divergences" if diverging else ""
            bar.update(
                task,
                description=f"sampling {chains} chains{divergences}",
                total=sum(state.total_draws for state in states),
                completed=sum(state.finished_draws for state in states),
            )

        yield update
