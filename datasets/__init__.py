"""Tables of training runs, ready to fit.

`catalogue()` lists them, `card(name)` tells where one comes from and what to beware of, and
`load(name)` returns it in standard columns: `params`, `tokens`, `flops`, `loss`. Some are shipped
with bayescale; the others are downloaded from their authors when first asked for, or taken from
the directory that the environment variable BAYESCALE_DATA names.

To add a table, write `cards/<name>.toml`. For your own runs, see `bayescale.read_runs`.
"""

from difflib import get_close_matches

import pandas as pd

from bayescale.datasets.fetching import fetch
from bayescale.datasets.reading import cards
from bayescale.datasets.recipes import standard_table
from bayescale.datasets.records import Card
from bayescale.errors import DataError

__all__ = ["Card", "card", "catalogue", "load"]


def load(name: str, **filters: object) -> pd.DataFrame:
    """Table of runs in standard columns, one row a run.

    Parameters
    ----------
    name : str
        One of the names in `catalogue()`.
    **filters
        Column = the value, or a list of the values, whose rows are kept.

    Returns
    -------
    DataFrame
        The columns of the card, in its order: float64, and text for those that are its groups.

    Raises
    ------
    DataError
        If there is no such table, column or value, or a file can neither be found nor downloaded.

    Examples
    --------
    >>> from bayescale import datasets
    >>> datasets.load("chinchilla_nine_sizes").head(2)
             params         flops        tokens
    0  4.000000e+08  1.920000e+19  8.000000e+09
    1  1.000000e+09  1.210000e+20  2.020000e+10
    """
    described = card(name)
    table = standard_table(fetch(described), described)
    for column, value in filters.items():
        table = _kept(table, column, value, described)
    return table.reset_index(drop=True)


def catalogue() -> pd.DataFrame:
    """Table of the tables: name, title, rows, laws, licence, kind and bytes, by name."""
    columns = ["name", "title", "rows", "laws", "licence", "kind", "bytes"]
    table = pd.DataFrame([[getattr(card, name) for name in columns] for card in cards().values()])
    table = table.set_axis(columns, axis="columns")
    return table.assign(laws=table["laws"].map(", ".join))


def card(name: str) -> Card:
    """Card of a table: its source, terms, columns and quirks; print it to read it."""
    # Names are looked up, never joined to a path.
    known = cards()
    if name not in known:
        close = get_close_matches(str(name), known, n=3)
        raise DataError(
            f"no table is called {name!r}; expected one of the {len(known)} that catalogue() and "
            "the shell's `bayescale datasets` list. "
            + (f"Did you mean {' or '.join(map(repr, close))}?" if close else "Take one of these.")
        )
    return known[name]


def _kept(table: pd.DataFrame, column: str, value: object, card: Card) -> pd.DataFrame:
    """Rows with one of the values; every one of them has to be there."""
    if column not in table:
        raise DataError(
            f"table {card.name!r} has no column {column!r} to filter by; it has "
            f"{', '.join(card.columns)}. Correct the spelling."
        )
    values = list(value) if isinstance(value, list | tuple | set) else [value]
    there = table[column].unique()
    if absent := [entry for entry in values if entry not in there]:
        shown = ", ".join(map(repr, there[:12].tolist())) + ", ..." * (len(there) > 12)
        raise DataError(
            f"no row of table {card.name!r} has {column} = {absent[0]!r}; expected one of {shown}. "
            "Correct the value or leave the filter out."
        )
    return table[table[column].isin(values)]
