"""What the README and the pages show is run."""

import doctest
import re
from fnmatch import fnmatch
from importlib import import_module
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from bayescale import datasets
from bayescale.models import LAWS
from tests.test_packaging import MODULES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
NUMBER = re.compile(r"(?<![\w.+])-?\d+(?:\.\d+)?(?:e[+-]\d+)?(?![\w])")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, flags=re.DOTALL)


def run(code: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    with mpl.rc_context({"backend": "agg"}):
        exec(compile(code, "page", "exec"), names)
        plt.close("all")
    return names


def plain_words(page: str) -> list[str]:
    """Words without numbers, units and rules. Remarks are left out: which runs they name varies."""
    answer, rest = page.split("Verdict: ")
    rest = rest[rest.index("Coupled:") :]
    words = [word.strip("()*,;.") for word in f"{answer} {rest}".split()]
    units = ("thousand", "million", "billion", "honest_lb", "honest_ub", "")
    return [w for w in words if w not in units and w[0] != "─" and not re.search(r"\d", w)]


def test_the_readme_prints_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    """Its words, and its numbers within their Monte Carlo error.

    Another processor rounds differently and chains part ways. Draws here are worth at least 400:
    between two fits a mean then differs by 0.07 sd, the end of an interval by 0.14 sd and an sd
    by 5%; three or four times as much is allowed. ESS and r_hat are left out. Honesty moves by up
    to a third from seed to seed where it is low; what a reader sees of it is whether it is flagged.
    The document's table shows the optimum at other budgets than the last table does.
    """
    run(blocks(README, "python")[0])
    printed, promised = capsys.readouterr().out, blocks(README, "text")[0]
    assert plain_words(printed) == plain_words(promised)
    assert "Verdict: trusted." in printed
    coupled = LAWS["coupled"]
    rows = {line.split()[0]: line for line in printed.splitlines() if line.strip()}
    checked = 0
    for line in filter(str.strip, promised.splitlines()):
        name = line.split()[0]
        numbers = (
            np.array([float(x) for x in NUMBER.findall(x)]) for x in (rows.get(name, ""), line)
        )
        if name in (*coupled.coefficient_names, *coupled.derived):
            values, expected = numbers
            allowed = expected[1] * np.array([0.3, 0.2, 0.45, 0.45])
            assert (np.abs(values[:4] - expected[:4]) <= allowed).all(), rows[name]
            checked += 1
        elif "[1e+" in name:
            # The compute in the name, mean, both ends and honesty.
            values, expected = numbers
            allowed = (expected[3] - expected[2]) / 3.2 * np.array([0.3, 0.45, 0.45])
            assert (np.abs(values - expected)[1:4] <= allowed).all(), rows[name]
            checked += 1
    assert checked == 9 + 8


def test_the_readme_lists_every_law_and_dataset() -> None:
    assert all(f"`{name}`" in README for name in LAWS)
    named = re.findall(r"`([a-z0-9_*]+)`", README[README.index("## Data") :])
    for name in datasets.catalogue()["name"]:
        assert any(fnmatch(name, pattern) for pattern in named), name


def test_a_law_of_your_own_fits() -> None:
    page = (ROOT / "docs" / "laws.md").read_text(encoding="utf-8")
    fitted = run(blocks(page, "python")[0])["fitted"]
    assert fitted.law.name == "log_compute"
    assert fitted.verdict.trusted
    # The straight line through the same runs.
    runs = fitted.runs
    slope = -np.polyfit(np.log(runs["flops"]), runs["loss"], 1)[0]
    spread = float(fitted.posterior["slope"].std())
    assert abs(float(fitted.posterior["slope"].mean()) - slope) < 10 * spread


def test_a_likelihood_of_your_own_fits() -> None:
    page = (ROOT / "docs" / "laws.md").read_text(encoding="utf-8")
    fitted = run(blocks(page, "python")[1])["fitted"]
    assert fitted.likelihood.name == "laplace"
    assert fitted.verdict.trusted, fitted.verdict
    # A Laplace of scale b has b as its mean absolute deviation; the table's noise is on its card.
    left = np.log(fitted.runs["loss"]) - np.log(
        fitted.predict(fitted.runs, drift=False)["mean"].median(("chain", "draw"))
    )
    spread = float(fitted.posterior["b"].std())
    assert abs(float(fitted.posterior["b"].mean()) - float(np.abs(left).mean())) < 4 * spread


def test_a_law_of_an_input_fits() -> None:
    page = (ROOT / "docs" / "laws.md").read_text(encoding="utf-8")
    names = run(blocks(page, "python")[2])
    draws = names["chained"].posterior["K"]
    assert abs(float(draws.mean()) - 1.2) < 4 * float(draws.std())
    assert names["ahead"]["mean"].sizes["point"] == 1
    assert "N_opt" in names["best"]


def test_examples_in_docstrings_print_what_they_say() -> None:
    """Those that take long, or draw, are marked to be skipped."""
    each = [doctest.testmod(import_module(name)) for name in MODULES]
    assert sum(found.failed for found in each) == 0
    assert sum(found.attempted - found.skipped for found in each) > 20
