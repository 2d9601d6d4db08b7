"""One document in every form: what each keeps, and how each escapes."""

import json
import re
from collections.abc import Callable

import numpy as np
import pytest

from bayescale.documents.as_json import to_json
from bayescale.documents.document import (
    Code,
    Document,
    Listing,
    Picture,
    Section,
    Table,
    Text,
    on_axes,
)
from bayescale.documents.html import to_fragment, to_html
from bayescale.documents.markdown import to_markdown
from bayescale.documents.text import table_text, to_text

WORDS = [f"word{letter}" for letter in "ABCDEFGHIJ"]
TITLE, ABOUT, ANSWER, FIRST, SECOND, CAPTION, COLUMN, CELL, CODE, PART = WORDS
DOCUMENT = Document(
    TITLE,
    ABOUT,
    (
        Section(
            "one",
            "One",
            (
                Text(ANSWER, "answer"),
                Listing((FIRST, SECOND)),
                Table(CAPTION, ("", COLUMN), ((CELL, "1"),)),
                Code(CODE),
            ),
            parts=(Section("two", "Two", (Text(PART),)),),
        ),
    ),
)
FORMS: dict[str, Callable[[Document], str]] = {
    "text": to_text,
    "page": to_html,
    "fragment": to_fragment,
    "markdown": to_markdown,
    "json": lambda document: json.dumps(to_json(document)),
}


@pytest.mark.parametrize("render", FORMS.values(), ids=FORMS)
def test_every_form_has_every_block_in_order(render: Callable[[Document], str]) -> None:
    words = re.findall("word[A-J]", render(DOCUMENT))
    assert list(dict.fromkeys(words)) == WORDS


def test_text_has_an_empty_line_between_blocks_and_none_before_a_list() -> None:
    assert to_text(DOCUMENT).split("\n\n") == [
        TITLE,
        ABOUT,
        f"{ANSWER}\n- {FIRST}\n- {SECOND}",
        CAPTION,
        f"        {COLUMN}\n {'─' * 12}\n {CELL}      1",
        CODE,
        PART,
    ]


def test_two_lists_are_apart() -> None:
    section = Section("one", "One", (Text("a"), Listing(("b",)), Listing(("c",))))
    assert to_text(Document("", "", (section,))) == "a\n- b\n\n- c"


def test_a_long_item_is_indented() -> None:
    section = Section("one", "One", (Listing(("some words that go on",)),))
    assert to_text(Document("", "", (section,)), width=12) == "- some words\n  that go on"


def test_code_is_never_broken() -> None:
    line = "a long command " * 20
    assert line in to_text(Document("", "", (Section("one", "One", (Code(line),)),)), width=20)


ESTIMATES = [("row", "12.5 (11.2 to 13.9)*", "a sentence with many words")]


def test_a_table_is_broken_before_brackets_and_between_words() -> None:
    text = table_text(("name", "estimate", "note"), ESTIMATES, width=40)
    assert text.split("\n") == [
        " name             estimate  note",
        f" {'─' * 39}",
        " row                  12.5  a sentence",
        "           (11.2 to 13.9)*  with many",
        "                            words",
    ]


@pytest.mark.parametrize("width", [1, 20, 33, 80, 1000])
def test_a_table_of_any_width_keeps_every_word_whole(width: int) -> None:
    words = table_text(("name", "estimate", "note"), ESTIMATES, width=width).split()
    wanted = " ".join(["name estimate note", *ESTIMATES[0]]).split()
    assert sorted(word for word in words if "─" not in word) == sorted(wanted)


def test_a_table_of_wide_characters_stays_aligned() -> None:
    lines = table_text(("a", "b"), [("模型", "1"), ("ab", "2")], width=40).split("\n")
    assert lines[2] == " 模型  1"
    assert lines[3] == " ab    2"


def test_no_escape_sequence_is_written_where_colours_are_forced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b" not in to_text(DOCUMENT)


HOSTILE = "<b>&\x1b[31m\u202e`[x](javascript:1)|\\"


def hostile_document() -> Document:
    table = Table(HOSTILE, (HOSTILE, HOSTILE), ((HOSTILE, HOSTILE),))
    blocks = (Text(HOSTILE), Listing((HOSTILE,)), table, Code(HOSTILE))
    return Document(HOSTILE, HOSTILE, (Section("one", HOSTILE, blocks),))


@pytest.mark.parametrize("name", ["text", "page", "fragment", "markdown"])
def test_characters_that_disturb_are_shown_as_python_writes_them(name: str) -> None:
    rendered = FORMS[name](hostile_document())
    assert "\x1b" not in rendered
    assert "\u202e" not in rendered
    assert len(re.findall(r"\\x1b\\?\[31m\\{1,2}u202e", rendered)) >= 7


@pytest.mark.parametrize("name", ["page", "fragment"])
def test_html_shows_text_as_text(name: str) -> None:
    rendered = FORMS[name](hostile_document())
    assert "<b>" not in rendered
    assert "&lt;b&gt;&amp;" in rendered


def test_markdown_shows_text_as_text_and_fences_code() -> None:
    rendered = to_markdown(hostile_document())
    prose, code, _ = re.split("```(?:text)?\n", rendered)
    assert "<b>" in code
    assert (
        re.search(r"(?<!\\)[<>`|\[\]]", re.sub(r"(?m)^\| | \| | \|$|^\|.*--.*$", "", prose)) is None
    )


def test_a_fence_is_longer_than_backticks_in_the_code() -> None:
    rendered = to_markdown(Document("t", "", (Section("one", "One", (Code("````"),)),)))
    assert "\n`````text\n````\n`````" in rendered


def test_pictures_are_drawn_for_a_page_and_named_elsewhere() -> None:
    picture = Picture("dots", "some dots", "dots", on_axes(lambda ax: ax.plot([1], [2]), (2, 1)))
    document = Document("", "", (Section("one", "One", (picture,)),))
    assert 'aria-label="dots"' in to_html(document)
    assert to_text(document) == "Figure: some dots"
    assert "Figure: some dots" in to_fragment(document)
    assert "Figure: some dots" in to_markdown(document)
    assert "![dots](<figures/dots.svg>)\n\nsome dots" in to_markdown(document, figures="figures")
    (block,) = to_json(document)["sections"][0]["blocks"]
    assert block == {"form": "picture", "name": "dots", "caption": "some dots", "alt": "dots"}


def test_numbers_that_are_not_finite_are_null_in_json() -> None:
    numbers = {"a": np.float64(np.nan), "b": (1, np.inf), "c": {2: np.int64(3)}, "d": True}
    document = Document("title", "about", (Section("answer", "Answer", numbers=numbers),))
    (section,) = json.loads(json.dumps(to_json(document), allow_nan=False))["sections"]
    assert section["numbers"] == {"a": None, "b": [1.0, None], "c": {"2": 3.0}, "d": True}


def test_columns_of_numbers_are_recognised() -> None:
    table = Table("t", ("name", "x", "note"), (("a", "1.5 (1 to 2)", "x"), ("b", "-3", "")))
    assert table.numeric == (False, True, False)
