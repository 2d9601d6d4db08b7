"""Leave-one-out cross-validation by importance sampling."""

import warnings

import numpy as np
import xarray as xr

from bayescale.posterior.draws import SAMPLE_DIMS

PARETO_K = 1.0
"""With a larger Pareto k, the draws do not show what happens without a run. From about 0.7 on, only
the LOO estimate suffers."""

MOVED = 1.0
"""Posterior standard deviations that an answer may move when a run or a cluster is left out. If it
moves more, the answer depends on that. Where an interval is honest, the squares of all such moves
add up to 1."""


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
    import arviz_stats

    pointwise = log_likelihood.to_dataset(name="runs")
    tree = xr.DataTree.from_dict({"posterior": posterior, "log_likelihood": pointwise})
    with warnings.catch_warnings():
        # The verdict and the fit's remarks name the runs.
        warnings.filterwarnings("ignore", "Estimated shape parameter of Pareto", UserWarning)
        try:
            result = arviz_stats.loo(tree, pointwise=True)
        except ValueError as error:
            if "All tail values are the same" not in str(error):
                raise
            least = log_likelihood.min(SAMPLE_DIMS)  # where the weight is largest
            weights = least - log_likelihood
            total: xr.DataArray = xr.apply_ufunc(np.exp, weights).sum(SAMPLE_DIMS)
            result = arviz_stats.loo(
                tree,
                pointwise=True,
                log_weights=weights - np.log(total),
                pareto_k=xr.full_like(least, np.inf),
            )
    values = {"elpd_i": result.elpd_i, "pareto_k": result.pareto_k}
    variables = {name: ("run", np.asarray(value)) for name, value in values.items()}
    attrs = {"elpd": result.elpd, "se": result.se, "p": result.p, "good_k": result.good_k}
    return xr.Dataset(variables, attrs={name: float(value) for name, value in attrs.items()})
