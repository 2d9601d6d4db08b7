"""Optimal params of compute budgets, from the runs made at each."""

import numpy as np
import pandas as pd

from bayescale.inference.clusters import compute_neighbourhoods

NEAREST = 9
"""Runs next to the smallest loss that a parabola is fitted to: further out it is none."""
WIDEST = 0.5
"""Standard error of log params above which an optimum is not worth having."""


def measured_optima(runs: pd.DataFrame) -> pd.DataFrame:
    """Minimum of a parabola in log params at every budget: ``flops, log_params, se``.

    Left out are budgets with fewer than five runs, without a minimum, or with one outside the
    runs, and those whose optimum has a standard error above `WIDEST`.
    """
    optima = [
        _optimum(runs[runs["flops"].between(low * (1 - 1e-9), high * (1 + 1e-9))])
        for low, high in compute_neighbourhoods(runs)
    ]
    rows = [row for row in optima if row is not None]
    return pd.DataFrame(rows, columns=["flops", "log_params", "se"])


def _optimum(runs: pd.DataFrame) -> tuple[float, float, float] | None:
    logs = np.log(runs[["params", "loss"]].to_numpy())
    near = np.argsort(abs(logs[:, 0] - logs[logs[:, 1].argmin(), 0]))[:NEAREST]
    x, y = logs[near].T
    if len(np.unique(x)) < 5:
        return None
    design = np.vander(x - x.mean(), 3)
    (bend, slope, _), residual = np.linalg.lstsq(design, y)[:2]
    place = -slope / (2 * bend)
    if bend <= 0 or not x.min() < place + x.mean() < x.max():
        return None
    gradient = np.array([slope / (2 * bend**2), -1 / (2 * bend), 0.0])
    variance = gradient @ np.linalg.inv(design.T @ design) @ gradient
    se = float(np.sqrt(variance * residual.sum() / max(len(x) - 3, 1)))
    flops = float(np.exp(np.log(runs["flops"]).mean()))
    return (flops, float(place + x.mean()), se) if se < WIDEST else None
