"""Whether a claim is the minimum of the objective that its authors minimised.

This takes no posterior, only the runs that the claim was fitted to. The objective may be so flat
along a valley that a search ends anywhere in it. A claim is therefore judged by what a reader takes
from it: the quantities that follow from its coefficients have to be those that follow at the
minimum.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import optimize, special

from bayescale.auditing.check_result import (
    AGREES,
    DISAGREES,
    EXACT,
    CheckResult,
    Evidence,
    is_whole_law,
    untested,
)
from bayescale.fitting.point_fit import minimise_from, prior_starts, residuals
from bayescale.spec.claim import OBJECTIVES, Claim, Objective
from bayescale.spec.law import Law

Array = np.ndarray[Any, np.dtype[np.float64]]

TIGHT = {"xtol": 1e-15, "ftol": 1e-15, "gtol": 1e-15, "max_nfev": 2000}
"""Options of a search that does not stop half way along a flat valley."""


def own_objective(claim: Claim, evidence: Evidence) -> CheckResult:
    """Check whether the claim is the minimum of its own objective on its own runs.

    The best coefficients within the rounding of the printed digits are compared with the minimum
    that is reached from the claim, or from draws of the prior if that one is lower.
    """
    fit, objective = evidence.fit, claim.objective
    law, runs = fit.law, fit.runs
    if objective is None or not is_whole_law(claim, fit):
        return untested("The claim does not state what its coefficients minimise.")
    if len(runs) != claim.runs:
        runs = runs.drop(index=list(claim.data.without), errors="ignore").reset_index(drop=True)
    if len(runs) != claim.runs or fit.structure.by is not None:
        return untested(f"These are not the {claim.runs} runs that the claim was fitted to.")
    rounded, best = _best_rounded_and_minimum(claim, objective, law, runs, fit.random_seed)
    off = residuals(law, runs)
    excess = objective_value(objective, off(rounded)) / objective_value(objective, off(best)) - 1
    there, at_minimum = _coefficients(law, rounded), _coefficients(law, best)
    # Coefficients stand in for derived quantities where there are none.
    first, second = (law.derive(x) if law.derived else x for x in (there, at_minimum))
    pairs = {name: (float(first[name]), float(second[name])) for name in first}
    changes = {name: abs(lowest / printed - 1) for name, (printed, lowest) in pairs.items()}
    worst = max(changes, key=lambda name: changes[name])
    printed, lowest = pairs[worst]
    # 1% is half a unit of the second digit of an exponent near 0.5; less prints the same number.
    far = changes[worst] > 0.01
    strays = _matches_other_objective(claim, objective, law, runs, best)
    sentences = [
        f"The {objective.kind} objective (delta {objective.delta:g}) is "
        f"{100 * max(excess, 0):.2g}% above its minimum, rounding allowed for, where {worst} is "
        f"{lowest:.4g}"
        f"{f' and not {printed:.4g}' if far else f'; the claim has {printed:.4g}'}.",
        *(
            f"{name} = {claim.values[name]:g} is that of the minimum of the {kind} objective, and "
            f"not of its own, {at_minimum[name]:.5g}, as the others are."
            for name, kind in strays.items()
        ),
    ]
    numbers = {"excess": excess, "at_minimum": at_minimum, "moved": pairs, "elsewhere": strays}
    return CheckResult(DISAGREES if far else AGREES, numbers, " ".join(sentences))


def _best_rounded_and_minimum(
    claim: Claim, objective: Objective, law: Law, runs: pd.DataFrame, random_seed: int
) -> tuple[Array, Array]:
    """Log coefficients: the best that round to the printed ones, and the lowest minimum."""
    off = residuals(law, runs)

    def value(logs: Array) -> float:
        return objective_value(objective, off(logs))

    # Six draws of the prior, in case a minimum is lower than the one near the claim.
    drawn = prior_starts(law, runs, 6, random_seed)
    rough = (minimise_from(law, runs, start, objective.delta, **TIGHT) for start in drawn)
    lowest = min(rough, key=lambda pair: pair[1])[0]
    names = law.coefficient_names
    values, half = np.array([(claim.values[name], claim.rounding(name)) for name in names]).T
    half = np.minimum(np.maximum(half, EXACT * values), values / 2)
    bounds = (np.log(values - half), np.log(values + half))
    printed = np.log(values)
    rounded = _minimise_objective(objective, law, runs, printed, bounds=bounds)
    minima = (_minimise_objective(objective, law, runs, start) for start in (printed, lowest))
    return min((printed, rounded), key=value), min(minima, key=value)


def objective_value(objective: Objective, off: Array) -> float:
    """Value of an objective at log residuals, up to a constant factor.

    That of a likelihood is its n-th root at the best scale. Its ratios are then comparable with
    those of a sum, and both are those of mean absolute residuals where delta is small.
    """
    if objective.kind == "huber":
        return float(special.huber(objective.delta, off).sum())
    scale = _best_scale(off, objective.delta)
    return float(scale * np.exp(special.huber(objective.delta, off / scale).mean()))


def _best_scale(off: Array, delta: float) -> float:
    """Scale of maximum likelihood: where the derivative of the log likelihood vanishes."""

    def slope(log_scale: float) -> float:
        inner = off / np.exp(log_scale)
        return float((inner * np.clip(inner, -delta, delta)).mean() - 1)

    # It falls: from a million and more, where all exceed delta times the scale, to less than 0.
    least = 1e-6 * min(delta, 1.0) * np.abs(off).mean()
    most = 2 * np.sqrt(np.mean(off**2))
    return float(np.exp(optimize.brentq(slope, np.log(least), np.log(most))))


def _minimise_objective(
    objective: Objective, law: Law, runs: pd.DataFrame, start: Array, **options: Any
) -> Array:
    """Log coefficients at the minimum of an objective that a start leads to.

    The minimum of a likelihood is approached by Huber losses of smaller and smaller delta, because
    its threshold is delta times a scale that is itself about delta times the residuals.

    Parameters
    ----------
    objective : Objective
        What is minimised.
    law : Law
        A law whose coefficients are positive, one number each.
    runs : DataFrame
        Validated runs.
    start : (coefficient,) array
        Log coefficients.
    **options
        Options of `scipy.optimize.least_squares`, such as bounds.
    """
    logs, _ = minimise_from(law, runs, start, objective.delta, **TIGHT, **options)
    if objective.kind == "huber":
        return logs
    last = objective.delta * _best_scale(residuals(law, runs)(logs), objective.delta)
    for threshold in np.geomspace(objective.delta, last, 12)[1:]:
        logs, _ = minimise_from(law, runs, logs, float(threshold), **TIGHT, **options)
    return logs


def _matches_other_objective(
    claim: Claim, objective: Objective, law: Law, runs: pd.DataFrame, best: Array
) -> Mapping[str, str]:
    """Coefficients at the minimum of another objective, where the others are at that of their own.

    A printed number matches within a unit of its last digit, so that a number that was cut rather
    than rounded still matches.

    Returns
    -------
    dict of str to str
        Kind of the other objective, by coefficient.
    """

    def matches(name: str, value: float) -> bool:
        return abs(claim.values[name] - value) <= 2 * claim.rounding(name)

    own = _coefficients(law, best)
    strays = [name for name, value in own.items() if not matches(name, value)]
    if len(strays) in (0, len(own)):
        return {}
    others = {
        kind: _coefficients(
            law,
            _minimise_objective(Objective(kind=kind, delta=objective.delta), law, runs, best),
        )
        for kind in OBJECTIVES
        if kind != objective.kind
    }
    return {
        name: kind
        for name in strays
        for kind, coefficients in others.items()
        if matches(name, coefficients[name])
    }


def _coefficients(law: Law, logs: Array) -> dict[str, float]:
    return dict(zip(law.coefficient_names, np.exp(logs).tolist(), strict=True))
