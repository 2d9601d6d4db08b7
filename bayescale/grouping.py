"""Which runs belong together, and what that means for each parameter."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd

from bayescale.errors import DataError, LawError
from bayescale.law import UNITS, Law
from bayescale.likelihood import Likelihood

OBSERVED = "observed"
GROUP_INDEX = "group_index"
# Dims and variables of the model and of what is computed from it.
RESERVED = (
    *(OBSERVED, GROUP_INDEX, "chain", "draw", "run", "point", "budget"),
    *("N_opt", "D_opt", "L_opt", "tokens_per_param", "decades_beyond_runs"),
    *("cluster", "offset", "tilt"),
)
# Endings of what belongs to a parameter.
KINDS = ("", "_part", "_common", "_mean", "_mean_z", "_sd", "_offset")


class Pool(StrEnum):
    """How a free parameter behaves across groups of runs."""

    SHARED = "shared"
    SEPARATE = "separate"
    PARTIAL = "partial"


def check_known(what: str, names: Iterable[str], known: Iterable[str]) -> None:
    """Raise LawError if a choice names a parameter that is not there."""
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise LawError(
            f"{what} names {unknown}; expected free parameters among {sorted(known)}. "
            "Coefficients follow from these: choose the ones they follow from."
        )


def grouping_of(law: Law, by: str | None) -> str | None:
    """The column that groups the runs: the one asked for, or the law's own."""
    if law.by is not None and by not in (None, law.by):
        raise LawError(
            f"by={by!r} was given to law {law.name!r}, which groups its runs by {law.by!r}; "
            f"expected no other grouping. Leave by out, and fit each {by} on its own."
        )
    return by or law.by


def groups_of(law: Law, likelihood: Likelihood, runs: pd.DataFrame, by: str) -> tuple[str, ...]:
    """Labels of the groups: numbers in their order, then text."""
    if by not in runs:
        raise DataError(
            f"by={by!r} names no column of the table; expected one of {list(map(str, runs))}. "
            "Correct the spelling, or add the column."
        )
    _refuse_name(law, likelihood, by)
    missing = np.flatnonzero(runs[by].isna())
    if missing.size:
        more = f" and {missing.size - 1} more" if missing.size > 1 else ""
        raise DataError(
            f"column {by!r}, which groups the runs, is missing in row {missing[0] + 1}{more}; "
            "expected a group for every run. Fill it in, or drop the run."
        )
    ordered = sorted(runs[by].unique(), key=_place)
    groups = tuple(dict.fromkeys(map(str, ordered)))
    if len(groups) == 1:
        raise DataError(
            f"column {by!r} is {groups[0]!r} in all {len(runs)} runs; expected two groups or "
            "more. Leave by out, or group by another column."
        )
    return groups


def _place(value: Any) -> tuple[bool, float, str]:
    """Sort key of a group's value: numbers first, also those written as text."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = np.nan
    there = bool(np.isfinite(number))
    return (not there, number if there else 0.0, str(value))


def _refuse_name(law: Law, likelihood: Likelihood, by: str) -> None:
    """Raise DataError if a dim of that name would stand in the way of something else."""
    columns, own = (*law.inputs, law.response), (*law.priors, *likelihood.priors)
    taken = {
        *(*RESERVED, *columns, likelihood.family.prefix + law.response),
        *(*law.coefficient_names, *law.derived, *law.at_optimum, *likelihood.derived),
        *(f"{kind}_{name}" for kind in UNITS for name in columns),
        *(f"{name}{kind}" for name in own for kind in KINDS),
    }
    if by in taken or by[:1] in {"", ".", "_"} or set(by) & set("/\\"):
        raise DataError(
            f"column {by!r} cannot group the runs under that name; expected one that is no input, "
            "response or parameter of the model and no path. Rename the column, for example "
            "to group."
        )


def pools_of(law: Law, by: str | None, pool: Mapping[str, str] | str | None) -> dict[str, Pool]:
    """The parameters that differ between groups, and how."""
    if by is None:
        if pool is not None:
            raise LawError(
                f"pool={pool!r} without groups; expected by= to name the column that groups the "
                "runs. Add by=..., or leave pool out."
            )
        return {}
    chosen = pool if pool is not None else law.pool
    if isinstance(chosen, str):
        chosen = dict.fromkeys(law.priors, chosen)
    check_known("pool", chosen, law.priors)
    unknown = set(chosen.values()) - set(Pool)
    if unknown:
        raise LawError(
            f"pool holds {sorted(unknown)}; expected {', '.join(Pool)}. Choose one of these."
        )
    every = {name: Pool(chosen.get(name, Pool.PARTIAL)) for name in law.priors}
    return {name: kind for name, kind in every.items() if kind is not Pool.SHARED}
