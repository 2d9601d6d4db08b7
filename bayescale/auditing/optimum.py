"""Whether the optimum of a claim, stated or derived from its law, is that of the posterior."""

import numpy as np
import xarray as xr
from scipy import stats

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
from bayescale.fitting.record import Fit
from bayescale.posterior.optimum import largest_budget, optimal_params
from bayescale.spec.claim import Claim
from bayescale.spec.compute import SIX_ND


def at_budget(claim: Claim, evidence: Evidence) -> CheckResult:
    """Check the optimal params at the budget of the claim against the posterior.

    Without a budget, the compute of the largest run is taken. Printed digits are varied within
    their rounding. A claim that states the optimum itself need not give a whole law.
    """
    fit = evidence.fit
    stated = {"N_opt", "D_opt"} & claim.values.keys()
    if not (stated or is_whole_law(claim, fit)) or not fit.law.allocates:
        return untested("The claim is no whole law of params and tokens.")
    if not fit.law.has_optimum_at(claim.at):
        inputs = ", ".join(fit.law.extra_inputs)
        return untested(f"The claim does not give the {inputs} of its optimum.")
    if fit.structure.by is not None and not fit.structure.own_groups:
        return untested("The runs are grouped.")
    if stated and claim.budget:
        return stated_optimum(claim, fit, claim.budget)
    budget = claim.budget or largest_budget(fit.draws)
    draws = xr.ufuncs.log(fit.optimum(budget, at=claim.at)["N_opt"].isel(budget=0))
    mean, sd = float(draws.mean()), float(draws.std(ddof=1))
    value, low, high = (float(np.log(x)) for x in optimum_range(claim, fit, budget))
    distance = (float(np.clip(mean, low, high)) - mean) / sd
    outcome = DISAGREES if abs(distance) > stats.norm.isf(CHANCE / 2) else AGREES
    sentence = (
        f"N_opt at {budget:.3g} FLOP is {np.exp(value):.3g} by the claim ({np.exp(low):.3g} to "
        f"{np.exp(high):.3g} within the rounding of its digits), and {np.exp(mean):.3g} by the "
        f"runs, give or take a factor of {np.exp(sd):.2f}."
    )
    numbers = {
        "budget": budget,
        "claimed": np.exp(value),
        "lowest": np.exp(low),
        "highest": np.exp(high),
        "median": np.exp(mean),
        "log_sd": sd,
        "distance": distance,
    }
    return CheckResult(outcome, numbers, sentence)


def stated_optimum(claim: Claim, fit: Fit, budget: float) -> CheckResult:
    """Check the params and tokens that a claim states at its budget against the posterior.

    Parameters
    ----------
    claim : Claim
        Has ``N_opt``, ``D_opt`` or both among its values.
    fit : Fit
        A fit of a law that has an optimum.
    budget : float
        Compute budget in FLOP.

    Returns
    -------
    CheckResult
    """
    optimum = fit.optimum(budget, at=claim.at)
    rows = {}
    for name in ("N_opt", "D_opt"):
        if name in claim.values:
            value, half = claim.values[name], claim.rounding(name)
            logs = xr.ufuncs.log(optimum[name].isel(budget=0))
            mean, sd = float(logs.mean()), float(logs.std(ddof=1))
            nearest = float(np.clip(mean, np.log(value - half), np.log(value + half)))
            rows[name] = {
                "claimed": value,
                "median": float(np.exp(mean)),
                "log_sd": sd,
                "distance": (nearest - mean) / sd,
            }
    limit = float(stats.norm.isf(CHANCE / 2 / len(rows)))
    sentences = [
        f"{name} at {budget:.3g} FLOP is {row['claimed']:.4g} by the claim, and "
        f"{row['median']:.3g} by the runs, give or take a factor of {np.exp(row['log_sd']):.2f}."
        for name, row in rows.items()
    ]
    far = any(abs(row["distance"]) > limit for row in rows.values())
    return CheckResult(
        DISAGREES if far else AGREES, {"budget": budget, **rows}, " ".join(sentences)
    )


def optimum_range(claim: Claim, fit: Fit, flops: float) -> tuple[float, float, float]:
    """Optimal params by a claim, with the least and the most within the rounding of its digits.

    Parameters
    ----------
    claim : Claim
        A whole law.
    fit : Fit
        A fit of that law.
    flops : float
        Compute budget in FLOP.

    Returns
    -------
    tuple of float
        Params as printed digits give them, the least, and the most.
    """
    corners = rounded(claim, fit.law, fit.law.coefficient_names)
    params = optimal_params(fit.law, corners, xr.DataArray(flops), SIX_ND, claim.at).to_numpy()
    return float(params[0]), float(params.min()), float(params.max())
