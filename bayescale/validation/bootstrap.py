"""Refits to resampled runs: how far an estimate moves when the runs could have been others.

Every posterior is widened to an estimate of this from one fit (`bayescale.posterior.widening`).
Here it is measured, at the price of some hundred fits.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.errors import DataError, LawError
from bayescale.fitting.fit import fit
from bayescale.fitting.record import Fit
from bayescale.inference.record import Sampling
from bayescale.inference.structure import build_structure
from bayescale.posterior.draws import SAMPLE_DIMS
from bayescale.posterior.jackknife import CLUSTER, RUN
from bayescale.posterior.quantities import ROLES, scalars
from bayescale.runs.read import digest, runs_for
from bayescale.spec.law import AUTO, Law
from bayescale.spec.likelihood import Likelihood
from bayescale.validation.sweep import DOUBT, Parallel, seed_of_sweep, split_rows, sweep

CLUSTER_COLUMN = "resampled_cluster"
"""Column of a resampled table with the cluster of each run; empty for runs in none."""

Quantities = Callable[[Fit], Mapping[str, float]]


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """What fits to resampled runs give.

    Returned by `bootstrap`.

    Parameters
    ----------
    values : Dataset
        Each quantity along ``resample``. The seed is among its attributes.
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

    @property
    def random_seed(self) -> int:
        """The seed from which the resamples follow."""
        return int(self.values.attrs["random_seed"])


def posterior_means(fitted: Fit) -> dict[str, float]:
    """Posterior mean of every number among coefficients, derived quantities and noise."""
    chosen = {n: x for n, x in fitted.posterior.items() if x.attrs.get("role") in ROLES}
    return {
        label: float(value)
        for name, values in chosen.items()
        for label, value in scalars(values.mean(SAMPLE_DIMS), str(name))
    }


def bootstrap(
    law: Law,
    runs: pd.DataFrame | str | PathLike[str],
    *,
    resamples: int = 200,
    resample: str = RUN,
    of: Quantities = posterior_means,
    likelihood: Likelihood | None = None,
    clusters: str | None = AUTO,
    sampling: Sampling = Sampling(draws=250, tune=500, chains=2),
    parallel: Parallel = Parallel(),
    random_seed: int | None = None,
) -> Bootstrap:
    """Fit a law to resampled runs, many times.

    Parameters
    ----------
    law : Law
        What to fit.
    runs : DataFrame or path
        Training runs, as for `bayescale.fit`.
    resamples : int
        How many tables to draw, each of as many runs (or clusters) with replacement.
    resample : {"run", "cluster"}
        Draw single runs, or whole clusters. A cluster drawn twice counts as two.
    of : callable
        What to keep of each `Fit`: a function of a module, from the fit to numbers by name.
    likelihood : Likelihood, optional
        As for `bayescale.fit`. The default for the runs as they are is kept for all resamples.
    clusters : str, optional
        As for `bayescale.fit`; clusters of the runs as they are stay clusters in all resamples.
    sampling : Sampling
        How much to sample in each fit.
    parallel : Parallel
        File of rows, number of processes, progress bar.
    random_seed : int, optional
        Everything random follows from it. Without it, that of the rows in the file, if there are
        any; else drawn from the system. Kept with the result.

    Returns
    -------
    Bootstrap
        Every quantity for every resample.

    Raises
    ------
    LawError
        If `resample` is something else.
    DataError
        If clusters are to be drawn where there are none, or no resample can be fitted.

    References
    ----------
    Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapters 6 and 9.

    Examples
    --------
    >>> import bayescale as bs
    >>> bs.bootstrap(bs.models.COUPLED, bs.datasets.load("pocket")).sd  # doctest: +SKIP
    """
    if resample not in (RUN, CLUSTER):
        raise LawError(f"resample is {resample!r}; expected {RUN!r} or {CLUSTER!r}. Choose one.")
    table = runs_for(law, runs)
    structure = build_structure(law, table, likelihood, clusters=clusters)
    if structure.clusters is not None:
        labels = np.array([*structure.clusters.labels, ""])
        table = table.assign(**{CLUSTER_COLUMN: labels[structure.clusters.index(table)]})
    elif resample == CLUSTER:
        raise DataError(
            "the runs make no clusters; expected some, to resample them as wholes. Name a column "
            "in clusters=, or resample single runs."
        )
    seed = seed_of_sweep(random_seed, parallel)
    options = {
        "law": law,
        "runs": table,
        "resample": resample,
        "likelihood": structure.likelihood,
        "of": of,
        "sampling": sampling,
    }
    title = (
        f"{law.name}, {resample}s of {digest(table)[:12]}, {structure.likelihood.name}, "
        f"{of.__qualname__}, {sampling}"
    )
    tasks = [(f"{title}: {k}", options) for k in range(resamples)]
    good, remarks = split_rows(
        sweep(fit_resample, tasks, parallel=parallel, random_seed=seed), "resample"
    )
    values = good.to_xarray().assign_attrs(random_seed=seed)
    return Bootstrap(values, remarks.reset_index())


def fit_resample(
    law: Law,
    runs: pd.DataFrame,
    resample: str,
    likelihood: Likelihood,
    of: Quantities,
    sampling: Sampling,
    random_seed: int,
) -> dict[str, Any]:
    """Fit one resample of runs, which have a column `CLUSTER_COLUMN` if there are clusters."""
    fitted = fit(
        law,
        resampled(runs, np.random.default_rng(random_seed), resample),
        likelihood=likelihood,
        clusters=CLUSTER_COLUMN if CLUSTER_COLUMN in runs else None,
        random_seed=random_seed,
        **asdict(sampling),
    )
    return {DOUBT: " ".join(fitted.verdict.reasons), **of(fitted)}


def resampled(runs: pd.DataFrame, rng: np.random.Generator, resample: str = RUN) -> pd.DataFrame:
    """As many runs, or clusters, drawn with replacement; copies of a cluster have their own names.

    Runs in no cluster, whose `CLUSTER_COLUMN` is empty, are drawn one by one.
    """
    if resample == RUN:
        return runs.iloc[rng.integers(len(runs), size=len(runs))].reset_index(drop=True)
    names = runs[CLUSTER_COLUMN]
    alone = runs.index.to_series().where(names == "", -1)
    units = [rows for _, rows in runs.groupby([names, alone])]
    drawn = [units[k] for k in rng.integers(len(units), size=len(units))]
    copies = [
        rows[CLUSTER_COLUMN].where(rows[CLUSTER_COLUMN] == "", f"copy {k}")
        for k, rows in enumerate(drawn)
    ]
    table: pd.DataFrame = pd.concat(drawn, ignore_index=True)
    return table.assign(**{CLUSTER_COLUMN: np.concatenate(copies)})
