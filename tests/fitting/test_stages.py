"""A law of one of the inputs, in the same model; inputs that are measured with error."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from numpy.testing import assert_allclose
from scipy import stats

from bayescale.errors import DataError, LawError
from bayescale.fitting.fit import fit
from bayescale.fitting.load import load
from bayescale.fitting.record import Fit
from bayescale.inference.model import build_model
from bayescale.inference.record import Sampling
from bayescale.inference.structure import build_structure
from bayescale.inference.units import slopes_of, units_of
from bayescale.likelihoods import ERRORS_IN_VARIABLES, NORMAL
from bayescale.models import LAWS
from bayescale.posterior.quantities import coefficients_from_free
from bayescale.priors import Dirichlet, LogNormal
from bayescale.spec.columns import Column
from bayescale.spec.law import Drift, Law
from bayescale.spec.stage import of_response
from bayescale.validation.calibrate import calibrate
from bayescale.validation.sweep import Parallel
from tests.designs import coefficients, design, middle, simulated

STAGE = of_response(LAWS["chinchilla"], "loss_source")
CHAIN = Law(
    name="chain",
    title="A loss above a floor that another law has",
    formula=lambda loss_source, floor, K: floor + K * (loss_source - floor),
    inputs=("loss_source",),
    priors={"level": LogNormal(mu=0.0, sigma=0.5)},
    coefficients=lambda units, E, level: {
        "floor": E,
        "K": level * units.pivot["loss"] / units.pivot["loss_source"],
    },
    stage=STAGE,
    columns={"loss_source": Column(noisy=True)},
    likelihoods=(ERRORS_IN_VARIABLES,),
    drift=Drift(size=lambda loss_source: 1 / loss_source),
    reference="arXiv:0000.00000",
)
FIRST = simulated(STAGE, noise=0.003, seed=1, each=6)
TRUTH = coefficients(STAGE, design(STAGE, 6), middle(STAGE))
RUNS = FIRST.assign(
    loss=(TRUTH["E"] + 1.2 * (FIRST["loss_source"] - TRUTH["E"]))
    * np.exp(0.002 * np.random.default_rng(2).standard_normal(len(FIRST)))
)
SHORT = {"draws": 500, "chains": 2, "random_seed": 3, "clusters": None}


@pytest.fixture(scope="module")
def fitted() -> Fit:
    # With half the draws and chains R-hat is above the threshold for three seeds of six.
    return fit(CHAIN, RUNS, random_seed=3, clusters=None)


def test_a_law_of_another_column_is_the_same_law() -> None:
    plain = FIRST.rename(columns={"loss_source": "loss"})
    here, there = (
        law.coefficients(units_of(law, runs), **middle(law))
        for law, runs in ((LAWS["chinchilla"], plain), (STAGE, FIRST))
    )
    assert_allclose(list(here.values()), list(there.values()), rtol=1e-12)
    assert STAGE.claims == ()


def test_both_laws_are_recovered(fitted: Fit) -> None:
    assert fitted.verdict.trusted, fitted.verdict
    known = {"K": 1.2, "floor": TRUTH["E"], "loss_source::alpha": TRUTH["alpha"]}
    for name, truth in known.items():
        draws = fitted.posterior[name]
        assert abs(float(draws.mean()) - float(truth)) < 4 * float(draws.std()), name
    assert_allclose(fitted.posterior["floor"], fitted.posterior["loss_source::E"])


def test_the_second_stage_has_information_on_the_first(fitted: Fit) -> None:
    """The floor is in both, so that both together determine it better than the first alone."""
    alone = fit(STAGE, RUNS, likelihood=NORMAL, **SHORT)
    assert float(fitted.posterior["floor"].std()) < 0.9 * float(alone.posterior["E"].std())


def test_the_stage_is_a_fit_of_its_own(fitted: Fit) -> None:
    stage = fitted.stage
    assert stage.law is STAGE
    assert stage.loo.sizes["run"] == len(RUNS)
    assert_allclose(stage.posterior["E"], fitted.posterior["floor"])
    assert set(stage.optimum(1e22)) == {"N_opt", "D_opt", "tokens_per_param", "L_opt"}
    assert list(stage.summary().index[:2]) == ["E", "A"]
    with pytest.raises(LawError, match=r"'chinchilla.*has no stage"):
        _ = stage.stage


def test_a_missing_input_is_predicted_draw_by_draw(fitted: Fit) -> None:
    points = {"params": [1e8, 1e9], "tokens": [2e10, 2e10]}
    first = fitted.stage.predict(points, drift=False)
    second = fitted.predict(points, drift=False)
    by_hand = CHAIN.formula(first["mean"], fitted.posterior["floor"], fitted.posterior["K"])
    assert_allclose(second["mean"], by_hand.transpose(*second["mean"].dims), rtol=1e-12)
    given = fitted.predict({"loss_source": first["mean"].median(("chain", "draw")).to_numpy()})
    # The uncertainty of the first law on a new run is added.
    assert np.all(
        second["new_run"].std(("chain", "draw")) > given["new_run"].std(("chain", "draw"))
    )


def test_missing_inputs_of_both_laws_are_named(fitted: Fit) -> None:
    with pytest.raises(DataError, match="no column for 'tokens'"):
        fitted.predict({"params": [1e8]})
    with pytest.raises(DataError, match="no column for 'params'"):
        fit(CHAIN, RUNS[["loss_source", "loss"]], **SHORT)


def test_priors_of_the_stage_have_its_prefix() -> None:
    narrow = LogNormal(mu=0.0, sigma=0.1)
    structure = build_structure(CHAIN, RUNS, priors={"loss_source::alpha": narrow})
    assert structure.likelihood is ERRORS_IN_VARIABLES
    assert dict(structure.stage.priors)["alpha"] is narrow
    with pytest.raises(LawError, match=r"priors names \['beta'\]"):
        build_structure(CHAIN, RUNS, priors={"beta": narrow})


def test_it_can_be_saved_and_read(fitted: Fit, tmp_path: object) -> None:
    path = f"{tmp_path}/fit.nc"
    fitted.save(path)
    again = load(path, law=CHAIN)
    xr.testing.assert_identical(again.posterior, fitted.posterior)
    assert again.structure.key == fitted.structure.key
    points = {"params": [1e8], "tokens": [2e10]}
    assert_allclose(again.predict(points)["new_run"], fitted.predict(points)["new_run"])


def test_groups_reach_the_stage() -> None:
    runs = RUNS.assign(corpus=["web", "code", "maths"] * 12)
    fitted = fit(CHAIN, runs, groups="corpus", draws=300, chains=2, random_seed=3, clusters=None)
    assert fitted.posterior["loss_source::alpha"].sizes["corpus"] == 3
    # The verdict is of the model's own draws, found again in those of all quantities.
    assert "loss_source::alpha_offset_dim_0" in fitted.as_modelled.posterior.dims
    assert not [reason for reason in fitted.verdict.reasons if reason.startswith("own_runs")]
    points = pd.DataFrame({"params": 1e8, "tokens": 2e10, "corpus": ["web", "news"]})
    spread = fitted.predict(points, drift=False)["mean"].std(("chain", "draw"))
    assert float(spread[1]) > float(spread[0])


def test_simulations_simulate_the_stage_as_well() -> None:
    law = replace(CHAIN, name="chain_again", priors={"level": LogNormal(mu=0, sigma=0.1)})
    sampling, parallel = Sampling(draws=100, tune=200, chains=1), Parallel(jobs=1)
    result = calibrate(
        law, RUNS, clusters=None, simulations=4, sampling=sampling, parallel=parallel
    )
    assert {"K", "loss_source::alpha"} <= set(result.places)


def test_one_name_has_one_meaning() -> None:
    parts = Dirichlet(a=(1.0, 1.0), parts=("one", "two"))
    law = replace(
        CHAIN,
        name="other",
        coefficients=lambda units, E, share: {"floor": E, "K": share[0]},
        priors={"share": parts},
    )
    dims = build_model(build_structure(law, RUNS), RUNS).named_vars_to_dims
    assert dims["share"] == ("share_part",)
    assert dims["loss_source::share"] == ("loss_source::share_part",)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"stage": LAWS["chinchilla"]}, ["response of its stage is ['loss']", "['loss_source']"]),
        ({"stage": None}, ["only coefficients() takes ['E']"]),
        ({"columns": {"params": Column(noisy=True)}}, ["noisy columns are ['params']"]),
    ],
    ids=["response", "no stage", "noisy"],
)
def test_a_chain_that_contradicts_itself_is_refused(
    changes: dict[str, object], words: list[str]
) -> None:
    with pytest.raises(LawError) as caught:
        replace(CHAIN, **changes)
    assert all(word in str(caught.value) for word in words), caught.value


def test_the_slope_is_the_derivative() -> None:
    """Of log(f + K (x - f)) in log x: K x / y."""
    x = np.array([2.0, 3.0, 4.0])
    slope = slopes_of(CHAIN, {"loss_source": x}, {"floor": 1.5, "K": 1.2})["slope_loss_source"]
    assert_allclose(slope, 1.2 * x / CHAIN.formula(x, 1.5, 1.2), rtol=1e-7)


def test_errors_of_inputs_are_integrated_out() -> None:
    """Against Gauss-Hermite quadrature over the true input of each run, for a curved law.

    The law bends by little over an error of 1%: the log density of a run is right to 2%, while
    leaving the errors of inputs out would be wrong by the logarithm of sqrt(1 + slope^2) near 0.5.
    """
    law, sigma = LAWS["loss_to_loss"], 0.01
    values = {"E_0": 1.9, "K": 1.3, "kappa": 1.6, "E_1": 1.4}
    x = np.linspace(2.2, 4.0, 12)
    log_y = np.log(law.formula(x, **values)) + sigma * np.linspace(-3, 3, 12)
    slopes = slopes_of(law, {"loss_source": x}, values)
    scatter = ERRORS_IN_VARIABLES.scattered(
        law.inputs, law.formula(x, **values), slopes, {"sigma": sigma}
    )
    ours = stats.norm.logpdf(log_y, scatter["mu"], scatter["sigma"])
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    expected = np.log(law.formula(x[:, None] * np.exp(sigma * nodes), **values))
    density = stats.norm.pdf(log_y[:, None], expected, sigma) @ weights / np.sqrt(2 * np.pi)
    assert_allclose(ours, np.log(density), atol=0.02, rtol=0.02)


def test_draws_of_coefficients_come_from_both_laws(fitted: Fit) -> None:
    values = coefficients_from_free(fitted.draws)
    assert_allclose(values["K"], fitted.posterior["K"])
