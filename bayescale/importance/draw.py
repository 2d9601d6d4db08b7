"""Draws without compiling: importance sampling that adapts, then independence chains.

A log density in numpy costs a few microseconds a point, and the posterior of a scaling law is
nearly Normal in the coordinates in which it is sampled. So a proposal is learned
(`bayescale.importance.learner`). Chains then take or leave draws of the last proposal, each on
its own, by the rule of Metropolis. They are judged like any chains; and Pareto k of their weights
tells whether the proposal reaches wherever the posterior is.

References
----------
Tierney (1994), doi:10.1214/aos/1176325750, for independence chains.
Vehtari et al. (2024), arXiv:1507.02646, for Pareto k.
"""

from dataclasses import dataclass, replace

import numpy as np

from bayescale.errors import ConvergenceError
from bayescale.importance.learner import Learner
from bayescale.importance.modes import MOST_MODES, Array, LogDensity, search_modes

MANY = 1600
"""Draws in all from which on the search for modes is thorough. Fewer are asked for by those who
refit many times, to tables for which one thorough fit was made."""

ROUNDS = 12
"""Rounds at most before the first chains."""

HOPELESS = 0.01
"""Effective share below which a proposal is given up."""

PARETO_K = 0.7
"""Largest Pareto k of a proposal that reaches wherever the posterior is."""

FEWEST_KEPT, MOST_KEPT = 3, 8
"""A chain keeps one of so many steps, depending on how good the proposal is."""

RETRIES = 3
"""How often the proposal is learned from the chains' own proposals where they do not mix."""


@dataclass(frozen=True, eq=False)
class IndependenceChains:
    """Chains of draws from a proposal, taken or left.

    Parameters
    ----------
    points : (chain, draw, coordinate) array
        The draws.
    log_density : (chain, draw) array
        At the draws.
    acceptance : (chain, draw) array
        Share of the steps since the draw before that were taken.
    pareto_k : float
        Of the weights of all proposed points.
    ess : float
        Smallest effective sample size of a coordinate, of its bulk and of its tails.
    evaluations : int
        Points at which the density was computed, from the first on.
    modes : int
        Modes that the proposal covers.
    """

    points: Array
    log_density: Array
    acceptance: Array
    pareto_k: float
    ess: float
    evaluations: int = 0
    modes: int = 0

    @classmethod
    def through(
        cls,
        points: Array,
        target: Array,
        weights: Array,
        shape: tuple[int, int, int],
        rng: np.random.Generator,
    ) -> "IndependenceChains":
        """Return chains through proposed points, thinned.

        Parameters
        ----------
        points : (point, coordinate) array
            Those of one chain after those of another.
        target, weights : (point,) array
            Log density and log weight of each.
        shape : tuple of int
            Chains, draws per chain, and steps for each draw.
        rng : Generator
            For what is taken.
        """
        from arviz_stats.base import array_stats

        chains, draws, kept = shape
        steps = draws * kept
        taken, place = np.zeros((chains, steps)), np.empty((chains, steps), dtype=int)
        whole = np.exp(weights - weights.max())
        for chain in range(chains):
            begin = chain * steps
            own = weights[begin : begin + steps].tolist()
            level = np.log(rng.random(steps)).tolist()
            # Begin in the posterior: at a proposed point, drawn by its weight.
            current = int(rng.choice(len(weights), p=whole / whole.sum()))
            here = float(weights[current])
            for step in range(steps):
                if level[step] < own[step] - here:
                    current, here = begin + step, own[step]
                    taken[chain, step] = 1.0
                place[chain, step] = current
        chosen = place[:, kept - 1 :: kept]
        drawn = points[chosen]
        with np.errstate(invalid="ignore", divide="ignore"):  # a chain that never moves
            sizes = [
                float(array_stats.ess(drawn[..., k], chain_axis=0, draw_axis=1, **options))
                for k in range(points.shape[1])
                for options in ({"method": "bulk"}, {"method": "tail", "prob": (0.05, 0.95)})
            ]
        pareto_k = float(array_stats.psislw(-weights)[1])
        acceptance = taken.reshape(chains, draws, kept).mean(axis=2)
        return cls(drawn, target[chosen], acceptance, pareto_k, float(np.nan_to_num(min(sizes))))


class _Counted:
    """A density that counts its evaluations."""

    def __init__(self, log_density: LogDensity) -> None:
        self.log_density, self.evaluations = log_density, 0

    def __call__(self, points: Array) -> Array:
        self.evaluations += len(points)
        return self.log_density(points)


def draw_by_importance(
    log_density: LogDensity, prior: Array, draws: int, chains: int, random_seed: int, ess: float
) -> IndependenceChains:
    """Draw from a posterior by importance sampling and independence chains.

    Parameters
    ----------
    log_density : callable
        Of (point, coordinate) points, minus infinity where it is not defined.
    prior : (draw, coordinate) array
        A hundred draws of the prior or so, to begin from.
    draws, chains : int
        Draws per chain, and chains.
    random_seed : int
        Where all of it comes from.
    ess : float
        Effective sample size that is asked for. With less, the proposal is learned once more, from
        more points.

    Returns
    -------
    IndependenceChains
        The best there is: whether that is good enough is for the caller to judge.

    Raises
    ------
    ConvergenceError
        If the log density is not finite anywhere near the middle of the priors.
    """
    rng = np.random.default_rng(random_seed)
    counted = _Counted(log_density)
    modes = search_modes(counted, prior, thorough=draws * chains >= MANY)
    if not modes:
        raise ConvergenceError(
            "the log density is finite at none of the points where it was tried, in the middle of "
            "the priors and at draws of them; expected a finite number. Check the numbers of "
            "replaced priors, and the formula at the runs' pivot."
        )
    learner, tries = Learner(counted, modes, rng), 0
    share = learner.learn(ROUNDS if len(modes) <= MOST_MODES else 1)
    while True:
        # What learned next to nothing in so many rounds will not do so in one more.
        hopeless = share < HOPELESS or len(learner.modes) > MOST_MODES
        kept = 1 if hopeless else int(np.clip(np.ceil(2.5 / share), FEWEST_KEPT, MOST_KEPT))
        points, target, weights = learner.round(draws * chains * kept)
        shape = (chains, draws, kept)
        found = IndependenceChains.through(points, target, weights, shape, rng)
        good = found.pareto_k <= PARETO_K and found.ess >= ess
        if good or hopeless or tries == RETRIES:
            return replace(found, evaluations=counted.evaluations, modes=len(learner.modes))
        tries += 1
        learner.improve()
        learner.patch()
        share = learner.learn(2)
