"""The point fit that papers report: Huber loss on log residuals, and a pairs bootstrap.

A response that is not positive leaves plain residuals.

It is what intervals are held against, not a way to fit a law: it has no prior and no model of how
runs scatter, and its bootstrap takes the law for true.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.optimize import least_squares

from bayescale.errors import LawError
from bayescale.law import Law
from bayescale.likelihood import normal
from bayescale.structure import structure
from bayescale.trees import prior_groups

HUBER = 1e-3
"""Log residual beyond which a run counts by its size, not its square (arXiv:2203.15556, D.3)."""

STARTS = 24
"""Draws of the prior that the search begins from; each resampled table begins at what it found."""

Array = np.ndarray[Any, np.dtype[np.float64]]


def point_fit(
    law: Law, runs: pd.DataFrame, *, resamples: int = 200, random_seed: int = 0
) -> tuple[xr.Dataset, xr.Dataset]:
    """Coefficients of smallest Huber loss, and those of tables of runs drawn with replacement.

    Parameters
    ----------
    law : Law
        A law whose coefficients are positive, one number each.
    runs : DataFrame
        Validated runs.
    resamples : int
        Tables drawn.
    random_seed : int
        For the starts and the resamples.

    Returns
    -------
    best, resampled : Dataset
        Coefficients; the second with dim ``draw``.

    Raises
    ------
    LawError
        If the law has other coefficients.

    References
    ----------
    Hoffmann et al. (2022), arXiv:2203.15556, section 3.3; Besiroglu et al. (2024),
    arXiv:2404.10102.
    """
    best = min(
        (descended(law, runs, start) for start in starts(law, runs, STARTS, random_seed)),
        key=lambda found: found[1],
    )[0]
    rng = np.random.default_rng(random_seed)
    tables = (runs.iloc[rng.integers(len(runs), size=len(runs))] for _ in range(resamples))
    found = [descended(law, table, best)[0] for table in tables]
    resampled = np.array(found).reshape(resamples, len(best))
    names = law.coefficient_names
    columns = {name: ("draw", np.exp(resampled[:, k])) for k, name in enumerate(names)}
    fitted = dict(zip(names, np.exp(best), strict=True))
    return xr.Dataset(fitted), xr.Dataset(columns, {"draw": np.arange(resamples)})


def starts(law: Law, runs: pd.DataFrame, count: int, random_seed: int) -> Array:
    """Logarithms of coefficients drawn from the prior."""
    made = structure(law, normal(law.inputs), runs)
    prior = prior_groups(made, runs, count, random_seed)["prior"]
    _check_positive(law, prior)
    return np.log(np.column_stack([prior[name].to_numpy()[0] for name in law.coefficient_names]))


def _check_positive(law: Law, prior: xr.Dataset) -> None:
    """Raise LawError unless every coefficient is one positive number in every draw."""
    for name in law.coefficient_names:
        if name in law.parts or not bool((prior[name] > 0).all()):
            what = "has several parts" if name in law.parts else "may be negative"
            raise LawError(
                f"law {law.name!r} has no point fit: its coefficient {name} {what}; expected one "
                "positive number, whose logarithm is searched for. Compare it with other laws "
                "fitted by bayescale, or leave out the point fit."
            )


def residuals(law: Law, runs: pd.DataFrame) -> Callable[[Array], Array]:
    """Log response that a law expects less the observed one, as a function of log coefficients."""
    inputs = [runs[name].to_numpy() for name in law.inputs]
    on = law.scale_of(law.response).measured
    observed = on(runs[law.response].to_numpy())

    def off(logs: Array) -> Array:
        with np.errstate(all="ignore"):  # a step too far is taken back
            found: Array = on(law.formula(*inputs, *np.exp(logs))) - observed
        return np.nan_to_num(found, nan=1e3, posinf=1e3, neginf=-1e3)

    return off


def descended(
    law: Law, runs: pd.DataFrame, start: Array, delta: float = HUBER, **options: Any
) -> tuple[Array, float]:
    """Log coefficients at the minimum that a start leads to, and the loss there.

    The options are those of `scipy.optimize.least_squares`.
    """
    found = least_squares(
        residuals(law, runs),
        start,
        loss="huber",
        f_scale=delta,
        x_scale="jac",
        **options,
    )
    return found.x, float(found.cost)
