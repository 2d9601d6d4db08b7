from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from numpy.testing import assert_allclose

from bayescale.errors import DataError
from bayescale.plots import plot_by_distance, plot_coverage
from bayescale.plots.colours import CATEGORIES
from bayescale.validation.backtest import Backtest


@pytest.fixture
def backtest() -> Backtest:
    """Two cuts of four runs: all in the middle for one method, all outside for the other."""
    predictions = xr.Dataset(
        {"pit": ("prediction", [0.5] * 8 + [0.0] * 8)},
        {
            "method": ("prediction", ["posterior"] * 8 + ["point_fit"] * 8),
            "cut": ("prediction", ([0.5] * 4 + [0.8] * 4) * 2),
        },
    )
    return Backtest(
        law="chinchilla", order_by="flops", predictions=predictions, remarks=pd.DataFrame()
    )


def test_each_method_has_its_curve(backtest: Backtest) -> None:
    ax = plot_coverage(backtest)
    curves = {line.get_label(): line.get_ydata() for line in ax.lines}
    assert_allclose(curves["posterior"], 100)
    assert_allclose(curves["point fit, bootstrap"][:-1], 0)
    assert len(np.unique([line.get_color() for line in ax.lines])) == 3


def test_a_method_keeps_its_colour_where_others_are_missing(near_and_far: Backtest) -> None:
    methods = ("prediction", ["point_fit"] * 20)
    predictions = near_and_far.predictions.assign_coords(method=methods)
    backtest = replace(near_and_far, predictions=predictions)
    for plot in (plot_coverage, plot_by_distance):
        plt.figure()
        curves = {line.get_label(): line.get_color() for line in plot(backtest).lines}
        assert curves["point fit, bootstrap"] == CATEGORIES[2]


def test_the_diagonal_and_the_band_show_what_chance_does(backtest: Backtest) -> None:
    ax = plot_coverage(backtest)
    assert_allclose(ax.lines[0].get_xydata(), [[0, 0], [100, 100]])
    band = ax.collections[0]
    assert band.get_label() == "chance, 4 runs"
    corners = band.get_paths()[0].vertices
    middle = corners[np.isclose(corners[:, 0], 50)]
    assert_allclose(sorted(middle[:, 1]), [50 - 98 / 2, 50 + 98 / 2])


def test_axes_name_what_is_compared(backtest: Backtest) -> None:
    ax = plot_coverage(backtest)
    assert ax.get_xlabel() == "interval for a new run (%)"
    assert ax.get_ylabel() == "larger runs inside (%)"


@pytest.fixture
def near_and_far() -> Backtest:
    """Ten runs at half a decade inside every interval, ten at one and a half outside of them."""
    inside = np.repeat([True, False], 10)
    masses = np.array([0.5, 0.8, 0.9, 0.95])
    width = np.where(inside, 0.2, 0.4)[:, None] * masses
    predictions = xr.Dataset(
        {
            "observed": ("prediction", np.where(inside, 0.0, 1.0)),
            "lower": (("prediction", "mass"), -width / 2),
            "upper": (("prediction", "mass"), width / 2),
            **{
                name: ("prediction", np.where(inside, 0.0, -1.0))
                for name in ("bias", "pit", "crps", "log_score")
            },
        },
        {
            "method": ("prediction", ["posterior"] * 20),
            "cut": ("prediction", [0.5] * 20),
            "run": ("prediction", np.arange(20)),
            "decades": ("prediction", np.where(inside, 0.5, 1.5) + np.tile([-0.01, 0.01], 10)),
            "mass": masses,
        },
    )
    return Backtest(
        law="chinchilla", order_by="flops", predictions=predictions, remarks=pd.DataFrame()
    )


def test_scores_are_drawn_at_the_distance_of_the_runs(near_and_far: Backtest) -> None:
    ax = plot_by_distance(near_and_far, bins=2)
    best, line = ax.lines
    assert_allclose(best.get_ydata(), 90)
    assert_allclose(line.get_xydata(), [[0.5, 100], [1.5, 0]], atol=1e-9)
    assert ax.get_ylabel() == "larger runs inside the 90% interval (%)"


def test_any_score_can_be_drawn(near_and_far: Backtest) -> None:
    (line,) = plot_by_distance(near_and_far, score="width_90", bins=2).lines
    assert_allclose(line.get_ydata(), [0.18, 0.36])
    with pytest.raises(DataError, match="no score 'beauty'; expected one of bias, crps"):
        plot_by_distance(near_and_far, score="beauty")
