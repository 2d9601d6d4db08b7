"""Ask the runs themselves how wrong the law is beyond them.

The law is fitted below several cuts, and what it misses above each says what its drift is in this
study. That makes the prior of `bayescale.extrapolation` narrower where the runs are good, and
wider where they are not.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from bayescale import extrapolation
from bayescale.clusters import clusters_of
from bayescale.errors import DataError, LawError
from bayescale.flops import SIX_ND
from bayescale.law import FOUND, Law
from bayescale.sweeps import ERROR, sweep

if TYPE_CHECKING:
    from bayescale.fitting import Fit

CUTS = (0.4, 0.5, 0.6, 0.7, 0.8)
"""Quantiles of compute at which the law is fitted anew."""
FEWEST, LARGER = 3, 6
"""Runs for each number of the law below a cut, and runs above it, without which it is left out."""
NEAREST = 0.05
"""Decades that the largest run has to lie beyond a cut: nearer, a slope is only noise."""


def roll_forward(
    fit: "Fit",
    *,
    cuts: Sequence[float] = CUTS,
    path: str | PathLike[str] | None = None,
    jobs: int = -1,
    progress: bool = False,
) -> "Fit":
    """The fit with its extrapolation updated by back-tests of its own runs.

    Parameters
    ----------
    fit : Fit
        Of ungrouped runs.
    cuts : sequence of float
        Quantiles of compute (of the product of the inputs, for laws without params and tokens):
        runs up to one are fitted, those above it show the drift. Cuts that leave too few runs on
        a side are left out.
    path, jobs, progress
        As for `bayescale.sweep`.

    Returns
    -------
    Fit
        The same posterior; ``extrapolation`` has new draws of ``tau`` and ``drift``, and the
        slopes they come from in its attribute ``slopes``. The drift of the optimal split is as it
        was: few tables show it.

    Raises
    ------
    LawError
        If the runs are grouped.
    DataError
        If no cut leaves enough runs on both sides, or no fit below a cut succeeds.
    """
    if fit.structure.by is not None:
        raise LawError(
            f"the runs are grouped by {fit.structure.by!r}; expected ungrouped ones to roll "
            "forward. Fit one group at a time."
        )
    parts = dict(_parts(fit, cuts))
    if not parts:
        raise DataError(
            f"none of the cuts {tuple(cuts)} leaves {_fewest(fit.law)} runs to fit and {LARGER} "
            f"larger ones of {len(fit.runs)}; expected one that does. Add runs, or keep the prior."
        )
    what = {"law": fit.law, "likelihood": fit.likelihood.name, "clusters": _clusters(fit)}
    tasks = [(f"{cut:g}", {**what, **each}) for cut, each in parts.items()]
    rows = sweep(
        _slope, tasks, path=path, jobs=jobs, random_seed=fit.random_seed, progress=progress
    )
    good = rows[rows[ERROR].isna()]
    if good.empty:
        raise DataError(
            f"no fit below a cut succeeded ({rows[ERROR].iloc[0]}); expected one at least. "
            "Keep the prior, or choose other cuts."
        )
    return _updated(fit, good)


def _fewest(law: Law) -> int:
    return FEWEST * len(law.numbers)


def _clusters(fit: "Fit") -> str | None:
    return fit.structure.clusters.saved if fit.structure.clusters else None


def _parts(fit: "Fit", cuts: Sequence[float]) -> Iterator[tuple[float, dict[str, pd.DataFrame]]]:
    """Runs to fit and runs to predict, of every cut that leaves enough of both."""
    size = extrapolation.sizes(fit.law, fit.runs, SIX_ND)
    for cut in cuts:
        above = size > np.quantile(size, cut)
        enough = (~above).sum() >= _fewest(fit.law) and above.sum() >= LARGER
        if enough and np.log10(size.max() / size[~above].max()) > NEAREST:
            yield cut, {"known": fit.runs[~above], "larger": fit.runs[above]}


def _slope(
    law: Law,
    likelihood: str,
    clusters: str | None,
    known: pd.DataFrame,
    larger: pd.DataFrame,
    random_seed: int,
) -> dict[str, Any]:
    """Slope of the misfit above a cut and its variance."""
    from bayescale.fitting import fit
    from bayescale.likelihoods import likelihood_named

    together = clusters if clusters != FOUND or clusters_of(law, known, FOUND) else None
    fitted = fit(
        law,
        known,
        likelihood=likelihood_named(likelihood),
        clusters=together,
        random_seed=random_seed,
    )
    slope, variance = extrapolation.misfit_slope(
        fitted.structure, fitted.posterior, fitted.runs, larger.reset_index(drop=True), random_seed
    )
    return {"slope": slope, "variance": variance, "doubt": " ".join(fitted.verdict.reasons)}


def _updated(fit: "Fit", rows: pd.DataFrame) -> "Fit":
    before = fit.extrapolation
    rng = np.random.default_rng(fit.random_seed)
    size = (before.sizes["chain"], before.sizes["draw"])
    prior = extrapolation.from_prior(
        fit.law.tau or extrapolation.TAU, (size[0] * size[1] * extrapolation.PROPOSALS,), rng
    )
    tau = extrapolation.updated(prior, rows[["slope", "variance"]].to_numpy(), rng).reshape(size)
    dims = before["tau"].dims
    after = before.assign(tau=(dims, tau), drift=(dims, tau * rng.standard_normal(size)))
    slopes = rows.rename(columns={"task": "cut"})[["cut", "slope", "variance", "doubt"]]
    noted = after.assign_attrs(slopes=json.dumps(slopes.to_dict("records")))
    tree = fit.tree.assign({"extrapolation": xr.DataTree(noted)})
    return replace(fit, tree=tree)
