"""Tables of training runs, ready to fit.

`catalogue()` lists them, `card(name)` tells where one comes from and what to beware of, and
`load(name)` returns it in standard columns: `params`, `tokens`, `flops`, `loss`. Some are shipped
with bayescale; the others are downloaded from their authors when first asked for, or taken from
the directory that the environment variable BAYESCALE_DATA names.

To add a table, write `cards/<name>.toml`. For your own runs, see `bayescale.read_runs`.
"""

from difflib import get_close_matches
from pathlib import Path

import pandas as pd

from bayescale.datasets.fetching import fetch
from bayescale.datasets.recipes import standard_table
from bayescale.datasets.records import Card, read_card
from bayescale.errors import DataError

__all__ = ["Card", "card", "catalogue", "load"]


def load(name: str) -> pd.DataFrame:
    """Table of runs in standard columns, one row a run.

    Parameters
    ----------
    name : str
        One of the names in `catalogue()`.

    Returns
    -------
    DataFrame
        The columns of the card, in its order; counts and losses as float64.

    Raises
    ------
    DataError
        If there is no such table, or its file can neither be found nor downloaded.

    Examples
    --------
    >>> from bayescale import datasets
    >>> datasets.load("chinchilla_nine_sizes").head(2)
             params         flops        tokens
    0  4.000000e+08  1.920000e+19  8.000000e+09
    1  1.000000e+09  1.210000e+20  2.020000e+10
    """
    described = card(name)
    return standard_table(fetch(described), described)


def catalogue() -> pd.DataFrame:
    """Table of the tables: name, title, rows, laws, licence, kind and bytes, by name."""
    columns = ["name", "title", "rows", "laws", "licence", "kind", "bytes"]
    cards = [read_card(path) for path in _cards().values()]
    table = pd.DataFrame([[getattr(card, name) for name in columns] for card in cards])
    return table.set_axis(columns, axis="columns").assign(laws=[", ".join(c.laws) for c in cards])


def card(name: str) -> Card:
    """Card of a table: its source, terms, columns and quirks; print it to read it."""
    cards = _cards()
    # Names are looked up, never joined to a path.
    if name not in cards:
        close = get_close_matches(str(name), cards, n=1)
        raise DataError(
            f"no table is called {name!r}; expected one of {', '.join(cards)}. "
            + (f"Did you mean {close[0]!r}?" if close else "Take one from catalogue().")
        )
    return read_card(cards[name])


def _cards() -> dict[str, Path]:
    return {path.stem: path for path in sorted((Path(__file__).parent / "cards").glob("*.toml"))}
