import numpy as np
import pytest
from matplotlib.collections import LineCollection, PathCollection
from numpy.testing import assert_allclose

import bayescale as bs
from bayescale.plots import plot_residuals


def dots(ax):
    return np.concatenate(
        [c.get_offsets() for c in ax.collections if isinstance(c, PathCollection)]
    )


def bars(ax):
    bars = next(c for c in ax.collections if isinstance(c, LineCollection))
    return np.array(bars.get_segments())


def test_a_dot_is_the_log_ratio_to_the_law_in_percent(small_fit):
    law = np.log(small_fit.predict(small_fit.runs)["mean"]).mean(("chain", "draw"))
    expected = 100 * (np.log(small_fit.runs["loss"]) - law.to_numpy())
    assert_allclose(np.sort(dots(plot_residuals(small_fit))[:, 1]), np.sort(expected))


def test_every_run_has_a_bar_as_wide_as_the_model_scatters_there(small_fit):
    segments = bars(plot_residuals(small_fit))
    scale = small_fit.predict(small_fit.runs).map(np.log)
    spread = (scale["new_run"] - scale["mean"]).std(("chain", "draw"))
    widths = np.ptp(segments[:, :, 1], axis=1)
    assert len(widths) == len(small_fit.runs)
    # 90% of a Normal lie within 1.64 sd; tails and few draws leave some room.
    assert_allclose(np.median(widths / (100 * spread)), 2 * 1.64, rtol=0.1)


def test_the_legend_counts_runs_outside_their_bars(small_fit):
    ax = plot_residuals(small_fit)
    outside = ax.collections[-1].get_offsets()
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == [
        "90% of new runs",
        "runs",
        f"outside: {len(outside)} of 90, 9 expected",
    ]


def test_runs_are_inside_their_bars_unless_shown_as_outside(small_fit):
    ax = plot_residuals(small_fit, against="tokens_per_param")
    ends = {low[0]: (low[1], high[1]) for low, high in bars(ax)}
    assert len(ends) == 90  # no two runs have the same ratio, so that it tells them apart
    inside, outside = (c.get_offsets() for c in ax.collections[1:3])
    assert len(outside) > 0
    assert all(ends[x][0] <= residual <= ends[x][1] for x, residual in inside)
    assert not any(ends[x][0] <= residual <= ends[x][1] for x, residual in outside)


@pytest.mark.parametrize("column", ["flops", "params", "tokens_per_param"])
def test_any_column_can_be_the_axis(small_fit, column):
    ax = plot_residuals(small_fit, against=column)
    runs = small_fit.runs.assign(tokens_per_param=lambda t: t["tokens"] / t["params"])
    assert_allclose(np.sort(dots(ax)[:, 0]), np.sort(runs[column]))
    assert ax.get_xscale() == "log"


def test_a_column_of_words_sets_runs_side_by_side(grouped_fit):
    ax = plot_residuals(grouped_fit, against="corpus")
    assert [label.get_text() for label in ax.get_xticklabels()] == ["code", "web"]
    places = dots(ax)[:, 0]
    assert len(np.unique(places)) == len(grouped_fit.runs)
    assert_allclose([places.min(), places.max()], [-0.4, 1.4], atol=0.05)


def test_the_default_axis_is_compute(small_fit):
    ax = plot_residuals(small_fit)
    assert ax.get_xlabel() == "training compute $C$ (FLOP)"
    assert ax.get_ylabel().endswith("the law (%)")


def test_an_unknown_column_is_refused(small_fit):
    with pytest.raises(bs.DataError, match="no column 'vocab'; expected one of params"):
        plot_residuals(small_fit, against="vocab")
