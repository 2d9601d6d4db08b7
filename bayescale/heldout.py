"""How well a law predicts what it was not fitted to: one run, a cluster of runs, or larger runs.

Every function here gives log predictive densities, one a case that was left out. Runs of a cluster
err together, so the others of its cluster tell much about a run: leaving out a run asks how well a
law interpolates within budgets, leaving out a cluster how well it does between them, and a
back-test how well beyond them.

References
----------
Vehtari, Gelman and Gabry (2017), doi:10.1007/s11222-016-9696-4, for leaving out by importance
sampling. Vehtari et al. (2024), arXiv:1507.02646, for Pareto k.
"""

from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import logsumexp

from bayescale.clusterwise import (
    cases_of,
    check_clustered,
    log_cluster_density,
    log_cluster_likelihood,
)
from bayescale.diagnosis import leave_one_out
from bayescale.draws import SAMPLE_DIMS
from bayescale.errors import DataError
from bayescale.flops import Array
from bayescale.law import FOUND, Law
from bayescale.likelihood import LikelihoodFactory
from bayescale.runs import digest
from bayescale.sweeps import ERROR, sweep

if TYPE_CHECKING:
    from bayescale.fitting import Fit

LEFT_IN = "cluster_of_the_whole_table"
"""Column that carries the clusters of all runs into a refit to some of them."""


def by_run(fit: "Fit") -> xr.Dataset:
    """Each run left out, by importance sampling (PSIS).

    Returns
    -------
    Dataset
        ``elpd`` and ``doubtful`` (its Pareto k is too large), along ``case``.
    """
    return _as_cases(fit.loo, [f"run {run + 1}" for run in range(len(fit.runs))])


def by_cluster(
    fit: "Fit",
    likelihood: LikelihoodFactory,
    *,
    path: str | PathLike[str] | None = None,
    jobs: int = -1,
) -> xr.Dataset:
    """Each cluster left out: by importance sampling, and by a refit where that does not do.

    A cluster that was left out has an offset and a tilt that nothing is known of but their scales.

    Parameters
    ----------
    fit : Fit
        Of clustered runs, with Normal scatter.
    likelihood : callable
        That it was fitted with.
    path, jobs
        As for `bayescale.sweep`, of the refits.

    Returns
    -------
    Dataset
        ``elpd``, ``doubtful`` (the refit failed or is not to be trusted) and ``refitted``, along
        ``case``.
    """
    density = log_cluster_likelihood(fit)
    told = leave_one_out(fit.posterior, density.rename(cluster="run"))
    found = _as_cases(told, cases_of(fit))
    again = np.flatnonzero(found["doubtful"])
    rows = _refitted(fit, likelihood, again, path, jobs)
    well = rows[ERROR].isna().to_numpy()
    elpd, doubtful = found["elpd"].to_numpy().copy(), found["doubtful"].to_numpy().copy()
    if well.any():
        elpd[again[well]] = rows.loc[well, "elpd"].to_numpy(dtype="float64")
        doubtful[again[well]] = rows.loc[well, "doubt"].to_numpy() != ""
    refitted = np.isin(np.arange(len(elpd)), again[well])
    told_again = {"elpd": elpd, "doubtful": doubtful, "refitted": refitted}
    return found.assign({name: ("case", values) for name, values in told_again.items()})


def _refitted(
    fit: "Fit",
    likelihood: LikelihoodFactory,
    cases: Array,
    path: str | PathLike[str] | None,
    jobs: int,
) -> pd.DataFrame:
    """Log density of each of these cases by a fit to all other runs."""
    runs, clusters = fit.runs, check_clustered(fit.structure, len(fit.runs))
    index = clusters.index(runs)
    alone = np.flatnonzero(index < 0)
    names = [name if k >= 0 else "" for name, k in zip(clusters.names(runs), index, strict=True)]
    table = runs.assign(**{LEFT_IN: names})
    settings = {
        **{f"{name}s": fit.posterior.sizes[name] for name in SAMPLE_DIMS},
        "tune": int(fit.tree.attrs["tune"]),
    }
    title = f"{fit.law.name}, {fit.likelihood.name}, {settings}, {digest(table)[:12]}: without"
    tasks = []
    for case in cases:
        together = case < len(clusters.labels)
        out = index == case if together else np.arange(len(runs)) == alone[case - index.max() - 1]
        parts = {"known": table[~out], "left": table[out], "together": bool(together)}
        what = {"law": fit.law, "likelihood": likelihood, **settings}
        tasks.append((f"{title} {cases_of(fit)[case]}", {**what, **parts}))
    return sweep(_left_out, tasks, path=path, jobs=jobs, random_seed=fit.random_seed)


def _left_out(
    law: Law,
    likelihood: LikelihoodFactory,
    known: pd.DataFrame,
    left: pd.DataFrame,
    together: bool,
    random_seed: int,
    **settings: Any,
) -> dict[str, Any]:
    """Log density of runs that were left out."""
    from bayescale.fitting import fit

    fitted = fit(
        law, known, likelihood=likelihood, clusters=LEFT_IN, random_seed=random_seed, **settings
    )
    index = np.full(len(left), 0 if together else -1)
    density = log_cluster_density(fitted.structure, fitted.posterior, fitted.runs, left, index)
    return {
        "elpd": float(logsumexp(density) - np.log(density.size)),
        "doubt": "; ".join(fitted.verdict.reasons),
    }


def by_backtest(
    law: Law,
    runs: pd.DataFrame,
    likelihood: LikelihoodFactory | None,
    clusters: str | None = FOUND,
    *,
    path: str | PathLike[str] | None = None,
    jobs: int = -1,
    random_seed: int = 0,
) -> xr.Dataset:
    """Larger runs predicted from smaller ones; see `bayescale.backtest`.

    Returns
    -------
    Dataset
        ``elpd`` and ``doubtful``, along ``case``, with coordinates ``cut`` and ``run``.
    """
    from bayescale.backtesting import backtest

    told = backtest(
        law,
        runs,
        methods=("posterior",),
        likelihood=likelihood,
        clusters=clusters,
        path=path,
        jobs=jobs,
        random_seed=random_seed,
    )
    scores = told.predictions
    if not scores:
        reasons = " ".join(map(str, told.remarks["remark"].unique()))
        raise DataError(
            f"law {law.name!r} could be back-tested at no cut ({reasons}); expected one at least. "
            "Compare by 'loo', or leave the law out."
        )
    remarked = set(told.remarks["cut"])
    cut, run = scores["cut"].to_numpy(), scores["run"].to_numpy()
    case = [f"run {r + 1} beyond {c:g}" for r, c in zip(run, cut, strict=True)]
    return xr.Dataset(
        {
            "elpd": ("case", scores["log_score"].to_numpy()),
            "doubtful": ("case", np.isin(cut, list(remarked))),
        },
        {"case": case, "cut": ("case", cut), "run": ("case", run)},
    )


def _as_cases(told: xr.Dataset, names: list[str]) -> xr.Dataset:
    """What PSIS told, a case each."""
    return xr.Dataset(
        {
            "elpd": ("case", told["elpd_i"].to_numpy()),
            "doubtful": ("case", told["pareto_k"].to_numpy() > told.attrs["good_k"]),
        },
        {"case": names},
    )
