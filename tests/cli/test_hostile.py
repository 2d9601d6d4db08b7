"""Hostile labels, columns, claims and names of files, through every command of the shell."""

import json
import warnings
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from bayescale.cli.lines import print_complaint, print_text
from bayescale.documents.escaping import show_unseen
from bayescale.models import LAWS
from bayescale.spec.law import Law
from tests.hostile import TERMINAL, WORDS, unseen
from tests.shell import Outcome, Shell

NAME = "".join(TERMINAL.values()).replace("/", "").replace("\\", "")
"""Everything in one name, which may be that of a file, of a column or of a group."""

TABLE, FIT = f"{NAME[:60]}.json", f"{NAME[:60]}.nc"
FIGURES = f"figures{NAME[:50]}"
QUICK = ("--draws", "40", "--chains", "2")
LAW = ("--law", "chinchilla", "--likelihood", "normal")
GROUPS = ("--groups", NAME, "--pool", "separate", "--column", f"loss=loss{NAME}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table of runs and a file of claims."""
    folder = tmp_path_factory.mktemp("hostile")
    params, ratio = map(np.ravel, np.meshgrid(np.geomspace(1e8, 1e10, 5), np.geomspace(2, 200, 4)))
    noise = np.exp(0.005 * np.random.default_rng(1).standard_normal((2, params.size)))
    loss = 1.8 + 480 / params**0.35 + 2100 / (ratio * params) ** 0.37
    columns = {"params": params, "tokens": ratio * params}
    tables = [
        pd.DataFrame({**columns, f"loss{NAME}": loss * factor, NAME: label})
        for label, factor in zip((NAME, WORDS), noise, strict=True)
    ]
    # Not CSV, whose readers change line ends.
    rows = pd.concat(tables).to_dict("records")
    (folder / TABLE).write_text(json.dumps(rows))
    label = "".join(f"\\U{ord(sign):08x}" for sign in NAME)
    claim = f'label = "{label}"\nreference = "{label}"\nvalues = {{ alpha = 0.35, beta = 0.37 }}'
    (folder / "claims.toml").write_text(f"[[claims]]\n{claim}\nerrors = {{ alpha = 0.02 }}\n")
    return folder


def assert_shown(outcome: Outcome, status: int, *, named: bool = True) -> None:
    assert outcome.status == status, outcome.err
    assert unseen(outcome.out + outcome.err) == set()
    if named:
        assert show_unseen(NAME[:20]) in outcome.out + outcome.err


def test_every_command_shows_hostile_text(
    shell: Shell, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    words = (*LAW, *GROUPS, *QUICK)
    outcome = shell("fit", TABLE, *words, "--out", FIT, "--all", "--flops", "1e22")
    assert_shown(outcome, 3)
    assert WORDS.split(",")[0] in outcome.out
    answer = json.loads(shell("fit", TABLE, *words, "--json").out)
    assert answer["table"] == TABLE
    assert f"E[{NAME}]" in answer["summary"]
    assert_shown(shell("optimum", FIT, "--flops", "1e22"), 3)
    assert_shown(shell("optimum", FIT, "--flops", "1e22", "--json"), 3, named=False)
    assert_shown(shell("diagnose", FIT), 3)
    for ending in ("html", "md", "json"):
        page = f"page{NAME[:50]}.{ending}"
        written = shell("report", FIT, "--out", page, "--figures", FIGURES)
        assert_shown(written, 3)
        assert written.out == f"{show_unseen(page)}\n"
        assert unseen(Path(page).read_text()) == set()
    figures = [path.read_text() for path in Path(FIGURES).glob("*.svg")]
    assert len(figures) > 3
    assert unseen("".join(figures)) == set()
    assert all(ElementTree.fromstring(figure) is not None for figure in figures)
    column = ("--column", f"loss=loss{NAME}")
    audited = ("audit", TABLE, "--claims", "claims.toml", *column, *QUICK)
    assert_shown(shell(*audited), 3)
    outcome = shell(*audited, "--out", "audit.html", "--json")
    assert_shown(outcome, 3, named=False)
    assert list(json.loads(outcome.out)["sections"][0]["numbers"]["verdicts"]) == [NAME]


@pytest.mark.parametrize(
    "words",
    [
        ("fit", TABLE, *LAW),  # there is no column of losses
        ("fit", TABLE, *LAW, *GROUPS, "--where", f"{NAME}=x"),
        ("fit", TABLE, *LAW, *GROUPS, "--where", f"{NAME}x=x"),
        ("fit", TABLE, *LAW, "--column", f"loss={NAME}"),
        ("fit", TABLE, *LAW, "--column", f"loss=a{NAME}"),
        ("fit", TABLE, *LAW, "--column", f"a{NAME}=params"),
        ("fit", TABLE, "--column", NAME),
        ("fit", TABLE, "--at", NAME),
        ("fit", TABLE, "--law", NAME),
        ("fit", TABLE, "--likelihood", NAME),
        ("fit", TABLE, "--likelihood", f"with_errors:errors={NAME}"),
        ("fit", TABLE, "--priors", NAME, *GROUPS, *LAW),
        ("fit", TABLE, "--pool", NAME, *GROUPS[:2], *LAW),
        ("fit", TABLE, "--groups", f"a{NAME}", *GROUPS[-2:], *LAW),
        ("fit", TABLE, "--draws", NAME),
        ("fit", TABLE, "--out", f"{NAME}.txt"),
        ("fit", TABLE, "--out", f"{NAME}/a.nc"),
        ("fit", f"no{NAME}.csv"),
        ("fit", f"no{NAME}"),
        ("fit", f"--{NAME}"),
        ("fit", TABLE, NAME),
        ("optimum", f"no{NAME}.nc", "--flops", "1"),
        ("optimum", "other.nc", "--flops", "1", "--cost", NAME),
        ("diagnose", f"no{NAME}.nc"),
        ("report", TABLE, "--out", f"{NAME}.pdf"),
        ("report", TABLE, "--out", f"{NAME}/a.md"),
        ("report", TABLE, "--out", TABLE, "--format", "md"),
        ("report", TABLE, "--format", NAME),
        ("audit", TABLE, "--claims", NAME),
        ("audit", TABLE, "--claims", f"{NAME}.toml"),
        ("audit", TABLE, "--law", NAME),
        ("laws", NAME),
        ("datasets", NAME),
        (NAME,),
    ],
)
def test_every_refusal_shows_hostile_text(
    shell: Shell, folder: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(folder)
    outcome = shell(*words)
    assert_shown(outcome, 1, named=False)
    assert outcome.err.startswith("bayescale: ")
    assert outcome.err.count("\n") == 1


def test_what_is_printed_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    print_text(f"{NAME}\n{WORDS}")
    print_complaint(f"{NAME}\n{WORDS}")
    out, err = capsys.readouterr()
    assert unseen(out + err) == set()
    assert out.endswith(f"\n{WORDS}\n")
    assert err.count("\n") == 1


def test_a_warning_of_a_library_is_one_line(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def warn(name: str) -> Law:
        warnings.warn(name, stacklevel=1)
        return LAWS["chinchilla"]

    monkeypatch.setattr("bayescale.models.law_named", warn)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        outcome = shell("laws", NAME)
    name = NAME.replace("\n", " ")  # all in one line
    assert outcome.err == f"bayescale: {show_unseen(name)}\n"
