"""What is optimal at each compute budget, as it is printed: median, honest interval, distance."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.diagnosis import HONEST, interval
from bayescale.display import listed
from bayescale.draws import SAMPLE_DIMS
from bayescale.driving import largest_budget
from bayescale.extrapolation import drift_share
from bayescale.fitting import Fit
from bayescale.law import Law

QUANTITIES = {
    "N_opt": "N_opt",
    "D_opt": "D_opt",
    "tokens_per_param": "tokens_per_param",
    "loss": "L_opt",
}
BEYOND = 0.05
"""Decades from which a budget is said to lie beyond the runs: they are printed to one place."""
PAST_RUNS = (1.0, 10.0, 100.0)
"""Without budgets, the optimum is shown at these multiples of the largest run's compute."""
WIDENED = f"widened to what resampling would give (honesty above {HONEST})"


@dataclass(frozen=True)
class Estimate:
    """A median with its honest interval; `widened` where that is not the posterior's own."""

    median: float
    lower: float
    upper: float
    sd: float
    widened: bool

    def __str__(self) -> str:
        mark = "*" if self.widened else ""
        return f"{self.median:.3g} ({self.lower:.3g} to {self.upper:.3g}){mark}"


@dataclass(frozen=True)
class Answer:
    """What is optimal at one budget, for one group if there are any."""

    group: str | None
    flops: float
    estimates: dict[str, Estimate]
    decades_beyond_runs: float

    def row(self) -> tuple[str, ...]:
        """Cells of a table: the group if any, compute, the quantities and the distance."""
        group = () if self.group is None else (self.group,)
        said = map(str, self.estimates.values())
        return (*group, f"{self.flops:.3g}", *said, f"{self.decades_beyond_runs:.1f}")


def optimum_at(
    fit: Fit, flops: Sequence[float] | None, given: Mapping[str, Any] | None = None
) -> xr.Dataset:
    """The optimum at some budgets, or at a few multiples of the largest run's compute."""
    return fit.optimum(flops or np.multiply(PAST_RUNS, largest_run(fit)), **(given or {}))


def quantities(optimum: xr.Dataset) -> dict[str, str]:
    """Every quantity of an optimum, by what it is called where it is printed."""
    known = QUANTITIES.values()
    return QUANTITIES | {str(name): str(name) for name in optimum if name not in known}


def given_of(optimum: xr.Dataset) -> dict[str, float]:
    """The further inputs that an optimum was asked for at."""
    return {name: value for name, value in optimum.attrs.items() if name not in ("law", "cost")}


def best_use(optimum: xr.Dataset) -> str:
    """What stands above an optimum: at what cost, and at which further inputs."""
    given = [f"{name} = {value:.3g}" for name, value in given_of(optimum).items()]
    return f"Best use of compute ({', '.join([optimum.attrs['cost'], *given])})"


def missing_sentence(law: Law) -> str:
    """What has to be known besides a budget, of a law that has an optimum only then."""
    options = " ".join(f"--at {name}=..." for name in law.further)
    return (
        f"The best use of compute depends on {listed(law.further)}: ask with {options}, "
        f"or fit.optimum(flops, {', '.join(f'{name}=...' for name in law.further)})."
    )


def largest_run(fit: Fit) -> float:
    """Compute of the largest run, to two digits."""
    return float(f"{largest_budget(fit):.1e}")


def answers(fit: Fit, optimum: xr.Dataset) -> list[Answer]:
    """What is optimal at every budget, and for every group."""
    names = quantities(optimum)
    table = fit.summary(optimum[list(names.values())])
    # The table has the quantities below one another, each with its places in the order of its dims.
    places = optimum["N_opt"].isel(chain=0, draw=0, drop=True)
    rows = places.copy(data=np.arange(places.size).reshape(places.shape))
    placed = optimum.assign(row=rows)
    return [_answer(table, names, group, one, places.size) for group, one in _split(placed)]


def header(found: Sequence[Answer]) -> tuple[str, ...]:
    """What stands above the rows of answers."""
    group = () if found[0].group is None else ("group",)
    return (*group, "FLOP", *found[0].estimates, "decades beyond the runs")


def _answer(
    table: pd.DataFrame,
    names: Mapping[str, str],
    group: str | None,
    one: xr.Dataset,
    places: int,
) -> Answer:
    found = {
        key: estimate(float(one[name].median()), table.iloc[k * places + int(one["row"])])
        for k, (key, name) in enumerate(names.items())
    }
    return Answer(group, float(one["budget"]), found, float(one["decades_beyond_runs"]))


def estimate(median: float, row: Any) -> Estimate:
    """A median with the honest interval of a row of `Fit.summary`."""
    ends = float(row["honest_lb"]), float(row["honest_ub"])
    return Estimate(median, *ends, float(row["sd"]), bool(row["honesty"] > HONEST))


def _split(optimum: xr.Dataset) -> Iterator[tuple[str | None, xr.Dataset]]:
    """Each group's label, or None without groups, with its optimum at each budget."""
    groups = [str(dim) for dim in optimum.dims if dim not in (*SAMPLE_DIMS, "budget")]
    for k in range(optimum.sizes["budget"]):
        one = optimum.isel(budget=k)
        if not groups:
            yield None, one
        for name in one[groups[0]].to_numpy() if groups else ():
            yield str(name), one.sel({groups[0]: name}, drop=True)


def budgets_json(optimum: xr.Dataset) -> list[dict[str, Any]]:
    """Every budget as JSON prints it; with one more key, ``group``, where there are groups."""
    return [
        {**({} if group is None else {"group": group}), **_budget(one)}
        for group, one in _split(optimum)
    ]


def _budget(one: xr.Dataset) -> dict[str, Any]:
    described = {}
    for key, name in quantities(one).items():
        lower, upper = interval(one[name])
        described[key] = {
            "mean": finite(one[name].mean()),
            "median": finite(one[name].median()),
            "lower": finite(lower),
            "upper": finite(upper),
        }
    beyond = finite(one["decades_beyond_runs"])
    return {"flops": float(one["budget"]), **described, "decades_beyond_runs": beyond}


def finite(value: Any) -> float | None:
    """A number that JSON can hold."""
    return float(value) if np.isfinite(value) else None


def drift_sentence(fit: Fit, optimum: xr.Dataset) -> str:
    """What share of the variance of log N_opt is drift, at budgets beyond the runs; or nothing."""
    if not bool((optimum["decades_beyond_runs"] > BEYOND).any()):
        return ""
    share = drift_share(fit.extrapolation, optimum)
    mean = share.mean({*share.dims} - {"budget"})
    beyond = mean.isel(budget=np.flatnonzero(optimum["decades_beyond_runs"] > BEYOND))
    each = ", ".join(f"{float(one):.0%} (at {float(one['budget']):.3g})" for one in beyond)
    return f"Beyond the runs, how wrong laws are there makes {each} of the variance of log N_opt."
