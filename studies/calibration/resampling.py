"""Whether the honesty ratio foretells what refits to resampled runs give.

uv run python -m studies.calibration.resampling [--out FOLDER] [--resamples 200]

Twelve pairs of study and coefficient, by run and by cluster: the jackknife's standard deviation
from one fit over that of the bootstrap.
"""

import argparse
from pathlib import Path

import pandas as pd

import bayescale as bs
from bayescale.posterior.jackknife import CLUSTER, RUN
from benchmarks.measuring import machine, print_rows

LAW = bs.models.CHINCHILLA
STUDIES = ("chinchilla", "isoflop_llama3", "loss_to_loss_fineweb", "porian_rw_cosine")
COEFFICIENTS = ("alpha", "beta", "a")
"""Chosen before anything was measured: a table of each kind, and what people ask for."""
NEAR = 0.3
SEED = 1


def main() -> None:
    """Print the ratios, and how many are near 1."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, help="folder for rows; what it holds is not done again")
    parser.add_argument("--resamples", type=int, default=200)
    given = parser.parse_args()
    print(f"{machine()}; law {LAW.name}, {given.resamples} resamples, seed {SEED}")
    for unit in (RUN, CLUSTER):
        rows = {
            f"{study}, {name}": line
            for study in STUDIES
            for name, line in _compared(study, unit, given).iterrows()
        }
        print(f"\nBy {unit}:\n")
        print_rows(("study, coefficient", *next(iter(rows.values())).index), rows)
        near = sum(abs(line["jackknife / bootstrap"] - 1) < NEAR for line in rows.values())
        print(f"\n{near} of {len(rows)} within {NEAR:.0%}.")


def _compared(study: str, unit: str, given: argparse.Namespace) -> pd.DataFrame:
    """Standard deviations of the coefficients of one study, three ways."""
    runs = bs.datasets.load(study)
    table = bs.fit(LAW, runs, random_seed=SEED).summary(resample=unit).loc[list(COEFFICIENTS)]
    jackknife = table["honesty"] * table["sd"]
    refits = _refits(study, runs, unit, given)
    bootstrap = pd.Series({name: float(refits.sd[name]) for name in COEFFICIENTS})
    return pd.DataFrame(
        {
            "posterior sd": table["sd"],
            "jackknife sd": jackknife,
            "bootstrap sd": bootstrap,
            "jackknife / bootstrap": jackknife / bootstrap,
            "fits remarked on": len(refits.remarks),
        }
    )


def _refits(study: str, runs: pd.DataFrame, unit: str, given: argparse.Namespace) -> bs.Bootstrap:
    if given.out:
        given.out.mkdir(parents=True, exist_ok=True)
    return bs.bootstrap(
        LAW,
        runs,
        resamples=given.resamples,
        resample=unit,
        parallel=bs.Parallel(path=given.out / f"{study}_{unit}.jsonl" if given.out else None),
        random_seed=SEED,
    )


if __name__ == "__main__":
    main()
