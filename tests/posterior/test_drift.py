"""Drift: how wrong a law is beyond its runs, where that comes from and what it does."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from bayescale.fitting.fit import fit
from bayescale.fitting.record import Fit
from bayescale.inference.structure import build_structure
from bayescale.likelihoods import NORMAL
from bayescale.models import LAWS
from bayescale.posterior.draws import Draws
from bayescale.posterior.drift import (
    RATIO,
    draw_drift,
    draw_tau,
    drift_share,
    drift_slope,
    on_misfit_scale,
    reweighted_tau,
    usual_residual,
    weighted_slope,
)
from bayescale.posterior.quantities import quantities
from bayescale.priors import LogNormal, Normal
from bayescale.spec.law import Drift, Law
from tests.designs import simulated, truth_of

CHINCHILLA = LAWS["chinchilla"]
DRIFT = 0.05
RESIDUALS = np.random.default_rng(6).standard_normal(401)


def flat_law(drift: Drift | None = None) -> Law:
    """The same loss everywhere, whose logarithm is the parameter."""
    return Law(
        name="flat",
        title="One number",
        formula=lambda params, level: np.exp(level) + 0.0 * params,
        inputs=("params",),
        priors={"level": Normal(mu=0.0, sigma=1.0)},
        coefficients=lambda units, level: {"level": level},
        drift=drift or Drift(),
        reference="none",
    )


def flat_draws(residuals: np.ndarray, drift: Drift | None = None) -> Draws:
    """One draw of the flat law, at no level, of runs with these residuals."""
    law = flat_law(drift)
    runs = pd.DataFrame({"params": np.geomspace(1e6, 1e9, len(residuals))})
    runs["loss"] = np.exp(residuals)
    structure = build_structure(law, runs, NORMAL, clusters=None)
    return Draws(structure, quantities(Draws(structure, truth_of(structure), runs)), runs)


@pytest.fixture(scope="module")
def cut_runs() -> tuple[Fit, pd.DataFrame]:
    """A fit to the smaller of simulated runs, and the larger ones with a drift put on them."""
    runs = simulated(CHINCHILLA, noise=0.005, seed=4, each=9)
    flops = runs["params"] * runs["tokens"]
    large = flops > flops.quantile(0.6)
    known, larger = runs[~large].reset_index(drop=True), runs[large].reset_index(drop=True)
    decades = np.log10((larger["params"] * larger["tokens"]) / flops[~large].max())
    larger["loss"] *= np.exp(DRIFT * decades)
    fitted = fit(
        CHINCHILLA, known, likelihood=NORMAL, clusters=None, draws=200, chains=2, random_seed=3
    )
    return fitted, larger


def many(draws: Draws) -> Draws:
    """The same draw 4,000 times, in four chains."""
    posterior = draws.posterior.isel(chain=[0] * 4, draw=[0] * 1000)
    return Draws(draws.structure, posterior, draws.runs)


def test_a_drift_is_normal_with_its_own_tau() -> None:
    drawn = draw_drift(many(flat_draws(RESIDUALS)), 1)
    assert {*drawn} == {"tau", "drift", "split_tau", "split_drift"}
    assert drawn.sizes == {"chain": 4, "draw": 1000}
    z = (drawn["drift"] / drawn["tau"]).to_numpy()
    # Monte Carlo errors of a mean and an sd of 4,000 independent values, times five.
    assert abs(z.mean()) < 5 / np.sqrt(z.size)
    assert abs(z.std() - 1) < 5 / np.sqrt(2 * z.size)


def test_a_slope_is_recovered(cut_runs: tuple[Fit, pd.DataFrame]) -> None:
    """Within four standard errors: missed by chance once in 16,000."""
    fitted, larger = cut_runs
    slope, variance = drift_slope(fitted.draws, larger)
    assert abs(slope - DRIFT) < 4 * np.sqrt(variance)
    assert np.sqrt(variance) < DRIFT / 2


def test_a_weighted_slope_is_least_squares_where_predictions_are_sure() -> None:
    decades = np.array([0.5, 1.0, 2.0])
    slope, variance = weighted_slope(0.1 * decades, np.zeros((3, 50)), np.full(3, 0.04), decades)
    assert_allclose(slope, 0.1)
    assert_allclose(variance, 0.04 / (decades**2).sum())


@pytest.mark.parametrize(
    ("slopes", "low", "high"),
    [
        ([(0.0, 1e6)], 0.9, 1.1),  # no information
        ([(0.001, 1e-8), (-0.001, 1e-8)], 0.0, 0.5),
        ([(0.1, 1e-6)], 2.0, 20.0),
    ],
)
def test_slopes_move_tau(slopes: list[tuple[float, float]], low: float, high: float) -> None:
    rng = np.random.default_rng(5)
    prior = np.exp(np.log(0.02) + 0.9 * rng.standard_normal(40_000))
    ratio = np.median(reweighted_tau(prior, slopes, rng)) / np.median(prior)
    assert low < ratio < high


def test_within_the_runs_nothing_is_added(small_fit: Fit) -> None:
    inside = small_fit.runs.iloc[:5]
    alone = small_fit.predict(inside, drift=False)
    assert_allclose(small_fit.predict(inside)["mean"], alone["mean"])


def test_the_law_drifts_outside_the_runs(small_fit: Fit) -> None:
    points = {"params": [1e7, 1e8], "tokens": [1e9, 1e10]}
    mean, alone = (small_fit.predict(points, drift=on)["mean"] for on in (True, False))
    drift = np.log(mean / alone) / mean["decades_beyond_runs"]
    assert bool((mean["decades_beyond_runs"] > 1).all())
    expected = small_fit.drift["drift"].to_numpy()
    for k in range(2):
        assert_allclose(drift.isel(point=k), expected, rtol=1e-9)


def test_an_optimum_that_moved_still_costs_its_budget(small_fit: Fit) -> None:
    best, alone = (small_fit.optimum([1e13, 1e16], drift=on) for on in (True, False))
    flops = 6 * best["N_opt"] * best["D_opt"]
    assert_allclose(flops, best["budget"].broadcast_like(flops))
    moved = np.log(best["N_opt"] / alone["N_opt"]).isel(budget=1)
    far = float(best["decades_beyond_runs"][1])
    assert_allclose(moved, far * small_fit.drift["split_drift"], rtol=1e-9)


def test_laws_without_back_tests_have_the_general_prior_of_the_ratio() -> None:
    draws = many(flat_draws(0.02 * RESIDUALS))
    ratio = draw_drift(draws, 7)["tau"] / usual_residual(draws)
    spread = RATIO.parameters["sigma"]
    error = 1.2533 * spread / np.sqrt(4000)  # of the median of Normal draws
    assert abs(np.log(ratio).median() - RATIO.parameters["mu"]) < 5 * error


def test_the_usual_residual_is_the_median_one_as_a_standard_deviation() -> None:
    """By hand: of eight runs and one coefficient, whose median absolute residual is 0.04."""
    residuals = 0.01 * np.array([1.0, -2.0, 3.0, -3.9, 4.1, -50.0, 60.0, -70.0])
    expected = 0.04 / 0.6744897501960817 * np.sqrt(8 / 7)
    assert_allclose(usual_residual(flat_draws(residuals)), expected, rtol=1e-9)


def test_the_usual_residual_of_normal_runs_is_their_scatter() -> None:
    """The standard error of a median absolute residual is 1.17 over the root of the runs."""
    found = usual_residual(flat_draws(0.02 * RESIDUALS))
    assert abs(found / 0.02 - 1) < 5 * 1.17 / np.sqrt(len(RESIDUALS))


def test_the_usual_residual_of_a_fit_is_its_scatter(cut_runs: tuple[Fit, pd.DataFrame]) -> None:
    """Five coefficients were fitted to the runs, which the spread of residuals is corrected for."""
    fitted, _ = cut_runs
    found = usual_residual(fitted.draws)
    assert abs(found / 0.005 - 1) < 5 * 1.17 / np.sqrt(len(fitted.runs) - 5)


def test_a_few_wild_runs_do_not_decide_the_usual_residual() -> None:
    """Making the larger residuals larger yet leaves their median where it is."""
    wild = 0.02 * RESIDUALS
    wild[np.argsort(abs(wild))[-60:]] *= 100
    assert_allclose(
        usual_residual(flat_draws(wild)), usual_residual(flat_draws(0.02 * RESIDUALS)), rtol=1e-9
    )


@pytest.mark.parametrize("times", [0.1, 3.0])
def test_tau_scales_with_the_residuals(times: float) -> None:
    ratio = LogNormal(mu=1.0, sigma=0.5)
    drift = Drift(ratio=ratio, source="assumed")
    once, scaled = (
        draw_tau(flat_draws(by * 0.02 * RESIDUALS, drift), (500,), np.random.default_rng(8))
        for by in (1.0, times)
    )
    assert_allclose(scaled, times * once, rtol=1e-9)
    own = ratio.draw((500,), np.random.default_rng(8))
    assert_allclose(once, own * usual_residual(flat_draws(0.02 * RESIDUALS)), rtol=1e-12)


def test_a_prior_of_tau_itself_does_not_look_at_the_residuals() -> None:
    prior = LogNormal(mu=-4.0, sigma=0.5)
    drift = Drift(tau=prior, source="assumed")
    expected = prior.draw((500,), np.random.default_rng(8))
    for by in (1.0, 3.0):
        draws = flat_draws(by * 0.02 * RESIDUALS, drift)
        assert_allclose(draw_tau(draws, (500,), np.random.default_rng(8)), expected, rtol=1e-12)


def test_misfits_are_on_the_scale_of_the_response() -> None:
    """Log ratios of losses; of proportions the distance in log odds, to first order."""
    loss = pd.DataFrame({"loss": [2.0, 3.0]})
    found = on_misfit_scale(CHINCHILLA, loss, np.array([1.0, 3.0]))
    assert_allclose(found, [np.log(2), 0.0], rtol=1e-12)
    law = LAWS["sigmoid_accuracy"]
    accuracy = pd.DataFrame({law.response: [0.5001, 1.0, 0.2]})
    middle = np.array([0.5, 0.9, 0.2])
    found = on_misfit_scale(law, accuracy, middle)
    # The slope is a central difference, right to eight digits.
    assert_allclose(found, [0.0001 / 0.25, 0.1 / 0.09, 0.0], rtol=1e-7)


def test_a_stage_has_a_drift_of_its_own() -> None:
    law = LAWS["error_ladder"]
    runs = simulated(law, noise=0.01, seed=2, each=6)
    structure = build_structure(law, runs, clusters=None)
    draws = many(Draws(structure, quantities(Draws(structure, truth_of(structure), runs)), runs))
    assert structure.stage is not None
    assert CHINCHILLA.drift.ratio is not None
    drawn, prefix = draw_drift(draws, 5), structure.stage.prefix
    alone = draw_drift(draws.stage, 6)
    assert {*drawn} == {*alone, *(f"{prefix}{name}" for name in alone)}
    for name, values in alone.items():
        assert_allclose(drawn[f"{prefix}{name}"], values, rtol=1e-12)
    ratio = drawn[f"{prefix}tau"] / usual_residual(draws.stage)
    prior = CHINCHILLA.drift.ratio.parameters
    error = 1.2533 * prior["sigma"] / np.sqrt(4000)
    assert abs(np.log(ratio).median() - prior["mu"]) < 5 * error


def test_the_share_of_drift_is_the_variance_that_goes_without_it(small_fit: Fit) -> None:
    largest = float((6 * small_fit.runs["params"] * small_fit.runs["tokens"]).max())
    budgets = [largest / 2, 30 * largest]
    with_drift, alone = (
        np.log(small_fit.optimum(budgets, drift=on)["N_opt"]) for on in (True, False)
    )
    share = drift_share(small_fit.drift, small_fit.optimum(budgets))
    dims = ("chain", "draw")
    gone = 1 - alone.var(dims) / with_drift.var(dims)
    assert float(share[0]) == 0
    # Independent draws correlate by chance, by less than 4 over the root of their number.
    chance = 4 / np.sqrt(small_fit.posterior.sizes["chain"] * small_fit.posterior.sizes["draw"])
    assert_allclose(share, gone, atol=chance)
