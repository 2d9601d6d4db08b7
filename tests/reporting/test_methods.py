"""What reports offer for a paper is true of the fit that they are about."""

from dataclasses import replace

import pytest

from bayescale.clusters import Clusters
from bayescale.extrapolation import TAU
from bayescale.fitting import Fit
from bayescale.likelihood import student_t
from bayescale.models import LAWS
from bayescale.reporting.methods import drift_sentence, methods

LEARNED = {"chinchilla", "coupled", "kaplan_nd"}
"""Laws that the back-tests of public studies were of; see docs/extrapolation.md."""
BORROWED = {"isoflop", "isoflop_skewed", "frontier"}
"""Laws that take the drift of one of these."""


def of(fit: Fit, **changes: object) -> Fit:
    """The same draws, as if the structure were another."""
    return replace(fit, structure=replace(fit.structure, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_drift_is_said_to_be_linear_and_learned_only_where_it_was(law, small_fit):
    sentence = drift_sentence(of(small_fit, law=law))
    assert "random walk" not in sentence
    assert "d times a number drawn from Normal(0, tau), one for each posterior draw" in sentence
    assert repr(law.tau or TAU) in sentence
    assert ("22 public studies" in sentence) == (law.name in LEARNED | BORROWED)
    assert ("law 'coupled'" in sentence) == (law.name in BORROWED)
    scale = {"positive": f"log {law.response}", "share": f"log odds of {law.response}"}
    assert f"expected {scale.get(law.scale_of(law.response).name, law.response)} is" in sentence


def test_drift_that_these_runs_updated_is_said_to_be_theirs(small_fit):
    noted = small_fit.extrapolation.assign_attrs(slopes="[]")
    sentence = drift_sentence(small_fit._with({"extrapolation": noted}))
    assert "updated by back-tests of these runs" in sentence
    assert "22" not in sentence


def test_cluster_terms_are_said_to_be_integrated_out_only_where_they_are(small_fit):
    assert isinstance(small_fit.structure.clusters, Clusters)
    text = methods(small_fit).blocks[0].text
    assert "These terms were integrated out." in text
    heavy = of(small_fit, likelihood=student_t(small_fit.law.inputs))
    assert "sampled with the other parameters." in methods(heavy).blocks[0].text


def test_draws_that_were_thinned_are_said_to_be(small_fit):
    assert "2 chains of 200 draws after 400 to tune" in methods(small_fit).blocks[0].text
    tree = small_fit.tree.copy()
    tree.attrs |= {"thin": 4, "tune": 800}
    text = methods(replace(small_fit, tree=tree)).blocks[0].text
    assert "2 chains of 200 draws, every 4th of 800, after 800 to tune" in text
