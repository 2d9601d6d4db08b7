"""From the columns of files to the columns of a table of runs."""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bayescale.datasets.operations import OPERATIONS
from bayescale.datasets.records import CARD_COSTS, Card, Join, Recipe
from bayescale.datasets.unusual import UNUSUAL
from bayescale.errors import DataError
from bayescale.flops import Cost

COSTED: dict[str, Callable[[Cost, pd.DataFrame], pd.Series]] = {
    "params": lambda cost, table: table["flops"] / cost.flops(1.0, table["tokens"]),
    "tokens": lambda cost, table: cost.tokens(table["params"], table["flops"]),
    "flops": lambda cost, table: cost.flops(table["params"], table["tokens"]),
}
"""The columns that a card's cost can fill in from two others."""


def standard_table(paths: Mapping[str, Path], card: Card) -> pd.DataFrame:
    """Table of runs that a card promises, from the files behind it.

    The index counts from zero, the columns are those of the card in its order, and all but the
    groups are float64: 6 params tokens overflows whole numbers of 64 bits.

    Parameters
    ----------
    paths : mapping of str to Path
        The card's files, by the names they have on it.
    """
    table = _molten(_stacked(paths, card), card.recipe)
    table = _selected(_computed(_renamed(table, card), card), card)
    kinds = {column: "str" if column in card.groups else "float64" for column in card.columns}
    _require(table, card.columns, card)
    return table[list(card.columns)].astype(kinds).reset_index(drop=True)


def _stacked(paths: Mapping[str, Path], card: Card) -> pd.DataFrame:
    """Rows of all files, with what is the same in a whole file, and with what other files add."""
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
        table = _joined(table, _read(paths[join.file], recipe), join)
    return table


def _joined(table: pd.DataFrame, right: pd.DataFrame, join: Join) -> pd.DataFrame:
    """Columns of another file beside the rows that they belong to."""
    if not join.nearest:
        return table.merge(
            right, how="left", left_on=list(join.on), right_on=list(join.on.values())
        )
    ((ours, theirs),) = join.on.items()
    apart = np.subtract.outer(table[ours].to_numpy(), join.nearest * right[theirs].to_numpy())
    beside = right.iloc[np.abs(apart).argmin(axis=1)].set_index(table.index)
    joined: pd.DataFrame = pd.concat([table, beside], axis=1)
    return joined


def _read(path: Path, recipe: Recipe) -> pd.DataFrame:
    if recipe.reader:
        return UNUSUAL[recipe.reader](path)
    if recipe.header:
        return pd.read_csv(path, sep="\t", header=None, names=list(recipe.header))
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    if path.suffix not in {".json", ".jsonl"}:
        # A wide file comes in pieces, and pandas warns of every column added to them.
        return pd.read_csv(path, low_memory=False).copy()
    text = path.read_text(encoding="utf-8")
    records = map(json.loads, text.splitlines()) if path.suffix == ".jsonl" else json.loads(text)
    return pd.DataFrame([records] if isinstance(records, dict) else list(records))


def _molten(table: pd.DataFrame, recipe: Recipe) -> pd.DataFrame:
    """Columns that match a pattern as rows."""
    if not recipe.melt:
        return table
    names, values = recipe.melt["names"], recipe.melt["values"]
    found = table.columns.astype("str").str.extract(recipe.melt["columns"], expand=False)
    labels = {column: label for column, label in zip(table, found, strict=True) if pd.notna(label)}
    others = [column for column in table if column not in labels]
    molten = table.melt(others, list(labels), var_name=names, value_name=values)
    return molten.assign(**{names: molten[names].map(labels)})


def _renamed(table: pd.DataFrame, card: Card) -> pd.DataFrame:
    """Columns under our names, looked up where the file has a label in place of a number."""
    recipe = card.recipe
    _require(table, recipe.rename.values(), card)
    ours = table[list(recipe.rename.values())].set_axis(list(recipe.rename), axis=1)
    rest = table.drop(columns=list(recipe.rename), errors="ignore")
    table = pd.concat([rest, ours], axis=1).copy()  # in one piece, to which columns are added
    for column, entry in recipe.lookup.items():
        _require(table, [entry["by"]], card)
        table[column] = table[entry["by"]].astype("str").map(entry["values"])
    return table


def _computed(table: pd.DataFrame, card: Card) -> pd.DataFrame:
    for column, factor in card.recipe.scale.items():
        _require(table, [column], card)
        table[column] = table[column] * factor
    for column, (name, *arguments) in card.recipe.compute.items():
        if name == "cost":
            table[column] = COSTED[column](CARD_COSTS[card.cost], table)
        else:
            _require(table, arguments[:1], card)
            taken: list[Any] = [table.get(text, text) for text in arguments]
            table[column] = OPERATIONS[name](*taken)
    return table


def _selected(table: pd.DataFrame, card: Card) -> pd.DataFrame:
    """Rows that the recipe keeps."""
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
