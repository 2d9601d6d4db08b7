"""The answer that a fit gives: what to train on a budget, or what to expect of an input."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.documents.document import Block, Section, Table, Text
from bayescale.posterior.convergence import Verdict
from bayescale.posterior.draws import SAMPLE_DIMS, Draws
from bayescale.posterior.drift import drift_share, run_sizes
from bayescale.posterior.estimates import (
    OUTSIDE_RUNS,
    BudgetEstimates,
    Estimate,
    budget_estimates,
    budgets_json,
    row_estimates,
)
from bayescale.posterior.optimum import largest_budget, optimum
from bayescale.posterior.predict import predict
from bayescale.posterior.summary import interval_kind, summary_table
from bayescale.wording import listed, power_of_ten

MULTIPLES = (1.0, 10.0, 100.0)
"""Without budgets, the answer is given at these multiples of the largest run's compute."""


@dataclass(frozen=True, eq=False)
class FittedDraws:
    """Everything that the answer of a fit is computed from.

    Parameters
    ----------
    draws : Draws
        Of the fitted law.
    drift : Dataset
        How wrong the law is beyond its runs, draw by draw.
    verdict : Verdict
        Whether the draws are trusted.
    random_seed : int
        For the scatter of new runs.
    """

    draws: Draws
    drift: xr.Dataset
    verdict: Verdict
    random_seed: int

    def summary(self, quantities: xr.Dataset) -> pd.DataFrame:
        """Summary table of anything computed from these draws."""
        return summary_table(quantities)


def answer_sections(
    fitted: FittedDraws,
    flops: Sequence[float] | None = None,
    at: Mapping[str, Any] | None = None,
    multiples: Sequence[float] = MULTIPLES,
) -> tuple[Section, Section]:
    """The answer in one sentence, and the table behind it.

    Parameters
    ----------
    fitted : FittedDraws
        Of a fitted law.
    flops : sequence of float, optional
        Compute budgets in FLOP; the sentence is about the largest of them. By default `multiples`
        of the largest run's compute, and ten times it for the sentence.
    at : mapping of str to float, optional
        The law's extra inputs.
    multiples : sequence of float
        Including 10.

    Returns
    -------
    answer, table : Section

    Raises
    ------
    LawError, DataError
        If the law has no optimum at these budgets and extra inputs.
    """
    law, inputs = fitted.draws.law, dict(at or {})
    # Budgets or extra inputs that do not fit the law are refused rather than ignored.
    if law.has_optimum_at(inputs) or inputs or (flops and law.allocates):
        largest = float(f"{largest_budget(fitted.draws):.1e}")
        budgets = sorted(flops or [multiple * largest for multiple in multiples])
        best = optimum(fitted.draws, budgets, drift=fitted.drift, at=inputs)
        rows = budget_estimates(best)
        chosen, extra = max(budgets) if flops else 10.0 * largest, extra_inputs_text(inputs)
        sentence = _joined([row.sentence(extra) for row in rows if row.flops == chosen])
        section = budget_section(fitted, best, rows)
    elif len(law.inputs) == 1:
        sentence, section = _input_answer(fitted)
    else:
        sentence, section = _coefficient_answer(fitted)
    doubt = "" if fitted.verdict.trusted else "The fit is not to be trusted. It would answer: "
    kind, mass = interval_kind()
    kinds = {"eti": "equal-tailed", "hdi": "highest-density"}
    note = Text(f"In brackets: {kinds.get(kind, kind)} intervals of {mass:.0%}.", "note")
    blocks = (Text(f"{doubt}{sentence}", "answer"), note)
    return Section("answer", "Answer", blocks, numbers={"sentence": sentence}), section


def _joined(sentences: Sequence[str]) -> str:
    """Sentences of at most three groups; the table has the others."""
    others = ["The table has the other groups."] if len(sentences) > 3 else []
    return " ".join([*sentences[:3], *others])


def extra_inputs_text(given: Mapping[str, float]) -> str:
    """Extra inputs as they follow a budget: `` and unique tokens of 2.5×10¹⁰``."""
    texts = (f"{name.replace('_', ' ')} of {power_of_ten(x)}" for name, x in given.items())
    return "".join(f" and {text}" for text in texts)


def budget_section(
    fitted: FittedDraws, best: xr.Dataset, estimates: Sequence[BudgetEstimates] | None = None
) -> Section:
    """The table of an optimum, with its notes and its numbers.

    Parameters
    ----------
    fitted : FittedDraws
        Of a fitted law.
    best : Dataset
        Its optimum at some budgets.
    estimates : sequence of BudgetEstimates, optional
        Of that optimum, where they were computed already.
    """
    rows = budget_estimates(best) if estimates is None else estimates
    cost, (kind, mass) = best.attrs["cost"], interval_kind()
    at = {name: value for name, value in best.attrs.items() if name not in ("law", "cost")}
    given = ", ".join([cost, *(f"{name} = {value:.3g}" for name, value in at.items())])
    plain = {"N_opt": "parameters", "D_opt": "tokens", "tokens_per_param": "tokens per parameter"}
    group = () if rows[0].group is None else ("group",)
    names = (plain.get(name, name.replace("_", " ")) for name in rows[0].estimates)
    table = Table(
        f"Best use of compute ({given}): median and {mass:.0%} {kind.upper()}",
        (*group, "FLOP", *names, "decades beyond the runs"),
        tuple(row.cells() for row in rows),
    )
    blocks: list[Block] = [table]
    outside = np.flatnonzero(best["decades_beyond_runs"] > OUTSIDE_RUNS)
    if outside.size:
        share = drift_share(fitted.drift, best)
        means = share.mean({*share.dims} - {"budget"}).isel(budget=outside)
        shares = ", ".join(f"{float(mean):.0%} (at {float(mean['budget']):.3g})" for mean in means)
        text = "Beyond the runs, the drift of the law is {} of the variance of log N_opt."
        blocks.append(Text(text.format(shares), "note"))
    numbers = {
        "cost": cost,
        **({"at": at} if fitted.draws.law.extra_inputs else {}),
        "interval": {"kind": kind, "mass": mass},
        "budgets": budgets_json(best),
        "estimates": [asdict(row) for row in rows],
    }
    return Section("budgets", "What to train", tuple(blocks), numbers=numbers)


@dataclass(frozen=True)
class _Prediction:
    """The response at one value of a law's only input.

    Parameters
    ----------
    group : str, optional
        Label of the group.
    at : float
        Value of the input.
    place : str
        Where it lies relative to the runs, for the value that the sentence is about; else empty.
    decades_beyond_runs : float
        How far it lies beyond the largest run.
    law, new_run : Estimate
        The response by the law, and of a new run.
    """

    group: str | None
    at: float
    place: str
    decades_beyond_runs: float
    law: Estimate
    new_run: Estimate


def predictions(fitted: FittedDraws) -> list[_Prediction]:
    """The response of a law of one input at a few values, for every group.

    Those are multiples of the largest input. Of an input without a logarithm, such as a loss, they
    are the ends and the middle of the runs, and a quarter of their range past the end where runs
    are best.
    """
    draws = fitted.draws
    (name,), by, kind = draws.law.inputs, draws.structure.by, draws.law.kind_of(draws.law.inputs[0])
    low, high = draws.runs[name].min(), draws.runs[name].max()
    if kind.logged:
        largest = float(f"{high:.3g}")
        places = [(multiple * largest, "") for multiple in (0.1, *MULTIPLES)]
        places[2] = (places[2][0], "ten times the largest of the runs")
    else:
        small, large = run_sizes(draws.law, pd.DataFrame({name: [low, high]}))
        end, sign = (low, -1) if small > large else (high, 1)
        past = np.clip(end + sign * 0.25 * (high - low), kind.lowest, kind.highest)
        side = "below" if sign < 0 else "above"
        outside = (float(f"{past:.3g}"), f"a quarter of their range {side} the runs")
        inside = [(float(f"{value:.3g}"), "") for value in (low, (low + high) / 2, high)]
        places = [outside, *inside] if sign < 0 else [*inside, outside]
    rows = [(group, *place) for group in draws.structure.groups or (None,) for place in places]
    points = pd.DataFrame({name: [value for _, value, _ in rows]})
    if by is not None:
        points[by] = [group for group, _, _ in rows]
    predicted = predict(draws, points, drift=fitted.drift, random_seed=fitted.random_seed)
    decades = predicted["decades_beyond_runs"].to_numpy()
    medians = predicted[["mean", "new_run"]].median(SAMPLE_DIMS)
    law, new_run = (
        [
            Estimate.of_row(float(median), row)
            for median, (_, row) in zip(
                medians[response], fitted.summary(predicted[[response]]).iterrows(), strict=True
            )
        ]
        for response in ("mean", "new_run")
    )
    return [
        _Prediction(group, value, place, float(decades[k]), law[k], new_run[k])
        for k, (group, value, place) in enumerate(rows)
    ]


def _input_answer(fitted: FittedDraws) -> tuple[str, Section]:
    """Sentence and table of a law of one input."""
    law, (_, mass) = fitted.draws.law, interval_kind()
    (name,), response = law.inputs, law.response
    rows = predictions(fitted)
    sentences = [
        f"At {name} = {power_of_ten(row.at)}{'' if row.group is None else f' for {row.group}'}, "
        f"{row.place}, {response} is {row.law.plain()} by the law, and {row.new_run.plain()} for "
        "a single new run."
        for row in rows
        if row.place
    ]
    group = () if fitted.draws.structure.by is None else ("group",)
    table = Table(
        f"{response} to expect: median and {mass:.0%} interval",
        (*group, name, "law", "new run", "decades beyond the runs"),
        tuple(
            (
                *(() if row.group is None else (row.group,)),
                power_of_ten(row.at),
                *(one.plain() for one in (row.law, row.new_run)),
                f"{row.decades_beyond_runs:.1f}",
            )
            for row in rows
        ),
    )
    numbers = {"predictions": [asdict(row) for row in rows]}
    section = Section("budgets", "What to expect", (table,), numbers=numbers)
    return _joined(sentences), section


def _coefficient_answer(fitted: FittedDraws) -> tuple[str, Section]:
    """Sentence and table of a law without an optimum."""
    law = fitted.draws.law
    names = [*law.derived, *law.coefficient_names]
    estimates = row_estimates(fitted.summary(fitted.draws.posterior[names]))
    words = [f"{name} = {estimate.plain()}" for name, estimate in estimates.items()]
    rows = tuple((name, one.plain()) for name, one in estimates.items())
    table = Table("Quantities of the law: mean and interval", ("quantity", "mean"), rows)
    further: tuple[Text, ...] = ()
    if law.allocates:
        options = " ".join(f"--at {name}=..." for name in law.extra_inputs)
        given = ", ".join(f"{name!r}: ..." for name in law.extra_inputs)
        text = (
            f"The best use of compute depends on {listed(law.extra_inputs)}: ask with {options}, "
            f"or fit.optimum(flops, at={{{given}}})."
        )
        further = (Text(text, "note"),)
    numbers = {"quantities": {name: asdict(one) for name, one in estimates.items()}}
    section = Section("budgets", "Quantities of the law", (table, *further), numbers=numbers)
    return f"The runs give {listed(words, 6)}.", section
