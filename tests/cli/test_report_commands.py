"""`bayescale report` and `bayescale audit`: what they write, and what they refuse."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bayescale.auditing import catalogue
from bayescale.auditing.record import Audit, ClaimAudit
from bayescale.models import LAWS
from bayescale.validation.sweep import Parallel
from tests.shell import Shell, assert_refused

CLAIMS = """
[[claims]]
label = "a draft"
reference = "the draft, table 2"
values = { alpha = "0.35", beta = 0.37 }
errors = { alpha = 0.02 }
"""
QUICK = ("--draws", "200", "--chains", "2")


def write_runs(path: str) -> None:
    params, ratio = map(np.ravel, np.meshgrid(np.geomspace(1e8, 1e10, 6), np.geomspace(2, 200, 6)))
    noise = np.exp(0.005 * np.random.default_rng(1).standard_normal(params.size))
    loss = (1.8 + 480 / params**0.35 + 2100 / (ratio * params) ** 0.37) * noise
    table = pd.DataFrame({"params": params, "tokens": ratio * params, "loss": loss})
    table.to_csv(path, index=False)


def test_a_saved_fit_has_a_report_with_figures(shell: Shell, saved: str) -> None:
    outcome = shell(
        "report", saved, "--flops", "1e13", "--out", "page.html", "--figures", "figures"
    )
    assert (outcome.status, outcome.out) == (3, "page.html\n")  # the fit is short
    assert "NOT TO BE TRUSTED" in outcome.err
    page = Path("page.html").read_text()
    assert "10¹³ FLOP, train" in page
    assert "--figures figures" in page  # the command that makes the page
    assert len(list(Path("figures").iterdir())) == 14


@pytest.mark.parametrize(
    ("words", "begins"),
    [
        (("--out", "page.md"), "<!-- made by bayescale -->"),
        (("--out", "page.json"), '{"generator": "made by bayescale"'.replace("{", "{\n ")),
        (("--out", "page.txt", "--format", "md"), "<!-- made by bayescale -->"),
    ],
)
def test_a_report_has_other_forms(
    shell: Shell, saved: str, words: tuple[str, ...], begins: str
) -> None:
    outcome = shell("report", saved, *words)
    assert outcome.out.strip() == words[1]
    assert Path(words[1]).read_text().startswith(begins)


def test_a_table_is_fitted_and_reported(shell: Shell) -> None:
    write_runs("runs.csv")
    outcome = shell("report", "runs.csv", "--law", "chinchilla", *QUICK)
    assert outcome.out == "report.html\n"
    assert "runs.csv" in Path("report.html").read_text()


def test_claims_of_a_file_are_audited(shell: Shell) -> None:
    write_runs("runs.csv")
    Path("claims.toml").write_text(CLAIMS)
    words = ("audit", "runs.csv", "--claims", "claims.toml", *QUICK)
    outcome = shell(*words, "--out", "audit.html", "--json")
    page = json.loads(outcome.out)
    assert page["sections"][0]["numbers"]["verdicts"].keys() == {"a draft"}
    assert "a draft" in Path("audit.html").read_text()
    assert "a draft (printed): " in shell(*words).out


def test_every_claim_is_audited_on_its_own_dataset(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All but the work itself."""

    def audit_nothing(parallel: Parallel, **settings: int) -> tuple[Audit, ...]:
        assert not parallel.progress
        assert settings == {"draws": 200, "chains": 2, "random_seed": 0}
        claim = LAWS["kaplan_n"].claims[0]
        audited = ClaimAudit(claim, ("not testable",), ("There was no network.",), {})
        title = "kaplan_n on nothing"
        return (Audit(LAWS["kaplan_n"], {}, (audited,), title=title, dataset="nothing"),)

    monkeypatch.setattr(catalogue, "audit_published", audit_nothing)
    outcome = shell("audit", "--all", *QUICK, "--out", "all.html")
    assert (outcome.status, outcome.out) == (0, "all.html\n")
    assert "There was no network." in Path("all.html").read_text()
    assert shell("audit", "--all", *QUICK).out.startswith("kaplan_n on nothing\n\nKaplan")


REFUSED: dict[str, tuple[tuple[str, ...], list[str]]] = {
    "no such format": (("report", "--out", "a.pdf"), ["'.pdf'", "html, md or json"]),
    "no such folder": (("report", "--out", "no/a.html"), ["no folder no", "Create it"]),
    "not a report": (("report", "--out", "mine.md"), ["mine.md", "not written by bayescale"]),
    "no such law": (("report", "--law", "chinchila"), ["'chinchila'", "'chinchilla'"]),
    "no such fit": (("report", "no.nc"), ["no.nc"]),
    "no such claims": (("audit", "--claims", "no.toml"), ["no.toml", "cannot be read"]),
    "no such claims law": (("audit", "--claims", "no"), ["unknown law 'no'"]),
    "two laws": (
        ("audit", "--claims", "kaplan_n", "--law", "coupled"),
        ["--law is coupled", "Leave one of them out"],
    ),
    "nothing published": (
        ("audit", "--claims", "power_law"),
        ["nothing was published", "power_law"],
    ),
    "a form of nothing": (("audit", "--format", "md"), ["without --out", "Add --out"]),
    "bad claims": (("audit", "--claims", "bad.toml"), ["bad.toml, claim 1", "'label'"]),
}


@pytest.mark.usefixtures("unfittable")
@pytest.mark.parametrize(("words", "refusal"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_done_is_refused_before_any_fit(
    shell: Shell, words: tuple[str, ...], refusal: list[str]
) -> None:
    Path("mine.md").write_text("mine")
    Path("bad.toml").write_text("[[claims]]\nreference = 'x'\nvalues = { alpha = 1.0 }\n")
    assert_refused(shell(*words), refusal)
    assert Path("mine.md").read_text() == "mine"


def test_a_law_beside_a_saved_fit_must_be_its_own(shell: Shell, saved: str) -> None:
    assert_refused(shell("report", saved, "--law", "chinchilla"), ["is a fit of coupled"])
