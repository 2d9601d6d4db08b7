"""Whether a claim holds where its runs end: at runs that were held out, and at a stated optimum."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from bayescale.checks import (
    AGREES,
    CHANCE,
    DISAGREES,
    CheckResult,
    has_all,
    honest_sd,
    rounded,
    untested,
)
from bayescale.claims import Claim
from bayescale.draws import SAMPLE_DIMS
from bayescale.errors import DataError

if TYPE_CHECKING:
    from bayescale.fitting import Fit

HELD_OUT = "held-out runs"
MASS = 0.9
"""Probability of the intervals of a new run that are counted."""


def held_out(claim: Claim, fit: "Fit") -> CheckResult:
    """Whether runs that the claim was not fitted to lie where it says.

    A law without a term for its own error says that they scatter about it as the other runs do. So
    much is allowed, and the rounding of its digits; how wrong laws are beyond their runs is not, as
    the claim does not say so. It is shown beside it how the refit does, which does say so.
    """
    if not claim.held_out or not has_all(claim, fit) or fit.structure.by is not None:
        return untested(HELD_OUT, "No runs were held out from a whole law without groups.")
    try:
        runs = held_out_runs(claim)
    except DataError as error:
        return untested(HELD_OUT, f"They cannot be had: {error}")
    data = _told(claim, fit, runs)
    limit = float(stats.norm.isf(CHANCE / 2 / len(runs)))
    outcome = DISAGREES if bool((abs(data["distance"]) > limit).any()) else AGREES
    numbers = {
        "limit": limit,
        "percent": 100 * float(np.expm1(data["log_claimed"] - data["log_observed"]).mean()),
        "difference": float((data["claimed"] - data["observed"]).mean()),
        "distance": max(data["distance"].to_numpy().tolist(), key=abs),
        "refit_percent": 100 * float(np.expm1(data["log_refit"] - data["log_observed"]).mean()),
        "inside": int(data["inside"].sum()),
        "inside_without_drift": int(data["inside_without_drift"].sum()),
        "runs": len(runs),
    }
    return CheckResult(HELD_OUT, outcome, numbers, _sentence(numbers, fit.law.response), data)


def held_out_runs(claim: Claim) -> pd.DataFrame:
    """Runs that a claim names as held out, in the columns it is about."""
    from bayescale import datasets
    from bayescale.choices import with_column

    runs = datasets.load(claim.held_out, **claim.where)
    for name, column in claim.columns.items():
        runs = with_column(runs, name=name, column=column)
    return runs


def _told(claim: Claim, fit: "Fit", runs: pd.DataFrame) -> xr.Dataset:
    """Each run as observed, by the claim and by the refit."""
    law = fit.law
    points = runs[list(law.inputs)]
    alone, drifting = (fit.predict(points, extrapolate=beyond) for beyond in (False, True))
    observed = xr.DataArray(runs[law.response].to_numpy(), dims="point")
    columns = {name: xr.DataArray(points[name].to_numpy(), dims="point") for name in law.inputs}
    claimed = law.formula(**columns, **rounded(claim, law, law.coefficient_names))
    scattered = xr.ufuncs.log(alone["new_run"] / alone["mean"])
    low, high = (scattered.quantile(q, SAMPLE_DIMS) for q in stats.norm.cdf([-1.0, 1.0]))
    logs = xr.ufuncs.log(observed)
    off = xr.ufuncs.log(claimed) - logs
    nearest = xr.zeros_like(logs).clip(off.min("corner"), off.max("corner"))
    found = {
        "observed": observed,
        "log_observed": logs,
        "claimed": claimed.isel(corner=0),
        "log_claimed": xr.ufuncs.log(claimed).isel(corner=0),
        "log_refit": xr.ufuncs.log(alone["mean"]).median(SAMPLE_DIMS),
        "distance": nearest / ((high - low) / 2),
        "inside": _inside(observed, drifting["new_run"]),
        "inside_without_drift": _inside(observed, alone["new_run"]),
    }
    return xr.Dataset({name: array.drop_vars(array.coords) for name, array in found.items()})


def _inside(observed: xr.DataArray, draws: xr.DataArray) -> xr.DataArray:
    tail = (1 - MASS) / 2
    low, high = (draws.quantile(q, SAMPLE_DIMS) for q in (tail, 1 - tail))
    return (observed >= low) & (observed <= high)


def _sentence(numbers: dict[str, Any], response: str) -> str:
    said = "too high" if numbers["percent"] > 0 else "too low"
    count = numbers["runs"]
    runs = "the run" if count == 1 else f"the {count} runs"
    return (
        f"For {runs} held out the claimed law is {abs(numbers['percent']):.1f}% "
        f"({abs(numbers['difference']):.3f} in {response}) {said}, {abs(numbers['distance']):.1f} "
        f"times what runs scatter by; the refit is {numbers['refit_percent']:+.1f}% off, and its "
        f"{MASS:.0%} intervals of a new run hold {numbers['inside']} of {count} with drift, "
        f"{numbers['inside_without_drift']} without."
    )


def stated_optimum(claim: Claim, fit: "Fit", budget: float) -> CheckResult:
    """Whether the params and tokens that a claim states at its budget are the posterior's."""
    answer = fit.optimum(budget, **claim.at)
    names = [name for name in ("N_opt", "D_opt") if name in claim.values]
    rows = {name: _placed(claim, fit, name, answer[name].isel(budget=0)) for name in names}
    limit = float(stats.norm.isf(CHANCE / 2 / len(rows)))
    far = [name for name, row in rows.items() if abs(row["distance"]) > limit]
    told = [
        f"{name} at {budget:.3g} FLOP is {row['claimed']:.4g} by the claim, and "
        f"{row['median']:.3g} by the runs, give or take a factor of {np.exp(row['log_sd']):.2f}."
        for name, row in rows.items()
    ]
    outcome = DISAGREES if far else AGREES
    return CheckResult("optimum", outcome, {"budget": budget, **rows}, " ".join(told))


def _placed(claim: Claim, fit: "Fit", name: str, draws: xr.DataArray) -> dict[str, float]:
    logs, value, half = xr.ufuncs.log(draws), claim.values[name], claim.rounding(name)
    middle, own = float(logs.mean()), honest_sd(fit, logs)
    nearest = float(np.clip(middle, np.log(value - half), np.log(value + half)))
    return {
        "claimed": value,
        "median": float(np.exp(middle)),
        "log_sd": own,
        "distance": (nearest - middle) / own,
    }
