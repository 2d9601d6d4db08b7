"""Leave-one-out cross-validation by importance sampling."""

import numpy as np
import xarray as xr
from scipy.special import logsumexp

from bayescale.posterior.chains import chain_statistic, stack_numbers
from bayescale.posterior.draws import SAMPLE_DIMS

PARETO_K = 1.0
"""With a larger Pareto k, the draws do not show what happens without a run. From about 0.7 on, only
the LOO estimate suffers."""

MOVED = 1.0
"""Standard deviations of the model that an answer may move when a run or a cluster is left out. If
it moves more, the answer depends on that. Where resampling widens no interval, the squares of all
such moves add up to 1."""


def influential_runs(loo: xr.Dataset, pareto_k: float) -> list[int]:
    """Runs whose Pareto k is larger, as rows of the table counted from 1."""
    return [int(row) + 1 for row in np.flatnonzero(loo["pareto_k"].to_numpy() > pareto_k)]


def leave_one_out(posterior: xr.Dataset, log_likelihood: xr.DataArray) -> xr.Dataset:
    """Expected log predictive density by PSIS-LOO, with each run's Pareto k.

    Parameters
    ----------
    posterior : Dataset
        Draws, (chain, draw, ...), from which ArviZ computes the relative efficiency.
    log_likelihood : (chain, draw, run) DataArray
        Log likelihood of each run.

    Returns
    -------
    Dataset
        ``elpd_i`` and ``pareto_k`` (run), with the sum ``elpd``, its standard error ``se``, ``p``
        and ``good_k`` in the attributes. Where a chain never moved, its draws are the whole tail,
        to which no Pareto distribution can be fitted: the weights are then not smoothed, and
        ``pareto_k`` is infinite.
    """
    from arviz_stats.base import array_stats

    values = log_likelihood.transpose("run", *SAMPLE_DIMS).to_numpy()
    values = values.reshape(len(values), -1)
    count, efficiency = values.shape[1], 1.0
    if posterior.sizes["chain"] > 1:  # effective over actual draws, as ArviZ has it
        sizes = chain_statistic("ess", stack_numbers(posterior), method="mean")
        efficiency = float(np.mean(sizes)) / count
    try:
        weights, pareto_k = array_stats.psislw(values, r_eff=efficiency)
    except ValueError as error:
        if "All tail values are the same" not in str(error):
            raise
        weights = -values - logsumexp(-values, axis=1, keepdims=True)
        pareto_k = np.full(len(values), np.inf)
    elpd_i = logsumexp(weights + values, axis=1)
    p_i = logsumexp(values, axis=1) - np.log(count) - elpd_i
    elpd, se, p, _ = array_stats.loo_summary(elpd_i, p_i)
    good_k = min(1 - 1 / np.log10(count), 0.7)
    attrs = {"elpd": elpd, "se": se, "p": p, "good_k": good_k}
    return xr.Dataset(
        {"elpd_i": ("run", elpd_i), "pareto_k": ("run", np.asarray(pareto_k))},
        attrs={name: float(value) for name, value in attrs.items()},
    )
