"""Where claimed values lie in the posterior: each value alone, and all coefficients together."""

import numpy as np
import xarray as xr
from scipy import optimize, stats

from bayescale.auditing.check_result import (
    AGREES,
    CHANCE,
    DISAGREES,
    EXACT,
    CheckResult,
    Evidence,
    draws_of_label,
    is_whole_law,
    untested,
)
from bayescale.spec.claim import Claim
from bayescale.wording import listed


def position(claim: Claim, evidence: Evidence) -> CheckResult:
    """Check where each claimed value lies in the posterior.

    The distance is counted in standard deviations, with a claimed error added. It is the
    distance from the nearest number that rounds to the printed one.
    """
    fit, names = evidence.fit, evidence.testable_names(claim)
    if not names:
        return untested("The runs identify none of the claimed values.")
    rows = {}
    for name in names:
        draws, value, half = draws_of_label(fit, name), claim.values[name], claim.rounding(name)
        mean, sd = float(draws.mean()), float(draws.std(ddof=1))
        nearest = float(np.clip(mean, value - half, value + half))
        rows[name] = {
            "claimed": value,
            "mean": mean,
            "sd": sd,
            "rank": float((draws < value).mean()),
            "distance": (nearest - mean) / float(np.hypot(sd, claim.sd(name) or 0.0)),
        }
    limit = float(stats.norm.isf(CHANCE / 2 / len(names)))
    far = {name: row["distance"] for name, row in rows.items() if abs(row["distance"]) > limit}
    if far:
        distances = listed([f"{name} lies {z:+.1f}" for name, z in far.items()])
        sentence = (
            f"{distances} standard deviations from the posterior mean; chance explains "
            f"up to {limit:.1f}."
        )
    else:
        sentence = f"{listed(names)} within {limit:.1f} standard deviations of the posterior mean."
    data = xr.Dataset({name: draws_of_label(fit, name) for name in names})
    return CheckResult(DISAGREES if far else AGREES, {"limit": limit, **rows}, sentence, data)


def joint_position(claim: Claim, evidence: Evidence) -> CheckResult:
    """Check where all coefficients together lie in the posterior.

    Measured is the Mahalanobis distance of the logarithms, from the nearest coefficients that round
    to the printed ones. A law may be wrong although each of its coefficients is possible, because
    coefficients compensate for one another.
    """
    fit = evidence.fit
    if not is_whole_law(claim, fit):
        return untested("The claim does not give every coefficient.")
    names = fit.law.coefficient_labels
    if any(claim.values[name] <= claim.rounding(name) for name in names):
        return untested("A coefficient is not positive within its rounding.")
    draws = [draws_of_label(fit, name) for name in names]
    if any(bool((values <= 0).any()) for values in draws):
        return untested("A coefficient may be negative, and has no logarithm.")
    logs = [xr.ufuncs.log(values) for values in draws]
    table = np.array([values.to_numpy().ravel() for values in logs])
    whiten = np.linalg.inv(np.linalg.cholesky(np.cov(table)))
    values, half = np.array([(claim.values[name], claim.rounding(name)) for name in names]).T
    half = np.maximum(half, EXACT * values)
    bounds = (np.log(values - half), np.log(values + half))
    nearest = optimize.lsq_linear(whiten, whiten @ table.mean(axis=1), bounds=bounds)
    squared = 2 * float(nearest.cost)
    p = float(stats.chi2.sf(squared, len(names)))
    sentence = (
        f"All {len(names)} coefficients together lie {np.sqrt(squared):.1f} standard deviations "
        f"from the posterior mean (p = {p:.2g}), after rounding is allowed for."
    )
    outcome = DISAGREES if p < CHANCE else AGREES
    return CheckResult(outcome, {"distance": np.sqrt(squared), "p": p}, sentence)
