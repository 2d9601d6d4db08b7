"""Choices that a reasonable person might have made, for `bayescale.multiverse`.

How runs scatter, how wide the priors are, which runs count, what params and compute mean: functions
of a law, a fit or a table give the choices on an axis, by their labels.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayescale.clusters import Clusters
from bayescale.draws import SAMPLE_DIMS
from bayescale.driving import answer_of
from bayescale.errors import DataError
from bayescale.flops import SIX_ND, Cost, counted
from bayescale.influence import CLUSTER, influence
from bayescale.law import Law
from bayescale.likelihood import student_t, student_t_unlogged
from bayescale.priors import Prior

if TYPE_CHECKING:
    from bayescale.fitting import Fit

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
    cost : Cost, optional
        How compute is counted where N_opt is asked for; 6 N D by default.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    runs: Chosen | None = None
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
        "one scale, not in log": Choice({"likelihood": student_t_unlogged, "clusters": None}),
    }
)
"""How runs scatter; the last two differ in nothing but the logarithm of the response."""
BUDGETS = 2
"""Compute budgets that are left out, one at a time, when nothing is said."""
SAME = 0.01
"""By how much a table's flops may differ from 6 N D everywhere and be taken for it."""


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


def run_choices(fit: "Fit", worst: int = 5, budgets: int = BUDGETS) -> dict[str, Choice]:
    """All runs; without the worst, the smallest, the largest; only moderate tokens per param.

    And without each of the budgets that matter most (`budget_choices`).
    """
    residual = _off(fit)
    rows = tuple(int(row) for row in np.argsort(-residual)[:worst])
    found = {WHOLE: Choice(), f"without the {worst} worst": _cut(without_rows, rows=rows)}
    if {"params", "tokens"} <= set(fit.runs):
        found |= {
            "without the smallest fifth": _cut(without_smallest, share=0.2),
            "without the largest fifth": _cut(without_largest, share=0.2),
            "5 to 100 tokens per param": _cut(within_ratio, low=5.0, high=100.0),
        }
    return found | budget_choices(fit, budgets)


def budget_choices(fit: "Fit", most: int | None = None) -> dict[str, Choice]:
    """Without each of the fit's clusters, which are compute budgets as a rule; none without any.

    First the one without which the answer would change most (`bayescale.driving`), of first order;
    `most` is how many are taken.
    """
    clusters = fit.structure.clusters
    if clusters is None:
        return {}
    answer = answer_of(fit).draws.to_dataset(name="answer")
    change = influence(fit, answer, by=CLUSTER)["answer"].sel(cluster=list(clusters.labels))
    order = np.argsort(-np.abs(change.to_numpy()), kind="stable")[:most]
    what = "budget" if clusters.edges else clusters.by
    return {
        f"without {what} {label}": _cut(without_cluster, clusters=clusters, label=label)
        for label in (clusters.labels[k] for k in order)
    }


def params_choices(runs: pd.DataFrame) -> dict[str, Choice]:
    """Params as they are, and as every other column of the table counts them.

    Those are the columns called ``params_`` and something, such as ``params_non_embedding``, with a
    positive number in every row, and not the same ones.
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
    if np.allclose(ratio, 1.0, rtol=SAME):
        return {SIX_ND.name: Choice()}
    return {SIX_ND.name: Choice(), "as the table counts": Choice(cost=counted(runs))}


def _cut(function: Callable[..., pd.DataFrame], **options: Any) -> Choice:
    return Choice(runs=partial(function, **options))


def _off(fit: "Fit") -> np.ndarray:
    """How far each run lies off the law, in log response as a rule, at the mean of the draws."""
    from bayescale.draws import expected_response

    expected = expected_response(fit.structure, fit.posterior, fit.runs, "run")
    on = fit.law.scale_of(fit.law.response).measured
    observed = on(fit.runs[fit.law.response].to_numpy())
    return np.asarray(abs(observed - on(expected).mean(SAMPLE_DIMS)))
