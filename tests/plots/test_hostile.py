"""Pictures of groups, columns and choices whose names nobody should trust."""

import io
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

import bayescale as bs
from bayescale import plots
from bayescale.documents.drawing import drawing
from bayescale.documents.escaping import show_unseen
from tests.hostile import TERMINAL, unseen

NAMES = [TERMINAL["escape sequences"][:20], TERMINAL["direction"], f"$x$ {TERMINAL['no width']}"]
COLUMN = "\x1b[31mname\u202e"


@pytest.fixture(scope="module")
def hostile_groups_fit() -> bs.Fit:
    """Three corpora, each with its own exponent of params."""
    runs = bs.datasets.load("simulated_isoflop")
    labelled = runs.assign(**{COLUMN: NAMES * (len(runs) // 3)})
    pool = {name: "shared" for name in bs.models.COUPLED.priors} | {"alpha": "separate"}
    sampling = {"draws": 200, "tune": 300, "chains": 2, "random_seed": 2}
    return bs.fit(bs.models.COUPLED, labelled, groups=COLUMN, pool=pool, **sampling)


def drawn_words() -> str:
    """All text of the current figure, as an SVG file has it."""
    buffer = io.StringIO()
    with drawing():
        plt.gcf().savefig(buffer, format="svg")
    words = (element.text or "" for element in ElementTree.fromstring(buffer.getvalue()).iter())
    return "\n".join(words)


def assert_names_are_shown(names: list[str]) -> None:
    words = drawn_words()
    assert unseen(words) == set()
    assert [name for name in names if show_unseen(name)[:20] not in words] == []


FIGURES: dict[str, Callable[[bs.Fit], Any]] = {
    "optimum": lambda fit: plots.plot_optimum(fit.optimum([1e20, 1e21]), fit=fit),
    "pair": plots.plot_pair,
    "residuals": lambda fit: plots.plot_residuals(fit, against=COLUMN),
    "psense": lambda fit: plots.plot_psense_quantities(fit, ["alpha"]),
    "psense_dist": lambda fit: plots.plot_psense_dist(fit, ["alpha"]),
}


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)
def test_names_of_groups_are_shown(
    draw: Callable[[bs.Fit], Any], hostile_groups_fit: bs.Fit
) -> None:
    draw(hostile_groups_fit)
    assert_names_are_shown(NAMES)


def test_names_of_clusters_are_shown() -> None:
    change = xr.DataArray([0.1, 1.4, 0.2], {COLUMN: NAMES}, name="alpha[\x1b]")
    plots.plot_influence(change)
    assert_names_are_shown([*NAMES, COLUMN, "alpha[\x1b]"])


def test_names_of_choices_are_shown() -> None:
    means = np.array([0.3, 0.1, 0.2])
    statistics = np.stack([means, 0 * means + 0.01, means - 0.02, means + 0.02], axis=-1)
    variables = {
        "a": ((COLUMN, "statistic"), statistics),
        "trusted": (COLUMN, [True] * 3),
        "runs_used": (COLUMN, [9.0] * 3),
        "error": (COLUMN, [""] * 3),
    }
    coords = {COLUMN: NAMES, "statistic": ["mean", "sd", "lower", "upper"]}
    plots.plot_multiverse(xr.Dataset(variables, coords), "a")
    assert_names_are_shown([*NAMES, COLUMN])
