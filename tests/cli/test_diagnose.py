"""`bayescale diagnose`: of a saved fit, or of a table that it fits."""

import json

import pytest

from bayescale.diagnostics.diagnose import diagnose
from bayescale.fitting.record import Fit
from tests.shell import Shell, assert_refused


def test_a_saved_fit_is_diagnosed_with_all_remarks_and_findings(
    shell: Shell, saved: str, small_fit: Fit
) -> None:
    outcome = shell("diagnose", saved)
    assert outcome.status == 3  # the fit is short
    assert "NOT TO BE TRUSTED" in outcome.err
    words = outcome.out.split()
    for sentence in (*small_fit.warnings, *(f.sentence for f in diagnose(small_fit).findings)):
        assert [word for word in sentence.split() if word not in words] == []


def test_findings_are_listed_for_machines(shell: Shell, saved: str, small_fit: Fit) -> None:
    answer = json.loads(shell("diagnose", saved, "--json").out)
    assert list(answer) == ["law", "warnings", "findings"]
    assert answer["warnings"] == list(small_fit.warnings)
    findings = diagnose(small_fit).findings
    assert [finding["sentence"] for finding in answer["findings"]] == [f.sentence for f in findings]
    keys = ["name", "quantity", "value", "threshold", "reason", "sentence"]
    assert all(list(finding) == keys for finding in answer["findings"])


@pytest.mark.usefixtures("fitted_before")
def test_a_table_is_fitted_and_diagnosed(shell: Shell, saved: str) -> None:
    assert shell("diagnose", "pocket") == shell("diagnose", saved)


@pytest.mark.usefixtures("unfittable")
def test_a_bad_source_is_refused_in_one_line(shell: Shell, saved: str) -> None:
    assert_refused(shell("diagnose", "absent.nc"), ["no absent.nc"])
    assert_refused(shell("diagnose", saved, "--law", "chinchilla"), ["is a fit of coupled"])
    assert_refused(shell("diagnose", "--law", "chinchila"), ["'chinchilla'"])
