"""Whether a claim agrees with the runs: where it lies, how sure it is, and what it leaves over.

Each check is a function of a claim and a fit and returns a `CheckResult`. What runs cannot tell is
said to be so; printed digits are given their rounding.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from scipy import optimize, stats

from bayescale.claims import Claim
from bayescale.diagnosis import honesty
from bayescale.display import about, listed
from bayescale.draws import number
from bayescale.driving import largest_budget
from bayescale.flops import SIX_ND
from bayescale.influence import cases_by, resampled
from bayescale.law import Law

if TYPE_CHECKING:
    from bayescale.fitting import Fit

AGREES, DISAGREES, UNTESTED = OUTCOMES = ("agrees", "disagrees", "not testable")

CHANCE = 0.01
"""Probability with which a true claim is said to disagree, over all quantities of a check."""
NARROW = 0.5
"""Share of the posterior's standard deviation below which a claimed one is too small: it would have
needed four times the runs."""
EXACT = 1e-9
"""Relative rounding below which digits are all there."""


@dataclass(frozen=True, eq=False)
class CheckResult:
    """What one check says of one claim.

    Parameters
    ----------
    name : str
        Of the check.
    outcome : str
        One of `OUTCOMES`.
    numbers : mapping
        What was measured, by name.
    sentence : str
        What it means.
    data : Dataset, optional
        What a figure of it needs.
    """

    name: str
    outcome: str
    numbers: Mapping[str, Any]
    sentence: str
    data: xr.Dataset = field(default_factory=xr.Dataset)

    def __str__(self) -> str:
        return f"{self.name}: {self.outcome}. {self.sentence}"


def untested(name: str, why: str) -> CheckResult:
    """A check that the runs, or the claim, leave open."""
    return CheckResult(name, UNTESTED, {}, why)


def honest_sd(fit: "Fit", draws: xr.DataArray) -> float:
    """Posterior standard deviation, stretched to what resampling would give if that is more."""
    ratio = float(honesty(draws, cases_by(fit, resampled(fit))))
    return float(draws.std(ddof=1)) * max(ratio if np.isfinite(ratio) else 1.0, 1.0)


def claimed_names(claim: Claim, fit: "Fit") -> list[str]:
    """Quantities with a claimed value that the fit has as one number."""
    return [name for name in claim.values if number(fit.posterior, name) is not None]


def of_number(fit: "Fit", label: str) -> xr.DataArray:
    """Draws of what goes by a label, which is there."""
    draws = number(fit.posterior, label)
    if draws is None:
        raise KeyError(label)
    return draws


def has_all(claim: Claim, fit: "Fit") -> bool:
    """Whether the claim is a whole law."""
    return set(fit.law.numbers) <= set(claim.values)


def position(claim: Claim, fit: "Fit") -> CheckResult:
    """Where each claimed value lies in the posterior.

    The distance is in honest standard deviations, those of a claim with an error of its own added,
    and from the nearest number that rounds to what was printed.
    """
    names = claimed_names(claim, fit)
    if not names:
        return untested("position", "The fit has none of the claimed quantities.")
    rows = {name: _placed(claim, fit, name) for name in names}
    limit = float(stats.norm.isf(CHANCE / 2 / len(names)))
    far = {name: row["distance"] for name, row in rows.items() if abs(row["distance"]) > limit}
    if far:
        said = listed([f"{name} lies {z:+.1f}" for name, z in far.items()])
        sentence = (
            f"{said} standard deviations from the posterior mean, and chance goes to {limit:.1f}."
        )
    else:
        sentence = f"{listed(names)} within {limit:.1f} standard deviations of the posterior mean."
    data = xr.Dataset({name: of_number(fit, name) for name in names})
    return CheckResult(
        "position", DISAGREES if far else AGREES, {"limit": limit, **rows}, sentence, data
    )


def _placed(claim: Claim, fit: "Fit", name: str) -> dict[str, float]:
    draws, value, half = of_number(fit, name), claim.values[name], claim.rounding(name)
    mean, own = float(draws.mean()), honest_sd(fit, draws)
    error = claim.sd(name) or 0.0
    nearest = float(np.clip(mean, value - half, value + half))
    return {
        "claimed": value,
        "mean": mean,
        "sd": own,
        "rank": float((draws < value).mean()),
        "distance": (nearest - mean) / float(np.hypot(own, error)),
    }


def joint(claim: Claim, fit: "Fit") -> CheckResult:
    """Where all coefficients together lie: Mahalanobis distance on the logarithms.

    From the nearest coefficients that round to the printed ones. A law may be wrong although each
    of its numbers is possible, since they make up for one another.
    """
    name = "joint position"
    if not has_all(claim, fit):
        return untested(name, "The claim does not give every coefficient.")
    names = fit.law.numbers
    if any(claim.values[each] <= claim.rounding(each) for each in names):
        return untested(name, "A coefficient is not positive within its rounding.")
    each_drawn = [of_number(fit, each) for each in names]
    if any(bool((drawn <= 0).any()) for drawn in each_drawn):
        return untested(name, "A coefficient may be negative, and has no logarithm.")
    draws = np.log([drawn.to_numpy().ravel() for drawn in each_drawn])
    stretch = [
        honest_sd(fit, logs) / float(logs.std(ddof=1)) for logs in map(xr.ufuncs.log, each_drawn)
    ]
    whiten = np.linalg.inv(np.linalg.cholesky(np.cov(draws))) / float(np.median(stretch))
    values, half = np.array([(claim.values[each], claim.rounding(each)) for each in names]).T
    half = np.maximum(half, EXACT * values)
    found = optimize.lsq_linear(
        whiten, whiten @ draws.mean(axis=1), bounds=(np.log(values - half), np.log(values + half))
    )
    squared = 2 * float(found.cost)
    p = float(stats.chi2.sf(squared, len(names)))
    sentence = (
        f"All {len(names)} coefficients together lie {np.sqrt(squared):.1f} standard deviations "
        f"from the posterior mean (p = {p:.2g}), rounding allowed for."
    )
    outcome = DISAGREES if p < CHANCE else AGREES
    return CheckResult(name, outcome, {"distance": np.sqrt(squared), "p": p}, sentence)


def at_budget(claim: Claim, fit: "Fit", flops: float | None = None) -> CheckResult:
    """Whether the optimal params at the claim's budget are those of the posterior.

    Without a budget, at the largest run's compute. Printed digits are varied within their rounding.
    A claim that states the optimum itself need not be a whole law.
    """
    from bayescale.beyond import stated_optimum

    name = "optimum"
    stated = {"N_opt", "D_opt"} & claim.values.keys()
    if not (stated or has_all(claim, fit)) or not fit.law.allocates:
        return untested(name, "The claim is no whole law of params and tokens.")
    if not fit.law.has_optimum_at(claim.at):
        return untested(name, f"The claim does not say at what {', '.join(fit.law.further)}.")
    if fit.structure.by is not None and not fit.structure.own_groups:
        return untested(name, "The runs are grouped.")
    if stated and claim.budget:
        return stated_optimum(claim, fit, claim.budget)
    budget = flops or claim.budget or largest_budget(fit)
    draws = xr.ufuncs.log(fit.optimum(budget, **claim.at)["N_opt"].isel(budget=0))
    middle, own = float(draws.mean()), honest_sd(fit, draws)
    value, low, high = (float(np.log(x)) for x in optimum_range(claim, fit, budget))
    distance = (float(np.clip(middle, low, high)) - middle) / own
    outcome = DISAGREES if abs(distance) > stats.norm.isf(CHANCE / 2) else AGREES
    sentence = (
        f"N_opt at {budget:.3g} FLOP is {np.exp(value):.3g} by the claim ({np.exp(low):.3g} to "
        f"{np.exp(high):.3g} within the rounding of its digits), and {np.exp(middle):.3g} by the "
        f"runs, give or take a factor of {np.exp(own):.2f}."
    )
    numbers = {
        "budget": budget,
        "claimed": np.exp(value),
        "lowest": np.exp(low),
        "highest": np.exp(high),
        "median": np.exp(middle),
        "log_sd": own,
        "distance": distance,
    }
    return CheckResult(name, outcome, numbers, sentence)


def optimum_range(claim: Claim, fit: "Fit", flops: float) -> tuple[float, float, float]:
    """Optimal params by the claim, and the least and most within the rounding of its digits."""
    from bayescale.allocation import optimal_params

    corners = rounded(claim, fit.law, fit.law.coefficient_names)
    found = optimal_params(fit.law, corners, xr.DataArray(flops), SIX_ND, claim.at).to_numpy()
    return float(found[0]), float(found.min()), float(found.max())


def rounded(claim: Claim, law: Law, names: Iterable[str]) -> dict[str, Any]:
    """The claimed coefficients, then every corner of what rounds to them, along ``corner``."""
    names = tuple(names)
    labels = law.labels(names)
    middle = np.array([claim.values[label] for label in labels])
    half = np.array([claim.rounding(label) for label in labels])
    signs = np.array([np.zeros(len(labels)), *product((-1.0, 1.0), repeat=len(labels))])
    corners = xr.DataArray(middle + signs * half, dims=("corner", "number"))
    each = {label: corners.isel(number=k) for k, label in enumerate(labels)}
    return law.gathered(each, names)


def width(claim: Claim, fits: Mapping[str, "Fit"]) -> CheckResult:
    """Claimed against posterior standard deviations, and how many runs the claim would have taken.

    Standard deviations fall with the root of the number of runs, so a claimed one of w would take
    ``runs * (sd / w)**2``. It is given for each of the fits, whose likelihoods differ in what they
    take for a piece of evidence, with the 90% interval that comes from how well a standard
    deviation is known from so many pieces. Of a claim that was made from other data this is shown,
    and no judgement.
    """
    first = next(iter(fits.values()))
    names = [name for name in claimed_names(claim, first) if claim.sd(name)]
    if not names:
        return untested("width", "No error or interval was published for what the fit has.")
    rows = {
        f"{name}, {label}": _needed(claim, fit, name)
        for name in names
        for label, fit in fits.items()
    }
    narrow = [
        name for name in names if all(rows[f"{name}, {label}"]["ratio"] < NARROW for label in fits)
    ]
    name = min(narrow or names, key=lambda each: rows[f"{each}, {next(iter(fits))}"]["ratio"])
    needed = sorted(rows[f"{name}, {label}"]["runs_needed"] for label in fits)
    span = " to ".join(dict.fromkeys(map(about, (needed[0], needed[-1]))))
    share = rows[f"{name}, {next(iter(fits))}"]["ratio"]
    sentence = (
        f"The claimed width of {name} is {share:.2g} times that of the posterior: so narrow an "
        f"interval would take {span} runs, by likelihood; there are {len(first.runs)}."
    )
    if claim.made_from:
        return CheckResult("width", UNTESTED, rows, f"Made from {claim.made_from}. {sentence}")
    return CheckResult("width", DISAGREES if narrow else AGREES, rows, sentence)


def _needed(claim: Claim, fit: "Fit", name: str) -> dict[str, float]:
    claimed, draws = claim.sd(name) or np.nan, of_number(fit, name)
    own = float(draws.std(ddof=1))
    needed = len(fit.runs) * (own / claimed) ** 2
    pieces = max(cases_by(fit, resampled(fit)).shape[-1] - len(fit.law.numbers), 1)
    low, high = pieces / stats.chi2.ppf([0.95, 0.05], pieces)
    return {
        "claimed": claimed,
        "sd": own,
        "honest_sd": honest_sd(fit, draws),
        "ratio": claimed / own,
        "runs_needed": needed,
        "runs_needed_low": needed * low,
        "runs_needed_high": needed * high,
    }
