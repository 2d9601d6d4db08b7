"""Which law, or how much of each: laws compared by what they predict, and used together.

No law of params and tokens is exactly true, and the choice among them is often the larger part of
what is not known about a compute-optimal model. A comparison says how much of it that is.
"""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayescale import heldout
from bayescale.clusterwise import check_clustered
from bayescale.errors import DataError, LawError
from bayescale.fitting import Fit, fit
from bayescale.flops import SIX_ND, Cost
from bayescale.law import FOUND, Law
from bayescale.likelihood import LikelihoodFactory
from bayescale.runs import runs_for
from bayescale.stacking import between_share, mixture, side_by_side, stacking_weights
from bayescale.standings import WAYS, aligned, standings, told
from bayescale.structure import structure, usual_likelihood


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Laws fitted to the same runs, with what each predicts well and what they say together.

    Made by `compare`.

    Parameters
    ----------
    by : str
        What was left out: ``loo``, ``cluster`` or ``backtest``.
    fits : mapping of str to Fit
        Each law fitted to all runs, by its name.
    scores : Dataset
        ``elpd`` (log predictive density) and ``doubtful`` (it is only approximate), (law, case),
        and how much a case ``counts``.
    weights : (law,) DataArray
        Stacking weights.
    table : DataFrame
        A row for each law, the best first: ``rank``, ``elpd`` with its ``se``, ``difference`` from
        the best with ``difference_se``, ``weight``, ``trusted`` (the verdict on its fit),
        ``doubtful`` cases, and ``refits`` where clusters were left out.
    random_seed : int
        Which law a draw of the mixture is taken from follows from it.
    """

    by: str
    fits: Mapping[str, Fit]
    scores: xr.Dataset
    weights: xr.DataArray
    table: pd.DataFrame
    random_seed: int

    def predict(
        self,
        points: pd.DataFrame | Mapping[str, Any],
        *,
        mixed: bool = True,
        extrapolate: bool = True,
        cost: Cost = SIX_ND,
    ) -> xr.Dataset:
        """Response at new points, averaged over the laws.

        Parameters
        ----------
        points : DataFrame or mapping of columns
            As for `Fit.predict`.
        mixed : bool
            Draws of the laws' mixture; False for each law's own, along dim ``law``.
        extrapolate, cost
            As for `Fit.predict`.

        Returns
        -------
        Dataset
            As `Fit.predict` has it.
        """
        each = {
            name: fitted.predict(points, extrapolate=extrapolate, cost=cost)
            for name, fitted in self.fits.items()
        }
        return self._together(each, mixed)

    def optimum(
        self,
        flops: Any,
        *,
        mixed: bool = True,
        extrapolate: bool = True,
        cost: Cost = SIX_ND,
        **given: float,
    ) -> xr.Dataset:
        """Best split of compute budgets, averaged over the laws.

        Parameters
        ----------
        flops : float or sequence of float
            Compute budgets in FLOP.
        mixed : bool
            Draws of the laws' mixture; False for each law's own, along dim ``law``.
        extrapolate, cost
            As for `Fit.optimum`.
        **given : float
            Further inputs of the laws, each for those that have it, such as
            ``unique_tokens=25e9``.

        Returns
        -------
        Dataset
            As `Fit.optimum` has it, with what all laws say of an optimum.

        Raises
        ------
        LawError
            If a law is not one of params and tokens.
        DataError
            If a further input of a law is missing, or is one of no law.
        """
        wanted = {name for fitted in self.fits.values() for name in fitted.law.further}
        each = {}
        for name, fitted in self.fits.items():
            # One that no law wants goes to all, and the first says so.
            own = {n: x for n, x in given.items() if n in fitted.law.further or n not in wanted}
            each[name] = fitted.optimum(flops, extrapolate=extrapolate, cost=cost, **own)
        said = set[Any].intersection(*map(set, each.values()))
        common = {name: found[[n for n in found if n in said]] for name, found in each.items()}
        return self._together(common, mixed)

    def _together(self, each: Mapping[str, xr.Dataset], mixed: bool) -> xr.Dataset:
        stacked = side_by_side(each)
        return mixture(stacked, self.weights, random_seed=self.random_seed) if mixed else stacked

    def between(self, quantity: xr.Dataset | xr.DataArray) -> Any:
        """Share of the mixture's variance that lies between laws, on the logarithm.

        Parameters
        ----------
        quantity : (law, chain, draw, ...) Dataset or DataArray
            What `predict` or `optimum` give with ``mixed=False``, or anything positive.

        Returns
        -------
        (...) Dataset or DataArray
            0 where the laws agree, near 1 where their differences are all that is not known.
        """
        if isinstance(quantity, xr.Dataset):
            return quantity.map(between_share, args=(self.weights,))
        return between_share(quantity, self.weights)

    def __repr__(self) -> str:
        heading, table, remarks = told(self)
        return "\n".join([heading, "", table.to_string(), "", *remarks])

    def _repr_html_(self) -> str:
        heading, table, remarks = told(self)
        notes = "".join(f"<p>{html.escape(line)}</p>" for line in remarks)
        rows = table.to_html(border=0, escape=True, justify="right")
        return f"<div><p>{html.escape(heading)}</p>{rows}{notes}</div>"


def compare(
    laws: Sequence[Law],
    runs: pd.DataFrame | str | PathLike[str],
    *,
    by: str = "loo",
    likelihood: LikelihoodFactory | None = None,
    clusters: str | None = FOUND,
    draws: int = 1000,
    tune: int = 800,
    chains: int = 4,
    path: str | PathLike[str] | None = None,
    jobs: int = -1,
    random_seed: int = 0,
) -> Comparison:
    """Fit laws to the same runs, compare what they predict, and weigh them by it.

    Parameters
    ----------
    laws : sequence of Law
        Two or more, of one response. Their inputs may differ.
    runs : DataFrame or path
        Training runs, with every input of every law.
    by : {"loo", "cluster", "backtest"}
        What is left out and predicted: one run; one cluster of runs (a compute budget), with the
        law alone; or the larger runs, every cut counting equally.
    likelihood : callable, optional
        As for `fit`, the same for every law. By default the one that suits the law with the most
        parameters.
    clusters : str, optional
        As for `fit`.
    draws, tune, chains : int
        As for `fit`. A back-test has those that `fit` has by default.
    path, jobs
        As for `sweep`, of refits and of the back-test.
    random_seed : int
        Everything random follows from it.

    Returns
    -------
    Comparison

    Raises
    ------
    LawError
        If there are fewer than two laws, or they are not of one response.
    DataError
        If the table cannot be used, or has no clusters to leave out.

    Examples
    --------
    >>> import bayescale as bs
    >>> laws = [bs.models.LAWS[name] for name in ("coupled", "chinchilla", "kaplan_floor")]
    >>> bs.compare(laws, bs.datasets.load("pocket"), by="cluster")  # doctest: +SKIP
    """
    _check(laws, by)
    tables = {law.name: runs_for(law, runs) for law in laws}
    _check_alike(laws, tables)
    chosen = likelihood or _for_all(laws, tables, clusters)
    if by == "cluster":
        for law, table in zip(laws, tables.values(), strict=True):
            check_clustered(
                structure(law, chosen(law.inputs), table, clusters=clusters), len(table)
            )
    how: dict[str, Any] = {"likelihood": chosen, "clusters": clusters, "random_seed": random_seed}
    how |= {"draws": draws, "tune": tune, "chains": chains}
    fits = {law.name: fit(law, tables[law.name], **how) for law in laws}
    again = {"path": path, "jobs": jobs}
    scores = aligned({n: _scored(each, by, chosen, clusters, again) for n, each in fits.items()})
    weights = stacking_weights(scores["elpd"], scores["counts"])
    table = standings(scores, weights)
    table["trusted"] = [fits[name].verdict.trusted for name in table.index]
    return Comparison(by, fits, scores, weights, table, random_seed)


def _scored(
    fitted: Fit,
    by: str,
    likelihood: LikelihoodFactory,
    clusters: str | None,
    again: Mapping[str, Any],
) -> xr.Dataset:
    if by == "loo":
        return heldout.by_run(fitted)
    if by == "cluster":
        return heldout.by_cluster(fitted, likelihood, **again)
    seed = fitted.random_seed
    return heldout.by_backtest(
        fitted.law, fitted.runs, likelihood, clusters, random_seed=seed, **again
    )


def _for_all(
    laws: Sequence[Law], tables: Mapping[str, pd.DataFrame], clusters: str | None
) -> LikelihoodFactory:
    """One likelihood for every law, so that a difference in elpd is a difference of laws."""
    each = [usual_likelihood(law, tables[law.name], clusters) for law in laws]
    return min(each, key=lambda likelihood: len(likelihood(laws[0].inputs).priors))


def _check(laws: Sequence[Law], by: str) -> None:
    names = [law.name for law in laws]
    if len(set(names)) < max(len(names), 2):
        raise LawError(
            f"the laws to compare are {names}; expected two or more of different names. "
            "Add a law, or leave out the one that stands there twice."
        )
    responses = sorted({law.response for law in laws})
    if len(responses) > 1:
        raise LawError(
            f"the laws to compare describe {responses}; expected one response. "
            "Compare laws of the same column."
        )
    stages = {None if law.stage is None else law.stage.response for law in laws}
    if len(stages) > 1:
        raise LawError(
            f"some of the laws {names} have the law of an input in them, and others have not; "
            "expected the same of all, since their densities are of other data. Compare laws with "
            "one stage, or without any."
        )
    if by not in WAYS:
        raise LawError(
            f"laws are to be compared by {by!r}; expected one of {', '.join(WAYS)}. Choose one."
        )


def _check_alike(laws: Sequence[Law], tables: Mapping[str, pd.DataFrame]) -> None:
    """Laws are compared on the same responses, row by row."""
    first, *others = (tables[law.name][law.response].to_numpy() for law in laws)
    if not all(np.array_equal(first, other) for other in others):
        raise DataError(
            f"the laws {', '.join(tables)} read different runs of the table; expected the same. "
            "Drop the rows in which an input of any law is missing."
        )
