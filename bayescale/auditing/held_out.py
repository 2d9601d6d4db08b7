"""Whether a claim predicts runs that it was not fitted to."""

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from bayescale import datasets
from bayescale.auditing.check_result import (
    AGREES,
    CHANCE,
    DISAGREES,
    CheckResult,
    Evidence,
    is_whole_law,
    rounded,
    untested,
)
from bayescale.errors import DataError
from bayescale.fitting.record import Fit
from bayescale.posterior.draws import SAMPLE_DIMS
from bayescale.spec.claim import Claim
from bayescale.validation.choices import with_column

MASS = 0.9
"""Probability of the intervals of a new run that are counted."""


def held_out(claim: Claim, evidence: Evidence) -> CheckResult:
    """Check whether runs that the claim was not fitted to lie where it predicts them.

    A law without a term for its own error implies that they scatter about it as the other runs do.
    So much is allowed for, with the rounding of its digits. The error of laws beyond their runs is
    not allowed for, because the claim does not state any. The prediction of the refit, which has
    such a term, is shown beside it.
    """
    fit, data = evidence.fit, claim.data
    if not data.held_out or not is_whole_law(claim, fit) or fit.structure.by is not None:
        return untested("No runs were held out from a whole law without groups.")
    try:
        runs = datasets.load(data.held_out, **data.where)
        for name, column in data.columns.items():
            runs = with_column(runs, name=name, column=column)
    except DataError as error:
        return untested(f"The held-out runs are not available: {error}")
    table = _compare(claim, fit, runs)
    limit = float(stats.norm.isf(CHANCE / 2 / len(runs)))
    percent, refit_percent = (
        100 * float(np.expm1(table[name] - table["log_observed"]).mean())
        for name in ("log_claimed", "log_refit")
    )
    numbers = {
        "limit": limit,
        "percent": percent,
        "difference": float((table["claimed"] - table["observed"]).mean()),
        "distance": max(table["distance"].to_numpy().tolist(), key=abs),
        "refit_percent": refit_percent,
        "inside": int(table["inside"].sum()),
        "inside_without_drift": int(table["inside_without_drift"].sum()),
        "runs": len(runs),
    }
    sentence = (
        f"For {'the run' if len(runs) == 1 else f'the {len(runs)} runs'} held out the claimed law "
        f"is {abs(percent):.1f}% ({abs(numbers['difference']):.3f} in {fit.law.response}) too "
        f"{'high' if percent > 0 else 'low'}, {abs(numbers['distance']):.1f} times the scatter of "
        f"runs; the refit is {refit_percent:+.1f}% off, and its {MASS:.0%} intervals of a new run "
        f"hold {numbers['inside']} of {len(runs)} with drift, {numbers['inside_without_drift']} "
        "without."
    )
    far = bool((abs(table["distance"]) > limit).any())
    return CheckResult(DISAGREES if far else AGREES, numbers, sentence, table)


def _compare(claim: Claim, fit: Fit, runs: pd.DataFrame) -> xr.Dataset:
    """Response of each run as observed, by the claim and by the refit."""
    law = fit.law
    points = runs[list(law.inputs)]
    columns = {name: xr.DataArray(points[name].to_numpy(), dims="point") for name in law.inputs}
    claimed = law.formula(**columns, **rounded(claim, law, law.coefficient_names))
    observed = xr.DataArray(runs[law.response].to_numpy(), dims="point")
    logs = xr.ufuncs.log(observed)
    alone, drifting = (fit.predict(points, drift=drift) for drift in (False, True))
    scatter = xr.ufuncs.log(alone["new_run"] / alone["mean"])
    low, high = (scatter.quantile(q, SAMPLE_DIMS) for q in stats.norm.cdf([-1.0, 1.0]))
    difference = xr.ufuncs.log(claimed) - logs
    nearest = xr.zeros_like(logs).clip(difference.min("corner"), difference.max("corner"))
    table = {
        "observed": observed,
        "log_observed": logs,
        "claimed": claimed.isel(corner=0),
        "log_claimed": xr.ufuncs.log(claimed).isel(corner=0),
        "log_refit": xr.ufuncs.log(alone["mean"]).median(SAMPLE_DIMS),
        "distance": nearest / ((high - low) / 2),
    }
    tail = (1 - MASS) / 2
    for name, draws in (
        ("inside", drifting["new_run"]),
        ("inside_without_drift", alone["new_run"]),
    ):
        lower, upper = (draws.quantile(q, SAMPLE_DIMS) for q in (tail, 1 - tail))
        table[name] = (observed >= lower) & (observed <= upper)
    return xr.Dataset({name: values.drop_vars(values.coords) for name, values in table.items()})
