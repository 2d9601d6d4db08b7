"""Judge the field's prior on few runs, learned without the family that is judged.

    BAYESCALE_DATA=... uv run python -m studies.field_prior.judge

It goes on where it was stopped. `studies.field_prior.learn` has to be run before.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import bayescale as bs
from bayescale.models.size_and_data.coupled_field import learned
from bayescale.posterior.draws import SAMPLE_DIMS
from studies.extrapolation.isoflop import measured_optima
from studies.extrapolation.tables import STUDIES, WITHOUT_OPTIMA, runs_of
from studies.field_prior.learn import field_of

SEED, CUT = 1, 0.5
COUNTS = {8: 2, 12: 2, 20: 2, 0: 1}
"""How many runs are fitted, 0 for all up to the cut, and how often they are drawn."""
MASSES = (0.5, 0.9)


def main() -> None:
    """Do what is left to do, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("build/few_runs.jsonl"))
    parser.add_argument("--learned", type=Path, default=Path("build/field_prior.json"))
    parser.add_argument("--jobs", type=int, default=-1)
    chosen = parser.parse_args()
    known = json.loads(chosen.learned.read_text())
    parallel = bs.Parallel(path=chosen.out, jobs=chosen.jobs, progress=True)
    rows = bs.sweep(judged, list(_tasks(known)), parallel=parallel, random_seed=SEED)
    print(rows[["task", "error"]].dropna().to_string())
    print_tables(rows[rows["error"].isna()])


def _tasks(known: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for study, family in STUDIES.items():
        if family not in known:
            continue
        flops = runs_of(study)["flops"]
        below = int((flops <= flops.quantile(CUT)).sum())
        for count, replicates in COUNTS.items():
            for replicate in range(replicates if count < below else 0):
                for priors, numbers in (("own", {}), ("field", known[family])):
                    given = {"study": study, "count": count, "replicate": replicate}
                    name = f"{study} {count} {replicate} {priors}"
                    yield name, {**given, "priors": priors, "numbers": numbers}


def judged(
    study: str, count: int, replicate: int, priors: str, numbers: dict[str, Any], random_seed: int
) -> dict[str, Any]:
    """Scores of a fit to few runs on the larger runs and the measured optima."""
    runs = runs_of(study)
    is_larger = runs["flops"] > runs["flops"].quantile(CUT)
    larger = runs[is_larger].reset_index(drop=True)
    small = runs[~is_larger]
    rng = np.random.default_rng([SEED, replicate])  # both priors get the same runs
    chosen = small if count == 0 else small.iloc[rng.choice(len(small), count, replace=False)]
    law = bs.models.COUPLED
    if priors == "field":
        law = learned(law, field_of(numbers))
    fitted = bs.fit(law, chosen.reset_index(drop=True), random_seed=random_seed)
    drawn = fitted.predict(larger, random_seed=random_seed)["new_run"]
    errors = (np.log(drawn) - np.log(larger["loss"].to_numpy())).stack(s=SAMPLE_DIMS)
    scores = {f"loss {name}": x for name, x in _scores(errors.transpose("s", ...)).items()}
    optima = measured_optima(larger)
    optima = optima[optima["flops"] > fitted.runs["flops"].max()]
    if len(optima) and STUDIES[study] not in WITHOUT_OPTIMA:
        best = np.log(fitted.optimum(optima["flops"].to_list())["N_opt"]).stack(s=SAMPLE_DIMS)
        draws = best.transpose("s", "budget").to_numpy()
        draws = draws + optima["se"].to_numpy() * rng.standard_normal(draws.shape)
        own = _scores(draws - optima["log_params"].to_numpy())
        scores |= {f"N_opt {name}": x for name, x in own.items()}
    doubt = " ".join(fitted.verdict.reasons)
    return {"study": study, "count": count, "priors": priors, **scores, "doubt": doubt}


def _scores(errors: Any) -> dict[str, float]:
    """CRPS, error of the median, and coverage and width of central intervals, (draw, case)."""
    draws = np.sort(np.asarray(errors), axis=0)
    n = len(draws)
    weights = (2 * np.arange(1, n + 1) - n - 1)[:, None]
    crps = np.abs(draws).mean(axis=0) - (weights * draws).sum(axis=0) / n**2
    scores = {"crps": crps.mean(), "rms": np.sqrt(np.mean(np.median(draws, axis=0) ** 2))}
    for mass in MASSES:
        low, high = np.quantile(draws, ((1 - mass) / 2, (1 + mass) / 2), axis=0)
        scores[f"inside {mass:g}"] = np.mean((low <= 0) & (high >= 0))
        scores[f"width {mass:g}"] = np.mean(high - low)
    return {name: float(value) for name, value in scores.items()}


def print_tables(rows: pd.DataFrame) -> None:
    """Print means over families by number of runs, and log ratios of the field's to the own."""
    rows = rows.assign(family=rows["study"].map(STUDIES))
    scores = [name for name in rows if name.startswith(("loss ", "N_opt "))]
    for name in scores:
        rows[name] = rows[name].astype(float)
    by_study = rows.groupby(["priors", "count", "family", "study"])[scores].mean()
    by_family = by_study.groupby(["priors", "count", "family"]).mean()
    print(by_family.groupby(["count", "priors"]).mean().round(3).to_string())
    sizes = [name for name in scores if "inside" not in name]
    ratio = np.log(by_study.loc["field", sizes] / by_study.loc["own", sizes])
    ratio = ratio.groupby(["count", "family"]).mean()
    grouped = ratio.groupby("count")
    print("log ratios, and their standard errors over families")
    print(grouped.mean().round(2).to_string())
    print((grouped.std() / np.sqrt(grouped.count())).round(2).to_string())
    print(ratio["loss crps"].unstack("count").round(2).to_string())
    print(by_family["N_opt inside 0.9"].unstack(["count", "priors"]).round(2).to_string())
    print(rows[rows["doubt"] != ""].groupby(["priors", "count"]).size())


if __name__ == "__main__":
    main()
