"""The answer a person came for: what to train on a budget, or what to expect of an input."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import xarray as xr

from bayescale.budgets import (
    BEYOND,
    QUANTITIES,
    WIDENED,
    Answer,
    answers,
    best_use,
    budgets_json,
    drift_sentence,
    estimate,
    given_of,
    largest_run,
    missing_sentence,
)
from bayescale.diagnosis import interval_kind
from bayescale.display import listed
from bayescale.fitting import Fit
from bayescale.reporting.predictions import MULTIPLES, predictions
from bayescale.reporting.record import Block, Section, Table, Text
from bayescale.reporting.words import (
    INTERVALS,
    at_given,
    counted_between,
    plain_between,
    power,
    power_between,
)

MOST_TOLD = 3
"""Groups that have a sentence of their own."""


def answer_sections(
    fit: Fit, flops: Sequence[float] | None, given: Mapping[str, Any]
) -> tuple[Section, Section]:
    """The answer in a sentence, and the table it is from."""
    # Budgets or further inputs that do not fit the law are refused rather than left out.
    if fit.law.has_optimum_at(given) or given or (flops and fit.law.allocates):
        return _of_budgets(fit, flops, given)
    if len(fit.law.inputs) == 1:
        return _of_input(fit)
    return _of_coefficients(fit)


def _answer(fit: Fit, sentence: str, *, widened: bool) -> Section:
    doubt = "" if fit.verdict.trusted else "The fit is not to be trusted. What it would say: "
    kind, mass = interval_kind()
    wider = f", {WIDENED} where the table has an asterisk" if widened else ""
    note = Text(f"In brackets: {INTERVALS.get(kind, kind)} intervals of {mass:.0%}{wider}.", "note")
    text = Text(f"{doubt}{sentence}", "answer")
    return Section("answer", "Answer", (text, note), numbers={"sentence": sentence})


def _of_budgets(
    fit: Fit, flops: Sequence[float] | None, given: Mapping[str, Any]
) -> tuple[Section, Section]:
    budgets = flops or [multiple * largest_run(fit) for multiple in MULTIPLES]
    optimum = fit.optimum(sorted(budgets), **given)
    found = answers(fit, optimum)
    # Unasked, ten times the largest run; asked, the most costly question.
    chosen = max(budgets) if flops else budgets[MULTIPLES.index(10.0)]
    told = [_told(each, given) for each in found if each.flops == chosen]
    others = ["The table has the other groups."] if len(told) > MOST_TOLD else []
    sentence = " ".join([*told[:MOST_TOLD], *others])
    widened = any(one.widened for each in found for one in each.estimates.values())
    return _answer(fit, sentence, widened=widened), _budget_section(fit, optimum, found)


def _budget_section(fit: Fit, optimum: xr.Dataset, found: list[Answer]) -> Section:
    cost, (kind, mass) = optimum.attrs["cost"], interval_kind()
    caption = f"{best_use(optimum)}: median and {mass:.0%} interval"
    blocks: list[Block] = [Table(caption, _header(found), tuple(map(_row, found)))]
    if any(one.widened for each in found for one in each.estimates.values()):
        blocks.append(Text(f"* {WIDENED}.", "note"))
    if drift := drift_sentence(fit, optimum):
        blocks.append(Text(drift, "note"))
    numbers = {
        "cost": cost,
        **({"at": given_of(optimum)} if fit.law.further else {}),
        "interval": {"kind": kind, "mass": mass},
        "budgets": budgets_json(optimum),
        "honest": [asdict(each) for each in found],
    }
    return Section("budgets", "What to train", tuple(blocks), numbers=numbers)


def _header(found: list[Answer]) -> tuple[str, ...]:
    group = () if found[0].group is None else ("group",)
    known = ("parameters", "tokens", "tokens per parameter", "loss")
    more = (_plain(name) for name in found[0].estimates if name not in QUANTITIES)
    return (*group, "FLOP", *known, *more, "decades beyond the runs")


def _row(answer: Answer) -> tuple[str, ...]:
    group = () if answer.group is None else (answer.group,)
    said = (
        f"{(plain_between if key == 'loss' else power_between)(each)}{'*' * each.widened}"
        for key, each in answer.estimates.items()
    )
    return (*group, power(answer.flops), *said, f"{answer.decades_beyond_runs:.1f}")


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _told(answer: Answer, given: Mapping[str, Any]) -> str:
    said = answer.estimates
    params, tokens = counted_between(said["N_opt"]), counted_between(said["D_opt"])
    group = "" if answer.group is None else f" for {answer.group}"
    where = (
        f"This lies {answer.decades_beyond_runs:.1f} decades beyond the largest run."
        if answer.decades_beyond_runs > BEYOND
        else "This lies within the runs."
    )
    more = "".join(
        f", {plain_between(found)} {_plain(name)}"
        for name, found in said.items()
        if name not in QUANTITIES
    )
    asked = f"{power(answer.flops)} FLOP{at_given(given)}{group}"
    return (
        f"On {asked}, train {params} parameters on {tokens} "
        f"tokens, {plain_between(said['tokens_per_param'])} tokens per parameter{more}, to a loss "
        f"of {plain_between(said['loss'])}. {where}"
    )


def _of_input(fit: Fit) -> tuple[Section, Section]:
    (name,), response, (_, mass) = fit.law.inputs, fit.law.response, interval_kind()
    found = predictions(fit)
    told = [
        f"At {name} = {power(each.at)}{each.of_group}, {each.place}, "
        f"{response} is {plain_between(each.law)} by the law, and {plain_between(each.new_run)} "
        "for a single new run."
        for each in found
        if each.place
    ]
    others = ["The table has the other groups."] if len(told) > MOST_TOLD else []
    sentence = " ".join([*told[:MOST_TOLD], *others])
    group = () if fit.structure.by is None else ("group",)
    table = Table(
        f"{response} to expect: median and {mass:.0%} interval",
        (*group, name, "law", "new run", "decades beyond the runs"),
        tuple(each.row() for each in found),
    )
    numbers = {"predictions": [asdict(each) for each in found]}
    widened = any(one.widened for each in found for one in (each.law, each.new_run))
    section = Section("budgets", "What to expect", (table,), numbers=numbers)
    return _answer(fit, sentence, widened=widened), section


def _of_coefficients(fit: Fit) -> tuple[Section, Section]:
    table = fit.summary([*fit.law.derived, *fit.law.coefficient_names])
    found = {str(name): estimate(float(row["mean"]), row) for name, row in table.iterrows()}
    sentence = f"By the runs, {listed([f'{n} is {plain_between(e)}' for n, e in found.items()])}."
    rows = tuple((n, f"{plain_between(each)}{'*' * each.widened}") for n, each in found.items())
    shown = Table("What the runs say: mean and interval", ("quantity", "mean"), rows)
    numbers = {"quantities": {name: asdict(each) for name, each in found.items()}}
    more = (Text(missing_sentence(fit.law), "note"),) if fit.law.allocates else ()
    section = Section("budgets", "What was found", (shown, *more), numbers=numbers)
    return _answer(fit, sentence, widened=any(each.widened for each in found.values())), section
