"""What to know about a fit before it is believed: findings, with numbers and thresholds.

A finding has a name, the quantity or run that it is about, a value, the threshold that the value
passes with the reason for it, and a sentence to read. The tables behind the findings also have what
passes no threshold.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.diagnostics.borrowed import LEANS, borrowed
from bayescale.diagnostics.designs import best_design
from bayescale.diagnostics.identifiability import (
    IDENTIFIED,
    RIDGE,
    SENSITIVE,
    identification_of,
    ridges,
    scaled_draws,
)
from bayescale.diagnostics.influence import influence
from bayescale.diagnostics.misfit import misfit
from bayescale.diagnostics.multimodality import BIMODAL, antimode_depth
from bayescale.diagnostics.residuals import (
    CHANCE,
    outlier_threshold,
    outliers,
    residual_autocorrelation,
)
from bayescale.documents.document import Block, Document, Listing, Section, Table, Text
from bayescale.documents.html import to_fragment
from bayescale.documents.text import to_text
from bayescale.fitting.display import DOUBTS, verdict_numbers
from bayescale.fitting.record import Fit
from bayescale.posterior.convergence import Verdict
from bayescale.posterior.jackknife import CLUSTER, RUN
from bayescale.posterior.loo import MOVED
from bayescale.posterior.quantities import scalars
from bayescale.wording import listed

REASONS = {
    "modes": "one mode exceeds it in at most 1% of simulations, two modes 4 sd apart in most",
    "not_identified": "below it the prior weighs more in the posterior's precision than the runs",
    "ridge": "above it either number is three times as sure once the other is given",
    "outlier": f"the furthest of as many Normal runs exceeds it in {CHANCE:.0%} of tables",
    "autocorrelation": f"runs with independent errors exceed it in {CHANCE:.0%} of tables",
    "misfit": f"residuals without a shape exceed it in {CHANCE:.0%} of tables",
    "influential_run": "squares of all changes add up to 1 where resampling widens no interval",
    "influential_cluster": "squares of all changes add up to 1 where resampling widens no interval",
    "borrowed": "above it an interval without the priors would be 15% wider",
    "prior": "a Normal whose mean moves by 0.3 sd when the prior's power is halved or doubled",
}
"""Why each threshold is where it is, by name of the finding, the gravest first."""


@dataclass(frozen=True)
class Finding:
    """A property of a fit that passes a threshold.

    Parameters
    ----------
    name : str
        Its kind, a key of `REASONS`.
    quantity : str
        The coefficient, run or cluster that it is about.
    value, threshold : float
        What was measured, and the threshold that it passes: upwards, but for ``not_identified``.
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
    """Findings about a fit, with the numbers behind them.

    Returned by `bayescale.diagnose`.

    Parameters
    ----------
    findings : tuple of Finding
        What passes a threshold, the gravest first.
    coefficients : DataFrame
        Contraction and sensitivity of every quantity
        (`bayescale.diagnostics.identifiability.identification`).
    influence : dict of str to Dataset
        By run, and by cluster where there are any (`bayescale.influence`).
    verdict : Verdict
        Whether the draws are trusted.
    remarks : tuple of str
        What is doubtful about the fit apart from that, the gravest first.
    """

    findings: tuple[Finding, ...]
    coefficients: pd.DataFrame
    influence: dict[str, xr.Dataset]
    verdict: Verdict
    remarks: tuple[str, ...] = ()

    @property
    def table(self) -> pd.DataFrame:
        """The findings, a row each."""
        columns = [field.name for field in fields(Finding)]
        return pd.DataFrame([asdict(finding) for finding in self.findings], columns=columns)

    def document(self, *, title: str = "") -> Document:
        """What is printed of it: the verdict, all remarks, the findings and their thresholds.

        Parameters
        ----------
        title : str
            Printed above it.

        Returns
        -------
        Document
            With sections ``verdict`` and ``findings``.
        """
        reasons = self.verdict.reasons
        verdict: list[Block] = [Text("Verdict: trusted.", "good")]
        if reasons:
            verdict = [Text("Verdict: NOT TO BE TRUSTED.", "bad"), Listing(reasons)]
        if self.remarks:
            verdict += [DOUBTS, Listing(self.remarks)]
        findings: list[Block] = [Text("No finding passes its threshold.", "good")]
        if self.findings:
            sentences = Listing(tuple(map(str, self.findings)))
            rows = []
            for name in dict.fromkeys(finding.name for finding in self.findings):
                same = [finding for finding in self.findings if finding.name == name]
                values = sorted(finding.value for finding in same)
                span = " to ".join(dict.fromkeys(f"{x:.3g}" for x in (values[0], values[-1])))
                rows.append((name, span, f"{same[0].threshold:.3g}", same[0].reason))
            columns = ("finding", "value", "threshold", "reason for the threshold")
            thresholds = Table("Values and thresholds", columns, tuple(rows))
            findings = [Text("Findings, the gravest first:"), sentences, thresholds]
        judged = verdict_numbers(self.verdict, self.remarks)
        numbers = {"findings": [asdict(finding) for finding in self.findings]}
        first = Section("verdict", "Verdict", tuple(verdict), numbers=judged)
        second = Section("findings", "Findings", tuple(findings), numbers=numbers)
        return Document(title, "", (first, second))

    def __repr__(self) -> str:
        return to_text(self.document())

    def _repr_html_(self) -> str:
        return to_fragment(self.document())


def diagnose(fit: Fit) -> Diagnosis:
    """Find what the runs do not identify, and which runs and priors the answer depends on.

    Parameters
    ----------
    fit : Fit
        A fitted law.

    Returns
    -------
    Diagnosis
        Its findings, the gravest first, with the verdict and the remarks of the fit.

    Examples
    --------
    >>> diagnose(fitted)  # doctest: +SKIP
    """
    prior, posterior = scaled_draws(fit)
    table = identification_of(fit, prior, posterior)
    changes = {RUN: influence(fit)}
    if fit.structure.clusters is not None:
        changes[CLUSTER] = influence(fit, of_each=CLUSTER)
    findings = [
        *_posterior_findings(fit, table, posterior),
        *_unidentified(fit, table, posterior),
        *_residual_findings(fit),
        *_influential(fit, changes),
    ]
    gravity = list(REASONS)
    findings.sort(key=lambda finding: gravity.index(finding.name))
    return Diagnosis(tuple(findings), table, changes, fit.verdict, fit.warnings)


def _finding(name: str, quantity: str, value: float, threshold: float, sentence: str) -> Finding:
    return Finding(name, quantity, float(value), threshold, REASONS[name], sentence)


def _labels_of_law(fit: Fit, labels: Iterable[object], *also: str) -> list[str]:
    """Labels of coefficients and free parameters of the law, and of other names."""
    names = {*fit.law.coefficient_names, *fit.law.priors, *also}
    return [label for label in map(str, labels) if label.partition("[")[0] in names]


def _posterior_findings(fit: Fit, table: pd.DataFrame, posterior: xr.Dataset) -> Iterator[Finding]:
    """Two modes, ridges, what leans on the priors, and what another prior would move."""
    lent = borrowed(fit)
    if lent is not None and lent.share > LEANS:
        yield _finding("borrowed", "N_opt", lent.share, LEANS, lent.sentence())
    for label in _labels_of_law(fit, posterior):
        depth, lesser = antimode_depth(posterior[label])
        if depth > BIMODAL:
            sentence = (
                f"The posterior of {label} has two modes, with {lesser:.0%} of the draws in the "
                "lesser: its mean and sd describe neither. Plot its draws, and add runs or a prior "
                "that rule one mode out."
            )
            yield _finding("modes", label, depth, BIMODAL, sentence)
    for ridge in ridges(posterior, fit.law):
        # A ridge between numbers that are known to 10% or better does not matter.
        if max(ridge.alone) >= 0.1:
            quantity = f"{ridge.first}, {ridge.second}"
            yield _finding("ridge", quantity, abs(ridge.correlation), RIDGE, str(ridge))
    known = table.loc[_labels_of_law(fit, table.index)]
    known = known[(known["prior"] > SENSITIVE) & (known["contraction"] >= IDENTIFIED)]
    if len(known):
        known = known.sort_values("prior", ascending=False)
        names, sensitivity = list(map(str, known.index)), float(known["prior"].iloc[0])
        most = f", {names[0]} most" if len(names) > 1 else ""
        sentence = (
            f"Another prior would move {listed(names, 8)}{most} (sensitivity {sensitivity:.2f}). "
            "Look at bayescale.plots.plot_psense_dist, and give the priors that you believe."
        )
        yield _finding("prior", names[0], sensitivity, SENSITIVE, sentence)


def _unidentified(fit: Fit, table: pd.DataFrame, posterior: xr.Dataset) -> Iterator[Finding]:
    """Quantities that the runs do not identify, with the design that would."""
    for label in _labels_of_law(fit, table.index, *fit.law.derived):
        contraction, prior_sd = (float(table[name][label]) for name in ("contraction", "prior_sd"))
        if not contraction < IDENTIFIED:
            continue
        parts = label.partition("[")[2].rstrip("]").split(", ")
        group = next((part for part in parts if part in fit.structure.groups), None)
        design, reached = best_design(fit.draws, posterior[label], prior_sd, group)
        add = "Add" if reached >= IDENTIFIED else "Of the designs that were tried, add"
        advice = f"{add} {design.description}: together they would take at least {reached:.0%} off."
        if reached < contraction + 0.1:
            advice = (
                "No design that was tried would change that: use a law without it, if there is one."
            )
        percent = f"{contraction:.0%}" if contraction >= 0.01 else "nothing"
        sentence = (
            f"{label} is not identified by these runs: they take {percent} off its prior variance, "
            f"so that the prior weighs more than the runs. {advice}"
        )
        yield _finding("not_identified", label, contraction, IDENTIFIED, sentence)


def _residual_findings(fit: Fit) -> Iterator[Finding]:
    """Outliers, autocorrelation, and misfit of the law itself."""
    threshold = outlier_threshold(len(fit.runs))
    for row, residual in outliers(fit).items():
        # No likelihood has both heavy tails and correlated errors.
        heavy = "; if it stays, fit with likelihood=bayescale.likelihoods.VARIANCE_FUNCTION"
        remedy = f"{heavy}, whose tails are heavy" if fit.likelihood.series is None else ""
        sentence = (
            f"Run {_run_text(fit, int(str(row)))} lies {abs(residual):.1f} scales "
            f"{'above' if residual > 0 else 'below'} the law. Check the run{remedy}."
        )
        yield _finding("outlier", f"run {row}", abs(residual), threshold, sentence)
    correlation, threshold = residual_autocorrelation(fit)
    if correlation > threshold:
        name = fit.law.inputs[0]
        sentence = (
            f"Residuals of neighbouring runs along {name} are correlated ({correlation:.2f} from "
            "one run to the next): the runs say less than as many independent ones, and intervals "
            "are too narrow. If they are checkpoints of one run, fit with "
            "likelihood=bayescale.likelihoods.autoregressive(...); if they are separate runs, use "
            "a law that bends as they do."
        )
        yield _finding("autocorrelation", name, correlation, threshold, sentence)
    found = misfit(fit)
    if found is not None and found.share > found.threshold:
        sentence = found.sentence(fit.law)
        yield _finding("misfit", fit.law.name, found.share, found.threshold, sentence)


def _run_text(fit: Fit, row: int) -> str:
    """A run by its row and its inputs."""
    inputs = fit.runs.iloc[row - 1][list(fit.law.inputs)]
    return f"{row} ({', '.join(f'{value:.3g} {name}' for name, value in inputs.items())})"


def _influential(fit: Fit, changes: dict[str, xr.Dataset]) -> Iterator[Finding]:
    """Influential runs and clusters, each with the quantity that changes most without it."""
    for unit, change in changes.items():
        columns = {
            label: values.to_series()
            for name in change
            for label, values in scalars(change[name], str(name), (unit,))
        }
        table = pd.DataFrame(columns)
        for row, values in enumerate(table.to_numpy(), start=1):
            worst = int(np.abs(values).argmax())
            if not abs(values[worst]) > MOVED:
                continue
            label = str(table.index[row - 1])
            case = f"run {_run_text(fit, row)}" if unit == RUN else f"cluster {label}"
            sentence = (
                f"Without {case}, {table.columns[worst]} would change by about "
                f"{values[worst]:+.1f} of its sd in the model. Check the {unit}, and report the "
                "answer without it too."
            )
            about, size = f"run {row}" if unit == RUN else label, abs(values[worst])
            yield _finding(f"influential_{unit}", about, size, MOVED, sentence)
