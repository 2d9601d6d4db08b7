"""Broken power laws against the formula as printed, their limits, and a curve that breaks."""

import numpy as np
import pandas as pd
import pymc as pm
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import curve_fit

from bayescale import datasets
from bayescale.fitting.fit import fit
from bayescale.inference.model import build_model
from bayescale.inference.record import Sampling
from bayescale.inference.structure import build_structure
from bayescale.likelihoods import STUDENT_T
from bayescale.models.one_variable import power_law
from bayescale.models.one_variable.broken_power_law import (
    BNSL_1,
    BNSL_2,
    SHARPEST,
    bends,
    broken_power_law,
    softplus,
    value,
)
from bayescale.models.one_variable.broken_power_law_claims import ADDITION
from bayescale.models.one_variable.power_law import POWER_LAW_CONSTANT
from bayescale.spec.functions import Array
from bayescale.spec.law import Law
from bayescale.validation.compare import compare
from tests.designs import coefficients, middle

X = np.geomspace(10, 1e4, 50)
SHORT = Sampling(draws=500, chains=2)
Pair = tuple[float, float]


def as_printed(x: Array, a: float, b: float, c_0: float, c: Pair, d: Pair, f: Pair) -> Array:
    """Equation 1 of the paper."""
    y = b * x**-c_0
    for c_i, d_i, f_i in zip(c, d, f, strict=True):
        y = y * (1 + (x / d_i) ** (1 / f_i)) ** (-c_i * f_i)
    return a + y


def addition() -> pd.DataFrame:
    return datasets.load("addition").rename(columns={"examples": "x", "loss": "y"})


def claimed() -> dict[str, object]:
    return BNSL_1.group_parts(ADDITION.values, BNSL_1.coefficient_names)


def test_without_a_break_it_is_the_power_law_with_a_floor() -> None:
    assert broken_power_law(0) is POWER_LAW_CONSTANT
    plain = power_law.value(X, 0.3, 2.0, 0.4)
    assert_allclose(value(X, 0.3, 2.0, 0.4, (), (), ()), plain, rtol=1e-15)


def test_breaks_of_no_change_leave_the_power_law() -> None:
    known = {"E": 0.3, "A": 2.0, "alpha": 0.4}
    values = BNSL_2.formula(X, **known, c=(0.0, 0.0), d=(50.0, 900.0), f=(0.1, 3.0))
    assert_allclose(values, power_law.value(X, **known), rtol=1e-14)


def test_there_is_one_law_for_a_number_of_breaks() -> None:
    assert broken_power_law(1) is BNSL_1
    assert broken_power_law(3) is broken_power_law(3)
    assert broken_power_law(3).coefficient_labels[3:6] == ("c[1]", "c[2]", "c[3]")


def test_it_is_the_formula_as_printed() -> None:
    known = ((0.49, -0.811), (300.0, 2000.0), (1.1, 0.2))
    expected = as_printed(X, 1e-3, 46.6, 0.05, *known)
    assert_allclose(BNSL_2.formula(X, 1e-3, 46.6, 0.05, *known), expected, rtol=1e-12)


def test_far_from_the_breaks_every_segment_has_its_exponent() -> None:
    """A decade away a break of width 0.2 has changed it by c exp(-log(10) / 0.2), or 1e-5 of c."""
    c, d, f = (0.5, -0.8), (1e3, 1e6), (0.2, 0.2)
    for x, slope in ((1e1, 0.1), (10**4.5, 0.6), (1e8, -0.2)):
        ends = BNSL_2.formula(x * np.array([0.99, 1.01]), 0.0, 5.0, 0.1, c, d, f)
        exponent = -np.diff(np.log(ends)).item() / np.log(1.01 / 0.99)
        assert_allclose(exponent, slope, atol=1e-5)


def test_a_sharp_break_is_a_kink_and_no_number_too_large() -> None:
    x = np.array([1e-60, 1.0, 3.0, 1e60])
    factors = bends(x, (0.5,), (1.0,), (0.02,))
    kink = np.where(x > 1, x**-0.5, 1.0)
    # At the kink itself it is off by 2**(-c f).
    assert_allclose(factors, kink * np.where(x == 1, 2**-0.01, 1.0), rtol=1e-12)


def test_softplus_is_stable() -> None:
    u = np.array([-1e4, -30.0, 0.0, 30.0, 1e4])
    assert_allclose(softplus(u), np.logaddexp(0.0, u), rtol=1e-15, atol=1e-300)


@pytest.mark.parametrize("law", [BNSL_1, BNSL_2])
def test_breaks_lie_in_order_among_the_runs(law: Law) -> None:
    runs = pd.DataFrame({"x": X, "y": 1.0})
    model = build_model(build_structure(law, runs, STUDENT_T), runs)
    d, f = pm.draw([model["d"], model["f"]], 500, random_seed=1, mode="FAST_COMPILE")
    assert np.all((d > X[0]) & (d < X[-1]))
    assert np.all(np.diff(d, axis=1) > 0)
    assert np.all(f > SHARPEST * np.log(X[-1] / X[0]))


def test_places_do_not_depend_on_how_the_runs_are_spaced() -> None:
    """Checkpoints bunch at the end of a logarithm; breaks are still spread over its range."""
    ends = {"x": np.linspace(10, 1e4, 50)}
    d = [
        coefficients(BNSL_1, pd.DataFrame(table), middle(BNSL_1))["d"] for table in (ends, {"x": X})
    ]
    assert_allclose(d[0], d[1], rtol=1e-12)


def test_the_published_constants_are_the_minimum_over_the_smaller_sets() -> None:
    """Of squared errors of log(1 + y), the paper's objective, as precise as the search is."""
    runs = addition()
    known = runs[runs["part"] == "fit"]
    start = np.array([ADDITION.values[name] for name in BNSL_1.coefficient_labels])

    def logs(x: Array, E: Array, A: Array, alpha: Array, *breaks: Array) -> Array:
        return np.log1p(BNSL_1.formula(x, E, A, alpha, *((number,) for number in breaks)))

    moved = start * np.array([1.02, 0.99, 1.02, 0.98, 1.002, 1.02])
    estimates, _ = curve_fit(logs, known["x"], np.log1p(known["y"]), p0=moved, maxfev=20_000)
    assert_allclose(estimates, start, rtol=1e-4)
    assert len(known) == ADDITION.runs


@pytest.mark.slow
def test_the_break_of_addition_is_recovered() -> None:
    """From the 14 smaller sets, with the three largest inside the 90% intervals."""
    runs = addition()
    known, larger = (runs[runs["part"] == part] for part in ("fit", "held out"))
    # The break mixes slowly: of 1,000 draws per chain 250 to 400 are effective.
    fitted = fit(BNSL_1, known, random_seed=1, draws=3000)
    assert fitted.verdict.trusted, fitted.verdict
    place = fitted.posterior["d"].isel(d_part=0)
    assert abs(float(place.mean()) - ADDITION.values["d[1]"]) < 2 * float(place.std())
    assert float(place.std()) < 10
    new = fitted.predict(larger[["x"]])["new_run"]
    low, high = new.quantile([0.05, 0.95], ("chain", "draw")).to_numpy()
    assert np.all((low < larger["y"]) & (larger["y"] < high))


@pytest.mark.slow
def test_known_breaks_are_recovered_at_the_design_of_addition() -> None:
    """Every number within 4 posterior sd: missed by chance once in 16,000 if calibrated."""
    x = addition()["x"].to_numpy()
    noise = np.exp(0.002 * np.random.default_rng(3).standard_normal(len(x)))
    runs = pd.DataFrame({"x": x, "y": BNSL_1.formula(x, **claimed()) * noise})
    fitted = fit(BNSL_1, runs, random_seed=3)
    assert not [reason for reason in fitted.verdict.reasons if reason.startswith("r_hat")]
    for label, true in ADDITION.values.items():
        name, _, part = label.partition("[")
        draws = fitted.posterior[name]
        draws = draws.sel({f"{name}_part": part[:-1]}) if part else draws
        assert abs(float(draws.mean()) - true) < 4 * float(draws.std()), label


@pytest.mark.slow
def test_a_break_is_preferred_where_there_is_one() -> None:
    comparison = compare([POWER_LAW_CONSTANT, BNSL_1], addition(), random_seed=1)
    assert comparison.table.index[0] == "bnsl_1"
    assert float(comparison.weights.sel(law="bnsl_1")) > 0.95


@pytest.mark.slow
def test_no_break_is_preferred_where_there_is_none() -> None:
    x = X[::2]
    noise = np.exp(0.01 * np.random.default_rng(2).standard_normal(len(x)))
    runs = pd.DataFrame({"x": x, "y": power_law.value(x, 0.3, 2.0, 0.4) * noise})
    comparison = compare([POWER_LAW_CONSTANT, BNSL_1], runs, random_seed=2, sampling=SHORT)
    difference = comparison.table.loc["bnsl_1", ["difference", "difference_se"]]
    assert difference["difference"] < 2 * difference["difference_se"] + 1
