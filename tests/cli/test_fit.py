"""`bayescale fit`: what it prints where, what it refuses, and the status it ends with."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from bayescale.cli import printing
from bayescale.fitting import fit as fitting
from bayescale.fitting.record import Fit
from tests.shell import Outcome, Shell, assert_refused

HEADER = "params,tokens,loss\n"
GOOD = "1e8,2e9,3.1\n2e8,9e9,2.9\n4e8,8e9,2.7\n8e8,4e10,2.6\n9e8,2e10,2.65\n3e9,6e10,2.4\n"
RUNS = HEADER + GOOD
CORPUS = "params,tokens,loss,corpus\n" + GOOD.replace("\n", ",{}\n")
TASKS = "flops,error,task\n" + "".join(
    f"1e{18 + k},{0.75 - 0.04 * k:.2f},easy\n1e{18 + k},{0.80 - 0.01 * k:.2f},hard\n"
    for k in range(8)
)
QUICK = ("--law", "chinchilla", "--likelihood", "normal", "--chains", "2", "--json")

# Content of the file runs.csv, and words of the refusal.
BAD_TABLES: dict[str, tuple[str | bytes, list[str]]] = {
    "no bytes": (b"", ["runs.csv is empty", "header", "Write the table again"]),
    "three runs for five parameters": (
        "".join(RUNS.splitlines(keepends=True)[:4]),
        ["5 parameters", "there are 3 runs", "at least 6", "fewer parameters"],
    ),
    "text among numbers": (RUNS + "70M,1e9,2\n", ["'params'", "'70M'", "row 7", "units"]),
    "two losses": ("params,tokens,val_loss,train_loss\n1,2,3,4\n", ["could be loss", "Choose"]),
    "one size": (
        HEADER + "".join(f"1e8,{k}e9,{3 + 1 / k}\n" for k in range(1, 9)),
        ["params is 1e+08 in all 8 runs", "expected it to vary", "law 'chinchilla'"],
    ),
    "runs that disagree": (RUNS + "1e8,2e9,4.1\n", ["rows 1 and 7", "3.1 and 4.1", "seed"]),
    "not UTF-8": (RUNS.encode() + b"\xe9,1,1\n", ["not UTF-8", "0xe9", "line 8", "iconv"]),
}


@pytest.mark.parametrize(("content", "words"), BAD_TABLES.values(), ids=BAD_TABLES)
def test_a_bad_table_is_refused_in_one_line(
    shell: Shell, content: str | bytes, words: list[str]
) -> None:
    Path("runs.csv").write_bytes(content.encode() if isinstance(content, str) else content)
    assert_refused(shell("fit", "runs.csv", "--law", "chinchilla"), words)


# Words after `bayescale fit`, and words of the refusal.
BAD_COMMANDS: dict[str, tuple[list[str], list[str]]] = {
    "directory": (["."], ["is a directory", "Name the file"]),
    "no such file": (["absent.csv"], ["no file 'absent.csv'", "spelling"]),
    "line end in the name": (["a\nb.csv"], ["no file 'a\\nb.csv'"]),
    "null in the name": (["a\0b.csv"], ["no file 'a\\x00b.csv'"]),
    "accents in the name": (["läufe.csv"], ["no file 'läufe.csv'"]),
    "endless name": (["x" * 5000 + ".csv"], ["no file 'xxx", "..."]),
    "empty name": ([""], ["no table is called ''", "bayescale datasets"]),
    "bad file of an odd name": (["ä\nb.csv"], ["is empty"]),
    "no extension": (["./runs"], ["no extension", ".csv"]),
    "unknown dataset": (["simulated_isoflob"], ["Did you mean 'simulated_isoflop'?"]),
    "unknown law": (["--law", "chinchila"], ["Did you mean 'chinchilla'?"]),
    "unknown likelihood": (["--likelihood", "t"], ["'t'", "student_t, normal"]),
    "likelihood without its columns": (
        ["--likelihood", "autoregressive:by=run"],
        ["'autoregressive:by=run'", "autoregressive:by=COLUMN,order=COLUMN[,apart=NUMBER]"],
    ),
    "likelihood of a missing column": (
        ["--likelihood", "autoregressive:by=run,order=step"],
        ["no column 'run'"],
    ),
    "likelihood of missing errors": (
        ["--likelihood", "with_errors:errors=se"],
        ["no column 'se'", "number above zero"],
    ),
    "no likelihood": (["--likelihood", ""], ["unknown likelihood ''"]),
    "unknown column": (
        ["--column", "loss=bits"],
        ["no column 'bits'", "'params', 'tokens', 'flops', 'loss'", "Name one of these"],
    ),
    "column without =": (["--column", "loss"], ["'loss'", "OURS=THEIRS"]),
    "column without name": (["--column", "=loss"], ["'=loss'", "OURS=THEIRS"]),
    "column twice": (
        ["--column", "loss=a", "--column", "loss=b"],
        ["'loss=b' again", "once for each column"],
    ),
    "where without =": (["--where", "flops"], ["'flops'", "COLUMN=VALUE"]),
    "where of a missing column": (["--where", "fops=1"], ["'fops=1'", "params, tokens, flops"]),
    "where of a missing value": (["--where", "flops=1"], ["'flops=1'", "no row", "e+"]),
    "missing column of groups": (
        ["--groups", "corpus"],
        ["'corpus'", "'params'", "Correct the spelling"],
    ),
    "group missing in a row": (
        ["gap.csv", "--law", "chinchilla", "--groups", "corpus"],
        ["column 'corpus'", "missing in row 2 and 1 more", "Fill it in"],
    ),
    "one group only": (
        ["one.csv", "--law", "chinchilla", "--groups", "corpus"],
        ["'corpus' is 'web' in all 6 runs", "two groups"],
    ),
    "an input as groups": (["--groups", "params"], ["'params'", "Rename"]),
    "pool without groups": (["--pool", "shared"], ["pool='shared' without groups"]),
    "unknown pool": (
        ["--groups", "flops", "--pool", "some"],
        ["['some']", "shared, separate, partial"],
    ),
    "no draws": (["--draws", "0"], ["draws=0", "at least 4 draws"]),
    "no chains": (["--chains", "0"], ["chains=0", "at least"]),
    "too few draws to judge": (
        ["--draws", "4", "--chains", "1"],
        ["4 in all", "at least 40", "Draw more"],
    ),
    "draws in words": (["--draws", "many"], ["'--draws'", "integer"]),
    "negative seed": (["--seed", "-1"], ["seed is -1", "from 0"]),
    "huge seed": (["--seed", str(2**64)], ["seed is 18446744073709551616", "2^63"]),
    "save under another ending": (["--out", "fit.zarr"], ["'.zarr'", "expected .nc"]),
    "save to a missing folder": (["--out", "no/fit.nc"], ["no folder no", "Create"]),
    "save to an endless name": (["--out", "x" * 5000 + "/a.nc"], ["no folder"]),
    "save over something else": (
        ["--out", "notes.nc"],
        ["cannot save to notes.nc", "no fit", "Choose another name"],
    ),
    "negative budget": (["--flops", "-1"], ["budget is [-1.0]", "1e24"]),
    "budget with JSON": (["--flops", "1", "--json"], ["--flops was given with --json", "--out"]),
    "extra input with JSON": (["--at", "x=1", "--json"], ["--at was given with --json"]),
    "budget for a law of one input": (
        ["--law", "power_law", "--flops", "1e20"],
        ["'power_law'", "params and tokens", "chinchilla"],
    ),
    "two tables": (["a.csv", "b.csv"], ["b.csv", "bayescale --help"]),
    "unknown option": (["--lore", "x"], ["--lore", "bayescale --help"]),
}


@pytest.mark.parametrize(("words", "refusal"), BAD_COMMANDS.values(), ids=BAD_COMMANDS)
def test_a_bad_command_is_refused_in_one_line(
    shell: Shell, words: list[str], refusal: list[str]
) -> None:
    Path("ä\nb.csv").write_text("")
    Path("runs").write_text(RUNS)
    Path("gap.csv").write_text(CORPUS.format("1", "", "", "1", "2", "2"))
    Path("one.csv").write_text(CORPUS.format(*["web"] * 6))
    Path("notes.nc").write_text("mine")
    before = {path.name: path.read_bytes() for path in Path().iterdir()}
    assert_refused(shell("fit", *words), refusal)
    assert {path.name: path.read_bytes() for path in Path().iterdir()} == before


@pytest.mark.usefixtures("unfittable")
@pytest.mark.parametrize(
    "words",
    [
        ("--law", "chinchila"),
        ("--likelihood", "t"),
        ("--column", "loss"),
        ("--where", "fops=1"),
        ("--out", "fit.txt"),
        ("--out", "absent/fit.nc"),
        ("--flops", "-1"),
        ("--at", "x=1"),
    ],
)
def test_what_can_be_refused_is_refused_before_the_work(
    shell: Shell, words: tuple[str, str]
) -> None:
    assert shell("fit", *words).status == 1


def test_an_interrupt_ends_with_130_and_no_traceback(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(fitting, "fit", interrupt)
    assert shell("fit") == Outcome(130, "", "")


def test_a_good_table_gives_every_key_and_status_0(shell: Shell, good: pd.DataFrame) -> None:
    good.to_csv("good.csv", index=False)
    outcome = shell("fit", "good.csv", *QUICK, "--draws", "1500", "--out", "fit.nc")
    assert outcome.status == 0, outcome.err
    assert outcome.err == ""
    assert outcome.out.count("\n") == 1
    answer = json.loads(outcome.out)
    keys = ["law", "table", "runs", "verdict", "warnings", "summary", "interval", "elpd_loo"]
    assert list(answer) == [*keys, "seconds"]
    assert (answer["law"], answer["table"], answer["runs"]) == ("chinchilla", "good.csv", 49)
    assert answer["verdict"] == {"trusted": True, "reasons": []}
    assert all(isinstance(warning, str) for warning in answer["warnings"])
    # The parameter of scatter too.
    assert {"E", "A", "B", "alpha", "beta", "a", "sigma"} <= set(answer["summary"])
    columns = ["mean", "sd", "lower", "upper", "widened", "ess_bulk", "r_hat"]
    assert all(list(row) == columns for row in answer["summary"].values())
    assert all(row["lower"] < row["mean"] < row["upper"] for row in answer["summary"].values())
    assert answer["interval"] == {"kind": "eti", "mass": 0.89}
    assert isinstance(answer["elpd_loo"], float)
    assert list(answer["seconds"]) == ["compile", "sample", "total"]
    best = shell("optimum", "fit.nc", "--flops", "1e22", "--json")
    assert (best.status, best.err) == (0, "")
    assert json.loads(best.out)["law"] == "chinchilla"


def test_few_draws_end_with_3_their_reason_and_json(shell: Shell, good: pd.DataFrame) -> None:
    good.to_csv("good.csv", index=False)
    outcome = shell("fit", "good.csv", *QUICK, "--draws", "20")
    assert outcome.status == 3
    assert outcome.err.startswith("bayescale: NOT TO BE TRUSTED: ")
    assert outcome.err.count("\n") == 1
    answer = json.loads(outcome.out)
    assert not answer["verdict"]["trusted"]
    assert any(reason.startswith("ess of ") for reason in answer["verdict"]["reasons"])
    assert all(reason in outcome.err for reason in answer["verdict"]["reasons"])


def test_one_chain_gives_json_without_r_hat(shell: Shell, good: pd.DataFrame) -> None:
    good.to_csv("good.csv", index=False)
    outcome = shell("fit", "good.csv", *QUICK, "--draws", "40", "--chains", "1")
    assert outcome.status == 3
    assert {row["r_hat"] for row in json.loads(outcome.out)["summary"].values()} == {None}


def test_a_seed_repeats_a_fit_and_another_does_not(shell: Shell, good: pd.DataFrame) -> None:
    good.to_csv("good.csv", index=False)
    words = ("fit", "good.csv", *QUICK, "--draws", "40", "--seed")
    first, again, other = (json.loads(shell(*words, seed).out) for seed in ("1", "1", "2"))
    assert first["summary"] == again["summary"]
    assert first["elpd_loo"] == again["elpd_loo"]
    assert first["summary"] != other["summary"]


def test_another_unit_is_fitted_and_not_trusted(shell: Shell, good: pd.DataFrame) -> None:
    good.assign(tokens=good["tokens"] / 1e9).to_csv("odd.csv", index=False)
    outcome = shell("fit", "odd.csv", *QUICK)
    assert outcome.status == 3
    assert "NOT TO BE TRUSTED: numbers: tokens of all 49 runs look like" in outcome.err
    (first,) = json.loads(outcome.out)["verdict"]["reasons"]
    assert first.startswith("numbers: tokens of all 49 runs look like another unit: ")
    assert "tokens are 0.2 to 2e+03" in first
    assert "Multiply tokens by 1e+09 there" in first


def test_a_unit_is_the_first_doubt_that_is_printed(shell: Shell, good: pd.DataFrame) -> None:
    half = np.arange(len(good)) % 2 == 0
    good["loss"] = good["loss"].where(half, good["loss"] / np.log(2))
    good.to_csv("odd.csv", index=False)
    printed = shell("fit", "odd.csv", *QUICK[:-1], "--draws", "40").out
    verdict = " ".join(printed.partition("Verdict: ")[2].partition("Coefficients")[0].split())
    doubt = "numbers: loss in rows 2, 4, 6, 8, 10, 12, 14, 16 and 16 more lies 1.4427 times"
    assert verdict.startswith(f"NOT TO BE TRUSTED. - {doubt}")


def test_columns_that_no_law_reads_may_be_anything(shell: Shell, good: pd.DataFrame) -> None:
    """Gaps in text, names that are paths, and names that mean something in a saved fit."""
    text = ["web", "", "bücher", "[red]", ":smile:", "a/b", "."] * 7
    numbers = np.arange(len(good))
    names = ("run", "chain", "loss/val", ".", "a%2Fb", "a\\b", "_x", "posterior")
    good.assign(note=text, **dict.fromkeys(names, numbers)).to_csv("wide.csv", index=False)
    assert shell("fit", "wide.csv", *QUICK, "--draws", "40", "--out", "wide.nc").status == 3
    assert shell("optimum", "wide.nc", "--flops", "1e22").status == 3


def test_columns_are_named_and_rows_kept(shell: Shell) -> None:
    Path("runs.csv").write_text(TASKS.replace("flops", "Cost").replace("error", "Wrong"))
    outcome = shell(
        *("fit", "runs.csv", "--law", "sigmoid_accuracy", "--where", "task=easy"),
        *("--column", "flops=Cost", "--column", "error=Wrong"),
        *("--draws", "50", "--chains", "2", "--json"),
    )
    assert json.loads(outcome.out)["runs"] == 8


def test_chains_that_never_move_disagree_without_a_warning(small_fit: Fit) -> None:
    tree = small_fit.tree.copy()
    posterior = tree["posterior"].to_dataset()
    stuck = posterior["alpha"].copy(data=np.repeat([[0.49999983], [0.50000025]], 200, axis=1))
    for group in ("posterior", "model_posterior"):
        tree[group] = xr.DataTree(tree[group].to_dataset().assign(alpha=stuck))
    answer = printing.fit_json(replace(small_fit, tree=tree), "table")  # warnings are errors
    assert answer["summary"]["alpha"]["ess_bulk"] < 5
    assert any(reason.startswith("r_hat of alpha") for reason in answer["verdict"]["reasons"])
    json.dumps(answer, allow_nan=False)


@pytest.mark.usefixtures("fitted_before")
def test_people_read_the_answer_then_the_table_the_verdict_and_the_coefficients(
    shell: Shell, small_fit: Fit
) -> None:
    outcome = shell("fit", "--flops", "1e23")
    assert outcome.status == 3
    assert outcome.err.count("\n") == 1
    assert outcome.out.startswith("pocket:\n\nThe fit is not to be trusted. ")
    order = ["10²³ FLOP, train", "Best use of compute", "Verdict: NOT TO", "Coupled: ", "kappa"]
    places = [outcome.out.index(words) for words in order]
    assert places == sorted(places)
    for words in (f"{len(small_fit.runs)} runs", "89% ETI", "widened"):
        assert words in outcome.out
    assert all(reason[:30] in outcome.out for reason in small_fit.verdict.reasons)


@pytest.mark.usefixtures("fitted_before")
def test_parameters_of_scatter_are_printed_only_on_request(shell: Shell) -> None:
    # As a row of the table: reasons of the verdict may name it too.
    row = "\n bend[params*tokens] "
    assert row not in shell("fit").out
    assert row in shell("fit", "--all").out


@pytest.mark.parametrize("width", [20, 80, 200])
def test_a_narrow_terminal_cuts_nothing(
    small_fit: Fit,
    width: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))
    printing.print_document(small_fit.document(flops=[1e14]))
    text = capsys.readouterr().out
    assert "…" not in text
    assert all(f"\n {name} " in text for name in small_fit.summary().index)
    median = float(small_fit.optimum(1e14)["N_opt"].median())
    assert f"{median / 10 ** np.floor(np.log10(median)):.3g}" in text
