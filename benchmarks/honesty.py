"""Honesty ratios of coefficients, by run and by cluster: of public studies, and of a right model.

uv run python benchmarks/honesty.py [--out FOLDER]

The same fits to runs simulated from them say what a ratio is when nothing is wrong.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from measuring import machine, print_rows

import bayescale as bs
from bayescale.diagnosis import HONEST
from bayescale.influence import CLUSTER, RUN, resampled
from bayescale.simulators import as_modelled, truths_like

sys.path.insert(0, str(Path(__file__).parents[1] / "studies" / "extrapolation"))
from tables import STUDIES

LAWS = ("coupled", "chinchilla")
COEFFICIENTS = ("E", "A", "B", "alpha", "beta", "kappa")
SIMULATED = (
    "chinchilla",
    "isoflop_llama3",
    "isoflop_marin_comma",
    "loss_to_loss_smollm",
    "porian_owt2_warmup",
)
EACH = 8
SEED = 1


def main() -> None:
    """Print medians and shares above what is flagged."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, help="folder for rows; what it holds is not done again")
    given = parser.parse_args()
    print(f"{machine()}; seed {SEED}\n")
    whole = [(f"{s} {law}", {"study": s, "law": law}) for law in LAWS for s in STUDIES]
    _print("public studies", bs.sweep(measured, whole, path=_path(given.out, "studies")))
    again = [(f"{s} {k}", {"study": s, "which": k}) for s in SIMULATED for k in range(EACH)]
    _print("simulated from fits", bs.sweep(simulated, again, path=_path(given.out, "simulated")))


def _path(folder: Path | None, name: str) -> Path | None:
    if folder is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}.jsonl"


def measured(study: str, law: str, random_seed: int) -> dict[str, Any]:
    """Ratios of one study's fit."""
    return _ratios(bs.fit(bs.models.LAWS[law], bs.datasets.load(study), random_seed=SEED))


def simulated(study: str, which: int, random_seed: int) -> dict[str, Any]:
    """Ratios of a fit to runs that were simulated from a fit of the same law."""
    fitted = bs.fit(bs.models.COUPLED, bs.datasets.load(study), random_seed=SEED)
    truth = truths_like(fitted.structure, fitted.posterior, EACH, SEED).isel(draw=[which])
    rng = np.random.default_rng(random_seed)
    loss = as_modelled(fitted.structure, truth, fitted.runs, rng)
    return _ratios(bs.fit(fitted.law, fitted.runs.assign(loss=loss), random_seed=random_seed))


def _ratios(fitted: bs.Fit) -> dict[str, Any]:
    names = [name for name in COEFFICIENTS if name in fitted.posterior]
    found = {
        by: fitted.summary(names, by=by)["honesty"].round(3).to_dict()
        for by in dict.fromkeys((RUN, resampled(fitted)))
    }
    return {"law": fitted.law.name, RUN: found[RUN], CLUSTER: found.get(CLUSTER, found[RUN])}


def _print(title: str, rows: pd.DataFrame) -> None:
    lines = {}
    for law, part in rows[rows["error"].isna()].groupby("law"):
        line = []
        for by in (RUN, CLUSTER):
            each = [np.array(list(ratios.values())) for ratios in part[by]]
            every = np.concatenate(each)
            line += [np.median([np.median(one) for one in each]), np.median(every)]
            line.append(float((every > HONEST).mean()))
        lines[f"{title}, {law}, {len(part)} fits"] = line
    columns = [f"{by}: {what}" for by in (RUN, CLUSTER) for what in ("studies", "all", "above")]
    print_rows(("median over studies, over all, share above 1.3", *columns), lines)
    failed = rows[["task", "error"]].dropna()
    if len(failed):
        print(failed.to_string())


if __name__ == "__main__":
    # Functions of a script cannot be sent to another process; those of a module can.
    __import__("honesty").main()
