"""A law fitted under every combination of choices that a reasonable person might have made.

How runs scatter, how wide the priors are, which runs count, what params means: each is an axis with
a few choices, and the law is fitted for every combination. If the answer depends on a choice, that
choice belongs beside the answer.
"""

from collections.abc import Mapping
from dataclasses import asdict
from itertools import product
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.errors import DataError, LawError
from bayescale.fitting.fit import fit
from bayescale.fitting.record import Fit
from bayescale.inference.record import Sampling
from bayescale.posterior.quantities import scalars
from bayescale.posterior.summary import interval
from bayescale.runs.read import digest, runs_for
from bayescale.spec.compute import SIX_ND
from bayescale.spec.law import AUTO, Law
from bayescale.validation.choices import LIKELIHOODS, Choice, prior_choices, run_choices
from bayescale.validation.sweep import ERROR, Parallel, seed_of_sweep, split_rows, sweep

STATISTICS = ("mean", "sd", "lower", "upper")
"""Coordinate ``statistic`` of a multiverse."""

TRUSTED, USED = "trusted", "runs_used"
"""Variables of a multiverse that are no quantity, besides the error."""

Axes = Mapping[str, Mapping[str, Choice]]


def multiverse(
    law: Law,
    runs: pd.DataFrame | str | PathLike[str],
    *,
    axes: Axes | None = None,
    flops: float | None = None,
    sampling: Sampling = Sampling(draws=500, tune=500),
    parallel: Parallel = Parallel(),
    random_seed: int | None = None,
) -> xr.Dataset:
    """Fit a law for every combination of choices.

    Parameters
    ----------
    law : Law
        What to fit.
    runs : DataFrame or path
        Training runs, as for `bayescale.fit`.
    axes : mapping of str to mapping of str to Choice, optional
        Choices by label, by axis (`bayescale.validation.choices`); `usual_axes` by default.
    flops : float, optional
        Compute budget in FLOP at which ``N_opt`` is computed, of the law without drift.
    sampling : Sampling
        How much to sample in each fit.
    parallel : Parallel
        File of rows, number of processes, progress bar.
    random_seed : int, optional
        Everything random follows from it. Without it, that of the rows in the file, if there are
        any; else drawn from the system. Kept with the result.

    Returns
    -------
    Dataset
        Each coefficient and derived quantity, and ``N_opt`` with a budget, along the axes and
        ``statistic`` (mean, sd and the ends of the interval of ArviZ's settings); ``trusted`` and
        ``runs_used`` along the axes. What could not be fitted is nan, and ``error`` gives the
        reason. Budget and seed are attributes, ``flops`` and ``random_seed``.

    Raises
    ------
    LawError
        If an axis has no choices, or the name of a quantity.
    DataError
        If the table cannot be used, or no specification could be fitted.

    Examples
    --------
    >>> import bayescale as bs
    >>> bs.multiverse(bs.models.COUPLED, bs.datasets.load("pocket"), flops=1e14)  # doctest: +SKIP
    """
    table, seed = runs_for(law, runs), seed_of_sweep(random_seed, parallel)
    if axes is None:
        axes = usual_axes(fit(law, table, draws=500, tune=500, random_seed=seed))
    reserved = {*law.quantity_labels, "statistic", TRUSTED, USED, ERROR}
    for name, choices in axes.items():
        if name in reserved or not choices:
            raise LawError(
                f"the axis {name!r} has {len(choices)} choices; expected one at least, and a name "
                f"that is none of {', '.join(sorted(reserved))}. Rename or fill it."
            )
    options = {"law": law, "runs": table, "flops": flops, "sampling": sampling}
    title = f"{law.name}, {digest(table)[:12]}, {flops}, {sampling}"
    tasks = []
    for labels in product(*axes.values()):
        chosen = tuple(axes[axis][label] for axis, label in zip(axes, labels, strict=True))
        tasks.append((f"{title}: {' | '.join(labels)}", {**options, "choices": chosen}))
    rows = sweep(_fit_specification, tasks, parallel=parallel, random_seed=seed)
    attrs = {"random_seed": seed} | ({} if flops is None else {"flops": flops})
    return _along_axes(rows, axes).assign_attrs(attrs)


def usual_axes(fit: Fit) -> Axes:
    """Scatter, priors and runs: what `multiverse` varies by default.

    Parameters
    ----------
    fit : Fit
        Of the law to all runs; it shows which runs are worst, and which budgets matter most.
    """
    return {
        "likelihood": LIKELIHOODS,
        "priors": prior_choices(fit.law),
        "runs": run_choices(fit),
    }


def _fit_specification(
    law: Law,
    runs: pd.DataFrame,
    choices: tuple[Choice, ...],
    flops: float | None,
    sampling: Sampling,
    random_seed: int,
) -> dict[str, Any]:
    """Fit one combination of choices; `STATISTICS` of each quantity."""
    for choice in choices:
        runs = runs if choice.runs is None else choice.runs(runs)
    fewest = 3 * len(law.coefficient_labels)  # below which `fit` warns, too
    if len(runs) < fewest:
        raise DataError(
            f"the choices leave {len(runs)} runs; expected {fewest} or more. Leave out fewer."
        )
    options: dict[str, Any] = {"clusters": AUTO, **asdict(sampling)}
    for choice in choices:
        options |= choice.options
    fitted = fit(law, runs.reset_index(drop=True), random_seed=random_seed, **options)
    reported = fitted.posterior[[*law.coefficient_names, *law.derived]]
    if flops is not None:
        cost = next((choice.cost for choice in choices if choice.cost), SIX_ND)
        optimum = fitted.optimum(flops, cost=cost, drift=False)
        reported = reported.assign(N_opt=optimum["N_opt"].isel(budget=0, drop=True))
    statistics = {}
    for name, quantity in reported.items():
        for label, draws in scalars(quantity, str(name)):
            numbers = (draws.mean(), draws.std(ddof=1), *interval(draws))
            statistics[label] = [float(number) for number in numbers]
    return {TRUSTED: fitted.verdict.trusted, USED: len(fitted.runs), "quantities": statistics}


def _along_axes(rows: pd.DataFrame, axes: Axes) -> xr.Dataset:
    """Rows of all combinations as arrays along the axes."""
    good, _ = split_rows(rows, "specification")
    dims, shape = tuple(axes), tuple(len(choices) for choices in axes.values())
    coords = {name: list(choices) for name, choices in axes.items()}
    names = list(good["quantities"].iloc[0])
    missing = {name: [np.nan] * len(STATISTICS) for name in names}
    filled = [row if isinstance(row, dict) else missing for row in rows["quantities"]]
    values = {
        name: ((*dims, "statistic"), np.reshape([row[name] for row in filled], (*shape, -1)))
        for name in names
    }
    errors = [error if isinstance(error, str) else "" for error in rows[ERROR]]
    kept = {
        TRUSTED: (dims, (rows[TRUSTED] == True).to_numpy().reshape(shape)),  # noqa: E712
        USED: (dims, rows[USED].to_numpy(dtype="float64").reshape(shape)),
        ERROR: (dims, np.reshape(errors, shape)),
    }
    return xr.Dataset({**values, **kept}, {**coords, "statistic": list(STATISTICS)})
