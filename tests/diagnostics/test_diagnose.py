"""Each finding with its number, its threshold and its sentence."""

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from bayescale.diagnostics import residuals
from bayescale.diagnostics.diagnose import REASONS, Diagnosis, Finding, diagnose
from bayescale.diagnostics.multimodality import BIMODAL, LEAST_ESS, antimode_depth
from bayescale.documents.document import Listing, Table
from bayescale.documents.text import to_text
from bayescale.fitting.fit import fit
from bayescale.fitting.record import Fit
from bayescale.likelihoods import NORMAL, STUDENT_T, autoregressive
from bayescale.models import LAWS
from bayescale.posterior.convergence import Verdict
from bayescale.spec.likelihood import Likelihood

POWER_LAW = LAWS["power_law"]


@pytest.fixture(scope="module")
def diagnosis(small_fit: Fit) -> Diagnosis:
    return diagnose(small_fit)


def test_every_finding_passes_its_threshold_and_has_a_sentence(diagnosis: Diagnosis) -> None:
    assert diagnosis.findings
    for finding in diagnosis.findings:
        assert finding.reason == REASONS[finding.name]
        if finding.name == "not_identified":
            assert finding.value < finding.threshold
        else:
            assert finding.value > finding.threshold
        assert finding.sentence.endswith(".")
        assert finding.quantity.removeprefix("run ").split(",")[0] in finding.sentence


def test_findings_come_in_the_order_of_the_reasons(diagnosis: Diagnosis) -> None:
    names = list(dict.fromkeys(finding.name for finding in diagnosis.findings))
    assert len(names) > 1
    assert names == [name for name in REASONS if name in names]


def test_the_table_of_a_diagnosis_has_a_row_for_each_finding(diagnosis: Diagnosis) -> None:
    assert list(diagnosis.table) == [field.name for field in fields(Finding)]
    assert len(diagnosis.table) == len(diagnosis.findings)
    assert list(replace(diagnosis, findings=()).table) == list(diagnosis.table)
    assert set(diagnosis.influence) == {"run", "cluster"}


def test_the_document_has_verdict_remarks_findings_and_thresholds(
    small_fit: Fit, diagnosis: Diagnosis
) -> None:
    assert diagnosis.verdict == small_fit.verdict
    assert diagnosis.remarks == small_fit.warnings
    verdict, findings = (
        replace(
            diagnosis,
            verdict=Verdict(("r_hat of E is 1.2.",)),
            remarks=("one.", "two.", "3.", "4."),
        )
        .document(title="pocket")
        .sections
    )
    lists = [block.items for block in verdict.blocks if isinstance(block, Listing)]
    assert lists == [("r_hat of E is 1.2.",), ("one.", "two.", "3.", "4.")]
    (sentences,) = (block for block in findings.blocks if isinstance(block, Listing))
    assert sentences.items == tuple(map(str, diagnosis.findings))
    (thresholds,) = (block for block in findings.blocks if isinstance(block, Table))
    expected = {(f.name, f"{f.threshold:.3g}", f.reason) for f in diagnosis.findings}
    assert {(row[0], *row[2:]) for row in thresholds.rows} == expected
    assert len(findings.numbers["findings"]) == len(diagnosis.findings)


def test_a_diagnosis_is_printed_as_its_document(diagnosis: Diagnosis) -> None:
    assert repr(diagnosis) == to_text(diagnosis.document())
    printed = " ".join(repr(diagnosis).split())
    for finding in diagnosis.findings:
        assert " ".join(finding.sentence.split()) in printed
    assert "No finding passes its threshold." in repr(replace(diagnosis, findings=()))


def test_notebooks_show_findings_as_text(diagnosis: Diagnosis) -> None:
    hostile = replace(diagnosis.findings[0], sentence="<script>alert(1)</script>")
    page = replace(diagnosis, findings=(hostile,))._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_a_run_that_is_off_is_named_with_its_row_and_inputs() -> None:
    x = np.geomspace(10.0, 1e3, 30)
    y = 8.0 / x**0.2 * np.exp(0.01 * np.random.default_rng(5).standard_normal(30))
    y[29] *= np.exp(0.15)
    runs = pd.DataFrame({"x": x, "y": y})
    fitted = fit(POWER_LAW, runs, likelihood=NORMAL, draws=200, tune=300, chains=2, random_seed=1)
    findings = {f.name: f for f in diagnose(fitted).findings}
    assert findings["outlier"].quantity == "run 30"
    assert findings["outlier"].sentence.startswith("Run 30 (1e+03 x) lies ")
    assert "above the law" in findings["outlier"].sentence
    assert findings["influential_run"].quantity == "run 30"
    assert "Without run 30 (1e+03 x)" in findings["influential_run"].sentence


def mixture(apart: float, share: float, size: int, seed: int) -> xr.DataArray:
    """Draws of two Normals."""
    rng = np.random.default_rng(seed)
    draws = rng.standard_normal((2, size // 2)) + apart * (rng.uniform(size=(2, size // 2)) < share)
    return xr.DataArray(draws, dims=("chain", "draw"))


def test_one_mode_rarely_counts_as_two_and_two_always_do() -> None:
    """At most 1 in 100 of one mode passes: 3 or more of 60 would have a probability of 2%."""
    one = [antimode_depth(mixture(0.0, 0.3, 400, seed))[0] for seed in range(60)]
    assert np.sum(np.array(one) > BIMODAL) < 3
    for seed in range(5):
        depth, lesser = antimode_depth(mixture(6.0, 0.3, 400, seed))
        assert depth > BIMODAL
        # Binomial: an sd of sqrt(0.3 * 0.7 / 400).
        assert abs(lesser - 0.3) < 4 * np.sqrt(0.3 * 0.7 / 400)


def test_few_draws_do_not_show_modes() -> None:
    assert antimode_depth(mixture(6.0, 0.3, LEAST_ESS // 2, 1)) == (0.0, 0.0)
    stuck = xr.DataArray(np.repeat([[0.0], [1.0]], 200, axis=1), dims=("chain", "draw"))
    assert antimode_depth(stuck) == (0.0, 0.0)


def test_two_modes_of_a_coefficient_are_a_finding(small_fit: Fit) -> None:
    posterior = small_fit.posterior.copy()
    values = mixture(8.0, 0.3, 400, 2).to_numpy()
    posterior["alpha"] = posterior["alpha"].copy(data=np.exp(0.05 * values - 1.2))
    fitted = small_fit.with_groups({"posterior": posterior})
    modes = [f for f in diagnose(fitted).findings if f.name == "modes"]
    assert [f.quantity for f in modes] == ["alpha"]
    assert "% of the draws in the lesser" in modes[0].sentence


def curve(rho: float, seed: int, scale: float = 0.01) -> pd.DataFrame:
    """Sixty rows of a power law in any order, with errors correlated along x."""
    rng = np.random.default_rng(seed)
    errors = rng.standard_normal(60)
    for k in range(1, 60):
        errors[k] = rho * errors[k - 1] + np.sqrt(1 - rho**2) * errors[k]
    x = np.geomspace(10.0, 1e4, 60)
    runs = pd.DataFrame({"x": x, "y": 8.0 / x**0.2 * np.exp(scale * errors)})
    return runs.sample(frac=1.0, random_state=seed, ignore_index=True)


SHORT: dict[str, Any] = {"draws": 100, "tune": 200, "chains": 2, "random_seed": 1}


def autocorrelations(runs: pd.DataFrame, likelihood: Likelihood) -> list[Finding]:
    findings = diagnose(fit(POWER_LAW, runs, likelihood=likelihood, **SHORT)).findings
    return [finding for finding in findings if finding.name == "autocorrelation"]


def test_correlated_errors_are_a_finding_in_any_order_of_rows() -> None:
    """0.8 lies five standard errors of sixty rows above the threshold."""
    runs = curve(0.8, 1)
    (finding,) = autocorrelations(runs, STUDENT_T)
    assert finding.quantity == "x"
    assert 0.5 < finding.value < 1.0
    assert finding.threshold == pytest.approx(2.326 / np.sqrt(60), rel=1e-3)
    series = runs.assign(curve="one", log_x=np.log(runs["x"]))
    assert autocorrelations(series, autoregressive("curve", "log_x")) == []


def test_independent_errors_rarely_look_correlated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 300 tables at most 1% pass, or nine, which a binomial exceeds once in 500."""
    rng = np.random.default_rng(3)
    fitted = fit(POWER_LAW, curve(0.0, 2), **SHORT)
    passed = 0
    for _ in range(300):
        residual = xr.DataArray(rng.standard_normal(60), dims="run")
        monkeypatch.setattr(
            residuals, "standardised_residuals", lambda *_, drawn=residual, **__: drawn
        )
        correlation, threshold = residuals.residual_autocorrelation(fitted)
        assert threshold > 0
        passed += correlation > threshold
    assert passed <= 9
