"""`bayescale laws`, `bayescale datasets`, and the help."""

import json
from importlib.metadata import version

import pytest

from bayescale import datasets
from bayescale.models import LAWS
from tests.shell import Outcome, Shell, assert_refused


def test_laws_lists_every_law(shell: Shell) -> None:
    outcome = shell("laws")
    assert (outcome.status, outcome.err) == (0, "")
    assert all(law.name in outcome.out and law.title in outcome.out for law in LAWS.values())


@pytest.mark.parametrize("name", LAWS)
def test_a_law_is_described_with_priors_and_claims(shell: Shell, name: str) -> None:
    outcome = shell("laws", name)
    law = LAWS[name]
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.startswith(f"{name}: {law.title}\n\n")
    assert all(repr(prior)[:30] in outcome.out for prior in law.priors.values())
    # A long label is broken between its words.
    assert all(word in outcome.out for claim in law.claims for word in claim.label.split())
    assert "`" not in outcome.out


def test_datasets_lists_every_table(shell: Shell) -> None:
    outcome = shell("datasets")
    assert (outcome.status, outcome.err) == (0, "")
    table = datasets.catalogue()
    assert all(name in outcome.out for name in [*table["name"], *table["title"]])


def test_datasets_are_listed_for_machines(shell: Shell) -> None:
    entries = json.loads(shell("datasets", "--json").out)
    assert [entry["name"] for entry in entries] == list(datasets.catalogue()["name"])
    assert next(entry for entry in entries if entry["name"] == "chinchilla") == {
        "name": "chinchilla",
        "title": "Chinchilla runs, read off Figure 4",
        "rows": 245,
        "laws": ["chinchilla", "coupled", "kaplan_nd"],
        "licence": "none stated",
        "kind": "remote",
        "bytes": 23224,
    }
    one = json.loads(shell("datasets", "chinchilla", "--json").out)
    assert one["files"][0]["sha256"] == datasets.card("chinchilla").files[0].sha256


def test_a_dataset_is_described_by_its_card(shell: Shell) -> None:
    outcome = shell("datasets", "simulated_isoflop")
    assert outcome == Outcome(0, f"{datasets.card('simulated_isoflop')}\n", "")
    assert "never report it as evidence" in outcome.out


def test_the_version_is_the_installed_one(shell: Shell) -> None:
    assert shell("--version") == Outcome(0, f"bayescale {version('bayescale')}\n", "")


COMMANDS = ["fit", "optimum", "diagnose", "report", "audit", "laws", "datasets"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_names_every_command_and_explains_it(shell: Shell, command: str) -> None:
    overview = shell("--help").out
    assert f"  {command} " in overview
    assert "..." not in overview.partition("Commands:")[2]  # no explanation is cut
    outcome = shell(command, "--help")
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.startswith(f"Usage: bayescale {command}")


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        (["ask"], ["No such command 'ask'", "bayescale --help"]),
        ([], ["Missing command", "bayescale --help"]),
        (["optimum", "--flops", "1"], ["Missing argument", "bayescale --help"]),
        (["laws", "kaplan"], ["unknown law 'kaplan'"]),
        (["datasets", "x"], ["no table is called 'x'"]),
    ],
)
def test_what_is_not_there_is_refused_in_one_line(
    shell: Shell, words: list[str], refusal: list[str]
) -> None:
    assert_refused(shell(*words), refusal)
