"""How well a law predicts what it was not fitted to: one run, a cluster of runs, or larger runs.

Every function here gives log predictive densities, one for each case that was left out. Errors of
runs in a cluster are correlated, so that the others of its cluster tell much about a run: leaving
out a run measures how well a law interpolates within budgets, leaving out a cluster how well it
does between them, and a back-test how well beyond them.

References
----------
Vehtari, Gelman and Gabry (2017), doi:10.1007/s11222-016-9696-4, for leaving out by importance
sampling. Vehtari et al. (2024), arXiv:1507.02646, for Pareto k.
"""

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import logsumexp

from bayescale.fitting.fit import fit as fit_law
from bayescale.fitting.record import Fit
from bayescale.inference.structure import observed_values
from bayescale.posterior.draws import SAMPLE_DIMS
from bayescale.posterior.jackknife import CLUSTER, require_clusters
from bayescale.posterior.loo import leave_one_out
from bayescale.posterior.pointwise import log_density, point_distribution
from bayescale.runs.read import digest
from bayescale.spec.functions import Array
from bayescale.spec.law import AUTO, Law
from bayescale.spec.likelihood import Likelihood
from bayescale.validation.backtest import backtest
from bayescale.validation.sweep import DOUBT, Parallel, split_rows, sweep

KEPT_CLUSTERS = "cluster_of_the_whole_table"
"""Column that carries the clusters of all runs into a refit to some of them."""


def loo_by_run(fit: Fit) -> xr.Dataset:
    """Each run left out, by importance sampling (PSIS).

    Returns
    -------
    Dataset
        ``elpd`` and ``doubtful`` (its Pareto k is too large), along ``case``.
    """
    return _as_cases(fit.loo, [f"run {run + 1}" for run in range(len(fit.runs))])


def loo_by_cluster(fit: Fit, *, parallel: Parallel = Parallel()) -> xr.Dataset:
    """Each cluster left out: by importance sampling, and by a refit where that is not reliable.

    Parameters
    ----------
    fit : Fit
        Of clustered runs.
    parallel : Parallel
        File of rows and number of processes, of the refits.

    Returns
    -------
    Dataset
        ``elpd``, ``doubtful`` (the refit failed or is not to be trusted) and ``refitted``, along
        ``case``.
    """
    density = fit.case_log_likelihood(CLUSTER)
    loo = leave_one_out(fit.as_modelled.posterior, density.rename(cluster="run"))
    cases = _as_cases(loo, density[CLUSTER].to_numpy().tolist())
    again = np.flatnonzero(cases["doubtful"])
    good, remarks = split_rows(_refit_without(fit, again, parallel), "case", fewest=0)
    elpd, doubtful = cases["elpd"].to_numpy().copy(), cases["doubtful"].to_numpy().copy()
    refitted = again[good.index]
    elpd[refitted] = good["elpd"].to_numpy(dtype="float64") if len(good) else []
    doubtful[refitted] = good.index.isin(remarks.index)
    values = {"elpd": elpd, "doubtful": doubtful, "refitted": np.isin(range(len(elpd)), refitted)}
    return cases.assign({name: ("case", value) for name, value in values.items()})


def _refit_without(fit: Fit, cases: Array, parallel: Parallel) -> pd.DataFrame:
    """Log density of each of these cases by a fit to all other runs."""
    runs, clusters = fit.runs, require_clusters(fit.structure, len(fit.runs))
    names = np.array(clusters.cases(runs))
    labels = fit.case_log_likelihood(CLUSTER)[CLUSTER].to_numpy()
    kept = np.where(clusters.index(runs) < 0, "", names)
    table = runs.assign(**{KEPT_CLUSTERS: kept})
    sampling = {f"{name}s": fit.posterior.sizes[name] for name in SAMPLE_DIMS}
    if fit.tree.attrs["tune"]:  # importance sampling has none
        sampling["tune"] = int(fit.tree.attrs["tune"])
    title = f"{fit.law.name}, {fit.likelihood.name}, {sampling}, {digest(table)[:12]}: without"
    tasks = []
    for label in labels[cases]:
        out = names == label
        options = {
            "law": fit.law,
            "likelihood": fit.likelihood,
            "known": table[~out],
            "held_out": table[out].reset_index(drop=True),
            **sampling,
        }
        tasks.append((f"{title} {label}", options))
    return sweep(_score_held_out, tasks, parallel=parallel, random_seed=fit.random_seed)


def _score_held_out(
    law: Law,
    likelihood: Likelihood,
    known: pd.DataFrame,
    held_out: pd.DataFrame,
    random_seed: int,
    **sampling: Any,
) -> dict[str, Any]:
    """Log density of held-out runs, all together."""
    fitted = fit_law(
        law,
        known,
        likelihood=likelihood,
        clusters=KEPT_CLUSTERS,
        random_seed=random_seed,
        **sampling,
    )
    draws = fitted.as_modelled.draws
    observed = observed_values(fitted.structure, held_out)
    by_run = log_density(fitted.structure, point_distribution(draws, held_out), observed)
    density = by_run.sum(axis=-1)
    return {
        "elpd": float(logsumexp(density) - np.log(density.size)),
        DOUBT: "; ".join(fitted.verdict.reasons),
    }


def scores_by_backtest(
    law: Law,
    runs: pd.DataFrame,
    likelihood: Likelihood | None,
    clusters: str | None = AUTO,
    *,
    parallel: Parallel = Parallel(),
    random_seed: int | None = None,
) -> xr.Dataset:
    """Larger runs predicted from smaller ones; see `bayescale.backtest`.

    Parameters
    ----------
    law, runs, likelihood, clusters, parallel, random_seed
        As for `bayescale.backtest`.

    Returns
    -------
    Dataset
        ``elpd`` and ``doubtful``, along ``case``, with coordinates ``cut`` and ``run``.

    Raises
    ------
    DataError
        If the law could be fitted below no cut.
    """
    tested = backtest(
        law,
        runs,
        methods=("posterior",),
        likelihood=likelihood,
        clusters=clusters,
        parallel=parallel,
        random_seed=random_seed,
    )
    scores = tested.predictions
    cut, run = scores["cut"].to_numpy(), scores["run"].to_numpy()
    case = [f"run {r + 1} beyond {c:g}" for r, c in zip(run, cut, strict=True)]
    return xr.Dataset(
        {
            "elpd": ("case", scores["log_score"].to_numpy()),
            "doubtful": ("case", np.isin(cut, tested.remarks["cut"].to_list())),
        },
        {"case": case, "cut": ("case", cut), "run": ("case", run)},
    )


def _as_cases(loo: xr.Dataset, names: list[str]) -> xr.Dataset:
    """Results of PSIS for each case."""
    return xr.Dataset(
        {
            "elpd": ("case", loo["elpd_i"].to_numpy()),
            "doubtful": ("case", loo["pareto_k"].to_numpy() > loo.attrs["good_k"]),
        },
        {"case": names},
    )
