"""The same question asked in every way a reasonable person might have asked it.

How runs scatter, how wide the priors are, which runs count, what params means: each is an axis with
a few choices, and the law is fitted for every combination. If the answer hangs on a choice, that
choice belongs beside the answer.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from os import PathLike
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.clusters import FOUND
from bayescale.diagnosis import interval
from bayescale.draws import SAMPLE_DIMS
from bayescale.errors import DataError, LawError
from bayescale.law import Law, Prior
from bayescale.likelihood import student_t
from bayescale.runs import digest, read_runs
from bayescale.sweeps import ERROR, sweep

if TYPE_CHECKING:
    from bayescale.fitting import Fit

STATISTICS = ("mean", "sd", "lower", "upper")
TRUSTED, USED = "trusted", "runs_used"
FEWEST = 3
"""Runs for each coefficient without which a specification is not fitted."""

Chosen = Callable[[pd.DataFrame], pd.DataFrame]


@dataclass(frozen=True, eq=False)
class Choice:
    """One choice on an axis.

    Parameters
    ----------
    options : mapping
        What `bayescale.fit` is told.
    runs : callable, optional
        From the table to the table that is fitted: a function of a module, or a `partial` of one.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    runs: Chosen | None = None


Axes = Mapping[str, Mapping[str, Choice]]


def without_smallest(runs: pd.DataFrame, *, share: float) -> pd.DataFrame:
    """Leave out the smallest of the sizes, that share of the runs or a little more."""
    return runs[runs["params"] > runs["params"].quantile(share)]


def within_ratio(runs: pd.DataFrame, *, low: float, high: float) -> pd.DataFrame:
    """Keep the runs whose tokens per param lie in a range."""
    return runs[(runs["tokens"] / runs["params"]).between(low, high)]


def without_largest(runs: pd.DataFrame, *, share: float) -> pd.DataFrame:
    """Leave out the runs of most compute, that share or a little less."""
    size = runs["params"] * runs["tokens"]
    return runs[size <= size.quantile(1 - share)]


def without_rows(runs: pd.DataFrame, *, rows: tuple[int, ...]) -> pd.DataFrame:
    """Leave out rows of the table, counted from 0."""
    return runs.drop(index=list(rows))


def with_column(runs: pd.DataFrame, *, name: str, column: str) -> pd.DataFrame:
    """Take another column for params, tokens or the response."""
    if column not in runs:
        raise DataError(
            f"the table has no column {column!r}; expected it to stand for {name}. Choose among "
            f"{', '.join(map(str, runs))}."
        )
    return runs.assign(**{name: runs[column]})


WHOLE = "all"
LIKELIHOODS = MappingProxyType(
    {
        "default": Choice(),
        "each run on its own": Choice({"clusters": None}),
        "one scale": Choice({"likelihood": student_t, "clusters": None}),
    }
)


def prior_choices(law: Law, factors: tuple[float, ...] = (2.0, 0.5)) -> dict[str, Choice]:
    """The law's priors, and with log-normal ones so many times as wide."""
    return {
        "as they are": Choice(),
        **{
            f"{factor:g} times as wide": Choice({"priors": _wider(law, factor)})
            for factor in factors
        },
    }


def _wider(law: Law, factor: float) -> dict[str, Prior]:
    import pymc as pm

    return {
        name: Prior(
            prior.distribution,
            parts=prior.parts,
            **{**prior.parameters, "sigma": factor * np.asarray(prior.parameters["sigma"])},
        )
        for name, prior in law.priors.items()
        if prior.distribution in (pm.LogNormal, pm.Normal)
    }


def run_choices(fit: "Fit", worst: int = 5) -> dict[str, Choice]:
    """All runs; without the worst, the smallest, the largest; only moderate tokens per param."""
    residual = _off(fit)
    rows = tuple(int(row) for row in np.argsort(-residual)[:worst])
    found = {WHOLE: Choice(), f"without the {worst} worst": _cut(without_rows, rows=rows)}
    if {"params", "tokens"} <= set(fit.law.inputs):
        found |= {
            "without the smallest fifth": _cut(without_smallest, share=0.2),
            "without the largest fifth": _cut(without_largest, share=0.2),
            "5 to 100 tokens per param": _cut(within_ratio, low=5.0, high=100.0),
        }
    return found


def _cut(function: Callable[..., pd.DataFrame], **options: Any) -> Choice:
    return Choice(runs=partial(function, **options))


def _off(fit: "Fit") -> np.ndarray:
    """How far each run lies off the law, in log response, at the mean of the draws."""
    from bayescale.draws import expected_response

    expected = expected_response(fit.structure, fit.posterior, fit.runs, "run")
    logs = np.log(fit.runs[fit.law.response].to_numpy())
    return np.asarray(abs(logs - xr.ufuncs.log(expected).mean(SAMPLE_DIMS)))


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
        Choices by label, by axis. By default ``likelihood`` (`LIKELIHOODS`), ``priors``
        (`prior_choices`) and ``runs`` (`run_choices`).
    flops : float, optional
        Compute budget in FLOP at which ``N_opt`` is asked for, of the law alone.
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
    table = read_runs(runs, inputs=law.inputs, response=law.response)
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
    return _collected(rows, chosen)


def _usual(law: Law, table: pd.DataFrame, random_seed: int) -> Axes:
    from bayescale.fitting import fit

    first = fit(law, table, draws=500, tune=500, random_seed=random_seed)
    return {"likelihood": LIKELIHOODS, "priors": prior_choices(law), "runs": run_choices(first)}


def _check(axes: Axes, law: Law) -> None:
    taken = {*law.coefficient_names, *law.derived, "statistic", TRUSTED, USED, ERROR}
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
    if len(runs) < FEWEST * len(law.coefficient_names):
        raise DataError(
            f"the choices leave {len(runs)} runs; expected "
            f"{FEWEST * len(law.coefficient_names)} or more. Leave out fewer."
        )
    options: dict[str, Any] = {"clusters": FOUND, **settings}
    for choice in choices:
        options |= choice.options
    fitted = fit(law, runs.reset_index(drop=True), random_seed=random_seed, **options)
    found = fitted.posterior[[*law.coefficient_names, *law.derived]]
    if flops is not None:
        answer = fitted.optimum(flops, extrapolate=False)
        found = found.assign(N_opt=answer["N_opt"].isel(budget=0, drop=True))
    return {
        TRUSTED: fitted.verdict.trusted,
        USED: len(fitted.runs),
        "quantities": {str(name): _statistics(draws) for name, draws in found.items()},
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
