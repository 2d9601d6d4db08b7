"""`bayescale diagnose`: of a saved fit, or of a table that it fits."""

import json
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from bayescale.cli.fits import compare_with_others
from bayescale.diagnostics.diagnose import diagnose
from bayescale.errors import LawError
from bayescale.fitting.record import Fit
from bayescale.inference.record import Sampling
from bayescale.models import LAWS
from bayescale.spec.law import Law
from bayescale.validation import compare as comparing
from bayescale.validation.compare import Comparison, compare
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


def test_other_laws_of_the_same_inputs_are_compared(
    shell: Shell, saved: str, small_fit: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Laws are those of a real comparison; it is made by leaving single runs out, for speed."""
    asked: dict[str, Any] = {}
    quick = Sampling(draws=100, tune=200, chains=2)

    def by_run(laws: list[Law], runs: pd.DataFrame, **options: Any) -> Comparison:
        asked.update(options)
        return compare(laws, runs, leave_out="run", sampling=quick, random_seed=1)

    monkeypatch.setattr(comparing, "compare", by_run)
    answer = json.loads(shell("diagnose", saved, "--others", "--json").out)
    assert set(answer["laws"]) == {"coupled", "chinchilla", "kaplan_nd", "kaplan_floor"}
    assert asked == {"leave_out": "backtest", "random_seed": small_fit.random_seed}
    assert "4 laws compared" in shell("diagnose", saved, "--others").out


def test_a_law_without_others_is_refused(small_fit: Fit) -> None:
    structure = replace(small_fit.structure, law=LAWS["lr_annealing"])
    with pytest.raises(LawError, match=r"no other law has the inputs .* of 'lr_annealing'"):
        compare_with_others(Fit(structure, small_fit.tree))


@pytest.mark.usefixtures("unfittable")
def test_a_bad_source_is_refused_in_one_line(shell: Shell, saved: str) -> None:
    assert_refused(shell("diagnose", "absent.nc"), ["no absent.nc"])
    assert_refused(shell("diagnose", saved, "--law", "chinchilla"), ["is a fit of coupled"])
    assert_refused(shell("diagnose", "--law", "chinchila"), ["'chinchilla'"])
