"""Fit each law to the smaller runs of each public table, and note how it errs on the larger ones.

    BAYESCALE_DATA=... uv run python -m studies.extrapolation.collect

One row a table, law and cut. It goes on where it was stopped.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import bayescale as bs
from bayescale.posterior.cluster_terms import cluster_effects_at_points
from bayescale.posterior.drift import drift_slope, extrapolation_decades, weighted_slope
from bayescale.posterior.jackknife import RUN, resampling_unit
from bayescale.posterior.pointwise import point_distribution
from studies.extrapolation.isoflop import measured_optima
from studies.extrapolation.tables import CUTS, FEWEST, LAWS, STUDIES

LEVELS = (np.arange(200) + 0.5) / 200
"""Levels of the quantiles that stand for a predictive distribution."""


def main() -> None:
    """Do what is left to do."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("build/extrapolation.jsonl"))
    parser.add_argument("--laws", nargs="+", default=LAWS)
    parser.add_argument("--jobs", type=int, default=-1)
    chosen = parser.parse_args()
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    parallel = bs.Parallel(path=chosen.out, jobs=chosen.jobs, progress=True)
    rows = bs.sweep(backtested, list(_tasks(chosen.laws)), parallel=parallel, random_seed=0)
    print(rows[["task", "error"]].dropna().to_string())


def _tasks(laws: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    for law in laws:
        for study in STUDIES:
            flops = bs.datasets.load(study)["flops"]
            for cut in CUTS:
                known = int((flops <= flops.quantile(cut)).sum())
                if known >= FEWEST["known"] and len(flops) - known >= FEWEST["larger"]:
                    yield f"{study} {law} {cut:g}", {"study": study, "law": law, "cut": cut}


def backtested(study: str, law: str, cut: float, random_seed: int) -> dict[str, Any]:
    """What a law fitted below a cut shows above it.

    Returns
    -------
    dict
        ``slopes`` and ``splits``: slope and variance of the misfit of loss and of optimal params
        per decade, by the cut up to which larger runs are looked at (1 for all); ``errors``:
        quantiles of what is predicted less what was observed, a list a run, without drift;
        ``decades`` of each run.
    """
    runs = bs.read_runs(bs.datasets.load(study))
    is_larger = runs["flops"] > runs["flops"].quantile(cut)
    known = runs[~is_larger].reset_index(drop=True)
    larger = runs[is_larger].reset_index(drop=True)
    fitted = bs.fit(bs.models.LAWS[law], known, random_seed=random_seed)
    rng = np.random.default_rng(random_seed)
    effects = cluster_effects_at_points(fitted.draws, larger, rng)
    draws = (
        point_distribution(fitted.draws, larger, effects)
        .rvs(random_state=rng)
        .reshape(-1, len(larger))
    )
    observed = np.log(larger["loss"].to_numpy())
    slopes, splits = {}, {}
    for until in (*(c for c in CUTS if c > cut + 0.05), 1.0):
        part = larger[larger["flops"] <= runs["flops"].quantile(until)].reset_index(drop=True)
        if len(part) >= FEWEST["larger"] and _decades(fitted, part).max() > 0.05:
            slopes[f"{until:g}"] = drift_slope(fitted.draws, part, random_seed)
            splits[f"{until:g}"] = _split(fitted, part)
    return {
        "study": study,
        "law": law,
        "cut": cut,
        "slopes": slopes,
        "splits": splits,
        "decades": _decades(fitted, larger).round(4).tolist(),
        "errors": np.quantile(draws - observed, LEVELS, axis=0).T.round(5).tolist(),
        "honesty": {
            unit: fitted.summary(resample=unit)["honesty"].round(3).to_dict()
            for unit in dict.fromkeys((RUN, resampling_unit(fitted.structure.clusters)))
        },
        "doubt": " ".join(fitted.verdict.reasons),
    }


def _decades(fitted: bs.Fit, runs: pd.DataFrame) -> np.ndarray:
    return extrapolation_decades(fitted.law, runs, fitted.runs)


def _split(fitted: bs.Fit, larger: pd.DataFrame) -> tuple[float, float] | None:
    """Drift of the log of the optimal params against what IsoFLOP curves show, and its variance."""
    optima = measured_optima(larger)
    optima = optima[optima["flops"] > fitted.runs["flops"].max()]
    if optima.empty:
        return None
    predicted = np.log(fitted.optimum(optima["flops"].to_list(), drift=False)["N_opt"])
    draws = predicted.stack(sample=("chain", "draw")).transpose("budget", "sample").to_numpy()
    decades = np.log10(optima["flops"].to_numpy() / fitted.runs["flops"].max())
    return weighted_slope(
        optima["log_params"].to_numpy(), draws, optima["se"].to_numpy() ** 2, decades
    )


if __name__ == "__main__":
    main()
