"""Rows that follow one another: densities against the joint Normal, draws against both."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pymc as pm
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from bayescale.errors import DataError
from bayescale.fitting.fit import fit
from bayescale.fitting.load import load
from bayescale.fitting.record import Fit
from bayescale.likelihoods import NORMAL, autoregressive
from bayescale.models import LAWS
from bayescale.posterior.draws import SAMPLE_DIMS, Draws
from bayescale.posterior.pointwise import log_likelihood, replicate_runs
from bayescale.priors import Beta
from bayescale.spec.series import GAP, PREVIOUS, Series, conditional, draw_series
from tests.designs import simulated

SERIES = Series("curve", "step")
# Out of order, two curves, unequal distances: 100 is the usual one.
RUNS = pd.DataFrame(
    {"curve": ["b", "a", "a", "b", "a", "b"], "step": [100.0, 300.0, 100.0, 400.0, 200.0, 200.0]}
)
MU = np.array([0.3, -0.1, 0.2, 0.0, 0.4, 0.1])
SIGMA = np.array([0.5, 0.4, 1.0, 0.7, 0.8, 0.6])
RHO = 0.6


def covariance() -> np.ndarray:
    """Of all rows: rho to the power of the distance within a curve, nothing between curves."""
    apart = np.abs(np.subtract.outer(*2 * [RUNS["step"].to_numpy()])) / 100
    together = np.equal.outer(RUNS["curve"].to_numpy(), RUNS["curve"].to_numpy())
    return np.outer(SIGMA, SIGMA) * RHO**apart * together


def take(array: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return array[..., rows]


def test_links_name_the_row_before_every_row() -> None:
    links = SERIES.links(RUNS)
    assert links[PREVIOUS].tolist() == [-1, 4, -1, 5, 2, 0]
    assert_allclose(links[GAP], [1, 1, 1, 2, 1, 1])


def test_the_conditional_densities_are_those_of_the_joint_normal() -> None:
    observed = np.array([0.1, 0.5, -0.4, 1.0, 0.2, -0.3])
    rho = np.full(len(RUNS), RHO)
    rows = conditional(MU, SIGMA, rho, observed, SERIES.links(RUNS), take)
    densities = stats.norm.logpdf(observed, rows["mu"], rows["sigma"])
    joint = stats.multivariate_normal.logpdf(observed, MU, covariance())
    assert_allclose(densities.sum(), joint, rtol=1e-12)


def test_new_curves_have_that_covariance() -> None:
    """Within 5 standard errors of a covariance of 40,000 draws, about sigma^2 / 200."""
    count = 40_000
    mu, sigma, rho = (np.broadcast_to(x, (count, len(RUNS))) for x in (MU, SIGMA, RHO))
    draws = draw_series(mu, sigma, rho, SERIES.links(RUNS), np.random.default_rng(3))
    error = np.sqrt(2 / count) * np.outer(SIGMA, SIGMA)
    assert np.all(np.abs(np.cov(draws.T) - covariance()) < 5 * error)
    assert np.all(np.abs(draws.mean(axis=0) - MU) < 5 * SIGMA / np.sqrt(count))


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (RUNS.drop(columns="curve"), ["no column 'curve'", "identifies curves"]),
        (RUNS.drop(columns="step"), ["no column 'step'", "along which they run"]),
        (RUNS.assign(step=[100.0, 300.0, 100.0, 400.0, 100.0, 200.0]), ["row 5", "curve a"]),
        (RUNS.assign(step=["x", "1", "2", "3", "4", "5"]), ["'x'", "no plain number"]),
    ],
    ids=["curve", "step", "twice", "text"],
)
def test_series_that_cannot_be_are_refused(table: pd.DataFrame, words: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        SERIES.links(table)
    assert all(word.replace("no plain", "not a plain") in str(caught.value) for word in words)


SERIAL = replace(
    NORMAL,
    name="serial",
    priors={**NORMAL.priors, "rho": Beta(alpha=1.0, beta=1.0)},
    scatter=lambda expected, sigma, rho: {**NORMAL.scatter(expected, sigma), "rho": rho},
    series=SERIES,
)
"""Normal, with neighbours of a curve correlated."""


@pytest.fixture(scope="module")
def fitted() -> Fit:
    """A power law with residuals of rho 0.8 along four curves."""
    law = LAWS["power_law"]
    runs = simulated(law, noise=0.0, seed=1, each=120)
    curve = np.arange(120) % 4
    runs = runs.assign(curve=curve.astype(str), step=np.arange(120) // 4 + 1.0)
    links = SERIES.links(runs)
    mu, sigma, rho = (np.broadcast_to(x, (1, 120)) for x in (0.0, 0.01, 0.8))
    noise = draw_series(mu, sigma, rho, links, np.random.default_rng(2))[0]
    runs["y"] *= np.exp(noise)
    short = {"draws": 500, "chains": 2, "random_seed": 5, "clusters": None}
    return fit(law, runs, likelihood=SERIAL, **short)


def test_the_correlation_is_recovered(fitted: Fit) -> None:
    assert fitted.verdict.trusted, fitted.verdict
    for name, truth in (("rho", 0.8), ("sigma", 0.01)):
        draws = fitted.posterior[name]
        assert abs(float(draws.mean()) - truth) < 4 * float(draws.std()), name


def test_the_model_and_the_draws_have_one_density(fitted: Fit) -> None:
    """The log likelihood of PyMC's model at one draw, and ours."""
    one = fitted.posterior.isel(chain=[0], draw=[7])
    ours = log_likelihood(Draws(fitted.structure, one, fitted.runs)).to_array().to_numpy().ravel()
    model = fitted.model
    free = {name: float(one[name].squeeze()) for name in ("level", "alpha", "sigma", "rho")}
    values = {model[name]: value for name, value in free.items()}
    mu, scale = pm.draw(
        pm.do(model, values)["log_y"].owner.inputs[-2:], random_seed=1, mode="FAST_COMPILE"
    )
    observed = np.log(fitted.runs["y"].to_numpy())
    assert_allclose(stats.norm.logpdf(observed, mu, scale), ours, rtol=1e-9)


def test_rows_of_a_new_curve_are_correlated(fitted: Fit) -> None:
    replicated = replicate_runs(fitted.draws, np.random.default_rng(4))
    mean = fitted.predict(fitted.runs, drift=False)["mean"]
    residuals = replicated - np.log(mean).to_numpy()
    first, second = residuals[..., :-4], residuals[..., 4:]  # rows of a curve are four apart
    correlation = np.mean(first * second) / np.mean(residuals**2)
    # Curves of 30 rows are as good as independent: 1,000 draws of 4 determine it to 1%.
    assert abs(correlation - float(fitted.posterior["rho"].mean())) < 0.03


def test_a_new_row_scatters_without_its_neighbours(fitted: Fit) -> None:
    predicted = fitted.predict({"x": [500.0]}, drift=False)
    z = np.log(predicted["new_run"] / predicted["mean"]) / fitted.posterior["sigma"]
    assert_allclose(float(z.std()), 1.0, atol=5 / np.sqrt(2 * z.size))


def test_it_can_be_saved_and_read(fitted: Fit, tmp_path: Path) -> None:
    fitted.save(tmp_path / "fit.nc")
    loaded = load(tmp_path / "fit.nc", likelihood=SERIAL)
    assert loaded.structure.likelihood.series == SERIES
    assert_allclose(loaded.log_likelihood, fitted.log_likelihood)


def test_a_likelihood_with_settings_is_read_by_its_name(fitted: Fit, tmp_path: Path) -> None:
    likelihood = autoregressive("curve", "step", 2.0)
    short = {"draws": 20, "tune": 50, "chains": 2, "random_seed": 5, "clusters": None}
    other = fit(fitted.law, fitted.runs, likelihood=likelihood, **short)
    other.save(tmp_path / "fit.nc")
    loaded = load(tmp_path / "fit.nc")
    assert loaded.likelihood is likelihood
    assert_allclose(loaded.log_likelihood, other.log_likelihood)


def test_the_prior_predictive_draws_whole_curves(fitted: Fit) -> None:
    with_prior = fitted.with_prior(50)
    predicted = with_prior.tree["prior_predictive"].to_dataset()["log_y"]
    assert predicted.dims == (*SAMPLE_DIMS, "run")
    assert bool(np.isfinite(predicted).all())


def test_rows_far_enough_apart_are_kept_and_the_last() -> None:
    table = pd.DataFrame(
        {"run": "a", "step": [0.0, 10.0, 20.0, 35.0, 40.0, 50.0], "loss": range(6)}
    )
    assert Series("run", "step", 20.0).kept_rows(table, ["loss"]).tolist() == [1, 0, 1, 0, 1, 1]
    assert Series("run", "step").kept_rows(table, ["loss"]).all()


def test_kept_rows_do_not_depend_on_order_and_index() -> None:
    rng = np.random.default_rng(2)
    table = pd.DataFrame(
        {"run": np.repeat(["a", "b"], 8), "step": np.tile(np.arange(8.0), 2), "loss": range(16)}
    )
    series = Series("run", "step", 3.0)
    mixed = table.sample(frac=1, random_state=rng)
    kept = set(mixed.index[series.kept_rows(mixed, ["loss"])])
    assert kept == set(np.flatnonzero(series.kept_rows(table, ["loss"])))


def test_a_branch_keeps_the_row_where_it_leaves_its_trunk() -> None:
    trunk = pd.DataFrame({"run": "trunk", "step": np.arange(6.0), "loss": [6, 5, 4, 3, 2, 1.0]})
    branch = trunk.assign(run="branch", loss=[6, 5, 4, 2.5, 1.5, 0.5])
    table = pd.concat([trunk, branch], ignore_index=True)
    kept = Series("run", "step").kept_rows(table, ["loss"])
    assert table[~kept][["run", "step"]].to_numpy().tolist() == [["branch", 0.0], ["branch", 1.0]]


def test_one_value_that_two_curves_share_by_chance_is_no_branch() -> None:
    one = pd.DataFrame({"run": "a", "step": np.arange(4.0), "loss": [4, 3, 2, 1.0]})
    other = one.assign(run="b", loss=[5, 3, 2.5, 1.5])
    table = pd.concat([one, other], ignore_index=True)
    assert Series("run", "step").kept_rows(table, ["loss"]).all()
