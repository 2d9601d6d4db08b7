"""Draws without compiling: importance sampling that adapts, then independence chains.

The log density in numpy (`bayescale.inference.density`) costs a few microseconds a point, and a
posterior in its coordinates is nearly Normal. So a proposal is learned: a Student-t at each mode,
then maps that bend (`bayescale.inference.proposal`), fitted in rounds to points weighted by density
over proposal. Points of several rounds count together, weighted by the mixture of the proposals
that they came from. Chains then take or leave draws of the last proposal, each on its own, by the
rule of Metropolis. They are judged like any chains; and Pareto k of their weights tells whether the
proposal reaches wherever the posterior is.

References
----------
Cornuet et al. (2012), doi:10.1111/j.1467-9469.2011.00756.x, for weights over all rounds.
Ionides (2008), doi:10.1198/106186008X320456, for truncated weights.
Tierney (1994), doi:10.1214/aos/1176325750, for independence chains.
Vehtari et al. (2024), arXiv:1507.02646, for Pareto k.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from bayescale.errors import ConvergenceError
from bayescale.inference.coordinates import draw_prior_points
from bayescale.inference.density import Density
from bayescale.inference.proposal import Mixture, MultivariateT, fit_map
from bayescale.inference.structure import Structure
from bayescale.spec.functions import Array

STARTS = 3
"""Draws of the prior from which modes are searched for, besides its middle."""

HOPS, FAR = 3, 3.0
"""Searches from the best mode at most, and how far they move a coordinate from the middle of its
prior, in standard deviations."""

MANY = 1600
"""Draws in all from which on the search for modes is thorough. Fewer are asked for by those who
refit many times, to tables for which one thorough fit was made."""

ROUNDS, WINDOW = 12, 6
"""Rounds at most, and rounds that count together."""

SHARE = 0.5
"""Effective share of a round's points above which the proposal is good enough."""

HOPELESS = 0.01
"""Effective share below which a proposal is given up."""

DEFENCE = 0.15
"""Share of the proposal that is a wide Student-t, for what a map does not reach."""

PARETO_K = 0.7
"""Largest Pareto k of a proposal that reaches wherever the posterior is."""

FEWEST_KEPT, MOST_KEPT = 3, 8
"""A chain keeps one of so many steps, depending on how good the proposal is."""

MOST_STEPS = 300
"""Steps of a climb at most."""

IMPOSSIBLE = 1e12
"""Minus the log density of a point that has none, for the search of modes."""

RETRIES = 2
"""How often the proposal is learned from the chains' own proposals where they do not mix."""


@dataclass(frozen=True, eq=False)
class Mode:
    """A local maximum of the log density.

    Parameters
    ----------
    point : (coordinate,) array
        Where it is.
    log_density : float
        There.
    covariance : (coordinate, coordinate) array
        Inverse of the curvature there.
    """

    point: Array
    log_density: float
    covariance: Array

    def reaches(self, point: Array, log_density: float) -> bool:
        """Return whether a point is as near as most draws would be, and no higher."""
        away = point - self.point
        distance = away @ np.linalg.solve(self.covariance, away)
        return bool(distance < len(away) and log_density < self.log_density + 1)

    @property
    def log_mass(self) -> float:
        """Logarithm of its share of the posterior if it were Normal, up to a constant."""
        return float(self.log_density + 0.5 * np.linalg.slogdet(self.covariance)[1])


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
    evaluations: int
    modes: int


class _Counted:
    """A density that counts its evaluations."""

    def __init__(self, density: Callable[[Array], Array]) -> None:
        self.density, self.evaluations = density, 0

    def __call__(self, points: Array) -> Array:
        self.evaluations += len(points)
        return self.density(points)


def draw_by_importance(
    structure: Structure, density: Density, draws: int, chains: int, random_seed: int, ess: float
) -> IndependenceChains:
    """Draw from a posterior by importance sampling and independence chains.

    Parameters
    ----------
    structure : Structure
        The model, whose priors give the points to begin from.
    density : Density
        Its log density.
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
    counted = _Counted(density)
    starts = draw_prior_points(structure, 100, random_seed)
    modes = search_modes(counted, starts, thorough=draws * chains >= MANY)
    if not modes:
        raise ConvergenceError(
            "the log density is finite at none of the points where it was tried, in the middle of "
            "the priors and at draws of them; expected a finite number. Check the numbers of "
            "replaced priors, and the formula at the runs' pivot."
        )
    learner = Learner(counted, modes, rng)
    share = learner.learn(ROUNDS)
    # A proposal that learned next to nothing in so many rounds will not learn in one more.
    for retry in range(RETRIES + 1 if share >= HOPELESS else 1):
        kept = int(np.clip(np.ceil(2 / share), FEWEST_KEPT, MOST_KEPT)) if share >= HOPELESS else 1
        points, target, weights = learner.round(draws * chains * kept)
        found = _chains(points, target, weights, (chains, draws, kept), rng)
        if (found[3] <= PARETO_K and found[4] >= ess) or retry == RETRIES or share < HOPELESS:
            break
        learner.improve()
        share = learner.learn(2)
    return IndependenceChains(*found, counted.evaluations, len(learner.modes))


def search_modes(log_density: Callable[[Array], Array], prior: Array, thorough: bool) -> list[Mode]:
    """Search for modes from the middle of the priors, from draws of them, and from other modes.

    A search from the best mode so far moves one coordinate at a time far out. That finds modes that
    hardly any draw of the prior leads to, such as one in which clusters explain what the law does
    in another.

    Parameters
    ----------
    log_density : callable
        Of (point, coordinate) points.
    prior : (draw, coordinate) array
        Draws of the prior.
    thorough : bool
        Whether to search from other modes as well, which takes as long as all the rest.

    Returns
    -------
    list of Mode
        Those that count, the greatest first.
    """
    middle, spread = np.median(prior, axis=0), prior.std(axis=0)
    # Any draws: those of highest density lie where the scatter is large, in one and the same mode.
    modes = find_modes(log_density, np.vstack([middle, prior[:STARTS]]), [])
    for _ in range(HOPS if thorough and modes else 0):
        best = modes[0]
        far = np.diag(FAR * spread)
        starts = np.concatenate([middle + far, middle - far])
        moved = np.tile(far > 0, (2, 1))
        modes = find_modes(log_density, np.where(moved, starts, best.point), modes)
        if modes[0] is best:
            break
    return modes


def find_modes(
    log_density: Callable[[Array], Array], starts: Array, known: list[Mode]
) -> list[Mode]:
    """Climb from several points at once, and return the modes that count, the greatest first.

    By BFGS, in step: one batch of points gives the slopes of all climbs, which takes half of the
    time that one climb after another would.

    Parameters
    ----------
    log_density : callable
        Of (point, coordinate) points.
    starts : (start, coordinate) array
        Where to begin.
    known : list of Mode
        Modes that were found before. A climb ends where it comes near one.

    Returns
    -------
    list of Mode
        Those with a mass of 1e-6 of the greatest or more, known ones included.
    """
    found = [*known]
    points, n = starts.copy(), starts.shape[1]
    values, slopes = _descent(log_density, points)
    steepness = np.maximum(np.linalg.norm(slopes, axis=1), 1e-12)
    inverse = np.eye(n) / steepness[:, None, None]
    length, fresh = np.ones(len(points)), np.ones(len(points), dtype=bool)
    climbing = values < IMPOSSIBLE
    for steps in range(MOST_STEPS):
        (rows,) = np.nonzero(climbing)
        if not rows.size:
            break
        step = -length[rows, None] * np.einsum("kij,kj->ki", inverse[rows], slopes[rows])
        expected = np.einsum("ki,ki->k", step, slopes[rows])
        new_values, new_slopes = _descent(log_density, points[rows] + step)
        good = new_values <= values[rows] + 1e-4 * expected
        length[rows[~good]] /= 8
        taken, step, change = rows[good], step[good], new_slopes[good] - slopes[rows[good]]
        points[taken] += step
        values[taken], slopes[taken], length[taken] = new_values[good], new_slopes[good], 1.0
        inverse[taken] = _updated(inverse[taken], step, change, fresh[taken])
        fresh[taken] = False
        # A climb ends at the top, where no step is short enough to rise, or near a known mode.
        ended = (np.abs(slopes[rows]).max(axis=1) < 0.1) | (length[rows] < 1e-9)
        ended |= steps == MOST_STEPS - 1
        for row, end in zip(rows, ended, strict=True):
            near = any(mode.reaches(points[row], -values[row]) for mode in found)
            if near or end:
                climbing[row] = False
                if not near:
                    spread = np.sqrt(np.clip(np.diag(inverse[row]), 1e-6, 4.0))
                    covariance = _covariance(log_density, points[row], spread)
                    found.append(Mode(points[row].copy(), float(-values[row]), covariance))
    return modes_that_count(found)


def modes_that_count(modes: list[Mode]) -> list[Mode]:
    """Return modes with a mass of 1e-6 of the greatest or more, the greatest first."""
    ordered = sorted(modes, key=lambda mode: -mode.log_mass)
    return [mode for mode in ordered if mode.log_mass > ordered[0].log_mass + np.log(1e-6)]


def _descent(log_density: Callable[[Array], Array], points: Array) -> tuple[Array, Array]:
    """Minus the log density at points, and its slopes, right to a tenth at curvatures of 1e6."""
    step, n = 1e-7, points.shape[1]
    around = points[:, None] + np.vstack([np.zeros(n), step * np.eye(n)])
    values = np.minimum(-log_density(around.reshape(-1, n)), IMPOSSIBLE).reshape(-1, n + 1)
    return values[:, 0], (values[:, 1:] - values[:, :1]) / step


def _updated(inverse: Array, step: Array, change: Array, fresh: Array) -> Array:
    """Inverse curvatures after a step of BFGS; as they were where the slope did not rise."""
    rise = np.einsum("ki,ki->k", step, change)
    up = rise > 1e-12
    safe = np.where(up, rise, 1.0)
    # A first step gives the size of the curvature.
    scale = safe / np.maximum(np.einsum("ki,ki->k", change, change), 1e-300)
    first = scale[:, None, None] * np.eye(step.shape[1])
    before = np.where((fresh & up)[:, None, None], first, inverse)
    away = np.eye(step.shape[1]) - step[:, :, None] * change[:, None, :] / safe[:, None, None]
    outer = step[:, :, None] * step[:, None, :] / safe[:, None, None]
    after = away @ before @ away.transpose(0, 2, 1) + outer
    return np.asarray(np.where(up[:, None, None], after, inverse))


def _covariance(log_density: Callable[[Array], Array], point: Array, spread: Array) -> Array:
    """Inverse of the curvature at a mode, by differences over a third of a standard deviation."""
    n, steps = len(point), np.diag(0.3 * spread)
    first, second = np.tril_indices(n)
    both = steps[first] + steps[second]
    apart = steps[first] - steps[second]
    values = log_density(point + np.concatenate([both, -both, apart, -apart]))
    up, down, across, back = values.reshape(4, -1)
    curvature = np.empty((n, n))
    width = np.diag(steps)
    curvature[first, second] = -(up + down - across - back) / (4 * width[first] * width[second])
    curvature[second, first] = curvature[first, second]
    sizes, axes = np.linalg.eigh(np.nan_to_num(curvature, posinf=0.0, neginf=0.0))
    # A direction without curvature gets a wide, finite reach.
    sizes = np.maximum(sizes, 1e-3 * max(np.median(sizes), 1e-3))
    return np.asarray((axes / sizes) @ axes.T)


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
        log_density: Callable[[Array], Array],
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
            MultivariateT(mode.point, wide * np.linalg.cholesky(mode.covariance), 4.0)
            for wide in (1.1, 2.0)
            for mode in modes
        ]
        self.proposal = Mixture([*(0.8 * shares), *(0.2 * shares)], parts)
        self.rounds: list[tuple[Array, Array, Mixture]] = []

    def round(self, count: int) -> tuple[Array, Array, Array]:
        """Return points of the proposal, their log densities and log weights."""
        points = self.proposal.draw(count, self.rng)
        target = self.log_density(points)
        self.rounds.append((points, target, self.proposal))
        return points, target, target - self.proposal.log_density(points)

    def learn(self, rounds: int) -> float:
        """Learn until the proposal is good, in so many rounds at most; returns its share."""
        n, share, restarts, done = len(self.modes[0].point), 0.0, 0, 0
        while done < rounds:
            points, target, weights = self.round(int(np.clip(150 * n, 1000, 3000)))
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
        weights = target - mixed.log_density(points)
        weights = _tempered(weights, 20 * points.shape[1])
        # Each mode has a map of its own, fitted to the points that belong to it.
        members = [weights]
        if len(self.modes) > 1:
            parts = self.proposal.log_densities(points)[: len(self.modes)]
            members = list(np.exp(parts - logsumexp(parts, axis=0)) * weights)
        masses = np.array([max(own.sum(), 0.02) for own in members])
        masses /= masses.sum()
        maps, wide = [], []
        for own in members:
            own = own / own.sum()
            maps.append(fit_map(points, own))
            moved = points - own @ points
            covariance = (moved * own[:, None]).T @ moved
            wide.append(MultivariateT(own @ points, 1.2 * _factor(covariance), 4.0))
        defended = [*((1 - DEFENCE) * masses), *(DEFENCE * masses)]
        self.proposal = Mixture(defended, [*maps, *wide])


def effective_share(log_weights: Array) -> float:
    """Return the effective number of weighted points over their number."""
    weights = np.exp(log_weights - log_weights.max())
    return float(weights.sum() ** 2 / np.sum(weights**2) / len(weights))


def _tempered(log_weights: Array, fewest: float) -> Array:
    """Weights that add up to 1, flattened until so many points are effective."""
    for power in (1.0, *np.linspace(0.95, 0.05, 19)):
        logs = power * log_weights
        logs = np.minimum(logs - logsumexp(logs), -0.5 * np.log(len(logs)))
        weights = np.exp(logs - logsumexp(logs))
        if 1 / np.sum(weights**2) >= fewest:
            break
    return np.asarray(weights)


def _factor(covariance: Array) -> Array:
    sizes, axes = np.linalg.eigh(covariance)
    return np.linalg.cholesky((axes * np.maximum(sizes, 1e-10 * sizes.max())) @ axes.T)


def _chains(
    points: Array,
    target: Array,
    weights: Array,
    shape: tuple[int, int, int],
    rng: np.random.Generator,
) -> tuple[Array, Array, Array, float, float]:
    """Chains through proposed points, thinned, with Pareto k and effective sample size."""
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
    return drawn, target[chosen], acceptance, pareto_k, float(np.nan_to_num(min(sizes)))
