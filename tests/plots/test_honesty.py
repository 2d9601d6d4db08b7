import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayescale as bs
from bayescale.plots import plot_honesty

TABLE = pd.DataFrame({"honesty": [0.8, 1.2, 1.7]}, index=["alpha", "beta", "E"])


def test_a_row_for_each_quantity_from_the_top(small_fit):
    summary = small_fit.summary()
    ax = plot_honesty(summary)
    assert [label.get_text() for label in ax.get_yticklabels()] == list(summary.index)
    assert ax.get_ylim()[0] > ax.get_ylim()[1]


def test_flagged_quantities_stand_out(small_fit):
    ax = plot_honesty(TABLE)
    dots = {c.get_label(): c.get_offsets() for c in ax.collections if c.get_label()[0] != "_"}
    assert_allclose(dots["holds up"], [[0.8, 0], [1.2, 1]])
    assert_allclose(dots["too narrow (above 1.3)"], [[1.7, 2]])


def test_one_is_marked_and_flagged_ratios_are_shaded():
    ax = plot_honesty(TABLE)
    assert_allclose(ax.lines[0].get_xdata(), [1.0, 1.0])
    assert_allclose(ax.patches[0].get_x(), 1.3)
    assert_allclose(ax.patches[0].get_x() + ax.patches[0].get_width(), ax.get_xlim()[1])
    assert ax.get_xlim()[1] > 1.7


def test_the_axis_names_the_ratio():
    assert plot_honesty(TABLE).get_xlabel() == "honesty ratio: jackknife sd / posterior sd"


def test_a_table_without_honesty_is_refused():
    with pytest.raises(bs.DataError, match=r"columns \['mean'\]; expected honesty"):
        plot_honesty(pd.DataFrame({"mean": [1.0]}))
