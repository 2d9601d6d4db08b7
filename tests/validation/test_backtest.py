"""Larger runs are predicted from smaller ones, and scored by what was observed."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bayescale.errors import ConvergenceError, DataError, LawError
from bayescale.likelihoods import STUDENT_T
from bayescale.models import LAWS
from bayescale.validation import backtest as backtest_module
from bayescale.validation import backtest_methods
from bayescale.validation.backtest import MASSES, Backtest, backtest, crps
from bayescale.validation.backtest_methods import METHODS, BacktestTask, HeldOutPrediction
from bayescale.validation.sweep import Parallel

LAW = LAWS["chinchilla"]
ALONE = Parallel(jobs=1)


def too_high(task: BacktestTask) -> HeldOutPrediction:
    """Normal about the observed response, a standard deviation too high."""
    observed = np.log(task.larger["loss"].to_numpy())
    rng = np.random.default_rng(task.random_seed)
    draws = observed + 0.01 + 0.01 * rng.standard_normal((4000, len(observed)))
    density = stats.norm(observed + 0.01, 0.01).logpdf(observed)
    return HeldOutPrediction(draws, density, doubt="invented")


def failing(task: BacktestTask) -> HeldOutPrediction:
    raise ConvergenceError("no draws; expected some. Try again.")


@pytest.fixture
def tested(simulated_runs: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> Backtest:
    methods = {"too_high": too_high, "failing": failing}
    monkeypatch.setattr(backtest_module, "METHODS", methods)
    return backtest(LAW, simulated_runs, cuts=(0.5, 0.8), methods=tuple(methods), parallel=ALONE)


def test_every_larger_run_is_predicted_once_a_cut(
    tested: Backtest, simulated_runs: pd.DataFrame
) -> None:
    flops = simulated_runs["flops"]
    for cut, held_out in tested.predictions.groupby("cut"):
        larger = flops > flops.quantile(cut)
        assert held_out["run"].to_numpy().tolist() == np.flatnonzero(larger).tolist()
        decades = np.log10(flops[larger] / flops[~larger].max())
        np.testing.assert_allclose(held_out["decades"], decades)
        np.testing.assert_allclose(held_out["observed"], np.log(simulated_runs["loss"][larger]))
    assert tested.predictions.sizes["mass"] == len(MASSES)


def test_scores_are_those_of_the_prediction(tested: Backtest) -> None:
    scores = tested.scores().loc["too_high"]
    # Monte Carlo error of a median of 4,000 draws is 0.0002 and of the ends about 0.0003.
    assert scores["bias"] == pytest.approx(0.01, abs=2e-4)
    assert scores["rmse"] == pytest.approx(0.01, abs=2e-4)
    assert scores["width_90"] == pytest.approx(2 * 1.645 * 0.01, abs=5e-4)
    # One standard deviation off: outside of 50%, inside of 80% and more, everywhere.
    assert scores[[f"inside_{m}" for m in (50, 80, 90, 95)]].tolist() == [0, 1, 1, 1]
    assert scores["log_score"] == pytest.approx(stats.norm(0.01, 0.01).logpdf(0))
    pit = tested.predictions["pit"].to_numpy()
    assert pit == pytest.approx(stats.norm.cdf(-1), abs=4 * np.sqrt(0.16 * 0.84 / 4000))


def test_scores_by_distance(tested: Backtest) -> None:
    apart = tested.scores(decades=[0, 0.5, 1.0, 2.0])
    assert apart.index.names == ["method", "decades"]
    assert len(apart) == 3
    assert (apart["inside_50"] == 0).all()


def test_failures_and_doubts_are_remarks(tested: Backtest) -> None:
    remarks = tested.remarks.set_index(["method", "cut"])["remark"]
    assert remarks["too_high", 0.5] == "invented"
    assert remarks["failing", 0.8] == "ConvergenceError: no draws; expected some. Try again."
    assert len(remarks) == 4
    assert set(tested.predictions["method"].to_numpy()) == {"too_high"}


def test_crps_of_a_normal() -> None:
    """Closed form of Gneiting and Raftery (2007), eq. 21's example for a normal."""
    z = np.array([-2.0, 0.0, 0.5])
    draws = np.random.default_rng(1).standard_normal((40_000, 3))
    density, probability = stats.norm.pdf(z), stats.norm.cdf(z)
    exact = z * (2 * probability - 1) + 2 * density - 1 / np.sqrt(np.pi)
    # The mean of |draw - z| has an sd of 0.6 to 1 over sqrt(40,000).
    np.testing.assert_allclose(crps(draws, z), exact, atol=4 / np.sqrt(40_000))


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"order_by": "loss"}, "order_by is 'loss'; expected one of params, tokens, flops"),
        ({"cuts": (0.99,)}, "cut 0.99 by flops leaves 90 runs to fit and 0 to predict"),
        (
            {"order_by": "params", "cuts": (0.02,)},
            "2 runs to fit and 88 to predict; expected 6 or more",
        ),
        ({"cuts": (1.5,)}, "Take other cuts between 0 and 1"),
    ],
)
def test_cuts_that_leave_too_few_runs_are_refused(
    simulated_runs: pd.DataFrame, choices: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        backtest(LAW, simulated_runs, **choices)


def test_rows_on_disk_are_of_one_table_and_law(
    simulated_runs: pd.DataFrame, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backtest_module, "METHODS", {"too_high": too_high})
    parallel = Parallel(tmp_path / "rows.jsonl", jobs=1)
    options: dict[str, Any] = {"parallel": parallel, "cuts": (0.5,), "methods": ("too_high",)}
    first = backtest(LAW, simulated_runs, **options)
    again = backtest(LAW, simulated_runs, **options)
    assert again.predictions.identical(first.predictions)
    assert again.random_seed == first.random_seed
    other = backtest(LAW, simulated_runs.assign(loss=simulated_runs["loss"] * 2), **options)
    assert (other.predictions["observed"] > first.predictions["observed"]).all()


def test_methods_that_are_not_there_are_refused(simulated_runs: pd.DataFrame) -> None:
    with pytest.raises(LawError, match=r"unknown \['oracle'\]; expected methods among posterior"):
        backtest(LAW, simulated_runs, methods=("posterior", "oracle"))


def test_nothing_that_could_be_fitted_is_an_error(
    simulated_runs: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backtest_module, "METHODS", {"failing": failing})
    with pytest.raises(DataError, match=r"could be fitted \(ConvergenceError: no draws"):
        backtest(LAW, simulated_runs, methods=("failing",), parallel=ALONE)


def test_only_the_posterior_has_clusters_and_drift(
    simulated_runs: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The baseline's fit is of one scale, of single runs, and without drift."""
    fitted: list[tuple[str | None, bool, bool]] = []
    monkeypatch.setattr(
        backtest_methods,
        "_predict_by_posterior",
        lambda task, drift=True: fitted.append(
            (task.clusters, task.likelihood is STUDENT_T, drift)
        ),
    )
    task = BacktestTask(LAW, None, "auto", simulated_runs, simulated_runs, 1)
    backtest_methods._predict_with_one_scale(task)
    assert fitted == [(None, True, False)]


@pytest.mark.slow
def test_intervals_hold_where_the_law_is_true(simulated_runs: pd.DataFrame) -> None:
    """The coupled law made these runs: beyond them, intervals of its fit hold what they say."""
    tested = backtest(LAWS["coupled"], simulated_runs, cuts=(0.6,), parallel=ALONE, random_seed=1)
    scores = tested.scores()
    assert set(scores.index) == set(METHODS)
    # The coefficients are common to the 30 runs predicted, which therefore count as fewer: for
    # ten independent ones, fewer than 6 inside has probability 0.002.
    assert scores.loc["posterior", "inside_90"] >= 0.6
    assert scores.loc["posterior", "rmse"] < 0.02
    assert tested.remarks.query("method != 'one_scale'").empty
