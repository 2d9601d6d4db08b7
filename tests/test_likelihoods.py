"""What holds for every likelihood: a new one in the registry gets all of these tests."""

from dataclasses import replace
from itertools import product

import cloudpickle
import numpy as np
import pymc as pm
import pytest
import xarray as xr
from numpy.testing import assert_allclose
from scipy import stats

from bayescale.errors import LawError
from bayescale.inference.coordinates import draw_prior
from bayescale.inference.model import build_model
from bayescale.inference.structure import build_structure, observed_name, observed_values
from bayescale.likelihoods import LIKELIHOODS, autoregressive, likelihood_named, with_errors
from bayescale.models import LAWS
from bayescale.posterior.draws import Draws
from bayescale.posterior.expectation import scatter_parameters, scatter_sd
from bayescale.posterior.pointwise import (
    log_likelihood,
    point_distribution,
    replicate_runs,
    run_distribution,
)
from bayescale.posterior.quantities import quantities
from bayescale.spec.law import Law
from bayescale.spec.likelihood import Likelihood
from tests.designs import design, modelled, with_columns

ALL = (
    *LIKELIHOODS.values(),
    autoregressive("curve", "step", 2.0),
    with_errors("log_loss_se"),
)
every_likelihood = pytest.mark.parametrize("likelihood", ALL, ids=lambda own: own.name)


def law_of(likelihood: Likelihood) -> Law:
    """A law that the likelihood suits: of a proportion, with a noisy input, or of a loss."""
    if likelihood.name in ("beta", "beta_binomial", "binomial"):
        return LAWS["sigmoid_accuracy"]
    return LAWS["loss_to_loss" if likelihood.name == "errors_in_variables" else "coupled"]


@pytest.fixture(scope="module", params=ALL, ids=lambda own: own.name)
def drawn(request: pytest.FixtureRequest) -> Draws:
    """Simulated runs, and two chains of two draws of all parameters from their priors."""
    likelihood, law = request.param, law_of(request.param)
    count = 4 if len(law.inputs) > 1 else 16
    # Trials, or errors of the log response.
    value = 0.01 if likelihood.family.trials is None else 100.0
    runs = with_columns(likelihood, design(law, count), value)
    runs = modelled(law, likelihood, runs, seed=3)[0]
    structure = build_structure(law, runs, likelihood, clusters=None)
    prior = draw_prior(structure, 4, 7)
    chains = [
        prior.isel(draw=[2 * k, 2 * k + 1]).assign_coords(chain=[k], draw=[0, 1]) for k in (0, 1)
    ]
    free = xr.concat(chains, "chain")
    return Draws(structure, quantities(Draws(structure, free, runs)), runs)


def at_draw(draws: Draws, **place: int) -> pm.Model:
    """The PyMC model with all parameters at one draw."""
    model = build_model(draws.structure, draws.runs)
    one = draws.posterior.isel(place)
    return pm.do(model, {x.name: one[x.name].to_numpy() for x in model.free_RVs})


def test_the_density_of_the_model_is_that_of_scipy(drawn: Draws) -> None:
    ours = log_likelihood(drawn)[observed_name(drawn.structure)]
    assert ours.dims == ("chain", "draw", "run")
    assert np.isfinite(ours).all()
    for chain, draw in product((0, 1), (0, 1)):
        model = at_draw(drawn, chain=chain, draw=draw)
        (density,) = model.logp(vars=model.observed_RVs, sum=False)
        theirs = density.eval(mode="FAST_COMPILE")
        assert_allclose(ours.isel(chain=chain, draw=draw), theirs, rtol=1e-8, atol=1e-8)


def test_draws_agree_with_the_density(drawn: Draws) -> None:
    """The probability integral transform is uniform: by chance not, once in 10,000 tables.

    Rows of a series are replicated by whole curves; all others are drawn by PyMC.
    """
    rng = np.random.default_rng(11)
    one = Draws(drawn.structure, drawn.posterior.isel(chain=[1], draw=[0]), drawn.runs)
    distribution, count = run_distribution(one), 300
    if drawn.structure.likelihood.series is not None:
        values = np.concatenate([replicate_runs(one, rng)[0] for _ in range(count)])
    else:
        model = at_draw(drawn, chain=1, draw=0)
        values = pm.draw(
            model[observed_name(drawn.structure)], count, random_seed=5, mode="FAST_COMPILE"
        )
    upper = distribution.cdf(values)
    # A whole number takes a random place in its step of the distribution.
    lower = (
        upper if drawn.structure.likelihood.family.trials is None else distribution.cdf(values - 1)
    )
    ranks = (lower + rng.random(values.shape) * (upper - lower)).reshape(count, -1)
    # Neighbours in a series depend on each other, so that every run is tested by itself.
    p = np.array([stats.kstest(column, "uniform").pvalue for column in ranks.T])
    assert p.min() > 1e-4 / len(p)


def test_shapes_and_dims(drawn: Draws) -> None:
    replicated = replicate_runs(drawn, np.random.default_rng(1))
    assert replicated.shape == (2, 2, len(drawn.runs))
    points = drawn.runs.iloc[:3]
    spread = scatter_sd(drawn, points)
    assert {"chain", "draw"} <= set(spread.dims) <= {"chain", "draw", "point"}
    assert bool((spread > 0).all())
    new = point_distribution(drawn, points).rvs(random_state=np.random.default_rng(2))
    assert new.shape == (2, 2, 3)
    parameters = scatter_parameters(drawn, points)
    assert all(set(values.dims) <= {"chain", "draw", "point"} for values in parameters.values())


def test_the_response_comes_back_from_the_observed_values(drawn: Draws) -> None:
    family, law = drawn.structure.likelihood.family, drawn.structure.law
    response = drawn.runs[law.response].to_numpy()
    observed = observed_values(drawn.structure, drawn.runs)
    if family.trials is not None:
        assert_allclose(observed, np.rint(observed))
        observed = observed / drawn.runs[family.trials].to_numpy()
    assert_allclose(family.response(observed), response, rtol=1e-12)


def test_noise_and_derived_quantities_are_reported(drawn: Draws) -> None:
    roles = {name: values.attrs["role"] for name, values in drawn.posterior.items()}
    likelihood = drawn.structure.likelihood
    for name in likelihood.derived:
        assert roles[name] == "noise"
    assert set(drawn.structure.noise) <= set(roles)


@every_likelihood
def test_priors_have_finite_densities(likelihood: Likelihood) -> None:
    for name, prior in likelihood.priors_for(("params", "tokens")).items():
        values = prior.draw((50,), np.random.default_rng(4))
        assert np.isfinite(prior.log_density_of(values)).all(), name
        assert np.isfinite(prior.log_density(prior.forward(values))).all(), name


@every_likelihood
def test_its_name_finds_it(likelihood: Likelihood) -> None:
    assert likelihood_named(likelihood.name) is likelihood
    assert likelihood.title
    assert likelihood.columns_needed == set(likelihood.columns) | (
        {likelihood.series.by, likelihood.series.order} if likelihood.series else set()
    )


@every_likelihood
def test_a_pickled_copy_is_the_likelihood(likelihood: Likelihood) -> None:
    copy = cloudpickle.loads(cloudpickle.dumps(likelihood))
    assert copy == likelihood
    assert copy is not likelihood
    assert hash(copy) == hash(likelihood)
    assert replace(likelihood, title="another") != likelihood


def test_names_are_their_keys() -> None:
    assert all(name == likelihood.name for name, likelihood in LIKELIHOODS.items())
    assert len({likelihood.title for likelihood in ALL}) == len(ALL)


def test_one_setting_gives_one_likelihood() -> None:
    assert with_errors("se", sigma=0.05) is with_errors("se") is with_errors(errors="se")
    assert with_errors("se", 0.1) != with_errors("se")
    assert autoregressive(by="a", order="b") is autoregressive("a", "b", 0.0)


@pytest.mark.parametrize(
    "name",
    [
        *("cauchy", "normal:sigma=1", "with_errors", "with_errors:sigma=1", "autoregressive:by=a"),
        *("with_errors:errors=a,sigma=x", "with_errors:errors=a,sigma=inf"),
        "autoregressive:by=a,order=b,apart=-1",
    ],
)
def test_another_name_is_refused(name: str) -> None:
    with pytest.raises(LawError, match=r"unknown likelihood .*; expected one of normal_variance"):
        likelihood_named(name)


def test_errors_alone_are_refused() -> None:
    with pytest.raises(LawError, match="got sigma 0; expected a number above zero"):
        with_errors("se", sigma=0.0)
