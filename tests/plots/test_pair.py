import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.contour import ContourSet
from numpy.testing import assert_allclose

import bayescale as bs
from bayescale.plots import plot_pair

CLAIMS = bs.models.CHINCHILLA.claims_about()


def legend_labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_dots_are_draws_of_the_two_quantities(small_fit):
    ax = plot_pair(small_fit, "a", "g")
    dots = next(c for c in ax.collections if isinstance(c, PathCollection))
    pairs = np.stack([small_fit.posterior[name].to_numpy().ravel() for name in ("a", "g")], axis=1)
    assert_allclose(dots.get_offsets(), pairs)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("$a$", "$g$")


def test_contours_hold_half_and_nine_tenths_of_the_draws(small_fit):
    ax = plot_pair(small_fit)
    contours = next(c for c in ax.collections if isinstance(c, ContourSet))
    draws = np.stack([small_fit.posterior[n].to_numpy().ravel() for n in ("alpha", "beta")], axis=1)
    held = [path.contains_points(draws).mean() for path in contours.get_paths()]
    assert_allclose(held, [0.9, 0.5], atol=0.03)
    assert legend_labels(ax) == ["draws", "50% and 90% of draws"]


def test_quantities_that_follow_from_one_another_have_no_contour(small_fit):
    ax = plot_pair(small_fit, "a", "b")
    assert legend_labels(ax) == ["draws"]
    assert not any(isinstance(c, ContourSet) for c in ax.collections)


def test_claims_that_give_both_are_drawn_at_their_values(small_fit):
    ax = plot_pair(small_fit, claims=CLAIMS)
    giving = [claim for claim in CLAIMS if {"alpha", "beta"} <= set(claim.values)]
    assert len(giving) == len(ax.containers) == 5
    for claim, drawn in zip(giving, ax.containers, strict=True):
        assert drawn.get_label().startswith(claim.label)
        published = [claim.values["alpha"], claim.values["beta"]]
        assert_allclose(drawn[0].get_xydata(), [published])
    assert len({drawn[0].get_marker() for drawn in ax.containers}) == 5


def test_errors_are_drawn_as_a_cross_and_named(small_fit):
    ax = plot_pair(small_fit, claims=CLAIMS)
    crossed = [drawn for drawn in ax.containers if drawn.has_xerr and drawn.has_yerr]
    assert [drawn.get_label() for drawn in crossed] == ["Besiroglu et al. (± 1 se)"]
    horizontal = crossed[0][2][0].get_segments()[0][:, 0]
    assert_allclose(horizontal, [0.3478 - 0.0154, 0.3478 + 0.0154])


def test_intervals_are_drawn_to_their_ends(small_fit):
    ax = plot_pair(small_fit, "a", "b", claims=CLAIMS)
    second = next(d for d in ax.containers if "approach 2" in d.get_label())
    assert second.get_label().endswith("(80% interval)")
    assert_allclose(second[2][0].get_segments()[0][:, 0], [0.462, 0.534])


def test_the_claims_of_the_law_itself_are_the_default(small_fit):
    assert not any({"alpha", "beta"} <= claim.names for claim in small_fit.law.claims)
    assert not plot_pair(small_fit).containers
    assert not plot_pair(small_fit, claims=False).containers


def test_every_group_has_a_cloud_and_a_colour(grouped_fit):
    ax = plot_pair(grouped_fit)
    assert legend_labels(ax) == ["code", "50% and 90% of code", "web", "50% and 90% of web"]


def test_the_legend_lies_outside_the_axes(small_fit):
    ax = plot_pair(small_fit, claims=CLAIMS)
    ax.figure.canvas.draw()
    assert ax.get_legend().get_window_extent().y0 >= ax.get_window_extent().y1


def test_quantities_that_are_unknown_or_have_parts_are_refused(small_fit):
    with pytest.raises(bs.LawError, match=r"no \['gamma'\]; expected names among"):
        plot_pair(small_fit, "alpha", "gamma")
    with pytest.raises(bs.LawError, match=r"\['share'\] have several parts"):
        plot_pair(small_fit, "alpha", "share")
