"""What reports offer for a paper is true of the fit that they are about."""

from dataclasses import replace

import pytest

from bayescale.fitting.fit import fit
from bayescale.fitting.record import Fit
from bayescale.inference.clusters import Clusters
from bayescale.likelihoods import NORMAL
from bayescale.models import LAWS
from bayescale.posterior.drift import RATIO, usual_residual
from bayescale.reporting import methods
from bayescale.reporting.methods import drift_sentence, methods_section
from bayescale.spec.law import Law
from tests.designs import FORMS, simulated

LEARNED = {"chinchilla", "coupled"}
"""Laws that the back-tests of public studies were of; see docs/extrapolation.md."""
BORROWED = {"isoflop", "isoflop_skewed", "frontier"}
"""Laws that take the drift of one of these."""


def with_structure(fit: Fit, **changes: object) -> Fit:
    """The same draws, as if the structure were another."""
    return replace(fit, structure=replace(fit.structure, **changes))  # type: ignore[arg-type]


def paragraph(fit: Fit) -> str:
    return methods_section(fit).blocks[0].text  # type: ignore[union-attr]


@pytest.mark.parametrize("law", FORMS.values(), ids=FORMS)
def test_drift_is_linear_and_called_learned_only_where_it_was(
    law: Law, small_fit: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The draws are those of another law, and have no residuals about this one.
    monkeypatch.setattr(methods, "usual_residual", lambda draws: 0.0123)
    sentence = drift_sentence(with_structure(small_fit, law=law))
    assert "random walk" not in sentence
    assert "d times a number drawn from Normal(0, tau), one for each posterior draw" in sentence
    prior = law.drift.tau or law.drift.ratio or RATIO
    assert f"The prior of tau is {prior!r}" in sentence
    assert ("times 0.012, the usual" in sentence) == (law.drift.tau is None)
    assert ("learned from back-tests" in sentence) == (law.name in LEARNED | BORROWED)
    assert law.name not in LEARNED or "thirteen families of public studies" in sentence
    assert ("law 'coupled'" in sentence) == (law.name in BORROWED)
    scale = {"positive": f"log {law.response}", "proportion": f"log odds of {law.response}"}
    assert f"expected {scale.get(law.kind_of(law.response).name, law.response)} is" in sentence


def test_drift_that_these_runs_updated_is_called_theirs(small_fit: Fit) -> None:
    updated = small_fit.with_groups({"drift": small_fit.drift.assign_attrs(slopes="[]")})
    sentence = drift_sentence(updated)
    assert "updated by back-tests of these runs" in sentence
    assert "learned" not in sentence


def test_the_unit_of_drift_is_the_usual_residual_of_the_fit(small_fit: Fit) -> None:
    assert f" times {usual_residual(small_fit.draws):.2g}, the usual" in drift_sentence(small_fit)


def test_what_resampling_draws_is_named(small_fit: Fit) -> None:
    clusters = small_fit.structure.clusters
    assert isinstance(clusters, Clusters)
    named = f"resampling clusters of runs of about the same compute ({len(clusters.labels)}) would"
    assert named in paragraph(small_fit)
    for few in (None, replace(clusters, labels=clusters.labels[:4])):
        assert "resampling single runs would" in paragraph(with_structure(small_fit, clusters=few))


def test_thinning_is_mentioned_where_draws_were_thinned(small_fit: Fit) -> None:
    tree = small_fit.tree.copy()
    tree.attrs |= {"sampler": "nuts", "thin": 1, "tune": 400, "target_accept": 0.9}
    assert "2 chains of 200 draws by NUTS" in paragraph(replace(small_fit, tree=tree))
    tree.attrs |= {"thin": 4, "tune": 800, "sampler_reason": "Pareto k is 0.9"}
    text = paragraph(replace(small_fit, tree=tree))
    assert "2 chains of 200 draws, every 4th of 800, by NUTS" in text
    assert "after 800 to tune, target acceptance 0.9." in text
    assert "Importance sampling was not used: Pareto k is 0.9." in text


def test_importance_sampling_is_named_with_its_diagnostic() -> None:
    law = LAWS["power_law"]
    runs = simulated(law, noise=0.01, seed=1, each=30)
    fitted = fit(law, runs, likelihood=NORMAL, draws=200, chains=2, random_seed=1)
    stats = fitted.tree["sample_stats"].attrs
    text = paragraph(fitted)
    assert "2 chains of 200 draws by importance sampling" in text
    assert f"Pareto k of the proposal {stats['pareto_k']:.2f}" in text
