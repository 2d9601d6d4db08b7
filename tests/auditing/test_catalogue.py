"""Published claims, compared with the datasets that they are about."""

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

import bayescale as bs
from bayescale.auditing import catalogue
from bayescale.auditing.catalogue import ClaimGroup, audit_published, claim_groups
from bayescale.auditing.verdicts import VERDICTS
from bayescale.errors import DataError
from bayescale.spec.claim import Claim, ClaimData
from bayescale.validation.sweep import Parallel
from tests.tables import PublicTable

LAW = bs.models.CHINCHILLA
HERE: dict[str, Any] = {"parallel": Parallel(jobs=1), "random_seed": 1}


def claim_about(label: str, table: str, **changes: Any) -> Claim:
    """A claim of two true exponents about a table."""
    values = {name: bs.datasets.card("simulated_isoflop").truth[name] for name in ("alpha", "beta")}
    data = ClaimData(table=table, **changes)
    return Claim(label=label, values=values, reference="", data=data)


def test_claims_about_the_same_rows_share_a_fit() -> None:
    groups = claim_groups(laws=[LAW], tables=["chinchilla", "chinchilla_conventions"])
    titles = [group.title for group in groups]
    assert titles[:2] == ["chinchilla on chinchilla", "chinchilla on chinchilla, without 5 rows"]
    assert titles[-1].endswith("conventions, params = params_tied, without 5 rows")
    assert [len(group.claims) for group in groups] == [6, 1, 1, 1, 1, 1]


def test_every_claim_about_a_dataset_is_in_one_group() -> None:
    audited = [claim for group in claim_groups() for claim in group.claims]
    about = [claim for law in bs.models.LAWS.values() for claim in law.claims if claim.data.table]
    assert len(audited) == len(about) >= 30
    assert all(claim in audited for claim in about)


def test_a_group_has_the_rows_and_columns_that_its_claims_are_about() -> None:
    table = bs.datasets.load("simulated_isoflop")
    claim = claim_about("me", "simulated_isoflop", without=(0, 2), columns={"loss": "flops"})
    runs = ClaimGroup(LAW, (claim,)).runs()
    pd.testing.assert_series_equal(
        runs["loss"], table["flops"].drop(index=[0, 2]).reset_index(drop=True), check_names=False
    )


def test_a_dataset_that_is_not_available_stops_no_other() -> None:
    rows = bs.datasets.card("simulated_isoflop").rows
    claims = (
        claim_about("the truth", "simulated_isoflop"),
        claim_about("lost", "simulated_nothing"),
        claim_about("too few", "simulated_isoflop", without=tuple(range(2, rows))),
        claim_about("misspelt", "simulated_isoflop", columns={"loss": "lass"}),
    )
    one, lost, few, misspelt = audit_published(laws=[replace(LAW, claims=claims)], **HERE)
    assert one.title == "chinchilla on simulated_isoflop"
    assert one.dataset == "simulated_isoflop"
    assert one["the truth"].verdict == ("consistent",), one
    assert len(one.fits) == 2
    for audited, words in (
        (lost, "no table is called 'simulated_nothing'"),
        (few, "runs"),
        (misspelt, "has no column 'lass'"),
    ):
        (claim,) = audited.claims
        assert claim.verdict == ("not testable",)
        assert words in claim.reasons[0]
        assert not audited.fits
        assert audited.table["verdict"].tolist() == ["not testable"]


def test_nothing_to_audit_is_refused() -> None:
    with pytest.raises(DataError, match=r"no claim about the tables \['pocket'\]"):
        audit_published(tables=["pocket"])


def test_a_file_of_audits_is_refused() -> None:
    with pytest.raises(DataError, match="audits are not kept in a file"):
        audit_published(tables=["chinchilla"], parallel=Parallel(path="audits.jsonl"))


def test_options_reach_the_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[dict[str, Any]] = []

    def audit(claims: Any, runs: pd.DataFrame, **options: Any) -> bs.Audit:
        calls.append(options | {"runs": len(runs)})
        return bs.Audit(LAW, {}, ())

    monkeypatch.setattr(catalogue, "audit", audit)
    law = replace(LAW, claims=(claim_about("me", "simulated_isoflop", without=(0, 1)),))
    audit_published(laws=[law], random_seed=7, parallel=Parallel(jobs=1), draws=123)
    rows = bs.datasets.card("simulated_isoflop").rows
    (options,) = calls
    assert (options["random_seed"], options["draws"], options["runs"]) == (7, 123, rows - 2)


def test_an_over_prediction_of_held_out_runs_is_detected(public_table: PublicTable) -> None:
    public_table("loss_to_loss_extrapolation")
    public_table("loss_to_loss_smollm")
    (audited,) = audit_published(laws=[LAW], tables=["loss_to_loss_smollm"], **HERE)
    (claim,) = audited.claims
    result = claim.results["held-out runs"]
    # The authors' own figures: 1.8086 predicted, 1.7138 observed.
    assert result.numbers["difference"] == pytest.approx(1.80855186 - 1.71375179, abs=1e-6)
    assert claim.verdict[0] == "inconsistent"


FEW = ("isoflop_llama3", "gemstones_slim_chinchilla", "loss_to_loss_fineweb")
"""Of the datasets that claims are about; all take seven minutes (`bayescale audit --all`)."""


@pytest.mark.slow
def test_published_claims_about_a_few_datasets(public_table: PublicTable) -> None:
    laws = [bs.models.COUPLED, bs.models.CHINCHILLA]
    groups = claim_groups(laws, FEW)
    for claim in (claim for group in groups for claim in group.claims):
        public_table(claim.data.table)
        if claim.data.held_out:
            public_table(claim.data.held_out)
    # In this process, which knows where the tables are.
    audits = audit_published(laws=laws, tables=FEW, **HERE)
    assert [audit.title for audit in audits] == [group.title for group in groups]
    claims = {claim.claim.label: claim for audit in audits for claim in audit.claims}
    assert all(audit.fits for audit in audits)
    assert all(set(claim.verdict) <= VERDICTS.keys() and claim.reasons for claim in claims.values())
    assert "own objective" in " ".join(claims["McLeish et al., slim_chinchilla"].reasons)
    additive = claims["Brandfonbrener et al., FineWeb, additive form"]
    assert additive.results["held-out runs"].numbers["percent"] > 3
    assert additive.verdict[0] in ("inconsistent", "refused")
    assert "incoherent" in claims["Llama 3, frontier"].verdict
