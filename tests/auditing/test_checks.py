"""Every check in the registry: a planted claim that fails, one that passes, one not testable."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayescale as bs
from bayescale.auditing.audit import audit_claim
from bayescale.auditing.check_result import AGREES, DISAGREES, UNTESTED, Evidence
from bayescale.auditing.checks import CHECKS, INCOHERENT, INCONSISTENT, OVERCONFIDENT
from bayescale.auditing.verdicts import UNTESTABLE, VERDICTS, reasons_of, verdict_of
from bayescale.fitting.point_fit import minimise_from
from bayescale.spec.claim import Claim, ClaimData, Objective
from tests.auditing.planted import LAW, TRUTH, claim_of, planted_runs, specifications

Case = Callable[[Evidence], Claim | tuple[Claim, Evidence]]
"""A claim about the evidence; with other evidence where the check needs more than a fit."""


@dataclass(frozen=True)
class Planted:
    """Claims of known outcome for one check."""

    fails: Case
    passes: Case
    untestable: Case


def shifted(name: str, sds: float, evidence: Evidence, **changes: Any) -> Claim:
    """The truth with one number so many posterior standard deviations off."""
    sd = float(evidence.fit.posterior[name].std(ddof=1))
    return claim_of(values=TRUTH | {name: TRUTH[name] + sds * sd}, **changes)


def with_error(factor: float, evidence: Evidence) -> Claim:
    """The truth with an error that is so many times the posterior standard deviation."""
    return claim_of(errors={"alpha": factor * float(evidence.fit.posterior["alpha"].std(ddof=1))})


def at_minimum(evidence: Evidence, factor: float = 1.0) -> Claim:
    """The minimum of a Huber loss over the runs, with one exponent so many times as large."""
    runs, names = evidence.fit.runs, LAW.coefficient_names
    best, _ = minimise_from(LAW, runs, np.log([TRUTH[name] for name in names]), 1e-3)
    values = dict(zip(names, np.exp(best).tolist(), strict=True))
    # B goes with beta along the valley of the loss.
    values |= {"beta": factor * values["beta"], "B": values["B"] * factor**25}
    return claim_of(values=values, objective=Objective(kind="huber", delta=1e-3), runs=len(runs))


def beside_method(a: float, evidence: Evidence) -> tuple[Claim, Evidence]:
    """A claim beside the estimate of a by another method of the paper."""
    first, second = (
        claim_of(values={"a": value}, errors={"a": 0.01}, method=method, label=method)
        for value, method in ((0.51, "first"), (a, "second"))
    )
    return first, replace(evidence, claims=(first, second))


def varied(shifts: Any, evidence: Evidence) -> tuple[Claim, Evidence]:
    """A claim with specifications that move its exponent by so many posterior sd."""
    posterior_mean = float(evidence.fit.posterior["alpha"].mean())
    claim = claim_of(values={"alpha": posterior_mean})
    return claim, replace(evidence, multiverse=specifications(evidence.fit, shifts))


def only_alpha(evidence: Evidence) -> Claim:
    """A claim of one exponent, from which no law follows."""
    return claim_of(values={"alpha": TRUTH["alpha"]})


PLANTED = {
    "position": Planted(
        fails=lambda e: shifted("alpha", 6.0, e),
        passes=lambda e: claim_of(),
        untestable=lambda e: (claim_of(), replace(e, identified=frozenset())),
    ),
    "joint position": Planted(
        fails=lambda e: shifted("alpha", 6.0, e),
        passes=lambda e: claim_of(),
        untestable=only_alpha,
    ),
    "optimum": Planted(
        fails=lambda e: claim_of(values=TRUTH | {"beta": TRUTH["beta"] / 2}, budget=1e22),
        passes=lambda e: claim_of(budget=1e22),
        untestable=only_alpha,
    ),
    "residuals": Planted(
        fails=lambda e: claim_of(values=TRUTH | {"E": TRUTH["E"] + 0.02}),
        passes=lambda e: claim_of(),
        untestable=only_alpha,
    ),
    "held-out runs": Planted(
        fails=lambda e: claim_of(data=ClaimData(held_out="lower")),
        passes=lambda e: claim_of(data=ClaimData(held_out="larger")),
        untestable=lambda e: claim_of(data=ClaimData(held_out="nowhere")),
    ),
    "width": Planted(
        fails=lambda e: with_error(0.1, e),
        passes=lambda e: with_error(1.0, e),
        untestable=lambda e: claim_of(),
    ),
    "coherence": Planted(
        fails=lambda e: claim_of(values={"a": 0.51, "b": 0.42}),
        passes=lambda e: claim_of(values={"a": 0.51, "b": 0.48}),
        untestable=only_alpha,
    ),
    "own objective": Planted(
        fails=lambda e: at_minimum(e, 1.02),
        passes=at_minimum,
        untestable=lambda e: claim_of(),
    ),
    "agreement of methods": Planted(
        fails=lambda e: beside_method(0.41, e),
        passes=lambda e: beside_method(0.50, e),
        untestable=lambda e: claim_of(),
    ),
    "sensitivity": Planted(
        fails=lambda e: varied([[0.0], [9.0]], e),
        passes=lambda e: varied(0.0, e),
        untestable=lambda e: claim_of(),
    ),
}
"""Planted claims of every check. A new check brings its own."""


@pytest.fixture(autouse=True)
def held_out_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two tables of larger runs, one of the law and one whose losses are 3% lower."""
    load = bs.datasets.load
    larger = planted_runs(np.geomspace(2e10, 5e10, 4), np.geomspace(4e11, 1e12, 4), seed=1)
    tables = {"larger": larger, "lower": larger.assign(loss=larger["loss"] / 1.03)}

    def load_planted(name: str, **where: str) -> pd.DataFrame:
        return tables[name] if name in tables else load(name, **where)

    monkeypatch.setattr(bs.datasets, "load", load_planted)


def claim_and_evidence(case: Case, evidence: Evidence) -> tuple[Claim, Evidence]:
    planted = case(evidence)
    return planted if isinstance(planted, tuple) else (planted, evidence)


def test_every_check_has_planted_claims() -> None:
    assert [*PLANTED] == [*CHECKS]


@pytest.mark.parametrize(
    ("case", "outcome"),
    [("fails", DISAGREES), ("passes", AGREES), ("untestable", UNTESTED)],
)
@pytest.mark.parametrize("name", CHECKS)
def test_planted_claims_have_their_outcomes(
    evidence: Evidence, name: str, case: str, outcome: str
) -> None:
    claim, planted = claim_and_evidence(getattr(PLANTED[name], case), evidence)
    result = CHECKS[name].function(claim, planted)
    assert result.outcome == outcome, result
    assert result.sentence.endswith(".")
    assert bool(result.numbers) == (outcome != UNTESTED)


@pytest.mark.parametrize("name", CHECKS)
def test_a_failure_has_its_meaning_in_the_verdict(evidence: Evidence, name: str) -> None:
    """The word of the check, its reason, and no word that another check did not give."""
    claim, planted = claim_and_evidence(PLANTED[name].fails, evidence)
    audited = audit_claim(claim, planted)
    failed = [n for n, result in audited.results.items() if result.outcome == DISAGREES]
    assert name in failed
    words = {CHECKS[n].meaning for n in failed} - {None}
    assert set(audited.verdict) & {INCONSISTENT, INCOHERENT, OVERCONFIDENT} == words
    assert any(reason.startswith(f"{name}: ") for reason in audited.reasons)


def test_a_fit_that_is_not_trusted_leaves_only_what_contradicts_itself(evidence: Evidence) -> None:
    failed = {
        name: CHECKS[name].function(*claim_and_evidence(planted.fails, evidence))
        for name, planted in PLANTED.items()
    }
    assert verdict_of(failed, [], trusted=True) == (INCONSISTENT, INCOHERENT, OVERCONFIDENT)
    refused = verdict_of(failed, [], trusted=False)
    assert refused == ("refused", INCOHERENT)
    reasons = reasons_of(refused, failed, [], evidence.fit)
    names = [reason.partition(":")[0] for reason in reasons]
    assert names == [name for name, check in CHECKS.items() if check.meaning == INCOHERENT]


def test_meanings_are_verdicts_the_gravest_first() -> None:
    meanings = dict.fromkeys(check.meaning for check in CHECKS.values() if check.meaning)
    assert set(meanings) == {INCONSISTENT, INCOHERENT, OVERCONFIDENT}
    assert [word for word in VERDICTS if word in meanings] == [
        INCONSISTENT,
        INCOHERENT,
        OVERCONFIDENT,
    ]


def test_a_claim_that_no_check_can_test_has_a_reason(evidence: Evidence) -> None:
    audited = audit_claim(claim_of(values={"k_D": 0.29}), evidence)
    assert audited.verdict == (UNTESTABLE,)
    assert audited.reasons == ("No check can test what is claimed.",)
