import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose

from bayescale.fitting.record import Fit
from bayescale.posterior.convergence import convergence
from bayescale.posterior.loo import influential_runs, leave_one_out
from bayescale.posterior.summary import interval_names, summary_table

CHAINS, DRAWS = 4, 1000


def draws_of(values: np.ndarray) -> xr.DataArray:
    coords = {"chain": np.arange(CHAINS), "draw": np.arange(DRAWS)}
    return xr.DataArray(values, dims=("chain", "draw"), coords=coords)


def clean(seed: int = 1) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    return xr.Dataset({"alpha": draws_of(rng.normal(size=(CHAINS, DRAWS)))})


def stats(diverging: int = 0, slow: bool = False) -> xr.Dataset:
    rng = np.random.default_rng(2)
    flags = np.zeros((CHAINS, DRAWS), bool)
    flags[0, :diverging] = True
    energy = rng.normal(size=(CHAINS, DRAWS))
    if slow:  # a random walk: each step small beside the whole range
        energy = energy.cumsum(axis=1)
    return xr.Dataset({"diverging": draws_of(flags), "energy": draws_of(energy)})


def pareto(*k: float) -> xr.Dataset:
    return xr.Dataset({"pareto_k": ("run", np.array(k))}, attrs={"good_k": 0.7})


def test_clean_draws_are_trusted() -> None:
    verdict = convergence(clean(), stats(), pareto(0.1, 0.8))
    assert verdict.trusted
    assert str(verdict) == "trusted"


@pytest.mark.parametrize(
    ("reason", "posterior", "sample_stats", "loo"),
    [
        ("r_hat of alpha", clean() + xr.DataArray([0, 0, 0, 3.0], dims="chain"), stats(), pareto()),
        ("ess of alpha", clean().cumsum("draw"), stats(), pareto()),
        ("divergences: 3 of 4000", clean(), stats(diverging=3), pareto()),
        ("bfmi is 0.0", clean(), stats(slow=True), pareto()),
        ("pareto_k is above 1 for run 2", clean(), stats(), pareto(0.1, 1.1)),
    ],
    ids=["r_hat", "ess", "divergences", "bfmi", "pareto_k"],
)
def test_every_fault_is_named(
    reason: str, posterior: xr.Dataset, sample_stats: xr.Dataset, loo: xr.Dataset
) -> None:
    verdict = convergence(posterior, sample_stats, loo)
    assert not verdict.trusted
    assert any(text.startswith(reason) for text in verdict.reasons), verdict
    assert "NOT TO BE TRUSTED" in str(verdict)


@pytest.mark.parametrize(("moved", "trusted"), [(0.9, True), (1.1, False), (np.nan, False)])
def test_a_refit_without_a_run_decides_on_its_pareto_k(moved: float, *, trusted: bool) -> None:
    loo = pareto(0.1, 1.1).assign(moved=("run", [np.nan, moved]))
    verdict = convergence(clean(), stats(), loo)
    assert verdict.trusted == trusted
    assert ("moves by 1.1 posterior sd" in str(verdict)) == (moved == 1.1)


def test_influential_runs_are_counted_from_1() -> None:
    assert influential_runs(pareto(0.1, 1.1, 0.8), 0.7) == [2, 3]


def test_draws_that_never_move_are_not_trusted() -> None:
    assert not convergence(clean() * 0, stats(), pareto()).trusted


def test_widened_is_the_ratio_of_the_standard_deviations() -> None:
    """Of logarithms where every draw is positive, of the draws themselves elsewhere."""
    rng = np.random.default_rng(3)
    logs, plain = draws_of(rng.normal(size=(CHAINS, DRAWS))), clean()["alpha"]
    model = xr.Dataset({"scale": np.exp(logs), "plain": plain, "same": plain})
    draws = xr.Dataset({"scale": np.exp(3 * logs - 1), "plain": 2 * plain + 1, "same": plain})
    assert_allclose(summary_table(draws, model)["widened"], [3.0, 2.0, 1.0], rtol=1e-10)
    assert "widened" not in summary_table(draws)
    ends = [*interval_names()]
    assert_allclose(summary_table(draws, model)[ends], summary_table(draws)[ends])


def test_a_quantity_that_one_of_both_has_negative_is_compared_as_it_is() -> None:
    plain = clean()["alpha"]
    model = xr.Dataset({"alpha": plain - plain.min() + 1})
    assert float(plain.min()) < 0
    table = summary_table(xr.Dataset({"alpha": 2 * plain}), model)
    assert_allclose(table["widened"], 2.0, rtol=1e-10)


def test_draws_that_never_move_have_no_ratio() -> None:
    still = clean() * 0 + 1
    assert np.isnan(summary_table(still, still).loc["alpha", "widened"])


def test_intervals_follow_arviz_settings() -> None:
    from arviz_base import rc_context

    with rc_context({"stats.ci_prob": 0.5, "stats.ci_kind": "hdi"}):
        table = summary_table(clean())
    assert {"hdi50_lb", "hdi50_ub"} <= set(table)
    # Half of a normal lies within 0.674 sd; the ends' error is about 0.02 at 4,000 draws.
    assert_allclose(table.loc["alpha", "hdi50_ub"] - table.loc["alpha", "hdi50_lb"], 1.35, atol=0.1)


def test_budgets_are_written_as_people_do(small_fit: Fit) -> None:
    table = small_fit.summary(small_fit.optimum([1e13, 1.2345e13]))
    assert {"N_opt[1e+13]", "N_opt[12345000000000.0]"} <= set(table.index)


def test_a_chain_that_never_moved_is_refused_and_stops_nothing(small_fit: Fit) -> None:
    """Weights are then as they are: the density of a run is the harmonic mean of its draws'."""
    stuck = {"chain": 1, "draw": 0}
    posterior, density = (
        xr.concat([draws.isel(chain=0), draws.isel(stuck).expand_dims(draw=draws["draw"])], "chain")
        for draws in (small_fit.posterior, small_fit.log_likelihood.drop_vars("run") - [[[1.0]]])
    )
    density = density - xr.DataArray([0.0, 20.0], dims="chain")  # the stuck one is far off
    loo = leave_one_out(posterior, density)
    assert np.isposinf(loo["pareto_k"]).all()
    expected = -np.log(np.exp(-density).mean(("chain", "draw")))
    assert_allclose(loo["elpd_i"], expected.transpose(..., "run"), rtol=1e-10)
