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
from bayescale.posterior.draws import SAMPLE_DIMS
from bayescale.posterior.drift import (
    drift_slope,
    extrapolation_decades,
    usual_residual,
    weighted_slope,
)
from bayescale.posterior.expectation import expected_response
from bayescale.posterior.pointwise import point_distribution
from bayescale.validation.backtest_methods import METHODS, BacktestTask
from studies.extrapolation.isoflop import measured_optima
from studies.extrapolation.tables import CUTS, FEWEST, LAWS, STUDIES, runs_of

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
            flops = runs_of(study)["flops"]
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
        quantiles of what is predicted less what was observed, a list a run, without drift, and
        those of the rivals by name; ``decades`` of each run; ``usual`` residual of the law on its
        own runs, and ``in_sample`` its root mean square.
    """
    runs = runs_of(study)
    is_larger = runs["flops"] > runs["flops"].quantile(cut)
    known = runs[~is_larger].reset_index(drop=True)
    larger = runs[is_larger].reset_index(drop=True)
    fitted = bs.fit(bs.models.LAWS[law], known, random_seed=random_seed)
    rng = np.random.default_rng(random_seed)
    drawn = point_distribution(fitted.draws, larger).rvs(random_state=rng)
    observed = np.log(larger["loss"].to_numpy())
    errors = {"bayescale": drawn.reshape(-1, len(larger)) - observed}
    task = BacktestTask(fitted.law, None, None, known, larger, random_seed)
    for name in ("one_scale", "point_fit"):
        try:
            errors[name] = METHODS[name](task).draws - observed
        except bs.BayescaleError:  # a law without a point fit
            continue
    middle = expected_response(fitted.draws, known).median(SAMPLE_DIMS).to_numpy()
    slopes, splits = {}, {}
    for until in (*(c for c in CUTS if c > cut + 0.05), 1.0):
        part = larger[larger["flops"] <= runs["flops"].quantile(until)].reset_index(drop=True)
        if len(part) >= FEWEST["larger"] and _decades(fitted, part).max() > 0.05:
            slopes[f"{until:g}"] = drift_slope(fitted.draws, part)
            splits[f"{until:g}"] = _split(fitted, part)
    return {
        "study": study,
        "law": law,
        "cut": cut,
        "slopes": slopes,
        "splits": splits,
        "decades": _decades(fitted, larger).round(4).tolist(),
        "errors": {
            name: np.quantile(drawn, LEVELS, axis=0).T.round(5).tolist()
            for name, drawn in errors.items()
        },
        "usual": usual_residual(fitted.draws),
        "in_sample": float(np.sqrt(np.mean(np.log(middle / known["loss"]) ** 2))),
        "doubt": " ".join(fitted.verdict.reasons),
    }


def _decades(fitted: bs.Fit, runs: pd.DataFrame) -> np.ndarray:
    return extrapolation_decades(fitted.law, runs, fitted.runs)


def _split(fitted: bs.Fit, larger: pd.DataFrame) -> dict[str, Any] | None:
    """Drift of the log of the optimal params against IsoFLOP curves, and errors at each budget."""
    optima = measured_optima(larger)
    optima = optima[optima["flops"] > fitted.runs["flops"].max()]
    if optima.empty:
        return None
    predicted = np.log(fitted.optimum(optima["flops"].to_list(), drift=False)["N_opt"])
    draws = predicted.stack(sample=("chain", "draw")).transpose("budget", "sample").to_numpy()
    decades = np.log10(optima["flops"].to_numpy() / fitted.runs["flops"].max())
    measured, se = optima["log_params"].to_numpy(), optima["se"].to_numpy()
    return {
        "slope": weighted_slope(measured, draws, se**2, decades),
        "errors": np.quantile(draws - measured[:, None], LEVELS, axis=1).T.round(4).tolist(),
        "se": se.round(4).tolist(),
        "decades": decades.round(4).tolist(),
    }


if __name__ == "__main__":
    main()
