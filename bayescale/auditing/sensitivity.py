"""How far the answer, and the verdict on a claim, depend on choices of the analysis.

A claim is compared with every specification of a multiverse (`bayescale.validation.multiverse`) as
it is compared with the fit: from the nearest number that rounds to the printed one, in standard
deviations that are widened as much as those of the fit, and at the same probability of chance.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import xarray as xr
from scipy import stats

from bayescale.auditing.check_result import (
    AGREES,
    CHANCE,
    DISAGREES,
    CheckResult,
    Evidence,
    draws_of_label,
    is_whole_law,
    untested,
)
from bayescale.auditing.optimum import optimum_range
from bayescale.diagnostics.influence import headline_quantity
from bayescale.fitting.record import Fit
from bayescale.posterior.summary import interval_kind
from bayescale.spec.claim import Claim
from bayescale.validation.multiverse import STATISTICS, TRUSTED

BEST = "N_opt"
"""Variable of a multiverse that holds the optimal params at its budget."""


@dataclass(frozen=True)
class Shift:
    """How specifications change one quantity, compared with the fit.

    Parameters
    ----------
    least, most : float
        Distance of the lowest and the highest mean from the mean of the fit, in its posterior sd.
    sd : float
        Standard deviation of the means, in the posterior sd of the fit.
    within : bool or None
        Whether the claimed value lies between the lowest and the highest end of their intervals;
        None where nothing is claimed.
    outside : tuple of bool
        Whether the claim lies outside of what each specification allows.
    own : bool
        Whether the claim lies outside of what the fit allows.
    """

    least: float
    most: float
    sd: float
    within: bool | None
    outside: tuple[bool, ...]
    own: bool


def sensitivity(claim: Claim, evidence: Evidence) -> CheckResult:
    """Check how much choices change the answer, and how many of them would change the verdict.

    It disagrees where one in ten or more of the trusted specifications find the claim outside of
    what the runs allow and the fit does not, or the other way round. It does not change the
    verdict. ``numbers`` has a `Shift` of each quantity. ``N_opt`` counts where the multiverse has a
    budget, for the law alone.
    """
    multiverse = evidence.multiverse
    if multiverse is None:
        return untested("The analysis was not repeated under other choices.")
    flat = multiverse.stack(specification=[str(dim) for dim in multiverse[TRUSTED].dims])
    flat = flat.isel(specification=flat[TRUSTED].to_numpy())
    shifts = _shifts(claim, evidence, flat) if flat.sizes["specification"] else {}
    if not shifts:
        return untested("No trusted specification has a quantity of the claim.")
    own = any(shift.own for shift in shifts.values())
    otherwise = np.any([shift.outside for shift in shifts.values()], axis=0) != own
    numbers = {
        "specifications": multiverse[TRUSTED].size,
        TRUSTED: len(otherwise),
        "otherwise": int(otherwise.sum()),
        **{
            name: {**asdict(shift), "outside": sum(shift.outside)} for name, shift in shifts.items()
        },
    }
    sentence = f"{_describe_shifts(shifts, flat)} {_describe_verdicts(otherwise, own, flat)}"
    # A tenth is one choice in five, in half of its combinations.
    outcome = DISAGREES if float(otherwise.mean()) >= 0.1 else AGREES
    return CheckResult(outcome, numbers, sentence, multiverse[[*shifts, TRUSTED]])


def _shifts(claim: Claim, evidence: Evidence, flat: xr.Dataset) -> dict[str, Shift]:
    """Shift of each claimed quantity, and of the optimal params, over trusted specifications."""
    fit, shifts = evidence.fit, {}
    names = [name for name in evidence.testable_names(claim) if name in flat]
    for name in names:
        value, half = claim.values[name], claim.rounding(name)
        shifts[name] = _shift(
            draws_of_label(fit, name),
            [flat[name].sel(statistic=statistic).to_numpy() for statistic in STATISTICS],
            (value - half, value + half),
            fit,
            error=claim.sd(name) or 0.0,
            chance=CHANCE / len(names),
        )
    if BEST in flat and (budget := flat.attrs.get("flops")) is not None:
        lower, upper = np.log([flat[BEST].sel(statistic=end) for end in STATISTICS[2:]])
        # Mean and sd of the logarithm come from its interval, because sizes are nearer to
        # log-normal than to normal.
        spread = (upper - lower) / 2 / stats.norm.ppf((1 + interval_kind()[1]) / 2)
        claimed = None
        if is_whole_law(claim, fit):
            _, low, high = optimum_range(claim, fit, budget)
            claimed = float(np.log(low)), float(np.log(high))
        draws = headline_quantity(fit, budget).draws
        shifts[BEST] = _shift(draws, [(lower + upper) / 2, spread, lower, upper], claimed, fit)
    return shifts


def _shift(
    draws: xr.DataArray,
    statistics: list[np.ndarray],
    claimed: tuple[float, float] | None,
    fit: Fit,
    *,
    error: float = 0.0,
    chance: float = CHANCE,
) -> Shift:
    """Compare a claim with mean, sd and interval of each specification, and with the fit.

    Parameters
    ----------
    draws : (chain, draw) DataArray
        The quantity in the fit.
    statistics : list of (specification,) array
        Mean, sd, lower and upper end.
    claimed : tuple of float, optional
        Least and greatest number that rounds to the claimed one.
    fit : Fit
        What the claim is compared with.
    error : float
        Standard deviation that is claimed.
    chance : float
        Probability that a true claim is found outside.
    """
    mean, sd, lower, upper = statistics
    own_mean, own_sd = float(draws.mean()), float(draws.std(ddof=1))
    limit = stats.norm.isf(chance / 2)

    def outside(mean: Any, sd: Any) -> Any:
        if claimed is None:
            return np.zeros(np.shape(mean), dtype=bool)
        return abs(np.clip(mean, *claimed) - mean) > limit * np.hypot(sd, error)

    away = (mean - own_mean) / own_sd
    return Shift(
        least=float(away.min()),
        most=float(away.max()),
        sd=float(away.std(ddof=1)) if len(away) > 1 else 0.0,
        within=None
        if claimed is None
        else bool(claimed[1] >= lower.min() and claimed[0] <= upper.max()),
        outside=tuple(map(bool, outside(mean, sd))),
        own=bool(outside(own_mean, own_sd)),
    )


def _describe_shifts(shifts: Mapping[str, Shift], flat: xr.Dataset) -> str:
    """Sentence on the quantity that changes most, on N_opt, and on claims outside all intervals."""
    furthest = max(shifts, key=lambda name: max(abs(shifts[name].least), abs(shifts[name].most)))
    changes = [
        f"{f'{name} at {flat.attrs["flops"]:.3g} FLOP' if name == BEST else name} by "
        f"{shifts[name].least:+.1f} to {shifts[name].most:+.1f}"
        for name in dict.fromkeys([*({BEST} & {*shifts}), furthest])
    ]
    outside = [name for name, shift in shifts.items() if shift.within is False]
    lie = "lies" if len(outside) == 1 else "lie"
    sentence = f" The claimed {', '.join(outside)} {lie} outside of all intervals."
    return (
        f"In posterior sd of the fit, choices move {' and '.join(changes)}."
        f"{sentence if outside else ''}"
    )


def _describe_verdicts(otherwise: np.ndarray, own: bool, flat: xr.Dataset) -> str:
    """Sentence on how many specifications differ from the fit, and on the choice they share."""
    there, where = ("inside", "outside") if own else ("outside", "inside")
    count, total = int(otherwise.sum()), len(otherwise)
    if not count:
        return f"All {total} trusted specifications find the claim {where} of what the runs allow."
    index = flat.indexes["specification"]
    shares = {}
    for axis in map(str, index.names):
        choices = index.get_level_values(axis)
        for label in dict.fromkeys(choices):
            chosen = np.asarray(choices == label)
            text = f"{axis} {label!r} ({otherwise[chosen].sum()} of {chosen.sum()})"
            shares[text] = otherwise[chosen].mean()
    chiefly = f", chiefly with {max(shares, key=lambda text: shares[text])}"
    return (
        f"{count} of {total} trusted specifications find the claim {there} of what the runs allow, "
        f"where the fit has it {where}{chiefly if count < total else ''}."
    )
