"""What the back-tests of public studies say of the next study: priors of tau, and coverage.

    uv run python -m studies.extrapolation.learn build/extrapolation.jsonl

Each family of studies has a tau of its own, and they scatter lognormally about a common one. A
slope that a cut shows is Normal about zero with variance tau^2 plus its own. The runs above one cut
are among those above the next lower one, so all cuts of a study together count as one slope, and
all studies of a family together as one as well. Taus of the loss are in units of the usual residual
of the law on the runs that it was fitted to; those of the split are as they are.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import logsumexp

from studies.extrapolation.tables import FAMILIES, JUDGED, STUDIES, WITHOUT_OPTIMA

Row = Mapping[str, Any]
Slopes = dict[str, list[list[tuple[float, float]]]]
SEED = 1
MASSES = (0.5, 0.8, 0.9, 0.95)
REPEATS = 10
"""Draws of tau and drift for each quantile of the errors."""
MIDDLES = {"slopes": np.log(3.0), "splits": np.log(0.2)}
"""Middle of the prior of the common tau; its logarithm is Normal with sd 1.5 about it."""


def main() -> None:
    """Print the priors and the coverage they give to families that were left out of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", type=Path)
    parser.add_argument("--out", type=Path, help="CSV file for the coverage of every study.")
    chosen = parser.parse_args()
    lines = [json.loads(line) for line in chosen.rows.read_text().splitlines()[1:]]
    rows = [line for line in lines if "slopes" in line]
    judged = []
    for law in dict.fromkeys(row["law"] for row in rows):
        own = [row for row in rows if row["law"] == law]
        for name in MIDDLES:
            median, spread = learned(_by_family(own, name), name)
            print(f"{law}: {name[:-1]} tau, median {median:.3g}, sd of its log {spread:.2f}")
        judged.append(pd.concat([coverage(own), optima(own)]).assign(law=law))
    table = pd.concat(judged, ignore_index=True)
    if chosen.out:
        table.to_csv(chosen.out, index=False)
    by_study = table.groupby(["law", "kind", "family", "study"]).mean(numeric_only=True)
    by_family = by_study.drop(columns="cut").groupby(["law", "kind", "family"]).mean()
    kinds = by_family.groupby(["law", "kind"])
    print(kinds.mean().join(kinds[["width_90", "rmse"]].median().add_suffix("_median")).to_string())
    print(by_family.xs("drift", level="kind").to_string())
    for law in dict.fromkeys(table["law"]):
        for rival in ("point_fit", "one_scale"):
            _print_against(by_study.xs(law), rival)


def _print_against(by_study: pd.DataFrame, rival: str) -> None:
    """Print how the CRPS compares with a rival's, by table and over families."""
    ratio = np.log(by_study.xs("drift")["crps"] / by_study.xs(rival)["crps"]).dropna()
    families = ratio.groupby("family").mean()
    print(
        f"CRPS with drift over that of {rival}: mean log ratio over families "
        f"{families.mean():+.3f} +- {families.sem():.3f}; smaller on {np.mean(ratio < 0):.0%} of "
        f"tables; largest ratio {np.exp(ratio.max()):.2f} on {ratio.idxmax()[1]}"
    )


def _by_family(rows: Iterable[Row], name: str) -> Slopes:
    """Slopes over all larger runs, of the cuts that count: a list a study, by family."""
    by_study: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for row in rows:
        found = row[name].get("1")
        taught = name == "slopes" or STUDIES[row["study"]] not in WITHOUT_OPTIMA
        if found is None or row["cut"] not in JUDGED or not taught:
            continue
        slope, variance = found["slope"] if name == "splits" else found
        unit = row["usual"] if name == "slopes" else 1.0
        if np.isfinite(slope) and variance > 0:
            by_study[row["study"]].append((slope / unit, variance / unit**2))
    families: Slopes = defaultdict(list)
    for study, slopes in by_study.items():
        families[STUDIES[study]].append(slopes)
    return dict(families)


def learned(families: Slopes, name: str, without: str | None = None) -> tuple[float, float]:
    """Median of tau over families, and the sd of its logarithm: posterior means, on a grid.

    Parameters
    ----------
    families : dict of str to list
        Slopes and their variances, a list a study.
    name : str
        ``"slopes"`` or ``"splits"``.
    without : str, optional
        A family that is left out.
    """
    taus = MIDDLES[name] + np.linspace(-6.0, 5.0, 221)
    middles = MIDDLES[name] + np.linspace(-3.5, 3.0, 66)[:, None]
    spreads = np.linspace(0.05, 3.0, 60)[None]
    log_density = stats.norm.logpdf(middles, MIDDLES[name], 1.5) - 0.5 * spreads**2
    of_tau = stats.norm.logpdf(taus, middles[..., None], spreads[..., None])
    of_tau -= logsumexp(of_tau, axis=-1, keepdims=True)
    for family, studies in families.items():
        if family != without:
            fitted = [_log_likelihood(taus, slopes) for slopes in studies]
            log_density = log_density + logsumexp(of_tau + np.mean(fitted, axis=0), axis=-1)
    weights = np.exp(log_density - logsumexp(log_density))
    return float(np.exp((weights * middles).sum())), float((weights * spreads).sum())


def _log_likelihood(taus: np.ndarray, slopes: list[tuple[float, float]]) -> np.ndarray:
    """Log likelihood of the log of tau by the slopes of a study, which count as one."""
    slope, variance = np.array(slopes).T
    spread = np.exp(2 * taus)[:, None] + variance
    mean: np.ndarray = (-0.5 * np.log(spread) - 0.5 * slope**2 / spread).mean(axis=1)
    return mean


def coverage(rows: list[Row]) -> pd.DataFrame:
    """Coverage and width at every cut, by a prior that never saw the family.

    ``alone`` is without drift, ``drift`` with it; the rivals are as they are.
    """
    families, table = _by_family(rows, "slopes"), []
    for family in FAMILIES:
        median, spread = learned(families, "slopes", without=family)
        for row in (row for row in rows if STUDIES[row["study"]] == family):
            if row["cut"] not in JUDGED:
                continue
            about = {"family": family, "study": row["study"], "cut": row["cut"]}
            decades, scale = np.array(row["decades"]), median * row["usual"]
            errors = row["errors"]["bayescale"]
            for kind, tau in (("alone", 0.0), ("drift", scale)):
                table.append({**about, "kind": kind, **_judged(errors, decades, tau, spread)})
            for rival in row["errors"].keys() - {"bayescale"}:
                scores = _judged(row["errors"][rival], decades, 0.0, spread)
                table.append({**about, "kind": rival, **scores})
    return pd.DataFrame(table)


def optima(rows: list[Row]) -> pd.DataFrame:
    """The same of the log of the optimal params, against measured optima of larger budgets."""
    families, table = _by_family(rows, "splits"), []
    for family in FAMILIES:
        median, spread = learned(families, "splits", without=family)
        for row in (row for row in rows if STUDIES[row["study"]] == family):
            found = row["splits"].get("1")
            if found is None or row["cut"] not in JUDGED:
                continue
            about = {"family": family, "study": row["study"], "cut": row["cut"]}
            decades, se = np.array(found["decades"]), np.array(found["se"])
            for kind, tau in (("N_opt alone", 0.0), ("N_opt drift", median)):
                scores = _judged(found["errors"], decades, tau, spread, se)
                table.append({**about, "kind": kind, **scores})
    return pd.DataFrame(table)


def _judged(
    errors: Any, decades: np.ndarray, median: float, spread: float, se: Any = 0.0
) -> dict[str, float]:
    """Share of cases inside, mean width, error of the median and CRPS; errors are (case, level)."""
    rng = np.random.default_rng(SEED)
    draws = rng.permuted(np.tile(np.array(errors), (1, REPEATS)), axis=1)
    count = draws.shape[1]
    tau = median * np.exp(spread * rng.standard_normal(count))
    draws = draws + tau * rng.standard_normal(count) * decades[:, None]
    draws = np.sort(draws + np.reshape(se, (-1, 1)) * rng.standard_normal(draws.shape), axis=1)
    out = {"decades": float(decades.mean())}
    for mass in MASSES:
        low, high = np.quantile(draws, [(1 - mass) / 2, (1 + mass) / 2], axis=1)
        out[f"inside_{100 * mass:.0f}"] = float(((low <= 0) & (high >= 0)).mean())
        out[f"width_{100 * mass:.0f}"] = float((high - low).mean())
    middle = np.median(draws, axis=1)
    # Mean distance from the observed value, less half of the mean distance of two draws.
    weights = (2 * np.arange(1, count + 1) - count - 1) / count**2
    crps = np.abs(draws).mean(axis=1) - draws @ weights
    return {**out, "rmse": float(np.sqrt((middle**2).mean())), "crps": float(crps.mean())}


if __name__ == "__main__":
    main()
