"""Laws whose optimum depends on more than a budget: asked for, printed, drawn and reported."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.figure import Figure
from numpy.testing import assert_allclose

import bayescale as bs
from bayescale import printing
from bayescale.calling import call
from bayescale.checks import UNTESTED, at_budget
from bayescale.claims import Claim
from bayescale.comparison import Comparison
from bayescale.errors import DataError, LawError
from bayescale.fitting import Fit, fit
from bayescale.law import Law
from bayescale.likelihood import normal
from bayescale.models import LAWS, chinchilla
from bayescale.models.data_constrained import DATA_CONSTRAINED
from bayescale.plots import plot_optimum
from tests.designs import simulated
from tests.shell import Shell, assert_refused

BUDGETS = [1e20, 1e21, 1e22]
SHORT = {"draws": 50, "tune": 200, "chains": 2, "random_seed": 3}
LIMITED: Law = replace(
    LAWS["chinchilla"],
    name="limited",
    title="Chinchilla of tokens that are good to some share",
    formula=lambda params, tokens, quality, E, A, B, alpha, beta: chinchilla.loss(
        params, tokens * quality, E, A, B, alpha, beta
    ),
    inputs=("params", "tokens", "quality"),
    optimal_params=None,
    at_optimum={"good_tokens": lambda tokens, quality: tokens * quality},
    domain={"quality": (0.1, 1.0)},
    claims=(),
)


@pytest.fixture(scope="module")
def limited() -> Fit:
    """A short fit of a law that has no closed form and one further input."""
    runs = simulated(LIMITED, noise=0.01, seed=2, each=4)
    return fit(LIMITED, runs, likelihood=normal, clusters=None, **SHORT)


@pytest.fixture
def repeated() -> pd.DataFrame:
    """Runs of repeated data."""
    return simulated(DATA_CONSTRAINED, noise=0.01, seed=2, each=4)


def test_the_optimum_is_at_what_is_given_and_says_what_else_follows(limited: Fit) -> None:
    found = limited.optimum(BUDGETS, quality=0.5, extrapolate=False)
    assert set(found) == {"N_opt", "D_opt", "tokens_per_param", "L_opt", "good_tokens"}
    assert_allclose(found["good_tokens"], 0.5 * found["D_opt"])
    assert found.attrs["quality"] == 0.5
    # Half as good tokens are an amplitude B that is larger by 2^beta, of which the form is known.
    values = {name: limited.posterior[name] for name in LIMITED.coefficient_names}
    values["B"] = values["B"] * 0.5 ** -values["beta"]
    closed = call(chinchilla.optimal_params, values, product=found["budget"] / 6)
    # A flat minimum, found to the root of machine precision.
    assert_allclose(found["N_opt"], closed.transpose(*found["N_opt"].dims), rtol=1e-5)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, r"nothing else; expected the budget and quality. .* --at quality=\.\.\. on the shell"),
        ({"quality": 0.5, "epochs": 2.0}, "expected the budget and quality"),
        ({"quality": -1.0}, "quality is -1.0; expected a finite positive number"),
        ({"quality": np.nan}, "expected a finite positive number"),
    ],
)
def test_what_is_missing_or_does_not_fit_is_refused(
    limited: Fit, given: dict[str, float], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        limited.optimum(1e21, **given)


def test_a_law_of_a_budget_alone_takes_nothing_further(small_fit: Fit) -> None:
    with pytest.raises(DataError, match=r"and nothing else\. Leave the rest out"):
        small_fit.optimum(1e21, unique_tokens=1e9)


def test_a_comparison_asks_each_law_for_the_inputs_it_has(limited: Fit) -> None:
    plain = fit(LAWS["chinchilla"], limited.runs, likelihood=normal, clusters=None, **SHORT)
    fits = {"limited": limited, "chinchilla": plain}
    weights = xr.DataArray([0.5, 0.5], {"law": list(fits)}, "law")
    both = Comparison("loo", fits, xr.Dataset(), weights, pd.DataFrame(), 1)
    found = both.optimum(BUDGETS, quality=0.5, mixed=False)
    assert set(found) == {"N_opt", "D_opt", "tokens_per_param", "L_opt"}
    for name, alone in (
        ("limited", limited.optimum(BUDGETS, quality=0.5)),
        ("chinchilla", plain.optimum(BUDGETS)),
    ):
        xr.testing.assert_equal(found["N_opt"].sel(law=name, drop=True), alone["N_opt"])
    with pytest.raises(DataError, match="expected the budget and quality"):
        both.optimum(BUDGETS)
    with pytest.raises(DataError, match="'purity': 2"):
        both.optimum(BUDGETS, quality=0.5, purity=2)


def test_a_law_checks_what_it_says_of_an_optimum_and_of_claims() -> None:
    with pytest.raises(LawError, match=r"'wrong' at the optimum takes \['epochs'\]"):
        replace(LIMITED, at_optimum={"wrong": lambda epochs: epochs})
    claim = Claim(label="of nothing", values={"E": 1.0}, reference="here", at={"epochs": 2.0})
    with pytest.raises(LawError, match=r"'of nothing' is made at \['epochs'\]"):
        replace(LIMITED, claims=(claim,))


def test_a_column_cannot_group_under_the_name_of_what_is_said(limited: Fit) -> None:
    runs = limited.runs.assign(good_tokens=np.arange(len(limited.runs)) % 2)
    with pytest.raises(DataError, match="'good_tokens' cannot group the runs"):
        fit(LIMITED, runs, likelihood=normal, by="good_tokens", **SHORT)


def test_people_read_what_else_follows_or_what_is_missing(
    limited: Fit, capsys: pytest.CaptureFixture[str]
) -> None:
    printing.print_fit(limited, "table", BUDGETS, {"quality": 0.5})
    printed = capsys.readouterr().out
    assert "Best use of compute (6ND, quality = 0.5)" in printed
    assert "good_tokens" in printed
    printing.print_fit(limited, "table", None)
    printed = capsys.readouterr().out
    assert "depends on quality: ask with --at quality=..." in printed
    assert "Best use of compute (" not in printed


def test_machines_read_it_too(limited: Fit, small_fit: Fit) -> None:
    said = printing.optimum_json(limited, limited.optimum(BUDGETS, quality=0.5))
    assert said["at"] == {"quality": 0.5}
    assert list(said["budgets"][0])[-2:] == ["good_tokens", "decades_beyond_runs"]
    assert "at" not in printing.optimum_json(small_fit, small_fit.optimum(1e13))


def test_every_quantity_is_drawn_with_the_runs_that_tell_it(limited: Fit) -> None:
    found = limited.optimum(BUDGETS, quality=0.5)
    for quantity in ("N_opt", "good_tokens"):
        ax = plot_optimum(found, quantity=quantity, fit=limited, ax=Figure().subplots())
        dots = [each for each in ax.collections if each.get_label() == "runs"]
        assert len(dots) == 1, quantity
    assert_allclose(
        np.asarray(dots[0].get_offsets())[:, 1], limited.runs["tokens"] * limited.runs["quality"]
    )


def test_a_report_answers_at_what_is_given_and_otherwise_asks(limited: Fit) -> None:
    asked = bs.report(limited, flops=[1e21], at={"quality": 0.5})
    text = asked.markdown()
    assert "FLOP and quality of 0.5, train" in text
    assert " good tokens, to a loss of" in text
    assert "frontier" in [picture.name for picture in asked.pictures()]
    budgets = next(each for each in asked.sections if each.anchor == "budgets")
    assert budgets.numbers["at"] == {"quality": 0.5}
    open_ = bs.report(limited)
    assert "depends on quality" in open_.markdown()
    assert "frontier" not in [picture.name for picture in open_.pictures()]
    with pytest.raises(DataError, match="expected the budget and quality"):
        bs.report(limited, flops=[1e21])


def test_a_claim_is_held_to_the_optimum_at_what_it_was_made_for(limited: Fit) -> None:
    middle = float(limited.optimum(1e21, quality=0.5)["N_opt"].median())
    stated = {"values": {"N_opt": middle}, "budget": 1e21, "reference": "here"}
    assert at_budget(Claim(label="open", **stated), limited).outcome == UNTESTED
    near = at_budget(Claim(label="near", at={"quality": 0.5}, **stated), limited)
    assert near.numbers["N_opt"]["claimed"] == middle
    assert abs(near.numbers["N_opt"]["distance"]) < 0.5


def test_claims_of_a_file_say_at_what() -> None:
    said = {"label": "x", "reference": "y", "values": {"N_opt": 1e9}, "budget": 1e21}
    (claim,) = bs.read_claims({**said, "at": {"unique_tokens": "25e9"}})
    assert claim.at == {"unique_tokens": 25e9}


def test_the_shell_fits_saves_and_asks(shell: Shell, repeated: pd.DataFrame) -> None:
    repeated.to_csv("runs.csv", index=False)
    given = ("--at", "unique_tokens=25e9")
    words = ("--law", "data_constrained", "--likelihood", "normal", "--chains", "2")
    words += ("--draws", "50")
    fitted = shell("fit", "runs.csv", *words, *given, "--flops", "1e22", "--out", "fit.nc")
    assert "(6ND, unique_tokens = 2.5e+10)" in fitted.out
    assert "epochs" in fitted.out
    asked = shell("optimum", "fit.nc", *given, "--flops", "1e22", "--json")
    said = json.loads(asked.out)
    assert said["at"] == {"unique_tokens": 25e9}
    (budget,) = said["budgets"]
    assert_allclose(budget["epochs"]["median"], budget["D_opt"]["median"] / 25e9)
    assert_refused(shell("optimum", "fit.nc", "--flops", "1e22"), ["--at unique_tokens=..."])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("fit", "--law", "data_constrained", "--flops", "1e22"), ["and unique_tokens", "--at"]),
        (("fit", "--law", "data_constrained", "--at", "epochs=2"), ["{'epochs': 2.0}"]),
        (("fit", "--at", "quality=2"), ["'coupled'", "nothing else", "Leave the rest out"]),
        (("fit", "--at", "quality"), ["--at got 'quality'", "NAME=NUMBER"]),
        (("fit", "--at", "quality=good"), ["--at got 'quality=good'"]),
        (("fit", "--at", "x=1", "--at", "x=2"), ["'x=2' again"]),
        (("fit", "--at", "x=1", "--json"), ["--at stands beside --json"]),
        (("report", "--at", "x=1"), ["'coupled'", "nothing else"]),
        (("report", "--law", "data_constrained", "--flops", "1e22"), ["and unique_tokens"]),
    ],
)
def test_the_shell_refuses_before_any_fit(
    shell: Shell, words: tuple[str, ...], said: list[str]
) -> None:
    assert_refused(shell(*words), said)
