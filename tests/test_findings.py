"""Each finding with its number, its threshold and its sentence."""

from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import bayescale as bs
from bayescale import printing
from bayescale.findings import REASONS, Diagnosis, Finding, diagnose
from bayescale.fitting import Fit
from bayescale.modes import FEWEST, VALLEY, valley

BELOW = {"not_identified"}
"""Findings whose value lies below their threshold."""


@pytest.fixture(scope="module")
def found(small_fit: Fit) -> Diagnosis:
    return small_fit.diagnose()


def test_every_finding_passes_its_threshold_and_says_so_in_words(found: Diagnosis) -> None:
    assert found.findings
    for each in found.findings:
        assert each.reason == REASONS[each.name]
        if each.name in BELOW:
            assert each.value < each.threshold
        else:
            assert each.value > each.threshold
        assert each.sentence.endswith(".")
        assert each.quantity.removeprefix("run ").split(",")[0] in each.sentence


def test_a_diagnosis_is_a_table_and_text(found: Diagnosis) -> None:
    assert list(found.table) == [field.name for field in fields(Finding)]
    assert len(found.table) == len(found.findings)
    assert repr(found).count("\n") == len(found.findings) - 1
    assert repr(replace(found, findings=())) == "Nothing passes a threshold."
    assert list(replace(found, findings=()).table) == list(found.table)
    assert set(found.influence) == {"run", "cluster"}


def test_notebooks_show_findings_as_text(found: Diagnosis) -> None:
    hostile = replace(found.findings[0], sentence="<script>alert(1)</script>")
    page = replace(found, findings=(hostile,))._repr_html_()
    assert page.startswith("<ul><li>")
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "Nothing passes" in replace(found, findings=())._repr_html_()


def test_honesty_findings_are_the_flagged_rows_of_the_summary(
    small_fit: Fit, found: Diagnosis
) -> None:
    ratios = small_fit.summary()["honesty"]
    said = [f.quantity for f in found.findings if f.name == "honesty"]
    assert said == list(ratios.index[ratios > 1.3])


def test_a_run_that_is_off_is_named_with_its_place() -> None:
    x = np.geomspace(10.0, 1e3, 30)
    y = 8.0 / x**0.2 * np.exp(0.01 * np.random.default_rng(5).standard_normal(30))
    y[29] *= np.exp(0.15)
    fit = bs.fit(
        bs.models.LAWS["power_law"],
        pd.DataFrame({"x": x, "y": y}),
        likelihood=bs.likelihood.normal,
        draws=200,
        tune=300,
        chains=2,
        random_seed=1,
    )
    found = {f.name: f for f in diagnose(fit).findings}
    assert found["outlier"].quantity == "run 30"
    assert found["outlier"].sentence.startswith("Run 30 (1e+03 x) lies ")
    assert "above the law" in found["outlier"].sentence
    assert found["influential_run"].quantity == "run 30"
    assert "Without run 30 (1e+03 x)" in found["influential_run"].sentence


def two_heaps(apart: float, share: float, size: int, seed: int) -> xr.DataArray:
    rng = np.random.default_rng(seed)
    draws = rng.standard_normal((2, size // 2)) + apart * (rng.uniform(size=(2, size // 2)) < share)
    return xr.DataArray(draws, dims=("chain", "draw"))


def test_one_mode_is_not_taken_for_two_and_two_are_found() -> None:
    """At most 1 in 100 of one mode passes: 3 or more of 60 would have a probability of 2%."""
    one = [valley(two_heaps(0.0, 0.3, 400, seed))[0] for seed in range(60)]
    assert np.sum(np.array(one) > VALLEY) < 3
    for seed in range(5):
        depth, lesser = valley(two_heaps(6.0, 0.3, 400, seed))
        assert depth > VALLEY
        # Binomial: an sd of sqrt(0.3 * 0.7 / 400).
        assert abs(lesser - 0.3) < 4 * np.sqrt(0.3 * 0.7 / 400)


def test_few_draws_tell_nothing_of_modes() -> None:
    assert valley(two_heaps(6.0, 0.3, FEWEST // 2, 1)) == (0.0, 0.0)
    stuck = xr.DataArray(np.repeat([[0.0], [1.0]], 200, axis=1), dims=("chain", "draw"))
    assert valley(stuck) == (0.0, 0.0)


def test_two_modes_of_a_coefficient_are_a_finding(small_fit: Fit) -> None:
    posterior = small_fit.posterior.copy()
    heaps = two_heaps(8.0, 0.3, 400, 2).to_numpy()
    posterior["alpha"] = posterior["alpha"].copy(data=np.exp(0.05 * heaps - 1.2))
    tree = small_fit.tree.copy()
    tree["posterior"] = xr.DataTree(posterior)
    modes = [f for f in diagnose(Fit(small_fit.structure, tree)).findings if f.name == "modes"]
    assert [f.quantity for f in modes] == ["alpha"]
    assert "% of the draws in the lesser" in modes[0].sentence


def test_the_shell_prints_what_was_found(
    small_fit: Fit, found: Diagnosis, capsys: pytest.CaptureFixture[str]
) -> None:
    printing.print_fit(small_fit, "pocket", None)
    said = " ".join(capsys.readouterr().out.split())
    for each in found.findings:
        assert (" ".join(each.sentence.split()) in said) is (each.name != "honesty")


def one_curve(rho: float, seed: int, scale: float = 0.01) -> pd.DataFrame:
    """Sixty rows of a power law, each lying off it about as the one before."""
    rng = np.random.default_rng(seed)
    off = rng.standard_normal(60)
    for k in range(1, 60):
        off[k] = rho * off[k - 1] + np.sqrt(1 - rho**2) * off[k]
    x = np.geomspace(10.0, 1e4, 60)
    runs = pd.DataFrame({"x": x, "y": 8.0 / x**0.2 * np.exp(scale * off)})
    return runs.sample(frac=1.0, random_state=seed, ignore_index=True)


SHORT = {"draws": 100, "tune": 200, "chains": 2, "random_seed": 1}


def neighbours(runs: pd.DataFrame, likelihood: bs.likelihood.LikelihoodFactory) -> list[Finding]:
    fit = bs.fit(bs.models.LAWS["power_law"], runs, likelihood=likelihood, **SHORT)
    return [each for each in diagnose(fit).findings if each.name == "neighbours"]


def test_rows_that_err_alike_are_found_in_any_order() -> None:
    """0.8 lies five standard errors of sixty rows above the threshold."""
    runs = one_curve(0.8, 1)
    (found,) = neighbours(runs, bs.likelihood.student_t)
    assert found.quantity == "x"
    assert 0.5 < found.value < 1.0
    assert found.threshold == pytest.approx(2.326 / np.sqrt(60), rel=1e-3)
    curve = runs.assign(curve="one", log_x=np.log(runs["x"]))
    assert neighbours(curve, bs.likelihood.autoregressive("curve", "log_x")) == []


def test_rows_that_err_on_their_own_rarely_look_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 300 tables at most 1% pass, or nine, which a binomial exceeds once in 500."""
    rng = np.random.default_rng(3)
    fit = bs.fit(bs.models.LAWS["power_law"], one_curve(0.0, 2), **SHORT)
    passed = 0
    for _ in range(300):
        left = xr.DataArray(rng.standard_normal(60), dims="run")
        monkeypatch.setattr(bs.neighbours, "in_scales", lambda fit, left=left: left)
        correlation, threshold = bs.neighbours.alike(fit)
        passed += correlation > threshold
    assert passed <= 9
