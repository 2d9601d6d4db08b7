import numpy as np
import pandas as pd
import pytest
import xarray as xr
from numpy.testing import assert_allclose

from bayescale.errors import LawError
from bayescale.plots import plot_calibration
from bayescale.validation.calibrate import Calibration

COUNT = 100


@pytest.fixture
def calibration() -> Calibration:
    """One quantity whose truths have even ranks, one whose truths have low ranks."""
    even = (np.arange(COUNT) + 0.5) / COUNT
    data = xr.Dataset(
        {"alpha": (("chain", "draw"), even[None]), "B": (("chain", "draw"), even[None] ** 3)}
    )
    return Calibration("none", xr.DataTree.from_dict({"prior_sbc": data}), pd.DataFrame())


def test_only_quantities_outside_the_band_are_named(calibration: Calibration) -> None:
    ax = plot_calibration(calibration)
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["$B$", "95% band, 100 simulations"]


def test_a_curve_is_the_ecdf_minus_the_uniform_one(calibration: Calibration) -> None:
    ax = plot_calibration(calibration, ["B"])
    points, height = ax.lines[0].get_xydata().T
    # Half of the truths, cubed, are below 1/8.
    assert_allclose(height[np.isclose(points, 0.12)], 0.49 - 0.12)


def test_an_unknown_quantity_is_refused(calibration: Calibration) -> None:
    with pytest.raises(LawError, match=r"no \['gamma'\]; expected names among"):
        plot_calibration(calibration, ["gamma"])
