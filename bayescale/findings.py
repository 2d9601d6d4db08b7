"""What is to be known about a fit before it is believed: each with a number and a threshold.

Every finding has a name, the quantity or run it is about, what was measured, the threshold it
passes with the reason for that threshold, and one sentence to read. The whole tables stand beside
them, with what passes no threshold.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.diagnosis import HONEST, MOVED
from bayescale.display import listed
from bayescale.draws import numbers
from bayescale.identification import (
    IDENTIFIED,
    RIDGE,
    SENSITIVE,
    Ridge,
    both_scaled,
    identification_of,
    ridges,
)
from bayescale.influence import (
    CHANCE,
    CLUSTER,
    RUN,
    furthest,
    influence,
    outliers,
)
from bayescale.modes import VALLEY, valley
from bayescale.neighbours import alike
from bayescale.proposals import proposal

if TYPE_CHECKING:
    from bayescale.fitting import Fit

LITTLE = 0.1
"""What a design must add to the contraction to be worth naming."""
VAGUE = 0.1
"""Standard deviation of both logarithms below which a ridge costs nobody a digit."""

REASONS = {
    "not_identified": "below it the prior weighs more in the posterior's precision than the runs",
    "ridge": "above it either number is three times as sure once the other is given",
    "prior": "a Normal whose mean moves by 0.3 sd when the prior's power is halved or doubled",
    "honesty": "above it the interval is narrower by a quarter than resampling would make it",
    "influential_run": "the squares of all changes add up to 1 where an interval is honest",
    "influential_cluster": "the squares of all changes add up to 1 where an interval is honest",
    "outlier": f"the furthest of as many Normal runs is beyond it in {CHANCE:.0%} of tables",
    "neighbours": f"runs that err on their own exceed it in {CHANCE:.0%} of tables",
    "modes": "one mode passes it in at most 1% of simulations, two modes 4 sd apart in most",
}


@dataclass(frozen=True)
class Finding:
    """Something about a fit that passes a threshold.

    Parameters
    ----------
    name : str
        What kind it is, a key of `REASONS`.
    quantity : str
        The coefficient, run or cluster it is about.
    value, threshold : float
        What was measured, and what it was held against.
    reason : str
        Why the threshold is where it is.
    sentence : str
        What it means, and what to do.
    """

    name: str
    quantity: str
    value: float
    threshold: float
    reason: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.name}: {self.sentence}"


@dataclass(frozen=True, eq=False, repr=False)
class Diagnosis:
    """What was found about a fit.

    Made by `diagnose`.

    Parameters
    ----------
    findings : tuple of Finding
        What passes a threshold, the gravest kind first.
    coefficients : DataFrame
        Contraction and sensitivity of every quantity (`bayescale.identification`).
    influence : dict of str to Dataset
        By run, and by cluster where there are any (`bayescale.influence`).
    """

    findings: tuple[Finding, ...]
    coefficients: pd.DataFrame
    influence: dict[str, xr.Dataset]

    @property
    def table(self) -> pd.DataFrame:
        """The findings, a row each."""
        columns = [field.name for field in fields(Finding)]
        return pd.DataFrame([asdict(each) for each in self.findings], columns=columns)

    def __repr__(self) -> str:
        return "\n".join(map(str, self.findings)) or "Nothing passes a threshold."

    def _repr_html_(self) -> str:
        lines = "".join(f"<li>{escape(str(each))}</li>" for each in self.findings)
        return f"<ul>{lines}</ul>" if lines else f"<p>{escape(repr(self))}</p>"


def diagnose(fit: "Fit") -> Diagnosis:
    """Look for what makes a fit say less, or hang on less, than it seems.

    Parameters
    ----------
    fit : Fit
        A fitted law. Whether its draws are to be trusted is another question: `Fit.verdict`.

    Returns
    -------
    Diagnosis

    Examples
    --------
    >>> diagnose(fitted)  # doctest: +SKIP
    """
    prior, posterior = both_scaled(fit)
    table = identification_of(fit, prior, posterior)
    changes = {RUN: influence(fit)}
    if fit.structure.clusters is not None:
        changes[CLUSTER] = influence(fit, by=CLUSTER)
    findings = (
        *_modes(fit, posterior),
        *_not_identified(fit, table, posterior),
        *_ridges(fit, posterior),
        *_outliers(fit),
        *_neighbours(fit),
        *(found for by, change in changes.items() for found in _influential(fit, change, by)),
        *_narrow(fit),
        *_priors(fit, table),
    )
    return Diagnosis(findings, table, changes)


def _found(name: str, quantity: str, value: float, threshold: float, sentence: str) -> Finding:
    return Finding(name, quantity, float(value), threshold, REASONS[name], sentence)


def _modes(fit: "Fit", posterior: xr.Dataset) -> Iterator[Finding]:
    for label in _asked(fit, list(map(str, posterior))):
        depth, lesser = valley(posterior[label])
        if depth > VALLEY:
            sentence = (
                f"The posterior of {label} has two modes, {lesser:.0%} of the draws in the lesser: "
                "its mean and sd describe neither. Plot its draws, and add runs or a prior that "
                "rule one mode out."
            )
            yield _found("modes", label, depth, VALLEY, sentence)


def _asked(fit: "Fit", labels: list[str], *also: str) -> list[str]:
    names = {*fit.law.coefficient_names, *fit.law.priors, *also}
    return [label for label in labels if label.partition("[")[0] in names]


def _not_identified(fit: "Fit", table: pd.DataFrame, posterior: xr.Dataset) -> Iterator[Finding]:
    for label in _asked(fit, list(table.index), *fit.law.derived):
        took, prior_sd = (float(table[column][label]) for column in ("contraction", "prior_sd"))
        if took < IDENTIFIED:
            advice = _advice(fit, posterior[label], label, took, prior_sd)
            sentence = (
                f"{label} is not identified by these runs: they take "
                f"{_percent(took)} off its prior variance, and the prior says more "
                f"than they do. {advice}"
            )
            yield _found("not_identified", label, took, IDENTIFIED, sentence)


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 else "nothing"


def _advice(fit: "Fit", draws: xr.DataArray, label: str, took: float, prior_sd: float) -> str:
    inside = label.partition("[")[2].rstrip("]").split(", ")
    group = next((each for each in inside if each in fit.structure.groups), None)
    best, reached = proposal(fit, draws, prior_sd, group)
    if reached < took + LITTLE:
        return "No design that was tried would change that: take a law without it, if there is one."
    which = "Of the designs that were tried, add" if reached < IDENTIFIED else "Add"
    return f"{which} {best.said}: together they would take at least {reached:.0%} off."


def _ridges(fit: "Fit", posterior: xr.Dataset) -> Iterator[Finding]:
    for each in ridges(posterior, fit.law):
        if max(each.alone) < VAGUE:
            continue
        quantity = f"{each.first}, {each.second}"
        yield _found("ridge", quantity, abs(each.correlation), RIDGE, _ridge_sentence(each))


def _ridge_sentence(each: Ridge) -> str:
    first, second = _factor(each.first), _factor(each.second)
    sign = "*" if each.power > 0 else "/"
    return (
        f"{each.first} and {each.second} lie on a ridge (rank correlation {each.correlation:.2f}): "
        f"the runs tell {first} {sign} {second}^{abs(each.power):.2g} to {each.sd:.1%}, but "
        f"{first} only to {each.alone[0]:.1%} and {second} to {each.alone[1]:.0%}. "
        "Do not read either alone."
    )


def _factor(label: str) -> str:
    """A share stands by its odds, since that is the scale it is judged on."""
    return f"odds({label})" if label.startswith("share[") else label


def _outliers(fit: "Fit") -> Iterator[Finding]:
    threshold = furthest(len(fit.runs))
    for row, off in outliers(fit).items():
        # Tails that are heavy and rows that err alike are not to be had together.
        way_out = (
            "; if it stays, take likelihood=bayescale.likelihood.variance_function, whose tails "
            "are heavy"
            if fit.likelihood.series is None
            else ""
        )
        sentence = (
            f"Run {_run(fit, int(str(row)))} lies {abs(off):.1f} scales "
            f"{'above' if off > 0 else 'below'} the law. Look at the run{way_out}."
        )
        yield _found("outlier", f"run {row}", abs(off), threshold, sentence)


def _neighbours(fit: "Fit") -> Iterator[Finding]:
    correlation, threshold = alike(fit)
    if correlation > threshold:
        along = fit.law.inputs[0]
        sentence = (
            f"Neighbours along {along} lie off the law alike (correlation {correlation:.2f} from "
            "one run to the next): they are worth fewer than they are, and intervals are too "
            "narrow. If they are checkpoints of one run, take "
            "likelihood=bayescale.likelihood.autoregressive(...); if they are runs of their own, "
            "take a law that bends as they do."
        )
        yield _found("neighbours", along, correlation, threshold, sentence)


def _run(fit: "Fit", row: int) -> str:
    """A run by its row and its inputs."""
    inputs = fit.runs.iloc[row - 1][list(fit.law.inputs)]
    return f"{row} ({', '.join(f'{value:.3g} {name}' for name, value in inputs.items())})"


def _influential(fit: "Fit", change: xr.Dataset, by: str) -> Iterator[Finding]:
    """One finding a run or cluster, about the quantity that it moves most."""
    labelled = {
        label: values.to_series()
        for name in change
        for label, values in numbers(change[name], str(name), (by,))
    }
    table = pd.DataFrame(labelled)
    for place, row in enumerate(table.to_numpy()):
        worst = int(np.abs(row).argmax())
        if abs(row[worst]) > MOVED:
            quantity = str(table.columns[worst])
            who = _run(fit, place + 1) if by == RUN else str(table.index[place])
            sentence = (
                f"Without {by} {who}, {quantity} would change by about {row[worst]:+.1f} "
                f"of its posterior sd. Check the {by}, and say how the answer is without it."
            )
            yield _found(
                f"influential_{by}",
                f"{by} {place + 1}" if by == RUN else who,
                abs(row[worst]),
                MOVED,
                sentence,
            )


def _narrow(fit: "Fit") -> Iterator[Finding]:
    ratios = fit.summary()["honesty"]
    for label, ratio in ratios[ratios > HONEST].items():
        sentence = (
            f"The interval of {label} is too narrow: resampling would move it by {ratio:.1f} "
            "posterior sd. Read honest_lb and honest_ub in the summary."
        )
        yield _found("honesty", str(label), ratio, HONEST, sentence)


NAMED = 8
"""Quantities that one sentence names."""


def _priors(fit: "Fit", table: pd.DataFrame) -> Iterator[Finding]:
    """What the runs identify and another prior would yet move, the most sensitive first."""
    asked = table.loc[_asked(fit, list(table.index))]
    moved = asked[(asked["prior"] > SENSITIVE) & (asked["contraction"] >= IDENTIFIED)]
    if len(moved):
        moved = moved.sort_values("prior", ascending=False)
        names = list(map(str, moved.index))
        worst, sensitivity = names[0], float(moved["prior"].iloc[0])
        most = f", {worst} most" if len(names) > 1 else ""
        sentence = (
            f"Another prior would move {listed(names, NAMED)}{most} "
            f"(sensitivity {sensitivity:.2f}). Look at plots.plot_psense_dist, and give the "
            "priors that you believe."
        )
        yield _found("prior", worst, sensitivity, SENSITIVE, sentence)
