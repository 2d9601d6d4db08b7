"""The annealing law against its sums step by step, and against least squares on its curves."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayescale as bs
from bayescale.errors import DataError
from bayescale.fitting.curve_ends import curve_ends
from bayescale.models.dynamics.lr_annealing import (
    LR_ANNEALING,
    lr_annealing,
    lr_drop,
    lr_sum,
    warmup_stable_decay,
)
from bayescale.models.dynamics.lr_annealing_claims import LUO
from bayescale.runs.read import runs_for
from bayescale.spec.claim import Claim
from tests.tables import PublicTable

PEAK = 3e-4


def step_by_step(rates: np.ndarray, decay: float) -> tuple[np.ndarray, np.ndarray]:
    """Both sums by the formula, a step at a time."""
    sums, drops, total, momentum, area = [], [], 0.0, 0.0, 0.0
    before = rates[0]
    for rate in rates:
        total += rate
        momentum = decay * momentum + (before - rate)
        area += momentum
        before = rate
        sums.append(total)
        drops.append(area)
    return np.array(sums), np.array(drops)


def curve(steps: np.ndarray, rates: np.ndarray, **columns: object) -> pd.DataFrame:
    table = pd.DataFrame({"step": steps.astype(float), "learning_rate": rates, "schedule": "one"})
    return table.assign(**columns)


@pytest.mark.parametrize("decay", [0.99, 0.999])
def test_sums_are_those_of_the_formula_after_the_rise(decay: float) -> None:
    steps = np.arange(100, 1001)
    rates = PEAK * (0.55 + 0.45 * np.cos(np.pi * (steps - 100) / 900))
    sums, drops = step_by_step(rates, decay)
    rise = PEAK * np.arange(100) / 100
    table = curve(steps, rates)
    assert_allclose(lr_sum(table), rise.sum() + sums, rtol=1e-12)
    assert_allclose(lr_drop(table, decay), drops, rtol=1e-9, atol=1e-18)


def test_a_lasting_drop_acts_as_in_closed_form() -> None:
    """Of a drop at step k, (1 - decay^(s - k + 1)) / (1 - decay) has come about at step s."""
    steps = np.arange(100, 2101, 50)
    table = curve(steps, np.where(steps < 1000, PEAK, PEAK / 10))
    since = np.maximum(steps - 1000 + 1, 0) * (steps >= 1000)
    expected = 0.9 * PEAK * (1 - 0.999**since) / (1 - 0.999)
    # That the rate steps at the row, and does not fall over the gap before it, is what the closed
    # form assumes.
    assert_allclose(lr_drop(table, 0.999), expected, rtol=1e-9, atol=1e-18)


def test_an_isolated_change_over_a_wide_gap_is_a_slow_fall() -> None:
    places = np.array([100, 2000, 6000, 8000])
    sparse = curve(places, np.array([PEAK, PEAK, PEAK / 10, PEAK / 10]))
    dense = curve(steps := np.arange(100, 8001, 10), np.interp(steps, places, sparse.learning_rate))
    shared = dense[dense["step"].isin(places)]
    assert_allclose(lr_sum(sparse), lr_sum(dense)[shared.index], rtol=1e-12)
    assert_allclose(lr_drop(sparse, 0.999), lr_drop(dense, 0.999)[shared.index], atol=1e-15)


def test_the_length_of_the_rise_can_be_given() -> None:
    steps = np.arange(160, 1001, 20)
    late, longer = (
        curve(steps, np.full(43, PEAK), **more) for more in ({}, {"warmup_steps": 100.0})
    )
    assert_allclose(lr_sum(longer) - lr_sum(late), PEAK * 30, rtol=1e-9)
    assert np.all(lr_drop(longer, 0.999) == 0)


def test_a_curve_in_any_order_and_among_others_has_the_same_sums() -> None:
    steps = np.arange(100, 1001, 30)
    one = curve(steps, np.linspace(PEAK, PEAK / 10, len(steps)))
    other = curve(steps, np.full(len(steps), PEAK)).assign(schedule="two")
    mixed = pd.concat([one, other]).sample(frac=1, random_state=3).reset_index(drop=True)
    drops = mixed.assign(drop=lr_drop(mixed, 0.999)).query("schedule == 'one'").sort_values("step")
    assert_allclose(drops["drop"], lr_drop(one, 0.999), rtol=1e-12)


def test_one_row_alone_is_no_schedule() -> None:
    with pytest.raises(DataError, match="has one row, at step 24000; expected all of it"):
        lr_sum(curve(np.array([24000]), np.array([PEAK])))


def test_columns_that_are_missing_are_named() -> None:
    with pytest.raises(DataError, match="no column 'learning_rate'; expected"):
        lr_sum(pd.DataFrame({"step": [1.0], "schedule": ["one"]}))


def test_a_schedule_falls_at_its_end() -> None:
    schedule = warmup_stable_decay(10_000, 2_000, peak=PEAK, last=0.0, warmup_steps=500)
    assert schedule["step"].iloc[[0, -1]].tolist() == [500.0, 10_000.0]
    assert schedule.loc[schedule["step"] <= 8_000, "learning_rate"].eq(PEAK).all()
    assert_allclose(np.interp(9_000, schedule["step"], schedule["learning_rate"]), PEAK / 2)
    with pytest.raises(DataError, match="expected both above 0, and room for both"):
        warmup_stable_decay(10_000, 9_900, peak=PEAK, last=0.0, warmup_steps=500)


def test_how_much_a_drop_lowers_the_loss_in_the_end() -> None:
    """The law's own loss long after a drop, against `drop_gain` times the drop."""
    known = dict(LR_ANNEALING.claims[0].values)
    table = curve(steps := np.arange(100, 40_001, 100), np.where(steps < 5_000, PEAK, PEAK / 10))
    gained = known["C"] * float(lr_drop(table, 0.999).iloc[-1])
    # The remainder after 35,000 steps is 0.999^35,000, below 1e-15.
    assert_allclose(gained, LR_ANNEALING.derive(known)["drop_gain"] * 0.9 * PEAK, rtol=1e-9)


def least_squares(known: pd.DataFrame) -> dict[str, float]:
    from scipy.optimize import least_squares as minimise

    def residuals(x: np.ndarray) -> np.ndarray:
        values = {"L_0": x[0], "A": np.exp(x[1]), "alpha": x[2], "C": x[3]}
        expected = LR_ANNEALING.formula(known["lr_sum"], known["lr_drop"], **values)
        return np.asarray(np.log(expected) - np.log(known["loss"]))

    x = minimise(residuals, [2.5, -0.5, 0.5, 0.5], xtol=1e-14, ftol=1e-14, gtol=1e-14).x
    return {"L_0": x[0], "A": float(np.exp(x[1])), "alpha": x[2], "C": x[3]}


@pytest.mark.parametrize("claim", LUO, ids=lambda claim: claim.label)
def test_least_squares_on_two_curves_gives_the_claims(
    public_table: PublicTable, claim: Claim
) -> None:
    law = lr_annealing(float(claim.method.removeprefix("decay ")))
    table = public_table(claim.data.table)
    known = runs_for(law, table.drop(index=list(claim.data.without)))
    assert set(known["schedule"]) == {"cosine_24000", "constant_24000"}
    assert table["schedule"].isin(set(known["schedule"])).sum() == len(known)
    estimates = least_squares(known)
    for name, value in claim.values.items():
        # Half a unit of the last digit, and as much again for the claim's own computation.
        assert_allclose(estimates[name], value, atol=2 * claim.rounding(name), err_msg=name)


@pytest.mark.parametrize("size", ["25m", "100m", "400m"])
def test_branches_are_fitted_once(public_table: PublicTable, size: str) -> None:
    runs = runs_for(LR_ANNEALING, public_table(f"multi_power_law_{size}"))
    series = LR_ANNEALING.likelihoods[0].series
    kept = runs[series.kept_rows(runs, ("lr_sum", "lr_drop", "loss"))]
    early = kept[kept["schedule"].isin(["wsdcon_3", "wsdcon_9", "wsdcon_18"])].query("step < 8000")
    # One curve may hold the rows before the step; each other branch has one, where it leaves.
    assert np.sort(early.groupby("schedule").size())[:2].tolist() == [1, 1]


@pytest.mark.slow
def test_a_table_of_the_same_design_gives_its_constants_back(public_table: PublicTable) -> None:
    """Simulated on the curves of the table: within 4 posterior sd, and the longer decay is better.

    A miss by chance in one of four numbers is below 3 in 10,000 if calibrated.
    """
    table = runs_for(LR_ANNEALING, public_table("multi_power_law_100m", part="fit"))
    truth = {"L_0": 2.8, "A": 0.6, "alpha": 0.45, "C": 0.5}
    rng = np.random.default_rng(4)
    table["loss"] = LR_ANNEALING.formula(table["lr_sum"], table["lr_drop"], **truth)
    for _, rows in table.groupby("schedule"):
        noise = 0.001 * rng.standard_normal(len(rows) + 1)
        for k in range(1, len(noise)):
            noise[k] = 0.9 * noise[k - 1] + np.sqrt(1 - 0.9**2) * noise[k]
        table.loc[rows.index, "loss"] *= np.exp(noise[1:] + 0.001 * rng.standard_normal())
    fitted = bs.fit(LR_ANNEALING, table, random_seed=4)
    for name, value in truth.items():
        draws = fitted.posterior[name]
        assert abs(float(draws.mean()) - value) < 4 * float(draws.std()), name
    schedules = [
        warmup_stable_decay(24_000, steps, peak=PEAK, last=PEAK / 10, warmup_steps=2_160)
        for steps in (100, 4_000)
    ]
    ends = curve_ends(fitted, pd.concat(schedules, ignore_index=True))
    assert ends["curve"].to_numpy().tolist() == ["wsd_100", "wsd_4000"]
    assert float((ends["best"] == 1).mean()) > 0.99
