"""Which runs there are to train: what is left to do follows from the table of runs done.

First every size is swept over learning rates at two token counts. The sweeps give a rate for every
size and the exponent with which the best rate changes with tokens; the grid, its repeats with other
seeds, and the held-out larger runs are trained with what that says.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from sizes import Size

BATCH = 2
"""Windows a step: 256 bytes. With eight times as many, the shortest runs take too few steps."""

SIZES = tuple(
    Size(width, layers)
    for width, layers in (
        *((16, 1), (20, 1), (24, 1), (32, 1), (32, 2), (40, 2)),
        *((48, 2), (64, 2), (64, 4), (96, 4), (128, 5)),
    )
)
TOKENS = tuple(2**power for power in range(18, 26))
CAP = 4e12
"""The grid holds the cells that cost at most this many FLOP."""

RATES = tuple(2.0**power for power in range(-10, -5))
"""Learning rates of a sweep; one more is tried beyond an end that turns out best."""

REPEATED = (
    *((SIZES[0], 2**19), (SIZES[0], 2**22), (SIZES[3], 2**20), (SIZES[3], 2**23)),
    *((SIZES[5], 2**18), (SIZES[5], 2**21), (SIZES[6], 2**22), (SIZES[7], 2**20)),
    *((SIZES[8], 2**19), (SIZES[9], 2**18)),
)
"""Cells trained with three seeds, not one."""

HOLDOUT = (
    *((size, 1.7e13) for size in SIZES[-4:]),
    *((size, 3.3e13) for size in SIZES[-2:]),
)
"""Sizes and FLOP of the held-out runs: 4.4 and 8.5 times the most costly cell."""


@dataclass(frozen=True)
class Run:
    """One model to train."""

    role: str
    size: Size
    tokens: int
    learning_rate: float
    seed: int = 0

    @property
    def flops(self) -> float:
        """FLOP of training, exactly as counted by `Size.flops_per_token`."""
        return self.size.flops_per_token * self.tokens

    @property
    def key(self) -> tuple[str, int, int, int, float, int]:
        """What tells this run from every other, as in the table."""
        size = self.size
        return self.role, size.width, size.layers, self.tokens, self.learning_rate, self.seed


KEY = ["role", "width", "layers", "tokens", "learning_rate", "seed"]


def left_to_do(table: pd.DataFrame) -> list[Run]:
    """Runs that can start now, the ones to start first in front; none once all are done.

    Parameters
    ----------
    table : DataFrame
        The runs done, with the columns of `KEY`, `status` and `loss`.
    """
    done = set(table[KEY].itertuples(index=False, name=None))
    sweeps = [run for run in _sweeps(table) if run.key not in done]
    if sweeps:
        return sorted(sweeps, key=lambda run: -run.flops)
    runs = [run for stage in _stages(table) for run in sorted(stage, key=lambda run: -run.flops)]
    return [run for run in runs if run.key not in done]


def _sweeps(table: pd.DataFrame) -> list[Run]:
    return [
        Run("sweep", size, tokens, rate)
        for size in SIZES
        for tokens in swept_tokens(size)
        for rate in _rates(_curve(table, size, tokens))
    ]


def swept_tokens(size: Size) -> list[int]:
    """Token counts of a size's sweeps: the fewest there are, and more, as far as it is cheap."""
    cheap = [tokens for tokens in TOKENS[:4] if size.flops_per_token * tokens <= CAP / 2]
    return sorted({TOKENS[0], cheap[-1]})


def _curve(table: pd.DataFrame, size: Size, tokens: int) -> pd.Series:
    """Loss by learning rate; infinite where training diverged or failed."""
    rows = table.query("role == 'sweep' and width == @size.width and layers == @size.layers")
    rows = rows[rows["tokens"] == tokens].set_index("learning_rate").sort_index()
    return rows["loss"].where(rows["status"] == "done", np.inf)


def _rates(curve: pd.Series) -> tuple[float, ...]:
    """Rates to try: the usual ones, and one more beyond every end that was best so far."""
    if not set(RATES) <= set(curve.index):
        return RATES
    best = float(curve.idxmin())
    # Rates are factors of two apart, so only beyond an end is there one that was not tried.
    return tuple(sorted({*curve.index, best / 2, best * 2}))


def chosen_rates(table: pd.DataFrame) -> tuple[dict[Size, float], float]:
    """Best learning rate of every size at one token, and its exponent in tokens.

    The best of a sweep is the lowest point of the parabola in log rate through its best three. One
    exponent is shared by all sizes, by least squares.
    """
    swept = [(size, tokens) for size in SIZES for tokens in swept_tokens(size)]
    best = np.array([_lowest(_curve(table, size, tokens)) for size, tokens in swept])
    which = np.array([[size == other for other in SIZES] for size, _ in swept], dtype=float)
    logs = np.log([tokens for _, tokens in swept])
    *levels, slope = np.linalg.lstsq(np.column_stack([which, logs]), best)[0]
    return dict(zip(SIZES, np.exp(levels), strict=True)), float(slope)


def _lowest(curve: pd.Series) -> float:
    """Log rate at which the loss is lowest."""
    place = min(max(int(np.argmin(curve)), 1), len(curve) - 2)
    rates, losses = np.log(curve.index[place - 1 : place + 2]), curve.iloc[place - 1 : place + 2]
    if not np.isfinite(losses).all():
        return float(np.log(curve.idxmin()))
    a, b, _ = np.polyfit(rates, losses, 2)
    return float(np.clip(-b / (2 * a), rates[0], rates[-1]))


def _stages(table: pd.DataFrame) -> list[list[Run]]:
    levels, slope = chosen_rates(table)

    def run(role: str, size: Size, tokens: int) -> Run:
        return Run(role, size, tokens, float(f"{levels[size] * tokens**slope:.3g}"))

    grid = [
        run("grid", size, tokens)
        for size in SIZES
        for tokens in TOKENS
        if size.flops_per_token * tokens <= CAP
    ]
    repeats = [replace(run("repeat", *cell), seed=seed) for cell in REPEATED for seed in (1, 2)]
    whole = 2**14  # bytes of the steps that are run as one
    holdout = [
        run("holdout", size, round(flops / size.flops_per_token / whole) * whole)
        for size, flops in HOLDOUT
    ]
    return [grid, repeats, holdout]
