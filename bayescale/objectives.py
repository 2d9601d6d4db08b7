"""Whether a claim is where its own method leads: the minimum of the objective it says it minimised.

No posterior is needed for it, only the claim's own runs. A valley may be so flat that a search ends
anywhere along it, so a claim is judged by what a reader takes from it: whether the quantities that
follow from its coefficients are those that follow at the minimum.
"""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import optimize, special

from bayescale.checks import AGREES, DISAGREES, EXACT, CheckResult, has_all, untested
from bayescale.claims import OBJECTIVES, Claim
from bayescale.law import Law
from bayescale.pointfit import descended, residuals, starts

if TYPE_CHECKING:
    from bayescale.fitting import Fit

Array = np.ndarray[Any, np.dtype[np.float64]]

NAME = "own objective"
STARTS = 6
"""Draws of the prior from which a lower minimum than that near the claim is looked for."""
MOVED = 0.01
"""Share of a derived quantity: half a unit of the second digit of an exponent near 0.5, so that
less is no other number in print."""
TIGHT = {"xtol": 1e-15, "ftol": 1e-15, "gtol": 1e-15, "max_nfev": 2000}
"""Where the valley is flat, the search must not stop half way down."""


def own_objective(claim: Claim, fit: "Fit") -> CheckResult:
    """Whether the claim is the minimum of its own objective on its own runs.

    The best coefficients within the rounding of its digits are compared with the minimum that is
    reached from the claim, or from draws of the prior if that is lower.
    """
    runs = own_runs(claim, fit.runs)
    if not claim.objective or not has_all(claim, fit):
        return untested(NAME, "The claim does not say what its coefficients minimise.")
    if runs is None or fit.structure.by is not None:
        return untested(NAME, f"These are not the {claim.runs} runs that it was fitted to.")
    law, value = fit.law, partial(objective, claim.objective, delta=claim.delta or 0.0)
    printed = _best_rounded(claim, law, runs)
    found = minimum(claim, law, runs, fit.random_seed)
    excess = value(residuals(law, runs)(printed)) / value(residuals(law, runs)(found)) - 1
    moved = _moved(law, printed, found)
    far = {name: pair for name, pair in moved.items() if _share(*pair) > MOVED}
    there, strays = _named(law, found), elsewhere(claim, law, runs, found)
    numbers = {"excess": excess, "at_minimum": there, "moved": moved, "elsewhere": strays}
    sentence = _sentence(claim, excess, moved, far, strays, there)
    return CheckResult(NAME, DISAGREES if far else AGREES, numbers, sentence)


def own_runs(claim: Claim, runs: pd.DataFrame) -> pd.DataFrame | None:
    """Those of the runs that the claim was fitted to, or None if their number is another."""
    if len(runs) == claim.runs:
        return runs
    kept = runs.drop(index=list(claim.without), errors="ignore")
    return kept.reset_index(drop=True) if len(kept) == claim.runs else None


def objective(name: str, off: Array, delta: float) -> float:
    """What a claim minimises, from log residuals; a constant factor does not matter to it.

    That of the likelihood is its n-th root, at the best scale: its ratios are comparable with
    those of a sum, and both are those of mean absolute residuals where delta is small.
    """
    if name == "huber":
        return float(special.huber(delta, off).sum())
    scale = best_scale(off, delta)
    return float(scale * np.exp(special.huber(delta, off / scale).mean()))


def best_scale(off: Array, delta: float) -> float:
    """Scale at which residuals are likeliest: where its derivative vanishes."""

    def slope(log_scale: float) -> float:
        inner = off / np.exp(log_scale)
        return float((inner * np.clip(inner, -delta, delta)).mean() - 1)

    # It falls: from a million and more where all are beyond delta of the scale, to less than 0.
    least = 1e-6 * min(delta, 1.0) * np.abs(off).mean()
    most = 2 * np.sqrt(np.mean(off**2))
    return float(np.exp(optimize.brentq(slope, np.log(least), np.log(most))))


def minimum(claim: Claim, law: Law, runs: pd.DataFrame, random_seed: int) -> Array:
    """Log coefficients at the lowest minimum found, from the claim or from draws of the prior."""
    delta = claim.delta or 0.0
    drawn = starts(law, runs, STARTS, random_seed)
    rough = (descended(law, runs, start, delta, **TIGHT) for start in drawn)
    lowest = min(rough, key=lambda found: found[1])[0]
    printed = np.log([claim.values[name] for name in law.coefficient_names])
    found = [_down(claim.objective, claim, law, runs, start) for start in (printed, lowest)]
    return min(
        found, key=lambda logs: objective(claim.objective, residuals(law, runs)(logs), delta)
    )


def _down(
    name: str, claim: Claim, law: Law, runs: pd.DataFrame, start: Array, **options: Any
) -> Array:
    """Descend the objective of a name; that of a likelihood by ever smaller corners.

    Its threshold is delta times a scale that itself is about delta times the residuals.
    """
    delta = claim.delta or 0.0
    logs, _ = descended(law, runs, start, delta, **TIGHT, **options)
    if name == "huber":
        return logs
    last = delta * best_scale(residuals(law, runs)(logs), delta)
    for threshold in np.geomspace(delta, last, 12)[1:]:
        logs, _ = descended(law, runs, logs, float(threshold), **TIGHT, **options)
    return logs


def _best_rounded(claim: Claim, law: Law, runs: pd.DataFrame) -> Array:
    """The best coefficients that round to the printed ones."""
    middle = np.array([claim.values[name] for name in law.coefficient_names])
    half = np.array([claim.rounding(name) for name in law.coefficient_names])
    half = np.minimum(np.maximum(half, EXACT * middle), middle / 2)
    bounds = (np.log(middle - half), np.log(middle + half))
    start = np.log(middle)
    found = _down(claim.objective, claim, law, runs, start, bounds=bounds)
    value = partial(objective, claim.objective, delta=claim.delta or 0.0)
    return min((start, found), key=lambda logs: value(residuals(law, runs)(logs)))


def elsewhere(claim: Claim, law: Law, runs: pd.DataFrame, own: Array) -> Mapping[str, str]:
    """Coefficients that are not those of the minimum, but of another objective's, by name.

    A printed number is one if it is within a unit of its last digit, so that one that was cut
    rather than rounded still is.
    """
    strays = [name for name, value in _named(law, own).items() if not _is(claim, name, value)]
    if len(strays) in (0, len(own)):
        return {}
    others = {
        name: _named(law, _down(name, claim, law, runs, own))
        for name in OBJECTIVES
        if name != claim.objective
    }
    return {
        stray: name
        for stray in strays
        for name, there in others.items()
        if _is(claim, stray, there[stray])
    }


def _is(claim: Claim, name: str, value: float) -> bool:
    return abs(claim.values[name] - value) <= 2 * claim.rounding(name)


def _named(law: Law, logs: Array) -> dict[str, float]:
    return dict(zip(law.coefficient_names, np.exp(logs).tolist(), strict=True))


def _moved(law: Law, printed: Array, found: Array) -> dict[str, tuple[float, float]]:
    """Derived quantities, or coefficients where there are none, by the claim and at the minimum."""
    both = [_named(law, logs) for logs in (printed, found)]
    first, second = (law.derive(named) if law.derived else named for named in both)
    return {name: (float(first[name]), float(second[name])) for name in first}


def _share(printed: float, found: float) -> float:
    return abs(found / printed - 1)


def _sentence(
    claim: Claim,
    excess: float,
    moved: Mapping[str, tuple[float, float]],
    far: Mapping[str, tuple[float, float]],
    strays: Mapping[str, str],
    there: Mapping[str, float],
) -> str:
    worst = max(moved, key=lambda name: _share(*moved[name]))
    printed, found = moved[worst]
    said = (
        f"The {claim.objective} objective (delta {claim.delta:g}) is {100 * max(excess, 0):.2g}% "
        f"above its minimum, rounding allowed for, where {worst} is {found:.4g}"
    )
    said += f" and not {printed:.4g}." if far else f"; the claim has {printed:.4g}."
    told = [
        f"{name} = {claim.values[name]:g} is that of the minimum of the {other} objective, and not "
        f"of its own, {there[name]:.5g}, as the others are."
        for name, other in strays.items()
    ]
    return " ".join([said, *told])
