"""Accuracies and errors: limits, figures in print, recovery at the public tables' own design."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import bayescale as bs
from bayescale.likelihoods import BETA_BINOMIAL
from bayescale.models.evaluation.accuracy import (
    ACCURACY_FROM_LOSS,
    QUARTER,
    SIGMOID_ABOVE_CHANCE,
    SIGMOID_ACCURACY,
    chance_prior,
    falling,
    of_loss,
    of_scale,
    rising,
)
from bayescale.models.evaluation.error_from_loss import CORNER, ERROR_FROM_LOSS, coefficients, error
from bayescale.runs.read import runs_for
from bayescale.spec.law import Units
from tests.designs import modelled
from tests.tables import PublicTable


def units(pivot: float, spread: float, name: str) -> Units:
    return Units(pivot={name: np.float64(pivot)}, spread={name: np.float64(spread)})


@pytest.mark.parametrize("ceiling", [0.01, 0.5, 0.99])
def test_the_rise_is_at_a_quarter_at_its_place(ceiling: float) -> None:
    free = {"p_0": 0.2, "ceiling": ceiling, "steep": 0.8, "place": 0.7}
    quarter = 0.2 + 0.8 * QUARTER
    values = of_scale(units(1e20, 3.0, "x"), **free)
    assert_allclose(rising(1e20 * np.exp(2 * 3.0 * 0.7), **values), quarter, rtol=1e-12)
    values = of_loss(units(1.2, 0.3, "bits_per_byte"), **free)
    assert_allclose(falling(1.2 + 0.3 * 0.7, **values), quarter, rtol=1e-12)


def test_the_slope_at_the_place_is_the_sampled_one() -> None:
    """Of the logarithm of accuracy minus guessing, by central differences of 1e-5."""
    values = of_scale(units(1e20, 3.0, "x"), p_0=0.2, ceiling=0.4, steep=0.8, place=0.0)
    high, low = (np.log(rising(1e20 * np.exp(h), **values) - 0.2) for h in (1e-5, -1e-5))
    assert_allclose((high - low) / 2e-5, 0.8, rtol=1e-8)


def test_far_from_the_rise_are_guessing_and_the_top() -> None:
    values = {"p_0": 0.25, "p_1": 0.9, "k": 0.7, "m": 45.0}
    assert_allclose(rising(np.array([1.0, 1e60]), **values), [0.25, 0.9], rtol=1e-12)
    values = {"p_0": 0.25, "p_1": 0.9, "k": 9.0, "L_0": 0.8}
    assert_allclose(falling(np.array([9.0, -9.0]), **values), [0.25, 0.9], rtol=1e-12)


def test_with_a_known_chance_it_is_the_same_law() -> None:
    x = np.geomspace(1e18, 1e24, 7)
    known = SIGMOID_ABOVE_CHANCE.formula(x, 0.25, u=0.8, k=0.5, m=48.0)
    assert_allclose(known, SIGMOID_ACCURACY.formula(x, 0.25, 0.25 + 0.75 * 0.8, 0.5, 48.0))


def test_chance_prior_has_its_mean_and_sd() -> None:
    numbers = chance_prior(1 / 3, sd=0.02).parameters
    known = stats.beta(numbers["alpha"], numbers["beta"])
    assert_allclose((known.mean(), known.std()), (1 / 3, 0.02), rtol=1e-12)


def test_the_error_is_that_of_its_formula_where_it_is_far_from_zero() -> None:
    """The corner adds less than its square over the error."""
    losses = np.linspace(2.4, 6.0, 9)
    plain = 0.85 - 2.08 * np.exp(-0.756 * losses)
    added = error(losses, 0.85, 2.08, 0.756) - plain
    assert np.all((added > 0) & (added <= CORNER**2 / plain))


def test_no_error_is_negative() -> None:
    """Where the formula is far below zero, down to where a difference would cancel."""
    values = error(np.array([0.0, -5.0, -30.0]), 0.85, 2.08, 0.756)
    assert np.all((values > 0) & (values < CORNER))


def test_the_sampled_part_is_gone_at_the_pivot() -> None:
    values = coefficients(units(3.5, 0.9, "loss"), eps=0.8, gone=0.25, steep=1.1)
    assert_allclose(values["eps"] - values["k"] * np.exp(-values["gamma"] * 3.5), 0.6, rtol=1e-12)


@pytest.mark.parametrize("claim", ERROR_FROM_LOSS.claims, ids=lambda claim: claim.label)
def test_claims_are_what_the_authors_runs_and_objective_give(
    public_table: PublicTable, claim: bs.Claim
) -> None:
    """Recomputed: least squares over six runs, to the digits that are claimed."""
    from scipy.optimize import curve_fit

    runs = public_table(claim.data.table)
    cheap = (runs["tokens_per_param"] == 20) & (runs["model"] != "open_lm_7b")
    long = (runs["tokens_per_param"] == 320) & (runs["params"] == runs["params"].min())
    chosen = runs[cheap | long]
    assert len(chosen) == claim.runs

    def formula(loss: np.ndarray, eps: float, k: float, gamma: float) -> np.ndarray:
        return eps - k * np.exp(-gamma * loss)

    estimates, _ = curve_fit(formula, chosen["loss"], chosen["error_17"], p0=(0.8, 2.0, 0.8))
    for name, value in zip(("eps", "k", "gamma"), estimates, strict=True):
        assert abs(value - claim.values[name]) <= 1.01 * claim.rounding(name)


def test_accuracies_are_proportions_of_the_items(public_table: PublicTable) -> None:
    """The accuracies have 32 bits: a count of ten thousand is right to 0.001."""
    runs = public_table("olmo_ladder_tasks")
    right = runs["accuracy"] * runs["items"]
    assert float(abs(right - right.round()).max()) < 1e-3


def test_an_accuracy_may_be_given_as_an_error() -> None:
    table = pd.DataFrame({"flops": [1e18, 1e20], "error": [0.7, 0.4]})
    read = runs_for(SIGMOID_ACCURACY, table)
    assert_allclose(read["accuracy"], [0.3, 0.6])
    assert_allclose(read["x"], table["flops"])


def test_one_task_has_one_chance() -> None:
    """The level of guessing is known, so that it need not vary; compute has to."""
    x = np.geomspace(1e18, 1e22, 12)
    accuracy = 0.3 + 0.65 / (1 + np.exp(-0.9 * (np.log(x) - np.log(1e20))))
    runs = pd.DataFrame({"x": x, "chance": 0.3, "accuracy": accuracy, "items": 1000})
    fitted = bs.fit(SIGMOID_ABOVE_CHANCE, runs, random_seed=1, draws=200, tune=300, chains=2)
    ends = fitted.predict({"x": [1e10, 1e30], "chance": [0.3, 0.3]}, drift=False)["mean"]
    low, high = ends.median(("chain", "draw")).to_numpy()
    assert_allclose(low, 0.3, atol=1e-3)
    assert 0.9 < high < 1
    with pytest.raises(bs.DataError, match=r"x is 1e\+20 in all 12 runs"):
        bs.fit(SIGMOID_ABOVE_CHANCE, runs.assign(x=1e20), random_seed=1)


def test_a_table_without_either_is_refused() -> None:
    with pytest.raises(bs.DataError, match="no column for 'accuracy'"):
        runs_for(SIGMOID_ACCURACY, pd.DataFrame({"flops": [1e18, 1e20], "score": [1, 2]}))


@pytest.mark.slow
@pytest.mark.parametrize("law", [ACCURACY_FROM_LOSS, SIGMOID_ACCURACY], ids=lambda law: law.name)
def test_truths_are_recovered_at_the_design_of_the_ladder(
    public_table: PublicTable, law: bs.Law
) -> None:
    """Every coefficient within 4 posterior sd: missed by chance once in 16,000 if calibrated."""
    design = public_table("olmo_ladder_tasks", task="arc_easy_test")
    design = design.assign(x=design["flops"]).drop(columns="accuracy")
    runs, truth = modelled(law, BETA_BINOMIAL, design, seed=3)
    fitted = bs.fit(law, runs, random_seed=3)
    assert fitted.likelihood.name == "beta_binomial"
    assert fitted.verdict.trusted, fitted.verdict
    for name, value in truth.items():
        draws = fitted.posterior[name]
        assert abs(float(draws.mean()) - value) < 4 * float(draws.std()), name


@pytest.mark.slow
def test_families_are_recovered() -> None:
    """Where the rise happens, for each of five families that share the rest.

    Truths are drawn from the prior of families; the middle of each within 4 posterior sd.
    """
    rng = np.random.default_rng(8)
    x = np.tile(np.geomspace(1e20, 1e25, 12), 5)
    family = np.repeat(list("abcde"), 12)
    m = dict(zip("abcde", np.log(1e22) + 1.5 * rng.standard_normal(5), strict=True))
    expected = rising(x, 0.25, 0.85, 0.8, np.array([m[name] for name in family]))
    right = rng.binomial(2000, expected)
    runs = pd.DataFrame({"x": x, "family": family, "accuracy": right / 2000, "items": 2000.0})
    fitted = bs.fit(
        SIGMOID_ACCURACY, runs, groups="family", priors={"p_0": chance_prior(0.25)}, random_seed=8
    )
    assert fitted.posterior["p_1"].dims == ("chain", "draw")
    middles = fitted.posterior["m"]
    for name, value in m.items():
        draws = middles.sel(family=name)
        assert abs(float(draws.mean()) - value) < 4 * float(draws.std()), name


def test_chance_prior_is_a_beta() -> None:
    assert chance_prior(0.5).distribution.name == "Beta"
