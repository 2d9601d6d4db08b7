"""The exponent of N_opt on compute budgets: published against ours, by three laws of the same runs.

uv run python -m studies.audits.isoflop --out ROWS.jsonl [--tables NAME ...] [--laws NAME ...]

Rows that are there are not made again.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.interpolate import Akima1DInterpolator

import bayescale as bs
from bayescale.models.size_and_data.isoflop import WIDTH
from bayescale.spec.compute import same_compute
from benchmarks.measuring import machine, print_rows

LAWS = ("isoflop", "isoflop_skewed", "coupled")
SEED = 1
FEWEST = 4
"""Runs through which a curve is drawn by hand."""
NEAR = 2.5


def main() -> None:
    """Fit every table by every law, and print what came out beside what was published."""
    given = _arguments()
    rows = _rows_in(given.out)
    for table in given.tables:
        runs = swept(table)
        for law in given.laws:
            if (table, law) not in rows and not given.known:
                rows[table, law] = _fitted(law, runs, given.draws)
                with given.out.open("a") as out:
                    out.write(json.dumps({"table": table, "law": law, **rows[table, law]}) + "\n")
    print(machine(), f"; seed {SEED}")
    done = [table for table in given.tables if all((table, law) in rows for law in given.laws)]
    _print(done, given.laws, rows)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    published = list(dict.fromkeys(claim.data.table for claim in bs.models.ISOFLOP.claims))
    parser.add_argument("--tables", nargs="+", default=published)
    parser.add_argument("--laws", nargs="+", default=list(LAWS))
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--known", action="store_true", help="print what is there, fit nothing")
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


def swept(table: str) -> pd.DataFrame:
    """Runs of a table that were made at budgets."""
    runs = bs.datasets.load(table)
    return runs[runs["kind_of_run"] == "isoflop"] if "kind_of_run" in runs else runs


def _rows_in(path: Path) -> dict[tuple[str, str], dict[str, Any]]:
    lines = path.read_text().splitlines() if path.exists() else []
    return {(row["table"], row["law"]): row for row in map(json.loads, lines)}


def _fitted(law: str, runs: pd.DataFrame, draws: int) -> dict[str, Any]:
    fit = bs.fit(bs.models.law_named(law), runs, random_seed=SEED, draws=draws)
    largest = float(fit.runs["flops"].max())
    best = np.log(fit.optimum(largest, drift=False)["N_opt"])
    tau = fit.posterior.get("centre_sd")
    return {
        "a": float(fit.posterior["a"].mean()),
        "sd": float(fit.posterior["a"].std()),
        "interval": [float(x) for x in fit.posterior["a"].quantile([0.025, 0.975])],
        "tau": None if tau is None else float(tau.median()),
        "log_N": [float(best.mean()), float(best.std())],
        "largest": largest,
        "elpd": float(fit.loo.attrs["elpd"]),
        "trusted": fit.verdict.trusted,
        "reasons": list(fit.verdict.reasons),
        "seconds": fit.seconds["sample"],
    }


def line(runs: pd.DataFrame, bottom: Callable[[pd.DataFrame], float]) -> str:
    """Exponent and standard error of a line through the bottoms of the budgets."""
    budgets = runs.groupby(same_compute(np.log10(runs["flops"].to_numpy()), WIDTH))
    bottoms = [
        (np.log(one["flops"]).mean(), bottom(one.sort_values("params")))
        for _, one in budgets
        if len(one) >= FEWEST
    ]
    x, y = np.array([point for point in bottoms if np.isfinite(point[1])]).T
    (slope, _), covariance = np.polyfit(x, y, 1, cov=True)
    return f"{slope:.3f} +- {np.sqrt(covariance[0, 0]):.3f}"


def parabola(runs: pd.DataFrame) -> float:
    """Log params at the bottom of a parabola; not a number where it has none."""
    square, linear, _ = np.polyfit(np.log(runs["params"]), runs["loss"], 2)
    return float(-linear / 2 / square) if square > 0 else np.nan


def near_parabola(runs: pd.DataFrame) -> float:
    """The same through the sizes within `NEAR` of the best run's."""
    best = runs["params"].loc[runs["loss"].idxmin()]
    near = runs[runs["params"].between(best / NEAR, best * NEAR)]
    return parabola(near) if len(near) >= FEWEST else np.nan


def interpolated(runs: pd.DataFrame) -> float:
    """Log params at the least of a curve through every size, as Porian et al. do."""
    sizes = runs.groupby("params")["loss"].min()
    x = np.log(sizes.index.to_numpy())
    fine = np.linspace(x[0], x[-1], 4001)
    lowest = int(Akima1DInterpolator(x, np.log(sizes.to_numpy()))(fine).argmin())
    return float(fine[lowest]) if 0 < lowest < len(fine) - 1 else np.nan


def _print(tables: list[str], laws: list[str], rows: dict[tuple[str, str], dict[str, Any]]) -> None:
    exponents, optima = {}, {}
    for table in tables:
        runs = swept(table)
        own = [rows[table, law] for law in laws]
        fits = [f"{row['a']:.3f} +- {row['sd']:.3f}{'' if row['trusted'] else '*'}" for row in own]
        by_hand = [line(runs, bottom) for bottom in (interpolated, near_parabola, parabola)]
        exponents[table] = (_published(table), *by_hand, *fits)
        tau = next((row["tau"] for row in own if row["tau"] is not None), np.nan)
        optima[table] = (
            f"{own[0]['largest']:.2g}",
            *(f"{np.exp(row['log_N'][0]):.3g} (x {np.exp(row['log_N'][1]):.2f})" for row in own),
            round(tau, 3),
            *(round(row["elpd"] - own[0]["elpd"], 1) for row in own[1:]),
        )
    by_hand_names = ("interpolated", f"parabolas, sizes to {NEAR:g} times", "parabolas, all sizes")
    print_rows(("exponent a", "published", *by_hand_names, *laws), exponents)
    print("\n* not trusted")
    names = (*laws, "tau", *(f"elpd of {law}" for law in laws[1:]))
    print_rows(("N_opt", "at FLOP", *names), optima)


def _published(table: str) -> str:
    """What was published about a table, as its authors print it."""
    printed = [
        claim
        for claim in bs.models.ISOFLOP.claims
        if claim.data.table == table and claim.status == "printed"
    ]
    if not printed:
        return "none"
    a = printed[0].values.get("a", 1 - printed[0].values.get("b", np.nan))
    ends = printed[0].intervals.get("a")
    return f"{a:.3g}" + (f" ({ends[0]:.3f} to {ends[1]:.3f})" if ends else "")


if __name__ == "__main__":
    main()
