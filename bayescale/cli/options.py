"""Options that commands of the shell share, and how their texts are read."""

from pathlib import Path
from typing import Annotated

import typer

from bayescale.errors import DataError

DEFAULT_TABLE, DEFAULT_LAW = "pocket", "coupled"

Table = Annotated[
    str, typer.Argument(help="A file of runs (CSV, TSV, JSON, Parquet) or a dataset's name.")
]
TableOrFit = Annotated[
    str, typer.Argument(help="A file of runs, a dataset's name, or a fit saved as .nc.")
]
LawName = Annotated[
    str | None, typer.Option("--law", help=f"A law; {DEFAULT_LAW} by default. See bayescale laws.")
]
LikelihoodName = Annotated[
    str | None,
    typer.Option(
        "--likelihood",
        help="variance_function, student_t, normal; beta, beta_binomial; "
        "autoregressive:by=COLUMN,order=COLUMN; with_errors:errors=COLUMN.",
    ),
]
Priors = Annotated[
    str | None,
    typer.Option("--priors", help="field: what public studies of language models teach."),
]
Columns = Annotated[
    list[str] | None,
    typer.Option("--column", help="Name a column: params='Model Size'. May be repeated."),
]
Where = Annotated[
    list[str] | None,
    typer.Option("--where", help="Keep rows, by a column: task=boolq_val. May be repeated."),
]
Groups = Annotated[str | None, typer.Option("--groups", help="Column that groups the runs.")]
Pool = Annotated[
    str | None, typer.Option("--pool", help="With --groups: shared, separate or partial.")
]
Draws = Annotated[int, typer.Option("--draws", help="Draws per chain.")]
Chains = Annotated[int, typer.Option("--chains", help="Number of chains.")]
Seed = Annotated[int, typer.Option("--seed", help="Random seed.")]
Budgets = Annotated[
    list[float] | None, typer.Option("--flops", help="Compute budget in FLOP. May be repeated.")
]
At = Annotated[
    list[str] | None,
    typer.Option("--at", help="An extra input of the law: unique_tokens=25e9. May be repeated."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Form = Annotated[
    str | None,
    typer.Option("--format", help="html, md or json; by default that of the ending of --out."),
]
Figures = Annotated[
    Path | None, typer.Option("--figures", help="Folder for every figure, as SVG and as PNG.")
]


def read_extra_inputs(pairs: list[str] | None) -> dict[str, float]:
    """Extra inputs of a law, from the texts of ``--at NAME=NUMBER``."""
    inputs: dict[str, float] = {}
    for pair in pairs or ():
        name, _, text = pair.partition("=")
        try:
            value = float(text)
        except ValueError:
            name = ""
        if not name or name in inputs:
            raise DataError(
                f"--at got {pair!r}{' again' * (name in inputs)}; expected NAME=NUMBER once for "
                "each input, for example unique_tokens=25e9. Write it with one equals sign and "
                "digits."
            )
        inputs[name] = value
    return inputs


def read_columns(pairs: list[str] | None) -> dict[str, str]:
    """Columns of a table by our names, from the texts of ``--column OURS=THEIRS``."""
    columns: dict[str, str] = {}
    for pair in pairs or ():
        ours, _, theirs = pair.partition("=")
        if not (ours and theirs) or ours in columns:
            raise DataError(
                f"--column got {pair!r}{' again' * (ours in columns)}; expected OURS=THEIRS once "
                "for each column, for example params='Model Size'. Write it with one equals sign "
                "and a name on either side."
            )
        columns[ours] = theirs
    return columns
