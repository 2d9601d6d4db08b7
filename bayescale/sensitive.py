"""How far the answer, and what is said of a claim, hang on choices that might have been others.

A claim is held against every specification of a multiverse (`bayescale.specifications`) as it is
held against the fit: from the nearest number that rounds to what was printed, in standard
deviations as much stretched as the fit's own, and at the same odds.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from scipy import stats

from bayescale.checks import (
    AGREES,
    CHANCE,
    DISAGREES,
    CheckResult,
    claimed_names,
    has_all,
    honest_sd,
    of_number,
    optimum_range,
    untested,
)
from bayescale.claims import Claim, budget_of
from bayescale.diagnosis import interval_kind
from bayescale.driving import answer_of
from bayescale.errors import DataError
from bayescale.specifications import STATISTICS, TRUSTED, multiverse, usual_axes

if TYPE_CHECKING:
    from bayescale.fitting import Fit

NAME, BEST = "sensitivity", "N_opt"
HANGS = 0.1
"""Share of the trusted specifications from which on a verdict is said to hang on choices: one
choice in five, in half of its combinations."""


@dataclass(frozen=True)
class Moved:
    """What specifications make of one quantity, against the fit.

    Parameters
    ----------
    least, most : float
        How far the lowest and the highest mean lie from the fit's, in its posterior sd.
    sd : float
        Standard deviation of the means, in the fit's posterior sd.
    within : bool or None
        Whether the claimed value lies between the lowest and the highest end of their intervals;
        None where none is claimed.
    outside : tuple of bool
        Of each specification, whether the claim lies outside of what it says.
    own : bool
        The same of the fit.
    """

    least: float
    most: float
    sd: float
    within: bool | None
    outside: tuple[bool, ...]
    own: bool


def sensitivity(
    claim: Claim, fit: "Fit", found: xr.Dataset, known: frozenset[str] | None = None
) -> CheckResult:
    """By how much choices move the answer, and how many would say otherwise of the claim.

    It says of the verdict what it hangs on, and does not change it.

    Parameters
    ----------
    claim : Claim
        What was published.
    fit : Fit
        What the claim is held against.
    found : Dataset
        From `bayescale.multiverse` of the same law and runs. ``N_opt`` counts where it was asked
        for, of the law alone.
    known : set of str, optional
        Quantities that the runs identify; all by default.

    Returns
    -------
    CheckResult
        ``agrees`` where fewer than one in ten of the trusted specifications would find the claim
        outside of what the runs say where the fit does not, or the other way round; ``disagrees``
        where more would. ``numbers`` holds what `Moved` has of each quantity.
    """
    flat = found.stack(specification=[str(dim) for dim in found[TRUSTED].dims])
    flat = flat.isel(specification=flat[TRUSTED].to_numpy())
    some = bool(flat.sizes["specification"])
    moved = dict(_moved(claim, fit, flat, known)) if some else {}
    if not moved:
        return untested(NAME, "No trusted specification says anything of what is claimed.")
    outside = np.any([each.outside for each in moved.values()], axis=0)
    own = any(each.own for each in moved.values())
    otherwise = outside != own
    share = float(otherwise.mean())
    numbers = {
        "specifications": found[TRUSTED].size,
        TRUSTED: len(otherwise),
        "otherwise": int(otherwise.sum()),
        **{name: _told(each) for name, each in moved.items()},
    }
    sentence = f"{_spread(moved, found)} {_verdict(otherwise, own, flat)}"
    names = [*moved, TRUSTED]
    outcome = DISAGREES if share >= HANGS else AGREES
    return CheckResult(NAME, outcome, numbers, sentence, found[names])


def _moved(
    claim: Claim, fit: "Fit", flat: xr.Dataset, known: frozenset[str] | None
) -> Iterator[tuple[str, Moved]]:
    names = [
        name
        for name in claimed_names(claim, fit)
        if name in flat and (known is None or name in known)
    ]
    for name in names:
        value, half = claim.values[name], claim.rounding(name)
        each = [flat[name].sel(statistic=which).to_numpy() for which in STATISTICS]
        chance = CHANCE / len(names)
        said = (value - half, value + half)
        yield name, _held(of_number(fit, name), each, said, claim.sd(name) or 0.0, fit, chance)
    if BEST in flat and (budget := flat.attrs.get("flops")) is not None:
        draws = answer_of(fit, budget).draws
        ends = np.log([flat[BEST].sel(statistic=which) for which in STATISTICS[2:]])
        best = _claimed_best(claim, fit, budget)
        yield BEST, _held(draws, [*_from_ends(*ends), *ends], best, 0.0, fit, CHANCE)


def _from_ends(lower: np.ndarray, upper: np.ndarray) -> list[np.ndarray]:
    """Mean and sd of a logarithm from its interval: sizes are nearer to log-normal than normal."""
    return [(lower + upper) / 2, (upper - lower) / 2 / stats.norm.ppf((1 + interval_kind()[1]) / 2)]


def _claimed_best(claim: Claim, fit: "Fit", budget: float) -> tuple[float, float] | None:
    """Logarithms of the least and most N_opt within the rounding of a claim, if it gives any."""
    if not has_all(claim, fit):
        return None
    _, low, high = optimum_range(claim, fit, budget)
    return float(np.log(low)), float(np.log(high))


def _held(
    draws: xr.DataArray,
    each: Sequence[np.ndarray],
    said: tuple[float, float] | None,
    error: float,
    fit: "Fit",
    chance: float,
) -> Moved:
    """What is claimed against mean, sd and ends of each specification, and against the fit."""
    mean, sd, lower, upper = each
    middle, own = float(draws.mean()), float(draws.std(ddof=1))
    away = (mean - middle) / own
    stretch, limit = honest_sd(fit, draws) / own, stats.norm.isf(chance / 2)

    def far(mean: Any, sd: Any) -> Any:
        if said is None:
            return np.zeros(np.shape(mean), dtype=bool)
        return abs(np.clip(mean, *said) - mean) > limit * np.hypot(stretch * sd, error)

    within = None if said is None else bool(said[1] >= lower.min() and said[0] <= upper.max())
    return Moved(
        least=float(away.min()),
        most=float(away.max()),
        sd=float(away.std(ddof=1)) if len(away) > 1 else 0.0,
        within=within,
        outside=tuple(map(bool, far(mean, sd))),
        own=bool(far(middle, own)),
    )


def _told(each: Moved) -> dict[str, Any]:
    return {**asdict(each), "outside": sum(each.outside)}


def _spread(moved: Mapping[str, Moved], found: xr.Dataset) -> str:
    """What moves furthest, and N_opt; and what is claimed beyond every interval."""
    furthest = max(moved, key=lambda name: max(abs(moved[name].least), abs(moved[name].most)))
    said = [
        f"{_called(name, found)} by {moved[name].least:+.1f} to {moved[name].most:+.1f}"
        for name in dict.fromkeys([*({BEST} & {*moved}), furthest])
    ]
    beyond = [name for name, each in moved.items() if each.within is False]
    lie = "lies" if len(beyond) == 1 else "lie"
    apart = f" The claimed {', '.join(beyond)} {lie} beyond all intervals." if beyond else ""
    return f"In posterior sd of the fit, choices move {' and '.join(said)}.{apart}"


def _called(name: str, found: xr.Dataset) -> str:
    return f"{name} at {found.attrs['flops']:.3g} FLOP" if name == BEST else name


def _verdict(otherwise: np.ndarray, own: bool, flat: xr.Dataset) -> str:
    there, where = ("inside", "outside") if own else ("outside", "inside")
    count, total = int(otherwise.sum()), len(otherwise)
    if not count:
        return f"All {total} trusted specifications find the claim {where} of what the runs say."
    chiefly = f", chiefly with {_chiefly(otherwise, flat)}" if count < total else ""
    return (
        f"{count} of {total} trusted specifications find the claim {there} of what the runs say, "
        f"where the fit has it {where}{chiefly}."
    )


def _chiefly(otherwise: np.ndarray, flat: xr.Dataset) -> str:
    """The choice among whose specifications the largest share says otherwise."""
    index = flat.indexes["specification"]
    shares = {
        f"{axis} {label!r} ({otherwise[at].sum()} of {at.sum()})": otherwise[at].mean()
        for axis in map(str, index.names)
        for label in dict.fromkeys(index.get_level_values(axis))
        if (at := np.asarray(index.get_level_values(axis) == label)).any()
    }
    return max(shares, key=lambda said: shares[said])


def specifications_of(
    wanted: bool | xr.Dataset | None, fit: "Fit", claims: Iterable[Claim], random_seed: int
) -> xr.Dataset | None:
    """The multiverse that an audit was given, or the usual one about its fit if it wants one.

    Raises
    ------
    DataError
        If the runs are grouped: choices are varied of one group.
    """
    if isinstance(wanted, xr.Dataset):
        return wanted
    if not wanted:
        return None
    if fit.structure.by is not None:
        raise DataError(
            f"multiverse=True with runs grouped by {fit.structure.by!r}; expected runs of one "
            "group, of which choices are varied. Choose the rows of one, or leave it out."
        )
    return multiverse(
        fit.law,
        fit.runs,
        axes=usual_axes(fit),
        flops=answer_of(fit, budget_of(claims)).budget,
        random_seed=random_seed,
    )
