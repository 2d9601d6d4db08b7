"""A table of training runs: read it, and refuse values that no law can use.

Standard columns are `params`, `tokens`, `flops`, and the response of a law, usually `loss`; all
others are kept as they are. Messages count rows from 1, as a person sees them in the file.
"""

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from bayescale.errors import DataError
from bayescale.runs.files import read_table, refuse_repeated
from bayescale.runs.saveable import saveable
from bayescale.spec.columns import POSITIVE, ColumnKind, is_real, read_numbers, refuse_unusable
from bayescale.spec.compute import SIX_ND, Cost
from bayescale.spec.law import Law
from bayescale.wording import plural

ALIASES: dict[str, tuple[str, ...]] = {
    "params": (
        *("N", "parameters", "model size", "model params", "model parameters", "param count"),
        *("n params", "num params", "n parameters", "num parameters", "number of parameters"),
        *("params total", "total params", "non embedding params", "params non embedding"),
    ),
    "tokens": (
        *("D", "n tokens", "num tokens", "number of tokens", "total tokens", "tokens seen"),
        *("training tokens", "train tokens", "tokens trained", "dataset size", "data size"),
    ),
    "flops": (
        *("C", "flop", "compute", "training flop", "training flops", "train flop", "train flops"),
        *("total flop", "total flops", "training compute", "train compute"),
    ),
    "loss": (
        *("L", "final loss", "val loss", "valid loss", "validation loss", "eval loss"),
        *("test loss", "cross entropy", "cross entropy loss", "train loss", "training loss"),
    ),
}
"""Other names of the standard columns; case, spaces, underscores and hyphens do not matter."""


COMPUTE = ("params", "tokens", "flops")
"""Columns of which any two give the third, through a cost."""


def read_runs(
    source: str | os.PathLike[str] | pd.DataFrame,
    *,
    columns: Mapping[str, str] | None = None,
    inputs: Sequence[str] = ("params", "tokens"),
    response: str = "loss",
    cost: Cost = SIX_ND,
    kinds: Mapping[str, ColumnKind] | None = None,
    computed: Mapping[str, Callable[[pd.DataFrame], pd.Series]] | None = None,
) -> pd.DataFrame:
    """Return a table of training runs in standard columns, every number checked.

    Parameters
    ----------
    source : path or DataFrame
        CSV, TSV, JSON lines, JSON records or Parquet, by extension; text may end in .gz. A
        DataFrame is not changed.
    columns : mapping of str to str, optional
        From the standard name of a column to its name in the table, where it cannot be guessed.
        Comes before every other name.
    inputs : sequence of str
        The inputs of the law to fit.
    response : str
        The response of the law.
    cost : Cost
        Gives the missing one of params, tokens and flops where the table has the other two.
    kinds : mapping of str to ColumnKind, optional
        What inputs and response may hold; positive numbers by default.
    computed : mapping of str to callable, optional
        Functions of the table in standard columns that give columns which it does not have.

    Returns
    -------
    DataFrame
        Standard columns first, as float64; then all other columns. Rows are numbered from 0.

    Raises
    ------
    DataError
        If the table cannot be used; the message has file, column, row and value, and a way out.

    Examples
    --------
    >>> table = pd.DataFrame({"N": [1e8, 2e8], "D": [2e9, 4e9], "val_loss": [3.1, 2.9]})
    >>> list(read_runs(table))
    ['params', 'tokens', 'flops', 'loss']
    """
    where, table = _open(source)
    given = dict(columns or {})
    compute = COMPUTE if set(COMPUTE) & set(inputs) else ()
    standard = tuple(dict.fromkeys((*compute, *inputs, response)))
    own_names = _match_columns(table, given, standard, where)
    kind_of = {name: (kinds or {}).get(name, POSITIVE) for name in standard}
    values = {
        name: read_numbers(table[own], name, where, kind_of[name])
        for name, own in own_names.items()
    }
    if compute:
        values |= _fill_compute(values, cost, where)
    others = table.drop(columns=list(own_names.values()))
    renamed = {own: name for name, own in given.items() if name not in own_names}
    # A column that lost its standard name to another column is kept under a new name.
    lost = {*own_names, *given} - {*renamed}
    renamed |= {own: f"{own}_original" for own in others if own in lost}
    others = others.rename(columns=renamed)
    refuse_repeated([*(name for name in standard if name in values), *others], where)
    runs = pd.concat([pd.DataFrame(values), others], axis="columns")
    for name, function in (computed or {}).items():
        if name in runs:
            continue
        try:
            runs[name] = function(runs)
        except KeyError:  # a column that it follows from is missing, and so it is missing too
            continue
        if name in standard:
            values[name] = read_numbers(runs[name], name, where, kind_of[name])
    for name in (*inputs, response):
        if name not in values:
            fill = " Any two of params, tokens and flops are enough." if name in COMPUTE else ""
            raise DataError(
                f"{where} has no column for {name!r}; expected one among its columns "
                f"{_listed(table.columns)}. Name it with columns={{{name!r}: 'its name'}}.{fill}"
            )
    first = [name for name in standard if name in values]
    return runs[[*first, *(name for name in runs if name not in first)]]


def _open(source: str | os.PathLike[str] | pd.DataFrame) -> tuple[str, pd.DataFrame]:
    """Return the name of a table for messages, and the table with rows numbered from 0."""
    if isinstance(source, pd.DataFrame):
        where = "the table"
        # An index that has a name becomes a column.
        named = [name for name in source.index.names if name is not None]
        table = source.reset_index(drop=not named or bool(set(named) & set(source.columns)))
        refuse_repeated(list(table.columns), where)
    else:
        where, table = Path(source).name, read_table(source)
    if table.empty:
        raise DataError(
            f"{where} holds no runs; expected one row a run under the header. "
            "Check that the table was written to the end, or that no filter removed every row."
        )
    return where, saveable(table, where)


def runs_for(
    law: Law,
    source: str | os.PathLike[str] | pd.DataFrame,
    *,
    columns: Mapping[str, str] | None = None,
    cost: Cost = SIX_ND,
    staged: bool = True,
) -> pd.DataFrame:
    """Return a table of runs for a law: `read_runs` with the law's columns.

    Parameters
    ----------
    law : Law
        The law.
    source, columns, cost
        As for `read_runs`.
    staged : bool
        Whether the inputs of a stage are required as well.

    Returns
    -------
    DataFrame

    Raises
    ------
    DataError
        As `read_runs`.
    """
    return read_runs(
        source,
        columns=columns,
        inputs=law.columns_read if staged else law.inputs,
        response=law.response,
        cost=cost,
        kinds=law.kinds,
        computed=law.computed_columns,
    )


def describe_runs(runs: pd.DataFrame, *, inputs: Sequence[str], response: str) -> str:
    """Return how many runs there are and what they span, in one line.

    Parameters
    ----------
    runs : DataFrame
        As `read_runs` returns it.
    inputs, response : sequence of str, str
        Columns to describe.

    Returns
    -------
    str
    """
    spans = [f"{name} {runs[name].min():.2g} to {runs[name].max():.2g}" for name in inputs]
    spans.append(f"{response} {runs[response].min():.3g} to {runs[response].max():.3g}")
    return f"{plural(len(runs), 'run')}, {', '.join(spans)}"


def digest(runs: pd.DataFrame) -> str:
    """Return the SHA-256 of a table, to recognise the runs behind a fit.

    It is the same in every process, on every machine and for every order of the columns.
    """
    sha = hashlib.sha256()
    for name in sorted(runs, key=str):
        column = runs[name]
        sha.update(f"{name}\0{len(runs)}\0".encode())
        if is_real(column):
            numbers = column.to_numpy(dtype="<f8", na_value=np.nan) + 0.0  # -0.0 becomes 0.0
            # Every NaN gets the same bits.
            sha.update(np.where(np.isnan(numbers), np.nan, numbers).astype("<f8").tobytes())
        else:
            texts = column.astype(object).where(column.notna(), "").map(str)
            sha.update("\0".join(texts).encode(errors="surrogatepass"))
    return sha.hexdigest()


def _match_columns(
    table: pd.DataFrame, columns: Mapping[str, str], standard: Sequence[str], where: str
) -> dict[str, str]:
    """Return the table's own name of every standard column that it has.

    That is the name given in `columns`, or the exact name, or else the one alias in the table.
    """
    for name, own in columns.items():
        if own not in table.columns:
            raise DataError(
                f"{where} has no column {own!r}, given as columns={{{name!r}: {own!r}}}; it has "
                f"{_listed(table.columns)}. Name one of these, spelled as in the table."
            )
    given = [own for name, own in columns.items() if name in standard]
    if len(given) > len(set(given)):
        raise DataError(
            f"columns={dict(columns)} takes one column of {where} for two; expected a column "
            "for each name. Leave one out: it is filled if it can be."
        )
    free = [own for own in table.columns if own not in given and own not in standard]
    matched = {}
    for name in standard:
        if name in columns:
            matched[name] = columns[name]
        elif name in table.columns and name not in given:
            matched[name] = name
        else:
            aliases = {_plain(alias) for alias in (name, *ALIASES.get(name, ()))}
            candidates = [own for own in free if _plain(own) in aliases]
            if len(candidates) > 1:
                raise DataError(
                    f"{where} has {len(candidates)} columns that could be {name}: "
                    f"{_listed(candidates)}; expected one. Choose it with "
                    f"columns={{{name!r}: {candidates[0]!r}}}."
                )
            if candidates:
                matched[name] = candidates[0]
    return matched


def _plain(name: object) -> str:
    return re.sub(r"[\s_-]+", "", str(name)).lower()


def _fill_compute(values: Mapping[str, pd.Series], cost: Cost, where: str) -> dict[str, pd.Series]:
    """Return the one of params, tokens and flops that is missing, if the other two are present."""
    known = {name: values[name].to_numpy() for name in COMPUTE if name in values}
    if len(known) != 2:
        return {}
    with np.errstate(all="ignore"):  # overflow is refused below
        if "flops" not in known:
            name, numbers = "flops", cost.flops(**known)
        elif "tokens" not in known:
            name, numbers = "tokens", cost.tokens(**known)
        else:
            name, numbers = "params", cost.params(**known)
    filled = pd.Series(numbers, name=name, dtype="float64")
    place = f"{where}: column {name!r}, filled from {' and '.join(known)} at cost {cost.name},"
    refuse_unusable(filled, filled.to_numpy(), np.zeros(len(filled), dtype=bool), place)
    return {name: filled}


def _listed(names: Iterable[object]) -> str:
    """Return names in quotes, the first twelve of them if there are more."""
    shown = [repr(str(name)) for name in names]
    return ", ".join(shown[:12]) + (f" and {len(shown) - 12} more" if len(shown) > 12 else "")
