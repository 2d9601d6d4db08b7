import dataclasses

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from numpy.testing import assert_allclose

import bayescale as bs
from bayescale.plots import plot_runs


def dots(ax):
    return next(c for c in ax.collections if isinstance(c, PathCollection))


def curves(ax, style="-"):
    return [line for line in ax.lines if line.get_linestyle() == style and len(line.get_xdata())]


def test_every_run_is_there_and_coloured_by_its_compute(small_fit):
    ax = plot_runs(small_fit)
    runs = small_fit.runs
    assert_allclose(dots(ax).get_offsets(), runs[["params", "loss"]])
    assert_allclose(dots(ax).get_array(), runs["flops"])
    assert ax.figure.axes[1].get_ylabel() == "training compute $C$ (FLOP)"


def test_axes_are_logarithmic_and_name_quantity_and_unit(small_fit):
    ax = plot_runs(small_fit)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("parameters $N$", "loss (nats per token)")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "runs",
        "law at one compute",
        "beyond its runs",
        "89% ETI",
    ]


def test_curves_are_the_law_at_budgets_of_the_runs(small_fit):
    solid = curves(plot_runs(small_fit))
    assert len(solid) == 6
    params, loss = solid[0].get_data()
    law = small_fit.predict({"params": params, "flops": np.full(len(params), 6e18)})["mean"]
    # The ends of a solid curve lie between grid points, where it is interpolated.
    assert_allclose(loss[1:-1], law.median(("chain", "draw"))[1:-1], rtol=1e-10)


def test_curves_are_solid_only_where_their_budget_has_runs(small_fit):
    runs = small_fit.runs
    for line in curves(plot_runs(small_fit)):
        ends = line.get_xdata()[[0, -1]]
        spans = runs.groupby("flops")["params"].agg(["min", "max"]).to_numpy()
        assert np.isclose(spans, ends).all(axis=1).any()


def test_bands_are_drawn_for_every_curve(small_fit):
    ax = plot_runs(small_fit)
    bands = [c for c in ax.collections if c.get_label().startswith("_")]
    assert len(bands) == len(curves(ax))


def test_a_law_of_one_input_has_two_bands_and_marks_extrapolation(one_input_fit):
    ax = plot_runs(one_input_fit)
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["new run, 89% ETI", "law, 89% ETI", "law, median", "runs"]
    assert ax.get_xlabel() == "training compute $C$ (FLOP)"
    assert [text.get_text() for text in ax.texts] == ["beyond the runs"]
    assert_allclose(curves(ax)[0].get_xdata()[[0, -1]], [6e18, 3e21])


def test_a_new_run_is_less_certain_than_the_law(one_input_fit):
    ax = plot_runs(one_input_fit)
    new_run, law = (np.ptp(band.get_paths()[0].vertices[:, 1]) for band in ax.collections[:2])
    assert new_run > law


def test_one_group_is_drawn_of_a_grouped_fit(grouped_fit):
    ax = plot_runs(grouped_fit, group="web")
    chosen = grouped_fit.runs[grouped_fit.runs["corpus"] == "web"]
    assert_allclose(dots(ax).get_offsets(), chosen[["params", "loss"]])


def test_a_group_must_be_one_of_the_fit(small_fit, grouped_fit):
    with pytest.raises(bs.DataError, match=r"group is None; expected one of \['code', 'web'\]"):
        plot_runs(grouped_fit)
    with pytest.raises(bs.DataError, match="this fit has no groups"):
        plot_runs(small_fit, group="web")


def test_a_law_of_other_inputs_is_refused(small_fit):
    structure = small_fit.structure
    other = bs.Law(
        name="other",
        title="Of params and vocab",
        formula=lambda params, vocab, E: E + 0 * params * vocab,
        inputs=("params", "vocab"),
        priors={"E": structure.law.priors["alpha"]},
        coefficients=lambda units, E: {"E": E},
        reference="this test",
    )
    fit = bs.Fit(dataclasses.replace(structure, law=other), small_fit.tree)
    with pytest.raises(bs.LawError, match=r"inputs \('params', 'vocab'\); expected params"):
        plot_runs(fit)
