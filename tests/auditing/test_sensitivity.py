"""Whether the verdict on a claim depends on choices: with specifications made by hand."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

import bayescale as bs
from bayescale.auditing.audit import audit
from bayescale.auditing.check_result import AGREES, DISAGREES, UNTESTED, CheckResult, Evidence
from bayescale.auditing.position import position
from bayescale.auditing.sensitivity import sensitivity
from bayescale.errors import DataError
from bayescale.fitting.record import Fit
from bayescale.likelihoods import NORMAL
from bayescale.spec.claim import Claim
from bayescale.validation.multiverse import multiverse
from bayescale.validation.sweep import Parallel
from tests.auditing.planted import LAW, claim_of, specifications


def claim_at(fit: Fit, away: float, **changes: Any) -> Claim:
    """A claim so many posterior standard deviations above the posterior mean of alpha."""
    draws = fit.posterior["alpha"]
    value = float(draws.mean()) + away * float(draws.std(ddof=1))
    return claim_of(**({"values": {"alpha": value}} | changes))


def check(claim: Claim, evidence: Evidence, specifications: xr.Dataset) -> CheckResult:
    return sensitivity(claim, replace(evidence, multiverse=specifications))


def test_choices_that_shift_nothing_keep_the_verdict(grid: Fit, evidence: Evidence) -> None:
    result = check(claim_at(grid, 1.0), evidence, specifications(grid, 0.0))
    assert result.outcome == AGREES
    numbers = result.numbers
    assert (numbers["specifications"], numbers["trusted"], numbers["otherwise"]) == (10, 10, 0)
    assert numbers["alpha"]["least"] == pytest.approx(0, abs=1e-9)
    assert numbers["alpha"]["within"]
    assert "All 10 trusted specifications find the claim inside" in result.sentence


def test_a_claim_that_half_of_the_choices_would_clear(grid: Fit, evidence: Evidence) -> None:
    """Four sd away by the fit, and one by the specifications with one scale."""
    far = claim_at(grid, 4.0)
    assert position(far, evidence).outcome == DISAGREES
    result = check(far, evidence, specifications(grid, [[0.0], [3.0]]))
    assert result.outcome == DISAGREES
    assert result.numbers["otherwise"] == 5
    assert result.numbers["alpha"]["most"] == pytest.approx(3.0)
    # The sd of five zeros and five threes.
    assert result.numbers["alpha"]["sd"] == pytest.approx(np.std([0.0, 3.0] * 5, ddof=1))
    assert "5 of 10 trusted specifications find the claim inside" in result.sentence
    assert "chiefly with scatter 'one scale' (5 of 5)" in result.sentence


@pytest.mark.parametrize(
    ("away", "shifts", "outcome", "words"),
    [
        # In place by the fit; one specification in ten is five sd off.
        (0.0, [[0, 0, 0, 0, 5], [0] * 5], DISAGREES, "1 of 10 trusted specifications find the"),
        # Outside of every interval, whatever is chosen.
        (
            9.0,
            [[0] * 5, [1] * 5],
            AGREES,
            "The claimed alpha lies outside of all intervals. All 10",
        ),
    ],
)
def test_where_a_claim_lies_among_choices(
    grid: Fit, evidence: Evidence, away: float, shifts: Any, outcome: str, words: str
) -> None:
    result = check(claim_at(grid, away), evidence, specifications(grid, shifts))
    assert result.outcome == outcome
    assert words in result.sentence


def test_only_trusted_specifications_count(grid: Fit, evidence: Evidence) -> None:
    half = specifications(grid, [[0.0], [5.0]], trusted=[[True], [False]])
    result = check(claim_at(grid, 0.0), evidence, half)
    assert (result.outcome, result.numbers["trusted"]) == (AGREES, 5)
    none = check(claim_at(grid, 0.0), evidence, specifications(grid, 0.0, trusted=False))
    assert none.outcome == UNTESTED


def test_only_identified_quantities_count(grid: Fit, evidence: Evidence) -> None:
    vague = replace(evidence, identified=frozenset({"beta"}))
    result = check(claim_at(grid, 4.0), vague, specifications(grid, 3.0))
    assert result.outcome == UNTESTED


def test_the_fit_alone_agrees_with_the_position(grid: Fit, evidence: Evidence) -> None:
    """A multiverse of the fit alone agrees with the check, on both sides of the limit."""
    limit = stats.norm.isf(0.005)
    for away in (-1.02 * limit, -0.98 * limit, 0.98 * limit, 1.02 * limit):
        claim = claim_at(grid, away)
        result = check(claim, evidence, specifications(grid, 0.0))
        assert result.numbers["alpha"]["own"] == (position(claim, evidence).outcome == DISAGREES)
        assert result.numbers["otherwise"] == 0


def test_the_optimum_of_a_whole_law_counts(grid: Fit, evidence: Evidence) -> None:
    """Refits of the same runs: N_opt stays where it is, by the fit's own draws.

    Means of 2,000 draws worth 400 or more (they are trusted), and a mean log from the ends of an
    interval, known to three times that: four standard errors are 4 * 3 / sqrt(400) = 0.6 sd.
    """
    axes = {
        "scatter": {"one scale": bs.Choice({"likelihood": NORMAL, "clusters": None})},
        "runs": {"all": bs.Choice(), "again": bs.Choice()},
    }
    varied = multiverse(
        LAW, grid.runs, axes=axes, flops=1e22, parallel=Parallel(jobs=1), random_seed=0
    )
    values = {name: float(grid.posterior[name].mean()) for name in LAW.coefficient_names}
    result = check(claim_of(values=values), evidence, varied)
    optimum = result.numbers["N_opt"]
    assert -0.6 < optimum["least"] <= optimum["most"] < 0.6
    assert "N_opt at 1e+22 FLOP by" in result.sentence
    # Half the exponent of the tokens: a model far from the best at that budget.
    wrong = check(claim_of(values=values | {"beta": values["beta"] / 2}), evidence, varied)
    assert wrong.numbers["N_opt"]["own"]
    assert wrong.numbers["N_opt"]["outside"] == wrong.numbers["trusted"] == 2
    assert not wrong.numbers["N_opt"]["within"]
    # One coefficient claims no optimum, and its result still has how the optimum shifts.
    alone = check(claim_at(grid, 0.0), evidence, varied)
    assert alone.numbers["N_opt"]["within"] is None


def test_an_audit_shows_which_verdict_depends_on_choices_and_keeps_it(grid: Fit) -> None:
    far = claim_at(grid, 6.0)
    settings: dict[str, Any] = {"law": LAW, "random_seed": 1, "draws": 500}
    moved = specifications(grid, [[0.0], [5.0]])
    audited = audit(far, grid, multiverse=moved, **settings)
    assert audited.multiverse is moved
    assert audited["me"].verdict == ("inconsistent",)
    assert audited["me"].reasons[-1].startswith("sensitivity: In posterior sd")
    assert audited.table.loc["me", "sensitivity"] == DISAGREES
    firm = audit(far, grid, multiverse=specifications(grid, 0.0), **settings)
    assert firm["me"].verdict == ("inconsistent",)
    assert not any(reason.startswith("sensitivity") for reason in firm["me"].reasons)
    without = audit(far, grid, **settings)
    assert without["me"].results["sensitivity"].outcome == UNTESTED
    assert without["me"].reasons == firm["me"].reasons
    assert without.multiverse is None


def test_choices_are_varied_of_one_group(grid: Fit) -> None:
    grouped = replace(grid, structure=replace(grid.structure, by="corpus", groups=("a", "b")))
    with pytest.raises(DataError, match="multiverse=True with runs grouped by 'corpus'"):
        audit(claim_of(), grouped, law=LAW, multiverse=True)


@pytest.mark.slow
def test_the_usual_choices_on_the_chinchilla_runs(chinchilla_runs: pd.DataFrame) -> None:
    audited = audit(None, chinchilla_runs, law=LAW, multiverse=True, random_seed=1)
    assert audited.multiverse is not None
    assert audited.multiverse["trusted"].size >= 60
    assert audited.multiverse.attrs["flops"] == audited.budget
    for claim in audited.claims:
        assert claim.results["sensitivity"].numbers["trusted"] > 30
