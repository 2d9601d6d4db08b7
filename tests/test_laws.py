"""What holds for every law: a new one in the registry gets all of these tests."""

import inspect
import re
from dataclasses import replace
from pathlib import Path

import cloudpickle
import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
import xarray as xr
from numpy.testing import assert_allclose

import bayescale.models
from bayescale import datasets
from bayescale.fitting.fit import fit
from bayescale.fitting.tree import prior_groups
from bayescale.inference.model import build_model
from bayescale.inference.structure import build_structure
from bayescale.likelihoods import NORMAL, STUDENT_T, VARIANCE_FUNCTION
from bayescale.models import LAWS
from bayescale.models.dynamics.lr_annealing import lr_annealing
from bayescale.models.one_variable.broken_power_law import broken_power_law
from bayescale.posterior.draws import Draws
from bayescale.posterior.expectation import expected_response
from bayescale.reporting.citations import PAPERS, bibtex, eprints
from bayescale.spec.columns import POSITIVE
from bayescale.spec.functions import call
from bayescale.spec.law import Law
from bayescale.spec.likelihood import Likelihood
from tests.designs import (
    FORMS,
    coefficients,
    design,
    given,
    middle,
    modelled,
    response_of,
    simulated,
    with_columns,
)

every_law = pytest.mark.parametrize("law", FORMS.values(), ids=FORMS)


LOG_VOCABULARY = np.log(256_000)  # the loss of a guess, for a large vocabulary


def test_every_module_has_a_registered_law() -> None:
    folder = Path(bayescale.models.__file__).parent
    paths = [path for path in folder.glob("*/[!_]*.py") if not path.stem.endswith("_claims")]
    modules = {f"bayescale.models.{path.parent.name}.{path.stem}" for path in paths}
    assert {inspect.getmodule(law.coefficients).__name__ for law in FORMS.values()} == modules


def test_cards_name_laws_that_are_registered() -> None:
    for name in datasets.catalogue()["name"]:
        assert set(datasets.card(name).laws) <= set(LAWS), name


@every_law
def test_the_page_describes_every_symbol_and_its_source(law: Law) -> None:
    page = inspect.getdoc(inspect.getmodule(law.coefficients))
    assert page is not None
    for name in law.coefficient_names:
        tex = re.sub(r"^(alpha|beta|kappa)", r"\\\1", name)
        assert re.search(rf"(?<!\w){re.escape(tex)}(?!\w)", page), name
    for name in set(law.priors) - set(law.coefficient_names):
        assert f"``{name}``" in page, name
    assert re.search(r"arXiv:\d{4}\.\d{4,5}", law.reference)
    assert law.title


@every_law
def test_every_paper_it_refers_to_can_be_cited(law: Law) -> None:
    named = eprints([law.reference, *(claim.reference for claim in law.claims)])
    assert [eprint for eprint in named if eprint not in PAPERS] == []
    assert bibtex([law.reference]).count("@misc") == len(eprints([law.reference])) > 0


@every_law
def test_every_kind_of_array_gives_one_number(law: Law) -> None:
    runs = design(law, 3)
    point = {name: runs[name].to_numpy() for name in law.inputs}
    values = coefficients(law, runs, middle(law))
    expected = law.formula(**point, **values)
    labelled = {name: xr.DataArray(column, dims="run") for name, column in point.items()}
    symbolic = {name: pt.as_tensor(column) for name, column in point.items()}
    tensors = {name: pt.as_tensor(value) for name, value in values.items()}
    assert_allclose(law.formula(**labelled, **values).to_numpy(), expected, rtol=1e-12)
    assert_allclose(law.formula(**symbolic, **tensors).eval(), expected, rtol=1e-12)


@every_law
def test_the_middle_of_the_runs_has_the_level(law: Law) -> None:
    if "level" not in law.priors:
        pytest.skip("the law has no level")
    runs = design(law, 5)
    pivot = [law.kind_of(name).centre(runs[name].to_numpy()) for name in law.inputs]
    responses = [
        law.formula(*pivot, **coefficients(law, runs, middle(law) | {"level": level}))
        for level in (0.5, 1.0, 2.0)
    ]
    assert_allclose(np.divide(responses, responses[1]), (0.5, 1.0, 2.0), rtol=1e-12)
    # Near the middle of the responses, or exactly at it.
    assert abs(np.log(responses[1] / response_of(law))) < np.log(2)


@every_law
def test_a_claim_agrees_with_itself(law: Law) -> None:
    """Derived quantities that a claim prints follow from the coefficients it prints."""
    for claim in law.claims:
        if set(law.coefficient_names) <= set(claim.values):
            values = {name: claim.values[name] for name in law.coefficient_names}
            derived = law.derive(values)
            for name in set(derived) & set(claim.values):
                assert_allclose(derived[name], claim.values[name], rtol=1e-9, err_msg=claim.label)


# Of the likelihoods that any law can have, the first has the parameters of the others and more. One
# law shows that the others are finite where it is.
PAIRS = [
    *((law, own) for law in FORMS.values() for own in law.likelihoods or (VARIANCE_FUNCTION,)),
    *((LAWS["coupled"], other) for other in (STUDENT_T, NORMAL)),
]


@pytest.mark.filterwarnings("ignore:Loop fusion failed:UserWarning")
@pytest.mark.parametrize(
    ("law", "likelihood"), PAIRS, ids=[f"{law.name}-{own.name}" for law, own in PAIRS]
)
def test_the_density_is_finite_wherever_the_prior_goes(law: Law, likelihood: Likelihood) -> None:
    runs = simulated(law, noise=0.01, seed=1, each=4)  # reaches to the corners of the domain
    runs = with_columns(likelihood, runs)
    model = build_model(build_structure(law, runs, likelihood, clusters=None), runs)
    scaled = [
        rv if transform is None else transform.forward(rv, *rv.owner.inputs)
        for rv, transform in model.rvs_to_transforms.items()
        if rv in model.free_RVs
    ]
    # In Python, PyTensor adds no more than 32 terms at once, and groups have more.
    mode = "NUMBA" if law.groups.by else "FAST_COMPILE"
    density = model.logp_dlogp_function(mode=mode, ravel_inputs=True)
    density.set_extra_values({})
    columns = pm.draw(scaled, draws=200, random_seed=11, mode="FAST_COMPILE")
    points = np.concatenate([column.reshape(200, -1) for column in columns], axis=1)
    for point in points:
        value, gradient = density(point)
        assert np.isfinite(value), point
        assert np.all(np.isfinite(gradient)), point


@every_law
def test_the_response_falls_with_every_input_towards_its_floor(law: Law) -> None:
    sized = all(kind is POSITIVE for kind in law.kinds.values()) and law.drift.size is None
    if not sized or law.groups.by or law.response in ("params", "tokens"):
        pytest.skip("the response is not one that falls with size")
    runs = design(law, 6)
    values = coefficients(law, runs, middle(law))
    for name in law.inputs:
        rising = runs.sort_values(list(law.inputs)).sort_values(name, kind="stable")
        others = [other for other in law.inputs if other != name]
        for _, line in rising.groupby(others) if others else [((), rising)]:
            response = law.formula(*(line[x].to_numpy() for x in law.inputs), **values)
            # What saturates ends flat, but for the rounding of a few operations.
            assert np.all(np.diff(response) <= 4 * np.finfo(float).eps * response[0]), name
            # An input may not matter along a line, but must then leave the response as it is.
            assert response[-1] < response[0] or np.all(response == response[0]), name
        assert response[-1] < response[0], name
    floor = float(values.get("E", 0.0))
    far = law.formula(*(np.array([1e60]) for _ in law.inputs), **values)
    assert floor <= far.item() < floor + 0.2 * response_of(law)


@every_law
def test_prior_predictive_responses_could_be_losses(law: Law) -> None:
    runs = simulated(law, noise=0.01, seed=2, each=4)
    likelihood = law.likelihoods[0] if law.likelihoods else STUDENT_T
    runs = with_columns(likelihood, runs)
    structure = build_structure(law, runs, likelihood, clusters=None)
    prior = prior_groups(structure, runs, 500, 3)["prior"]
    responses = expected_response(Draws(structure, prior, runs), runs, "run")
    assert not law.kind_of(law.response).invalid(responses.to_numpy()).any()
    if law.response == "loss":
        assert float((responses < LOG_VOCABULARY).mean()) > 0.8


@every_law
def test_the_optimum_in_closed_form_is_a_minimum(law: Law) -> None:
    if law.optimum.params is None:
        pytest.skip("the law has no closed form")
    values = coefficients(law, design(law), middle(law))
    if not {"params", "tokens"} <= set(law.inputs):
        pytest.skip("the optimum is what the law is of")
    values |= given(law)
    for budget in (1e18, 1e21, 1e25):
        best = call(law.optimum.params, values, product=budget)
        params = best * np.array([0.999, 1.0, 1.001])
        losses = law.formula(params, budget / params, **values)
        assert losses.argmin() == 1


@pytest.mark.slow
@every_law
@pytest.mark.parametrize("seed", [5])
def test_known_values_are_recovered(law: Law, seed: int) -> None:
    """Every coefficient within 4 posterior sd: missed by chance once in 16,000 if calibrated."""
    if law.parts:
        pytest.skip("parts that are equal in the middle of the prior cannot be identified")
    likelihood = law.likelihoods[0] if law.likelihoods else NORMAL
    if law.likelihoods:
        # Of ten runs of a hundred trials one may decide, and the verdict then reports that.
        runs = with_columns(likelihood, design(law, 30 if len(law.inputs) == 1 else 10))
        runs, truth = modelled(law, likelihood, runs, seed)
    else:
        runs = simulated(law, noise=0.01, seed=seed, each=10 if len(law.inputs) < 3 else 5)
        truth = coefficients(law, runs, middle(law))
    fitted = fit(law, runs, likelihood=likelihood, random_seed=seed)
    assert fitted.verdict.trusted, fitted.verdict
    for name, value in truth.items():
        draws = fitted.posterior[name]
        # Amplitudes are nearly lognormal: judge positive coefficients on their logarithm.
        positive = bool((draws > 0).all())
        on = np.log if positive else np.asarray
        scaled = on(draws.transpose("chain", "draw", ...).to_numpy())
        off = (scaled.mean((0, 1)) - on(np.array(value))) / scaled.std((0, 1))
        assert np.all(np.abs(off) < 4), name


POOLED = [
    (LAWS["power_law_constant"], "separate"),
    (LAWS["power_law_constant"], "partial"),
    (LAWS["coupled"], "separate"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("law", "pool"), POOLED, ids=lambda value: getattr(value, "name", value))
def test_groups_are_recovered(law: Law, pool: str) -> None:
    """Two groups, one law: each group's exponents within 4 posterior sd of the truth.

    Groups do not depend on the law, so that few laws represent all. Laws that group their runs,
    have a likelihood or have parts are in tests of their own.
    """
    runs = simulated(law, noise=0.01, seed=6, each=7 if len(law.inputs) < 3 else 4)
    runs["corpus"] = np.where(np.arange(len(runs)) % 2, "web", "code")
    fitted = fit(
        law, runs, likelihood=NORMAL, groups="corpus", pool=pool, random_seed=6, draws=500, chains=2
    )
    truth = coefficients(law, runs, middle(law))
    name = law.coefficient_names[-1]
    draws = np.log(fitted.posterior[name])
    assert "corpus" in draws.dims
    z = (draws.mean(("chain", "draw")) - np.log(truth[name])) / draws.std(("chain", "draw"))
    assert float(abs(z).max()) < 4
    stats = fitted.tree["sample_stats"].to_dataset()  # importance sampling has no divergences
    assert "diverging" not in stats or float(stats["diverging"].mean()) < 0.02


def test_law_names_are_their_keys() -> None:
    assert all(name == law.name for name, law in LAWS.items())
    assert len({law.title for law in LAWS.values()}) == len(LAWS)


def test_laws_without_a_stage_have_formulas_of_their_own() -> None:
    formulas = [law.formula for law in LAWS.values() if law.stage is None]
    assert len(set(formulas)) == len(formulas) > 20


@every_law
def test_a_pickled_copy_is_the_law(law: Law) -> None:
    """It is equal, and gives the same number."""
    copy = cloudpickle.loads(cloudpickle.dumps(law))
    assert copy == law
    assert hash(copy) == hash(law)
    assert copy is not law
    assert replace(law, title="another") != law
    runs = design(law, 3)
    columns, values = [runs[name].to_numpy() for name in law.inputs], middle(law)
    expected = law.formula(*columns, **coefficients(law, runs, values))
    assert_allclose(copy.formula(*columns, **coefficients(copy, runs, values)), expected)


def test_laws_with_settings_are_one_law_for_one_setting() -> None:
    assert lr_annealing(0.999) is lr_annealing(decay=0.999) is LAWS["lr_annealing"]
    assert broken_power_law(breaks=2) is LAWS["bnsl_2"]
    assert lr_annealing(0.99) != LAWS["lr_annealing"]
