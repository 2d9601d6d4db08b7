"""Whether to believe an interval.

Two different questions. *Convergence* asks if the draws are draws of the posterior; where they
are not, nothing computed from them means anything, and the verdict says so. *Honesty* asks if the
posterior's width is what resampling the runs would give. It is the infinitesimal-jackknife standard
deviation over the posterior one: near 1 or below, an interval holds up; well above, the model is
surer than the runs allow.

References
----------
Giordano and Broderick (2023), arXiv:2305.06466, for the infinitesimal jackknife.
Vehtari et al. (2021), doi:10.1214/20-BA1221, for R-hat and effective sample size.
Betancourt (2016), arXiv:1604.00695, for the energy criterion.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.draws import SAMPLE_DIMS

R_HAT = 1.01
ESS = 400
BFMI = 0.3
PARETO_K = 1.0
"""Above this the draws do not tell what happens without a run. From about 0.7 on, only the LOO
estimate suffers."""
MOVED = 1.0
"""Posterior standard deviations that an answer may move when a run or a cluster is left out: more,
and it hangs on that. Where an interval is honest, the squares of all such moves add up to 1."""
HONEST = 1.3
"""Above this honesty ratio an interval is flagged."""


@dataclass(frozen=True)
class Verdict:
    """Whether draws are to be trusted, and what speaks against it.

    Parameters
    ----------
    reasons : tuple of str
        Each begins with the name of what it found: ``r_hat``, ``ess``, ``divergences``, ``bfmi``
        or ``pareto_k``.
    """

    reasons: tuple[str, ...]

    @property
    def trusted(self) -> bool:
        """True when nothing speaks against the draws."""
        return not self.reasons

    def __str__(self) -> str:
        return "trusted" if self.trusted else "NOT TO BE TRUSTED: " + "; ".join(self.reasons)


def convergence(posterior: xr.Dataset, sample_stats: xr.Dataset, loo: xr.Dataset) -> Verdict:
    """Judge draws by R-hat, effective sample size, divergences, energy and Pareto k."""
    return Verdict(
        (
            *_mixing(posterior),
            *_trajectories(sample_stats),
            *_influence(loo),
        )
    )


def mixed(posterior: xr.Dataset, *, r_hat: float = R_HAT, ess: float = ESS) -> bool:
    """Whether chains agree and there are draws enough, by R-hat and effective sample size."""
    return not any(_mixing(posterior, r_hat, ess))


def _mixing(posterior: xr.Dataset, most: float = R_HAT, fewest: float = ESS) -> Iterator[str]:
    import arviz_stats

    with np.errstate(invalid="ignore", divide="ignore"):  # draws that never move
        table = arviz_stats.summary(posterior, kind="diagnostics", round_to="none")
    r_hat, ess = table["r_hat"], table[["ess_bulk", "ess_tail"]].min(axis=1)
    if posterior.sizes["chain"] > 1 and not (r_hat <= most).all():
        worst = r_hat.idxmax(skipna=True) if r_hat.notna().any() else r_hat.index[0]
        yield (
            f"r_hat of {worst} is {r_hat[worst]:.3f}, above {most}: the chains disagree. "
            "Tune longer, or give priors that rule out what the runs cannot tell."
        )
    if not (ess >= fewest).all():
        worst = ess.idxmin()
        yield (
            f"ess of {worst} is {ess[worst]:.0f}, below {fewest}: its interval is noisy. Draw more."
        )


def _trajectories(sample_stats: xr.Dataset) -> Iterator[str]:
    import arviz_stats

    diverging = int(sample_stats["diverging"].sum())
    if diverging:
        yield (
            f"divergences: {diverging} of {sample_stats['diverging'].size} draws, so parts of the "
            "posterior were not reached. Raise target_accept to 0.99, or simplify the law."
        )
    energy = np.asarray(arviz_stats.bfmi(sample_stats["energy"]))
    if not np.all(energy >= BFMI):
        yield (
            f"bfmi is {np.min(energy):.2f}, below {BFMI}: the chains explore slowly. "
            "Tune longer, or give tighter priors."
        )


def _influence(loo: xr.Dataset) -> Iterator[str]:
    moved = loo["moved"].to_numpy() if "moved" in loo else np.full(loo.sizes["run"], np.nan)
    # A run that was not left out may do anything.
    hanging = [row for row in runs_above(loo, PARETO_K) if not moved[row - 1] <= MOVED]
    if hanging:
        far = moved[np.array(hanging) - 1]
        said = ", ".join(f"{each:.1f}" for each in far)
        known = f" Without it the law moves by {said} posterior sd." * bool(np.isfinite(far).all())
        yield (
            f"pareto_k is above {PARETO_K:g} for run {', '.join(map(str, hanging))}: the answer "
            f"hangs on it.{known} Look at the run, or use a likelihood with heavier tails."
        )


def runs_above(loo: xr.Dataset, pareto_k: float) -> list[int]:
    """Runs whose Pareto k is larger, as rows of the table counted from 1."""
    return [int(row) + 1 for row in np.flatnonzero(loo["pareto_k"].to_numpy() > pareto_k)]


def leave_one_out(posterior: xr.Dataset, log_likelihood: xr.DataArray) -> xr.Dataset:
    """Expected log predictive density by PSIS-LOO, with each run's Pareto k."""
    each = log_likelihood.to_dataset(name="runs")
    tree = xr.DataTree.from_dict({"posterior": posterior, "log_likelihood": each})
    with warnings.catch_warnings():
        # The verdict and the fit's warnings say it, and name the runs.
        warnings.filterwarnings("ignore", "Estimated shape parameter of Pareto", UserWarning)
        found = _loo(tree, log_likelihood)
    values = {"elpd_i": found.elpd_i, "pareto_k": found.pareto_k}
    kept = {name: ("run", np.asarray(value)) for name, value in values.items()}
    attrs = {"elpd": found.elpd, "se": found.se, "p": found.p, "good_k": found.good_k}
    return xr.Dataset(kept, attrs={name: float(value) for name, value in attrs.items()})


def _loo(tree: xr.DataTree, log_likelihood: xr.DataArray) -> Any:
    """PSIS-LOO by ArviZ; where a chain never moved, with weights as they are and no k to trust.

    Its draws are then the whole tail, to which no Pareto distribution can be fitted.
    """
    import arviz_stats

    try:
        return arviz_stats.loo(tree, pointwise=True)
    except ValueError as fault:
        if "All tail values are the same" not in str(fault):
            raise
    least = log_likelihood.min(SAMPLE_DIMS)  # where the weight is largest
    weights = least - log_likelihood
    total: xr.DataArray = xr.apply_ufunc(np.exp, weights).sum(SAMPLE_DIMS)
    return arviz_stats.loo(
        tree,
        pointwise=True,
        log_weights=weights - np.log(total),
        pareto_k=xr.full_like(least, np.inf),
    )


def influences(draws: xr.DataArray, log_likelihood: xr.DataArray) -> xr.DataArray:
    """Posterior covariance of a quantity with the log likelihood of each run or cluster.

    To first order, the posterior mean changes by less this when the case is dropped.
    """
    moved = draws - draws.mean(SAMPLE_DIMS)
    surprise = log_likelihood - log_likelihood.mean(SAMPLE_DIMS)
    count = draws.sizes["chain"] * draws.sizes["draw"]
    covariance: xr.DataArray = xr.dot(moved, surprise, dim=SAMPLE_DIMS) / (count - 1)
    return covariance


def jackknife_sd(draws: xr.DataArray, log_likelihood: xr.DataArray) -> xr.DataArray:
    """Standard deviation that resampling the runs would give a posterior mean, without refitting.

    Parameters
    ----------
    draws : (chain, draw, ...) DataArray
        Any quantity of the posterior.
    log_likelihood : (chain, draw, run) DataArray
        Log likelihood of each run at the same draws; or of each cluster, if what is to be resampled
        is clusters.
    """
    (case,) = (str(dim) for dim in log_likelihood.dims if dim not in SAMPLE_DIMS)
    cases = log_likelihood.sizes[case]
    influence = influences(draws, log_likelihood)
    spread: xr.DataArray = ((influence - influence.mean(case)) ** 2).sum(case)
    variance: xr.DataArray = spread * cases / (cases - 1)
    return variance**0.5


def honesty(draws: xr.DataArray, log_likelihood: xr.DataArray) -> xr.DataArray:
    """Jackknife over posterior standard deviation; above `HONEST` the interval is too narrow."""
    return jackknife_sd(draws, log_likelihood) / draws.std(SAMPLE_DIMS, ddof=1)


def interval_names() -> tuple[str, str]:
    """How ArviZ's settings call the ends of an interval, for example ``eti89_lb, eti89_ub``."""
    kind, mass = interval_kind()
    return f"{kind}{mass * 100:g}_lb", f"{kind}{mass * 100:g}_ub"


def interval_kind() -> tuple[str, float]:
    """Kind and mass of the intervals that are printed, from ArviZ's settings."""
    from arviz_base import rcParams

    return rcParams["stats.ci_kind"], float(rcParams["stats.ci_prob"])


def interval(draws: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Ends of the interval of ArviZ's settings."""
    import arviz_stats

    kind, mass = interval_kind()
    ends = getattr(arviz_stats, kind)(draws, prob=mass, dim=list(SAMPLE_DIMS))
    return ends.isel(ci_bound=0, drop=True), ends.isel(ci_bound=1, drop=True)


def summary_table(draws: xr.Dataset, log_likelihood: xr.DataArray) -> pd.DataFrame:
    """Mean, sd, interval, honesty and convergence of quantities, a row each.

    ``honest_lb`` and ``honest_ub`` are the interval stretched about the mean by the honesty ratio
    where that is flagged, and the interval itself elsewhere. What is positive is stretched on the
    logarithm, so that it stays positive.
    """
    import arviz_stats

    # Draws that never move, and draws too large to square: both say so by their nan.
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        table: pd.DataFrame = arviz_stats.summary(_labelled(draws), round_to="none")
        ratios = xr.Dataset({name: honesty(draws[name], log_likelihood) for name in draws})
    table["honesty"] = [
        float(value) for name in draws for value in np.atleast_1d(ratios[name]).ravel()
    ]
    lower, upper = interval_names()
    stretch = table["honesty"].where(table["honesty"] > HONEST, 1.0)
    positive = _positive(draws)
    for end, name in ((lower, "honest_lb"), (upper, "honest_ub")):
        plain = table["mean"] + stretch * (table[end] - table["mean"])
        with np.errstate(invalid="ignore", divide="ignore"):
            raised = table["mean"] * (table[end] / table["mean"]) ** stretch
        table[name] = np.where(stretch == 1, table[end], np.where(positive, raised, plain))
    return table[
        [
            *("mean", "sd", lower, upper, "honesty", "honest_lb", "honest_ub"),
            *("ess_bulk", "ess_tail", "r_hat"),
        ]
    ]


def _positive(draws: xr.Dataset) -> list[bool]:
    """Whether a quantity is positive in every draw, in the order of the table's rows."""
    least = draws.min(SAMPLE_DIMS)
    return [bool(value > 0) for name in draws for value in np.atleast_1d(least[name]).ravel()]


def _labelled(draws: xr.Dataset) -> xr.Dataset:
    """Budgets and the like written as people do: 1e+13, not 10000000000000.0."""
    labels = {
        name: [f"{value:.3g}" if float(f"{value:.3g}") == value else str(value) for value in index]
        for name, index in draws.indexes.items()
        if index.dtype.kind == "f"
    }
    return draws.assign_coords(labels)


def flagged(table: pd.DataFrame) -> list[str]:
    """Quantities whose interval is too narrow by their honesty ratio."""
    return [str(name) for name in table.index[table["honesty"] > HONEST]]
