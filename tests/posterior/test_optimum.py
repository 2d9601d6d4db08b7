import numpy as np
import pandas as pd
import pytest
import xarray as xr
from numpy.testing import assert_allclose

from bayescale.errors import DataError, LawError
from bayescale.fitting.fit import fit
from bayescale.fitting.record import Fit
from bayescale.likelihoods import NORMAL
from bayescale.models import LAWS
from bayescale.posterior.optimum import optimal_params, response_at, search_optimal_params
from bayescale.spec.compute import SIX_ND, Cost, serving_cost, transformer_cost
from bayescale.spec.law import Law
from tests.designs import FORMS, given, simulated

JOINT = {
    name: law
    for name, law in FORMS.items()
    if law.optimum.params is not None and {"params", "tokens"} <= set(law.inputs)
}
"""Laws of params and tokens with a closed form; others are laws of the optimum itself."""
BUDGETS = xr.DataArray([1e18, 1e21, 5.76e23, 1e26], dims="budget")


def prior_coefficients(law: Law, draws: int, seed: int) -> dict[str, xr.DataArray]:
    """Coefficients scattered about plain values, far more than a posterior would be."""
    plain = {
        "E": 1.8, "A": 400.0, "B": 1700.0, "alpha": 0.34, "beta": 0.36, "kappa": 0.8,
        "R_D": 15.0, "R_N": 5.0, "N_c": 6.4e13, "D_c": 1.8e13, "alpha_N": 0.076, "alpha_D": 0.103,
        "F": 800.0, "g": 0.15, "h": 0.05, "k": 0.1, "a": 0.5,
    }  # fmt: skip
    rng = np.random.default_rng(seed)
    return {
        name: xr.DataArray(plain[name] * np.exp(0.2 * rng.normal(size=draws)), dims="draw")
        for name in law.coefficient_names
    }


@pytest.mark.parametrize("law", JOINT.values(), ids=JOINT)
def test_the_search_agrees_with_the_closed_form(law: Law) -> None:
    """As far as a flat minimum can be told: where the loss differs by its own rounding."""
    values = prior_coefficients(law, 200, seed=1)
    closed = optimal_params(law, values, BUDGETS, SIX_ND, given(law))
    searched = search_optimal_params(law, values, BUDGETS, SIX_ND, given(law)).transpose(
        *closed.dims
    )

    def loss(log_factor: float | xr.DataArray) -> xr.DataArray:
        params = closed * np.exp(log_factor)
        response: xr.DataArray = response_at(law, values, params, BUDGETS, SIX_ND, given(law))
        return response

    h = 0.01
    curvature = (loss(h) + loss(-h) - 2 * loss(0.0)) / h**2
    # Within 1e-9 the loss itself changes by less than its rounding, so what differs is rounding;
    # eight operations may round even where these eight samples happen to agree.
    rounding = sum(abs(loss(k * 1e-9) - loss(0.0)) for k in range(-4, 5))
    rounding += 8 * np.finfo(float).eps * loss(0.0)
    # The search stops at a relative step of the root of machine precision.
    step = np.sqrt(np.finfo(float).eps) * np.log(closed)
    allowed = step + np.sqrt(2 * rounding / curvature.clip(min=np.finfo(float).tiny))
    assert float(allowed.median()) < 2e-6
    moved = np.log(searched / closed)
    higher = loss(moved) - loss(0.0)
    assert bool((higher > -rounding).all())
    # Where repeated data has worn out, the minimum is no parabola, but flat far and wide.
    assert bool(((abs(moved) < allowed) | (higher < rounding)).all())


@pytest.mark.parametrize(
    "cost",
    [serving_cost(1e13), transformer_cost(vocab=32_000, context=2048)],
    ids=lambda cost: cost.name,
)
def test_other_costs_are_minimised_too(cost: Cost) -> None:
    """A grid of a thousand sizes about the optimum finds nothing better."""
    law = LAWS["coupled"]
    values = prior_coefficients(law, 20, seed=2)
    best = optimal_params(law, values, BUDGETS, cost)
    lowest = law.formula(best, cost.tokens(best, BUDGETS), **values)
    for factor in np.geomspace(0.1, 1.3, 1000):
        tokens = cost.tokens(best * factor, BUDGETS)
        other = law.formula(best * factor, tokens.where(tokens > 0), **values)
        assert not bool((other < lowest * (1 - 1e-12)).any())


def test_serving_makes_models_smaller(small_fit: Fit) -> None:
    trained = small_fit.optimum(1e22, drift=False)
    served = small_fit.optimum(1e22, cost=serving_cost(1e13), drift=False)
    assert bool((served["N_opt"] < trained["N_opt"]).all())
    assert served.attrs["cost"] == serving_cost(1e13).name


def test_an_optimum_spends_its_budget_and_has_its_decades(small_fit: Fit) -> None:
    largest = SIX_ND.flops(small_fit.runs["params"], small_fit.runs["tokens"]).max()
    budgets = [largest / 30, 10 * largest]
    best = small_fit.optimum(budgets)
    assert best["N_opt"].dims == ("chain", "draw", "budget")
    assert_allclose(best["budget"], budgets)
    spent = SIX_ND.flops(best["N_opt"], best["D_opt"]) / best["budget"]
    assert_allclose(spent, 1.0, rtol=1e-12)
    assert_allclose(best["tokens_per_param"], best["D_opt"] / best["N_opt"])
    assert_allclose(best["decades_beyond_runs"], [0.0, 1.0])


def test_every_draw_has_its_own_optimum(small_fit: Fit) -> None:
    one = small_fit.posterior.isel(chain=1, draw=7)
    values = {name: float(one[name]) for name in small_fit.law.coefficient_names}
    tokens = 1e23 / 6 / np.geomspace(1e9, 1e12, 200_001)
    losses = small_fit.law.formula(1e23 / 6 / tokens, tokens, **values)
    by_grid = (1e23 / 6 / tokens)[losses.argmin()]
    # The grid's step is 3.5e-5.
    best = small_fit.optimum(1e23, drift=False)["N_opt"].isel(chain=1, draw=7)
    assert_allclose(best, by_grid, rtol=5e-5)


@pytest.mark.parametrize("flops", [0.0, -1e21, np.nan, np.inf, "much", [], [1e21, -1.0]])
def test_budgets_that_are_no_positive_numbers_are_refused(small_fit: Fit, flops: object) -> None:
    with pytest.raises(DataError, match="expected positive numbers of FLOP"):
        small_fit.optimum(flops)


def test_a_law_of_one_input_has_no_optimum() -> None:
    law = LAWS["kaplan_n"]
    fitted = fit(
        law, simulated(law, noise=0.01, seed=1), likelihood=NORMAL, draws=50, tune=100, chains=1
    )
    with pytest.raises(LawError, match=r"'kaplan_n' has inputs .* needs params and tokens"):
        fitted.optimum(1e21)


def test_a_law_without_an_optimum_is_refused(small_fit: Fit) -> None:
    """With kappa and exponents as fitted, but a loss that depends on parameters only."""
    law = LAWS["coupled"]
    few = small_fit.posterior.isel(draw=slice(0, 3))
    values = {name: few[name] for name in law.coefficient_names}
    with pytest.raises(LawError, match=r"no optimum on the budget for 100.0% of the draws"):
        search_optimal_params(law, values | {"B": values["B"] * 0}, BUDGETS, SIX_ND)


def test_groups_have_optima_of_their_own(simulated_runs: pd.DataFrame) -> None:
    runs = simulated_runs.assign(corpus=["web", "code"] * 45)
    fitted = fit(
        LAWS["chinchilla"], runs, likelihood=NORMAL, groups="corpus", pool="separate", draws=50,
        tune=200, chains=2, random_seed=3,
    )  # fmt: skip
    best = fitted.optimum([1e22, 1e23])
    assert best["N_opt"].dims == ("chain", "draw", "corpus", "budget")
    assert list(best["corpus"].values) == ["code", "web"]
