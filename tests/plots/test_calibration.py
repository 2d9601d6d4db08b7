import numpy as np
import pandas as pd
import pytest
import xarray as xr
from numpy.testing import assert_allclose

from bayescale.calibration import Calibration
from bayescale.errors import LawError
from bayescale.plots import plot_calibration

COUNT = 100


@pytest.fixture
def found() -> Calibration:
    """One quantity whose truths lie evenly, one whose truths all lie low."""
    even = (np.arange(COUNT) + 0.5) / COUNT
    data = xr.Dataset(
        {"alpha": (("chain", "draw"), even[None]), "B": (("chain", "draw"), even[None] ** 3)}
    )
    return Calibration("none", xr.DataTree.from_dict({"prior_sbc": data}), pd.DataFrame())


def test_only_what_leaves_the_band_is_named(found: Calibration) -> None:
    ax = plot_calibration(found)
    said = [text.get_text() for text in ax.get_legend().get_texts()]
    assert said == ["$B$", "95% band, 100 simulations"]


def test_a_curve_is_the_share_of_truths_less_the_uniform_one(found: Calibration) -> None:
    ax = plot_calibration(found, ["B"])
    points, height = ax.lines[0].get_xydata().T
    # Half of the truths, cubed, are below 1/8.
    assert_allclose(height[np.isclose(points, 0.12)], 0.49 - 0.12)


def test_a_quantity_that_is_not_there_is_refused(found: Calibration) -> None:
    with pytest.raises(LawError, match=r"no \['gamma'\]; expected names among"):
        plot_calibration(found, ["gamma"])
