"""Every card is true of its table, and a broken one is refused."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from bayescale.datasets import card, catalogue
from bayescale.datasets.card_record import Card, File
from bayescale.datasets.fetching import SHIPPED, fetch
from bayescale.datasets.reading import CARDS, cards, read_cards
from bayescale.datasets.recipe import Join, Recipe
from bayescale.errors import DataError
from bayescale.models import LAWS
from tests.datasets.toys import CARD, FILE, toy

SHIPPED_NAMES = [name for name, card in cards().items() if card.kind == "shipped"]


@pytest.fixture(params=cards())
def described(request: pytest.FixtureRequest) -> Card:
    return card(request.param)


def test_there_are_tables_enough() -> None:
    assert len(catalogue()) >= 45


def test_remote_files_are_pinned_to_a_commit(described: Card) -> None:
    for file in described.files if described.kind == "remote" else ():
        assert file.url.startswith("https://raw.githubusercontent.com/")
        commit = file.url.split("/")[5]
        assert len(commit) == 40
        assert set(commit) <= set("0123456789abcdef")


def test_laws_are_in_the_registry(described: Card) -> None:
    assert set(described.laws) <= set(LAWS)


def test_inputs_of_the_laws_are_columns(described: Card) -> None:
    for law in (LAWS[name] for name in described.laws):
        # `x` and `y` of a general law stand for any column; some laws compute theirs.
        assert set(law.inputs) - {"x", *law.columns} <= set(described.columns), law.name


def test_a_card_has_every_fact(described: Card) -> None:
    text = str(described)
    assert text.startswith(f"{described.name}: {described.title}\n")
    for label in ("rows", "columns", "response", "paper", "citation", "licence", "files"):
        assert f"\n{label} " in text
    assert len(described.title) < 80
    assert all(described.columns.values())  # every column has its meaning


@pytest.mark.parametrize("name", SHIPPED_NAMES)
def test_shipped_file_is_the_one_on_the_card(name: str) -> None:
    for file in card(name).files:
        raw = fetch(card(name))[file.name].read_bytes()
        assert (len(raw), hashlib.sha256(raw).hexdigest()) == (file.bytes, file.sha256)


def test_every_shipped_file_has_a_card() -> None:
    carded = {file.path for name in SHIPPED_NAMES for file in card(name).files}
    assert {path.name for path in SHIPPED.iterdir()} == carded


def test_the_catalogue_agrees_with_the_cards() -> None:
    entries = catalogue().set_index("name").to_dict("index")
    assert entries["chinchilla"] == {
        "title": "Chinchilla runs, read off Figure 4",
        "rows": 245,
        "laws": "chinchilla, coupled, kaplan_nd",
        "licence": "none stated",
        "kind": "remote",
        "bytes": 23224,
    }


def test_a_good_card_is_accepted() -> None:
    assert toy().recipe == Recipe()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "Toy"}, "name = 'Toy'; expected small letters"),
        ({"name": "toy\n"}, "expected small letters"),
        ({"title": 3}, "title = 3; expected str"),
        ({"kind": "borrowed"}, r"kind = 'borrowed'; expected .*'shipped', 'remote'"),
        ({"kind": "shipped"}, r"shipped, has the file 'runs' with url = 'https.*none otherwise"),
        ({"files": ()}, "3 rows in 0 files; expected one or more"),
        ({"rows": 0}, "0 rows in 1 files; expected one or more"),
        ({"rows": "245"}, "rows = '245'; expected int"),
        ({"laws": ("chinchilla", 2)}, r"laws = .* expected tuple\[str, \.\.\.\]"),
        ({"columns": {"loss": 1}}, r"expected dict\[str, str\]"),
        ({"response": "error"}, "names column 'error'"),
        ({"groups": ("family",)}, "names column 'family'"),
        ({"zeros": ("hits",)}, "names column 'hits'"),
        ({"cost": "7ND"}, "cost '7ND'; expected one of 6ND"),
        ({"cost": "", "recipe": Recipe(compute={"tokens": ["cost"]})}, "cost ''; expected one"),
        ({"columns": {"loss": "nats"}, "flops_per_6nd": (1.0, 1.0)}, "without the columns params"),
    ],
)
def test_a_broken_card_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        toy(**change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"path": "../runs.csv"}, r"path = '\.\./runs\.csv'; expected a relative path without"),
        ({"path": "toy/../../runs.csv"}, "expected a relative path without"),
        ({"path": "/etc/passwd"}, "relative path without"),
        ({"path": "C:\\runs.csv"}, "relative path without"),
        ({"path": "toy/."}, "relative path without"),
        ({"path": ""}, "relative path without"),
        ({"url": "file:///etc/passwd"}, r"expected an http\(s\) address"),
        ({"sha256": "0" * 63}, "expected 64 hexadecimal digits"),
        ({"sha256": "g" * 64}, "expected 64 hexadecimal digits"),
        ({"bytes": 0}, "bytes = 0; expected one or more"),
        ({"constants": {"size": [1]}}, "constants = "),
    ],
)
def test_a_broken_file_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        File(**FILE | change)


def test_a_remote_file_has_an_address_and_a_shipped_one_no_folder() -> None:
    local = File(**FILE | {"url": ""})
    with pytest.raises(DataError, match="remote, has the file 'runs' with url = ''"):
        toy(files=(local,))
    with pytest.raises(DataError, match=r"shipped in 'toy/runs\.csv'; expected a bare file name"):
        toy(files=(local,), kind="shipped")


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ({"compute": {"loss": ["guess"]}}, "operation for 'loss' 'guess'; expected one of cost"),
        ({"compute": {"loss": ["ratio", "a"]}}, "by ratio of 1 columns; expected 2"),
        ({"scale": {"params": "million"}}, r"expected dict\[str, float\]"),
        ({"filter": {"seed": 42}}, "filter = "),
        ({"reader": "pickle"}, "reader 'pickle'; expected one of transposed"),
        ({"melt": {"names": "task"}}, "expected the keys names values columns"),
        ({"last": {"by": ["run"]}}, "expected the keys by order"),
        ({"lookup": {"params": {"by": "size"}}}, "expected the keys by and values"),
    ],
)
def test_a_broken_recipe_is_refused(steps: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Recipe(**steps)


def test_a_broken_join_is_refused() -> None:
    with pytest.raises(DataError, match="the join with 'sizes' has on = 'arch'"):
        Join(file="sizes", on="arch")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("licence =", "license =", "unknown field 'license'; expected name, title"),
        ('licence = "none stated"', "", "lacks the field 'licence'"),
        ("rename =", "eval =", "recipe of card 'copy' has the unknown field 'eval'"),
        ("rows = 245", "rows =", "cannot be read: .*; expected TOML"),
        ("[recipe]", "[[recipe]]", "card 'copy' has recipe = .*expected Recipe"),
        ("bytes = 23224", "", "file 'runs' of card 'copy' lacks the field 'bytes'"),
        ("rows = 245", 'rows = 245\nfiles = ["run"]', "file 'run', which .described. lacks"),
    ],
)
def test_a_broken_card_file_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "copy.toml"
    path.write_text((CARDS / "chinchilla.toml").read_text().replace(old, new))
    with pytest.raises(DataError, match=message):
        read_cards(path)


def test_a_card_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "copy.toml"
    path.write_bytes("title = 'ß'".encode("latin-1"))
    with pytest.raises(DataError, match="expected TOML in UTF-8"):
        read_cards(path)


def test_tables_of_one_file_share_its_fields(tmp_path: Path) -> None:
    path = tmp_path / "two.toml"
    shared = (CARDS / "chinchilla.toml").read_text()
    path.write_text(
        shared + "\n[tables.two_a]\ntitle = 'A'\nrows = 3\nquirks = ['only here']\n"
        "[tables.two_a.recipe]\nfilter = { color = ['red'] }\n[tables.two_b]\nresponse = 'flops'\n"
    )
    first, second = read_cards(path)
    assert (first.name, first.title, first.rows) == ("two_a", "A", 3)
    assert (second.title, second.rows) == (card("chinchilla").title, 245)
    assert first.quirks == (*card("chinchilla").quirks, "only here")
    assert first.recipe.filter == {"color": ["red"]}
    assert first.recipe.rename == second.recipe.rename == card("chinchilla").recipe.rename
    assert second.response == "flops"


def test_two_tables_of_one_name_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (CARDS / "chinchilla.toml").read_text() + "\n[tables.same]\n"
    for name in ("a.toml", "b.toml"):
        (tmp_path / name).write_text(text)
    monkeypatch.setattr("bayescale.datasets.reading.CARDS", tmp_path)
    with pytest.raises(DataError, match="two tables are called 'same'"):
        cards.__wrapped__()


def test_an_address_is_quoted(tmp_path: Path) -> None:
    path = tmp_path / "copy.toml"
    text = (CARDS / "chinchilla.toml").read_text()
    path.write_text(text.replace('at = "data/svg', 'at = "d a+/ß#svg'))
    assert read_cards(path)[0].files[0].url.endswith("/d%20a%2B/%C3%9F%23svg_extracted_data.csv")


def test_a_card_reads_well() -> None:
    lines = str(card("chinchilla")).splitlines()
    assert lines[0] == "chinchilla: Chinchilla runs, read off Figure 4"
    assert "licence   none stated" in lines
    assert not any(line.startswith("groups") for line in lines)  # it has none


def test_of_many_files_a_card_shows_three() -> None:
    many = tuple(File(**FILE | {"name": f"runs{k}"}) for k in range(5))
    assert str(toy(files=many)).count("https://example.org") == 3
    assert "and 2 more" in str(toy(files=many))


def test_a_card_in_a_notebook_is_escaped() -> None:
    page = toy(title="<script>", quirks=("a < b & c",))._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "a &lt; b &amp; c" in page
    assert CARD["description"] in page
