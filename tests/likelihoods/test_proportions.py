"""What is particular to likelihoods of proportions: against scipy, and what is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import bayescale as bs
from bayescale.errors import DataError
from bayescale.inference.structure import build_structure
from bayescale.likelihoods import BETA, BETA_BINOMIAL, BINOMIAL
from bayescale.models.evaluation.accuracy import SIGMOID_ACCURACY
from bayescale.plots.residuals import plot_residuals
from bayescale.posterior.expectation import scatter_sd
from bayescale.validation.sweep import Parallel

ONE = Parallel(jobs=1)
WIDER = {**SIGMOID_ACCURACY.priors, "place": bs.priors.Normal(mu=0.0, sigma=2.0)}


def accuracies(runs: int = 24, items: float | None = 1000.0, seed: int = 4) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = np.geomspace(1e18, 1e24, runs)
    expected = 0.25 + 0.6 / (1 + np.exp(-0.6 * (np.log(x) - np.log(1e21))))
    counted = rng.binomial(1000, expected) / 1000
    table = pd.DataFrame({"flops": x, "accuracy": counted})
    return table if items is None else table.assign(items=items)


@pytest.fixture(scope="module")
def fitted() -> bs.Fit:
    return bs.fit(SIGMOID_ACCURACY, accuracies(), draws=200, chains=2, random_seed=1)


def test_the_number_of_questions_decides_for_the_beta_binomial() -> None:
    law = SIGMOID_ACCURACY
    assert build_structure(law, accuracies()).likelihood is BETA_BINOMIAL
    assert build_structure(law, accuracies(items=None)).likelihood is BETA


def test_sigma_is_the_same_spread_in_both() -> None:
    """With infinitely many questions a proportion of right answers is Beta distributed."""
    expected, sigma, many = 0.3, 0.1, 1e6
    beta = BETA.scatter(expected, sigma=sigma)
    counted = BETA_BINOMIAL.scatter(expected, {"items": many}, sigma=sigma)
    assert_allclose(stats.beta(beta["alpha"], beta["beta"]).mean(), expected)
    sd = np.sqrt(expected * (1 - expected)) * sigma / np.sqrt(1 + sigma**2)
    assert_allclose(stats.beta(beta["alpha"], beta["beta"]).std(), sd)
    known = stats.betabinom(counted["n"], counted["alpha"], counted["beta"])
    # The variance of counting adds p (1 - p) / n, a part 1e-4 of it.
    assert_allclose(known.std() / many, sd, rtol=1e-4)


@pytest.mark.parametrize("likelihood", [BINOMIAL, BETA_BINOMIAL], ids=lambda own: own.name)
def test_the_log_likelihood_is_that_of_right_answers(likelihood: bs.Likelihood) -> None:
    """The record of each run at one draw of the model's own."""
    runs = accuracies()
    short = {"draws": 50, "chains": 2, "tune": 100, "random_seed": 1}
    fit = bs.fit(SIGMOID_ACCURACY, runs, likelihood=likelihood, **short)
    draw = fit.as_modelled.posterior.isel(chain=1, draw=7)
    expected = SIGMOID_ACCURACY.formula(
        runs["flops"].to_numpy(), *(float(draw[n]) for n in SIGMOID_ACCURACY.coefficient_names)
    )
    right = np.rint(1000 * runs["accuracy"].to_numpy())
    if likelihood is BINOMIAL:
        known = stats.binom.logpmf(right, 1000, expected)
    else:
        size = float(draw["sigma"]) ** -2
        known = stats.betabinom.logpmf(right, 1000, expected * size, (1 - expected) * size)
    assert_allclose(fit.log_likelihood.isel(chain=1, draw=7), known, rtol=1e-8)


@pytest.mark.parametrize("edge", [0.0, 1.0])
def test_a_proportion_at_the_edge_is_refused_without_the_number_of_questions(edge: float) -> None:
    runs = accuracies(items=None)
    runs.loc[3, "accuracy"] = edge
    with pytest.raises(bs.DataError, match=rf"exactly {edge:g} in row 4; .*'items'"):
        bs.fit(SIGMOID_ACCURACY, runs, draws=20, chains=2, random_seed=1)


def test_none_right_of_known_questions_is_an_observation() -> None:
    runs = accuracies()
    runs.loc[0, "accuracy"] = 0.0
    fit = bs.fit(SIGMOID_ACCURACY, runs, draws=50, chains=2, tune=100, random_seed=1)
    assert np.isfinite(fit.log_likelihood).all()
    assert np.isfinite(plot_residuals(fit).collections[1].get_offsets()).all()


def test_predictions_are_proportions(fitted: bs.Fit) -> None:
    predicted = fitted.predict({"x": [1e16, 1e21, 1e28]})
    for values in predicted.values():
        assert float(values.min()) >= 0
        assert float(values.max()) <= 1
    replicated = fitted.with_predictive().tree["posterior_predictive"]["right_accuracy"]
    assert replicated.dtype.kind == "i"


def test_the_scatter_is_the_standard_deviation_of_a_proportion(fitted: bs.Fit) -> None:
    spread = scatter_sd(fitted.draws, fitted.runs, "run").isel(chain=0, draw=3, run=5)
    draw = fitted.posterior.isel(chain=0, draw=3)
    expected = SIGMOID_ACCURACY.formula(
        fitted.runs["x"].iloc[5], *(float(draw[n]) for n in SIGMOID_ACCURACY.coefficient_names)
    )
    size = float(draw["sigma"]) ** -2
    known = stats.betabinom(1000, expected * size, (1 - expected) * size).std() / 1000
    assert_allclose(float(spread), known, rtol=1e-12)


def test_a_saved_fit_comes_back(fitted: bs.Fit, tmp_path: Path) -> None:
    fitted.save(tmp_path / "fit.nc")
    loaded = bs.load(tmp_path / "fit.nc")
    assert loaded.likelihood is fitted.likelihood
    assert_allclose(loaded.posterior["p_1"], fitted.posterior["p_1"])


@pytest.mark.parametrize("leave_out", ["run", "backtest"])
def test_laws_of_proportions_can_be_compared(leave_out: str) -> None:
    """Also where none is right, whose log odds are not a number."""
    runs = accuracies(40)
    runs.loc[0, "accuracy"] = 0.0
    flat = replace(SIGMOID_ACCURACY, name="another", priors=WIDER, title="With wider priors")
    comparison = bs.compare(
        [SIGMOID_ACCURACY, flat], runs, leave_out=leave_out, parallel=ONE, random_seed=1
    )
    assert np.isfinite(comparison.table["elpd"]).all()


def test_a_density_of_proportions_compares_with_one_of_counts() -> None:
    """A likelihood of counts scores nearly as its Beta limit does, not worse by log n."""
    runs = accuracies(40)
    scores = [
        bs.backtest(
            SIGMOID_ACCURACY,
            runs,
            likelihood=likelihood,
            methods=("posterior",),
            cuts=(0.5,),
            parallel=ONE,
            random_seed=1,
        ).scores()["log_score"]["posterior"]
        for likelihood in (BETA_BINOMIAL, BETA)
    ]
    # They model the same spread; log 1000 is 6.9.
    assert abs(scores[0] - scores[1]) < 1


def test_a_drawn_proportion_that_rounds_to_an_edge_is_refused() -> None:
    """Half of the draws of a Beta(0.001, 1) are below 1e-301, where numbers end."""
    family = BETA.family
    proportions = family.response(family.frozen(alpha=1e-3, beta=1.0).rvs(200, random_state=1))
    assert (proportions == 0).any()
    with pytest.raises(DataError, match="exactly 0"):
        family.observed(proportions)
