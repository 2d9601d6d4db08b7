"""Whether draws are draws of the posterior.

References
----------
Vehtari et al. (2021), doi:10.1214/20-BA1221, for R-hat and effective sample size.
Betancourt (2016), arXiv:1604.00695, for the energy criterion.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr

from bayescale.importance.draw import PARETO_K as PROPOSAL_K
from bayescale.inference.sample import ESS
from bayescale.posterior.chains import chain_statistic, labels_of, stack_numbers
from bayescale.posterior.loo import MOVED, PARETO_K, influential_runs

R_HAT = 1.01
"""Largest R-hat of chains that agree."""

BFMI = 0.3
"""Smallest energy criterion of chains that explore well."""


@dataclass(frozen=True)
class Verdict:
    """Whether a fit is to be trusted, and the reasons against it.

    Parameters
    ----------
    reasons : tuple of str
        Sentences that begin with the name of a criterion: ``numbers`` (of the table, probably in
        another unit), ``r_hat``, ``ess``, ``proposal``, ``divergences``, ``bfmi``, ``pareto_k`` or
        ``own_runs``.
    """

    reasons: tuple[str, ...]

    @property
    def trusted(self) -> bool:
        """True when there is no reason against the draws."""
        return not self.reasons

    def __str__(self) -> str:
        return "trusted" if self.trusted else "NOT TO BE TRUSTED: " + "; ".join(self.reasons)


def convergence(
    posterior: xr.Dataset,
    sample_stats: xr.Dataset,
    loo: xr.Dataset,
    closeness: tuple[float, float] = (1.0, 1.0),
) -> Verdict:
    """Judge draws by R-hat, effective sample size, divergences, energy and Pareto k.

    Parameters
    ----------
    posterior : Dataset
        Draws of the quantities to judge, (chain, draw, ...).
    sample_stats : Dataset
        Of NUTS, with ``diverging`` and ``energy``, (chain, draw); or of importance sampling, with
        ``pareto_k`` of the proposal among the attributes.
    loo : Dataset
        From `bayescale.posterior.loo.leave_one_out`. Where runs were left out by refits, ``moved``
        is how far the law moves without each of them, in posterior standard deviations.
    closeness : tuple of float
        How many times as far off its own runs the law is as it could be, and the largest ratio of
        a good fit (`bayescale.fitting.own_runs.worse_than_closest`).

    Returns
    -------
    Verdict
    """
    reasons = [*_mixing(posterior)]
    proposal = sample_stats.attrs.get("pareto_k")
    if proposal is not None and not proposal <= PROPOSAL_K:
        reasons.append(
            f"proposal: Pareto k of importance sampling is {proposal:.2f}, above {PROPOSAL_K}, so "
            "parts of the posterior were hardly reached. Fit with sampler='nuts'."
        )
    if (diverging := sample_stats.get("diverging")) is not None and bool(diverging.any()):
        reasons.append(
            f"divergences: {int(diverging.sum())} of {diverging.size} draws, so parts of the "
            "posterior were not reached. Raise target_accept to 0.99, or simplify the law."
        )
    energy = np.ones(1)
    if "energy" in sample_stats:
        import arviz_stats

        energy = np.asarray(arviz_stats.bfmi(sample_stats["energy"]))
    if not np.all(energy >= BFMI):
        reasons.append(
            f"bfmi is {np.min(energy):.2f}, below {BFMI}: the chains explore slowly. "
            "Tune longer, or give tighter priors."
        )
    moved = loo["moved"].to_numpy() if "moved" in loo else np.full(loo.sizes["run"], np.nan)
    # Without a refit, any shift is possible.
    rows = [row for row in influential_runs(loo, PARETO_K) if not moved[row - 1] <= MOVED]
    if rows:
        sizes = ", ".join(f"{shift:.1f}" for shift in moved[np.array(rows) - 1])
        known = f" Without it the law moves by {sizes} posterior sd."
        known *= "nan" not in sizes
        reasons.append(
            f"pareto_k is above {PARETO_K:g} for run {', '.join(map(str, rows))}: the answer "
            f"depends on it.{known} Look at the run, or use a likelihood with heavier tails."
        )
    ratio, limit = closeness
    if not ratio <= limit:
        reasons.append(
            f"own_runs: the law is {ratio:.1f} times as far off its runs as least squares would be "
            f"(above {limit:.2f}). Use default priors and likelihood, or a law that suits the runs."
        )
    return Verdict(tuple(reasons))


def chains_mixed(posterior: xr.Dataset, *, r_hat: float = R_HAT, ess: float = ESS) -> bool:
    """Whether chains agree and there are enough draws, by R-hat and effective sample size.

    Parameters
    ----------
    posterior : Dataset
        Draws of the quantities to judge, (chain, draw, ...).
    r_hat, ess : float
        Largest R-hat and fewest effective draws.
    """
    return not any(_mixing(posterior, r_hat, ess))


def _mixing(posterior: xr.Dataset, most: float = R_HAT, fewest: float = ESS) -> Iterator[str]:
    """Reasons against the chains: too large an R-hat, too few effective draws."""
    numbers = stack_numbers(posterior)
    bulk = chain_statistic("ess", numbers, method="bulk")
    # As ArviZ's summary has it: of the 5% and 95% quantiles.
    tail = chain_statistic("ess", numbers, method="tail", prob=(0.05, 0.95))
    ess = np.minimum(bulk, tail)
    if posterior.sizes["chain"] > 1:
        r_hat = chain_statistic("rhat", numbers)
        if not np.all(r_hat <= most):
            worst = int(np.argmax(np.nan_to_num(r_hat)))
            yield (
                f"r_hat of {labels_of(posterior)[worst]} is {r_hat[worst]:.3f}, above {most}: the "
                "chains disagree. Tune longer, or give priors where the runs carry no information."
            )
    if not np.all(ess >= fewest):
        worst = int(np.argmin(np.nan_to_num(ess)))
        yield (
            f"ess of {labels_of(posterior)[worst]} is {ess[worst]:.0f}, below {fewest}: its "
            "interval is noisy. Draw more."
        )
