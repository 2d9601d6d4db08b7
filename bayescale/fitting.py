"""A law fitted to runs: the posterior with everything needed to use it, check it and keep it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from os import PathLike
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pymc as pm
import xarray as xr

from bayescale import allocation, diagnosis, prediction, sampling
from bayescale.checking import check_runs
from bayescale.diagnosis import Verdict
from bayescale.draws import ROLES
from bayescale.errors import LawError
from bayescale.flops import SIX_ND, Cost
from bayescale.grouping import grouping_of
from bayescale.influence import case_likelihood, cases_by, moved_without, resampled
from bayescale.law import FOUND, Law
from bayescale.likelihood import (
    Likelihood,
    LikelihoodFactory,
    normal,
    student_t,
)
from bayescale.model import build_model
from bayescale.priors import Prior
from bayescale.resampling import sample_carefully
from bayescale.runs import runs_for
from bayescale.sampling import Settings
from bayescale.structure import Structure, observed_name, structure, usual_likelihood
from bayescale.trees import assemble, predictive_groups, prior_groups, runs_of, stage_tree

if TYPE_CHECKING:
    from bayescale.findings import Diagnosis

MOST_LEFT_OUT = 3
"""Runs that are left out in earnest where their Pareto k is too large."""
FEWEST_DRAWS = 40
"""Of all chains together: the tails behind Pareto k are fitted to a fifth of them."""


@dataclass(frozen=True, eq=False, repr=False)
class Fit:
    """A posterior with its law, its runs and its verdict.

    Made by `fit` and by `load`.

    Parameters
    ----------
    structure : Structure
        Law, likelihood, priors and grouping.
    tree : DataTree
        Groups ``posterior``, ``sample_stats``, ``log_likelihood``, ``observed_data``,
        ``constant_data`` as ArviZ expects them, and ``loo`` and ``runs``. Dims are ``chain``,
        ``draw``, ``run`` and the grouping's own name. Every ArviZ function takes it.
    """

    structure: Structure
    tree: xr.DataTree

    @property
    def law(self) -> Law:
        """The law."""
        return self.structure.law

    @property
    def likelihood(self) -> Likelihood:
        """How runs scatter about it."""
        return self.structure.likelihood

    @cached_property
    def posterior(self) -> xr.Dataset:
        """Draws of coefficients, derived quantities, noise and free parameters."""
        return self.tree["posterior"].to_dataset()

    @cached_property
    def runs(self) -> pd.DataFrame:
        """The table of runs, in standard columns."""
        return runs_of(self.tree)

    @cached_property
    def stage(self) -> "Fit":
        """The law of an input, as a fit of its own: all that a fit can be asked for."""
        made = self.structure.stage
        if made is None:
            raise LawError(
                f"law {self.law.name!r} has no stage; expected a law that has one for an input. "
                "Ask the fit itself."
            )
        return Fit(made, stage_tree(self.tree, made))

    @property
    def log_likelihood(self) -> xr.DataArray:
        """Log likelihood of each run at each draw, (chain, draw, run); with that of a stage."""
        each = self.tree["log_likelihood"].to_dataset()
        return prediction.of_runs(each).rename(observed_name(self.structure))

    @cached_property
    def case_likelihood(self) -> xr.DataArray:
        """Log likelihood of what errs on its own; see `bayescale.influence.case_likelihood`."""
        return case_likelihood(self)

    @cached_property
    def extrapolation(self) -> xr.Dataset:
        """How wrong the law is a decade beyond the runs; see `bayescale.extrapolation`."""
        return self.tree["extrapolation"].to_dataset()

    @property
    def model(self) -> pm.Model:
        """The PyMC model, made anew from law, likelihood and runs."""
        return build_model(self.structure, self.runs)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is doubtful about the table, and about the fit apart from convergence."""
        return tuple(json.loads(self.tree.attrs["warnings"]))

    @property
    def seconds(self) -> dict[str, float]:
        """Time spent: compile, sample, total."""
        return dict(json.loads(self.tree.attrs["seconds"]))

    @property
    def random_seed(self) -> int:
        """The seed that the draws follow from."""
        return int(self.tree.attrs["random_seed"])

    @property
    def loo(self) -> xr.Dataset:
        """Leave-one-out predictive density: ``elpd`` and ``se`` in its attributes."""
        return self.tree["loo"].to_dataset()

    @cached_property
    def verdict(self) -> Verdict:
        """Whether to trust the draws, and why not."""
        return diagnosis.convergence(
            self.posterior[[name for name in self.posterior if name not in self.law.derived]],
            self.tree["sample_stats"].to_dataset(),
            self.loo,
        )

    def summary(
        self, of: xr.Dataset | Sequence[str] | None = None, *, by: str | None = None
    ) -> pd.DataFrame:
        """Mean, sd, interval, honesty ratio and convergence, a row for each quantity.

        Parameters
        ----------
        of : Dataset or sequence of str, optional
            Anything computed from this fit draw by draw, such as an optimum; or names in
            ``tree["posterior"]``. Coefficients, derived quantities and noise by default.
        by : str, optional
            What honesty resamples: ``"run"`` or ``"cluster"``. By default clusters, where there are
            enough of them (`bayescale.influence.resampled`).

        Returns
        -------
        DataFrame
            The interval's kind and mass stand in its columns' names and follow ArviZ's settings.
            ``honesty`` above 1.3 says that the interval is too narrow; ``honest_lb`` and
            ``honest_ub`` are then a wider one.
        """
        cases = cases_by(self, by or resampled(self))
        if isinstance(of, xr.Dataset):
            return diagnosis.summary_table(of, cases)
        chosen = self._default_names() if of is None else list(of)
        unknown = [name for name in chosen if name not in self.posterior]
        if unknown:
            raise LawError(
                f"the posterior has no {unknown}; expected names among {list(self.posterior)}. "
                "Choose from these."
            )
        return diagnosis.summary_table(self.posterior[chosen], cases)

    def diagnose(self) -> "Diagnosis":
        """What the runs do not tell, and what the answer hangs on; `bayescale.findings`."""
        from bayescale.findings import diagnose

        return diagnose(self)

    def _default_names(self) -> list[str]:
        return [str(n) for n, values in self.posterior.items() if values.attrs["role"] in ROLES]

    def predict(
        self,
        points: pd.DataFrame | Mapping[str, Any],
        *,
        random_seed: int | None = None,
        cost: Cost = SIX_ND,
        extrapolate: bool = True,
    ) -> xr.Dataset:
        """Response at new points; see `bayescale.prediction.predict`."""
        return prediction.predict(
            self, points, random_seed=random_seed, cost=cost, extrapolate=extrapolate
        )

    def optimum(
        self, flops: Any, *, cost: Cost = SIX_ND, extrapolate: bool = True, **given: Any
    ) -> xr.Dataset:
        """Best split of compute budgets; see `bayescale.allocation.optimum`."""
        return allocation.optimum(self, flops, cost=cost, extrapolate=extrapolate, **given)

    def roll_forward(self, **options: Any) -> "Fit":
        """The fit with its extrapolation updated by its own runs; `bayescale.rolling`."""
        from bayescale.rolling import roll_forward

        return roll_forward(self, **options)

    def with_prior(self, draws: int = 500, *, random_seed: int | None = None) -> "Fit":
        """The fit with ``prior`` and ``prior_predictive`` in its tree, for ArviZ's plots of them.

        Parameters
        ----------
        draws : int
            Draws of the prior.
        random_seed : int, optional
            The fit's own by default.
        """
        seed = self.random_seed if random_seed is None else random_seed
        return self._with(prior_groups(self.structure, self.runs, draws, seed))

    def with_predictive(self, *, random_seed: int | None = None) -> "Fit":
        """The fit with ``posterior_predictive`` in its tree: the runs, drawn anew."""
        seed = self.random_seed if random_seed is None else random_seed
        return self._with(predictive_groups(self.structure, self.posterior, self.runs, seed))

    def _with(self, groups: Mapping[str, xr.Dataset]) -> "Fit":
        tree = self.tree.assign({name: xr.DataTree(group) for name, group in groups.items()})
        return replace(self, tree=tree)

    def save(self, path: str | PathLike[str]) -> None:
        """Write to ``.zarr`` or ``.nc``; see `bayescale.storage.save`."""
        from bayescale.storage import save

        save(self, path)

    def __repr__(self) -> str:
        from bayescale.display import fit_text

        return fit_text(self)

    def _repr_html_(self) -> str:
        from bayescale.display import fit_html

        return fit_html(self)


def fit(
    law: Law,
    runs: pd.DataFrame | str | PathLike[str],
    *,
    likelihood: LikelihoodFactory | None = None,
    priors: Mapping[str, Prior] | None = None,
    clusters: str | None = FOUND,
    by: str | None = None,
    pool: Mapping[str, str] | str | None = None,
    draws: int = 1000,
    tune: int = 800,
    chains: int = 4,
    random_seed: int | None = None,
    target_accept: float | None = None,
    sampler: str = "nutpie",
    progress: bool | Callable[[list[Any]], None] = False,
) -> Fit:
    """Fit a law to runs.

    Parameters
    ----------
    law : Law
        From `bayescale.models`, or of your own.
    runs : DataFrame or path
        Training runs; what `bayescale.read_runs` takes.
    likelihood : callable, optional
        How runs scatter (`bayescale.likelihood`). By default what suits the law's response: for
        most a variance function, or one scale where the runs are too few for it.
    priors : mapping of str to Prior, optional
        Replace priors of free or noise parameters, by name.
    clusters : str, optional
        Column of the runs that err together (`bayescale.clusters`); by default what the law says,
        compute budgets as a rule, where the runs were made at a few of them. None takes every run
        for itself.
    by : str, optional
        Column that groups the runs; some laws bring one of their own.
    pool : mapping of str to str, or str, optional
        ``"shared"``, ``"separate"`` or ``"partial"``, for each free parameter or for all; where
        nothing is said as the law has it, or partial.
    draws, tune, chains : int
        Draws a chain that are kept, that are thrown away first, and chains. Where these draws turn
        out to be too much alike, they are drawn anew four times as long, and every fourth is kept.
    random_seed : int, optional
        Drawn from the system when not given, and kept with the fit.
    target_accept : float, optional
        Higher takes smaller steps: slower, fewer divergences. By default 0.9, and where
        trajectories diverge the sampling is done anew with 0.99.
    sampler : str
        ``"nutpie"``, or ``"pymc"``, ``"numpyro"`` for `pm.sample` with that sampler.
    progress : bool or callable
        Show a progress bar, or be called with each chain's progress.

    Returns
    -------
    Fit

    Raises
    ------
    DataError
        If the table cannot be used.
    LawError
        If priors or pooling name what is not there.

    Examples
    --------
    >>> import bayescale as bs
    >>> fitted = bs.fit(bs.models.COUPLED, bs.datasets.load("pocket"))  # doctest: +SKIP
    """
    begun = perf_counter()
    settings = Settings(
        draws=draws,
        tune=tune,
        chains=chains,
        random_seed=_seed(random_seed),
        target_accept=target_accept,
        progress=progress,
    )
    _check_enough(settings)
    table, doubts = _read(law, runs)
    by = grouping_of(law, by)
    chosen = likelihood or usual_likelihood(law, table, clusters, by)
    table, left = _taken(chosen(law.inputs), law, table)
    doubts.extend(left)
    if likelihood is None and chosen in (student_t, normal):
        doubts.append(
            f"few runs ({len(table)}): they are taken to scatter alike everywhere, since a "
            "variance function needs more. Expect intervals that are somewhat too narrow."
        )
    made = structure(
        law, chosen(law.inputs), table, priors=priors, by=by, pool=pool, clusters=clusters
    )
    drawn = sample_carefully(_sampler(sampler), made, table, settings)
    fitted = Fit(made, assemble(made, table, drawn, settings))
    if by is None or made.own_groups:
        fitted = _left_out(fitted, _sampler(sampler), settings)
    return _finish(fitted, doubts, perf_counter() - begun, drawn.seconds)


def _read(law: Law, source: pd.DataFrame | str | PathLike[str]) -> tuple[pd.DataFrame, list[str]]:
    """Runs as the law wants them, and what is doubtful about them."""
    table = runs_for(law, source)
    # A simplex has one number less to find than it has parts.
    parameters = sum(
        max(len(prior.parts), 1) - (prior.distribution is pm.Dirichlet)
        for prior in law.priors.values()
    )
    doubts = check_runs(
        table,
        inputs=[name for name in law.inputs if name in law.varying],
        response=law.response,
        parameters=parameters,
        law=law.name,
        sized=law.size is None,
        scales=law.scales,
    )
    return table, list(doubts)


def _taken(likelihood: Likelihood, law: Law, table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Rows that the likelihood takes, and what is to be said of the others."""
    series = likelihood.series
    if series is None or not {series.by, series.order} <= set(table):
        return table, []
    taken = series.taken(table, (*law.inputs, law.response))
    if taken.all():
        return table, []
    return table[taken].reset_index(drop=True), [
        f"{taken.sum()} of {len(table)} rows are fitted: of each {series.by} those that are "
        f"{series.apart:g} apart in {series.order}, and what branches have in common once; more "
        "would narrow the intervals and tell nothing. For other rows pass a likelihood."
    ]


def _seed(given: int | None) -> int:
    if given is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    if not 0 <= given < 2**63:
        raise LawError(
            f"the random seed is {given}; expected a whole number from 0 to 2^63 - 1. "
            "Take any small one."
        )
    return int(given)


def _check_enough(settings: Settings) -> None:
    total = settings.draws * settings.chains
    if total < FEWEST_DRAWS:
        raise LawError(
            f"{settings.chains} chains of {settings.draws} draws are {total} in all; expected at "
            f"least {FEWEST_DRAWS}, or convergence cannot be judged. Draw more."
        )


def _sampler(name: str) -> sampling.Sampler:
    if name not in sampling.SAMPLERS:
        raise LawError(
            f"unknown sampler {name!r}; expected one of {', '.join(sampling.SAMPLERS)}. "
            "Choose one of these."
        )
    return sampling.SAMPLERS[name]


def _left_out(fitted: Fit, sampler: sampling.Sampler, settings: Settings) -> Fit:
    """The fit with how far the law moves without each run that its draws cannot speak for.

    A Pareto k above 1 says that these draws do not tell what happens without the run. A few such
    runs are really left out; where there are many, the fit is not to be trusted anyway.
    """
    rows = [row - 1 for row in diagnosis.runs_above(fitted.loo, diagnosis.PARETO_K)]
    if not 0 < len(rows) <= MOST_LEFT_OUT:
        return fitted
    moved = np.full(fitted.loo.sizes["run"], np.nan)
    for row, change in moved_without(fitted, rows, sampler, settings).items():
        moved[row] = change
    return fitted._with({"loo": fitted.loo.assign(moved=("run", moved))})


def _finish(fitted: Fit, doubts: list[str], total: float, seconds: Mapping[str, float]) -> Fit:
    """Add what only shows once there are draws: dishonest intervals, and the time it took."""
    narrow, what = diagnosis.flagged(fitted.summary()), resampled(fitted)
    if narrow:
        doubts.append(
            f"intervals of {', '.join(narrow)} are narrower than resampling the {what}s would give "
            f"(honesty above {diagnosis.HONEST}). Read honest_lb and honest_ub instead."
        )
    influential = diagnosis.runs_above(fitted.loo, fitted.loo.attrs["good_k"])
    if influential:
        doubts.append(
            f"{'run' if len(influential) == 1 else 'runs'} {', '.join(map(str, influential))} with "
            f"Pareto k above {fitted.loo.attrs['good_k']:.2f}: influential, so that elpd_loo is "
            "approximate. Look there."
        )
    tree = fitted.tree.copy()
    tree.attrs |= {
        "warnings": json.dumps(doubts),
        "seconds": json.dumps({**seconds, "total": total}),
    }
    return replace(fitted, tree=tree)
