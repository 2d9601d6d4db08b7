"""The point fit that papers report: Huber loss on log residuals, and a pairs bootstrap.

Of a response that is not positive, residuals are taken as they are.

It is what intervals are compared with, not a way to fit a law: it has no prior and no model of the
scatter, and its bootstrap assumes that the law is true.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.optimize import least_squares

from bayescale.errors import LawError
from bayescale.fitting.tree import prior_groups
from bayescale.inference.structure import build_structure
from bayescale.likelihoods import NORMAL
from bayescale.spec.law import Law

Array = np.ndarray[Any, np.dtype[np.float64]]


def point_fit(
    law: Law, runs: pd.DataFrame, *, resamples: int = 200, random_seed: int | None = None
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
    random_seed : int, optional
        For the starts and the resamples; drawn from the system if not given.

    Returns
    -------
    best, resampled : Dataset
        Coefficients; the second with dim ``draw``. The seed is among the attributes of both.

    Raises
    ------
    LawError
        If the law has other coefficients.

    References
    ----------
    Hoffmann et al. (2022), arXiv:2203.15556, section 3.3; Besiroglu et al. (2024),
    arXiv:2404.10102.
    """
    seed = np.random.SeedSequence().generate_state(1)[0] if random_seed is None else random_seed
    # 24 draws of the prior to begin from; each resampled table begins at the best fit of all runs.
    starts = prior_starts(law, runs, 24, seed)
    best = min((minimise_from(law, runs, start) for start in starts), key=lambda fit: fit[1])[0]
    rng = np.random.default_rng(seed)
    tables = (runs.iloc[rng.integers(len(runs), size=len(runs))] for _ in range(resamples))
    fits = [minimise_from(law, table, best)[0] for table in tables]
    resampled = np.exp(np.array(fits).reshape(resamples, len(best)))
    names = law.coefficient_names
    columns = {name: ("draw", resampled[:, k]) for k, name in enumerate(names)}
    fitted = dict(zip(names, np.exp(best), strict=True))
    attrs = {"random_seed": seed}
    draw = {"draw": np.arange(resamples)}
    return xr.Dataset(fitted, attrs=attrs), xr.Dataset(columns, draw, attrs)


def prior_starts(law: Law, runs: pd.DataFrame, count: int, random_seed: int) -> Array:
    """Logarithms of coefficients drawn from the prior, (start, coefficient).

    Raises
    ------
    LawError
        Unless every coefficient is one positive number in every draw.
    """
    structure = build_structure(law, runs, NORMAL, clusters=None)
    prior = prior_groups(structure, runs, count, random_seed)["prior"]
    for name in law.coefficient_names:
        if name in law.parts or not bool((prior[name] > 0).all()):
            what = "has several parts" if name in law.parts else "may be negative"
            raise LawError(
                f"law {law.name!r} has no point fit: its coefficient {name} {what}; expected one "
                "positive number, whose logarithm is searched for. Compare it with other laws "
                "fitted by bayescale, or leave out the point fit."
            )
    return np.log(np.column_stack([prior[name].to_numpy()[0] for name in law.coefficient_names]))


def residuals(law: Law, runs: pd.DataFrame) -> Callable[[Array], Array]:
    """Log response that a law expects less the observed one, as a function of log coefficients."""
    inputs = [runs[name].to_numpy() for name in law.inputs]
    on = law.kind_of(law.response).scaled
    observed = on(runs[law.response].to_numpy())

    def residual(logs: Array) -> Array:
        with np.errstate(all="ignore"):  # a step too far is taken back
            values: Array = on(law.formula(*inputs, *np.exp(logs))) - observed
        return np.nan_to_num(values, nan=1e3, posinf=1e3, neginf=-1e3)

    return residual


def minimise_from(
    law: Law, runs: pd.DataFrame, start: Array, delta: float = 1e-3, **options: Any
) -> tuple[Array, float]:
    """Log coefficients at the minimum that a start leads to, and the loss there.

    Parameters
    ----------
    law : Law
        A law whose coefficients are positive, one number each.
    runs : DataFrame
        Validated runs.
    start : (coefficient,) array
        Log coefficients to begin from.
    delta : float
        Log residual beyond which a run counts by its size, not its square. The default is that of
        arXiv:2203.15556, appendix D.3.
    **options
        Those of `scipy.optimize.least_squares`.

    Returns
    -------
    (coefficient,) array and float
    """
    minimum = least_squares(
        residuals(law, runs),
        start,
        loss="huber",
        f_scale=delta,
        x_scale="jac",
        **options,
    )
    return minimum.x, float(minimum.cost)
