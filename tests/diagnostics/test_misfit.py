"""Misfit of the law itself, as diagnose names it."""

import numpy as np

import bayescale as bs
from bayescale.diagnostics.misfit import misfit
from bayescale.models.size_and_data.chinchilla import CHINCHILLA
from tests.designs import simulated

RUNS = simulated(CHINCHILLA, noise=0.005, seed=7, each=6)
QUICK = {"draws": 500, "chains": 2, "random_seed": 1}


def bent(size: float) -> bs.Fit:
    """A fit to runs with a curvature in tokens per param."""
    balance = np.log(RUNS["tokens"] / RUNS["params"])
    place = (balance - balance.mean()) / balance.std()
    loss = RUNS["loss"] * np.exp(size * place**2)
    return bs.fit(CHINCHILLA, RUNS.assign(loss=loss), **QUICK)


def test_runs_of_the_law_have_no_shape() -> None:
    found = misfit(bent(0.0))
    assert found is not None
    assert found.share < found.threshold


def test_a_curvature_is_named_with_its_size() -> None:
    fitted = bent(0.02)
    found = misfit(fitted)
    assert found is not None
    assert found.share > found.threshold
    assert found.size > 0.005  # more than the scatter
    sentences = [finding.sentence for finding in bs.diagnose(fitted).findings]
    assert any("bent otherwise" in sentence for sentence in sentences)


def test_grouped_runs_have_none() -> None:
    grouped = RUNS.assign(corpus=np.where(np.arange(len(RUNS)) % 2, "a", "b"))
    fitted = bs.fit(CHINCHILLA, grouped, groups="corpus", **QUICK)
    assert misfit(fitted) is None
