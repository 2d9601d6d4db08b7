"""Whether what is said of a claim hangs on choices: against specifications made by hand."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

import bayescale as bs
from bayescale.auditing import audit
from bayescale.checks import AGREES, DISAGREES, UNTESTED, honest_sd, position
from bayescale.claims import Claim
from bayescale.diagnosis import interval_kind
from bayescale.errors import DataError
from bayescale.fitting import Fit, fit
from bayescale.likelihood import normal
from bayescale.sensitive import sensitivity, specifications_of
from bayescale.specifications import STATISTICS, Choice, multiverse
from tests.designs import simulated

LAW = bs.models.CHINCHILLA
BUDGET = 1e22
PLAIN = {"likelihood": normal, "clusters": None}
SPREAD = float(stats.norm.ppf((1 + interval_kind()[1]) / 2))


@pytest.fixture(scope="module")
def grid() -> Fit:
    return fit(LAW, simulated(LAW, noise=0.005, seed=3, each=7), random_seed=1, **PLAIN)


def made(fitted: Fit, moved: Any, trusted: Any = True, name: str = "alpha") -> xr.Dataset:
    """Two axes of two and five choices; by how many posterior sd each moves a quantity."""
    draws = fitted.posterior[name]
    mean, sd = float(draws.mean()), float(draws.std(ddof=1))
    means = mean + sd * np.broadcast_to(np.asarray(moved, dtype=float), (2, 5))
    ends = [means - SPREAD * sd, means + SPREAD * sd]
    values = np.stack([means, np.full_like(means, sd), *ends], axis=-1)
    dims = ("scatter", "runs")
    return xr.Dataset(
        {
            name: ((*dims, "statistic"), values),
            "trusted": (dims, np.broadcast_to(trusted, (2, 5))),
        },
        {"scatter": ["usual", "one scale"], "runs": list("abcde"), "statistic": list(STATISTICS)},
    )


def claim(fitted: Fit, away: float, **changes: Any) -> Claim:
    """A claim so many honest standard deviations above the posterior mean of alpha."""
    draws = fitted.posterior["alpha"]
    value = float(draws.mean()) + away * honest_sd(fitted, draws)
    return Claim(**({"label": "me", "values": {"alpha": value}, "reference": "here"} | changes))


def test_choices_that_move_nothing_leave_the_verdict(grid: Fit) -> None:
    result = sensitivity(claim(grid, 1.0), grid, made(grid, 0.0))
    assert result.outcome == AGREES
    numbers = result.numbers
    assert (numbers["specifications"], numbers["trusted"], numbers["otherwise"]) == (10, 10, 0)
    assert numbers["alpha"]["least"] == pytest.approx(0, abs=1e-9)
    assert numbers["alpha"]["within"]
    assert "All 10 trusted specifications find the claim inside" in result.sentence


def test_a_claim_that_half_of_the_choices_would_clear(grid: Fit) -> None:
    """Four sd away by the fit, and one by the specifications with one scale."""
    far = claim(grid, 4.0)
    assert position(far, grid).outcome == DISAGREES
    result = sensitivity(far, grid, made(grid, [[0.0], [3.0]]))
    assert result.outcome == DISAGREES
    assert result.numbers["otherwise"] == 5
    assert result.numbers["alpha"]["most"] == pytest.approx(3.0)
    # The sd of five zeros and five threes.
    assert result.numbers["alpha"]["sd"] == pytest.approx(np.std([0.0, 3.0] * 5, ddof=1))
    assert "5 of 10 trusted specifications find the claim inside" in result.sentence
    assert "chiefly with scatter 'one scale' (5 of 5)" in result.sentence


@pytest.mark.parametrize(
    ("away", "moved", "outcome", "words"),
    [
        # In place by the fit; one specification in ten is five sd off.
        (0.0, [[0, 0, 0, 0, 5], [0] * 5], DISAGREES, "1 of 10 trusted specifications find the"),
        # Beyond every interval, whatever is chosen.
        (9.0, [[0] * 5, [1] * 5], AGREES, "The claimed alpha lies beyond all intervals. All 10"),
    ],
)
def test_where_a_claim_lies_among_choices(
    grid: Fit, away: float, moved: Any, outcome: str, words: str
) -> None:
    result = sensitivity(claim(grid, away), grid, made(grid, moved))
    assert result.outcome == outcome
    assert words in result.sentence


def test_only_trusted_specifications_count(grid: Fit) -> None:
    found = made(grid, [[0.0], [5.0]], trusted=[[True], [False]])
    result = sensitivity(claim(grid, 0.0), grid, found)
    assert (result.outcome, result.numbers["trusted"]) == (AGREES, 5)
    nobody = sensitivity(claim(grid, 0.0), grid, made(grid, 0.0, trusted=False))
    assert nobody.outcome == UNTESTED
    vague = sensitivity(claim(grid, 4.0), grid, made(grid, 3.0), frozenset({"beta"}))
    assert vague.outcome == UNTESTED


def test_the_fit_says_of_a_claim_what_its_position_does(grid: Fit) -> None:
    """A multiverse of the fit alone agrees with the check, on both sides of the limit."""
    limit = stats.norm.isf(0.005)
    for away in (-1.02 * limit, -0.98 * limit, 0.98 * limit, 1.02 * limit):
        said = claim(grid, away)
        result = sensitivity(said, grid, made(grid, 0.0))
        assert result.numbers["alpha"]["own"] == (position(said, grid).outcome == DISAGREES)
        assert result.numbers["otherwise"] == 0


@pytest.fixture(scope="module")
def varied(grid: Fit) -> xr.Dataset:
    axes = {
        "scatter": {"one scale": Choice(PLAIN)},
        "runs": {"all": Choice(), "again": Choice()},
    }
    return multiverse(LAW, grid.runs, axes=axes, flops=BUDGET, jobs=1)


def test_the_optimum_of_a_whole_law_counts(grid: Fit, varied: xr.Dataset) -> None:
    """Refits of the same runs: N_opt stays where it is, by the fit's own draws.

    Means of 2,000 draws worth 400 or more (they are trusted), and a mean log from the ends of an
    interval, known to three times that: four standard errors are 4 * 3 / sqrt(400) = 0.6 sd.
    """
    values = {name: float(grid.posterior[name].mean()) for name in LAW.coefficient_names}
    result = sensitivity(claim(grid, 0.0, values=values), grid, varied)
    best = result.numbers["N_opt"]
    assert -0.6 < best["least"] <= best["most"] < 0.6
    assert "N_opt at 1e+22 FLOP by" in result.sentence
    # Half the exponent of the tokens: a model far from the best at that budget.
    wrong = sensitivity(
        claim(grid, 0.0, values=values | {"beta": values["beta"] / 2}), grid, varied
    )
    assert wrong.numbers["N_opt"]["own"]
    assert wrong.numbers["N_opt"]["outside"] == wrong.numbers["trusted"] == 2
    assert not wrong.numbers["N_opt"]["within"]
    # Coefficients alone claim no optimum, and still are told how it moves.
    alone = sensitivity(claim(grid, 0.0), grid, varied)
    assert alone.numbers["N_opt"]["within"] is None


def test_an_audit_says_what_a_verdict_hangs_on_and_does_not_change_it(grid: Fit) -> None:
    far = claim(grid, 6.0)
    how = {"law": LAW, "random_seed": 1, "draws": 500}
    found = made(grid, [[0.0], [5.0]])
    audited = audit(far, grid, multiverse=found, **how)
    assert audited.multiverse is found
    assert audited["me"].verdict == ("inconsistent",)
    assert audited["me"].reasons[-1].startswith("sensitivity: In posterior sd")
    assert audited.table.loc["me", "sensitivity"] == DISAGREES
    firm = audit(far, grid, multiverse=made(grid, 0.0), **how)
    assert firm["me"].verdict == ("inconsistent",)
    assert not any(reason.startswith("sensitivity") for reason in firm["me"].reasons)
    assert "sensitivity" not in audit(far, grid, **how)["me"].results


def test_choices_are_varied_of_one_group(grid: Fit) -> None:
    grouped = replace(grid, structure=replace(grid.structure, by="corpus", groups=("a", "b")))
    assert specifications_of(None, grouped, (), 1) is None
    with pytest.raises(DataError, match="multiverse=True with runs grouped by 'corpus'"):
        specifications_of(True, grouped, (), 1)


@pytest.mark.slow
def test_the_usual_choices_on_the_chinchilla_runs(chinchilla_runs: pd.DataFrame) -> None:
    found = audit(None, chinchilla_runs, law=LAW, multiverse=True, random_seed=1)
    assert found.multiverse is not None
    assert found.multiverse["trusted"].size >= 60
    assert found.multiverse.attrs["flops"] == found.budget
    for each in found.claims:
        assert each.results["sensitivity"].numbers["trusted"] > 30
