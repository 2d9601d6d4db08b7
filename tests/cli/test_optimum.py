"""`bayescale optimum`: compute budgets from a saved fit."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from bayescale.fitting.record import Fit
from tests.shell import Shell, assert_refused

BAD_BUDGETS: dict[str, tuple[list[str], list[str]]] = {
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


@pytest.mark.parametrize(("words", "refusal"), BAD_BUDGETS.values(), ids=BAD_BUDGETS)
@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "json"])
def test_a_bad_budget_or_cost_is_refused_in_one_line(
    shell: Shell, saved: str, words: list[str], refusal: list[str], form: list[str]
) -> None:
    assert_refused(shell("optimum", saved, *words, *form), refusal)


BAD_FILES: dict[str, tuple[str, list[str]]] = {
    "absent": ("absent.nc", ["no absent.nc", "Check"]),
    "endless name": ("x" * 5000 + ".nc", ["Check"]),
    "another ending": ("fit.pkl", ["'.pkl'"]),
    "text": ("text.nc", ["text.nc cannot be read", "saved by bayescale"]),
    "NetCDF that is no fit": ("foreign.nc", ["foreign.nc", "format None", "Fit again"]),
}


@pytest.mark.parametrize(("name", "refusal"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_file_that_is_no_fit_is_refused_in_one_line(
    shell: Shell, name: str, refusal: list[str]
) -> None:
    Path("fit.pkl").write_text("")
    Path("text.nc").write_text("text")
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset({"x": ("draw", [1.0])})})
    tree.to_netcdf("foreign.nc", engine="h5netcdf")
    assert_refused(shell("optimum", name, "--flops", "1"), refusal)


def test_an_optimum_gives_every_key(shell: Shell, saved: str, small_fit: Fit) -> None:
    outcome = shell("optimum", saved, "--flops", "1e22", "--flops", "1e24", "--json")
    answer = json.loads(outcome.out)
    assert list(answer) == ["law", "cost", "budgets"]
    assert (answer["law"], answer["cost"]) == ("coupled", "6ND")
    assert [budget["flops"] for budget in answer["budgets"]] == [1e22, 1e24]
    keys = {"N_opt": "N_opt", "D_opt": "D_opt", "tokens_per_param": "tokens_per_param"}
    keys |= {"loss": "L_opt"}
    for budget in answer["budgets"]:
        assert list(budget) == ["flops", *keys, "decades_beyond_runs"]
    second = answer["budgets"][1]
    best = small_fit.optimum(1e24)
    for key, name in keys.items():
        assert list(second[key]) == ["mean", "median", "lower", "upper"]
        assert second[key]["median"] == pytest.approx(float(best[name].median()), rel=1e-12)
        assert second[key]["lower"] < second[key]["median"] < second[key]["upper"]
    largest = small_fit.runs["flops"].max()
    assert second["decades_beyond_runs"] == pytest.approx(np.log10(1e24 / largest))


def test_an_untrusted_fit_stays_untrusted_when_it_is_read(shell: Shell, saved: str) -> None:
    outcome = shell("optimum", saved, "--flops", "1e24")
    assert outcome.status == 3
    assert outcome.err.startswith("bayescale: NOT TO BE TRUSTED: ")
    assert outcome.out.startswith("Best use of compute (6ND): ")
    assert "10²⁴ " in outcome.out


def test_a_cost_is_named_and_changes_the_answer(shell: Shell, saved: str) -> None:
    words = ("optimum", saved, "--flops", "1e24", "--json")
    plain = json.loads(shell(*words).out)
    served = json.loads(shell(*words, "--cost", "serving:tokens_served=1e13").out)
    assert served["cost"] == "6ND+2N*1e+13"
    assert served["budgets"][0]["N_opt"]["median"] < plain["budgets"][0]["N_opt"]["median"]
