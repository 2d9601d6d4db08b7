"""Refits to resampled runs: how far an estimate moves when the runs could have been others.

The honesty ratio of every summary (`bayescale.diagnosis`) guesses this from one fit. Here it is
found out, at the price of some hundred fits.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.clusters import Clusters, clusters_of
from bayescale.draws import ROLES, SAMPLE_DIMS, numbers
from bayescale.errors import DataError
from bayescale.law import FOUND, Law
from bayescale.likelihood import LikelihoodFactory, default_likelihood
from bayescale.runs import digest, runs_for
from bayescale.sampling import Settings
from bayescale.sweeps import ERROR, TASK, sweep

if TYPE_CHECKING:
    from bayescale.fitting import Fit

CLUSTER = "resampled_cluster"
"""Column that says which runs of a resampled table err together."""
DOUBT = "doubt"

Quantities = Callable[["Fit"], Mapping[str, float]]


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """What fits to resampled runs give.

    Made by `bootstrap`.

    Parameters
    ----------
    values : Dataset
        Each quantity along ``resample``.
    remarks : DataFrame
        Resamples that could not be fitted, or whose fit is not to be trusted, and why. The first
        are not among the values; the second are.
    """

    values: xr.Dataset
    remarks: pd.DataFrame

    @property
    def sd(self) -> xr.Dataset:
        """Standard deviation over resamples; with R of them known to 1 part in sqrt(2 R)."""
        return self.values.std("resample", ddof=1)


def posterior_means(fitted: "Fit") -> dict[str, float]:
    """Posterior mean of every number among coefficients, derived quantities and noise."""
    chosen = {n: x for n, x in fitted.posterior.items() if x.attrs.get("role") in ROLES}
    return {
        label: float(value)
        for name, values in chosen.items()
        for label, value in numbers(values.mean(SAMPLE_DIMS), str(name))
    }


def bootstrap(
    law: Law,
    runs: pd.DataFrame | str | PathLike[str],
    *,
    resamples: int = 200,
    by_cluster: bool = False,
    of: Quantities = posterior_means,
    likelihood: LikelihoodFactory | None = None,
    clusters: str | None = FOUND,
    draws: int = 250,
    tune: int = 500,
    chains: int = 2,
    path: str | PathLike[str] | None = None,
    jobs: int = -1,
    random_seed: int = 0,
    progress: bool = False,
) -> Bootstrap:
    """Fit a law to resampled runs, many times.

    Parameters
    ----------
    law : Law
        What to fit.
    runs : DataFrame or path
        Training runs, as for `fit`.
    resamples : int
        How many tables to draw, each of as many runs (or clusters) with replacement.
    by_cluster : bool
        Draw whole clusters rather than single runs. A cluster drawn twice has a misfit of its own
        each time.
    of : callable
        What to keep of each `Fit`: a function of a module, from the fit to numbers by name.
    likelihood, clusters
        As for `fit`; what is found in the runs as they are is kept for all resamples.
    draws, tune, chains : int
        As for `fit`.
    path, jobs, random_seed, progress
        As for `sweep`.

    Returns
    -------
    Bootstrap

    Raises
    ------
    DataError
        If whole clusters are asked for where there are none, or nothing could be fitted.

    References
    ----------
    Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapters 6 and 9.
    """
    table = runs_for(law, runs)
    together = clusters_of(law, table, clusters)
    if by_cluster and together is None:
        raise DataError(
            "the runs make no clusters; expected some, to resample them as wholes. Name a column "
            "in clusters=, or resample single runs."
        )
    settings = Settings(draws=draws, tune=tune, chains=chains)
    chosen = likelihood or default_likelihood(law, table, clustered=together is not None)
    if together is not None:
        table = table.assign(**{CLUSTER: _names(together, table)})
    asked = {
        "law": law,
        "runs": table,
        "by_cluster": by_cluster,
        "likelihood": chosen,
        "of": of,
        "settings": settings,
    }
    named = (
        f"{law.name}, {'clusters' if by_cluster else 'runs'} of {digest(table)[:12]}, "
        f"{getattr(chosen, '__name__', chosen)}, {of.__qualname__}, {chains} x ({tune} + {draws})"
    )
    tasks = [(f"{named}: {k}", asked) for k in range(resamples)]
    return _collected(
        sweep(refitted, tasks, path=path, jobs=jobs, random_seed=random_seed, progress=progress)
    )


def refitted(
    law: Law,
    runs: pd.DataFrame,
    by_cluster: bool,
    likelihood: LikelihoodFactory,
    of: Quantities,
    settings: Settings,
    random_seed: int,
) -> dict[str, Any]:
    """Fit one resample; the runs have a column `CLUSTER` where some err together."""
    from bayescale.fitting import fit

    fitted = fit(
        law,
        resampled(runs, np.random.default_rng(random_seed), by_cluster=by_cluster),
        likelihood=likelihood,
        clusters=CLUSTER if CLUSTER in runs else None,
        draws=settings.draws,
        tune=settings.tune,
        chains=settings.chains,
        random_seed=random_seed,
    )
    return {DOUBT: " ".join(fitted.verdict.reasons), **of(fitted)}


def resampled(
    runs: pd.DataFrame, rng: np.random.Generator, *, by_cluster: bool = False
) -> pd.DataFrame:
    """As many runs, or clusters, drawn with replacement; the copies of a cluster are told apart.

    Runs in no cluster, whose `CLUSTER` is empty, are drawn one by one.
    """
    if not by_cluster:
        return runs.iloc[rng.integers(len(runs), size=len(runs))].reset_index(drop=True)
    alone = runs.index.to_series().where(runs[CLUSTER] == "", -1)
    units = [rows for _, rows in runs.groupby([runs[CLUSTER], alone])]
    drawn = [units[k] for k in rng.integers(len(units), size=len(units))]
    copies = [rows[CLUSTER].where(rows[CLUSTER] == "", f"copy {k}") for k, rows in enumerate(drawn)]
    drawn_again: pd.DataFrame = pd.concat(drawn, ignore_index=True)
    return drawn_again.assign(**{CLUSTER: np.concatenate(copies)})


def _names(together: Clusters, runs: pd.DataFrame) -> np.ndarray:
    """Name of each run's cluster; empty where it is in none."""
    names: np.ndarray = np.array([*together.labels, ""])[together.index(runs)]
    return names


def _collected(rows: pd.DataFrame) -> Bootstrap:
    rows = rows.reset_index(names="resample")
    good = rows[rows[ERROR].isna()]
    if good.empty:
        raise DataError(
            f"no resample could be fitted ({rows[ERROR].iloc[0]}); expected one at least. "
            "Mend what it says."
        )
    remarks = rows[ERROR].where(rows[ERROR].notna(), rows[DOUBT])
    kept = good.drop(columns=[TASK, ERROR, DOUBT]).set_index("resample")
    said = rows[["resample"]].assign(remark=remarks)
    return Bootstrap(kept.to_xarray(), said[said["remark"] != ""].reset_index(drop=True))
