import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose

from bayescale.errors import LawError
from bayescale.plots import plot_multiverse


@pytest.fixture
def specifications() -> xr.Dataset:
    """Two axes of two choices; one combination could not be fitted, one is not trusted."""
    means = np.array([[0.3, 0.1], [np.nan, 0.2]])
    statistics = np.stack([means, 0 * means + 0.01, means - 0.02, means + 0.02], axis=-1)
    dims = ("scatter", "runs")
    return xr.Dataset(
        {
            "a": ((*dims, "statistic"), statistics),
            "trusted": (dims, [[True, False], [False, True]]),
            "runs_used": (dims, [[9.0, 9.0], [np.nan, 9.0]]),
            "error": (dims, [["", ""], ["no", ""]]),
        },
        {
            "scatter": ["one scale", "many"],
            "runs": ["all", "some"],
            "statistic": ["mean", "sd", "lower", "upper"],
        },
    )


def test_specifications_are_in_order_and_named(specifications: xr.Dataset) -> None:
    curve, rows = plot_multiverse(specifications, "a", published=0.25)
    points = np.concatenate([c.get_offsets() for c in curve.collections if len(c.get_offsets())])
    by_place = points[points[:, 0].argsort()]
    assert_allclose([p for p in by_place if p[1] > 0], [[0, 0.1], [1, 0.2], [2, 0.3]])
    assert_allclose(curve.lines[0].get_ydata(), 0.25)
    assert [label.get_text() for label in rows.get_yticklabels()] == [
        *("one scale", "many"),
        *("all", "some"),
    ]
    dots = [collection.get_offsets()[:, 0].tolist() for collection in rows.collections]
    assert dots == [[0, 2], [1], [2], [0, 1]]
    labels = curve.get_legend_handles_labels()[1]
    assert "not trusted" in labels
    assert "published" in labels


def test_other_variables_are_refused(specifications: xr.Dataset) -> None:
    with pytest.raises(LawError, match="no 'trusted'; expected one of a"):
        plot_multiverse(specifications, "trusted")
