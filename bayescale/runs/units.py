"""Columns in other units than they should be: as a whole, or in some of the rows.

Three things give a unit away. Of params, tokens and flops the third has to follow from the other
two. Tokens per param lie within known bounds. And the loss is a smooth function of the inputs.
"""

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
import pandas as pd

from bayescale.runs.mixtures import (
    Change,
    filled_column,
    inputs_in_two_units,
    losses_in_bits,
    multiplied,
)
from bayescale.runs.read import COMPUTE
from bayescale.spec.compute import PF_DAY, Cost
from bayescale.wording import listed, numbered_rows

GUESS_NATS = 11.5
"""Loss of guessing, the logarithm of a vocabulary of 100,000."""

FEWEST, MOST = 5e-5, 1e5
"""Tokens per param that a run may have: public tables have 7e-5 to 6.4e4."""

GAP = 1.0
"""Decades of tokens per param by which rows in another unit lie apart from the others."""

POWERS = {"params": range(0, 13, 3), "tokens": range(0, 13, 3), "flops": range(0, 25, 3)}
"""Powers of ten that are units of a count."""


def unit_remarks(
    runs: pd.DataFrame, *, inputs: Sequence[str], response: str, cost: Cost
) -> Iterator[tuple[str, bool]]:
    """Return remarks on numbers that are probably in another unit, with rows and factor.

    Parameters
    ----------
    runs : DataFrame
        As `bayescale.runs.read.read_runs` returns it.
    inputs : sequence of str
        Positive inputs of the law.
    response : str
        Response of the law. Only a loss is judged.
    cost : Cost
        Compared with the flops of the runs.

    Yields
    ------
    text : str
        What is wrong and what mends it. Later remarks are on the table as earlier ones mend it.
    sure : bool
        Whether no other cause is likely. Compute may be counted otherwise than by the cost.
    """
    filled = filled_column(runs, cost)
    smooth = inputs if response == "loss" else ()
    searches = (
        lambda table: _impossible_counts(table, filled, cost, whole=True),
        lambda table: _off_the_cost(table, filled, cost),
        lambda table: inputs_in_two_units(table, smooth, filled, cost),
        lambda table: _impossible_counts(table, filled, cost, whole=False),
    )
    for search in searches:
        for rows, factors, reason in [*search(runs)]:
            where = f"all {len(runs)} runs" if rows.all() else numbered_rows(rows)
            mended = listed([f"{name} by {factor:.4g}" for name, factor in factors.items()])
            text = (
                f"{listed([*factors])} of {where} look like another unit: {reason}. Plain counts "
                f"are expected. Multiply {mended} there, unless the numbers are right."
            )
            yield text, True
            runs = multiplied(runs, rows, factors, filled, cost)
    if set(COMPUTE) <= set(runs):
        ratio = (runs["flops"] / cost.flops(runs["params"], runs["tokens"])).to_numpy()
        off = np.abs(np.log(ratio)) > np.log(2)
        if off.any():
            text = (
                f"flops differ from the {cost.name} of params and tokens by more than a factor 2 "
                f"in {off.sum()} of {len(runs)} runs ({numbered_rows(off)}), by "
                f"{np.median(ratio[off]):.3g} times at the median; the same count was expected. "
                "Check the units and what params count, or pass the cost that was used."
            )
            yield text, False
    if response == "loss":
        yield from ((text, True) for text in _odd_losses(runs, inputs))


def _odd_losses(runs: pd.DataFrame, inputs: Sequence[str]) -> Iterator[str]:
    """Return remarks on losses that are hardly in nats a token."""
    if runs["loss"].median() > GUESS_NATS:
        yield (
            f"the median loss is {runs['loss'].median():.3g}, above the {GUESS_NATS} nats a "
            "token that guessing among 100,000 tokens costs; expected nats a token. Convert bits "
            "(times 0.693), a sum over tokens (divide) or a perplexity (its logarithm)."
        )
    upper = losses_in_bits(runs, inputs)
    if upper is not None:
        yield (
            f"loss in {numbered_rows(upper)} lies 1.4427 times above what the other runs suggest, "
            "as bits lie above nats; one unit is expected. Multiply those by ln 2 = 0.6931 if they "
            "are in bits."
        )


def _impossible_counts(
    runs: pd.DataFrame, filled: str | None, cost: Cost, *, whole: bool
) -> Iterator[Change]:
    """Return the whole table or else rows that no training run has had, by size, data or ratio."""
    least = {"params": 2e4, "tokens": 1e6, "flops": 1e9}
    counts = [name for name in ("params", "tokens") if name in runs]
    counts = counts or [name for name in ("flops",) if name in runs]
    every = np.ones(len(runs), dtype=bool)
    groups = [every] if any(runs[name].max() < least[name] for name in counts) else []
    if len(counts) == 2:
        ratio = (runs["tokens"] / runs["params"]).to_numpy()
        low, high = ratio < FEWEST, ratio > MOST
        usual = np.log10(np.median(ratio[~low & ~high])) if not (low | high).all() else np.nan
        # Rows of another unit lie apart; where ratios go on without a gap, they are what they are.
        logs, inside = np.log10(ratio), ~low & ~high
        parted = [
            rows
            for rows in (low, high)
            if np.abs(logs[rows][:, None] - logs[inside]).min(initial=np.inf) > GAP
        ]
        groups = groups or ([every] if (low | high).mean() > 0.8 else parted)
    groups = [rows for rows in groups if rows.all() == whole and rows.any()]
    for rows in groups:
        spans = [f"{n} are {runs[n][rows].min():.3g} to {runs[n][rows].max():.3g}" for n in counts]
        if len(counts) == 2:
            spans.append(f"tokens per param {ratio[rows].min():.3g} to {ratio[rows].max():.3g}")
        target = np.log10(20) if rows.all() else usual
        centre = {name: np.log10(runs[name][rows]).median() for name in counts}
        # Those are multiplied that the table had.
        given = counts if filled is None else [name for name in COMPUTE if name != filled]
        factors = _likely_factors(centre, target, given)
        if not factors:
            continue
        mended = multiplied(runs, rows, factors, filled, cost)
        if len(counts) == 2:
            after = (mended["tokens"] / mended["params"])[rows]
            if after.between(FEWEST, MOST).mean() < 0.9:
                continue  # no unit explains it
        yield rows, factors, ", ".join(spans)


def _likely_factors(
    centre: dict[str, float], usual: float, given: Sequence[str], times: float | None = None
) -> dict[str, float]:
    """Return factors of the columns given that lead to usual sizes, data and tokens per param.

    `centre` and `usual` are decimal logarithms, and so is `times`, the product of the factors if
    that is known. Of params, tokens and flops the third follows from 6 N D.
    """
    choices = {}
    for powers in product(*(POWERS[name] for name in given)):
        if times is not None and sum(powers) != times:
            continue
        step = dict(zip(given, map(float, powers), strict=True))
        unusual = 0.2 * sum(power > 0 for power in powers)
        place = {}
        for name, other, low, high in (
            ("params", "tokens", 6, 12),
            ("tokens", "params", 8, 14),
            ("flops", "", 19, 25),
        ):
            if name in centre:
                follows = step.get("flops", 0.0) - step.get(other, 0.0)
                place[name] = centre[name] + step.get(name, follows)
                unusual += max(low - place[name], place[name] - high, 0)
        if len(place) == 2:
            unusual += abs(place["tokens"] - place["params"] - usual)
        choices[powers] = unusual
    best = min(choices, key=choices.__getitem__)
    return {name: 10.0**power for name, power in zip(given, best, strict=True) if power > 0}


def _off_the_cost(runs: pd.DataFrame, filled: str | None, cost: Cost) -> Iterator[Change]:
    """Return rows whose flops are a unit off the cost of their params and tokens."""
    if filled is not None or not set(COMPUTE) <= set(runs):
        return
    ratio = np.log10(runs["flops"] / cost.flops(runs["params"], runs["tokens"])).to_numpy()
    power = 3 * np.round(ratio / 3)
    power[np.abs(ratio + np.log10(PF_DAY)) < 0.3] = -np.log10(PF_DAY)
    power[np.abs(ratio - power) > 0.6] = 0
    for unit in np.unique(power[power != 0]):
        rows = power == unit
        if np.std(ratio[rows]) > 0.15:
            continue  # a unit is one factor
        reason = f"flops are {np.median(10 ** ratio[rows]):.3g} times the {cost.name}"
        if unit < 0:
            yield rows, {"flops": 10.0**-unit}, reason
        elif unit <= 24:
            counts = ("params", "tokens")
            centre = {name: np.log10(runs[name][rows]).median() for name in counts}
            yield rows, _likely_factors(centre, np.log10(20), counts, unit), reason
