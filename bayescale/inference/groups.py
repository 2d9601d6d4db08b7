"""Groups of runs, and how each parameter behaves across them."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd

from bayescale.errors import DataError, LawError
from bayescale.priors import HalfNormal
from bayescale.spec.law import UNITS, Law
from bayescale.spec.likelihood import Likelihood

OBSERVED = "observed"

GROUP_INDEX = "group_index"

# Dims and variables of the model and of what is computed from it.
RESERVED = (
    *(OBSERVED, GROUP_INDEX, "chain", "draw", "run", "point", "budget"),
    *("N_opt", "D_opt", "L_opt", "tokens_per_param", "decades_beyond_runs"),
    "cluster",
)

# Endings of the names that belong to one parameter.
KINDS = ("", "_part", "_common", "_mean", "_mean_z", "_sd", "_offset")

# Groups of one study rarely differ by more than a factor of two in an exponent.
BETWEEN = HalfNormal(sigma=0.3)

CENTRED = 0.5
"""Offsets are sampled in units of their scale to this power. At 0 they mix where runs carry little
information on their group, at 1 where they carry much, and elsewhere hardly at all; at one half
they mix everywhere (``studies/sampling/groups.py``). A pilot for each parameter was tried, and was
no better on the whole."""


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


def group_column(law: Law, by: str | None) -> str | None:
    """The column that groups the runs: the chosen one, or the law's own."""
    if law.groups.by is not None and by not in (None, law.groups.by):
        raise LawError(
            f"groups={by!r} was given to law {law.name!r}, which groups its runs by "
            f"{law.groups.by!r}; expected no other grouping. Leave groups out, and fit each {by} "
            "on its own."
        )
    return by or law.groups.by


def group_labels(law: Law, likelihood: Likelihood, runs: pd.DataFrame, by: str) -> tuple[str, ...]:
    """Labels of the groups: numbers in increasing order, then text.

    Parameters
    ----------
    law, likelihood
        What the runs are fitted with, whose names a column of groups cannot have.
    runs : DataFrame
        Validated runs.
    by : str
        Column that groups them.

    Returns
    -------
    tuple of str
        Two labels or more.

    Raises
    ------
    DataError
        If the column is missing or incomplete, has one value only, or cannot group under its name.
    """
    if by not in runs:
        raise DataError(
            f"groups={by!r} names no column of the table; expected one of {list(map(str, runs))}. "
            "Correct the spelling, or add the column."
        )
    # The column becomes a dim of the draws, and so cannot share a name with a variable.
    columns, own = (*law.inputs, law.response), (*law.priors, *likelihood.priors_for(law.inputs))
    reserved = {
        *(*RESERVED, *columns, likelihood.family.prefix + law.response),
        *(*law.coefficient_names, *law.derived, *law.optimum.also, *likelihood.derived),
        *(f"{kind}_{name}" for kind in UNITS for name in columns),
        *(f"{name}{kind}" for name in own for kind in KINDS),
    }
    if by in reserved or by[:1] in {"", ".", "_"} or set(by) & set("/\\"):
        raise DataError(
            f"column {by!r} cannot group the runs under that name; expected one that is no input, "
            "response or parameter of the model and no path. Rename the column, for example "
            "to group."
        )
    missing = np.flatnonzero(runs[by].isna())
    if missing.size:
        more = f" and {missing.size - 1} more" if missing.size > 1 else ""
        raise DataError(
            f"column {by!r}, which groups the runs, is missing in row {missing[0] + 1}{more}; "
            "expected a group for every run. Fill it in, or drop the run."
        )
    groups = tuple(dict.fromkeys(map(str, sorted(runs[by].unique(), key=_sort_key))))
    if len(groups) == 1:
        raise DataError(
            f"column {by!r} is {groups[0]!r} in all {len(runs)} runs; expected two groups or "
            "more. Leave groups out, or group by another column."
        )
    return groups


def _sort_key(value: Any) -> tuple[bool, float, str]:
    """Numbers first, also those written as text; then text."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = np.nan
    finite = bool(np.isfinite(number))
    return (not finite, number if finite else 0.0, str(value))


def pools_of(law: Law, by: str | None, pool: Mapping[str, str] | str | None) -> dict[str, Pool]:
    """Parameters that differ between groups, and how.

    Parameters
    ----------
    law : Law
        Its own pooling is the default; partial pooling is that of parameters it does not name.
    by : str, optional
        Column that groups the runs.
    pool : mapping of str to str, or str, optional
        The choice for each parameter, or one for all.

    Returns
    -------
    dict of str to Pool
        Without the parameters that are shared; empty without groups.

    Raises
    ------
    LawError
        If there are no groups, or a parameter or a kind of pooling is unknown.
    """
    if by is None:
        if pool is not None:
            raise LawError(
                f"pool={pool!r} without groups; expected groups= to name the column that groups "
                "the runs. Add groups=..., or leave pool out."
            )
        return {}
    chosen = pool if pool is not None else law.groups.pool
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
