"""What reports offer for a paper is true of the fit that they are about."""

from dataclasses import replace

import pytest

from bayescale.fitting.record import Fit
from bayescale.inference.clusters import Clusters
from bayescale.likelihoods import STUDENT_T
from bayescale.models import LAWS
from bayescale.posterior.drift import TAU
from bayescale.reporting.methods import drift_sentence, methods_section
from bayescale.spec.law import Law

LEARNED = {"chinchilla", "coupled", "kaplan_nd"}
"""Laws that the back-tests of public studies were of; see docs/extrapolation.md."""
BORROWED = {"isoflop", "isoflop_skewed", "frontier"}
"""Laws that take the drift of one of these."""


def with_structure(fit: Fit, **changes: object) -> Fit:
    """The same draws, as if the structure were another."""
    return replace(fit, structure=replace(fit.structure, **changes))  # type: ignore[arg-type]


def paragraph(fit: Fit) -> str:
    return methods_section(fit).blocks[0].text  # type: ignore[union-attr]


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_drift_is_linear_and_called_learned_only_where_it_was(law: Law, small_fit: Fit) -> None:
    sentence = drift_sentence(with_structure(small_fit, law=law))
    assert "random walk" not in sentence
    assert "d times a number drawn from Normal(0, tau), one for each posterior draw" in sentence
    assert repr(law.drift.tau or TAU) in sentence
    assert ("22 public studies" in sentence) == (law.name in LEARNED | BORROWED)
    assert ("law 'coupled'" in sentence) == (law.name in BORROWED)
    scale = {"positive": f"log {law.response}", "proportion": f"log odds of {law.response}"}
    assert f"expected {scale.get(law.kind_of(law.response).name, law.response)} is" in sentence


def test_drift_that_these_runs_updated_is_called_theirs(small_fit: Fit) -> None:
    updated = small_fit.with_groups({"drift": small_fit.drift.assign_attrs(slopes="[]")})
    sentence = drift_sentence(updated)
    assert "updated by back-tests of these runs" in sentence
    assert "22" not in sentence


def test_cluster_terms_are_called_integrated_out_only_where_they_are(small_fit: Fit) -> None:
    assert isinstance(small_fit.structure.clusters, Clusters)
    assert "These terms were integrated out." in paragraph(small_fit)
    heavy = with_structure(small_fit, likelihood=STUDENT_T)
    assert "sampled with the other parameters." in paragraph(heavy)


def test_thinning_is_mentioned_where_draws_were_thinned(small_fit: Fit) -> None:
    tree = small_fit.tree.copy()
    tree.attrs |= {"sampler": "nuts", "thin": 1, "tune": 400, "target_accept": 0.9}
    assert "2 chains of 200 draws by NUTS" in paragraph(replace(small_fit, tree=tree))
    tree.attrs |= {"thin": 4, "tune": 800, "sampler_reason": "Pareto k is 0.9"}
    text = paragraph(replace(small_fit, tree=tree))
    assert "2 chains of 200 draws, every 4th of 800, by NUTS" in text
    assert "after 800 to tune, target acceptance 0.9." in text
    assert "Importance sampling was not used: Pareto k is 0.9." in text


def test_importance_sampling_is_named_with_its_diagnostic(small_fit: Fit) -> None:
    stats = small_fit.tree["sample_stats"].attrs
    text = paragraph(small_fit)
    assert "2 chains of 200 draws by importance sampling" in text
    assert f"Pareto k of the proposal {stats['pareto_k']:.2f}" in text
