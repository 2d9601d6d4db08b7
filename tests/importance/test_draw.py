"""Importance sampling: right where the answer is known, and honest where it is not good enough."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from bayescale.fitting.fit import fit
from bayescale.importance.draw import draw_by_importance
from bayescale.importance.learner import Learner, effective_share
from bayescale.importance.modes import find_modes, search_modes
from bayescale.importance.proposal import Mixture, MultivariateT, fit_map
from bayescale.inference.coordinates import draw_prior_points
from bayescale.inference.density import Density
from bayescale.inference.record import Sampling, Settings
from bayescale.inference.sample import SAMPLERS, sample
from bayescale.inference.structure import Structure, build_structure
from bayescale.likelihoods import NORMAL
from bayescale.models.size_and_data.chinchilla import CHINCHILLA
from bayescale.priors import Normal
from bayescale.spec.law import Law
from tests.designs import simulated

RUNS = simulated(CHINCHILLA, noise=0.01, seed=4, each=5)
MEAN = 0.2
"""Of the prior of a root: the modes of a law of squares then have different masses."""


def even_law(count: int) -> Law:
    """A law of the squares of its parameters: the sign of each is known from the prior alone."""
    names = [f"root_{k}" for k in range(count)]

    def coefficients(units: object, **free: Any) -> dict[str, Any]:
        return {f"part_{k}": free[name] ** 2 for k, name in enumerate(names)}

    def formula(params: Any, **parts: Any) -> Any:
        waves = (0.3 + np.sin((k + 1) * np.log(params)) ** 2 for k in range(count))
        return sum(part * wave for part, wave in zip(parts.values(), waves, strict=True))

    return Law(
        name="even",
        title="Squares",
        formula=with_arguments(formula, ["params", *(f"part_{k}" for k in range(count))]),
        inputs=("params",),
        priors={name: Normal(mu=MEAN, sigma=1.0) for name in names},
        coefficients=with_arguments(coefficients, ["units", *names]),
        reference="none",
    )


def with_arguments(function: Callable[..., Any], names: list[str]) -> Callable[..., Any]:
    """A function whose signature names its arguments, as a law reads them."""
    import inspect

    def named(*args: Any, **kwargs: Any) -> Any:
        return function(**dict(zip(names, args, strict=False)), **kwargs)

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    named.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in names])
    return named


def squares(count: int) -> tuple[Structure, pd.DataFrame]:
    law = even_law(count)
    parts = {f"part_{k}": 0.8 for k in range(count)}
    expected = law.formula(RUNS["params"].to_numpy(), **parts)
    noise = 0.02 * np.random.default_rng(0).standard_normal(len(RUNS))
    runs = RUNS.assign(loss=expected * np.exp(noise))
    return build_structure(law, runs, NORMAL, clusters=None), runs


@pytest.mark.parametrize("count", [1, 2, 3])
def test_all_modes_get_the_mass_that_they_have(count: int) -> None:
    """Of 2^n modes, one for each choice of signs, the prior gives the odds: exp(2 mean root)."""
    structure, runs = squares(count)
    prior = draw_prior_points(structure, 100, 1)
    drawn = draw_by_importance(Density(structure, runs), prior, 1000, 4, 1, 400)
    assert drawn.modes == 2**count
    roots = drawn.points[..., :count]
    odds = np.exp(2 * MEAN * abs(roots)).mean(axis=(0, 1))
    positive = (roots > 0).mean(axis=(0, 1))
    # Five Monte Carlo errors of a share, from the effective draws.
    assert_allclose(positive, odds / (1 + odds), atol=5 * 0.5 / np.sqrt(drawn.ess))
    assert drawn.pareto_k < 0.7


def test_a_posterior_with_too_many_modes_is_not_passed() -> None:
    structure, runs = squares(5)
    drawn = SAMPLERS["importance"](structure, runs, Settings(Sampling(draws=400)))
    assert drawn.reason == "the posterior has more than 8 modes"


def test_what_importance_sampling_cannot_do_nuts_does_and_the_reason_is_kept() -> None:
    structure, runs = squares(4)
    drawn = sample(structure, runs, Settings(Sampling(draws=200, tune=100, chains=2)))
    assert drawn.way == "nuts"
    assert drawn.reason
    assert "diverging" in drawn.sample_stats


def test_the_reason_is_printed_and_two_modes_are_not_trusted() -> None:
    """NUTS stays in the modes where its chains began, which R-hat shows."""
    structure, runs = squares(5)
    fitted = fit(structure.law, runs, likelihood=NORMAL, clusters=None, random_seed=1)
    assert not fitted.verdict.trusted
    assert "by NUTS" in repr(fitted)
    assert "Importance sampling was not used: the posterior has more than 8 modes." in " ".join(
        repr(fitted).split()
    )


def test_a_mode_that_no_draw_of_the_prior_leads_to_is_found() -> None:
    """A sharp one lies five prior sd out in one coordinate: climbs of the prior end elsewhere.

    Searches from a mode begin three sd out, where the sharp one is the higher of the two.
    """

    def two(points: np.ndarray) -> np.ndarray:
        wide = -0.5 * (points**2).sum(axis=1)
        sharp = 25 - 0.5 * (((points - [0.0, 5.0, 0.0]) / 0.3) ** 2).sum(axis=1)
        return np.logaddexp(wide, sharp)

    prior = np.random.default_rng(5).standard_normal((40, 3))
    (only,) = find_modes(two, prior, [])
    (plain,) = search_modes(two, prior, thorough=False)
    (higher,) = search_modes(two, prior, thorough=True)
    assert_allclose([only.point, plain.point], 0.0, atol=0.1)
    assert_allclose(higher.point, [0.0, 5.0, 0.0], atol=0.1)
    assert higher.log_density > plain.log_density + 20


def bent(points: np.ndarray) -> np.ndarray:
    """A log density with a bent ridge, and a scale that depends on the place along it."""
    along, across = points[:, 0], points[:, 1]
    scale = 0.2 * np.exp(0.3 * along)
    return -0.5 * along**2 - 0.5 * ((across - 0.4 * along**2) / scale) ** 2 - np.log(scale)


def test_a_map_learns_a_bent_ridge() -> None:
    """The effective share of its points is far above that of a Student-t of the same spread."""
    rng = np.random.default_rng(1)
    along = rng.standard_normal(4000)
    across = 0.4 * along**2 + 0.2 * np.exp(0.3 * along) * rng.standard_normal(4000)
    points, weights = np.column_stack([along, across]), np.full(4000, 1 / 4000)
    proposals = {
        "map": fit_map(points, weights),
        "t": MultivariateT.of(points.mean(0), np.cov(points.T)),
    }
    shares = {}
    for name, proposal in proposals.items():
        drawn = proposal.draw(4000, np.random.default_rng(2))
        shares[name] = effective_share(bent(drawn) - proposal.log_density(drawn))
    assert shares["map"] > 0.8
    assert shares["t"] < 0.5


@pytest.mark.parametrize("kind", ["map", "t", "mixture"])
def test_draws_of_a_proposal_have_its_density(kind: str) -> None:
    """The weighted mean of one density over another is 1, within five Monte Carlo errors."""
    rng = np.random.default_rng(3)
    points = rng.standard_normal((3000, 3)) @ np.array([[1.0, 0.5, 0.0], [0, 0.3, 0.1], [0, 0, 2]])
    points[:, 2] += points[:, 0] ** 2
    t = MultivariateT.of(points.mean(axis=0), 2 * np.cov(points.T))
    fitted = fit_map(points, np.full(len(points), 1 / len(points)))
    proposal = {"map": fitted, "t": t, "mixture": Mixture([0.8, 0.2], [fitted, t])}[kind]
    drawn = proposal.draw(20_000, rng)
    other = MultivariateT.of(points.mean(axis=0), 0.5 * np.cov(points.T))
    ratio = np.exp(other.log_density(drawn) - proposal.log_density(drawn))
    assert abs(ratio.mean() - 1) < 5 * ratio.std() / np.sqrt(len(ratio))


def test_modes_are_found_and_ordered_by_their_mass() -> None:
    def two(points: np.ndarray) -> np.ndarray:
        wide = np.log(0.7) - 0.5 * ((points + 4) ** 2).sum(axis=1)
        narrow = np.log(0.3) - 0.5 * (((points - 4) / 0.1) ** 2).sum(axis=1) - 2 * np.log(0.1)
        return np.logaddexp(wide, narrow)

    starts = np.array([[-5.0, -3.0], [4.5, 4.4], [-4.2, -4.0]])
    first, second = find_modes(two, starts, [])
    assert_allclose(first.point, -4.0, atol=0.05)
    assert_allclose(second.point, 4.0, atol=0.05)
    assert second.log_density > first.log_density
    assert_allclose(first.covariance, np.eye(2), atol=0.1)
    assert_allclose(np.exp(second.log_mass - first.log_mass), 0.3 / 0.7, rtol=0.1)


def test_a_higher_mode_that_a_round_meets_is_learned() -> None:
    def two(points: np.ndarray) -> np.ndarray:
        low = -0.5 * (points**2).sum(axis=1)
        high = 10 - 0.5 * ((points - 5) ** 2).sum(axis=1)
        return np.logaddexp(low, high)

    modes = find_modes(two, np.zeros((1, 2)), [])
    learner = Learner(two, modes, np.random.default_rng(1))
    assert learner.learn(12) > 0.4
    assert_allclose(learner.modes[0].point, 5.0, atol=0.1)


def test_a_patch_covers_what_was_proposed_too_rarely() -> None:
    """A hundredth of the mass lies five sd off; its heaviest point weighs less with a patch."""

    def lump(points: np.ndarray) -> np.ndarray:
        main = np.log(0.99) - 0.5 * (points**2).sum(axis=1)
        squares = ((points - [5.0, 0.0, 0.0]) ** 2).sum(axis=1)
        return np.logaddexp(main, np.log(0.01) - 0.5 * squares / 0.3**2 - 3 * np.log(0.3))

    learner = Learner(lump, find_modes(lump, np.zeros((1, 3)), []), np.random.default_rng(1))
    learner.round(2000)
    learner.improve()
    largest = []
    for _ in range(2):
        weights = np.exp(learner.round(20_000)[2])
        largest.append(weights.max() / weights.sum())
        learner.patch()
    assert largest[1] < largest[0] / 4
