"""From the columns of a file to the columns of a table of runs."""

from pathlib import Path

import pandas as pd

from bayescale.datasets.records import CARD_COSTS, COMPUTED, Card
from bayescale.errors import DataError


def standard_table(file: Path, card: Card) -> pd.DataFrame:
    """Table of runs that a card promises, from the file behind it.

    The index counts from zero, the columns are those of the card in its order, and all but the
    groups are float64: 6 params tokens overflows whole numbers of 64 bits.
    """
    table = _taken(_read(file), card)
    for column, factor in card.recipe.scale.items():
        table[column] = table[column] * factor
    for column in card.recipe.compute:
        table[column] = COMPUTED[column](CARD_COSTS[card.cost], table)
    numbers = {column: "float64" for column in card.columns if column not in card.groups}
    return table[list(card.columns)].astype(numbers).reset_index(drop=True)


def _read(file: Path) -> pd.DataFrame:
    if file.suffix == ".jsonl":
        return pd.read_json(file, lines=True, precise_float=True)
    return pd.read_csv(file)


def _taken(raw: pd.DataFrame, card: Card) -> pd.DataFrame:
    """Rows that the recipe keeps and columns that it does not compute, under our names."""
    recipe = card.recipe
    theirs = {c: recipe.rename.get(c, c) for c in card.columns if c not in recipe.compute}
    for column in (*recipe.filter, *theirs.values()):
        if column not in raw:
            raise DataError(
                f"the file of table {card.name!r} has no column {column!r}; it has "
                f"{', '.join(map(str, raw))}. Correct the recipe in cards/{card.name}.toml."
            )
    for column, kept in recipe.filter.items():
        raw = raw[raw[column].isin(kept)]
    return pd.DataFrame({ours: raw[column] for ours, column in theirs.items()})
