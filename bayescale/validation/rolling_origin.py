"""Learn from the runs themselves how wrong the law is beyond them.

The law is fitted below several cuts, and its errors above each cut show its drift in this study.
That makes the prior of `bayescale.posterior.drift` narrower where the law predicts well, and wider
where it does not.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from bayescale.errors import DataError, LawError
from bayescale.fitting.fit import fit as fit_law
from bayescale.fitting.record import Fit
from bayescale.posterior.drift import (
    PROPOSALS,
    draw_tau,
    drift_slope,
    reweighted_tau,
    run_sizes,
)
from bayescale.spec.law import Law
from bayescale.spec.likelihood import Likelihood
from bayescale.validation.sweep import DOUBT, Parallel, split_rows, sweep


def update_drift(
    fit: Fit,
    *,
    cuts: Sequence[float] = (0.4, 0.5, 0.6, 0.7, 0.8),
    parallel: Parallel = Parallel(),
) -> Fit:
    """Update the drift of a fit by back-tests on its own runs.

    Parameters
    ----------
    fit : Fit
        Of ungrouped runs.
    cuts : sequence of float
        Quantiles of compute (of the product of the inputs, for laws without params and tokens):
        runs up to one are fitted, those above it show the drift. Cuts that leave too few runs on
        a side are left out.
    parallel : Parallel
        File of rows, number of processes, progress bar.

    Returns
    -------
    Fit
        The same posterior. ``Fit.drift`` has new draws of ``tau`` and ``drift``, (chain, draw), and
        the slopes that they come from in its attribute ``slopes``. The drift of the optimal split
        is unchanged: few tables show it.

    Raises
    ------
    LawError
        If the runs are grouped.
    DataError
        If no cut leaves enough runs on both sides, or no fit below a cut succeeds.

    Examples
    --------
    >>> update_drift(fitted).optimum(1e24)  # doctest: +SKIP
    """
    if fit.structure.by is not None:
        raise LawError(
            f"the runs are grouped by {fit.structure.by!r}; expected ungrouped ones to update the "
            "drift. Fit one group at a time."
        )
    clusters = fit.structure.clusters
    options = {
        "law": fit.law,
        "likelihood": fit.likelihood,
        "clusters": clusters.saved if clusters else None,
    }
    size = run_sizes(fit.law, fit.runs)
    # Runs for each number of the law below a cut, and runs above it.
    fewest, fewest_larger = 3 * len(fit.law.coefficient_labels), 6
    tasks = []
    for cut in cuts:
        larger = size > np.quantile(size, cut)
        enough = (~larger).sum() >= fewest and larger.sum() >= fewest_larger
        # Where the largest run is nearer than 0.05 decades, a slope is only noise.
        if enough and np.log10(size.max() / size[~larger].max()) > 0.05:
            parts = {"known": fit.runs[~larger], "larger": fit.runs[larger]}
            tasks.append((f"{cut:g}", {**options, **parts}))
    if not tasks:
        raise DataError(
            f"none of the cuts {tuple(cuts)} leaves {fewest} runs to fit and {fewest_larger} "
            f"larger ones of {len(fit.runs)}; expected one that does. Add runs, or keep the prior."
        )
    rows = sweep(_fit_slope, tasks, parallel=parallel, random_seed=fit.random_seed)
    good, _ = split_rows(rows, "fit below a cut")
    return _with_slopes(fit, rows.loc[good.index])


def _fit_slope(
    law: Law,
    likelihood: Likelihood,
    clusters: str | None,
    known: pd.DataFrame,
    larger: pd.DataFrame,
    random_seed: int,
) -> dict[str, Any]:
    """Slope of the error above a cut, and its variance."""
    fitted = fit_law(law, known, likelihood=likelihood, clusters=clusters, random_seed=random_seed)
    slope, variance = drift_slope(fitted.draws, larger.reset_index(drop=True))
    return {"slope": slope, "variance": variance, DOUBT: " ".join(fitted.verdict.reasons)}


def _with_slopes(fit: Fit, rows: pd.DataFrame) -> Fit:
    """The fit with a drift that follows from slopes of back-tests."""
    before = fit.drift
    rng = np.random.default_rng(fit.random_seed)
    shape = (before.sizes["chain"], before.sizes["draw"])
    prior = draw_tau(fit.draws, (shape[0] * shape[1] * PROPOSALS,), rng)
    tau = reweighted_tau(prior, rows[["slope", "variance"]].to_numpy(), rng).reshape(shape)
    dims = before["tau"].dims
    drift = before.assign(tau=(dims, tau), drift=(dims, tau * rng.standard_normal(shape)))
    slopes = rows.rename(columns={"task": "cut"})[["cut", "slope", "variance", DOUBT]]
    noted = drift.assign_attrs(slopes=json.dumps(slopes.to_dict("records")))
    return fit.with_groups({"drift": noted})
