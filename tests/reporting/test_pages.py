"""Reports in every form: what they contain, and that they contain nothing that acts."""

import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from markdown_it import MarkdownIt

import bayescale as bs
from bayescale.auditing.record import Audit
from bayescale.documents.document import Document, Picture, Section, Table, Text
from bayescale.documents.escaping import show_unseen
from bayescale.documents.text import to_text
from bayescale.fitting.record import Fit
from bayescale.reporting.record import Report
from bayescale.wording import power_of_ten
from tests.hostile import WORDS, unseen
from tests.reporting.conftest import HOSTILE, SIGNS, STRANGE

ORDER = [
    "answer",
    "budgets",
    "verdict",
    "coefficients",
    "evidence",
    "methods",
    "checklist",
    "provenance",
    "references",
]


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


def section_of(report: Report, anchor: str) -> Section:
    return next(section for section in report.document.sections if section.anchor == anchor)


REPORTS = ["fit_report", "audit_report", "audits_report", "hostile_report"]


@pytest.fixture(scope="module", params=REPORTS)
def page(request: pytest.FixtureRequest) -> Elements:
    report: Report = request.getfixturevalue(request.param)
    html = report.html()
    assert len(html.encode()) < 3_000_000
    return Elements(html)


def test_the_page_fetches_nothing_and_runs_nothing(page: Elements) -> None:
    assert not {"script", "iframe", "object", "embed", "img", "form"} & {t for t, _ in page.tags}
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")], tag
        for name in ("href", "src", "xlink:href"):
            # Data within the page: no favicon, and the colours of a colour bar.
            allowed = ("#", "data:image/png;base64,", "data:,")
            assert (attributes.get(name) or "#").startswith(allowed), (tag, attributes)
    (policy,) = (meta["content"] for meta in page.named("meta") if meta.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'")


def test_ids_are_unique_and_anchors_lead_somewhere(page: Elements) -> None:
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [link["href"] for link in page.named("a")]
    assert [link for link in links if link and link[1:] not in ids] == []
    inside = [a.get("xlink:href") or a.get("href") for tag, a in page.tags if tag == "use"]
    assert inside
    assert [link for link in inside if link and link[1:] not in ids] == []


def test_headings_are_in_order_and_figures_have_alternatives(page: Elements) -> None:
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    pictures = [image for image in page.named("svg") if image.get("role") == "img"]
    assert len(pictures) == len(page.named("figure")) >= 2
    assert all(picture["aria-label"] for picture in pictures)
    assert len(page.named("caption")) == len(page.named("table"))
    assert {cell.get("scope") for cell in page.named("th")} == {"col", "row"}


def test_sections_are_in_the_order_in_which_they_are_read(fit_report: Report) -> None:
    assert [section.anchor for section in fit_report.document.sections] == ORDER


def test_hostile_names_are_text(hostile_report: Report, audit_report: Report) -> None:
    for report in (hostile_report, audit_report):
        elements = Elements(report.html())
        assert HOSTILE in elements.text
        assert WORDS in elements.text
        assert show_unseen(STRANGE) in elements.text


@pytest.mark.parametrize("name", ["hostile_report", "audit_report", "audits_report"])
def test_hostile_names_are_text_in_every_form(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    report: Report = request.getfixturevalue(name)
    report.save(tmp_path / "a.md", figures=tmp_path / "figures")
    report.save(tmp_path / "a.json")
    page, markdown = report.html(), (tmp_path / "a.md").read_text()
    text, written = to_text(report.document), (tmp_path / "a.json").read_text()
    for form in (page, markdown, text, written):
        assert unseen(form) == set()
    assert show_unseen(SIGNS) in text
    assert STRANGE in strings(json.loads(written))
    # Markdown has the figures, and nothing else that acts.
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown)
    parts = [part for token in tokens for part in (token, *(token.children or ()))]
    assert not {part for part in parts if part.type == "link_open"}
    html = {part.content.strip() for part in parts if part.type.startswith("html")}
    assert html == {"<!-- made by bayescale -->", "<!-- -->"}
    images = [str(part.attrs["src"]) for part in parts if part.type == "image"]
    figures = {f"figures/{picture.name}.svg" for picture in report.document.pictures()}
    assert set(images) == figures
    for figure in figures:
        drawn = (tmp_path / figure).read_text()
        assert unseen(drawn) == set()
        assert ElementTree.fromstring(drawn).tag.endswith("svg")


def strings(value: object) -> set[str]:
    """All text in what JSON held."""
    if isinstance(value, dict):
        return set(value) | {text for part in value.values() for text in strings(part)}
    if isinstance(value, list):
        return {text for part in value for text in strings(part)}
    return {value} if isinstance(value, str) else set()


def test_figures_show_signs_that_nobody_sees(hostile_report: Report) -> None:
    text = Elements(hostile_report.html()).text
    # In the legend of a figure, where names are cut at 40 characters.
    assert f"{show_unseen(SIGNS)[:39]}…" in text


def test_all_forms_have_the_answer(fit_report: Report, small_fit: Fit) -> None:
    page = fit_report.json()
    sentence = page["sections"][0]["numbers"]["sentence"]
    assert sentence in Elements(fit_report.html()).text
    assert sentence in fit_report.markdown().replace("\\", "")
    json.dumps(page, allow_nan=False)
    budgets = page["sections"][1]["numbers"]["budgets"]
    largest = max(small_fit.runs["flops"])
    assert [budget["flops"] / largest for budget in budgets] == pytest.approx(
        [0.1, 1, 10, 100], rel=0.1
    )
    best = small_fit.optimum([budgets[0]["flops"]])
    assert budgets[0]["N_opt"]["median"] == pytest.approx(float(best["N_opt"].median()))


def test_the_sentence_is_about_the_largest_budget(small_fit: Fit) -> None:
    section = section_of(bs.report(small_fit, flops=[1e13, 1e12]), "budgets")
    estimates = section.numbers["estimates"][-1]
    assert estimates["flops"] == 1e13
    sentence = section_of(bs.report(small_fit, flops=[1e13, 1e12]), "answer").numbers["sentence"]
    assert sentence.startswith(f"On {power_of_ten(1e13)} FLOP, train ")
    assert f"{estimates['estimates']['N_opt']['median'] / 1e3:.3g} thousand (" in sentence
    assert f"{estimates['decades_beyond_runs']:.1f} decades beyond" in sentence


def test_a_fit_that_is_not_trusted_says_so_first(fit_report: Report, small_fit: Fit) -> None:
    assert not small_fit.verdict.trusted  # it is short
    first = fit_report.document.sections[0].blocks[0]
    assert isinstance(first, Text)
    assert first.text.startswith("The fit is not to be trusted.")


def test_three_remarks_are_with_the_verdict_and_the_others_with_the_findings(
    small_fit: Fit,
) -> None:
    tree = small_fit.tree.copy()
    tree.attrs["warnings"] = json.dumps([f"remark {letter}" for letter in "abcde"])
    report = bs.report(bs.Fit(small_fit.structure, tree))
    verdict = section_of(report, "verdict")
    assert verdict.numbers["warnings"] == [f"remark {letter}" for letter in "abcde"]
    (shown,) = (b.items for b in verdict.blocks if getattr(b, "items", ("",))[0] == "remark a")
    assert shown == ("remark a", "remark b", "remark c")
    assert verdict.blocks[-1].text.startswith("2 more remarks below")
    assert "- remark d\n- remark e\n- " in report.markdown()


def test_scatter_is_among_the_numbers_and_not_in_the_table(fit_report: Report) -> None:
    section = section_of(fit_report, "coefficients")
    (table, *_) = (block for block in section.blocks if isinstance(block, Table))
    names = {row[0] for row in table.rows}
    assert {"E", "alpha", "a"} <= names
    assert not any(name.startswith(("sigma", "bend", "nu")) for name in names)
    assert names | {"sigma", "bend[params*tokens]", "nu"} <= set(section.numbers["summary"])


def test_an_audit_has_a_part_for_every_claim(audit_report: Report) -> None:
    page = audit_report.json()
    claims = next(s for s in page["sections"] if s["anchor"] == "each")
    assert [part["heading"] for part in claims["sections"]] == ["Nobody", STRANGE]
    assert all(part["numbers"]["verdict"] for part in claims["sections"])


def test_choices_have_a_section_of_their_own(audit_report: Report, hostile_audit: Audit) -> None:
    blocks = section_of(audit_report, "choices").blocks
    pictures = [block.name for block in blocks if isinstance(block, Picture)]
    assert pictures[0] == "choices-N_opt"
    trusted = int(hostile_audit.multiverse["trusted"].sum())
    assert f"2 combinations of choices, and {trusted} of" in str(audit_report)


def test_many_audits_are_one_page_with_every_claim_in_a_sentence(audits_report: Report) -> None:
    page = audits_report.json()
    assert page["about"].startswith("3 audits, 164 runs")
    rows = next(s for s in page["sections"] if s["anchor"] == "claims")["blocks"][0]["rows"]
    assert [row[0] for row in rows] == ["Nobody", STRANGE] * 2 + ["Nobody"]
    assert rows[-1][-1] == "There was no network."
    assert page["sections"][0]["numbers"]["sentence"].startswith("Of 5 published claims, ")


def test_unknown_answers_of_the_checklist_are_marked(
    fit_report: Report, hostile_report: Report
) -> None:
    known, unknown = (section_of(r, "checklist").numbers for r in (fit_report, hostile_report))
    assert known["how params are counted"] == bs.datasets.card("pocket").params_count
    assert unknown["how params are counted"] == "not known"


def test_a_law_of_one_input_has_a_report() -> None:
    runs = pd.DataFrame({"params": np.geomspace(1e6, 1e9, 12)})
    noise = np.exp(0.01 * np.random.default_rng(3).standard_normal(12))
    runs["loss"] = (1.7 + 40 / runs["params"] ** 0.3) * noise
    law = bs.models.LAWS["henighan_n"]
    report = bs.report(bs.fit(law, runs, draws=200, tune=400, chains=2, random_seed=3))
    assert "ten times the largest of the runs" in str(report)
    names = [picture.name for picture in report.document.pictures()]
    assert names == ["runs", "residuals", "predictive", "pair"]
    assert report.html()


def test_a_notebook_shows_the_page_in_a_frame_that_runs_nothing(hostile_report: Report) -> None:
    (frame,) = Elements(hostile_report._repr_html_()).tags
    assert frame[0] == "iframe"
    assert frame[1]["sandbox"] is None  # nothing is allowed
    assert frame[1]["srcdoc"] == hostile_report.html()


def test_references_are_bibtex_of_the_laws_papers(fit_report: Report, small_fit: Fit) -> None:
    text = fit_report.markdown()
    eprints = re.findall(r"arXiv:(\d{4}\.\d{5})", small_fit.law.reference)
    assert eprints
    assert [eprint for eprint in eprints if f"eprint = {{{eprint}}}" not in text] == []


def test_figures_are_files_of_both_kinds(fit_report: Report, tmp_path: Path) -> None:
    fit_report.save(tmp_path / "report.md", figures=tmp_path / "figures")
    names = {picture.name for picture in fit_report.document.pictures()}
    files = {path.name for path in (tmp_path / "figures").iterdir()}
    assert files == {f"{name}{suffix}" for name in names for suffix in (".svg", ".png")}
    text = (tmp_path / "report.md").read_text()
    assert all(f"(<figures/{name}.svg>)" in text for name in names)
    fit_report.save(tmp_path / "report.md", figures=tmp_path / "figures")  # its own are replaced


def test_a_figure_of_others_is_never_replaced(fit_report: Report, tmp_path: Path) -> None:
    (tmp_path / "pair.png").write_text("mine")
    with pytest.raises(bs.DataError, match=r"pair\.png.*was not written by bayescale"):
        fit_report.save(tmp_path / "report.html", figures=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["pair.png"]
    assert (tmp_path / "pair.png").read_text() == "mine"


ANSWER = Report(Document("title", "about", (Section("answer", "Answer", (Text("42"),)),)))


@pytest.mark.parametrize("name", ["report.html", "report.md", "report.json"])
def test_a_file_is_replaced_only_if_it_is_a_report(tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    ANSWER.save(target)
    ANSWER.save(target)
    assert "42" in target.read_text()
    target.write_text("mine")
    with pytest.raises(bs.DataError, match=r"was not written by bayescale.*free"):
        ANSWER.save(target)
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
def test_bad_targets_are_refused(tmp_path: Path, name: str, form: str | None, words: str) -> None:
    with pytest.raises(bs.DataError, match=words):
        ANSWER.save(tmp_path / name, form=form)
    assert list(tmp_path.iterdir()) == []
