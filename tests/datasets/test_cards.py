"""Every card tells the truth about its table, and a broken one is refused."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bayescale.datasets import Card, card, catalogue
from bayescale.datasets.fetching import SHIPPED, fetch
from bayescale.datasets.recipes import standard_table
from bayescale.datasets.records import Recipe, read_card
from bayescale.errors import DataError

NAMES = list(catalogue()["name"])
SHIPPED_NAMES = [name for name in NAMES if card(name).kind == "shipped"]

GOOD: dict[str, Any] = {
    "name": "toy",
    "title": "Toy",
    "description": "Three runs.",
    "paper": "none",
    "citation": "none",
    "licence": "none stated",
    "kind": "remote",
    "path": "toy/runs.csv",
    "url": "https://example.org/runs.csv",
    "sha256": "0" * 64,
    "bytes": 10,
    "rows": 3,
    "columns": {"params": "parameters", "tokens": "tokens", "flops": "FLOP", "loss": "nats/token"},
    "params_count": "total",
    "cost": "6ND",
    "response": "loss",
    "response_unit": "nats/token",
    "laws": ("chinchilla",),
}


@pytest.mark.parametrize("name", NAMES)
def test_card_is_called_what_its_file_is_called(name: str) -> None:
    assert card(name).name == name


@pytest.mark.parametrize("name", NAMES)
def test_remote_files_come_over_https(name: str) -> None:
    assert card(name).kind == "shipped" or card(name).url.startswith("https://")


@pytest.mark.parametrize("name", SHIPPED_NAMES)
def test_shipped_file_is_the_one_on_the_card(name: str) -> None:
    raw = fetch(card(name)).read_bytes()
    assert len(raw) == card(name).bytes
    assert hashlib.sha256(raw).hexdigest() == card(name).sha256


@pytest.mark.parametrize("name", SHIPPED_NAMES)
def test_shipped_table_is_the_one_on_the_card(name: str) -> None:
    table = standard_table(fetch(card(name)), card(name))
    assert len(table) == card(name).rows
    assert list(table) == list(card(name).columns)


def test_every_shipped_file_has_a_card() -> None:
    assert {path.stem for path in SHIPPED.iterdir()} == set(SHIPPED_NAMES)


def test_catalogue_says_what_the_cards_say() -> None:
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
    assert Card(**GOOD).recipe == Recipe()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "Toy"}, "name = 'Toy'; expected small letters"),
        ({"name": "toy\n"}, "expected small letters"),
        ({"title": 3}, "title = 3; expected str"),
        ({"kind": "borrowed"}, r"kind = 'borrowed'; expected .*'shipped', 'remote'"),
        ({"path": "../runs.csv"}, r"path = '\.\./runs\.csv'; expected"),
        ({"path": "toy/../../runs.csv"}, "expected a bare file name, or"),
        ({"path": "/etc/passwd"}, "relative path without"),
        ({"path": "C:\\runs.csv"}, "relative path without"),
        ({"path": "toy/."}, "relative path without"),
        ({"path": ""}, "relative path without"),
        ({"kind": "shipped", "url": ""}, "path = 'toy/runs.csv'; expected a bare file name"),
        ({"kind": "shipped", "path": "runs.csv"}, "none for a shipped one"),
        ({"url": ""}, r"url = ''; expected an http\(s\) address"),
        ({"url": "file:///etc/passwd"}, r"expected an http\(s\) address"),
        ({"sha256": "0" * 63}, "expected 64 hexadecimal digits"),
        ({"sha256": "g" * 64}, "expected 64 hexadecimal digits"),
        ({"rows": 0}, "rows = 0; expected one or more"),
        ({"rows": "245"}, "rows = '245'; expected int"),
        ({"laws": ("chinchilla", 2)}, r"laws = .* expected tuple\[str, \.\.\.\]"),
        ({"columns": {"loss": 1}}, r"expected dict\[str, str\]"),
        ({"response": "error"}, "speaks of column 'error'"),
        ({"groups": ("family",)}, "speaks of column 'family'"),
        ({"recipe": Recipe(scale={"seconds": 60.0})}, "speaks of column 'seconds'"),
        ({"cost": "7ND"}, "cost = '7ND'; expected 6ND"),
        ({"cost": "", "recipe": Recipe(compute=("tokens",))}, "cost = ''; expected 6ND"),
    ],
)
def test_a_broken_card_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Card(**GOOD | change)


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ({"compute": ("loss",)}, "computes 'loss'; expected one of tokens, flops"),
        ({"scale": {"params": "million"}}, r"expected dict\[str, float\]"),
        ({"filter": {"seed": 42}}, "filter = "),
    ],
)
def test_a_broken_recipe_is_refused(steps: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Recipe(**steps)


CHINCHILLA = Path(__file__).parents[2] / "datasets" / "cards" / "chinchilla.toml"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("licence =", "license =", "unknown field 'license'; expected name, title"),
        ('licence = "none stated"', "", "lacks the field 'licence'"),
        ("rename =", "eval =", "recipe of card 'copy' has the unknown field 'eval'"),
        ("rows = 245", "rows =", "cannot be read: .*; expected TOML"),
        ("[recipe]", "[[recipe]]", "card 'copy' has recipe = .*expected Recipe"),
    ],
)
def test_a_broken_file_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "copy.toml"
    path.write_text(CHINCHILLA.read_text().replace(old, new))
    with pytest.raises(DataError, match=message):
        read_card(path)


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "copy.toml"
    path.write_bytes("title = 'ß'".encode("latin-1"))
    with pytest.raises(DataError, match="expected TOML in UTF-8"):
        read_card(path)


def test_recipe_steps(tmp_path: Path) -> None:
    file = tmp_path / "runs.csv"
    file.write_text(
        "N,params,D,loss,family,seed\n1,-1,2,3.5,a,42\n2,-1,3,3.25,b,42\n9,-1,9,9.0,b,7\n"
    )
    recipe = Recipe(
        filter={"seed": [42]},
        rename={"params": "N", "tokens": "D"},  # the file's own `params` is something else
        scale={"params": 1e6, "tokens": 1e9},
        compute=("flops",),
    )
    columns = GOOD["columns"] | {"family": "model family"}
    toy = Card(**GOOD | {"columns": columns, "groups": ("family",), "recipe": recipe})
    table = standard_table(file, toy)
    assert list(table) == ["params", "tokens", "flops", "loss", "family"]
    assert table["params"].tolist() == [1e6, 2e6]
    assert table["tokens"].tolist() == [2e9, 3e9]
    assert table["flops"].tolist() == [1.2e16, 3.6e16]
    assert table["family"].tolist() == ["a", "b"]
    assert table.index.tolist() == [0, 1]


def test_json_lines(tmp_path: Path) -> None:
    file = tmp_path / "runs.jsonl"
    file.write_text('{"params": 1000000, "tokens": 20000000000, "loss": 3.1}\n')
    toy = Card(**GOOD | {"recipe": Recipe(compute=("flops",))})
    assert standard_table(file, toy).iloc[0].tolist() == [1e6, 2e10, 1.2e17, 3.1]


def test_a_recipe_for_another_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "runs.csv"
    file.write_text("N,D\n1,2\n")
    with pytest.raises(DataError, match=r"no column 'params'; it has N, D\. Correct the recipe"):
        standard_table(file, Card(**GOOD))


def test_a_card_reads_well() -> None:
    lines = str(card("chinchilla")).splitlines()
    assert lines[0] == "chinchilla: Chinchilla runs, read off Figure 4"
    assert "licence   none stated" in lines
    assert not any(line.startswith("groups") for line in lines)  # it has none


def test_a_card_in_a_notebook_is_escaped() -> None:
    evil = replace(Card(**GOOD), title="<script>", quirks=("a < b & c",))
    page = evil._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "a &lt; b &amp; c" in page
