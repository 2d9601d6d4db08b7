"""From the columns of files to the columns of a table of runs."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from bayescale.datasets.card_record import CARD_COSTS, Card
from bayescale.datasets.operations import OPERATIONS
from bayescale.datasets.recipe import Recipe
from bayescale.datasets.special_readers import SPECIAL_READERS
from bayescale.errors import DataError


def standard_table(paths: Mapping[str, Path], card: Card) -> pd.DataFrame:
    """Return the table of runs that a card describes, from the files behind it.

    Parameters
    ----------
    paths : mapping of str to Path
        The card's files, by their names on it.
    card : Card
        The card.

    Returns
    -------
    DataFrame
        Rows are numbered from 0; columns are those of the card in its order. All but the groups are
        float64: 6 params tokens overflows whole numbers of 64 bits.

    Raises
    ------
    DataError
        If a step of the recipe needs a column that there is not.
    """
    table = _stack_files(paths, card)
    if melt := card.recipe.melt:
        labels = table.columns.astype("str").str.extract(melt["columns"], expand=False)
        melted = {name: label for name, label in zip(table, labels, strict=True) if pd.notna(label)}
        others = [name for name in table if name not in melted]
        table = table.melt(others, list(melted), var_name=melt["names"], value_name=melt["values"])
        table[melt["names"]] = table[melt["names"]].map(melted)
    table = _keep_rows(_compute_columns(_rename_columns(table, card), card), card)
    kinds = {column: "str" if column in card.groups else "float64" for column in card.columns}
    _require(table, card.columns, card)
    return table[list(card.columns)].astype(kinds).reset_index(drop=True)


def _stack_files(paths: Mapping[str, Path], card: Card) -> pd.DataFrame:
    """Return the rows of all files, with the constants of each and the columns of joined files."""
    recipe = card.recipe
    joined = {join.file for join in recipe.join}
    parts = [
        _read(paths[file.name], recipe).assign(**file.constants)
        for file in card.files
        if file.name not in joined
    ]
    table = parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)
    if recipe.distinct:
        table = table.drop_duplicates()
    for join in recipe.join:
        other = _read(paths[join.file], recipe)
        if join.nearest:
            ((ours, theirs),) = join.on.items()
            values = join.nearest * other[theirs].to_numpy()
            distance = np.abs(np.subtract.outer(table[ours].to_numpy(), values))
            beside = other.iloc[distance.argmin(axis=1)].set_index(table.index)
            table = pd.concat([table, beside], axis=1)
        else:
            table = table.merge(
                other, how="left", left_on=list(join.on), right_on=list(join.on.values())
            )
    return table


def _read(path: Path, recipe: Recipe) -> pd.DataFrame:
    if recipe.reader:
        return SPECIAL_READERS[recipe.reader](path)
    if recipe.header:
        return pd.read_csv(path, sep="\t", header=None, names=list(recipe.header))
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    if path.suffix not in {".json", ".jsonl"}:
        # A wide file comes in pieces, and pandas warns about every column added to them.
        return pd.read_csv(path, low_memory=False).copy()
    text = path.read_text(encoding="utf-8")
    records = map(json.loads, text.splitlines()) if path.suffix == ".jsonl" else json.loads(text)
    return pd.DataFrame([records] if isinstance(records, dict) else list(records))


def _rename_columns(table: pd.DataFrame, card: Card) -> pd.DataFrame:
    """Return the columns under our names, with the numbers that belong to labels."""
    recipe = card.recipe
    _require(table, recipe.rename.values(), card)
    ours = table[list(recipe.rename.values())].set_axis(list(recipe.rename), axis=1)
    rest = table.drop(columns=list(recipe.rename), errors="ignore")
    table = pd.concat([rest, ours], axis=1).copy()  # in one piece, to which columns are added
    for column, entry in recipe.lookup.items():
        _require(table, [entry["by"]], card)
        table[column] = table[entry["by"]].astype("str").map(entry["values"])
    return table


def _compute_columns(table: pd.DataFrame, card: Card) -> pd.DataFrame:
    """Return the table with columns in the units of the card, and with computed columns."""
    for column, factor in card.recipe.scale.items():
        _require(table, [column], card)
        table[column] = table[column] * factor
    for column, (name, *arguments) in card.recipe.compute.items():
        if name == "cost":
            others = [other for other in ("params", "tokens", "flops") if other != column]
            _require(table, others, card)
            from_others = getattr(CARD_COSTS[card.cost], column)
            table[column] = from_others(**{other: table[other] for other in others})
        else:
            _require(table, arguments[:1], card)
            table[column] = OPERATIONS[name](*(table.get(text, text) for text in arguments))
    return table


def _keep_rows(table: pd.DataFrame, card: Card) -> pd.DataFrame:
    """Return the rows that the recipe keeps."""
    recipe = card.recipe
    last = [*recipe.last.get("by", ()), *filter(None, [recipe.last.get("order")])]
    _require(table, [*recipe.filter, *recipe.between, *recipe.present, *last], card)
    for column, values in recipe.filter.items():
        table = table[table[column].isin(values)]
    for column, (smallest, largest) in recipe.between.items():
        table = table[table[column].between(smallest, largest)]
    table = table.dropna(subset=list(recipe.present))
    if recipe.last:
        newest = table.sort_values(recipe.last["order"], kind="stable").groupby(recipe.last["by"])
        table = newest.tail(1).sort_index()
    return table


def _require(table: pd.DataFrame, columns: Iterable[str], card: Card) -> None:
    for column in columns:
        if column not in table:
            raise DataError(
                f"table {card.name!r} has no column {column!r} at this step; it has "
                f"{', '.join(map(str, table))}. Correct the recipe on its card."
            )
