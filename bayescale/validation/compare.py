"""Which law, or how much of each: laws compared by what they predict, and used together.

No law of params and tokens is exactly true, and the choice among them is often the larger part of
what is not known about a compute-optimal model. A comparison measures how much of it that is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.documents.document import Document
from bayescale.documents.html import to_fragment
from bayescale.documents.text import to_text
from bayescale.errors import DataError
from bayescale.fitting.fit import fit
from bayescale.fitting.record import Fit
from bayescale.inference.record import Sampling
from bayescale.inference.structure import build_structure
from bayescale.posterior.jackknife import require_clusters
from bayescale.posterior.optimum import largest_budget
from bayescale.runs.read import runs_for
from bayescale.spec.compute import SIX_ND, Cost
from bayescale.spec.law import AUTO, Law
from bayescale.spec.likelihood import Likelihood
from bayescale.validation.comparison_table import (
    align_scores,
    check_laws,
    comparison_document,
    comparison_table,
)
from bayescale.validation.cross_validation import loo_by_cluster, loo_by_run, scores_by_backtest
from bayescale.validation.stacking import between_share, mixture, side_by_side, stacking_weights
from bayescale.validation.sweep import Parallel, seed_of_sweep


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Laws fitted to the same runs, with how well each predicts, and their mixture.

    Returned by `compare`.

    Parameters
    ----------
    leave_out : str
        What was left out: ``run``, ``cluster`` or ``backtest``.
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
        Everything random follows from it, also which law a draw of the mixture is from.
    """

    leave_out: str
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
        cost: Cost = SIX_ND,
        drift: bool = True,
    ) -> xr.Dataset:
        """Response at new points, averaged over the laws.

        Parameters
        ----------
        points : DataFrame or mapping of columns
            As for `Fit.predict`.
        mixed : bool
            Draws of the laws' mixture; False for each law's own, along dim ``law``.
        cost : Cost
            Ties params, tokens and flops together.
        drift : bool
            Widen what lies beyond the runs by as much as laws are wrong there.

        Returns
        -------
        Dataset
            As `Fit.predict` returns it, (chain, draw, point).
        """
        predictions = {
            name: fitted.predict(points, cost=cost, drift=drift)
            for name, fitted in self.fits.items()
        }
        return self._combine(predictions, mixed)

    def optimum(
        self,
        flops: float | Sequence[float],
        *,
        at: Mapping[str, float] | None = None,
        mixed: bool = True,
        cost: Cost = SIX_ND,
        drift: bool = True,
    ) -> xr.Dataset:
        """Best split of compute budgets, averaged over the laws.

        Parameters
        ----------
        flops : float or sequence of float
            Compute budgets in FLOP, as `cost` counts them.
        at : mapping of str to float, optional
            Extra inputs of the laws, such as ``{"unique_tokens": 25e9}``. Each law gets those that
            it has.
        mixed : bool
            Draws of the laws' mixture; False for each law's own, along dim ``law``.
        cost : Cost
            What a model costs; 6 N D by default.
        drift : bool
            Widen what lies beyond the runs by as much as laws are wrong there.

        Returns
        -------
        Dataset
            As `Fit.optimum` returns it, (chain, draw, budget), with the quantities that every law
            has at an optimum.

        Raises
        ------
        LawError
            If a law is not one of params and tokens.
        DataError
            If an extra input of a law is missing, or is one of no law.
        """
        known = {name for fitted in self.fits.values() for name in fitted.law.extra_inputs}
        optima = {}
        for name, fitted in self.fits.items():
            extra = fitted.law.extra_inputs
            # An input of no law goes to all laws, and the first refuses it.
            own = {n: x for n, x in (at or {}).items() if n in extra or n not in known}
            optima[name] = fitted.optimum(flops, at=own, cost=cost, drift=drift)
        common = set[Any].intersection(*map(set, optima.values()))
        shared = {name: best[[n for n in best if n in common]] for name, best in optima.items()}
        return self._combine(shared, mixed)

    def _combine(self, quantities: Mapping[str, xr.Dataset], mixed: bool) -> xr.Dataset:
        stacked = side_by_side(quantities)
        return mixture(stacked, self.weights, random_seed=self.random_seed) if mixed else stacked

    def between(self, quantity: xr.Dataset | xr.DataArray) -> Any:
        """Share of the mixture's variance that lies between laws, on the logarithm.

        Parameters
        ----------
        quantity : (law, chain, draw, ...) Dataset or DataArray
            What `predict` or `optimum` return with ``mixed=False``, or anything positive.

        Returns
        -------
        (...) Dataset or DataArray
            0 where the laws agree, near 1 where their differences are all that is not known.
        """
        if isinstance(quantity, xr.Dataset):
            return quantity.map(between_share, args=(self.weights,))
        return between_share(quantity, self.weights)

    def between_text(self) -> str:
        """Share of the variance that lies between laws, as a sentence.

        Returns
        -------
        str
            Beyond the runs if all laws have an optimum, else at the best of the runs.
        """
        fits = list(self.fits.values())
        shares = []
        for drift in (True, False):
            if all(fitted.law.has_optimum for fitted in fits):
                budget = 10 * largest_budget(fits[0].draws)
                where = f"at {budget:.2g} FLOP, 10 times the largest run"
                values = self.optimum(budget, mixed=False, drift=drift)[["N_opt", "L_opt"]]
            else:
                runs = pd.concat([fitted.runs for fitted in fits], axis=1)
                runs = runs.loc[:, ~runs.columns.duplicated()]
                best, where = runs[fits[0].law.response].idxmin(), "at the best of the runs"
                values = self.predict(runs.loc[[best]], mixed=False, drift=drift)[["mean"]]
            shares.append(self.between(values).squeeze())
        whole, alone = shares
        texts = [f"{name} {float(whole[name]):.0%} ({float(alone[name]):.0%})" for name in whole]
        return (
            f"Share of the variance that lies between laws, {where}: {', '.join(texts)}. In "
            "brackets that of the laws without drift beyond their runs."
        )

    def document(self) -> Document:
        """What is printed of the comparison: the table, and what to mind.

        Returns
        -------
        Document
            What terminal and notebook show.
        """
        cases = self.scores.sizes["case"]
        return comparison_document(self.table, self.leave_out, cases, self.between_text())

    def __repr__(self) -> str:
        return to_text(self.document())

    def _repr_html_(self) -> str:
        return to_fragment(self.document())


def compare(
    laws: Sequence[Law],
    runs: pd.DataFrame | str | PathLike[str],
    *,
    leave_out: str = "run",
    likelihood: Likelihood | None = None,
    clusters: str | None = AUTO,
    sampling: Sampling = Sampling(),
    parallel: Parallel = Parallel(),
    random_seed: int | None = None,
) -> Comparison:
    """Fit laws to the same runs, compare how well they predict, and weigh them by it.

    Parameters
    ----------
    laws : sequence of Law
        Two or more, of one response. Their inputs may differ.
    runs : DataFrame or path
        Training runs, with every input of every law.
    leave_out : {"run", "cluster", "backtest"}
        What is left out and predicted: one run; one cluster of runs (a compute budget); or the
        larger runs, every cut counting equally.
    likelihood : Likelihood, optional
        As for `bayescale.fit`, the same for every law. By default the one that suits the law with
        the most parameters.
    clusters : str, optional
        As for `bayescale.fit`.
    sampling : Sampling
        How much to sample. Fits of a back-test have the defaults of `bayescale.fit`.
    parallel : Parallel
        File of rows, number of processes and progress bar, of refits and of the back-test.
    random_seed : int, optional
        Everything random follows from it. Without it, that of the rows in the file, if there are
        any; else drawn from the system. Kept with the result.

    Returns
    -------
    Comparison
        The fits, their scores and weights.

    Raises
    ------
    LawError
        If there are fewer than two laws, or they are not of one response.
    DataError
        If the table cannot be used, or has no clusters to leave out.

    References
    ----------
    Vehtari, Gelman and Gabry (2017), doi:10.1007/s11222-016-9696-4, for leaving out; Yao et al.
    (2018), doi:10.1214/17-BA1091, for the weights.

    Examples
    --------
    >>> import bayescale as bs
    >>> laws = [bs.models.LAWS[name] for name in ("coupled", "chinchilla", "kaplan_floor")]
    >>> bs.compare(laws, bs.datasets.load("pocket"), leave_out="cluster")  # doctest: +SKIP
    """
    check_laws(laws, leave_out)
    tables = {law.name: runs_for(law, runs) for law in laws}
    responses = [table[laws[0].response].to_numpy() for table in tables.values()]
    if not all(np.array_equal(responses[0], other) for other in responses):
        raise DataError(
            f"the laws {', '.join(tables)} read different runs of the table; expected the same. "
            "Drop the rows in which an input of any law is missing."
        )
    structures = [
        build_structure(law, tables[law.name], likelihood, clusters=clusters) for law in laws
    ]
    # One likelihood for every law, so that a difference in elpd is a difference of laws.
    usual = [structure.likelihood for structure in structures]
    chosen = likelihood or min(usual, key=lambda one: len(one.priors_for(laws[0].inputs)))
    if leave_out == "cluster":
        for structure in structures:
            require_clusters(structure, len(responses[0]))
    seed = seed_of_sweep(random_seed, parallel)
    options: dict[str, Any] = {"likelihood": chosen, "clusters": clusters, "random_seed": seed}
    fits, scores = {}, {}
    for law in laws:
        fits[law.name] = fitted = fit(law, tables[law.name], **options, **asdict(sampling))
        if leave_out == "run":
            scores[law.name] = loo_by_run(fitted)
        elif leave_out == "cluster":
            scores[law.name] = loo_by_cluster(fitted, parallel=parallel)
        else:
            scores[law.name] = scores_by_backtest(
                law, fitted.runs, chosen, clusters, parallel=parallel, random_seed=seed
            )
    aligned = align_scores(scores)
    weights = stacking_weights(aligned["elpd"], aligned["counts"])
    table = comparison_table(aligned, weights)
    table["trusted"] = [fits[name].verdict.trusted for name in table.index]
    return Comparison(leave_out, fits, aligned, weights, table, seed)
