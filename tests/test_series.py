"""Rows that follow one another: densities against the joint Normal, draws against both."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pymc as pm
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from bayescale.draws import SAMPLE_DIMS
from bayescale.errors import DataError
from bayescale.fitting import Fit, fit
from bayescale.likelihood import Likelihood, autoregressive, normal
from bayescale.models import LAWS
from bayescale.prediction import drawn_at_runs, log_likelihood
from bayescale.priors import Prior
from bayescale.series import GAP, PREVIOUS, Series, conditional, drawn
from bayescale.storage import load
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


def taken(array: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return array[..., rows]


def test_each_row_knows_the_one_before_it() -> None:
    links = SERIES.links(RUNS)
    assert links[PREVIOUS].tolist() == [-1, 4, -1, 5, 2, 0]
    assert_allclose(links[GAP], [1, 1, 1, 2, 1, 1])


def test_the_conditional_densities_are_those_of_the_joint_normal() -> None:
    observed = np.array([0.1, 0.5, -0.4, 1.0, 0.2, -0.3])
    rho = np.full(len(RUNS), RHO)
    found = conditional(MU, SIGMA, rho, observed, SERIES.links(RUNS), taken)
    each = stats.norm.logpdf(observed, found["mu"], found["sigma"])
    whole = stats.multivariate_normal.logpdf(observed, MU, covariance())
    assert_allclose(each.sum(), whole, rtol=1e-12)


def test_curves_drawn_anew_have_that_covariance() -> None:
    """Within 5 standard errors of a covariance of 40,000 draws, about sigma^2 / 200."""
    count = 40_000
    mu, sigma, rho = (np.broadcast_to(x, (count, len(RUNS))) for x in (MU, SIGMA, RHO))
    draws = drawn(mu, sigma, rho, SERIES.links(RUNS), np.random.default_rng(3))
    error = np.sqrt(2 / count) * np.outer(SIGMA, SIGMA)
    assert np.all(np.abs(np.cov(draws.T) - covariance()) < 5 * error)
    assert np.all(np.abs(draws.mean(axis=0) - MU) < 5 * SIGMA / np.sqrt(count))


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (RUNS.drop(columns="curve"), ["no column 'curve'", "tells curves apart"]),
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


def serial(inputs: tuple[str, ...]) -> Likelihood:
    """`normal`, with neighbours of a curve alike."""
    plain = normal(inputs)
    return replace(
        plain,
        name="serial",
        priors={**plain.priors, "rho": Prior(pm.Beta, alpha=1.0, beta=1.0)},
        scatter=lambda expected, design, sigma, rho: {
            **plain.scatter(expected, design, sigma=sigma),
            "rho": rho,
        },
        series=SERIES,
    )


@pytest.fixture(scope="module")
def fitted() -> Fit:
    """A power law with residuals of rho 0.8 along four curves."""
    law = LAWS["power_law"]
    runs = simulated(law, noise=0.0, seed=1, each=120)
    curve = np.arange(120) % 4
    runs = runs.assign(curve=curve.astype(str), step=np.arange(120) // 4 + 1.0)
    links = SERIES.links(runs)
    mu, sigma, rho = (np.broadcast_to(x, (1, 120)) for x in (0.0, 0.01, 0.8))
    noise = drawn(mu, sigma, rho, links, np.random.default_rng(2))[0]
    runs["y"] *= np.exp(noise)
    short = {"draws": 500, "chains": 2, "random_seed": 5, "clusters": None}
    return fit(law, runs, likelihood=serial, **short)


def test_the_correlation_is_found_again(fitted: Fit) -> None:
    assert fitted.verdict.trusted, fitted.verdict
    for name, truth in (("rho", 0.8), ("sigma", 0.01)):
        draws = fitted.posterior[name]
        assert abs(float(draws.mean()) - truth) < 4 * float(draws.std()), name


def test_the_model_and_the_draws_have_one_density(fitted: Fit) -> None:
    """The log likelihood of PyMC's model at one draw, and ours."""
    one = fitted.posterior.isel(chain=[0], draw=[7])
    ours = log_likelihood(fitted.structure, one, fitted.runs).to_array().to_numpy().ravel()
    model = fitted.model
    free = {name: float(one[name].squeeze()) for name in ("level", "alpha", "sigma", "rho")}
    values = {model[name]: value for name, value in free.items()}
    mu, scale = pm.draw(
        pm.do(model, values)["log_y"].owner.inputs[-2:], random_seed=1, mode="FAST_COMPILE"
    )
    observed = np.log(fitted.runs["y"].to_numpy())
    assert_allclose(stats.norm.logpdf(observed, mu, scale), ours, rtol=1e-9)


def test_a_curve_drawn_anew_is_alike_from_row_to_row(fitted: Fit) -> None:
    draws = drawn_at_runs(fitted.structure, fitted.posterior, fitted.runs, np.random.default_rng(4))
    left = draws - np.log(fitted.predict(fitted.runs, extrapolate=False)["mean"]).to_numpy()
    first, second = left[..., :-4], left[..., 4:]  # rows of a curve are four apart
    found = np.mean(first * second) / np.mean(left**2)
    # Curves of 30 rows are as good as independent: 1,000 draws of 4 make it known to 1%.
    assert abs(found - float(fitted.posterior["rho"].mean())) < 0.03


def test_a_new_row_scatters_as_if_nothing_were_known(fitted: Fit) -> None:
    found = fitted.predict({"x": [500.0]}, extrapolate=False)
    z = np.log(found["new_run"] / found["mean"]) / fitted.posterior["sigma"]
    assert_allclose(float(z.std()), 1.0, atol=5 / np.sqrt(2 * z.size))


def test_it_can_be_saved_and_read(fitted: Fit, tmp_path: object) -> None:
    path = f"{tmp_path}/fit.zarr"
    fitted.save(path)
    again = load(path, likelihood=serial)
    assert again.structure.likelihood.series == SERIES
    assert_allclose(again.log_likelihood, fitted.log_likelihood)


def test_one_by_columns_is_read_by_its_name_alone(fitted: Fit, tmp_path: object) -> None:
    short = {"draws": 20, "tune": 50, "chains": 2, "random_seed": 5, "clusters": None}
    made = fit(fitted.law, fitted.runs, likelihood=autoregressive("curve", "step", 2.0), **short)
    made.save(f"{tmp_path}/fit.nc")
    again = load(f"{tmp_path}/fit.nc")
    assert again.likelihood.series == Series("curve", "step", 2.0)
    assert_allclose(again.log_likelihood, made.log_likelihood)


def test_the_prior_predictive_draws_whole_curves(fitted: Fit) -> None:
    with_prior = fitted.with_prior(50)
    predicted = with_prior.tree["prior_predictive"].to_dataset()["log_y"]
    assert predicted.dims == (*SAMPLE_DIMS, "run")
    assert bool(np.isfinite(predicted).all())


def test_rows_are_taken_far_enough_apart_and_the_last() -> None:
    table = pd.DataFrame(
        {"run": "a", "step": [0.0, 10.0, 20.0, 35.0, 40.0, 50.0], "loss": range(6)}
    )
    assert Series("run", "step", 20.0).taken(table, ["loss"]).tolist() == [1, 0, 1, 0, 1, 1]
    assert Series("run", "step").taken(table, ["loss"]).all()


def test_in_whatever_order_and_under_whatever_index_they_stand() -> None:
    rng = np.random.default_rng(2)
    table = pd.DataFrame(
        {"run": np.repeat(["a", "b"], 8), "step": np.tile(np.arange(8.0), 2), "loss": range(16)}
    )
    series = Series("run", "step", 3.0)
    mixed = table.sample(frac=1, random_state=rng)
    found = set(mixed.index[series.taken(mixed, ["loss"])])
    assert found == set(np.flatnonzero(series.taken(table, ["loss"])))


def test_a_branch_has_of_its_trunk_the_row_where_it_leaves() -> None:
    trunk = pd.DataFrame({"run": "trunk", "step": np.arange(6.0), "loss": [6, 5, 4, 3, 2, 1.0]})
    branch = trunk.assign(run="branch", loss=[6, 5, 4, 2.5, 1.5, 0.5])
    table = pd.concat([trunk, branch], ignore_index=True)
    taken = Series("run", "step").taken(table, ["loss"])
    assert table[~taken][["run", "step"]].to_numpy().tolist() == [["branch", 0.0], ["branch", 1.0]]


def test_one_value_that_two_curves_share_by_chance_is_no_branch() -> None:
    one = pd.DataFrame({"run": "a", "step": np.arange(4.0), "loss": [4, 3, 2, 1.0]})
    other = one.assign(run="b", loss=[5, 3, 2.5, 1.5])
    table = pd.concat([one, other], ignore_index=True)
    assert Series("run", "step").taken(table, ["loss"]).all()
