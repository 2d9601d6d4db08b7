"""What the README and the pages show is run."""

import re
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from numpy.testing import assert_allclose

from bayescale import datasets
from bayescale.models import LAWS

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


def test_the_readme_prints_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    """The same words, and numbers equal to their Monte Carlo error.

    Another processor rounds differently and chains part ways. Means of 4,000 draws then differ by
    about 2% of an sd, ends of intervals by 6%, and no sd printed here is over a third of its
    quantity but the noise's own; ESS and r_hat are left out.
    """
    run(blocks(README, "python")[0])
    printed, promised = capsys.readouterr().out, blocks(README, "text")[0]
    assert [line.split()[:1] for line in printed.splitlines()] == [
        line.split()[:1] for line in promised.splitlines()
    ]
    for found, said in zip(printed.splitlines(), promised.splitlines(), strict=True):
        name = (said.split() or [""])[0]
        if not name.startswith(("bend", "nu")):
            numbers = [[float(x) for x in NUMBER.findall(line)] for line in (found, said)]
            values = [row[:-3] if len(row) > 4 else row for row in numbers]
            assert_allclose(*values, rtol=0.1, err_msg=name)


def test_the_readme_lists_every_law_and_dataset() -> None:
    assert all(f"`{name}`" in README for name in LAWS)
    assert all(f"`{name}`" in README for name in datasets.catalogue()["name"])


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
