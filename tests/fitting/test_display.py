"""A fit as a document: the answer first, few remarks in order of rank, tables that are escaped."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from bayescale.documents.document import Document, Listing, Table, Text
from bayescale.documents.html import to_fragment
from bayescale.documents.text import to_text
from bayescale.errors import DataError
from bayescale.fitting import fit as fitting
from bayescale.fitting.display import fit_document
from bayescale.fitting.fit import fit
from bayescale.fitting.record import Fit
from bayescale.likelihoods import NORMAL
from bayescale.models import LAWS
from bayescale.posterior.convergence import Verdict
from bayescale.runs.checks import DEPENDS, NARROW, ODD, VAGUE, WRONG, Remark
from tests.designs import simulated

SHORT = {"likelihood": NORMAL, "draws": 50, "tune": 200, "chains": 1, "random_seed": 2}


def listings(document: Document) -> list[tuple[str, ...]]:
    """Lists of the verdict."""
    (verdict,) = (section for section in document.sections if section.anchor == "verdict")
    return [block.items for block in verdict.blocks if isinstance(block, Listing)]


def test_the_answer_comes_before_the_verdict_and_the_coefficients(small_fit: Fit) -> None:
    document = small_fit.document(title="pocket:", flops=[1e14])
    anchors = [section.anchor for section in document.sections]
    assert anchors == ["answer", "budgets", "verdict", "coefficients"]
    text = to_text(document)
    parts = [
        "pocket:",
        "On 1\N{MULTIPLICATION SIGN}10¹⁴ FLOP, train",
        "Best use of compute",
        "Verdict:",
        "alpha",
    ]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)


def test_a_notebook_and_a_terminal_show_the_document(small_fit: Fit) -> None:
    assert repr(small_fit) == to_text(small_fit.document())
    assert small_fit._repr_html_() == to_fragment(small_fit.document())
    shown = repr(small_fit)
    verdict = "trusted" if small_fit.verdict.trusted else "NOT TO BE TRUSTED"
    assert f"Verdict: {verdict}." in shown
    assert f"Verdict: {verdict}." in small_fit._repr_html_()
    assert "89% ETI" in shown


def test_draws_that_are_not_trusted_qualify_the_answer(small_fit: Fit) -> None:
    bad = replace(small_fit.fitted_draws, verdict=Verdict(("ess of alpha is 3, too few",)))
    document = fit_document(bad, small_fit.summary(), ())
    answer = document.sections[0].blocks[0]
    assert isinstance(answer, Text)
    assert answer.text.startswith("The fit is not to be trusted.")
    assert listings(document) == [("ess of alpha is 3, too few",)]
    assert "Verdict: NOT TO BE TRUSTED." in to_text(document)


@pytest.mark.parametrize(
    ("count", "more"), [(3, ""), (4, "1 more remark:"), (6, "3 more remarks:")]
)
def test_three_remarks_are_shown_and_the_others_counted(
    small_fit: Fit, count: int, more: str
) -> None:
    good = replace(small_fit.fitted_draws, verdict=Verdict(()))
    remarks = [f"remark {k}" for k in range(count)]
    document = fit_document(good, small_fit.summary(), remarks)
    assert listings(document) == [tuple(remarks[:3])]
    text = to_text(document)
    assert (more in text) if more else ("more remark" not in text)


def test_scatter_is_shown_on_request(small_fit: Fit) -> None:
    for everything in (False, True):
        coefficients = small_fit.document(all=everything).sections[-1]
        (table,) = (block for block in coefficients.blocks if isinstance(block, Table))
        names = {row[0] for row in table.rows}
        assert {"alpha", "kappa"} <= names
        assert ("sigma" in names) == everything


def test_without_budgets_the_answer_is_at_ten_times_the_largest_run(small_fit: Fit) -> None:
    largest = float(f"{6 * (small_fit.runs['params'] * small_fit.runs['tokens']).max():.1e}")
    budgets = small_fit.document().sections[1].numbers["budgets"]
    np.testing.assert_allclose(
        [budget["flops"] for budget in budgets], largest * np.logspace(0, 2, 3)
    )
    sentence = small_fit.document().sections[0].numbers["sentence"]
    assert sentence.startswith("On 3.2\N{MULTIPLICATION SIGN}10¹³ FLOP, train ")
    assert sentence.endswith("This lies 1.0 decades beyond the largest run.")


def test_budgets_that_do_not_fit_the_law_are_refused(small_fit: Fit) -> None:
    with pytest.raises(DataError, match="expected positive numbers of FLOP"):
        small_fit.document(flops=[-1.0])
    with pytest.raises(DataError, match="nothing else"):
        small_fit.document(at={"quality": 0.5})


def test_a_law_of_one_input_answers_with_predictions() -> None:
    runs = simulated(LAWS["kaplan_n"], noise=0.01, seed=1, each=40)
    fitted = fit(LAWS["kaplan_n"], runs, clusters=None, **SHORT)
    sections = {section.anchor: section for section in fitted.document().sections}
    assert "ten times the largest of the runs, loss is" in sections["answer"].numbers["sentence"]
    predictions = sections["budgets"].numbers["predictions"]
    at = [row["at"] / runs["params"].max() for row in predictions]
    np.testing.assert_allclose(at, [0.1, 1, 10, 100], rtol=1e-2)
    decades = [row["decades_beyond_runs"] for row in predictions]
    np.testing.assert_allclose(decades, [0, 0, 1, 2], atol=0.01)
    # Within the runs the law is known well, and a new run scatters by 1% about it.
    assert all(row["new_run"]["sd"] > 2 * row["law"]["sd"] for row in predictions[:2])


def test_names_from_a_table_are_escaped_in_html(simulated_runs: pd.DataFrame) -> None:
    runs = simulated_runs.assign(corpus=["<script>alert(1)</script>", "b"] * 45)
    fitted = fit(LAWS["chinchilla"], runs, groups="corpus", **SHORT)
    assert "<script>" in repr(fitted)
    assert "<script>" not in fitted._repr_html_()
    assert "&lt;script&gt;" in fitted._repr_html_()


def test_remarks_are_in_order_of_rank(
    simulated_runs: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Remarks on the table and on the draws are ranked together: of one rank the table's first."""
    table = (Remark(VAGUE, "vague"), Remark(ODD, "odd"), Remark(NARROW, "narrow"))
    table = (*table, Remark(WRONG, "wrong"))
    draws = [Remark(NARROW, "narrow draws"), Remark(DEPENDS, "depends"), Remark(ODD, "odder")]
    monkeypatch.setattr(fitting, "check_runs", lambda *args, **kwargs: table)
    monkeypatch.setattr(fitting, "_remarks_on", lambda fitted, **_: draws)
    fitted = fit(LAWS["chinchilla"], simulated_runs, **SHORT)
    expected = ("odd", "odder", "narrow", "narrow draws", "depends", "vague")
    assert fitted.warnings == expected
    assert fitted.verdict.reasons[0] == "numbers: wrong"
    assert listings(fitted.document())[-1] == expected[:3]
