"""The shell: what it prints where, and the status it ends with."""

import gzip
import json
import os
import pickle
import pty
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from bayescale import budgets, datasets, fitting, printing
from bayescale.fitting import Fit
from bayescale.models import LAWS
from tests.shell import Said, Shell, assert_refused

HEADER = "params,tokens,loss\n"
GOOD = "1e8,2e9,3.1\n2e8,9e9,2.9\n4e8,8e9,2.7\n8e8,4e10,2.6\n9e8,2e10,2.65\n3e9,6e10,2.4\n"
RUNS = HEADER + GOOD
CORPUS = "params,tokens,loss,corpus\n" + GOOD.replace("\n", ",{}\n")
FIT_KEYS = ["law", "table", "runs", "verdict", "warnings", "summary", "interval", "elpd_loo"]
SUMMARY_KEYS = ["mean", "sd", "lower", "upper", "honesty", "ess_bulk", "r_hat"]
FEW = ("--draws", "50", "--chains", "2", "--json")
QUICK = ("--law", "chinchilla", "--likelihood", "normal", "--chains", "2", "--json")


# What stands in the folder as runs.csv, and what has to be said of it.
BAD_TABLES: dict[str, tuple[str | bytes, list[str]]] = {
    "no bytes": (b"", ["runs.csv is empty", "header", "Write the table again"]),
    "blank lines": ("\n \n", ["runs.csv is empty"]),
    "header only": (HEADER, ["runs.csv holds no runs", "one row a run"]),
    "one row": (HEADER + "1e8,2e9,3.1\n", ["there are 1 runs", "at least 6", "Add runs"]),
    "three runs for five parameters": (
        "".join(RUNS.splitlines(keepends=True)[:4]),
        ["5 parameters", "there are 3 runs", "at least 6", "fewer parameters"],
    ),
    "text among numbers": (RUNS + "70M,1e9,2\n", ["'params'", "'70M'", "row 7", "units"]),
    "NaN": (RUNS + "1e8,1e9,NaN\n", ["'loss'", "missing", "row 7", "drop that run"]),
    "infinite": (RUNS + "1e8,inf,3\n", ["'tokens'", "infinite", "row 7"]),
    "zero": (RUNS + "1e8,0,3\n", ["'tokens'", "holds 0", "row 7", "above zero"]),
    "negative": (RUNS + "1e8,1e9,-3\n", ["'loss'", "-3", "row 7", "above zero"]),
    "column twice": ("params,tokens,loss,loss\n1,2,3,4\n", ["2 columns named 'loss'", "Rename"]),
    "two losses": ("params,tokens,val_loss,train_loss\n1,2,3,4\n", ["could be loss", "Choose"]),
    "no loss": ("params,tokens,score\n1,2,3\n", ["no column for 'loss'", "'score'"]),
    "one size": (
        HEADER + "".join(f"1e8,{k}e9,{3 + 1 / k}\n" for k in range(1, 9)),
        ["params is 1e+08 in all 8 runs", "expected it to vary", "law 'chinchilla'"],
    ),
    "runs that disagree": (RUNS + "1e8,2e9,4.1\n", ["rows 1 and 7", "3.1 and 4.1", "seed"]),
    "not UTF-8": (RUNS.encode() + b"\xe9,1,1\n", ["not UTF-8", "0xe9", "line 8", "iconv"]),
    "UTF-16": (RUNS.encode("utf-16"), ["UTF-16", "UTF-8"]),
    "binary": (b"\x7fELF\x00\x01", ["runs.csv is binary, not text"]),
    "thousands": (HEADER + '"1,000,000",2e9,3\n', ["'1,000,000'", "row 1", "thousands"]),
    "thousands, bare": (HEADER + "1,000,000,2e9,3\n", ["5 cells in row 1", "thousands"]),
    "decimal commas": (
        HEADER.replace(",", ";") + "1e8;2e9;3,1\n",
        ["'loss'", "'3,1'", "decimal commas"],
    ),
    "pickle called CSV": (pickle.dumps({"loss": [1.0]}), ["runs.csv is"]),
}


@pytest.mark.parametrize(("content", "words"), BAD_TABLES.values(), ids=BAD_TABLES)
def test_a_bad_table_is_refused_in_one_line(
    shell: Shell, content: str | bytes, words: list[str]
) -> None:
    Path("runs.csv").write_bytes(content.encode() if isinstance(content, str) else content)
    assert_refused(shell("fit", "runs.csv", "--law", "chinchilla"), words)


def grouped(*labels: str) -> str:
    return CORPUS.format(*labels)


# Files in the folder, the words of the command, and what has to be said.
BAD_COMMANDS: dict[str, tuple[dict[str, str | bytes], list[str], list[str]]] = {
    "directory": ({}, ["fit", "."], ["is a directory", "Name the file"]),
    "no such file": ({}, ["fit", "absent.csv"], ["no file 'absent.csv'", "spelling"]),
    "line end in the name": ({}, ["fit", "a\nb.csv"], ["no file 'a\\nb.csv'"]),
    "null in the name": ({}, ["fit", "a\0b.csv"], ["no file 'a\\x00b.csv'"]),
    "accents in the name": ({}, ["fit", "läufe.csv"], ["no file 'läufe.csv'"]),
    "endless name": ({}, ["fit", "x" * 5000 + ".csv"], ["no file 'xxx", "..."]),
    "empty name": ({}, ["fit", ""], ["no table is called ''", "bayescale datasets"]),
    "bad file of an odd name": ({"ä\nb.csv": ""}, ["fit", "ä\nb.csv"], ["is empty"]),
    "pickle": ({"runs.pkl": b"\x80\x04."}, ["fit", "runs.pkl"], ["is a pickle", "to_parquet"]),
    "no extension": ({"runs": RUNS}, ["fit", "./runs"], ["no extension", ".csv"]),
    "not gzip": ({"runs.csv.gz": RUNS}, ["fit", "runs.csv.gz"], ["cannot be opened"]),
    "cut gzip": (
        {"runs.csv.gz": gzip.compress(RUNS.encode())[:-9]},
        ["fit", "runs.csv.gz"],
        ["cannot be opened", "whole"],
    ),
    "unknown dataset": ({}, ["fit", "simulated_isoflob"], ["Did you mean 'simulated_isoflop'?"]),
    "unknown law": ({}, ["fit", "--law", "chinchila"], ["Did you mean 'chinchilla'?"]),
    "unknown likelihood": ({}, ["fit", "--likelihood", "t"], ["'t'", "student_t, normal"]),
    "likelihood of no columns": (
        {},
        ["fit", "--likelihood", "autoregressive:by=run"],
        ["'autoregressive:by=run'", "autoregressive:by=COLUMN,order=COLUMN[,apart=NUMBER]"],
    ),
    "likelihood of a column that is not there": (
        {},
        ["fit", "--likelihood", "autoregressive:by=run,order=step"],
        ["no column 'run'", "tells curves apart"],
    ),
    "likelihood of errors that are not there": (
        {},
        ["fit", "--likelihood", "with_errors:errors=se"],
        ["no column 'se'", "number above zero"],
    ),
    "no likelihood": ({}, ["fit", "--likelihood", ""], ["unknown likelihood ''"]),
    "unknown column": (
        {},
        ["fit", "--column", "loss=bits"],
        ["no column 'bits'", "'params', 'tokens', 'flops', 'loss'", "Name one of these"],
    ),
    "column without =": ({}, ["fit", "--column", "loss"], ["'loss'", "OURS=THEIRS"]),
    "column without name": ({}, ["fit", "--column", "=loss"], ["'=loss'", "OURS=THEIRS"]),
    "column given twice": (
        {},
        ["fit", "--column", "loss=a", "--column", "loss=b"],
        ["'loss=b' again", "once a column"],
    ),
    "group column not there": (
        {},
        ["fit", "--by", "corpus"],
        ["by='corpus' names no column", "'params'", "Correct the spelling"],
    ),
    "group missing in a row": (
        {"runs.csv": grouped("web", "web", "", "web", "books", "books")},
        ["fit", "runs.csv", "--law", "chinchilla", "--by", "corpus"],
        ["column 'corpus'", "missing in row 3;", "Fill it in"],
    ),
    "group number missing": (
        {"runs.csv": grouped("1", "", "", "1", "2", "2")},
        ["fit", "runs.csv", "--law", "chinchilla", "--by", "corpus"],
        ["column 'corpus'", "missing in row 2 and 1 more", "Fill it in"],
    ),
    "one group only": (
        {"runs.csv": grouped(*["web"] * 6)},
        ["fit", "runs.csv", "--law", "chinchilla", "--by", "corpus"],
        ["'corpus' is 'web' in all 6 runs", "two groups", "Leave by out"],
    ),
    "group column is an input": ({}, ["fit", "--by", "params"], ["'params'", "Rename"]),
    "pool without by": ({}, ["fit", "--pool", "shared"], ["pool='shared' without groups", "by="]),
    "pool nonsense": (
        {},
        ["fit", "--by", "flops", "--pool", "some"],
        ["['some']", "shared, separate, partial"],
    ),
    "no draws": ({}, ["fit", "--draws", "0"], ["'draws': 0", "at least 4"]),
    "no chains": ({}, ["fit", "--chains", "0"], ["'chains': 0", "at least"]),
    "too few draws to judge": (
        {},
        ["fit", "--draws", "4", "--chains", "1"],
        ["4 in all", "at least 40", "Draw more"],
    ),
    "draws in words": ({}, ["fit", "--draws", "many"], ["'--draws'", "integer"]),
    "negative seed": ({}, ["fit", "--seed", "-1"], ["seed is -1", "from 0"]),
    "huge seed": ({}, ["fit", "--seed", str(2**64)], ["seed is 18446744073709551616", "2^63"]),
    "save under another ending": ({}, ["fit", "--out", "fit.pkl"], ["'.pkl'", ".zarr, .nc"]),
    "save to a missing folder": ({}, ["fit", "--out", "no/fit.nc"], ["no folder no", "Create"]),
    "save over something else": (
        {"notes.nc": "mine"},
        ["fit", "--out", "notes.nc"],
        ["cannot save to notes.nc", "no fit", "Choose another name"],
    ),
    "save over a file called .zarr": (
        {"notes.zarr": "mine"},
        ["fit", "--out", "notes.zarr"],
        ["cannot save to notes.zarr", "Choose another name"],
    ),
    "fit, negative budget": ({}, ["fit", "--flops", "-1"], ["budget is [-1.0]", "1e24"]),
    "fit, budget beside JSON": ({}, ["fit", "--flops", "1", "--json"], ["--json", "--out"]),
    "fit, budget for a law of one input": (
        {},
        ["fit", "--law", "power_law", "--flops", "1e20"],
        ["'power_law'", "params and tokens", "chinchilla"],
    ),
    "no fit saved there": ({}, ["optimum", "a.zarr", "--flops", "1"], ["no a.zarr", "Check"]),
    "text called NetCDF": (
        {"a.nc": "text"},
        ["optimum", "a.nc", "--flops", "1"],
        ["a.nc cannot be read", "saved by bayescale"],
    ),
    "endless name of a fit": ({}, ["optimum", "x" * 5000 + ".nc", "--flops", "1"], ["Check"]),
    "save to an endless name": ({}, ["fit", "--out", "x" * 5000 + "/a.nc"], ["no folder"]),
    "fit under another ending": ({"a.pkl": ""}, ["optimum", "a.pkl", "--flops", "1"], ["'.pkl'"]),
    "unknown option": ({}, ["fit", "--lore", "x"], ["--lore", "bayescale --help"]),
    "unknown command": ({}, ["ask"], ["No such command 'ask'", "bayescale --help"]),
    "no command": ({}, [], ["Missing command", "bayescale --help"]),
    "no argument": ({}, ["optimum", "--flops", "1"], ["Missing argument", "bayescale --help"]),
    "one argument too many": ({}, ["fit", "a.csv", "b.csv"], ["b.csv", "bayescale --help"]),
    "describe an unknown law": ({}, ["laws", "kaplan"], ["unknown law 'kaplan'"]),
    "describe an unknown dataset": ({}, ["datasets", "x"], ["no table is called 'x'"]),
}


@pytest.mark.parametrize(("files", "words", "said"), BAD_COMMANDS.values(), ids=BAD_COMMANDS)
def test_a_bad_command_is_refused_in_one_line(
    shell: Shell, files: dict[str, str | bytes], words: list[str], said: list[str]
) -> None:
    for name, content in files.items():
        Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
    before = {path.name: path.read_bytes() for path in Path().iterdir()}
    assert_refused(shell(*words), said)
    assert {path.name: path.read_bytes() for path in Path().iterdir()} == before


BAD_OPTIMA: dict[str, tuple[list[str], list[str]]] = {
    "no budget": ([], ["no compute budget", "--flops 1e24"]),
    "negative": (["--flops", "-1"], ["budget is [-1.0]", "positive"]),
    "zero": (["--flops", "0"], ["budget is [0.0]", "positive"]),
    "not a number": (["--flops", "nan"], ["budget is [nan]", "positive"]),
    "one of two": (["--flops", "1e22", "--flops", "inf"], ["inf", "positive"]),
    "text": (["--flops", "lots"], ["'--flops'", "number"]),
    "unknown cost": (["--flops", "1e22", "--cost", "7ND"], ["'7ND'", "expected 6ND"]),
    "cost without its number": (["--flops", "1e22", "--cost", "serving"], ["serving:tokens_"]),
    "infinite cost": (["--flops", "1", "--cost", "serving:tokens_served=inf"], ["unknown cost"]),
    "cost not a number": (["--flops", "1", "--cost", "transformer:vocab=nan"], ["unknown cost"]),
    "negative cost": (["--flops", "1", "--cost", "serving:tokens_served=-1"], ["-1", "zero or"]),
    "budget below the cost": (
        ["--flops", "1e20", "--cost", "serving:tokens_served=1e30"],
        ["no optimum", "nearer the runs"],
    ),
}


@pytest.mark.parametrize(("words", "said"), BAD_OPTIMA.values(), ids=BAD_OPTIMA)
@pytest.mark.parametrize("form", [[], ["--json"]], ids=["table", "json"])
def test_a_bad_budget_or_cost_is_refused_in_one_line(
    shell: Shell, saved: str, words: list[str], said: list[str], form: list[str]
) -> None:
    assert_refused(shell("optimum", saved, *words, *form), said)


@pytest.mark.parametrize("name", ["foreign.nc", "foreign.zarr"])
def test_a_foreign_file_is_no_fit(shell: Shell, name: str) -> None:
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset({"x": ("draw", [1.0])})})
    if name.endswith(".nc"):
        tree.to_netcdf(name, engine="h5netcdf")
    else:
        tree.to_zarr(name, zarr_format=2, consolidated=True)
    assert_refused(shell("optimum", name, "--flops", "1"), [name, "format None", "Fit again"])


@pytest.mark.parametrize("out", ["fit.txt", "absent/fit.zarr", "taken.zarr"])
def test_where_to_save_is_refused_before_the_fit(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, out: str
) -> None:
    monkeypatch.setattr(fitting, "fit", lambda *args, **kwargs: pytest.fail("it was fitted"))
    Path("taken.zarr").mkdir()
    Path("taken.zarr/mine.txt").write_text("mine")
    assert_refused(shell("fit", "--out", out), [out])
    assert Path("taken.zarr/mine.txt").read_text() == "mine"


def test_an_interrupt_ends_with_130_and_no_traceback(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(fitting, "fit", interrupt)
    assert shell("fit") == Said(130, "", "")


@pytest.fixture(scope="session")
def good() -> pd.DataFrame:
    """Runs of Chinchilla's law, with 1% of noise."""
    params, ratio = map(np.ravel, np.meshgrid(np.geomspace(1e8, 1e10, 7), np.geomspace(2, 200, 7)))
    noise = np.exp(0.01 * np.random.default_rng(1).standard_normal(params.size))
    tokens = params * ratio
    loss = (1.8 + 480 / params**0.35 + 2100 / tokens**0.37) * noise
    return pd.DataFrame({"params": params, "tokens": tokens, "loss": loss})


def test_a_good_table_gives_every_key_and_status_0(shell: Shell, good: pd.DataFrame) -> None:
    good.to_csv("good.csv", index=False)
    said = shell("fit", "good.csv", *QUICK, "--draws", "1500", "--out", "fit.nc")
    assert said.status == 0, said.err
    assert said.err == ""
    assert said.out.count("\n") == 1
    answer = json.loads(said.out)
    assert list(answer) == [*FIT_KEYS, "seconds"]
    assert (answer["law"], answer["table"], answer["runs"]) == ("chinchilla", "good.csv", 49)
    assert answer["verdict"] == {"trusted": True, "reasons": []}
    assert all(isinstance(warning, str) for warning in answer["warnings"])
    assert {"E", "A", "B", "alpha", "beta", "a", "sigma"} <= set(answer["summary"])
    assert all(list(row) == SUMMARY_KEYS for row in answer["summary"].values())
    assert all(row["lower"] < row["mean"] < row["upper"] for row in answer["summary"].values())
    assert answer["interval"] == {"kind": "eti", "mass": 0.89}
    assert isinstance(answer["elpd_loo"], float)
    assert list(answer["seconds"]) == ["compile", "sample", "total"]
    best = shell("optimum", "fit.nc", "--flops", "1e22", "--json")
    assert (best.status, best.err) == (0, "")
    assert json.loads(best.out)["law"] == "chinchilla"


def test_few_draws_end_with_3_their_reason_and_json(shell: Shell, good: pd.DataFrame) -> None:
    good.to_csv("good.csv", index=False)
    said = shell("fit", "good.csv", *QUICK, "--draws", "20")
    assert said.status == 3
    assert said.err.startswith("bayescale: NOT TO BE TRUSTED: ")
    assert said.err.count("\n") == 1
    answer = json.loads(said.out)
    assert not answer["verdict"]["trusted"]
    assert any(reason.startswith("ess of ") for reason in answer["verdict"]["reasons"])
    assert all(reason in said.err for reason in answer["verdict"]["reasons"])


def test_one_chain_gives_json_without_r_hat(shell: Shell, good: pd.DataFrame) -> None:
    good.to_csv("good.csv", index=False)
    said = shell("fit", "good.csv", *QUICK, "--draws", "40", "--chains", "1")
    assert said.status == 3
    assert {row["r_hat"] for row in json.loads(said.out)["summary"].values()} == {None}


def test_a_seed_repeats_a_fit_and_another_does_not(shell: Shell, good: pd.DataFrame) -> None:
    good.to_csv("good.csv", index=False)
    words = ("fit", "good.csv", *QUICK, "--draws", "40", "--seed")
    first, again, other = (json.loads(shell(*words, seed).out) for seed in ("1", "1", "2"))
    assert first["summary"] == again["summary"]
    assert first["elpd_loo"] == again["elpd_loo"]
    assert first["summary"] != other["summary"]


def in_bits(runs: pd.DataFrame) -> pd.DataFrame:
    factor = np.where(np.arange(len(runs)) % 2, 1.0, 1 / np.log(2))
    return runs.assign(loss=runs["loss"] * factor)


def on_a_ray(runs: pd.DataFrame) -> pd.DataFrame:
    params = np.geomspace(1e8, 1e10, len(runs))
    noise = np.exp(0.01 * np.random.default_rng(2).standard_normal(params.size))
    loss = (1.8 + 900 / params**0.35) * noise
    return runs.assign(params=params, tokens=20 * params, loss=loss)


ODD_TABLES: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], list[str]]] = {
    "tokens in billions": (
        lambda runs: runs.assign(tokens=runs["tokens"] / 1e9),
        ["tokens are 0.2 to 2e+03", "billions", "Multiply"],
    ),
    "half the losses in bits": (in_bits, ["loss in rows 1, 3, 5", "1.44 times", "ln 2"]),
    "flops off by ten": (
        lambda runs: runs.assign(flops=60 * runs["params"] * runs["tokens"]),
        ["flops differ from the 6ND", "by 10 times", "Check the units"],
    ),
    "runs on one ray": (on_a_ray, ["params and tokens move together", "tokens per param 20"]),
}


@pytest.mark.parametrize(("change", "words"), ODD_TABLES.values(), ids=ODD_TABLES)
def test_an_odd_table_is_fitted_with_a_warning(
    shell: Shell,
    good: pd.DataFrame,
    change: Callable[[pd.DataFrame], pd.DataFrame],
    words: list[str],
) -> None:
    change(good).to_csv("odd.csv", index=False)
    said = shell("fit", "odd.csv", *QUICK, "--draws", "40")
    assert said.status in (0, 3)
    warnings = json.loads(said.out)["warnings"]
    assert any(all(word in warning for word in words) for warning in warnings), warnings


def test_columns_that_no_law_reads_may_be_anything(shell: Shell, good: pd.DataFrame) -> None:
    """Gaps in text, names that are paths, and names that mean something in a saved fit."""
    text = ["web", "", "bücher", "[red]", ":smile:", "a/b", "."] * 7
    numbers = np.arange(len(good))
    names = ("run", "chain", "loss/val", ".", "a%2Fb", "a\\b", "_x", "posterior")
    good.assign(note=text, **dict.fromkeys(names, numbers)).to_csv("wide.csv", index=False)
    for out in ("wide.zarr", "wide.nc"):
        assert shell("fit", "wide.csv", *QUICK, "--draws", "40", "--out", out).status == 3
        assert shell("optimum", out, "--flops", "1e22").status == 3


def test_chains_that_never_move_are_said_to_disagree_and_no_more(small_fit: Fit) -> None:
    tree = small_fit.tree.copy()
    posterior = tree["posterior"].to_dataset()
    stuck = posterior["alpha"].copy(data=np.repeat([[0.49999983], [0.50000025]], 200, axis=1))
    tree["posterior"] = xr.DataTree(posterior.assign(alpha=stuck))
    answer = printing.fit_json(replace(small_fit, tree=tree), "table")  # warnings are errors
    assert answer["summary"]["alpha"]["ess_bulk"] < 5
    assert any(reason.startswith("r_hat of alpha") for reason in answer["verdict"]["reasons"])
    json.dumps(answer, allow_nan=False)


@pytest.fixture
def print_only(small_fit: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command `fit` find this fit already made."""
    monkeypatch.setattr(fitting, "fit", lambda *args, **kwargs: small_fit)


@pytest.mark.usefixtures("print_only")
def test_a_fit_for_people_has_table_optimum_and_verdict(shell: Shell, small_fit: Fit) -> None:
    said = shell("fit", "--flops", "1e23")
    assert said.status == 3
    assert said.out.startswith("pocket:\n")
    for word in (
        "coupled",
        f"{len(small_fit.runs)} runs",
        "89% ETI",
        "kappa",
        "bend[params*tokens]",
        "honesty",
    ):
        assert word in said.out
    assert "1e+23" in said.out
    assert "Verdict: NOT TO BE TRUSTED." in said.out
    assert all(reason[:30] in said.out for reason in small_fit.verdict.reasons)
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("width", [20, 80, 200])
def test_a_narrow_terminal_cuts_nothing(
    small_fit: Fit,
    width: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))
    printing.print_fit(small_fit, "table", [1e22])
    wide = capsys.readouterr().out
    assert "…" not in wide
    assert all(str(name) in wide for name in small_fit.summary().index)
    median = float(small_fit.optimum(1e22)["N_opt"].median())
    assert f"{median:.3g}" in wide


def test_an_optimum_gives_every_key(shell: Shell, saved: str, small_fit: Fit) -> None:
    said = shell("optimum", saved, "--flops", "1e22", "--flops", "1e24", "--json")
    answer = json.loads(said.out)
    assert list(answer) == ["law", "cost", "budgets"]
    assert (answer["law"], answer["cost"]) == ("coupled", "6ND")
    assert [budget["flops"] for budget in answer["budgets"]] == [1e22, 1e24]
    keys = ["flops", "N_opt", "D_opt", "tokens_per_param", "loss", "decades_beyond_runs"]
    assert all(list(budget) == keys for budget in answer["budgets"])
    second = answer["budgets"][1]
    found = small_fit.optimum(1e24)
    for key, name in budgets.QUANTITIES.items():
        assert list(second[key]) == ["mean", "median", "lower", "upper"]
        assert second[key]["median"] == pytest.approx(float(found[name].median()), rel=1e-12)
        assert second[key]["lower"] < second[key]["median"] < second[key]["upper"]
    largest = small_fit.runs["flops"].max()
    assert second["decades_beyond_runs"] == pytest.approx(np.log10(1e24 / largest))


def test_an_untrusted_fit_stays_untrusted_when_read_again(shell: Shell, saved: str) -> None:
    said = shell("optimum", saved, "--flops", "1e24")
    assert said.status == 3
    assert said.err.startswith("bayescale: NOT TO BE TRUSTED: ")
    assert "1e+24" in said.out


def test_a_cost_is_named_and_changes_the_answer(shell: Shell, saved: str) -> None:
    words = ("optimum", saved, "--flops", "1e24", "--json")
    plain = json.loads(shell(*words).out)
    served = json.loads(shell(*words, "--cost", "serving:tokens_served=1e13").out)
    assert served["cost"] == "6ND+2N*1e+13"
    assert served["budgets"][0]["N_opt"]["median"] < plain["budgets"][0]["N_opt"]["median"]


def test_laws_lists_every_law(shell: Shell) -> None:
    said = shell("laws")
    assert (said.status, said.err) == (0, "")
    assert all(law.name in said.out and law.title in said.out for law in LAWS.values())


@pytest.mark.parametrize("name", LAWS)
def test_a_law_is_described_with_priors_and_claims(shell: Shell, name: str) -> None:
    said = shell("laws", name)
    law = LAWS[name]
    assert (said.status, said.err) == (0, "")
    assert said.out.startswith(f"{name}: {law.title}\n")
    assert all(repr(prior)[:30] in said.out for prior in law.priors.values())
    # A long label is broken between its words.
    assert all(word in said.out for claim in law.claims for word in claim.label.split())
    assert "`" not in said.out


def test_datasets_lists_every_table(shell: Shell) -> None:
    said = shell("datasets")
    assert (said.status, said.err) == (0, "")
    table = datasets.catalogue()
    assert all(name in said.out for name in [*table["name"], *table["title"]])


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
    said = shell("datasets", "simulated_isoflop")
    assert said == Said(0, f"{datasets.card('simulated_isoflop')}\n", "")
    assert "never report it as evidence" in said.out


def test_the_version_is_the_installed_one(shell: Shell) -> None:
    assert shell("--version") == Said(0, f"bayescale {version('bayescale')}\n", "")


@pytest.mark.parametrize("command", ["fit", "optimum", "laws", "datasets"])
def test_help_names_every_command_and_explains_each(shell: Shell, command: str) -> None:
    assert command in shell("--help").out
    said = shell(command, "--help")
    assert (said.status, said.err) == (0, "")
    assert said.out.startswith(f"Usage: bayescale {command}")


# The same through the installed script, in a process of its own.
SCRIPT = Path(sys.executable).with_name("bayescale")


def script(folder: Path, *words: str) -> Said:
    done = subprocess.run(
        [SCRIPT, *words], cwd=folder, capture_output=True, encoding="utf-8", check=False
    )
    return Said(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fit", "runs.csv"], ["runs.csv", "'loss'", "row 7"]),
        (["fit", "--law", "chinchila"], ["Did you mean 'chinchilla'?"]),
        (["optimum", "text.nc", "--flops", "1e24"], ["text.nc cannot be read"]),
        (["optimum", "cut.nc", "--flops", "1e24"], ["cut.nc cannot be read"]),
        (["fit", "--draws"], ["--draws", "bayescale --help"]),
    ],
    ids=["table", "law", "text called NetCDF", "cut NetCDF", "usage"],
)
def test_the_script_refuses_in_one_line(
    tmp_path: Path, small_fit: Fit, words: list[str], said: list[str]
) -> None:
    (tmp_path / "runs.csv").write_text(RUNS + "1e8,1e9,none\n")
    (tmp_path / "text.nc").write_text("text")
    small_fit.save(tmp_path / "whole.nc")
    whole = (tmp_path / "whole.nc").read_bytes()
    (tmp_path / "cut.nc").write_bytes(whole[: len(whole) // 2])
    assert_refused(script(tmp_path, *words), said)


def test_the_script_ends_quietly_when_nobody_reads_on(tmp_path: Path) -> None:
    with subprocess.Popen(
        [SCRIPT, "laws"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        assert running.stderr.read() == b""


def test_the_script_writes_to_a_terminal(tmp_path: Path, saved: str) -> None:
    ours, theirs = pty.openpty()
    environment = os.environ | {"COLUMNS": "80", "TERM": "dumb"}
    with subprocess.Popen(
        [SCRIPT, "optimum", saved, "--flops", "1e24"],
        cwd=tmp_path,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        env=environment,
    ) as running:
        assert running.wait() == 3
    os.close(theirs)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    assert "1e+24" in shown
    assert "…" not in shown


SHARED = "flops,error,task\n" + "".join(
    f"1e{18 + k},{0.75 - 0.04 * k:.2f},easy\n1e{18 + k},{0.80 - 0.01 * k:.2f},hard\n"
    for k in range(8)
)


def test_where_keeps_rows_of_a_table(shell: Shell, tmp_path: Path) -> None:
    Path("runs.csv").write_text(SHARED)
    said = shell("fit", "runs.csv", "--law", "sigmoid_accuracy", "--where", "task=easy", *FEW)
    assert json.loads(said.out)["runs"] == 8


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        ("task", ["'task'", "COLUMN=VALUE"]),
        ("tusk=easy", ["'tusk=easy'", "flops, error, task"]),
        ("task=both", ["'task=both'", "no row", "easy, hard"]),
    ],
)
def test_rows_that_are_not_there_are_refused(shell: Shell, pair: str, words: list[str]) -> None:
    Path("runs.csv").write_text(SHARED)
    assert_refused(shell("fit", "runs.csv", "--where", pair), words)
