"""Coefficients and derived quantities with several parts, in every use of a fit."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayescale as bs
from bayescale import plots
from bayescale.auditing.check_result import DEFAULT, Evidence, is_whole_law, rounded
from bayescale.auditing.coherence import coherence
from bayescale.diagnostics.diagnose import diagnose
from bayescale.diagnostics.influence import influence
from bayescale.diagnostics.power_scaling import prior_sensitivity
from bayescale.errors import DataError, LawError
from bayescale.fitting.fit import fit
from bayescale.fitting.point_fit import point_fit
from bayescale.fitting.record import Fit
from bayescale.fitting.refits import shift_without
from bayescale.inference.record import Sampling, Settings
from bayescale.inference.structure import Structure
from bayescale.likelihoods import NORMAL
from bayescale.models import LAWS
from bayescale.plots.claims import implied
from bayescale.posterior.quantities import scalar_draws
from bayescale.priors import LogNormal, Normal
from bayescale.spec.claim import Claim
from bayescale.spec.functions import Array
from bayescale.spec.law import Law
from bayescale.validation.multiverse import multiverse
from bayescale.validation.sweep import Parallel

matplotlib.use("Agg")
SHORT = {"draws": 150, "tune": 250, "chains": 2}
SAMPLING, ONE_JOB = Sampling(**SHORT), Parallel(jobs=1)
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
        "level": LogNormal(mu=0.0, sigma=0.5),
        "k": Normal(mu=(0.3, 0.0), sigma=(0.5, 0.1), parts=("slope", "bend")),
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
    return fit(LAW, runs, likelihood=NORMAL, random_seed=2, **SHORT)


CLAIM = Claim(
    label="truth",
    values={"A": 3.0, "k[slope]": 0.2, "k[bend]": 0.01},
    errors={"k[bend]": 0.001},
    digits={"A": 2, "k[slope]": 3},
    reference="none",
    runs=40,
)


def test_every_number_has_the_label_of_a_summary(fitted: Fit) -> None:
    assert LAW.coefficient_labels == LABELS
    assert LAW.quantity_labels == (*LABELS, "local[1]", "local[2]")
    assert [name for name in fitted.summary().index if name in LABELS] == list(LABELS)


def test_numbers_are_gathered_as_the_formula_takes_them() -> None:
    numbers = {label: float(k) for k, label in enumerate(LABELS)}
    assert LAW.group_parts(numbers, ("A", "k")) == {"A": 0.0, "k": (1.0, 2.0)}


def test_a_number_is_selected_by_its_label(fitted: Fit) -> None:
    second = scalar_draws(fitted.posterior, "k[bend]")
    assert second is not None
    assert second.equals(fitted.posterior["k"].isel(k_part=1, drop=True))
    for label in ("k", "k[3]", "A[1]", "nothing", "nothing[1]"):
        assert scalar_draws(fitted.posterior, label) is None


def test_derived_quantities_follow_from_the_parts_of_a_draw(fitted: Fit) -> None:
    slope, bend = (fitted.posterior["k"].sel(k_part=part) for part in ("slope", "bend"))
    last = slope - 2 * bend * np.log(UPPER / MIDDLE)
    assert_allclose(fitted.posterior["local"].sel(local_part="2"), last, rtol=1e-12)


def test_a_saved_fit_comes_back(fitted: Fit, tmp_path: Path) -> None:
    fitted.save(tmp_path / "fit.nc")
    loaded = bs.load(tmp_path / "fit.nc", law=LAW)
    assert loaded.posterior.equals(fitted.posterior)
    points = {"x": [20.0, 5e4]}
    assert loaded.predict(points).equals(fitted.predict(points))


def test_a_prediction_is_the_formula_at_a_draw(fitted: Fit) -> None:
    mean = fitted.predict({"x": [300.0]}, drift=False)["mean"].isel(chain=0, draw=7)
    draw = fitted.posterior.isel(chain=0, draw=7)
    assert_allclose(mean, bent(300.0, draw["A"].item(), tuple(draw["k"].to_numpy())), rtol=1e-12)


def test_it_is_diagnosed_by_part(fitted: Fit) -> None:
    table = diagnose(fitted).coefficients
    assert {*LAW.quantity_labels, "level"} <= {*table.index}
    assert table.loc[["k[slope]", "k[bend]"], "contraction"].between(0.5, 1).all()


def test_its_influence_and_sensitivity_are_those_of_parts(fitted: Fit) -> None:
    change = influence(fitted)
    assert set(change["k"].dims) == {"k_part", "run"}
    assert set(LABELS) <= set(prior_sensitivity(fitted).index)


def test_pictures_are_drawn_of_it(fitted: Fit) -> None:
    for plot, subject in (
        (plots.plot_runs, fitted),
        (plots.plot_residuals, fitted),
        (plots.plot_influence, influence(fitted)["k"].sel(k_part="bend")),
    ):
        plt.figure()
        plot(subject)
    plots.plot_psense_dist(fitted, ["A", "k"])
    with pytest.raises(LawError, match="have several parts"):
        plots.plot_pair(fitted, "A", "k")
    plt.close("all")


def test_a_report_names_every_part(fitted: Fit) -> None:
    content = str(bs.report(fitted).json())
    assert all(label in content for label in LABELS)


def test_it_is_calibrated_by_part(runs: pd.DataFrame) -> None:
    short = Sampling(draws=50, tune=100, chains=2)
    options = {"simulations": 2, "random_seed": 3, "sampling": short, "parallel": ONE_JOB}
    calibration = bs.calibrate(LAW, runs, likelihood=NORMAL, **options)
    assert set(LABELS) <= set(calibration.uniformity().index)


def test_it_is_compared_with_laws_without_parts(runs: pd.DataFrame) -> None:
    laws = [LAW, LAWS["power_law_constant"]]
    comparison = bs.compare(laws, runs, random_seed=4, parallel=ONE_JOB, sampling=SAMPLING)
    assert float(comparison.weights.sel(law=LAW.name)) > 0.9
    assert comparison.predict({"x": [1e5]})["mean"].dims == ("chain", "draw", "point")


def test_choices_are_varied_by_part(runs: pd.DataFrame) -> None:
    axes = {"scatter": {"normal": bs.Choice({"likelihood": NORMAL, "clusters": None})}}
    results = multiverse(LAW, runs, axes=axes, parallel=ONE_JOB, sampling=SAMPLING)
    means = results[list(LABELS)].sel(statistic="mean").squeeze()
    assert_allclose([float(means[label]) for label in LABELS], (3.0, 0.2, 0.01), rtol=0.1)


def test_a_point_fit_is_refused(runs: pd.DataFrame) -> None:
    with pytest.raises(
        LawError, match="'bent' has no point fit: its coefficient k has several parts"
    ):
        point_fit(LAW, runs)


def test_a_claim_may_name_a_part(fitted: Fit) -> None:
    assert is_whole_law(CLAIM, fitted)
    evidence = Evidence({DEFAULT: fitted}, frozenset(LABELS))
    assert evidence.testable_names(CLAIM) == list(LABELS)
    corners = rounded(CLAIM, LAW, ("A", "k"))
    assert [part.isel(corner=0).item() for part in corners["k"]] == [0.2, 0.01]
    assert corners["A"].sizes == {"corner": 9}  # all ways to round three numbers, and none
    # The exponent at the upper end, from what is claimed of the parts.
    assert implied(CLAIM, LAW, "local[2]") == pytest.approx(0.2 - 0.02 * np.log(UPPER / MIDDLE))


@pytest.mark.parametrize(("value", "outcome"), [(0.13, "agrees"), (0.5, "disagrees")])
def test_claimed_parts_have_to_agree_with_one_another(
    fitted: Fit, value: float, outcome: str
) -> None:
    # 0.2 - 2 * 0.01 * log(1e4 / 300) = 0.130, whose digits allow for 0.11 to 0.15.
    claim = replace(CLAIM, values={**CLAIM.values, "local[2]": value}, digits={"k[slope]": 3})
    result = coherence(claim, Evidence({DEFAULT: fitted}, frozenset(LABELS)))
    assert result.outcome == outcome
    assert outcome == "agrees" or "give local[2] = 0.1299, and not 0.5" in result.sentence


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


def test_an_unknown_part_is_refused(fitted: Fit) -> None:
    for name in ("k", "k[3]"):
        with pytest.raises(DataError, match=r"names \['k"):
            bs.audit(
                Claim(label="no", values={name: 1.0}, reference="none"), fitted, law=LAW, **SHORT
            )


def test_a_positive_quantity_may_be_negative_without_a_run(fitted: Fit) -> None:
    """Its shift is then one of the plain values, and no logarithm of a negative number is taken."""

    def flipped(structure: Structure, runs: pd.DataFrame, settings: Settings) -> SimpleNamespace:
        free = fitted.posterior[[name for name, _ in structure.priors]]
        return SimpleNamespace(posterior=free.assign(k=-free["k"]))

    slope = fitted.posterior["k"].sel(k_part="slope")
    assert bool((slope > 0).all())
    settings = Settings(SAMPLING, random_seed=1)
    with np.errstate(all="raise"):
        shift = shift_without(fitted.draws, [0], flipped, settings)[0]
    assert shift >= float(2 * slope.mean() / slope.std(ddof=1)) * (1 - 1e-12)
