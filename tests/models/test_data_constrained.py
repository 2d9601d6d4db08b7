"""The law of repeated data against what its paper and its code print, and at its limits."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from bayescale.auditing.audit import audit
from bayescale.fitting.fit import fit
from bayescale.likelihoods import NORMAL
from bayescale.models.data import data_constrained
from bayescale.models.data.data_constrained import DATA_CONSTRAINED, loss, value, worth
from bayescale.models.data.data_constrained_claims import BUDGET, CODE, UNIQUE
from bayescale.models.size_and_data import chinchilla
from bayescale.spec.functions import call
from tests.designs import coefficients, middle
from tests.tables import PublicTable

ADDITIVE = {name: CODE[name] for name in ("E", "A", "B", "alpha", "beta")}
GOPHER = 5.76e23


@pytest.mark.parametrize(
    ("params", "tokens", "expected"),
    [(6.34e9, 242e9, 2.2256440889984477), (8.67e9, 178e9, 2.2269634075087867)],
)
def test_the_losses_that_its_code_prints(params: float, tokens: float, expected: float) -> None:
    assert_allclose(loss(params, tokens, 25e9, **CODE), expected, rtol=1e-9)


def test_the_allocation_that_its_code_prints() -> None:
    """227B tokens, 9.1 epochs, 6.8B params by a grid of steps of 0.4%."""
    params = call(data_constrained.optimal_params, CODE, product=BUDGET / 6, **UNIQUE)
    tokens = BUDGET / 6 / params
    best = [tokens / 1e9, tokens / 25e9, params / 1e9]
    assert_allclose(best, [227, 9.1, 6.8], atol=0.5)
    assert_allclose(best, [227, 9.1, 6.8], rtol=0.004 + 0.05 / 6.8)


def test_the_optimum_of_fresh_data_that_its_paper_prints() -> None:
    """70.0B params and 1.37T tokens at the compute of Gopher, by the additive law's closed form."""
    params = call(data_constrained.optimal_params, CODE, product=GOPHER / 6, unique_tokens=1e30)
    assert_allclose(params / 1e9, 70.0, atol=0.05)
    assert_allclose(GOPHER / 6 / params / 1e12, 1.37, atol=0.005)
    closed = call(chinchilla.optimal_params, CODE, product=GOPHER / 6)
    # Halvings of an interval of log(product), once for either end.
    step = np.log(GOPHER / 6) / 2.0**data_constrained.HALVINGS
    assert_allclose(np.log(params / closed), 0.0, atol=2 * step)


def test_what_epochs_are_worth() -> None:
    """Figures that were computed by hand from R_D, to their last digit."""
    epochs = np.array([2, 4, 8, 16, 32])
    worths = worth(epochs, CODE["R_D"])
    assert_allclose(worths, [1.97, 3.73, 6.62, 10.6, 14.3], atol=0.05)
    assert_allclose(value(np.array([4, 16]), CODE["R_D"]), [0.82, 0.38], atol=0.005)
    # The worth of many epochs is the integral of what every epoch adds.
    fine = np.linspace(1, 16, 100_001)
    total = 1 + np.trapezoid(value(fine, CODE["R_D"]), fine)
    assert_allclose(total, worth(16, CODE["R_D"]), rtol=1e-9)
    assert_allclose(worth(1e6, CODE["R_D"]), 1 + CODE["R_D"])


def test_fresh_data_for_a_model_that_is_not_too_large_is_chinchilla_to_the_last_bit() -> None:
    tokens = np.geomspace(1e9, 1e12, 40)
    largest = call(chinchilla.optimal_params, CODE, product=1.0) ** 2 * tokens  # alpha is beta
    for share in (0.9, 0.1, 1e-3):
        for more in (1.0, 3.0, 1e6):
            losses = loss(share * largest, tokens, more * tokens, **CODE)
            expected = chinchilla.loss(share * largest, tokens, **ADDITIVE)
            np.testing.assert_array_equal(losses, expected)
    # More parameters than that are worth less, also of fresh data.
    assert np.all(
        loss(3 * largest, tokens, tokens, **CODE) > chinchilla.loss(3 * largest, tokens, **ADDITIVE)
    )


def test_without_decay_it_is_chinchilla_everywhere() -> None:
    """exp(-r/R) is 1 - r/R but for a relative r/2R, of r up to a thousand."""
    rng = np.random.default_rng(1)
    params, tokens = 10 ** rng.uniform(7, 10, 200), 10 ** rng.uniform(9, 12, 200)
    unique = tokens / 10 ** rng.uniform(0, 3, 200)
    losses = loss(params, tokens, unique, **{**CODE, "R_D": 1e9, "R_N": 1e9})
    assert_allclose(losses, chinchilla.loss(params, tokens, **ADDITIVE), rtol=1e-5)


def test_no_gradient_jumps_where_repetition_or_excess_begin() -> None:
    """A kink of the minimum would: one-sided slopes across it differ by the curvature alone."""
    unique = 1e10
    optimal = call(chinchilla.optimal_params, CODE, product=1.0) ** 2 * unique
    step = 1e-4

    def slopes(of: Callable[[float], float]) -> tuple[float, float]:
        return (of(0.0) - of(-step)) / step, (of(step) - of(0.0)) / step

    for of in (
        lambda x: loss(optimal * np.exp(x), unique, unique, **CODE),
        lambda x: loss(optimal, unique * np.exp(x), unique, **CODE),
        lambda x: loss(optimal, 2 * unique, unique, **{**CODE, "A": CODE["A"] * np.exp(x)}),
        lambda x: loss(optimal, 2 * unique, unique, **{**CODE, "B": CODE["B"] * np.exp(x)}),
    ):
        before, after = slopes(of)
        # Second derivatives of the loss, about exponent squared of its parts, stay below 1.
        assert abs(after - before) < step


def test_groups_have_epochs_of_their_own_at_the_optimum() -> None:
    runs = _simulated(_design(), 0.01, seed=3)
    runs["corpus"] = np.where(np.arange(len(runs)) % 2, "web", "code")
    fitted = fit(
        DATA_CONSTRAINED,
        runs,
        likelihood=NORMAL,
        groups="corpus",
        pool="separate",
        draws=50,
        tune=200,
        chains=2,
        random_seed=3,
    )
    optimum = fitted.optimum([1e21, 1e22], at={"unique_tokens": 5e9}, drift=False)
    assert optimum["epochs"].dims == ("chain", "draw", "corpus", "budget")
    assert_allclose(optimum["epochs"], optimum["D_opt"] / 5e9)
    one = fitted.posterior.isel(chain=1, draw=7).sel(corpus="web")
    values = {name: float(one[name]) for name in DATA_CONSTRAINED.coefficient_names}
    params = np.geomspace(1e8, 1e11, 200_001)
    by_grid = params[loss(params, 1e22 / 6 / params, 5e9, **values).argmin()]
    best = optimum["N_opt"].isel(chain=1, draw=7).sel(corpus="web", budget=1e22)
    # The grid's step is 3.5e-5.
    assert_allclose(best, by_grid, rtol=5e-5)


@pytest.mark.slow
def test_known_values_are_recovered_at_the_design_of_its_table(
    public_table: PublicTable,
) -> None:
    """Every coefficient within 4 posterior sd: missed by chance once in 16,000 if calibrated."""
    table = public_table("datablations_contour")
    runs = _simulated(table[list(DATA_CONSTRAINED.inputs)], 0.01, seed=5)
    fitted = fit(DATA_CONSTRAINED, runs, likelihood=NORMAL, clusters=None, random_seed=5)
    assert fitted.verdict.trusted, fitted.verdict
    for name, truth in coefficients(DATA_CONSTRAINED, runs, middle(DATA_CONSTRAINED)).items():
        logs = np.log(fitted.posterior[name])
        assert abs(float(logs.mean()) - np.log(truth)) < 4 * float(logs.std()), name


@pytest.mark.slow
def test_its_claims_are_audited_on_its_table(
    public_table: PublicTable,
) -> None:
    """Its constants are of other models: the median residual is 8%, and the audit reports it."""
    table = public_table("datablations_contour")
    claims = DATA_CONSTRAINED.claims_about("datablations_contour")
    result = audit(
        claims, table, law=DATA_CONSTRAINED, random_seed=1, draws=500, chains=2, multiverse=None
    )
    assert [audited.claim.label for audited in result.claims] == [claim.label for claim in claims]
    code = result.claims[0].results
    assert code["optimum"].numbers["budget"] == BUDGET
    assert_allclose(code["optimum"].numbers["claimed"], 6.803e9, rtol=1e-3)
    off = np.log(table["loss"]) - np.log(
        loss(table["params"], table["tokens"], table["unique_tokens"], **CODE)
    )
    assert_allclose(np.median(abs(off)), 0.085, atol=0.0005)


def _design() -> pd.DataFrame:
    """A grid of sizes, different tokens and epochs."""
    axes = np.geomspace(5e7, 5e9, 4), np.geomspace(1e9, 1e11, 4), np.array([1.0, 4.0, 16.0, 64.0])
    params, unique, epochs = (axis.ravel() for axis in np.meshgrid(*axes))
    return pd.DataFrame({"params": params, "tokens": unique * epochs, "unique_tokens": unique})


def _simulated(design: pd.DataFrame, noise: float, seed: int) -> pd.DataFrame:
    """Runs of the law at the middle of its priors, with noise on the log."""
    truth = coefficients(DATA_CONSTRAINED, design, middle(DATA_CONSTRAINED))
    expected = loss(*(design[name].to_numpy() for name in DATA_CONSTRAINED.inputs), **truth)
    scatter = np.random.default_rng(seed).standard_normal(len(design))
    return design.assign(loss=expected * np.exp(noise * scatter))
