"""A fitted law: its posterior, with everything that is needed to use, check and keep it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from os import PathLike
from typing import Any

import pandas as pd
import xarray as xr

from bayescale.documents.document import Document
from bayescale.documents.html import to_fragment
from bayescale.documents.text import to_text
from bayescale.fitting.answer import FittedDraws
from bayescale.fitting.display import fit_document, how_drawn
from bayescale.fitting.own_runs import worse_than_closest
from bayescale.fitting.tree import predictive_groups, prior_groups, runs_of, split_stage
from bayescale.fitting.tree_files import save_tree
from bayescale.inference.structure import Structure, observed_name
from bayescale.posterior.convergence import Verdict, convergence
from bayescale.posterior.draws import Draws
from bayescale.posterior.jackknife import case_log_likelihood
from bayescale.posterior.optimum import optimum
from bayescale.posterior.pointwise import per_run
from bayescale.posterior.predict import predict
from bayescale.posterior.summary import select_quantities, summary_table
from bayescale.spec.compute import SIX_ND, Cost
from bayescale.spec.law import Law
from bayescale.spec.likelihood import Likelihood


@dataclass(frozen=True, eq=False, repr=False)
class Fit:
    """A posterior with its law, its runs and its verdict, from `bayescale.fit` or `bayescale.load`.

    Parameters
    ----------
    structure : Structure
        Law, likelihood, priors and groups, and the clusters that resampling draws.
    tree : DataTree
        Groups ``posterior``, ``sample_stats``, ``log_likelihood``, ``observed_data`` and
        ``constant_data``, for every ArviZ function, and ``model_posterior``, ``drift``, ``loo`` and
        ``runs``. Dims are ``chain``, ``draw``, ``run`` and the column of groups.
    """

    structure: Structure
    tree: xr.DataTree

    law = cached_property[Law](lambda fit: fit.structure.law)
    """The law."""
    likelihood = cached_property[Likelihood](lambda fit: fit.structure.likelihood)
    """How runs scatter about the law."""
    posterior = cached_property[xr.Dataset](lambda fit: fit.tree["posterior"].to_dataset())
    """Draws of coefficients, derived quantities, noise and free parameters, as wide as resampling
    would make them (`bayescale.posterior.widening`)."""
    runs = cached_property[pd.DataFrame](lambda fit: runs_of(fit.tree))
    """The table of runs, in standard columns."""
    draws = cached_property[Draws](lambda fit: Draws(fit.structure, fit.posterior, fit.runs))
    """The posterior with its structure and its runs."""
    drift = cached_property[xr.Dataset](lambda fit: fit.tree["drift"].to_dataset())
    """How wrong the law is beyond its runs, draw by draw; see `bayescale.posterior.drift`."""
    loo = cached_property[xr.Dataset](lambda fit: fit.tree["loo"].to_dataset())
    """Leave-one-out cross-validation by run; ``elpd`` and ``se`` are in its attributes."""
    warnings = cached_property[tuple[str, ...]](
        lambda fit: tuple(json.loads(fit.tree.attrs["warnings"]))
    )
    """Remarks on runs and fit apart from convergence, in order of what they change."""
    seconds = cached_property[dict[str, float]](lambda fit: json.loads(fit.tree.attrs["seconds"]))
    """Time spent: compile, sample, total."""
    random_seed = cached_property[int](lambda fit: int(fit.tree.attrs["random_seed"]))
    """The seed from which the draws follow."""
    stage = cached_property["Fit"](lambda fit: Fit(*split_stage(fit.structure, fit.tree)))
    """The law of an input, as a fit of its own; LawError if the law has no stage."""
    as_modelled = cached_property["Fit"](
        lambda fit: fit.with_groups({"posterior": fit.tree["model_posterior"].to_dataset()})
    )
    """The fit with the draws of its model as it stands, before they were widened."""

    @property
    def log_likelihood(self) -> xr.DataArray:
        """Log likelihood of each run, (chain, draw, run), its stage's included."""
        whole = per_run(self.tree["log_likelihood"].to_dataset())
        return whole.rename(observed_name(self.structure))

    def case_log_likelihood(self, unit: str | None = None) -> xr.DataArray:
        """Log likelihood of the cases that resampling would draw.

        Parameters
        ----------
        unit : {"run", "cluster"}, optional
            By default clusters, where there are enough of them.

        Returns
        -------
        (chain, draw, case) DataArray
            With dim ``run`` or ``cluster``: each cluster, then each run in none.
        """
        return case_log_likelihood(self.draws, self.log_likelihood, unit)

    @property
    def model(self) -> Any:
        """The `pm.Model`, built from law, likelihood and runs."""
        from bayescale.inference import model

        return model.build_model(self.structure, self.runs)

    @cached_property
    def verdict(self) -> Verdict:
        """Whether to trust the fit, and the reasons against it: its numbers, then its draws."""
        judged = self.as_modelled.posterior.drop_vars(list(self.law.derived))
        stats = self.tree["sample_stats"].to_dataset()
        of_draws = convergence(judged, stats, self.loo, worse_than_closest(self.as_modelled.draws))
        wrong = json.loads(self.tree.attrs.get("wrong_numbers", "[]"))
        return Verdict((*(f"numbers: {text}" for text in wrong), *of_draws.reasons))

    def summary(
        self,
        of: xr.Dataset | Sequence[str] | None = None,
        *,
        all: bool = False,
    ) -> pd.DataFrame:
        """Mean, sd, interval and convergence, a row for each quantity.

        Parameters
        ----------
        of : Dataset or sequence of str, optional
            Quantities computed from this fit draw by draw, such as an optimum; or names of
            variables of the posterior, by default coefficients and derived quantities.
        all : bool
            Also the parameters of scatter and groups.

        Returns
        -------
        DataFrame
            Columns of the interval are named for its kind and mass, by ArviZ's settings. Variables
            of the posterior also have ``widened``: their standard deviation over the model's own.

        Raises
        ------
        LawError
            If the posterior has no such variable.
        """
        if isinstance(of, xr.Dataset):
            return summary_table(of)
        chosen = select_quantities(self.posterior, of, all)
        return summary_table(chosen, self.as_modelled.posterior[list(chosen)])

    def predict(
        self,
        points: pd.DataFrame | Mapping[str, Any],
        *,
        random_seed: int | None = None,
        cost: Cost = SIX_ND,
        drift: bool = True,
    ) -> xr.Dataset:
        """Response at new points: expected by the law, and of one new run.

        Parameters
        ----------
        points : DataFrame or mapping of columns
            The law's inputs, where two of params, tokens and flops give the third, and the column
            of groups: a new group is drawn from their population. A stage may give an input.
        random_seed : int, optional
            For the scatter of new runs; the fit's own by default.
        cost : Cost
            Ties params, tokens and flops together.
        drift : bool
            Widen predictions beyond the runs by as much as laws are wrong there.

        Returns
        -------
        Dataset
            ``mean`` and ``new_run``, each (chain, draw, point), in the response's unit, with the
            inputs and ``decades_beyond_runs`` as coordinates of ``point``.

        Raises
        ------
        DataError
            If a column is missing, a value cannot be used, or a group is new and none is pooled.
        """
        shifts = self.drift if drift else None
        seed = self.random_seed if random_seed is None else random_seed
        return predict(self.draws, points, drift=shifts, random_seed=seed, cost=cost)

    def optimum(
        self,
        flops: float | Sequence[float],
        *,
        at: Mapping[str, float] | None = None,
        cost: Cost = SIX_ND,
        drift: bool = True,
    ) -> xr.Dataset:
        """Best split of each compute budget between parameters and tokens, one for each draw.

        Parameters
        ----------
        flops : float or sequence of float
            Compute budgets in FLOP, as `cost` counts them.
        at : mapping of str to float, optional
            The law's extra inputs, such as ``{"unique_tokens": 25e9}``.
        cost, drift : Cost and bool
            As for `predict`.

        Returns
        -------
        Dataset
            ``N_opt``, ``D_opt``, ``tokens_per_param``, ``L_opt`` (the law's response) and further
            quantities, each (chain, draw, budget), with ``decades_beyond_runs`` of each budget.

        Raises
        ------
        LawError, DataError
            If the law has no optimum on a budget; if a budget or an extra input is no valid number.
        """
        shifts = self.drift if drift else None
        return optimum(self.draws, flops, drift=shifts, at=at, cost=cost)

    def with_prior(self, draws: int = 500, *, random_seed: int | None = None) -> "Fit":
        """Add ``prior`` and ``prior_predictive`` to the tree, for ArviZ's plots of them.

        Parameters
        ----------
        draws, random_seed : int, optional
            How many draws of the prior, and their seed: by default the fit's own.

        Returns
        -------
        Fit
            With the two groups.
        """
        seed = self.random_seed if random_seed is None else random_seed
        return self.with_groups(prior_groups(self.structure, self.runs, draws, seed))

    def with_predictive(self, *, random_seed: int | None = None) -> "Fit":
        """Add ``posterior_predictive`` to the tree: replicates of the runs.

        Parameters
        ----------
        random_seed : int, optional
            The fit's own by default.

        Returns
        -------
        Fit
            With the group.
        """
        seed = self.random_seed if random_seed is None else random_seed
        return self.with_groups(predictive_groups(self.as_modelled.draws, seed))

    def with_groups(self, groups: Mapping[str, xr.Dataset]) -> "Fit":
        """Add groups to the tree, or replace them.

        Parameters
        ----------
        groups : mapping of str to Dataset
            By name.

        Returns
        -------
        Fit
            With the groups.
        """
        tree = self.tree.assign({name: xr.DataTree(group) for name, group in groups.items()})
        return replace(self, tree=tree)

    def save(self, path: str | PathLike[str]) -> None:
        """Write to a ``.nc`` file, from which `bayescale.load` reads it.

        Parameters
        ----------
        path : path
            A saved fit at this path is replaced, once the new one is complete.

        Raises
        ------
        DataError
            If the file has another ending, the folder does not exist, or the disk refuses it.
        """
        save_tree(self.tree, path)

    @property
    def fitted_draws(self) -> FittedDraws:
        """Everything that the answer of the fit is computed from."""
        return FittedDraws(self.draws, self.drift, self.verdict, self.random_seed)

    def document(
        self,
        *,
        title: str = "",
        flops: Sequence[float] | None = None,
        at: Mapping[str, float] | None = None,
        all: bool = False,
    ) -> Document:
        """Document of the fit: the answer, the verdict, the coefficients.

        Parameters
        ----------
        title : str
            Printed above it.
        flops, at : sequence of float and mapping of str to float, optional
            Compute budgets in FLOP, and the law's extra inputs, to answer for.
        all : bool
            Also the parameters of scatter and groups.

        Returns
        -------
        Document
            As ``repr`` prints it and a notebook shows it.
        """
        about = (self.fitted_draws, self.summary(all=all), self.warnings, how_drawn(self.tree))
        return fit_document(*about, title=title, flops=flops, at=at)

    def __repr__(self) -> str:
        return to_text(self.document())

    def _repr_html_(self) -> str:
        return to_fragment(self.document())
