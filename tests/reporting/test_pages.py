"""What a report says in each of its forms, and that none of it does anything but say it."""

import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bayescale as bs
from bayescale.auditing import Audit
from bayescale.budgets import answers
from bayescale.fitting import Fit
from bayescale.reporting import Report
from bayescale.reporting.record import Picture, Section, Table, Text
from bayescale.reporting.words import counted, power
from tests.reporting.conftest import HOSTILE, STRANGE

ORDER = [
    "answer",
    "verdict",
    "budgets",
    "support",
    "evidence",
    "methods",
    "checklist",
    "provenance",
    "references",
]
MOST_BYTES = 3_000_000
TIMES = "\N{MULTIPLICATION SIGN}"


class Elements(HTMLParser):
    """Tags with their attributes, and the text between them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module", params=["fitted", "audited", "many", "hostile"])
def page(request: pytest.FixtureRequest) -> Elements:
    made: Report = request.getfixturevalue(request.param)
    html = made.html()
    assert len(html.encode()) < MOST_BYTES
    return Elements(html)


def test_the_page_fetches_nothing_and_runs_nothing(page: Elements) -> None:
    assert not {"script", "iframe", "object", "embed", "img", "form"} & {t for t, _ in page.tags}
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")], tag
        for name in ("href", "src", "xlink:href"):
            # Data within the page: no favicon, and the colours of a colour bar.
            allowed = ("#", "data:image/png;base64,", "data:,")
            assert (attributes.get(name) or "#").startswith(allowed), (tag, attributes)
    (policy,) = (each["content"] for each in page.named("meta") if each.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'")


def test_ids_are_once_each_and_anchors_lead_somewhere(page: Elements) -> None:
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [each["href"] for each in page.named("a")]
    assert [link for link in links if link and link[1:] not in ids] == []
    inside = [a.get("xlink:href") or a.get("href") for tag, a in page.tags if tag == "use"]
    assert inside
    assert [link for link in inside if link and link[1:] not in ids] == []


def test_headings_are_in_order_and_figures_have_alternatives(page: Elements) -> None:
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    pictures = [each for each in page.named("svg") if each.get("role") == "img"]
    assert len(pictures) == len(page.named("figure")) >= 2
    assert all(each["aria-label"] for each in pictures)
    assert len(page.named("caption")) == len(page.named("table"))
    assert {each.get("scope") for each in page.named("th")} == {"col", "row"}


def test_sections_stand_in_the_order_in_which_they_are_read(fitted: Report) -> None:
    assert [section.anchor for section in fitted.sections] == ORDER


def test_hostile_names_are_text(hostile: Report, audited: Report) -> None:
    for made in (hostile, audited):
        elements = Elements(made.html())
        assert HOSTILE in elements.text
        assert "\u202e" not in elements.text
        assert "[U+202E]" in elements.text
        assert "\U0001f600" in elements.text


def test_hostile_names_are_text_in_markdown_too(hostile: Report) -> None:
    said = hostile.markdown()
    body = re.sub("```text.*?```", "", said, flags=re.DOTALL)
    assert "<script>" not in body
    assert re.search(r"(?<!\\)\]\(javascript", body) is None
    assert r"\<script\>" in body


def test_every_form_says_the_same(fitted: Report, small_fit: Fit) -> None:
    told = fitted.json()
    sentence = told["sections"][0]["numbers"]["sentence"]
    assert sentence in Elements(fitted.html()).text
    assert sentence in fitted.markdown().replace("\\", "")
    json.dumps(told, allow_nan=False)
    budgets = told["sections"][2]["numbers"]["budgets"]
    assert 3 <= len(budgets) <= 5
    again = small_fit.optimum([budgets[0]["flops"]])
    assert budgets[0]["N_opt"]["median"] == pytest.approx(float(again["N_opt"].median()))


def test_the_sentence_has_the_numbers_of_the_budget_that_was_asked(small_fit: Fit) -> None:
    made = bs.report(small_fit, flops=[1e13, 1e12])
    (found,) = answers(small_fit, small_fit.optimum([1e13]))
    sentence = made.json()["sections"][0]["numbers"]["sentence"]
    assert sentence.startswith(f"On {power(1e13)} FLOP, train ")
    assert counted(found.estimates["N_opt"].median) in sentence
    assert f"{found.decades_beyond_runs:.1f} decades beyond" in sentence


def test_a_fit_that_is_not_trusted_says_so_first(fitted: Report, small_fit: Fit) -> None:
    assert not small_fit.verdict.trusted  # it is short
    (first, *_) = fitted.sections[0].blocks
    assert isinstance(first, Text)
    assert first.text.startswith("The fit is not to be trusted.")


def test_an_audit_has_a_part_for_every_claim(audited: Report) -> None:
    told = audited.json()
    each = next(s for s in told["sections"] if s["anchor"] == "each")
    assert [part["heading"] for part in each["sections"]] == ["Nobody", STRANGE]
    assert all(part["numbers"]["verdict"] for part in each["sections"])


def test_choices_have_a_section_of_their_own(audited: Report, audit_at_hand: Audit) -> None:
    found = next(s for s in audited.sections if s.anchor == "choices")
    pictures = [block.name for block in found.blocks if isinstance(block, Picture)]
    assert pictures[0] == "choices-N_opt"
    trusted = int(audit_at_hand.multiverse["trusted"].sum())
    assert f"2 combinations of choices, and {trusted} of" in str(audited)


def test_many_audits_are_one_page_with_every_claim_in_a_sentence(many: Report) -> None:
    told = many.json()
    assert told["about"].startswith("3 audits, 164 runs")
    rows = next(s for s in told["sections"] if s["anchor"] == "claims")["blocks"][0]["rows"]
    assert [row[0] for row in rows] == ["Nobody", STRANGE] * 2 + ["Nobody"]
    assert rows[-1][-1] == "There was no network."
    assert told["sections"][0]["numbers"]["sentence"].startswith("Of 5 published claims, ")


def test_what_is_not_known_is_said_to_be_so(fitted: Report, hostile: Report) -> None:
    known, unknown = (
        next(s.numbers for s in made.sections if s.anchor == "checklist")
        for made in (fitted, hostile)
    )
    assert known["how params are counted"] == bs.datasets.card("pocket").params_count
    assert unknown["how params are counted"] == "not known"


def test_a_law_of_one_input_has_a_report(small_fit: Fit) -> None:
    runs = pd.DataFrame({"params": np.geomspace(1e6, 1e9, 12)})
    noise = np.exp(0.01 * np.random.default_rng(3).standard_normal(12))
    runs["loss"] = (1.7 + 40 / runs["params"] ** 0.3) * noise
    fit = bs.fit(bs.models.HENIGHAN_LOSS_N, runs, draws=200, tune=400, chains=2, random_seed=3)
    made = bs.report(fit)
    assert "ten times the largest of the runs" in str(made)
    names = [picture.name for picture in made.pictures()]
    assert names == ["honesty", "runs", "residuals", "predictive", "pair"]
    assert made.html()


def test_a_notebook_shows_the_page_in_a_frame_that_runs_nothing(hostile: Report) -> None:
    (frame,) = Elements(hostile._repr_html_()).tags
    assert frame[0] == "iframe"
    assert frame[1]["sandbox"] is None  # nothing is allowed
    assert frame[1]["srcdoc"] == hostile.html()


def test_references_are_bibtex_of_the_laws_papers(fitted: Report, small_fit: Fit) -> None:
    said = fitted.markdown()
    for eprint in re.findall(r"arXiv:(\d{4}\.\d{5})", small_fit.law.reference):
        assert f"eprint = {{{eprint}}}" in said


def test_figures_are_files_of_both_kinds(fitted: Report, tmp_path: Path) -> None:
    fitted.save(tmp_path / "report.md", figures=tmp_path / "figures")
    names = {picture.name for picture in fitted.pictures()}
    found = {path.name for path in (tmp_path / "figures").iterdir()}
    assert found == {f"{name}{suffix}" for name in names for suffix in (".svg", ".png")}
    said = (tmp_path / "report.md").read_text()
    assert all(f"(<figures/{name}.svg>)" in said for name in names)
    fitted.save(tmp_path / "report.md", figures=tmp_path / "figures")  # its own may be replaced


def test_numbers_that_are_none_are_null_in_json() -> None:
    numbers = {"a": np.float64(np.nan), "b": (1, np.inf), "c": {2: np.int64(3)}, "d": True}
    made = Report("title", "about", (Section("answer", "Answer", numbers=numbers),))
    (section,) = json.loads(json.dumps(made.json(), allow_nan=False))["sections"]
    assert section["numbers"] == {"a": None, "b": [1.0, None], "c": {"2": 3.0}, "d": True}


@pytest.mark.parametrize("name", ["report.html", "report.md", "report.json"])
def test_what_stands_there_is_replaced_only_if_it_is_a_report(tmp_path: Path, name: str) -> None:
    made = Report("title", "about", (Section("answer", "Answer", (Text("42"),)),))
    target = tmp_path / name
    made.save(target)
    made.save(target)
    assert "42" in target.read_text()
    target.write_text("mine")
    with pytest.raises(bs.DataError, match=r"was not written by bayescale.*free"):
        made.save(target)
    assert target.read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("name", "form", "words"),
    [
        ("report.txt", None, "extension '.txt'"),
        ("report.html", "pdf", "format 'pdf'"),
        ("nowhere/report.html", None, "no folder"),
    ],
)
def test_bad_targets_are_refused(
    fitted: Report, tmp_path: Path, name: str, form: str | None, words: str
) -> None:
    with pytest.raises(bs.DataError, match=words):
        fitted.save(tmp_path / name, form=form)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("value", "said"), [(1.07e6, "1.07 million"), (999.0, "999"), (2e12, "2 trillion"), (3, "3")]
)
def test_counts_in_words(value: float, said: str) -> None:
    assert counted(value) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [(3.2e13, f"3.2{TIMES}10¹³"), (12.34, "12.3"), (4e-7, f"4{TIMES}10⁻⁷"), (0.0, "0")],
)
def test_powers_of_ten(value: float, said: str) -> None:
    assert power(value) == said


def test_columns_of_numbers_are_told_from_text() -> None:
    table = Table("t", ("name", "x", "note"), (("a", "1.5 (1 to 2)", "x"), ("b", "-3", "")))
    assert table.numeric == (False, True, False)
