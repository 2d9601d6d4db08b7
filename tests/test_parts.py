"""Coefficients and derived quantities with several parts, through everything a fit is used for."""

from dataclasses import replace
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr
from numpy.testing import assert_allclose

import bayescale as bs
from bayescale.checks import claimed_names, has_all, rounded
from bayescale.claims import Claim
from bayescale.coherence import coherence
from bayescale.draws import number
from bayescale.errors import DataError, LawError
from bayescale.fitting import Fit, fit
from bayescale.flops import Array
from bayescale.influence import influence
from bayescale.law import Law
from bayescale.likelihood import normal
from bayescale.models import LAWS
from bayescale.plots.claims import implied
from bayescale.pointfit import point_fit
from bayescale.priors import Prior
from bayescale.sensitivity import prior_sensitivity
from bayescale.specifications import multiverse

matplotlib.use("Agg")
SHORT = {"draws": 150, "tune": 250, "chains": 2}
LABELS = ("A", "k[slope]", "k[bend]")
MIDDLE, LOWER, UPPER = 300.0, 10.0, 1e4


def bent(x: Array, A: Array, k: tuple[Array, Array]) -> Array:
    """A power law whose exponent changes with the logarithm of x."""
    u = np.log(x / MIDDLE)
    return A * np.exp(-k[0] * u + k[1] * u**2)


def local(k: tuple[Array, Array]) -> tuple[Array, ...]:
    """Exponents at either end."""
    return tuple(k[0] - 2 * k[1] * np.log(end / MIDDLE) for end in (LOWER, UPPER))


LAW = Law(
    name="bent",
    title="A power law that bends",
    formula=bent,
    inputs=("x",),
    response="y",
    priors={
        "level": Prior(pm.LogNormal, mu=0.0, sigma=0.5),
        "k": Prior(pm.Normal, mu=(0.3, 0.0), sigma=(0.5, 0.1), parts=("slope", "bend")),
    },
    coefficients=lambda units, level, k: {"A": level * units.pivot["y"], "k": k},
    derived={"local": local},
    reference="none",
)


@pytest.fixture(scope="module")
def runs() -> pd.DataFrame:
    x = np.geomspace(LOWER, UPPER, 40)
    noise = np.exp(0.005 * np.random.default_rng(1).standard_normal(40))
    return pd.DataFrame({"x": x, "y": bent(x, 3.0, (0.2, 0.01)) * noise})


@pytest.fixture(scope="module")
def fitted(runs: pd.DataFrame) -> Fit:
    """Too few draws to be trusted."""
    return fit(LAW, runs, likelihood=normal, random_seed=2, **SHORT)


CLAIM = Claim(
    label="truth",
    values={"A": 3.0, "k[slope]": 0.2, "k[bend]": 0.01},
    errors={"k[bend]": 0.001},
    digits={"A": 2, "k[slope]": 3},
    reference="none",
    runs=40,
)


def test_every_number_has_the_label_of_a_summary(fitted: Fit) -> None:
    assert LAW.numbers == LABELS
    assert LAW.sayable == (*LABELS, "local[1]", "local[2]")
    assert [name for name in fitted.summary().index if name in LABELS] == list(LABELS)


def test_numbers_are_gathered_as_the_formula_takes_them() -> None:
    given = {label: float(k) for k, label in enumerate(LABELS)}
    assert LAW.gathered(given, ("A", "k")) == {"A": 0.0, "k": (1.0, 2.0)}


def test_a_number_is_found_by_its_label(fitted: Fit) -> None:
    second = number(fitted.posterior, "k[bend]")
    assert second is not None
    assert second.equals(fitted.posterior["k"].isel(k_part=1, drop=True))
    for label in ("k", "k[3]", "A[1]", "nothing", "nothing[1]"):
        assert number(fitted.posterior, label) is None


def test_derived_quantities_follow_from_the_parts_of_each_draw(fitted: Fit) -> None:
    slope, bend = (fitted.posterior["k"].sel(k_part=part) for part in ("slope", "bend"))
    last = slope - 2 * bend * np.log(UPPER / MIDDLE)
    assert_allclose(fitted.posterior["local"].sel(local_part="2"), last, rtol=1e-12)


@pytest.mark.parametrize("name", ["fit.zarr", "fit.nc"])
def test_a_saved_fit_comes_back(fitted: Fit, tmp_path: Path, name: str) -> None:
    fitted.save(tmp_path / name)
    again = bs.load(tmp_path / name, law=LAW)
    assert again.posterior.equals(fitted.posterior)
    points = {"x": [20.0, 5e4]}
    assert again.predict(points).equals(fitted.predict(points))


def test_a_prediction_is_the_formula_at_each_draw(fitted: Fit) -> None:
    said = fitted.predict({"x": [300.0]}, extrapolate=False)["mean"].isel(chain=0, draw=7)
    draw = fitted.posterior.isel(chain=0, draw=7)
    assert_allclose(said, bent(300.0, draw["A"].item(), tuple(draw["k"].to_numpy())), rtol=1e-12)


def test_it_is_diagnosed_by_part(fitted: Fit) -> None:
    table = fitted.diagnose().coefficients
    assert {*LAW.sayable, "level"} <= {*table.index}
    assert table.loc[["k[slope]", "k[bend]"], "contraction"].between(0.5, 1).all()


def test_its_influence_and_sensitivity_are_those_of_parts(fitted: Fit) -> None:
    change = influence(fitted)
    assert set(change["k"].dims) == {"k_part", "run"}
    assert set(LABELS) <= set(prior_sensitivity(fitted).index)


def test_pictures_are_drawn_of_it(fitted: Fit) -> None:
    draw = bs.plots
    for plot, subject in (
        (draw.plot_runs, fitted),
        (draw.plot_residuals, fitted),
        (draw.plot_influence, influence(fitted)["k"].sel(k_part="bend")),
    ):
        plt.figure()
        plot(subject)
    plt.figure()
    ax = draw.plot_honesty(fitted.summary())
    assert {*LABELS} <= {tick.get_text() for tick in ax.get_yticklabels()}
    draw.plot_psense_dist(fitted, ["A", "k"])
    with pytest.raises(LawError, match="have several parts"):
        draw.plot_pair(fitted, "A", "k")
    plt.close("all")


def test_a_report_names_every_part(fitted: Fit) -> None:
    said = str(bs.report(fitted).json())
    assert all(label in said for label in LABELS)


def test_it_is_calibrated_by_part(runs: pd.DataFrame) -> None:
    found = bs.calibrate(
        LAW, runs, simulations=2, random_seed=3, likelihood=normal, draws=50, tune=100, jobs=1
    )
    assert set(LABELS) <= set(found.uniformity().index)


def test_it_is_compared_with_laws_without_parts(runs: pd.DataFrame) -> None:
    found = bs.compare([LAW, LAWS["power_law_constant"]], runs, random_seed=4, jobs=1, **SHORT)
    assert float(found.weights.sel(law=LAW.name)) > 0.9
    assert found.predict({"x": [1e5]})["mean"].dims == ("chain", "draw", "point")


def test_choices_are_varied_by_part(runs: pd.DataFrame) -> None:
    axes = {"scatter": {"normal": bs.Choice({"likelihood": normal, "clusters": None})}}
    found = multiverse(LAW, runs, axes=axes, jobs=1, **SHORT)
    means = found[list(LABELS)].sel(statistic="mean").squeeze()
    assert_allclose([float(means[label]) for label in LABELS], (3.0, 0.2, 0.01), rtol=0.1)


def test_a_point_fit_is_refused(runs: pd.DataFrame) -> None:
    with pytest.raises(
        LawError, match="'bent' has no point fit: its coefficient k has several parts"
    ):
        point_fit(LAW, runs)


def test_a_claim_may_name_a_part(fitted: Fit) -> None:
    assert has_all(CLAIM, fitted)
    assert claimed_names(CLAIM, fitted) == list(LABELS)
    corners = rounded(CLAIM, LAW, ("A", "k"))
    assert [each.isel(corner=0).item() for each in corners["k"]] == [0.2, 0.01]
    assert corners["A"].sizes == {"corner": 9}  # all ways to round three numbers, and none
    # The exponent at the upper end, from what is claimed of the parts.
    assert implied(CLAIM, LAW, "local[2]") == pytest.approx(0.2 - 0.02 * np.log(UPPER / MIDDLE))


@pytest.mark.parametrize(("value", "outcome"), [(0.13, "agrees"), (0.5, "disagrees")])
def test_claimed_parts_have_to_agree_with_one_another(value: float, outcome: str) -> None:
    # 0.2 - 2 * 0.01 * log(1e4 / 300) = 0.130, whose digits allow for 0.11 to 0.15.
    said = replace(CLAIM, values={**CLAIM.values, "local[2]": value}, digits={"k[slope]": 3})
    found = coherence(said, LAW)
    assert found.outcome == outcome
    assert outcome == "agrees" or "give local[2] = 0.1299, and not 0.5" in found.sentence


def test_true_parts_are_audited(fitted: Fit) -> None:
    audited = bs.audit(CLAIM, fitted, law=LAW, random_seed=5, **SHORT)
    results = audited["truth"].results
    assert results["position"].numbers.keys() >= set(LABELS)
    # True: each is missed by chance once in 10,000 tables.
    assert results["residuals"].numbers["p"] > 1e-4
    assert results["joint position"].numbers["p"] > 1e-4
    assert results["width"].numbers["k[bend], default"]["claimed"] == 0.001
    assert results["own objective"].outcome == "not testable"
    assert "k[bend]" in str(bs.report(audited).json())
    assert len(bs.plots.plot_claims(audited, ["k[slope]", "k[bend]"])) == 2


def test_a_part_that_is_not_there_is_refused(fitted: Fit) -> None:
    for name in ("k", "k[3]"):
        with pytest.raises(DataError, match=r"names \['k"):
            bs.audit(
                Claim(label="no", values={name: 1.0}, reference="none"), fitted, law=LAW, **SHORT
            )


def test_what_is_positive_with_all_runs_may_not_be_without_one(fitted: Fit) -> None:
    from bayescale.influence import _on_logs

    one = xr.Dataset({"a": ("draw", [1.0, 2.0]), "b": ("draw", [1.0, 2.0])})
    other = one.assign(b=("draw", [-1.0, 2.0]))
    with np.errstate(all="raise"):
        logs = _on_logs(other, one, other)
    assert_allclose(logs["a"], np.log([1.0, 2.0]))
    assert_allclose(logs["b"], [-1.0, 2.0])
