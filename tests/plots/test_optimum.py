import matplotlib.pyplot as plt
import numpy as np
import pytest
from arviz_base import rc_context
from matplotlib.collections import FillBetweenPolyCollection
from numpy.testing import assert_allclose

import bayescale as bs
from bayescale.plots import plot_optimum

BUDGETS = np.geomspace(1e18, 1e24, 13)


def legend_labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_a_line_is_the_median_of_draws_at_every_budget(small_fit):
    optimum = small_fit.optimum(BUDGETS)
    ax = plot_optimum(optimum)
    drawn = {x: y for line in ax.lines[:2] for x, y in zip(*line.get_data(), strict=True)}
    median = optimum["N_opt"].median(("chain", "draw"))
    assert_allclose([drawn[budget] for budget in BUDGETS], median, rtol=1e-10)


def test_the_line_is_dashed_from_the_largest_run_on(small_fit):
    ax = plot_optimum(small_fit.optimum(BUDGETS))
    solid, dashed = ax.lines[:2]
    largest = (6 * small_fit.runs["params"] * small_fit.runs["tokens"]).max()
    assert (solid.get_linestyle(), dashed.get_linestyle()) == ("-", "--")
    assert_allclose([solid.get_xdata()[-1], dashed.get_xdata()[0]], largest)
    assert [text.get_text() for text in ax.texts] == ["beyond the runs"]


def test_there_is_no_mark_where_all_budgets_are_among_the_runs(small_fit):
    ax = plot_optimum(small_fit.optimum([1e19, 1e20, 1e21]))
    assert [line.get_linestyle() for line in ax.lines] == ["-"]
    assert not ax.texts


def test_the_line_is_dashed_where_all_budgets_exceed_the_runs(small_fit):
    ax = plot_optimum(small_fit.optimum([1e23, 1e24]))
    assert ax.lines[0].get_linestyle() == "--"
    assert legend_labels(ax)[-1] == "median"


def test_axes_are_logarithmic_and_name_quantity_and_unit(small_fit):
    ax = plot_optimum(small_fit.optimum(BUDGETS), quantity="L_opt")
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert ax.get_xlabel() == "training compute $C$ (FLOP)"
    assert "(nats per token)" in ax.get_ylabel()
    assert_allclose(ax.get_xlim(), BUDGETS[[0, -1]])


def test_intervals_follow_arviz_settings_and_are_named(small_fit):
    optimum = small_fit.optimum(BUDGETS)
    with rc_context({"stats.ci_kind": "hdi", "stats.ci_prob": 0.8}):
        ax = plot_optimum(optimum)
    assert legend_labels(ax) == ["80% HDI", "50% HDI", "median"]


def test_bands_hold_the_interval_of_the_draws(small_fit):
    optimum = small_fit.optimum(BUDGETS)
    with rc_context({"stats.ci_kind": "eti", "stats.ci_prob": 0.8}):
        ax = plot_optimum(optimum, quantity="D_opt")
    outer = next(c for c in ax.collections if isinstance(c, FillBetweenPolyCollection))
    heights = outer.get_paths()[0].vertices[:, 1]
    ends = optimum["D_opt"].quantile([0.1, 0.9], ("chain", "draw"))
    assert_allclose([heights.min(), heights.max()], [ends.min(), ends.max()], rtol=1e-6)


def test_runs_are_drawn_on_top_when_the_fit_is_given(small_fit):
    ax = plot_optimum(small_fit.optimum(BUDGETS), quantity="tokens_per_param", fit=small_fit)
    runs = next(c for c in ax.collections if c.get_label() == "runs")
    ratio = small_fit.runs["tokens"] / small_fit.runs["params"]
    assert_allclose(runs.get_offsets()[:, 1], ratio)
    assert runs.get_zorder() > max(line.get_zorder() for line in ax.lines[:2])
    assert ax.get_ylim()[0] < ratio.min()
    assert ratio.max() < ax.get_ylim()[1]


def test_the_legend_names_reasons_not_to_trust_the_draws(small_fit):
    assert not small_fit.verdict.trusted
    ax = plot_optimum(small_fit.optimum(BUDGETS), fit=small_fit)
    title = ax.get_legend().get_title().get_text()
    assert title.startswith("not to be trusted: ")
    assert all(reason.split()[0].rstrip(":") in title for reason in small_fit.verdict.reasons)


def test_every_group_has_a_line_of_its_own(grouped_fit):
    ax = plot_optimum(grouped_fit.optimum(BUDGETS))
    assert [text.split(",")[0] for text in legend_labels(ax)] == ["code", "web"]
    solid = [line for line in ax.lines if line.get_label().startswith(("code", "web"))]
    assert len({line.get_color() for line in solid}) == 2


def test_more_groups_than_colours_are_refused(small_fit):
    optimum = small_fit.optimum(BUDGETS).expand_dims(corpus=list("abcdefgh"))
    with pytest.raises(bs.DataError, match=r"8 groups of corpus.*at most 7"):
        plot_optimum(optimum)


def test_an_unknown_quantity_and_a_single_budget_are_refused(small_fit):
    with pytest.raises(bs.DataError, match=r"no 'N'; expected one of N_opt"):
        plot_optimum(small_fit.optimum(BUDGETS), quantity="N")
    with pytest.raises(bs.DataError, match="one budget; expected two or more"):
        plot_optimum(small_fit.optimum(1e24))


def test_it_draws_on_the_axes_given_and_returns_them(small_fit):
    _, (given, other) = plt.subplots(1, 2)
    assert plot_optimum(small_fit.optimum(BUDGETS), ax=given) is given
    assert given.lines
    assert not other.lines
