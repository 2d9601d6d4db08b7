"""A proposal that is learned from weighted points, in rounds.

First a Student-t at each mode, then maps that bend (`bayescale.importance.proposal`), fitted to
points weighted by density over proposal. Points of several rounds count together, weighted by the
mixture of the proposals that they came from.

References
----------
Cornuet et al. (2012), doi:10.1111/j.1467-9469.2011.00756.x, for weights over all rounds.
Ionides (2008), doi:10.1198/106186008X320456, for truncated weights.
Raftery and Bao (2010), doi:10.1111/j.1541-0420.2010.01399.x, for parts where weights are large.
"""

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import logsumexp

from bayescale.importance.modes import Array, LogDensity, Mode, find_modes
from bayescale.importance.proposal import Mixture, MultivariateT, fit_map

WINDOW = 6
"""Rounds that count together."""

SHARE = 0.45
"""Effective share of a round's points above which the proposal is good enough."""

DEFENCE = 0.15
"""Share of the proposal that is a wide Student-t, for what a map does not reach."""

PATCH = 0.1
"""Share of the proposal for a Student-t round a point that chains stay at, half as wide as all."""


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
        self.proposal, self.spread = Mixture([*(0.8 * shares), *(0.2 * shares)], parts), parts[-1]
        self.rounds: list[tuple[Array, Array, Mixture]] = []

    def round(self, count: int) -> tuple[Array, Array, Array]:
        """Return points of the proposal, their log densities and log weights."""
        # A map may throw a point to infinity, where there is no density.
        points = np.nan_to_num(self.proposal.draw(count, self.rng), nan=0.0)
        target = self.log_density(points)
        self.rounds.append((points, target, self.proposal))
        return points, target, target - self.proposal.log_density(points)

    def _finite_points(self) -> tuple[Array, Array]:
        """Points of the rounds that are kept, with their log densities.

        A point without a density may lie at infinity, and says nothing.
        """
        points = np.concatenate([own for own, _, _ in self.rounds])
        target = np.concatenate([own for _, own, _ in self.rounds])
        finite = np.isfinite(target)
        return points[finite], target[finite]

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
        total = sum(len(own) for own, _, _ in self.rounds)
        shares = [len(own) / total for own, _, _ in self.rounds]
        mixed = Mixture(shares, [proposal for _, _, proposal in self.rounds])
        points, target = self._finite_points()
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
        self.proposal, self.spread = Mixture(defended, [*maps, *wide]), wide[0]

    def patch(self) -> None:
        """Cover the two points that weigh most, where chains would stay.

        A proposal fitted to weighted points hardly moves towards the one point in ten thousand that
        it proposes far too rarely. A part of its own there (Raftery and Bao 2010) does.
        """
        points, target = self._finite_points()
        weights = target - self.proposal.log_density(points)
        factor = self.spread.factor / 2
        whitened = solve_triangular(factor, points.T, lower=True).T
        for _ in range(2):
            heaviest = int(weights.argmax())
            shares = [*((1 - PATCH) * np.asarray(self.proposal.shares)), PATCH]
            part = MultivariateT(points[heaviest], factor)
            self.proposal = Mixture(shares, [*self.proposal.parts, part])
            squares = ((whitened - whitened[heaviest]) ** 2).sum(axis=1)
            weights[squares < len(factor)] = -np.inf


def effective_share(log_weights: Array) -> float:
    """Return the effective number of weighted points over their number."""
    if not np.isfinite(log_weights.max()):
        return 0.0
    weights = np.exp(log_weights - log_weights.max())
    return float(weights.sum() ** 2 / np.sum(weights**2) / len(weights))
