"""The same question asked in every way a reasonable person might have asked it.

How runs scatter, how wide the priors are, which runs count, what params means: each is an axis with
a few choices, and the law is fitted for every combination. If the answer hangs on a choice, that
choice belongs beside the answer.
"""

from collections.abc import Mapping
from itertools import product
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.choices import LIKELIHOODS, Choice, prior_choices, run_choices
from bayescale.diagnosis import interval
from bayescale.draws import numbers
from bayescale.errors import DataError, LawError
from bayescale.flops import SIX_ND
from bayescale.law import FOUND, Law
from bayescale.runs import digest, runs_for
from bayescale.sweeps import ERROR, sweep

if TYPE_CHECKING:
    from bayescale.fitting import Fit

STATISTICS = ("mean", "sd", "lower", "upper")
TRUSTED, USED = "trusted", "runs_used"
FEWEST = 3
"""Runs for each coefficient without which a specification is not fitted."""

Axes = Mapping[str, Mapping[str, Choice]]


def multiverse(
    law: Law,
    runs: pd.DataFrame | str | PathLike[str],
    *,
    axes: Axes | None = None,
    flops: float | None = None,
    draws: int = 500,
    tune: int = 500,
    chains: int = 4,
    path: str | PathLike[str] | None = None,
    jobs: int = -1,
    random_seed: int = 0,
    progress: bool = False,
) -> xr.Dataset:
    """Fit a law for every combination of choices.

    Parameters
    ----------
    law : Law
        What to fit.
    runs : DataFrame or path
        Training runs, as for `fit`.
    axes : mapping of str to mapping of str to Choice, optional
        Choices by label, by axis (`bayescale.choices`). By default those of `usual_axes`.
    flops : float, optional
        Compute budget in FLOP at which ``N_opt`` is asked for, of the law alone; kept in ``attrs``.
    draws, tune, chains
        As for `fit`.
    path, jobs, random_seed, progress
        As for `sweep`.

    Returns
    -------
    Dataset
        Each coefficient and derived quantity, and ``N_opt`` with a budget, along the axes and
        ``statistic`` (mean, sd and the ends of the interval of ArviZ's settings); ``trusted`` and
        ``runs_used`` along the axes. What could not be fitted is nan, and ``error`` says why.

    Raises
    ------
    LawError
        If an axis has no choices, or the name of a quantity.
    DataError
        If the table cannot be used, or no specification could be fitted.
    """
    table = runs_for(law, runs)
    chosen = axes if axes is not None else _usual(law, table, random_seed)
    _check(chosen, law)
    what = {
        "law": law,
        "runs": table,
        "flops": flops,
        "settings": {"draws": draws, "tune": tune, "chains": chains},
    }
    title = f"{law.name}, {digest(table)[:12]}, {flops}, {chains} x ({tune} + {draws})"
    labels = list(product(*(list(choices) for choices in chosen.values())))
    tasks = [
        (f"{title}: {' | '.join(each)}", {**what, "choices": _of(chosen, each)}) for each in labels
    ]
    rows = sweep(specified, tasks, path=path, jobs=jobs, random_seed=random_seed, progress=progress)
    return _collected(rows, chosen).assign_attrs({} if flops is None else {"flops": flops})


def _usual(law: Law, table: pd.DataFrame, random_seed: int) -> Axes:
    from bayescale.fitting import fit

    return usual_axes(fit(law, table, draws=500, tune=500, random_seed=random_seed))


def usual_axes(fit: "Fit") -> Axes:
    """Scatter, priors and runs: what `multiverse` varies when nothing is said.

    Parameters
    ----------
    fit : Fit
        Of the law to all runs; says which runs are worst, and which budgets matter most.
    """
    return {
        "likelihood": LIKELIHOODS,
        "priors": prior_choices(fit.law),
        "runs": run_choices(fit),
    }


def _check(axes: Axes, law: Law) -> None:
    taken = {*law.sayable, "statistic", TRUSTED, USED, ERROR}
    for name, choices in axes.items():
        if name in taken or not choices:
            raise LawError(
                f"the axis {name!r} has {len(choices)} choices; expected one at least, and a name "
                f"that is none of {', '.join(sorted(taken))}. Rename or fill it."
            )


def _of(axes: Axes, labels: tuple[str, ...]) -> tuple[Choice, ...]:
    return tuple(choices[label] for choices, label in zip(axes.values(), labels, strict=True))


def specified(
    law: Law,
    runs: pd.DataFrame,
    choices: tuple[Choice, ...],
    flops: float | None,
    settings: Mapping[str, int],
    random_seed: int,
) -> dict[str, Any]:
    """Fit one combination; a number a quantity and statistic."""
    from bayescale.fitting import fit

    for choice in choices:
        runs = runs if choice.runs is None else choice.runs(runs)
    if len(runs) < FEWEST * len(law.numbers):
        raise DataError(
            f"the choices leave {len(runs)} runs; expected "
            f"{FEWEST * len(law.numbers)} or more. Leave out fewer."
        )
    options: dict[str, Any] = {"clusters": FOUND, **settings}
    for choice in choices:
        options |= choice.options
    fitted = fit(law, runs.reset_index(drop=True), random_seed=random_seed, **options)
    found = fitted.posterior[[*law.coefficient_names, *law.derived]]
    if flops is not None:
        cost = next((choice.cost for choice in choices if choice.cost), SIX_ND)
        answer = fitted.optimum(flops, cost=cost, extrapolate=False)
        found = found.assign(N_opt=answer["N_opt"].isel(budget=0, drop=True))
    return {
        TRUSTED: fitted.verdict.trusted,
        USED: len(fitted.runs),
        "quantities": {
            label: _statistics(one)
            for name, draws in found.items()
            for label, one in numbers(draws, str(name))
        },
    }


def _statistics(draws: xr.DataArray) -> list[float]:
    lower, upper = interval(draws)
    return [float(draws.mean()), float(draws.std(ddof=1)), float(lower), float(upper)]


def _collected(rows: pd.DataFrame, axes: Axes) -> xr.Dataset:
    good = rows[rows[ERROR].isna()]
    if good.empty:
        raise DataError(
            f"no specification could be fitted ({rows[ERROR].iloc[0]}); expected one at least. "
            "Mend what it says."
        )
    dims, shape = tuple(axes), tuple(len(choices) for choices in axes.values())
    coords = {name: list(choices) for name, choices in axes.items()}
    names = list(good["quantities"].iloc[0])
    nothing = {name: [np.nan] * len(STATISTICS) for name in names}
    each = [q if isinstance(q, dict) else nothing for q in rows["quantities"]]
    values = {
        name: ((*dims, "statistic"), np.reshape([q[name] for q in each], (*shape, -1)))
        for name in names
    }
    kept = {
        TRUSTED: (dims, (rows[TRUSTED] == True).to_numpy().reshape(shape)),  # noqa: E712
        USED: (dims, rows[USED].to_numpy(dtype="float64").reshape(shape)),
        ERROR: (dims, np.reshape([e if isinstance(e, str) else "" for e in rows[ERROR]], shape)),
    }
    return xr.Dataset({**values, **kept}, {**coords, "statistic": list(STATISTICS)})
