"""The simulated table is what its script writes and what its card describes."""

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from bayescale.datasets import card, load

SCRIPT = Path(__file__).parents[2] / "studies" / "simulate_isoflop.py"
TABLE = load("simulated_isoflop")
TRUTH = card("simulated_isoflop").truth


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(SCRIPT))


def true_loss(params: Any, tokens: Any) -> Any:
    """Coupled law, written out a second time."""
    E, A, B = TRUTH["E"], TRUTH["A"], TRUTH["B"]
    alpha, beta, kappa = TRUTH["alpha"], TRUTH["beta"], TRUTH["kappa"]
    size, data = A / params**alpha, B / tokens**beta
    return E + (size ** (1 / kappa) + data ** (1 / kappa)) ** kappa


def test_the_script_writes_the_shipped_bytes(script: dict[str, Any], tmp_path: Path) -> None:
    script["write"](tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_bytes() == script["TABLE"].read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["again.csv"]


def test_nine_budgets_of_ten_sizes() -> None:
    budgets = TABLE["flops"].value_counts(sort=False)
    assert budgets.tolist() == [10] * 9
    assert_allclose(budgets.index, np.geomspace(6e18, 3e21, 9), rtol=5e-6)  # six digits
    sizes = TABLE.groupby("flops")["params"]
    assert_allclose(sizes.max() / sizes.min(), 16, rtol=1e-5)


def test_sizes_surround_the_optimum(script: dict[str, Any]) -> None:
    # The optimum by brute force, against the closed form that the script spreads sizes around.
    for flops in (6e18, 1e21):
        grid = np.geomspace(1e7, 1e12, 200_001)
        best = grid[np.argmin(true_loss(grid, flops / (6 * grid)))]
        # One step of the grid is 6e-5.
        assert script["optimal_params"](np.array([flops])) == pytest.approx(best, rel=1e-4)
    assert best == pytest.approx(3e9, rel=0.01)


def test_losses_are_the_truth_within_noise() -> None:
    ratio = np.log(TABLE["tokens"] / TABLE["params"])
    z = np.clip((ratio - ratio.mean()) / ratio.std(ddof=0), -2, 2)
    scale = TRUTH["noise_scale"] * np.exp(TRUTH["noise_slope"] * z**2)
    noise = np.log(TABLE["loss"] / true_loss(TABLE["params"], TABLE["tokens"])) / scale
    student = stats.t(TRUTH["noise_dof"])
    assert abs(noise.mean()) < 4 * student.std() / np.sqrt(len(noise))
    # The largest of 90 is beyond this in one table of a thousand.
    assert abs(noise).max() < student.isf(0.001 / (2 * len(noise)))
    assert stats.kstest(noise, student.cdf).pvalue > 0.001
