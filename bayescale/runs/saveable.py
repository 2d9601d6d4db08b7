"""Whether a table can be saved with its fit and come back as it was, asked before any work."""

from collections import Counter

import numpy as np
import pandas as pd

from bayescale.errors import DataError

LONGEST = 1000
"""Letters of a column's name at most: a name is a label, and files have limits too."""


def saveable(table: pd.DataFrame, where: str) -> pd.DataFrame:
    """Return a table whose every column comes back from a file as it was.

    Numbers of more than 64 bits become floats of 64.

    Parameters
    ----------
    table : DataFrame
        As it was read.
    where : str
        Its name, for messages.

    Raises
    ------
    DataError
        If a column's name or a cell cannot be written and read again.
    """
    names = [str(name) for name in table]
    for name, count in Counter(names).items():
        if count > 1:
            kinds = sorted({type(own).__name__ for own in table if str(own) == name})
            raise DataError(
                f"{where} has {count} columns named {name!r}, of the types {', '.join(kinds)}; "
                "expected names that differ when written. Rename one."
            )
    for place, name in enumerate(names, start=1):
        if not 0 < len(name) <= LONGEST or not _writable(name):
            raise DataError(
                f"{where} has a column {place} named {name[:20]!r}, {len(name)} letters long; "
                f"expected a name of 1 to {LONGEST} letters of Unicode. Rename or drop it."
            )
    wide = [name for name, kind in table.dtypes.items() if kind in (np.longdouble, np.clongdouble)]
    for own in table.select_dtypes(["object", "str"]):
        for row, cell in enumerate(table[own], start=1):
            if isinstance(cell, bytes) or (isinstance(cell, str) and not _writable(cell)):
                raise DataError(
                    f"{where}: column {str(own)!r} holds {cell[:20]!r} in row {row}; expected "
                    "text of Unicode. Decode or correct it, or drop the column."
                )
    return table.astype(dict.fromkeys(wide, "float64"))


def _writable(text: str) -> bool:
    """Whether a text survives a file: no null, and no half of a pair of surrogates."""
    return "\0" not in text and not any("\ud800" <= sign <= "\udfff" for sign in text)
