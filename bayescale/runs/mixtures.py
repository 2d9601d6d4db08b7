"""Rows whose loss or whose inputs are in another unit than those of the other rows.

A quadratic in the logarithms of the inputs stands for the law. Rows in another unit lie a known
factor off it, and the quadratic fits all rows far better once they are multiplied by that factor.
"""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from bayescale.runs.read import COMPUTE
from bayescale.spec.columns import is_real
from bayescale.spec.compute import Cost

BITS = float(np.log(1 / np.log(2)))
"""How far the logarithm of a loss in bits lies above that in nats."""


BEND = 0.03
"""Usual size of the coefficients of the quadratic terms, for natural logarithms."""

Change = tuple[Any, dict[str, float], str]
"""Rows, the factors of columns that mend them, and what gives them away."""


@dataclass(frozen=True)
class _Versions:
    """Every row as it is in the table, and in another unit.

    Parameters
    ----------
    terms : pair of (run, term) array
        Of the quadratic.
    values : pair of (run,) array
        Log loss.
    places : pair of (run,) array
        Where the row lies among the others, by its inputs alone.
    """

    terms: tuple[Any, Any]
    values: tuple[Any, Any]
    places: tuple[Any, Any]


def filled_column(runs: pd.DataFrame, cost: Cost) -> str | None:
    """Return which of params, tokens and flops follows from the other two, None if none does.

    Parameters
    ----------
    runs : DataFrame
        Table of runs.
    cost : Cost
        By which it may follow.

    Returns
    -------
    str or None
    """
    if not set(COMPUTE) <= set(runs):
        return None
    exact = []
    for name in ("flops", "tokens", "params"):
        others = {other: runs[other].to_numpy() for other in COMPUTE if other != name}
        if np.array_equal(runs[name], getattr(cost, name)(**others)):
            exact.append(name)
    # By rounding, a short table may agree both ways; numbers that were counted are whole.
    broken = [name for name in exact if (runs[name] % 1 != 0).any()]
    if exact:
        return (broken or exact)[0]
    ratio = runs["flops"] / cost.flops(runs["params"], runs["tokens"])
    return "flops" if np.abs(ratio - 1).max() < 1e-6 else None


def multiplied(
    runs: pd.DataFrame, rows: Any, factors: Mapping[str, float], filled: str | None, cost: Cost
) -> pd.DataFrame:
    """Return runs with columns multiplied in some rows.

    Parameters
    ----------
    runs : DataFrame
        Table of runs.
    rows : (run,) array of bool
        Rows to change.
    factors : mapping of str to float
        Factor of each column.
    filled : str, optional
        Column that follows from two others, and so is computed again.
    cost : Cost
        By which it follows.

    Returns
    -------
    DataFrame
    """
    runs = runs.copy()
    for name, factor in factors.items():
        runs.loc[rows, name] *= factor
    if filled is not None:
        others = {name: runs[name].to_numpy() for name in COMPUTE if name != filled}
        runs[filled] = getattr(cost, filled)(**others)
    return runs


def losses_in_bits(runs: pd.DataFrame, inputs: Sequence[str]) -> Any:
    """Return which losses lie above the others as bits lie above nats.

    Parameters
    ----------
    runs : DataFrame
        Table of runs with a column ``loss``.
    inputs : sequence of str
        Positive inputs of the law.

    Returns
    -------
    (run,) array of bool or None
        None if none do. The step between the two kinds of rows, estimated along with the
        quadratic, has to be ln 1.4427 within 5%, known to 5%, and four times the scatter.
    """
    if not inputs:
        return None
    terms, log_loss = _terms(runs, runs, inputs), np.log(runs["loss"].to_numpy())
    if len(runs) < terms.shape[1] + 4:
        return None
    residuals = log_loss - terms @ np.linalg.lstsq(terms, log_loss)[0]
    ordered = np.sort(residuals)
    gap = residuals > ordered[np.diff(ordered).argmax()]
    nowhere = np.zeros(len(runs))
    versions = _Versions((terms, terms), (log_loss, log_loss - BITS), (nowhere, nowhere))
    upper, _ = _best_mixture(versions, np.column_stack([_ways_to_cut(runs, inputs), gap]))
    if upper is None:
        return None
    with_step = np.column_stack([terms, upper])
    coefficients, _, rank, _ = np.linalg.lstsq(with_step, log_loss)
    squares = ((log_loss - with_step @ coefficients) ** 2).sum()
    scatter = np.sqrt(squares / max(len(runs) - rank, 1))
    # What of the step is no quadratic says how well it is known.
    own = upper - terms @ np.linalg.lstsq(terms, upper.astype(float))[0]
    step, error = coefficients[-1], scatter / max(np.sqrt((own**2).sum()), 1e-9)
    close = abs(step / BITS - 1) < 0.05 and error < 0.05 * BITS
    return upper if close and step > 4 * scatter else None


def inputs_in_two_units(
    runs: pd.DataFrame, inputs: Sequence[str], filled: str | None, cost: Cost
) -> list[Change]:
    """Return rows whose loss fits that of the others once an input is multiplied.

    Parameters
    ----------
    runs : DataFrame
        Table of runs with a column ``loss``.
    inputs : sequence of str
        Positive inputs of the law.
    filled : str, optional
        Column that follows from two others, as `filled_column` returns it.
    cost : Cost
        By which it follows.

    Returns
    -------
    list of Change
        One, or none if no input is in two units. The rows have to lie within twice the scatter
        as multiplied and eight times it off as they are, and the loss has to scatter 1.8 times
        as far about one quadratic for the table as it is.
    """
    if not inputs:
        return []
    terms, log_loss = _terms(runs, runs, inputs), np.log(runs["loss"].to_numpy())
    if len(runs) < terms.shape[1] + 4:
        return []
    ways = _ways_to_cut(runs, inputs)
    names = {*inputs, *(COMPUTE if filled in inputs else ())} & set(runs) - {filled}
    every, best, least = np.ones(len(runs), bool), [], np.inf
    for name, factor in product(sorted(names), (1e3, 1e6, 1e9)):
        moved = multiplied(runs, every, {name: factor}, filled, cost)
        places = _place(runs, name), _place(moved, name)
        versions = _Versions((terms, _terms(moved, runs, inputs)), (log_loss, log_loss), places)
        # Rows in another unit lie away from the others.
        centre = np.median(places[0])
        nearer = np.abs(places[1] - centre) < np.abs(places[0] - centre)
        starts = np.column_stack([ways, nearer])
        spread = np.where(starts, places[1][:, None], places[0][:, None]).std(axis=0)
        rows, misfit = _best_mixture(versions, starts[:, spread < places[0].std()])
        if rows is None or misfit >= least:
            continue
        coefficients, residuals = _fit_mixture(versions, rows)
        scatter = residuals.std()
        apart = np.abs(log_loss - terms @ coefficients)[rows]
        alone = log_loss - terms @ np.linalg.lstsq(terms, log_loss)[0]
        # Few outliers may look as if all others were off: as they are, these are usual sizes.
        usual = np.abs([np.median(place[rows]) - np.log(20) for place in places])
        mended, rest = moved[name][rows], runs[name][~rows]
        if (
            (rows.mean() < 0.5 or usual[1] < usual[0])
            and mended.min() < 10 * rest.max()
            and mended.max() > rest.min() / 10
            and np.median(np.abs(residuals[rows])) < 2 * scatter
            and np.median(apart) > 8 * scatter
            and alone.std() > 1.8 * scatter
            and np.where(rows, *places[::-1]).std() < places[0].std()
        ):
            reason = f"its loss fits that of the other runs at {factor:.4g} times as many {name}"
            best, least = [(rows, {name: factor}, reason)], misfit
    return best


def _place(runs: pd.DataFrame, name: str) -> Any:
    """Return where rows lie: the logarithm of tokens per param, or of a column."""
    both = name in COMPUTE and {"params", "tokens"} <= set(runs)
    return np.log((runs["tokens"] / runs["params"] if both else runs[name]).to_numpy())


def _terms(runs: pd.DataFrame, centre: pd.DataFrame, inputs: Sequence[str]) -> Any:
    """Return the terms of a quadratic in the logarithms of inputs, less those of a table."""
    logs = np.log(runs[list(inputs)].to_numpy())
    logs = logs - np.log(centre[list(inputs)].to_numpy()).mean(axis=0)
    first, second = np.triu_indices(logs.shape[1])
    return np.column_stack([np.ones(len(runs)), logs, logs[:, first] * logs[:, second]])


def _ways_to_cut(runs: pd.DataFrame, inputs: Sequence[str]) -> Any:
    """Return ways in which a table may be cut into two kinds of rows, one a column.

    They are by place in the table, by size, data, budget and tokens per param, and by every label
    of a column that has few.
    """
    logs = [np.log(runs[name].to_numpy()) for name in sorted({*inputs, *COMPUTE} & set(runs))]
    if {"params", "tokens"} <= set(runs):
        logs.append(np.log((runs["tokens"] / runs["params"]).to_numpy()))
    ways = [np.zeros(len(runs), bool)]
    for values in (np.arange(len(runs)), *logs):
        levels = np.unique(np.round(values, 2))
        cuts = levels[:-1] + np.diff(levels) / 2
        ways += [values > cut for cut in cuts[:: max(len(cuts) // 24, 1)]]
    for name in runs:
        labels = runs[name] if is_real(runs[name]) else runs[name].astype(str)
        if labels.nunique() <= 30:
            ways += [(labels == label).to_numpy() for label in labels.unique()]
    return np.column_stack([*ways, *(~way for way in ways)])


def _fit_mixture(versions: _Versions, rows: Any) -> tuple[Any, Any]:
    """Return coefficients and residuals of least squares, `rows` in their second version."""
    chosen = np.where(rows[:, None], *versions.terms[::-1])
    target = np.where(rows, *versions.values[::-1])
    coefficients = np.linalg.lstsq(chosen, target)[0]
    return coefficients, target - chosen @ coefficients


def _best_mixture(versions: _Versions, starts: Any) -> tuple[Any, float]:
    """Return the rows whose second version fits best with the first of the others, and the misfit.

    From the eight starts that fit best, rows are sorted again into the version that is more
    likely. One row alone is an outlier and no unit.
    """
    count = len(starts)
    some = slice(None, None, max(count // 500, 1))
    few = _Versions(*(tuple(part[some] for part in pair) for pair in astuple(versions)))
    rough = [np.abs(_fit_mixture(few, rows)[1]).sum() for rows in starts[some].T]
    best, least = None, np.inf
    for rows in starts.T[np.argsort(rough)[:8]]:
        for _ in range(10):
            coefficients, residuals = _fit_mixture(versions, rows)
            places = np.where(rows, *versions.places[::-1])
            scatter, spread = residuals.std() + 1e-12, places.std() + 1e-12
            first, second = (
                ((values - terms @ coefficients) / scatter) ** 2
                + ((place - places.mean()) / spread) ** 2
                for terms, values, place in zip(*astuple(versions), strict=True)
            )
            before, rows = rows, second < first
            if (before == rows).all():
                break
        # Loss bends little: a step is not to be taken for a bend, nor a bend for a step.
        inputs = round((np.sqrt(8 * len(coefficients) + 1) - 3) / 2)
        bends = coefficients[1 + inputs :]
        misfit = np.log(scatter) + np.log(spread) + (bends**2).sum() / (2 * BEND**2 * count)
        if 2 <= rows.sum() <= count - 2 and misfit < least:
            best, least = rows, misfit
    return best, least
