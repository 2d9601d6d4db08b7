import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from numpy.testing import assert_allclose

import bayescale as bs
from bayescale.plots import plot_slices


def dots(ax: Axes) -> np.ndarray:
    return next(c for c in ax.collections if isinstance(c, PathCollection)).get_offsets()


def test_a_panel_has_the_runs_of_its_budget(small_fit):
    panels = plot_slices(small_fit)
    assert len(panels) == 6
    runs = small_fit.runs
    for ax in panels:
        budget = runs["flops"][runs["flops"].map("{:.2g} FLOP".format) == ax.get_title()]
        shown = runs.loc[budget.index, ["params", "loss"]]
        assert len(shown) == 10
        assert_allclose(dots(ax), shown)


def test_curves_are_solid_only_where_there_are_runs(small_fit):
    for ax in plot_slices(small_fit):
        solid = next(line for line in ax.lines if line.get_linestyle() == "-")
        params = dots(ax)[:, 0]
        assert_allclose(solid.get_xdata()[[0, -1]], [params.min(), params.max()])


def test_the_lowest_point_is_the_optimum_of_the_law_alone(small_fit):
    panels = plot_slices(small_fit)
    budgets = [float(ax.get_title().removesuffix(" FLOP")) for ax in panels]
    near = [
        small_fit.runs["flops"].iloc[(small_fit.runs["flops"] - b).abs().argmin()] for b in budgets
    ]
    optimum = small_fit.optimum(near, drift=False)["N_opt"].median(("chain", "draw"))
    dotted = [next(line for line in ax.lines if line.get_linestyle() == ":") for ax in panels]
    assert_allclose([line.get_xdata()[0] for line in dotted], optimum)


def test_one_group_is_drawn_of_a_grouped_fit(grouped_fit):
    panels = plot_slices(grouped_fit, group="web")
    own = grouped_fit.runs.loc[grouped_fit.runs["corpus"] == "web", "params"].to_numpy()
    assert np.isin(np.concatenate([dots(ax)[:, 0] for ax in panels]), own).all()
    with pytest.raises(bs.DataError, match="group is None; expected one of"):
        plot_slices(grouped_fit)


def test_it_draws_on_the_figure_given_with_one_legend(small_fit):
    figure = plt.figure(layout="constrained")
    panels = plot_slices(small_fit, figure=figure)
    assert {ax.figure for ax in panels} == {figure}
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "new run, 89% ETI",
        "law, 89% ETI",
        "runs",
        r"$N_\mathrm{opt}$",
    ]


def test_a_law_of_other_inputs_is_refused(one_input_fit):
    with pytest.raises(bs.LawError, match=r"inputs \('flops',\); expected params and tokens"):
        plot_slices(one_input_fit)
