"""Tables of training runs, ready to fit.

`catalogue()` lists them, `card(name)` describes where one comes from and what to beware of, and
`load(name)` returns it in standard columns: `params`, `tokens`, `flops`, `loss`. Some are shipped
with bayescale; the others are downloaded from their authors on first use, or read from the
directory that the environment variable BAYESCALE_DATA names.

To add a table, write `cards/<name>.toml`. For your own runs, see `bayescale.read_runs`.
"""

from difflib import get_close_matches

import pandas as pd

from bayescale.datasets.card_record import Card
from bayescale.datasets.fetching import fetch
from bayescale.datasets.reading import cards
from bayescale.datasets.recipes import standard_table
from bayescale.errors import DataError

__all__ = ["Card", "card", "catalogue", "load"]


def load(name: str, **filters: object) -> pd.DataFrame:
    """Return a table of runs in standard columns, one row a run.

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
        if column not in table:
            raise DataError(
                f"table {name!r} has no column {column!r} to filter by; it has "
                f"{', '.join(described.columns)}. Correct the spelling."
            )
        values = list(value) if isinstance(value, list | tuple | set) else [value]
        present = table[column].unique()
        if absent := [entry for entry in values if entry not in present]:
            shown = ", ".join(map(repr, present[:12].tolist())) + ", ..." * (len(present) > 12)
            raise DataError(
                f"no row of table {name!r} has {column} = {absent[0]!r}; expected one of {shown}. "
                "Correct the value or leave the filter out."
            )
        table = table[table[column].isin(values)]
    return table.reset_index(drop=True)


def catalogue() -> pd.DataFrame:
    """Return the list of all tables.

    Returns
    -------
    DataFrame
        One row a table, by name: name, title, rows, laws, licence, kind and bytes.
    """
    columns = ["name", "title", "rows", "laws", "licence", "kind", "bytes"]
    table = pd.DataFrame([[getattr(card, name) for name in columns] for card in cards().values()])
    table = table.set_axis(columns, axis="columns")
    return table.assign(laws=table["laws"].map(", ".join))


def card(name: str) -> Card:
    """Return the card of a table: its source, terms, columns and quirks; print it to read it.

    Parameters
    ----------
    name : str
        One of the names in `catalogue()`.

    Returns
    -------
    Card

    Raises
    ------
    DataError
        If there is no such table.
    """
    # Names are looked up, never joined to a path.
    known = cards()
    if name not in known:
        close = get_close_matches(str(name), known, n=3)
        raise DataError(
            f"no table is called {name!r}; expected one of the {len(known)} that catalogue() and "
            "the shell's `bayescale datasets` list. "
            + (
                f"Did you mean {' or '.join(map(repr, close))}?"
                if close
                else "Choose one of these."
            )
        )
    return known[name]
