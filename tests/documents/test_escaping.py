"""Hostile text in every form of a document, and in figures."""

import json
import re
import sys
import unicodedata
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt

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
from bayescale.documents.drawing import draw_picture, drawing, inline, svg
from bayescale.documents.escaping import show_unseen
from bayescale.documents.html import to_fragment, to_html
from bayescale.documents.markdown import to_markdown
from bayescale.documents.text import table_text, to_text
from bayescale.plots.labels import plain_text
from tests.hostile import TEXTS, WORDS, unseen

each_text = pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31m", r"\x1b[31m"),
        ("a\u202eb", r"a\u202eb"),
        ("\U000e0041", r"\U000e0041"),
        ("\n\r\t\x00", r"\n\r\t\x00"),
        ("\ud800", r"\ud800"),
        ("\ufe0f\u3164", r"\ufe0f\u3164"),
        (r"\x1b", r"\x1b"),
        (WORDS, WORDS),
        ("a\u00a0b\u3000c", "a\u00a0b\u3000c"),  # spaces are seen
    ],
)
def test_unseen_characters_are_written_as_python_writes_them(text: str, shown: str) -> None:
    assert show_unseen(text) == shown


def test_line_ends_stay_where_there_are_lines() -> None:
    assert show_unseen("a\r\nb", lines=True) == "a\\r\nb"


def test_no_character_of_unicode_stays_unseen_and_letters_stay() -> None:
    signs = "".join(map(chr, range(sys.maxunicode + 1)))
    shown = show_unseen(signs)
    assert unseen(shown) == set()
    assert "\n" not in shown
    assert show_unseen(shown) == shown
    changed = {sign for sign in signs if show_unseen(sign) != sign}
    kinds = {unicodedata.category(sign) for sign in changed}
    # Of letters, marks and symbols only those that fonts show as nothing.
    assert kinds == {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Lo", "Mn", "So"}
    letters = [sign for sign in changed if unicodedata.category(sign)[0] in "LMS"]
    assert len(letters) == 268
    names = " ".join(unicodedata.name(sign) for sign in letters)
    assert set(re.findall("FILLER|SELECTOR|BLANK|INHERENT|JOINER", names)) == {
        *("FILLER", "SELECTOR", "BLANK", "INHERENT", "JOINER")
    }


def document_of(text: str) -> Document:
    """A document with a text in every place that can hold one."""
    picture = Picture("dots", text, text, on_axes(lambda ax: ax.plot([1], [2]), (2, 1)))
    blocks = (
        Text(text),
        Text(text, "answer"),
        Listing((text, text)),
        Table(text, (text, text), ((text, text), (text, text))),
        Code(text),
        picture,
    )
    part = Section("two", text, (Text(text),))
    return Document(text, text, (Section("one", text, blocks, (part,), numbers={text: text}),))


PLAIN = document_of("word")
"""The same with nothing to escape."""


class Page(HTMLParser):
    """Elements of a page with their attributes, and its text without style sheets."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.attributes: list[str] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # A column of numbers, or of long cells, has a class or a style of its own.
        names = tuple(name for name, _ in attrs if name not in ("class", "style"))
        self.elements.append((tag, names))
        self.attributes += [value or "" for _, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def handle_comment(self, data: str) -> None:
        self.elements.append((f"<!--{data}-->", ()))


@each_text
def test_html_has_no_element_or_attribute_from_the_text(text: str) -> None:
    for render in (to_html, to_fragment):
        page, plain = Page(render(document_of(text))), Page(render(PLAIN))
        assert page.elements == plain.elements
        assert unseen("".join([*page.text, *page.attributes])) == set()
        # In a block of code line ends stay.
        whole = [show_unseen(text), show_unseen(text, lines=True)]
        assert sum(words in whole for words in page.text) == plain.text.count("word")
        assert set(whole) <= set(page.text)


def markdown_tokens(markdown: str) -> list[Any]:
    """All tokens of a text, and those within them."""
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    tokens = parser.parse(markdown)
    return [part for token in tokens for part in (token, *(token.children or ()))]


def text_of(token: Any) -> str:
    """What a reader sees of a line."""
    seen = [child for child in token.children if child.type != "html_inline"]
    return "".join(text_of(part) if part.children else part.content for part in seen)


@each_text
def test_markdown_has_no_markup_from_the_text(text: str) -> None:
    tokens = markdown_tokens(to_markdown(document_of(text), figures="figures"))
    plain = markdown_tokens(to_markdown(PLAIN, figures="figures"))

    def kinds(parsed: list[Any]) -> list[str]:
        inside = ("text", "text_special", "html_inline")
        return [token.type for token in parsed if token.type not in inside]

    assert kinds(tokens) == kinds(plain)
    assert {t.content for t in tokens if t.type == "html_inline"} <= {"<!-- -->"}
    shown = [text_of(token) for token in tokens if token.type in ("inline", "image")]
    assert set(shown) == {show_unseen(text).rstrip()}
    assert len(shown) == len([token for token in plain if token.type in ("inline", "image")])
    assert unseen("".join(token.content for token in tokens)) == set()


GITHUB = (
    r"(?i:https?|ftp)://",
    r"(?i:www)\.",
    r"@[\w.]",
    r"#\d",
    r"(?i:gh)-\d",
    r":[\w+-]+:",
)
"""What GitHub reads as a link, a person, an issue or an emoji."""


@pytest.mark.parametrize("name", ["links", "addresses", "people"])
def test_nothing_in_markdown_is_live_on_github(name: str) -> None:
    code = r"(?s)```text.*?```"
    written = re.sub(code, "", to_markdown(document_of(TEXTS[name])))
    found = [pattern for pattern in GITHUB if re.search(pattern, written)]
    assert found == []
    assert any(re.search(pattern, TEXTS[name]) for pattern in GITHUB)
    # GitHub looks for some of them after backslashes are gone, in each piece of text.
    pieces = [t.content for t in markdown_tokens(written) if t.type in ("text", "text_special")]
    assert [piece for piece in pieces for p in GITHUB[2:] if re.search(p, piece)] == []


def test_figures_of_markdown_are_in_the_folder_whatever_its_name() -> None:
    tokens = markdown_tokens(to_markdown(PLAIN, figures='a> "b"\n\x1b[31m)\u202e/c'))
    (image,) = (token for token in tokens if token.type == "image")
    assert image.attrs["src"] == "a%3E%20%22b%22%0A%1B%5B31m%29%E2%80%AE/c/dots.svg"


@each_text
def test_text_has_no_line_or_sign_from_the_text(text: str) -> None:
    printed = to_text(document_of(text), width=1000)
    assert unseen(printed) == set()
    # The code may have lines of its own.
    assert printed.count("\n") == to_text(PLAIN, width=1000).count("\n") + text.count("\n")
    count = to_text(PLAIN, width=1000).count("word") - ("\n" in text)
    assert printed.count(show_unseen(text).rstrip()) == count


@each_text
def test_a_cell_is_one_line_of_a_table(text: str) -> None:
    rows = table_text(("name", "x"), [(text, "1"), ("b", "2")], width=1000).split("\n")
    assert len(rows) == 4
    assert rows[2].split()[-1] == "1"


@each_text
def test_json_keeps_the_text(text: str) -> None:
    written = json.dumps(to_json(document_of(text)))
    assert unseen(written) == set()
    page = json.loads(written)
    (section,) = page["sections"]
    assert page["title"] == page["about"] == section["heading"] == text
    assert section["numbers"] == {text: text}
    assert section["blocks"][3]["rows"] == [[text, text]] * 2
    assert section["blocks"][4]["text"] == section["blocks"][5]["alt"] == text


@each_text
def test_a_figure_is_xml_with_the_text_in_it(text: str) -> None:
    label = plain_text(text)

    def draw(ax: Any) -> None:
        ax.plot([1, 2], [1, 2], label=label)
        ax.set(xlabel=label, ylabel=label, title=label)
        ax.set_xticks([1.0], [label])
        ax.legend()

    with drawing():
        image = svg(draw_picture(Picture("dots", "", "", on_axes(draw, (6, 4)))))
    shown = show_unseen(text)
    wanted = " ".join(shown.split()) if len(shown) <= 40 else shown[:20]
    for figure in (image, inline(image, "dots", show_unseen(text))):
        words = [element.text or "" for element in ElementTree.fromstring(figure).iter()]
        assert unseen("".join(words)) == set()
        assert sum(word.startswith(wanted) for word in words) == 5
