"""Honesty ratios of coefficients, by run and by cluster: of public studies, and of a right model.

uv run python -m studies.calibration.honesty [--out FOLDER]

The same fits to runs simulated from them say what a ratio is when nothing is wrong.
"""

import argparse
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import bayescale as bs
from bayescale.posterior.draws import Draws
from bayescale.posterior.jackknife import CLUSTER, HONEST, RUN, resampling_unit
from bayescale.validation.simulators import as_modelled, truths_from_posterior
from benchmarks.measuring import machine, print_rows
from studies.extrapolation.tables import STUDIES

LAWS = ("coupled", "chinchilla")
COEFFICIENTS = ("E", "A", "B", "alpha", "beta", "kappa")
SIMULATED = (
    "chinchilla",
    "isoflop_llama3",
    "isoflop_marin_comma",
    "loss_to_loss_smollm",
    "porian_owt2_warmup",
)
REFITS = 8
SEED = 1


def main() -> None:
    """Print medians and shares above what is flagged."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, help="folder for rows; what it holds is not done again")
    given = parser.parse_args()
    print(f"{machine()}; seed {SEED}\n")
    whole = [(f"{s} {law}", {"study": s, "law": law}) for law in LAWS for s in STUDIES]
    rows = bs.sweep(measured, whole, parallel=_parallel(given.out, "studies"), random_seed=0)
    _print("public studies", rows)
    again = [(f"{s} {k}", {"study": s, "which": k}) for s in SIMULATED for k in range(REFITS)]
    rows = bs.sweep(simulated, again, parallel=_parallel(given.out, "simulated"), random_seed=0)
    _print("simulated from fits", rows)


def _parallel(folder: Path | None, name: str) -> bs.Parallel:
    if folder is None:
        return bs.Parallel()
    folder.mkdir(parents=True, exist_ok=True)
    return bs.Parallel(path=folder / f"{name}.jsonl")


def measured(study: str, law: str, random_seed: int) -> dict[str, Any]:
    """Ratios of one study's fit."""
    return _ratios(bs.fit(bs.models.LAWS[law], bs.datasets.load(study), random_seed=SEED))


def simulated(study: str, which: int, random_seed: int) -> dict[str, Any]:
    """Ratios of a fit to runs that were simulated from a fit of the same law."""
    fitted = bs.fit(bs.models.COUPLED, bs.datasets.load(study), random_seed=SEED)
    truth = truths_from_posterior(fitted.draws, REFITS, SEED).isel(draw=[which])
    rng = np.random.default_rng(random_seed)
    loss = as_modelled(Draws(fitted.structure, truth, fitted.runs), rng)
    return _ratios(bs.fit(fitted.law, fitted.runs.assign(loss=loss), random_seed=random_seed))


def _ratios(fitted: bs.Fit) -> dict[str, Any]:
    names = [name for name in COEFFICIENTS if name in fitted.posterior]
    ratios = {
        unit: fitted.summary(names, resample=unit)["honesty"].round(3).to_dict()
        for unit in dict.fromkeys((RUN, resampling_unit(fitted.structure.clusters)))
    }
    return {"law": fitted.law.name, RUN: ratios[RUN], CLUSTER: ratios.get(CLUSTER, ratios[RUN])}


def _print(title: str, rows: pd.DataFrame) -> None:
    lines = {}
    for law, part in rows[rows["error"].isna()].groupby("law"):
        line = []
        for unit in (RUN, CLUSTER):
            ratios = [np.array(list(own.values())) for own in part[unit]]
            every = np.concatenate(ratios)
            line += [np.median([np.median(own) for own in ratios]), np.median(every)]
            line.append(float((every > HONEST).mean()))
        lines[f"{title}, {law}, {len(part)} fits"] = line
    columns = [f"{unit}: {what}" for unit in (RUN, CLUSTER) for what in ("studies", "all", "above")]
    print_rows(("median over studies, over all, share above 1.3", *columns), lines)
    failed = rows[["task", "error"]].dropna()
    if len(failed):
        print(failed.to_string())


if __name__ == "__main__":
    # Functions of a script cannot be sent to another process; those of a module can.
    import_module("studies.calibration.honesty").main()
