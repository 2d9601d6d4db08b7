"""Laws whose optimum has extra inputs besides a budget: computed, printed, drawn and reported."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.figure import Figure
from numpy.testing import assert_allclose

import bayescale as bs
from bayescale.auditing.check_result import DEFAULT, UNTESTED, Evidence
from bayescale.auditing.optimum import at_budget
from bayescale.documents.text import to_text
from bayescale.errors import DataError, LawError
from bayescale.fitting.answer import budget_section
from bayescale.fitting.fit import fit
from bayescale.fitting.record import Fit
from bayescale.likelihoods import NORMAL
from bayescale.models import LAWS
from bayescale.models.data.data_constrained import DATA_CONSTRAINED
from bayescale.models.size_and_data import chinchilla
from bayescale.plots import plot_optimum
from bayescale.spec.claim import Claim
from bayescale.spec.functions import call
from bayescale.spec.law import Law, Optimum
from bayescale.validation.compare import Comparison
from tests.designs import simulated
from tests.shell import Shell, assert_refused

BUDGETS = [1e20, 1e21, 1e22]
SHORT = {"draws": 50, "tune": 200, "chains": 2, "random_seed": 3}
LIMITED: Law = replace(
    LAWS["chinchilla"],
    name="limited",
    title="Chinchilla of tokens of which a proportion is good",
    formula=lambda params, tokens, quality, E, A, B, alpha, beta: chinchilla.loss(
        params, tokens * quality, E, A, B, alpha, beta
    ),
    inputs=("params", "tokens", "quality"),
    optimum=Optimum(also={"good_tokens": lambda tokens, quality: tokens * quality}),
    domain={"quality": (0.1, 1.0)},
    claims=(),
)


@pytest.fixture(scope="module")
def limited() -> Fit:
    """A short fit of a law without a closed form and with an extra input."""
    runs = simulated(LIMITED, noise=0.01, seed=2, each=4)
    return fit(LIMITED, runs, likelihood=NORMAL, clusters=None, **SHORT)


@pytest.fixture
def repeated() -> pd.DataFrame:
    """Runs of repeated data."""
    return simulated(DATA_CONSTRAINED, noise=0.01, seed=2, each=4)


def test_the_optimum_is_at_the_extra_inputs_with_further_quantities(limited: Fit) -> None:
    best = limited.optimum(BUDGETS, at={"quality": 0.5}, drift=False)
    assert set(best) == {"N_opt", "D_opt", "tokens_per_param", "L_opt", "good_tokens"}
    assert_allclose(best["good_tokens"], 0.5 * best["D_opt"])
    assert best.attrs["quality"] == 0.5
    # Tokens half as good make the amplitude B larger by 2^beta, for which there is a closed form.
    values = {name: limited.posterior[name] for name in LIMITED.coefficient_names}
    values["B"] = values["B"] * 0.5 ** -values["beta"]
    closed = call(chinchilla.optimal_params, values, product=best["budget"] / 6)
    # A flat minimum, found to the root of machine precision.
    assert_allclose(best["N_opt"], closed.transpose(*best["N_opt"].dims), rtol=1e-5)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, r"nothing else; expected the budget and quality. .* --at quality=\.\.\. on the shell"),
        ({}, r"Write optimum\(1e24, at=\{'quality': \.\.\.\}\)"),
        ({"quality": 0.5, "epochs": 2.0}, "expected the budget and quality"),
        ({"quality": -1.0}, "quality is -1.0; expected a finite positive number"),
        ({"quality": np.nan}, "expected a finite positive number"),
    ],
)
def test_missing_and_wrong_extra_inputs_are_refused(
    limited: Fit, given: dict[str, float], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        limited.optimum(1e21, at=given)


def test_a_law_of_a_budget_alone_takes_no_extra_inputs(small_fit: Fit) -> None:
    with pytest.raises(DataError, match=r"and nothing else\. Leave the rest out"):
        small_fit.optimum(1e21, at={"unique_tokens": 1e9})


def test_a_comparison_gives_every_law_the_inputs_that_it_has(limited: Fit) -> None:
    plain = fit(LAWS["chinchilla"], limited.runs, likelihood=NORMAL, clusters=None, **SHORT)
    fits = {"limited": limited, "chinchilla": plain}
    weights = xr.DataArray([0.5, 0.5], {"law": list(fits)}, "law")
    both = Comparison("loo", fits, xr.Dataset(), weights, pd.DataFrame(), 1)
    best = both.optimum(BUDGETS, at={"quality": 0.5}, mixed=False)
    assert set(best) == {"N_opt", "D_opt", "tokens_per_param", "L_opt"}
    for name, alone in (
        ("limited", limited.optimum(BUDGETS, at={"quality": 0.5})),
        ("chinchilla", plain.optimum(BUDGETS)),
    ):
        xr.testing.assert_equal(best["N_opt"].sel(law=name, drop=True), alone["N_opt"])
    with pytest.raises(DataError, match="expected the budget and quality"):
        both.optimum(BUDGETS)
    with pytest.raises(DataError, match="'purity': 2"):
        both.optimum(BUDGETS, at={"quality": 0.5, "purity": 2})


def test_a_law_checks_its_quantities_at_an_optimum_and_its_claims() -> None:
    with pytest.raises(LawError, match=r"'wrong' at the optimum takes \['epochs'\]"):
        replace(LIMITED, optimum=Optimum(also={"wrong": lambda epochs: epochs}))
    claim = Claim(label="of nothing", values={"E": 1.0}, reference="here", at={"epochs": 2.0})
    with pytest.raises(LawError, match=r"'of nothing' is made at \['epochs'\]"):
        replace(LIMITED, claims=(claim,))


def test_a_column_cannot_group_under_the_name_of_a_quantity(limited: Fit) -> None:
    runs = limited.runs.assign(good_tokens=np.arange(len(limited.runs)) % 2)
    with pytest.raises(DataError, match="'good_tokens' cannot group the runs"):
        fit(LIMITED, runs, likelihood=NORMAL, groups="good_tokens", **SHORT)


def test_a_document_has_the_further_quantities_or_the_missing_inputs(limited: Fit) -> None:
    printed = to_text(limited.document(flops=BUDGETS, at={"quality": 0.5}))
    assert "Best use of compute (6ND, quality = 0.5)" in printed
    assert "good tokens" in printed
    printed = to_text(limited.document())
    assert "depends on quality: ask with --at quality=..." in printed
    assert "Best use of compute (" not in printed


def test_numbers_for_machines_have_the_extra_inputs(limited: Fit, small_fit: Fit) -> None:
    best = limited.optimum(BUDGETS, at={"quality": 0.5})
    numbers = budget_section(limited.fitted_draws, best).numbers
    assert numbers["at"] == {"quality": 0.5}
    assert list(numbers["budgets"][0])[-2:] == ["good_tokens", "decades_beyond_runs"]
    plain = budget_section(small_fit.fitted_draws, small_fit.optimum(1e13)).numbers
    assert "at" not in plain


def test_every_quantity_is_drawn_with_the_runs_that_have_it(limited: Fit) -> None:
    best = limited.optimum(BUDGETS, at={"quality": 0.5})
    for quantity in ("N_opt", "good_tokens"):
        ax = plot_optimum(best, quantity=quantity, fit=limited, ax=Figure().subplots())
        dots = [artist for artist in ax.collections if artist.get_label() == "runs"]
        assert len(dots) == 1, quantity
    assert_allclose(
        np.asarray(dots[0].get_offsets())[:, 1], limited.runs["tokens"] * limited.runs["quality"]
    )


def test_a_report_answers_at_the_extra_inputs_or_lists_them(limited: Fit) -> None:
    complete = bs.report(limited, flops=[1e21], at={"quality": 0.5})
    text = complete.markdown()
    assert "FLOP and quality of 0.5, train" in text
    assert " good tokens, to a loss of" in text
    assert "frontier" in [picture.name for picture in complete.document.pictures()]
    budgets = next(part for part in complete.document.sections if part.anchor == "budgets")
    assert budgets.numbers["at"] == {"quality": 0.5}
    incomplete = bs.report(limited)
    assert "depends on quality" in incomplete.markdown()
    assert "frontier" not in [picture.name for picture in incomplete.document.pictures()]
    with pytest.raises(DataError, match="expected the budget and quality"):
        bs.report(limited, flops=[1e21])


def test_a_claim_is_compared_with_the_optimum_at_its_extra_inputs(limited: Fit) -> None:
    evidence = Evidence({DEFAULT: limited}, frozenset())
    middle = float(limited.optimum(1e21, at={"quality": 0.5})["N_opt"].median())
    stated = {"values": {"N_opt": middle}, "budget": 1e21, "reference": "here"}
    assert at_budget(Claim(label="open", **stated), evidence).outcome == UNTESTED
    near = at_budget(Claim(label="near", at={"quality": 0.5}, **stated), evidence)
    assert near.numbers["N_opt"]["claimed"] == middle
    assert abs(near.numbers["N_opt"]["distance"]) < 0.5


def test_claims_of_a_file_have_extra_inputs() -> None:
    row = {"label": "x", "reference": "y", "values": {"N_opt": 1e9}, "budget": 1e21}
    (claim,) = bs.read_claims({**row, "at": {"unique_tokens": "25e9"}})
    assert claim.at == {"unique_tokens": 25e9}


def test_the_shell_fits_saves_and_answers(shell: Shell, repeated: pd.DataFrame) -> None:
    repeated.to_csv("runs.csv", index=False)
    given = ("--at", "unique_tokens=25e9")
    words = ("--law", "data_constrained", "--likelihood", "normal", "--chains", "2")
    words += ("--draws", "50")
    fitted = shell("fit", "runs.csv", *words, *given, "--flops", "1e22", "--out", "fit.nc")
    assert "(6ND, unique_tokens = 2.5e+10)" in fitted.out
    assert "epochs" in fitted.out
    answered = shell("optimum", "fit.nc", *given, "--flops", "1e22", "--json")
    answer = json.loads(answered.out)
    assert answer["at"] == {"unique_tokens": 25e9}
    (budget,) = answer["budgets"]
    assert_allclose(budget["epochs"]["median"], budget["D_opt"]["median"] / 25e9)
    assert_refused(shell("optimum", "fit.nc", "--flops", "1e22"), ["--at unique_tokens=..."])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("fit", "--law", "data_constrained", "--flops", "1e22"), ["and unique_tokens", "--at"]),
        (("fit", "--law", "data_constrained", "--at", "epochs=2"), ["{'epochs': 2.0}"]),
        (("fit", "--at", "quality=2"), ["'coupled'", "nothing else", "Leave the rest out"]),
        (("fit", "--at", "quality"), ["--at got 'quality'", "NAME=NUMBER"]),
        (("fit", "--at", "quality=good"), ["--at got 'quality=good'"]),
        (("fit", "--at", "x=1", "--at", "x=2"), ["'x=2' again"]),
        (("fit", "--at", "x=1", "--json"), ["--at was given with --json"]),
        (("report", "--at", "x=1"), ["'coupled'", "nothing else"]),
        (("report", "--law", "data_constrained", "--flops", "1e22"), ["and unique_tokens"]),
    ],
)
def test_the_shell_refuses_before_any_fit(
    shell: Shell, words: tuple[str, ...], message: list[str]
) -> None:
    assert_refused(shell(*words), message)
