"""Whether a posterior is as wide as refits to resampled clusters say, as modelled and widened.

uv run python -m studies.calibration.resampling [--out FOLDER] [--resamples 200]

Twelve pairs of study and coefficient: the posterior's standard deviation from one fit, before and
after its draws were widened, over that of a bootstrap of clusters.
"""

import argparse
from pathlib import Path

import pandas as pd

import bayescale as bs
from bayescale.posterior.jackknife import CLUSTER, resampling_unit
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
    print(f"{machine()}; law {LAW.name}, {given.resamples} resamples, seed {SEED}\n")
    rows = {
        f"{study}, {name}": line
        for study in STUDIES
        for name, line in _compared(study, given).iterrows()
    }
    print_rows(("study, coefficient", *next(iter(rows.values())).index), rows)
    print()
    for which in ("as modelled", "widened"):
        near = sum(abs(line[f"{which} / bootstrap"] - 1) < NEAR for line in rows.values())
        print(f"{which}: {near} of {len(rows)} within {NEAR:.0%} of the bootstrap.")


def _compared(study: str, given: argparse.Namespace) -> pd.DataFrame:
    """Standard deviations of the coefficients of one study, three ways."""
    runs = bs.datasets.load(study)
    fitted = bs.fit(LAW, runs, random_seed=SEED)
    if resampling_unit(fitted.structure.clusters) != CLUSTER:
        raise SystemExit(f"{study} has too few clusters to be widened by them")
    refits = _refits(study, runs, given)
    names = list(COEFFICIENTS)
    modelled, widened = (one.summary(names)["sd"] for one in (fitted.as_modelled, fitted))
    bootstrap = pd.Series({name: float(refits.sd[name]) for name in names})
    return pd.DataFrame(
        {
            "sd as modelled": modelled,
            "sd widened": widened,
            "sd of the bootstrap": bootstrap,
            "as modelled / bootstrap": modelled / bootstrap,
            "widened / bootstrap": widened / bootstrap,
            "fits remarked on": len(refits.remarks),
        }
    )


def _refits(study: str, runs: pd.DataFrame, given: argparse.Namespace) -> bs.Bootstrap:
    if given.out:
        given.out.mkdir(parents=True, exist_ok=True)
    return bs.bootstrap(
        LAW,
        runs,
        resamples=given.resamples,
        resample=CLUSTER,
        parallel=bs.Parallel(path=given.out / f"{study}.jsonl" if given.out else None),
        random_seed=SEED,
    )


if __name__ == "__main__":
    main()
