"""Choices that a reasonable person might have made, for `bayescale.multiverse`.

How runs scatter, how wide the priors are, which runs count, what params and compute mean: functions
of a law, a fit or a table give the choices on an axis, by their labels.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from bayescale.diagnostics.influence import headline_quantity, influence
from bayescale.errors import DataError
from bayescale.fitting.record import Fit
from bayescale.inference.clusters import Clusters
from bayescale.likelihoods import STUDENT_T, STUDENT_T_UNLOGGED
from bayescale.posterior.draws import SAMPLE_DIMS
from bayescale.posterior.expectation import expected_response
from bayescale.posterior.jackknife import CLUSTER
from bayescale.priors import Prior
from bayescale.spec.compute import SIX_ND, Cost, cost_of_runs
from bayescale.spec.law import Law


@dataclass(frozen=True, eq=False)
class Choice:
    """One choice on an axis.

    Parameters
    ----------
    options : mapping
        Arguments of `bayescale.fit`, by name.
    runs : callable, optional
        From the table to the table that is fitted: a function of a module, or a `partial` of one.
    cost : Cost, optional
        How compute is counted where N_opt is computed; 6 N D by default.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    runs: Callable[[pd.DataFrame], pd.DataFrame] | None = None
    cost: Cost | None = None


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


def without_cluster(runs: pd.DataFrame, *, clusters: Clusters, label: str) -> pd.DataFrame:
    """Leave out the runs of one compute budget, or of another cluster."""
    return runs[pd.Series(clusters.names(runs), index=runs.index) != label]


def with_column(runs: pd.DataFrame, *, name: str, column: str) -> pd.DataFrame:
    """Use another column as params, tokens or the response."""
    if column not in runs:
        raise DataError(
            f"the table has no column {column!r}; expected it to stand for {name}. Choose among "
            f"{', '.join(map(str, runs))}."
        )
    return runs.assign(**{name: runs[column]})


LIKELIHOODS = MappingProxyType(
    {
        "default": Choice(),
        "one scale": Choice({"likelihood": STUDENT_T}),
        "one scale, not in log": Choice({"likelihood": STUDENT_T_UNLOGGED}),
    }
)
"""How runs scatter; the last two differ only in the logarithm of the response."""


def prior_choices(law: Law, factors: tuple[float, ...] = (2.0, 0.5)) -> dict[str, Choice]:
    """The law's priors as they are; and with normal and log-normal ones so many times as wide."""
    scalable = {
        n: p for n, p in law.priors.items() if p.distribution.name in ("LogNormal", "Normal")
    }
    choices = {"as they are": Choice()}
    for factor in factors:
        wider = {
            name: Prior(
                prior.distribution,
                parts=prior.parts,
                **{**prior.parameters, "sigma": factor * np.asarray(prior.parameters["sigma"])},
            )
            for name, prior in scalable.items()
        }
        choices[f"{factor:g} times as wide"] = Choice({"priors": wider})
    return choices


def run_choices(fit: Fit, worst: int = 5, budgets: int = 2) -> dict[str, Choice]:
    """All runs; without the worst, the smallest, the largest; only moderate tokens per param.

    And without each of the budgets that matter most (`budget_choices`).

    Parameters
    ----------
    fit : Fit
        Of the law to all runs.
    worst : int
        How many of the runs furthest from the law, at the mean of the draws, are left out.
    budgets : int
        How many compute budgets are left out, one at a time.
    """
    scaled = fit.law.kind_of(fit.law.response).scaled
    expected = scaled(expected_response(fit.draws, fit.runs, "run")).mean(SAMPLE_DIMS)
    residuals = np.asarray(abs(scaled(fit.runs[fit.law.response].to_numpy()) - expected))
    rows = tuple(int(row) for row in np.argsort(-residuals)[:worst])
    choices = {"all": Choice(), f"without the {worst} worst": _cut(without_rows, rows=rows)}
    if {"params", "tokens"} <= set(fit.runs):
        choices |= {
            "without the smallest fifth": _cut(without_smallest, share=0.2),
            "without the largest fifth": _cut(without_largest, share=0.2),
            "5 to 100 tokens per param": _cut(within_ratio, low=5.0, high=100.0),
        }
    return choices | budget_choices(fit, budgets)


def budget_choices(fit: Fit, most: int | None = None) -> dict[str, Choice]:
    """Without each of the fit's clusters, which are compute budgets as a rule; none without any.

    Parameters
    ----------
    fit : Fit
        Of the law to all runs.
    most : int, optional
        How many, beginning with the one without which the answer would change most, to first order
        (`bayescale.diagnostics.influence`).
    """
    clusters = fit.structure.clusters
    if clusters is None:
        return {}
    answer = headline_quantity(fit.as_modelled).draws.to_dataset(name="answer")
    change = influence(fit, answer, of_each=CLUSTER)["answer"].sel(cluster=list(clusters.labels))
    order = np.argsort(-np.abs(change.to_numpy()), kind="stable")[:most]
    what = "budget" if clusters.edges else clusters.by
    return {
        f"without {what} {label}": _cut(without_cluster, clusters=clusters, label=label)
        for label in (clusters.labels[k] for k in order)
    }


def params_choices(runs: pd.DataFrame) -> dict[str, Choice]:
    """Params as they are, and as every other column of the table counts them.

    Those are the columns whose names begin with ``params_``, such as ``params_non_embedding``, with
    a positive number in every row, and other numbers than params.
    """
    counts = [
        str(name)
        for name, column in runs.items()
        if str(name).startswith("params_")
        and pd.api.types.is_numeric_dtype(column)
        and bool((column > 0).all())
        and not np.allclose(column, runs["params"])
    ]
    others = {name: _cut(with_column, name="params", column=name) for name in counts}
    return {"params": Choice()} | others


def cost_choices(runs: pd.DataFrame) -> dict[str, Choice]:
    """Compute as 6 N D, and as the table's own flops count it where that is something else.

    With another count a budget buys other models: N_opt moves, and no coefficient does.
    """
    ratio = runs["flops"] / SIX_ND.flops(runs["params"], runs["tokens"]) if "flops" in runs else 1.0
    if np.allclose(ratio, 1.0, rtol=0.01):  # flops of a table are rounded
        return {SIX_ND.name: Choice()}
    return {SIX_ND.name: Choice(), "as the table counts": Choice(cost=cost_of_runs(runs))}


def _cut(function: Callable[..., pd.DataFrame], **options: Any) -> Choice:
    return Choice(runs=partial(function, **options))
