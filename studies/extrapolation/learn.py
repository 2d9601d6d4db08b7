"""What the back-tests of public studies say of the next study: priors of tau, and coverage.

    uv run python -m studies.extrapolation.learn build/extrapolation.jsonl

Each study has a tau of its own, and they scatter lognormally about a common one. A slope that a
cut shows is Normal about zero with variance tau^2 plus its own. The runs above one cut are among
those above the next lower one, so all cuts of a study together count as one slope.
"""

import argparse
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import nutpie
import pandas as pd
import pymc as pm

from bayescale.posterior.drift import PROPOSALS, reweighted_tau
from studies.extrapolation.tables import CUTS, JUDGED

Row = Mapping[str, Any]
SEED = 1
MASSES = (0.5, 0.8, 0.9, 0.95)


def main() -> None:
    """Print the priors and the coverage they give to studies that were left out of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", type=Path)
    parser.add_argument("--out", type=Path, help="CSV file for the coverage of every study.")
    chosen = parser.parse_args()
    lines = [json.loads(line) for line in chosen.rows.read_text().splitlines()[1:]]
    rows = [line for line in lines if "slopes" in line]
    judged = []
    for law in dict.fromkeys(row["law"] for row in rows):
        own = [row for row in rows if row["law"] == law]
        for name in ("slopes", "splits"):
            median, spread = studied(_by_study(own, name)).learned()
            print(f"{law}: {name[:-1]} tau, median {median:.4f}, sd of its log {spread:.2f}")
        judged.append(coverage(own).assign(law=law))
    table = pd.concat(judged, ignore_index=True)
    if chosen.out:
        table.to_csv(chosen.out, index=False)
    means = table.groupby(["law", "kind", "study"]).mean(numeric_only=True).drop(columns="cut")
    print(means.groupby(["law", "kind"]).mean().join(_medians(means)).round(4).to_string())
    print(means.xs("own", level="kind").round(3).to_string())


def _medians(means: pd.DataFrame) -> pd.DataFrame:
    return means.groupby(["law", "kind"])[["width_90"]].median().add_suffix("_median")


def _by_study(rows: Iterable[Row], name: str) -> dict[str, list[tuple[float, float]]]:
    """Slopes over all larger runs, of the cuts that count."""
    by_study: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        slope = row[name].get("1")
        if slope is not None and row["cut"] in JUDGED:
            by_study.setdefault(row["study"], []).append(tuple(slope))
    return by_study


@dataclass(frozen=True)
class Studies:
    """Slopes of all studies, and the model of them, compiled once."""

    names: list[str]
    owner: np.ndarray
    compiled: Any

    def learned(self, without: str | None = None) -> tuple[float, float]:
        """Median of tau over studies, and the sd of its logarithm: posterior means.

        Parameters
        ----------
        without : str, optional
            A study that is left out.
        """
        share = 1.0 / np.bincount(self.owner)[self.owner]
        kept = np.array([name != without for name in self.names])[self.owner]
        drawn = nutpie.sample(
            self.compiled.with_data(share=share * kept),
            draws=1000,
            chains=4,
            seed=SEED,
            target_accept=0.95,
            progress_bar=False,
        )
        posterior = drawn["posterior"].to_dataset()
        return float(np.exp(posterior["middle"].mean())), float(posterior["spread"].mean())


def studied(slopes: Mapping[str, list[tuple[float, float]]]) -> Studies:
    """The hierarchical model of the slopes of all studies."""
    names = list(slopes)
    owner = np.repeat(np.arange(len(names)), [len(own) for own in slopes.values()])
    slope, variance = np.concatenate([np.array(own) for own in slopes.values()]).T
    with pm.Model() as model:
        share = pm.Data("share", np.ones(len(slope)))
        middle = pm.Normal("middle", np.log(0.03), 1.5)
        spread = pm.HalfNormal("spread", 1.0)
        offset = pm.Normal("offset", 0.0, 1.0, shape=len(names))
        tau = pm.math.exp(middle + spread * offset)[owner]
        density = pm.logp(pm.Normal.dist(0.0, pm.math.sqrt(tau**2 + variance)), slope)
        pm.Potential("slopes", (share * density).sum())
    return Studies(names, owner, nutpie.compile_pymc_model(model))


def coverage(rows: list[Row]) -> pd.DataFrame:
    """Coverage and width at every cut, each study judged by a prior that never saw it.

    ``none`` is without drift, ``prior`` with the prior alone, ``own`` with the prior
    updated by the study's own back-tests below the cut.
    """
    studies = studied(_by_study(rows, "slopes"))
    table = []
    for study in studies.names:
        median, spread = studies.learned(without=study)
        mine = {row["cut"]: row for row in rows if row["study"] == study}
        for cut in (cut for cut in JUDGED if cut in mine):
            rng = np.random.default_rng(SEED)
            errors = np.array(mine[cut]["errors"])
            draws = errors.shape[1] * 20
            prior = median * np.exp(spread * rng.standard_normal(draws * PROPOSALS))
            lower_cuts = [
                mine[c]["slopes"][f"{cut:g}"]
                for c in CUTS
                if c in mine and f"{cut:g}" in mine[c]["slopes"]
            ]
            own = reweighted_tau(prior, lower_cuts, rng) if lower_cuts else prior[:draws]
            for kind, tau in (("none", 0 * own), ("prior", prior[:draws]), ("own", own)):
                judged = _judged(errors, np.array(mine[cut]["decades"]), tau, rng)
                table.append({"study": study, "cut": cut, "kind": kind, **judged})
    return pd.DataFrame(table)


def _judged(
    errors: np.ndarray, decades: np.ndarray, tau: np.ndarray, rng: np.random.Generator
) -> dict[str, float]:
    """Share of runs inside, mean width and error of the median; errors are (run, quantile)."""
    drift = tau * rng.standard_normal(len(tau))
    repeated = np.tile(errors, (1, len(tau) // errors.shape[1]))
    draws = rng.permuted(repeated, axis=1) + drift * decades[:, None]
    out = {"decades": float(decades.mean()), "tau": float(np.median(tau))}
    for mass in MASSES:
        low, high = np.quantile(draws, [(1 - mass) / 2, (1 + mass) / 2], axis=1)
        out[f"inside_{100 * mass:.0f}"] = float(((low <= 0) & (high >= 0)).mean())
        out[f"width_{100 * mass:.0f}"] = float((high - low).mean())
    median = np.median(draws, axis=1)
    return {**out, "bias": float(median.mean()), "rmse": float(np.sqrt((median**2).mean()))}


if __name__ == "__main__":
    main()
