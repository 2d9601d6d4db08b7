"""Larger runs are predicted from smaller ones, and scored by what was observed."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bayescale import backtesting, contestants
from bayescale.backtesting import MASSES, Backtest, backtest, crps
from bayescale.contestants import METHODS, Predicted, Question
from bayescale.errors import ConvergenceError, DataError, LawError
from bayescale.likelihood import student_t
from bayescale.models import LAWS

LAW = LAWS["chinchilla"]


def soothsayer(asked: Question) -> Predicted:
    """Normal about the observed response, a standard deviation too high."""
    observed = np.log(asked.larger["loss"].to_numpy())
    rng = np.random.default_rng(asked.random_seed)
    draws = observed + 0.01 + 0.01 * rng.standard_normal((4000, len(observed)))
    density = stats.norm(observed + 0.01, 0.01).logpdf(observed)
    return Predicted(draws, density, doubt="it only says so")


def sulker(asked: Question) -> Predicted:
    raise ConvergenceError("no draws; expected some. Try again.")


@pytest.fixture
def told(simulated_runs: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> Backtest:
    monkeypatch.setattr(backtesting, "METHODS", {"soothsayer": soothsayer, "sulker": sulker})
    return backtest(LAW, simulated_runs, cuts=(0.5, 0.8), methods=("soothsayer", "sulker"), jobs=1)


def test_every_larger_run_is_predicted_once_a_cut(
    told: Backtest, simulated_runs: pd.DataFrame
) -> None:
    flops = simulated_runs["flops"]
    for cut, held_out in told.predictions.groupby("cut"):
        above = flops > flops.quantile(cut)
        assert held_out["run"].to_numpy().tolist() == np.flatnonzero(above).tolist()
        beyond = np.log10(flops[above] / flops[~above].max())
        np.testing.assert_allclose(held_out["decades"], beyond)
        np.testing.assert_allclose(held_out["observed"], np.log(simulated_runs["loss"][above]))
    assert told.predictions.sizes["mass"] == len(MASSES)


def test_scores_are_those_of_the_prediction(told: Backtest) -> None:
    scores = told.scores().loc["soothsayer"]
    # Monte Carlo error of a median of 4,000 draws is 0.0002 and of the ends about 0.0003.
    assert scores["bias"] == pytest.approx(0.01, abs=2e-4)
    assert scores["rmse"] == pytest.approx(0.01, abs=2e-4)
    assert scores["width_90"] == pytest.approx(2 * 1.645 * 0.01, abs=5e-4)
    # One standard deviation off: outside of 50%, inside of 80% and more, everywhere.
    assert scores[[f"inside_{m}" for m in (50, 80, 90, 95)]].tolist() == [0, 1, 1, 1]
    assert scores["log_score"] == pytest.approx(stats.norm(0.01, 0.01).logpdf(0))
    pit = told.predictions["pit"].to_numpy()
    assert pit == pytest.approx(stats.norm.cdf(-1), abs=4 * np.sqrt(0.16 * 0.84 / 4000))


def test_scores_by_distance(told: Backtest) -> None:
    apart = told.scores(decades=[0, 0.5, 1.0, 2.0])
    assert apart.index.names == ["method", "decades"]
    assert len(apart) == 3
    assert (apart["inside_50"] == 0).all()


def test_what_failed_and_what_is_doubtful_is_said(told: Backtest) -> None:
    remarks = told.remarks.set_index(["method", "cut"])["remark"]
    assert remarks["soothsayer", 0.5] == "it only says so"
    assert remarks["sulker", 0.8] == "ConvergenceError: no draws; expected some. Try again."
    assert len(remarks) == 4
    assert set(told.predictions["method"].to_numpy()) == {"soothsayer"}


def test_crps_of_a_normal() -> None:
    """Closed form of Gneiting and Raftery (2007), eq. 21's example for a normal."""
    z = np.array([-2.0, 0.0, 0.5])
    draws = np.random.default_rng(1).standard_normal((40_000, 3))
    density, below = stats.norm.pdf(z), stats.norm.cdf(z)
    exact = z * (2 * below - 1) + 2 * density - 1 / np.sqrt(np.pi)
    # The mean of |draw - z| has an sd of 0.6 to 1 over sqrt(40,000).
    np.testing.assert_allclose(crps(draws, z), exact, atol=4 / np.sqrt(40_000))


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"by": "loss"}, "cut by 'loss'; expected one of params, tokens, flops"),
        ({"cuts": (0.99,)}, "cut 0.99 by flops leaves 90 runs to fit and 0 to predict"),
        ({"by": "params", "cuts": (0.02,)}, "2 runs to fit and 88 to predict; expected 6 or more"),
        ({"cuts": (1.5,)}, "Take other cuts between 0 and 1"),
    ],
)
def test_cuts_that_say_nothing_are_refused(
    simulated_runs: pd.DataFrame, choices: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        backtest(LAW, simulated_runs, **choices)


def test_rows_on_disk_are_of_one_table_and_law(
    simulated_runs: pd.DataFrame, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backtesting, "METHODS", {"soothsayer": soothsayer})
    kept = {"path": tmp_path / "rows.jsonl", "jobs": 1, "cuts": (0.5,), "methods": ("soothsayer",)}
    first = backtest(LAW, simulated_runs, **kept)
    again = backtest(LAW, simulated_runs, **kept)
    assert again.predictions.identical(first.predictions)
    other = backtest(LAW, simulated_runs.assign(loss=simulated_runs["loss"] * 2), **kept)
    assert (other.predictions["observed"] > first.predictions["observed"]).all()


def test_methods_that_are_not_there_are_refused(simulated_runs: pd.DataFrame) -> None:
    with pytest.raises(LawError, match=r"unknown \['oracle'\]; expected methods among posterior"):
        backtest(LAW, simulated_runs, methods=("posterior", "oracle"))


def test_only_the_posterior_knows_of_clusters_and_of_what_is_beyond(
    simulated_runs: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both ask for the same fit; the baseline's is of one scale, of single runs, and undrifted."""
    asked: list[tuple[str | None, bool, bool]] = []
    monkeypatch.setattr(
        contestants,
        "_posterior",
        lambda q, extrapolate=True: asked.append(
            (q.clusters, q.likelihood is student_t, extrapolate)
        ),
    )
    question = Question(LAW, None, "found", simulated_runs, simulated_runs, 1)
    contestants._one_scale(question)
    assert asked == [(None, True, False)]


@pytest.mark.slow
def test_intervals_hold_where_the_law_is_true(simulated_runs: pd.DataFrame) -> None:
    """The coupled law made these runs: beyond them, intervals of its fit hold what they say."""
    found = backtest(LAWS["coupled"], simulated_runs, cuts=(0.6,), jobs=2, random_seed=1)
    scores = found.scores()
    assert set(scores.index) == set(METHODS)
    # The coefficients are common to the 30 runs predicted, which therefore count as fewer: for
    # ten independent ones, fewer than 6 inside has probability 0.002.
    assert scores.loc["posterior", "inside_90"] >= 0.6
    assert scores.loc["posterior", "rmse"] < 0.02
    assert found.remarks.query("method != 'one_scale'").empty
