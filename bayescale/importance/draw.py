"""Draws without compiling: importance sampling that adapts, then independence chains.

A log density in numpy costs a few microseconds a point, and the posterior of a scaling law is
nearly Normal in the coordinates in which it is sampled. So a proposal is learned: a Student-t at
each mode, then maps that bend (`bayescale.importance.proposal`), fitted in rounds to points
weighted by density over proposal. Points of several rounds count together, weighted by the mixture
of the proposals that they came from. Chains then take or leave draws of the last proposal, each on
its own, by the rule of Metropolis. They are judged like any chains; and Pareto k of their weights
tells whether the proposal reaches wherever the posterior is.

References
----------
Cornuet et al. (2012), doi:10.1111/j.1467-9469.2011.00756.x, for weights over all rounds.
Ionides (2008), doi:10.1198/106186008X320456, for truncated weights.
Tierney (1994), doi:10.1214/aos/1176325750, for independence chains.
Vehtari et al. (2024), arXiv:1507.02646, for Pareto k.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import logsumexp

from bayescale.errors import ConvergenceError
from bayescale.importance.modes import MOST_MODES, Array, LogDensity, Mode, find_modes, search_modes
from bayescale.importance.proposal import Mixture, MultivariateT, fit_map

MANY = 1600
"""Draws in all from which on the search for modes is thorough. Fewer are asked for by those who
refit many times, to tables for which one thorough fit was made."""

ROUNDS, WINDOW = 12, 6
"""Rounds at most, and rounds that count together."""

SHARE = 0.45
"""Effective share of a round's points above which the proposal is good enough."""

HOPELESS = 0.01
"""Effective share below which a proposal is given up."""

DEFENCE = 0.15
"""Share of the proposal that is a wide Student-t, for what a map does not reach."""

PARETO_K = 0.7
"""Largest Pareto k of a proposal that reaches wherever the posterior is."""

FEWEST_KEPT, MOST_KEPT = 3, 8
"""A chain keeps one of so many steps, depending on how good the proposal is."""

RETRIES = 2
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
        share = learner.learn(2)


class Learner:
    """A proposal that is learned in rounds.

    Parameters
    ----------
    log_density : callable
        Of (point, coordinate) points.
    modes : list of Mode
        Where to begin.
    rng : Generator
        Where the points come from.
    """

    def __init__(
        self,
        log_density: LogDensity,
        modes: list[Mode],
        rng: np.random.Generator,
    ) -> None:
        self.log_density, self.rng = log_density, rng
        self.begin(modes)

    def begin(self, modes: list[Mode]) -> None:
        """Begin with a Student-t at each mode, and a wider one."""
        self.modes = modes
        masses = np.array([mode.log_mass for mode in modes])
        shares = np.maximum(np.exp(masses - logsumexp(masses)), 0.1)
        shares /= shares.sum()
        parts = [
            MultivariateT.of(mode.point, wide**2 * mode.covariance)
            for wide in (1.1, 2.0)
            for mode in modes
        ]
        self.proposal = Mixture([*(0.8 * shares), *(0.2 * shares)], parts)
        self.rounds: list[tuple[Array, Array, Mixture]] = []

    def round(self, count: int) -> tuple[Array, Array, Array]:
        """Return points of the proposal, their log densities and log weights."""
        # A map may throw a point to infinity, where there is no density.
        points = np.nan_to_num(self.proposal.draw(count, self.rng), nan=0.0)
        target = self.log_density(points)
        self.rounds.append((points, target, self.proposal))
        return points, target, target - self.proposal.log_density(points)

    def learn(self, rounds: int) -> float:
        """Learn until the proposal is good, in so many rounds at most; returns its share."""
        n, share, restarts, done = len(self.modes[0].point), 0.0, 0, 0
        while done < rounds:
            points, target, weights = self.round(int(np.clip(100 * n, 1000, 3000)))
            done += 1
            share = effective_share(weights)
            best = int(target.argmax())
            if target[best] > max(mode.log_density for mode in self.modes) + 1 and restarts < 3:
                # A point above every mode: there is another one, and what was learned is void.
                modes = find_modes(self.log_density, points[[best]], self.modes)
                restarts += 1
                if modes != self.modes:
                    self.begin(modes)
                    done = 0
                    continue
            if share >= SHARE:
                break
            if done < rounds:
                self.improve()
        return share

    def improve(self) -> None:
        """Fit the next proposal to the points of the last rounds."""
        del self.rounds[:-WINDOW]
        points = np.concatenate([own for own, _, _ in self.rounds])
        target = np.concatenate([own for _, own, _ in self.rounds])
        shares = [len(own) / len(points) for own, _, _ in self.rounds]
        mixed = Mixture(shares, [proposal for _, _, proposal in self.rounds])
        # A point without a density may lie at infinity, and says nothing.
        points, target = points[np.isfinite(target)], target[np.isfinite(target)]
        log_weights = target - mixed.log_density(points)
        # Flattened until enough points are effective; no point counts too much by chance.
        for power in (1.0, *np.linspace(0.95, 0.05, 19)):
            logs = power * log_weights - logsumexp(power * log_weights)
            logs = np.minimum(logs, -0.5 * np.log(len(logs)))
            weights = np.exp(logs - logsumexp(logs))
            if 1 / np.sum(weights**2) >= 20 * points.shape[1]:
                break
        # Each mode has a map of its own, fitted to the points that belong to it.
        members = [weights]
        if len(self.modes) > 1:
            parts = self.proposal.log_densities(points)[: len(self.modes)]
            members = list(np.exp(parts - logsumexp(parts, axis=0)) * weights)
        kept = [k for k, own in enumerate(members) if own.sum() > 1e-6]
        self.modes = [self.modes[k] for k in kept]
        masses = np.array([max(members[k].sum(), 0.02) for k in kept])
        masses /= masses.sum()
        maps, wide = [], []
        for own in (members[k] for k in kept):
            own = own / own.sum()
            maps.append(fit_map(points, own))
            moved = points - own @ points
            covariance = (moved * own[:, None]).T @ moved
            wide.append(MultivariateT.of(own @ points, 1.2**2 * covariance))
        defended = [*((1 - DEFENCE) * masses), *(DEFENCE * masses)]
        self.proposal = Mixture(defended, [*maps, *wide])


def effective_share(log_weights: Array) -> float:
    """Return the effective number of weighted points over their number."""
    if not np.isfinite(log_weights.max()):
        return 0.0
    weights = np.exp(log_weights - log_weights.max())
    return float(weights.sum() ** 2 / np.sum(weights**2) / len(weights))
