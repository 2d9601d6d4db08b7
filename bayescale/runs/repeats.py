"""Rows that are no runs of their own: contradictions, copies, and totals of the others."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from bayescale.errors import DataError
from bayescale.runs.read import COMPUTE
from bayescale.spec.columns import is_real

SEED_NOISE = 0.05
"""Relative difference up to which runs that differ in the seed alone agree."""

ROUNDING = 1e-6
"""Relative difference of numbers that differ by rounding."""

NUMBERING = re.compile(
    r"(.*[\s_-])?(seed|index|idx|id|row|run|trial|repeat|replicate)|unnamed.*|no\.?|#", re.I
)
"""Names of columns that number rows."""


def refuse_contradictions(runs: pd.DataFrame, response: str) -> None:
    """Raise DataError if runs that agree in all other columns differ by more than seeds do.

    Parameters
    ----------
    runs : DataFrame
        Table of runs.
    response : str
        Positive response of the law.
    """
    keys = runs.drop(columns=response).astype(str)
    repeats = keys.groupby(list(keys), dropna=False, sort=False).ngroup()
    values = runs[response].groupby(repeats)
    ratio = values.transform("max") / values.transform("min")
    if ratio.max() > 1 + SEED_NOISE:
        same = runs[response][repeats == repeats.iloc[ratio.argmax()]]
        ordered = same.sort_values()
        first, last = ordered.index[[0, -1]] + 1
        raise DataError(
            f"rows {first} and {last} of the table are the same run with {response} "
            f"{ordered.iloc[0]:.6g} and {ordered.iloc[-1]:.6g}; expected them to agree within "
            f"{SEED_NOISE:.0%}. Add a column that distinguishes them, such as seed, or drop one."
        )


def near_copies(runs: pd.DataFrame, inputs: Sequence[str], response: str) -> Any:
    """Return which rows repeat another one within rounding, seeds and row numbers aside.

    Parameters
    ----------
    runs : DataFrame
        Table of runs.
    inputs, response : sequence of str, str
        Inputs of the law, and its positive response.

    Returns
    -------
    (run,) array of bool
        Rows with the same response and the same of all else, within one part in a million. Where
        a seed or a row number differs, responses have to be written to five digits or more: two
        seeds often agree in three.
    """
    others = [name for name in runs if name != response]
    numbering = []
    for name in others:
        counted = not is_real(runs[name]) or (runs[name] % 1 == 0).all()
        distinct = counted and runs[name].astype(str).is_unique
        if name not in (*COMPUTE, *inputs) and (distinct or NUMBERING.fullmatch(str(name))):
            numbering.append(name)
    digits = max(
        len(f"{value:.9e}".partition("e")[0].replace(".", "").rstrip("0"))
        for value in runs[response].head(1000)
    )
    found = np.zeros(len(runs), dtype=bool)
    for dropped in ([], numbering) if digits >= 5 else ([],):
        groups = np.zeros(len(runs), dtype=int)
        kept = runs[[name for name in others if name not in dropped]]
        if kept.shape[1]:
            keys = {
                name: column.map("{:.7g}".format) if is_real(column) else column.astype(str)
                for name, column in kept.items()
            }
            groups = pd.DataFrame(keys).groupby([*keys], sort=False).ngroup().to_numpy()
        values = runs[response].to_numpy()
        order = np.lexsort((values, groups))
        same = np.diff(groups[order]) == 0
        same &= np.diff(values[order]) <= ROUNDING * values[order][1:]
        found[order[1:][same]] = found[order[:-1][same]] = True
    return found


def refuse_totals(runs: pd.DataFrame, inputs: Sequence[str], response: str) -> None:
    """Raise DataError if a row is the sum or the mean of the others, or of those above it.

    Parameters
    ----------
    runs : DataFrame
        Table of runs.
    inputs, response : sequence of str, str
        Positive inputs of the law, and its positive response.

    Raises
    ------
    DataError
        With the number of the row.
    """
    names = [name for name in dict.fromkeys((*COMPUTE, *inputs)) if name in runs]
    if not set(COMPUTE) & set(names) or len(runs) < 5:
        return
    table = runs[[*names, response]].to_numpy()
    count, above = len(runs), np.arange(len(runs))[:, None]
    varied = (runs[[*names, response]].nunique() > 3).to_numpy()
    # Of seeds of one run, each is the mean of the others, and a larger run may be their sum.
    lowest, highest = np.minimum.accumulate(table), np.maximum.accumulate(table)
    varied_above = np.vstack([np.zeros_like(varied), (highest > lowest)[:-1]]) & varied
    # The response of such a row is often rounded.
    close = table * np.append(np.full(len(names), ROUNDING), 1e-4)
    for sums, many, vary in (
        (table.sum(axis=0) - table, np.full_like(above, count - 1), varied),
        (table.cumsum(axis=0) - table, above, varied_above),
    ):
        total = (np.abs(table - sums) < close) & vary
        mean = (np.abs(table - sums / np.maximum(many, 1)) < close) & vary
        fits = (total | mean)[:, -1]
        sums_of_all = (many[:, 0] == count - 1) & (total[:, :-1].sum(axis=1) > (count < 8))
        summed = total[:, :-1].any(axis=1) & (fits | sums_of_all)
        averaged = (mean[:, :-1].sum(axis=1) >= min(len(inputs), 2)) & fits
        rows = np.flatnonzero((many[:, 0] >= 4) & (summed | averaged))
        if len(rows):
            row = rows[-1]
            column = names[int((total | mean)[row, :-1].argmax())]
            raise DataError(
                f"row {row + 1} of the table holds the {'sum' if summed[row] else 'mean'} of "
                f"other rows ({column} {runs[column].iloc[row]:.6g}); expected every row to be one "
                "run. Drop that row."
            )
