"""How shares scatter: against scipy, and what is refused."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pymc as pm
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import bayescale as bs
from bayescale.draws import deviation
from bayescale.errors import DataError
from bayescale.likelihoods import LIKELIHOODS, likelihood_named
from bayescale.models.accuracy import SIGMOID_ACCURACY
from bayescale.plots.residuals import plot_residuals
from bayescale.shares import BETA, SHARES, beta, beta_binomial, binomial

WIDER = {**SIGMOID_ACCURACY.priors, "place": bs.Prior(pm.Normal, mu=0.0, sigma=2.0)}


def shares(runs: int = 24, items: float | None = 1000.0, seed: int = 4) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = np.geomspace(1e18, 1e24, runs)
    expected = 0.25 + 0.6 / (1 + np.exp(-0.6 * (np.log(x) - np.log(1e21))))
    counted = rng.binomial(1000, expected) / 1000
    table = pd.DataFrame({"flops": x, "accuracy": counted})
    return table if items is None else table.assign(items=items)


@pytest.fixture(scope="module")
def fitted() -> bs.Fit:
    return bs.fit(SIGMOID_ACCURACY, shares(), draws=200, chains=2, random_seed=1)


def test_all_go_by_their_names() -> None:
    assert set(SHARES) < set(LIKELIHOODS)
    for name, factory in LIKELIHOODS.items():
        assert likelihood_named(name) is factory
        assert factory(("x",)).name == name


def test_the_number_of_questions_decides_for_the_beta_binomial() -> None:
    def chosen(runs: pd.DataFrame) -> str:
        fit = bs.fit(SIGMOID_ACCURACY, runs, draws=20, chains=2, tune=50, random_seed=1)
        return fit.likelihood.name

    assert chosen(shares()) == "beta_binomial"
    assert chosen(shares(items=None)) == "beta"


def test_sigma_is_the_same_spread_in_both() -> None:
    """With questions without end a share of right answers is Beta distributed."""
    expected, sigma, many = 0.3, 0.1, 1e6
    share = beta(("x",)).scatter(expected, {}, sigma=sigma)
    counted = beta_binomial(("x",)).scatter(expected, {"items": many}, sigma=sigma)
    assert_allclose(stats.beta(share["alpha"], share["beta"]).mean(), expected)
    sd = np.sqrt(expected * (1 - expected)) * sigma / np.sqrt(1 + sigma**2)
    assert_allclose(stats.beta(share["alpha"], share["beta"]).std(), sd)
    known = stats.betabinom(counted["n"], counted["alpha"], counted["beta"])
    # The variance of counting adds p (1 - p) / n, a part 1e-4 of it.
    assert_allclose(known.std() / many, sd, rtol=1e-4)


@pytest.mark.parametrize("factory", [binomial, beta_binomial])
def test_the_log_likelihood_is_that_of_scipy(factory: bs.likelihood.LikelihoodFactory) -> None:
    """The posterior's own record of each run, at every draw."""
    runs = shares()
    fit = bs.fit(
        SIGMOID_ACCURACY, runs, likelihood=factory, draws=50, chains=2, tune=100, random_seed=1
    )
    draw = fit.posterior.isel(chain=1, draw=7)
    law = SIGMOID_ACCURACY.formula(
        runs["flops"].to_numpy(), *(float(draw[n]) for n in SIGMOID_ACCURACY.coefficient_names)
    )
    right = np.rint(1000 * runs["accuracy"].to_numpy())
    if factory is binomial:
        known = stats.binom.logpmf(right, 1000, law)
    else:
        size = float(draw["sigma"]) ** -2
        known = stats.betabinom.logpmf(right, 1000, law * size, (1 - law) * size)
    assert_allclose(fit.log_likelihood.isel(chain=1, draw=7), known, rtol=1e-8)


@pytest.mark.parametrize("edge", [0.0, 1.0])
def test_a_share_at_the_edge_is_refused_without_the_number_of_questions(edge: float) -> None:
    runs = shares(items=None)
    runs.loc[3, "accuracy"] = edge
    with pytest.raises(bs.DataError, match=rf"exactly {edge:g} in row 4; .*'items'"):
        bs.fit(SIGMOID_ACCURACY, runs, draws=20, chains=2, random_seed=1)


def test_none_right_of_known_questions_is_an_observation() -> None:
    runs = shares()
    runs.loc[0, "accuracy"] = 0.0
    fit = bs.fit(SIGMOID_ACCURACY, runs, draws=50, chains=2, tune=100, random_seed=1)
    assert np.isfinite(fit.log_likelihood).all()
    assert np.isfinite(plot_residuals(fit).collections[1].get_offsets()).all()


def test_predictions_are_shares(fitted: bs.Fit) -> None:
    said = fitted.predict({"x": [1e16, 1e21, 1e28]})
    for values in said.values():
        assert float(values.min()) >= 0
        assert float(values.max()) <= 1
    replicated = fitted.with_predictive().tree["posterior_predictive"]["right_accuracy"]
    assert replicated.dtype.kind == "i"


def test_deviation_is_the_standard_deviation_of_a_share(fitted: bs.Fit) -> None:
    parts = (fitted.structure, fitted.posterior, fitted.runs, fitted.runs)
    found = deviation(*parts, "run").isel(chain=0, draw=3, run=5)
    draw = fitted.posterior.isel(chain=0, draw=3)
    law = SIGMOID_ACCURACY.formula(
        fitted.runs["x"].iloc[5], *(float(draw[n]) for n in SIGMOID_ACCURACY.coefficient_names)
    )
    size = float(draw["sigma"]) ** -2
    known = stats.betabinom(1000, law * size, (1 - law) * size).std() / 1000
    assert_allclose(float(found), known, rtol=1e-12)


def test_a_saved_fit_comes_back(fitted: bs.Fit, tmp_path: object) -> None:
    path = f"{tmp_path}/fit.zarr"
    fitted.save(path)
    again = bs.load(path)
    assert again.likelihood is fitted.likelihood
    assert_allclose(again.posterior["p_1"], fitted.posterior["p_1"])


@pytest.mark.parametrize("by", ["loo", "backtest"])
def test_laws_of_shares_can_be_compared(by: str) -> None:
    """Also where none is right, whose log odds are not a number."""
    runs = shares(40)
    runs.loc[0, "accuracy"] = 0.0
    flat = replace(SIGMOID_ACCURACY, name="another", priors=WIDER, title="With wider priors")
    found = bs.compare([SIGMOID_ACCURACY, flat], runs, by=by, jobs=1, random_seed=1)
    assert np.isfinite(found.table["elpd"]).all()


def test_a_density_of_shares_compares_with_one_of_counts() -> None:
    """A likelihood of counts scores nearly as its Beta limit does, not worse by log n."""
    runs = shares(40)
    scores = [
        bs.backtest(
            SIGMOID_ACCURACY,
            runs,
            likelihood=factory,
            methods=("posterior",),
            cuts=(0.5,),
            jobs=1,
            random_seed=1,
        ).scores()["log_score"]["posterior"]
        for factory in (beta_binomial, beta)
    ]
    # They model the same spread; log 1000 is 6.9.
    assert abs(scores[0] - scores[1]) < 1


def test_a_share_that_rounds_to_an_edge_is_not_passed_off_as_measured() -> None:
    """Half of the draws of a Beta(0.001, 1) are below 1e-301, where numbers end."""
    drawn = BETA.frozen(alpha=1e-3, beta=1.0).rvs(200, random_state=1)
    shares = BETA.response(drawn)
    assert (shares == 0).any()
    with pytest.raises(DataError, match="exactly 0"):
        BETA.observed(shares)
