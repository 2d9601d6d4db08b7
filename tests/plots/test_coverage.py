import numpy as np
import pandas as pd
import pytest
import xarray as xr
from numpy.testing import assert_allclose

from bayescale.backtesting import Backtest
from bayescale.plots import plot_coverage


@pytest.fixture
def tested() -> Backtest:
    """Two cuts of four runs: all in the middle for one method, all outside for the other."""
    predictions = xr.Dataset(
        {"pit": ("prediction", [0.5] * 8 + [0.0] * 8)},
        {
            "method": ("prediction", ["posterior"] * 8 + ["point_fit"] * 8),
            "cut": ("prediction", ([0.5] * 4 + [0.8] * 4) * 2),
        },
    )
    return Backtest(law="chinchilla", by="flops", predictions=predictions, remarks=pd.DataFrame())


def test_each_method_has_its_curve(tested: Backtest) -> None:
    ax = plot_coverage(tested)
    curves = {line.get_label(): line.get_ydata() for line in ax.lines}
    assert_allclose(curves["posterior"], 100)
    assert_allclose(curves["point fit, bootstrap"][:-1], 0)
    assert len(np.unique([line.get_color() for line in ax.lines])) == 3


def test_the_diagonal_and_the_band_say_what_chance_does(tested: Backtest) -> None:
    ax = plot_coverage(tested)
    assert_allclose(ax.lines[0].get_xydata(), [[0, 0], [100, 100]])
    band = ax.collections[0]
    assert band.get_label() == "chance, 4 runs"
    corners = band.get_paths()[0].vertices
    middle = corners[np.isclose(corners[:, 0], 50)]
    assert_allclose(sorted(middle[:, 1]), [50 - 98 / 2, 50 + 98 / 2])


def test_axes_say_what_is_compared(tested: Backtest) -> None:
    ax = plot_coverage(tested)
    assert ax.get_xlabel() == "interval for a new run (%)"
    assert ax.get_ylabel() == "larger runs inside (%)"
