"""Losses at 1e21 FLOP, predicted on six training sets from the loss on another.

uv run python -m studies.held_out.loss_to_loss [--law loss_to_loss] [--below 2e19] [--out FILE]

With `--below` runs from that budget on are predicted instead of those at 1e21, which says how wrong
the law is beyond its runs without looking at them.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import bayescale as bs
from benchmarks.measuring import machine, print_rows

SETS = ("fineweb", "fineweb_edu", "proof_pile", "slimpajama", "smollm", "starcoder")
LARGER = "loss_to_loss_pairs_extrapolation"
MASSES = (0.5, 0.9)


def main() -> None:
    """Fit every ordered pair of training sets, and print errors and coverage."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--law", default="loss_to_loss")
    parser.add_argument("--below", type=float, default=np.inf)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    print(machine(), f"; law {given.law}, runs below {given.below:g} FLOP, seed 1")
    pairs = [(one, other) for one in SETS for other in SETS if one != other]
    tasks = [
        (
            f"{given.law} {given.below:g} {one} {other}",
            {"law": given.law, "cut": given.below, "source": one, "corpus": other},
        )
        for one, other in pairs
    ]
    parallel = bs.Parallel(path=given.out, jobs=given.jobs)
    _print(bs.sweep(predicted, tasks, parallel=parallel, random_seed=1))


def predicted(law: str, cut: float, source: str, corpus: str, random_seed: int) -> dict[str, Any]:
    """Predict the larger runs of one pair."""
    table = bs.datasets.load(f"loss_to_loss_from_{source}")
    runs = table[table["corpus"] == corpus]
    larger = bs.datasets.load(LARGER)
    larger = larger[(larger["source"] == source) & (larger["corpus"] == corpus)]
    if np.isfinite(cut):
        larger, runs = runs[runs["flops"] >= cut], runs[runs["flops"] < cut]
    fitted = bs.fit(bs.models.law_named(law), runs.reset_index(drop=True), random_seed=1)
    observed = larger["loss"].to_numpy()
    alone, drifted = (fitted.predict(larger, drift=drift) for drift in (False, True))
    error = np.log(alone["mean"].median(("chain", "draw")).to_numpy() / observed)
    decades = alone["decades_beyond_runs"].to_numpy()
    outside = decades > 0
    return {
        "pair": f"{source} to {corpus}",
        "trusted": fitted.verdict.trusted,
        "runs": len(larger),
        "error": float(error.mean()),
        "square": float((error**2).mean()),
        "sd": float(np.log(alone["new_run"]).std(("chain", "draw")).mean()),
        "slope": float((error[outside] / decades[outside]).mean()) if outside.any() else 0.0,
        **{
            f"{name}_{mass}": int(_inside(prediction["new_run"], observed, mass).sum())
            for name, prediction in (("alone", alone), ("drift", drifted))
            for mass in MASSES
        },
    }


def _inside(draws: Any, observed: np.ndarray, mass: float) -> np.ndarray:
    ends = [(1 - mass) / 2, (1 + mass) / 2]
    low, high = draws.quantile(ends, ("chain", "draw")).to_numpy()
    return np.asarray((low <= observed) & (observed <= high))


def _print(rows: pd.DataFrame) -> None:
    shown = {
        row["pair"]: (row["runs"], row["trusted"], 100 * row["error"], 100 * row["sd"])
        for row in rows.to_dict("records")
    }
    print_rows(("pair", "runs", "trusted", "mean error (%)", "sd of a new run (%)"), shown)
    count, runs = rows["runs"].sum(), rows["runs"]
    rms = float(np.sqrt((rows["square"] * runs).sum() / count))
    print(f"\nRMSE of log loss {rms:.4f}.")
    print(f"Error a decade of loss beyond the runs: sd {rows['slope'].std():.3f} over the pairs.")
    for name, label in (("alone", "Without drift"), ("drift", "With drift")):
        held = ", ".join(f"{rows[f'{name}_{m}'].sum() / count:.3f} in {m:.0%}" for m in MASSES)
        print(f"{label}: {held} of {count} runs.")


if __name__ == "__main__":
    main()
