"""Fit a law to runs."""

import json
from collections.abc import Callable, Mapping
from os import PathLike
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd

from bayescale.errors import LawError
from bayescale.fitting.record import Fit
from bayescale.fitting.refits import sample_carefully, shift_without
from bayescale.fitting.tree import assemble
from bayescale.inference.record import Sampling, Settings
from bayescale.inference.sample import SAMPLERS
from bayescale.inference.structure import build_structure, own_likelihood, with_learned_priors
from bayescale.likelihoods import STUDENT_T
from bayescale.posterior.loo import PARETO_K, influential_runs
from bayescale.runs.checks import DEPENDS, VAGUE, WRONG, Remark, check_runs
from bayescale.runs.read import runs_for
from bayescale.spec.law import AUTO, Law
from bayescale.spec.likelihood import Likelihood

FEW = 30
"""Runs below which what other studies teach is worth having."""


def fit(
    law: Law,
    runs: pd.DataFrame | str | PathLike[str],
    *,
    columns: Mapping[str, str] | None = None,
    likelihood: Likelihood | None = None,
    priors: Mapping[str, Any] | str | None = None,
    clusters: str | None = AUTO,
    groups: str | None = None,
    pool: Mapping[str, str] | str | None = None,
    draws: int = 1000,
    tune: int = 800,
    chains: int = 4,
    random_seed: int | None = None,
    target_accept: float | None = None,
    sampler: str = "auto",
    progress: bool | Callable[[list[Any]], None] = False,
) -> Fit:
    """Fit a law to runs.

    Parameters
    ----------
    law : Law
        From `bayescale.models`, or of your own.
    runs : DataFrame or path
        Training runs; what `bayescale.read_runs` takes.
    columns : mapping of str to str, optional
        From our name of a column to the table's, as for `bayescale.read_runs`.
    likelihood : Likelihood, optional
        How runs scatter (`bayescale.likelihoods`). By default what suits the law's response: for
        most laws a variance function, or one scale where there are too few runs for it.
    priors : mapping of str to prior, or "field", optional
        Replace priors of free or noise parameters, by name: distributions of `bayescale.priors`,
        frozen ones of scipy, those of PreliZ, or a `pymc_extras.prior.Prior`. ``"field"`` takes
        the joint prior that public studies teach, where the law has one: for few runs of language
        models (page "What the field knows").
    clusters : str, optional
        Column of runs that err together, to whose resampling the posterior is widened. ``"auto"``
        for the choice of the law: usually compute budgets, where the runs were made at a few of
        them. None to resample single runs.
    groups : str, optional
        Column that groups the runs; some laws have groups of their own.
    pool : mapping of str to str, or str, optional
        ``"shared"``, ``"separate"`` or ``"partial"``, for each free parameter or for all. By
        default the choice of the law, or partial.
    draws, tune, chains : int
        Draws per chain that are kept, draws per chain that are discarded before them, and chains.
        Where the draws turn out too correlated, four times as many are drawn and every fourth is
        kept.
    random_seed : int, optional
        Drawn from the system if not given, and kept with the fit.
    target_accept : float, optional
        A higher value takes smaller steps: slower, with fewer divergences. By default 0.9, and 0.99
        in a second try where trajectories diverged.
    sampler : str
        As for `bayescale.Sampling`: by default importance sampling, which compiles nothing, and
        NUTS where that is not good enough.
    progress : bool or callable
        Show a progress bar, or call this with the progress of the chains.

    Returns
    -------
    Fit
        The posterior, with law, runs and verdict.

    Raises
    ------
    DataError
        If the table cannot be used.
    LawError
        If a choice is unknown, if priors or pooling name a parameter that is not there, or there
        are no priors of that name.
    ConvergenceError
        If the log density is not finite where the chains would start.

    Examples
    --------
    >>> import bayescale as bs
    >>> fitted = bs.fit(bs.models.COUPLED, bs.datasets.load("pocket"))  # doctest: +SKIP
    """
    begun = perf_counter()
    if isinstance(priors, str):
        law, priors = with_learned_priors(law, priors), None
    sampling = Sampling(draws, tune, chains, sampler)
    seed = _check_choices(sampling, random_seed)
    settings = Settings(sampling, seed, target_accept, progress)
    table, chosen, remarks = _prepare_runs(law, runs, columns, likelihood)
    structure = build_structure(
        law, table, chosen, priors=priors, groups=groups, pool=pool, clusters=clusters
    )
    sampled = sample_carefully(SAMPLERS[sampler], structure, table, settings)
    fitted = Fit(structure, assemble(structure, table, sampled, settings))
    # Draws do not show what happens without a run of Pareto k above 1. Up to three such runs are
    # left out by refits; with more, the fit is not to be trusted anyway.
    rows = [row - 1 for row in influential_runs(fitted.loo, PARETO_K)]
    if 0 < len(rows) <= 3 and (structure.by is None or structure.own_groups):
        moved = np.full(len(table), np.nan)
        for row, shift in shift_without(fitted.draws, rows, SAMPLERS[sampler], settings).items():
            moved[row] = shift
        fitted = fitted.with_groups({"loo": fitted.loo.assign(moved=("run", moved))})
    remarks += _remarks_on(fitted, chosen=likelihood is not None)
    remarks.sort(key=lambda remark: remark.rank)
    # In place, so that what was computed for the remarks is not computed again.
    fitted.tree.attrs |= {
        "warnings": json.dumps([remark.text for remark in remarks if remark.rank != WRONG]),
        "wrong_numbers": json.dumps([remark.text for remark in remarks if remark.rank == WRONG]),
        "seconds": json.dumps({**sampled.seconds, "total": perf_counter() - begun}),
    }
    return fitted


def _check_choices(sampling: Sampling, random_seed: int | None) -> int:
    """Refuse choices that no fit can be made with; returns the seed, drawn if there is none."""
    total = sampling.draws * sampling.chains
    if total < 40:  # the tails behind Pareto k are fitted to a fifth of them
        raise LawError(
            f"{sampling.chains} chains of {sampling.draws} draws are {total} in all; expected at "
            "least 40, or convergence cannot be judged. Draw more."
        )
    if random_seed is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    if not 0 <= random_seed < 2**63:
        raise LawError(
            f"the random seed is {random_seed}; expected a whole number from 0 to 2^63 - 1. "
            "Take any small one."
        )
    return int(random_seed)


def _prepare_runs(
    law: Law,
    source: pd.DataFrame | str | PathLike[str],
    columns: Mapping[str, str] | None,
    likelihood: Likelihood | None,
) -> tuple[pd.DataFrame, Likelihood | None, list[Remark]]:
    """Runs to fit, the likelihood as far as it is chosen, and remarks on the table."""
    table = runs_for(law, source, columns=columns)
    parameters = sum(prior.coordinates for prior in law.priors.values())
    remarks = check_runs(
        table,
        inputs=[name for name in law.inputs if name in law.varying_inputs],
        response=law.response,
        parameters=parameters,
        law=law.name,
        sized=law.drift.size is None,
        kinds=law.kinds,
    )
    chosen = likelihood or own_likelihood(law, table)
    series = None if chosen is None else chosen.series
    if series is None or not {series.by, series.order} <= set(table):
        return table, chosen, [*remarks]
    # Of a curve, only rows that are far enough apart are fitted.
    kept = series.kept_rows(table, (*law.inputs, law.response))
    text = (
        f"{kept.sum()} of {len(table)} rows are fitted: of each {series.by} those that are "
        f"{series.apart:g} apart in {series.order}, and rows that branches have in common once; "
        "more rows would narrow the intervals without information. For other rows pass a "
        "likelihood."
    )
    thinned = [] if kept.all() else [Remark(VAGUE, text)]
    return table[kept].reset_index(drop=True), chosen, [*remarks, *thinned]


def _remarks_on(fitted: Fit, *, chosen: bool) -> list[Remark]:
    """Remarks on the likelihood, the priors and influential runs."""
    remarks, law, count = [], fitted.law, len(fitted.runs)
    if not chosen and fitted.likelihood is STUDENT_T:
        text = (
            f"few runs ({count}): their scatter is assumed to be the same everywhere, since a "
            "variance function needs more. Expect intervals that are somewhat too narrow."
        )
        remarks.append(Remark(VAGUE, text))
    if law.learned is not None and count < FEW:
        text = (
            f"few runs ({count}): if these are language models trained once over their tokens, "
            "priors='field' (--priors field) adds what public studies teach, and N_opt is known "
            "far better."
        )
        remarks.append(Remark(VAGUE, text))
    if law.plain is not None:
        text = (
            "the priors were learned from public studies of language models trained once over "
            "their tokens; a report says how much of the answer they make up."
        )
        remarks.append(Remark(DEPENDS, text))
    good_k = fitted.loo.attrs["good_k"]
    rows = influential_runs(fitted.loo, good_k)
    if rows:
        word, these = ("run", "it") if len(rows) == 1 else ("runs", "them")
        text = (
            f"{word} {', '.join(map(str, rows))} with Pareto k above {good_k:.2f}: "
            f"influential, so that elpd_loo is approximate. Look at {these}."
        )
        remarks.append(Remark(DEPENDS, text))
    return remarks
