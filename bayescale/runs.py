"""A table of training runs: read it, and refuse values that no law can use.

Columns are words: `params`, `tokens`, `flops` and the response, `loss` unless a law has another;
all others are kept as they are. Rows are counted from 1, as a person sees them in the file.
"""

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayescale.errors import DataError
from bayescale.files import is_real, read_numbers, read_table, refuse_repeated, refuse_unusable
from bayescale.flops import SIX_ND, Cost
from bayescale.scales import POSITIVE, Scale

if TYPE_CHECKING:
    from bayescale.law import Law

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
"""The columns of which any two give the third, through a cost."""


def read_runs(
    source: str | os.PathLike[str] | pd.DataFrame,
    *,
    columns: Mapping[str, str] | None = None,
    inputs: Sequence[str] = ("params", "tokens"),
    response: str = "loss",
    cost: Cost = SIX_ND,
    scales: Mapping[str, Scale] | None = None,
    computed: Mapping[str, Callable[[pd.DataFrame], pd.Series]] | None = None,
) -> pd.DataFrame:
    """Return a table of training runs in standard columns, every number checked.

    Parameters
    ----------
    source : path or DataFrame
        CSV, TSV, JSON lines, JSON records or Parquet, by extension; text may end in .gz. A
        DataFrame is left as it is.
    columns : mapping of str to str, optional
        From our name to the table's, where it cannot be guessed. Wins over every other name.
    inputs : sequence of str
        The inputs of the law to fit.
    response : str
        What the law predicts.
    cost : Cost
        Fills the missing one of params, tokens and flops when the other two are there.
    scales : mapping of str to Scale, optional
        What inputs and response may be; positive where nothing is said.
    computed : mapping of str to callable, optional
        Columns that follow from the others, as functions of the table in standard columns.

    Returns
    -------
    DataFrame
        Standard columns first, as float64; then all other columns. Rows are numbered from 0.

    Raises
    ------
    DataError
        Naming file, column, row and value, with a way out.

    Examples
    --------
    >>> table = pd.DataFrame({"N": [1e8, 2e8], "D": [2e9, 4e9], "val_loss": [3.1, 2.9]})
    >>> list(read_runs(table))
    ['params', 'tokens', 'flops', 'loss']
    """
    if isinstance(source, pd.DataFrame):
        where, table = "the table", _without_index(source)
        refuse_repeated(list(table.columns), where)
    else:
        where, table = Path(source).name, read_table(source)
    if table.empty:
        raise DataError(
            f"{where} holds no runs; expected one row a run under the header. "
            "Check that the table was written to the end, or that no filter took every row."
        )
    standard = _standard(inputs, response)
    found = _found(table, columns or {}, standard, where)
    on = {name: (scales or {}).get(name, POSITIVE) for name in standard}
    values = {name: read_numbers(table[old], name, where, on[name]) for name, old in found.items()}
    values |= _filled(values, cost, where) if set(COMPUTE) <= set(standard) else {}
    others = _others(table, found, columns or {})
    refuse_repeated([*(name for name in standard if name in values), *others], where)
    known = pd.concat([pd.DataFrame(values), others], axis="columns")
    for name, follows in (computed or {}).items():
        if name in known:
            continue
        try:
            known[name] = follows(known)
        except KeyError:  # for want of what it follows from it is missing like any other column
            continue
        if name in standard:
            values[name] = read_numbers(known[name], name, where, on[name])
    _require(values, (*inputs, response), table, where)
    first = [name for name in standard if name in values]
    return known[[*first, *(name for name in known if name not in first)]]


def runs_for(
    law: "Law",
    source: str | os.PathLike[str] | pd.DataFrame,
    *,
    columns: Mapping[str, str] | None = None,
    cost: Cost = SIX_ND,
    staged: bool = True,
) -> pd.DataFrame:
    """Return a table as a law wants it; `read_runs` with what the law says of its columns.

    Without `staged`, what a stage would make an input of may be missing.
    """
    return read_runs(
        source,
        columns=columns,
        inputs=law.read if staged else law.inputs,
        response=law.response,
        cost=cost,
        scales={**(law.stage.scales if law.stage else {}), **law.scales},
        computed={**(law.stage.columns if law.stage else {}), **law.columns},
    )


def describe_runs(runs: pd.DataFrame, *, inputs: Sequence[str], response: str) -> str:
    """Return how many runs there are and what they span, in one line."""
    spans = [f"{name} {runs[name].min():.2g} to {runs[name].max():.2g}" for name in inputs]
    spans.append(f"{response} {runs[response].min():.3g} to {runs[response].max():.3g}")
    return f"{len(runs)} {'run' if len(runs) == 1 else 'runs'}, {', '.join(spans)}"


def digest(runs: pd.DataFrame) -> str:
    """Return the SHA-256 of a table, to tell which runs a fit came from.

    The same in every process and on every machine, and in whichever order the columns stand.
    """
    sha = hashlib.sha256()
    for name in sorted(runs, key=str):
        sha.update(f"{name}\0{len(runs)}\0".encode())
        sha.update(_bytes(runs[name]))
    return sha.hexdigest()


def _bytes(column: pd.Series) -> bytes:
    if not is_real(column):
        text = column.astype(object).where(column.notna(), "").map(str)
        return "\0".join(text).encode(errors="surrogatepass")
    values = column.to_numpy(dtype="<f8", na_value=np.nan) + 0.0  # -0.0 becomes 0.0
    return np.where(np.isnan(values), np.nan, values).astype("<f8").tobytes()


def _without_index(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame with rows numbered from 0; an index that has a name becomes a column."""
    named = [name for name in frame.index.names if name is not None]
    return frame.reset_index(drop=not named or bool(set(named) & set(frame.columns)))


def _standard(inputs: Sequence[str], response: str) -> tuple[str, ...]:
    """Return the columns to look for: what the law uses, and what belongs to compute if it does."""
    compute = COMPUTE if set(COMPUTE) & set(inputs) else ()
    return tuple(dict.fromkeys((*compute, *inputs, response)))


def _found(
    table: pd.DataFrame, columns: Mapping[str, str], standard: Sequence[str], where: str
) -> dict[str, str]:
    """Return the table's own name of every standard column it has."""
    for name, old in columns.items():
        if old not in table.columns:
            raise DataError(
                f"{where} has no column {old!r}, given as columns={{{name!r}: {old!r}}}; it has "
                f"{_listed(table.columns)}. Name one of these, spelled as in the table."
            )
    given = [old for name, old in columns.items() if name in standard]
    if len(given) > len(set(given)):
        raise DataError(
            f"columns={dict(columns)} takes one column of {where} for two; expected a column "
            "for each name. Leave one out: it is filled if it can be."
        )
    found = {
        name: columns.get(name) or _guessed(table, name, given, standard, where)
        for name in standard
    }
    return {name: old for name, old in found.items() if old is not None}


def _guessed(
    table: pd.DataFrame, name: str, given: Sequence[str], standard: Sequence[str], where: str
) -> str | None:
    """Return the one column that is a standard one, by its exact name or else by an alias."""
    if name in table.columns and name not in given:
        return name
    known = {_plain(alias) for alias in (name, *ALIASES.get(name, ()))}
    free = [old for old in table.columns if old not in given and old not in standard]
    candidates = [old for old in free if _plain(old) in known]
    if len(candidates) > 1:
        raise DataError(
            f"{where} has {len(candidates)} columns that could be {name}: {_listed(candidates)}; "
            f"expected one. Choose it with columns={{{name!r}: {candidates[0]!r}}}."
        )
    return candidates[0] if candidates else None


def _plain(name: object) -> str:
    return re.sub(r"[\s_-]+", "", str(name)).lower()


def _filled(values: Mapping[str, pd.Series], cost: Cost, where: str) -> dict[str, pd.Series]:
    """Return the one of params, tokens and flops that is missing, if the other two are there."""
    missing = [name for name in COMPUTE if name not in values]
    if len(missing) != 1:
        return {}
    known = {name: values[name].to_numpy() for name in COMPUTE if name in values}
    with np.errstate(all="ignore"):  # what overflows is refused below
        filled = pd.Series(FILL[missing[0]](known, cost), name=missing[0], dtype="float64")
    said = f"{where}: column {missing[0]!r}, filled from {' and '.join(known)} at cost {cost.name},"
    refuse_unusable(filled, filled.to_numpy(), np.zeros(len(filled), dtype=bool), said)
    return {missing[0]: filled}


def _solved_params(known: Mapping[str, Any], cost: Cost) -> Any:
    """Return the params that `flops` pay for at `tokens`, in closed form for 6 N D."""
    flops, tokens = known["flops"], known["tokens"]
    if cost == SIX_ND:
        return flops / (6.0 * tokens)
    from scipy.optimize import elementwise

    def excess(log_params: Any, tokens: Any, flops: Any) -> Any:
        return np.log(cost.flops(np.exp(log_params), tokens)) - np.log(flops)

    # From one parameter to more than anyone will train; zero where they pay for none.
    found = elementwise.find_root(excess, (0.0, np.log(1e24)), args=(tokens, flops))
    return np.where(found.success, np.exp(found.x), 0.0)


FILL: dict[str, Callable[[Mapping[str, Any], Cost], Any]] = {
    "params": _solved_params,
    "tokens": lambda known, cost: cost.tokens(known["params"], known["flops"]),
    "flops": lambda known, cost: cost.flops(known["params"], known["tokens"]),
}
"""How each of params, tokens and flops follows from the other two."""


def _require(
    values: Mapping[str, Any], needed: Sequence[str], table: pd.DataFrame, where: str
) -> None:
    """Raise DataError if a column that the law needs is neither there nor filled."""
    for name in needed:
        if name not in values:
            fill = " Any two of params, tokens and flops are enough." if name in COMPUTE else ""
            raise DataError(
                f"{where} has no column for {name!r}; expected one beside what it has: "
                f"{_listed(table.columns)}. Say which it is with "
                f"columns={{{name!r}: 'its name'}}.{fill}"
            )


def _others(
    table: pd.DataFrame, found: Mapping[str, str], columns: Mapping[str, str]
) -> pd.DataFrame:
    """Return the columns that are not standard ones, as they are."""
    rest = table.drop(columns=list(found.values()))
    names = {old: name for name, old in columns.items() if name not in found}
    # A column that another was chosen over gives up its name, but is not lost.
    names |= {old: f"{old}_original" for old in rest if old in {*found, *columns} - {*names}}
    return rest.rename(columns=names)


def _listed(names: Iterable[object]) -> str:
    """Return names in quotes, the first twelve of them if there are more."""
    shown = [repr(str(name)) for name in names]
    return ", ".join(shown[:12]) + (f" and {len(shown) - 12} more" if len(shown) > 12 else "")
