import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose

import bayescale as bs
from bayescale.diagnostics.influence import influence
from bayescale.plots import plot_influence


def change(values: list[float], **coords: list[str]) -> xr.DataArray:
    dim = next(iter(coords), "run")
    return xr.DataArray(values, coords or None, dims=dim, name="alpha")


def dots(ax) -> dict[str, np.ndarray]:
    return {c.get_label(): c.get_offsets() for c in ax.collections if c.get_label()[0] != "_"}


def test_runs_are_at_their_rows_and_large_ones_are_named():
    ax = plot_influence(change([0.2, -1.4, 0.9]))
    assert_allclose(dots(ax)["within one sd"], [[1, 0.2], [3, 0.9]])
    assert_allclose(dots(ax)["more than one sd"], [[2, -1.4]])
    assert [text.get_text() for text in ax.texts] == ["2"]
    assert ax.get_xlabel() == "row of the table"
    assert ax.get_ylabel() == r"change of $\alpha$ without it (sd of the model)"


def test_clusters_are_labelled_with_their_names():
    ax = plot_influence(change([0.2, 1.4], cluster=["1e+18", "1e+19"]))
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1e+18", "1e+19"]
    assert not ax.texts
    assert ax.get_ylim()[1] > 1.4


def test_one_sd_is_shaded_and_inside_the_axes():
    ax = plot_influence(change([0.01, 0.02]))
    low, high = ax.patches[0].get_y(), ax.patches[0].get_y() + ax.patches[0].get_height()
    assert_allclose((low, high), (-1, 1))
    assert ax.get_ylim()[0] < -1
    assert ax.get_ylim()[1] > 1


def test_a_fit_has_influences_to_draw(small_fit):
    ax = plot_influence(influence(small_fit)["alpha"])
    assert sum(map(len, dots(ax).values())) == len(small_fit.runs)


def test_several_numbers_a_case_are_refused():
    with pytest.raises(bs.LawError, match="expected run or cluster alone"):
        plot_influence(change([1.0, 2.0]).expand_dims(budget=2))
