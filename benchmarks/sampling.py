"""Time effective draws from bayescale and from PyMC's own sampler, and a second fit.

Every fit runs in a process of its own, with its imports done before the clock starts, contestants
in turn; one round that is not counted fills the cache on disk.

    uv run python -m benchmarks.sampling
"""

import json
import os
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING

import pandas as pd

from benchmarks.measuring import benchmark_runs, machine, print_rows, timed

if TYPE_CHECKING:
    import xarray as xr

    from bayescale import Fit

SEEDS = (1, 2, 3)
WARM_UP_SEED = 0
CHAINS, DRAWS, TUNE = 4, 1000, 1000
COEFFICIENTS = ["E", "A", "B", "alpha", "beta"]
SHORTER = 200  # rows of the second fit's table
BEFORE_THE_CLOCK = (
    "arviz",
    "nutpie",
    "pymc",
    "pytensor.link.numba.dispatch",
    "bayescale.fitting.fit",
)

Numbers = dict[str, float]


def law_fitted(runs: pd.DataFrame, seed: int) -> "Fit":
    """The fit that is timed."""
    from bayescale import fit, likelihoods, models

    fitted: Fit = fit(
        models.CHINCHILLA,
        runs,
        likelihood=likelihoods.STUDENT_T,
        clusters=None,
        draws=DRAWS,
        chains=CHAINS,
        random_seed=seed,
    )
    return fitted


def by_bayescale(runs: pd.DataFrame, seed: int) -> Numbers:
    """Effective draws and seconds of `bayescale.fit`."""
    fitted = law_fitted(runs, seed)
    ess = effective_draws(fitted.posterior, fitted.tree["sample_stats"].to_dataset())
    return ess | fitted.seconds


def by_pymc(runs: pd.DataFrame, seed: int, *, cores: int | None = None) -> Numbers:
    """Effective draws and seconds of `pm.sample` with PyMC's own NUTS on the textbook model."""
    import pymc as pm

    from benchmarks.plain_pymc import textbook, uncentred

    begun = perf_counter()
    with textbook(runs):
        tree = pm.sample(
            DRAWS,
            tune=TUNE,
            chains=CHAINS,
            cores=cores,
            random_seed=seed,
            nuts_sampler="pymc",
            progressbar=False,
        )
    seconds = {"total": perf_counter() - begun}
    seconds["sample"] = tree["posterior"].attrs["sampling_time"]
    posterior = uncentred(tree["posterior"].to_dataset(), runs)
    return effective_draws(posterior, tree["sample_stats"].to_dataset()) | seconds


def effective_draws(posterior: "xr.Dataset", stats: "xr.Dataset") -> Numbers:
    """Smallest bulk ESS of the published coefficients, and the divergences."""
    import arviz as az

    ess = az.ess(posterior[COEFFICIENTS], method="bulk")
    # Importance sampling has no trajectories that could diverge.
    divergences = int(stats["diverging"].sum()) if "diverging" in stats else 0
    return {"ess": float(ess.to_array().min()), "divergences": divergences}


def refit(runs: pd.DataFrame, seed: int) -> Numbers:
    """Seconds of a first fit, and of a second to another table of another length."""
    shorter = runs.head(SHORTER if len(runs) > SHORTER else len(runs) // 2)
    fits = {"first": law_fitted(runs, seed), "second": law_fitted(shorter, seed)}
    return {
        f"{name} {part}": fitted.seconds[part]
        for name, fitted in fits.items()
        for part in ("compile", "sample", "total")
    }


CONTESTANTS: dict[str, Callable[[pd.DataFrame, int], Numbers]] = {
    "bayescale": by_bayescale,
    "PyMC": by_pymc,
    # PyMC takes half of the CPUs by itself, nutpie all of them.
    "PyMC on every CPU": partial(by_pymc, cores=os.cpu_count()),
}
TASKS = {**CONTESTANTS, "refit": refit}
TIMES = ("sample", "total")


def in_child(task: str, table: Path, seed: int, *, cache: Path | None = None) -> Numbers:
    """What a task measures in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.sampling", task, str(table), str(seed)]
    numbers: Numbers = json.loads(timed(command, cache=cache).printed.splitlines()[-1])
    return numbers


def print_effective_draws(table: Path) -> None:
    """Print the minimum bulk ESS a second of every contestant, and ratios within rounds."""
    rounds: dict[str, list[Numbers]] = {name: [] for name in CONTESTANTS}
    for seed in (WARM_UP_SEED, *SEEDS):
        for name in CONTESTANTS:
            numbers = in_child(name, table, seed)
            numbers |= {f"ess/{part}": numbers["ess"] / numbers[part] for part in TIMES}
            rounds[name] += [numbers] * (seed != WARM_UP_SEED)
    columns = ("ess", "divergences", "sample", "ess/sample", "total", "ess/total")
    print_rows(
        (f"median of {len(SEEDS)}", *columns),
        {name: [median(x[c] for x in own) for c in columns] for name, own in rounds.items()},
    )
    for name in list(CONTESTANTS)[1:]:
        for column in (f"ess/{part}" for part in TIMES):
            pairs = zip(rounds["bayescale"], rounds[name], strict=True)
            ratios = sorted(ours[column] / theirs[column] for ours, theirs in pairs)
            print(f"{column}: bayescale over {name} = {median(ratios):.3g}", end=" ")
            print(f"({ratios[0]:.3g} to {ratios[-1]:.3g})")


def print_refits(table: Path, cache: Path) -> None:
    """Print the seconds of a second fit over those of a first, in an empty cache and a warm one."""
    rounds = [in_child("refit", table, seed, cache=cache) for seed in (WARM_UP_SEED, *SEEDS)]
    warm = {part: median(one[part] for one in rounds[1:]) for part in rounds[0]}
    print_rows(
        ("cache", *warm, "second/first"),
        {
            name: [*one.values(), one["second total"] / one["first total"]]
            for name, one in (("empty", rounds[0]), (f"warm, median of {len(SEEDS)}", warm))
        },
    )


def main() -> None:
    name, runs = benchmark_runs()
    print(f"{name}, {len(runs)} runs; {machine()}; seeds {SEEDS}")
    with TemporaryDirectory() as directory:
        table = Path(directory, "runs.csv")
        runs.to_csv(table, index=False)
        print_effective_draws(table)
        print_refits(table, Path(directory, "cache"))


if __name__ == "__main__":
    if len(sys.argv) == 1:
        main()
    else:
        for module in BEFORE_THE_CLOCK:
            import_module(module)
        chosen, path, seed = sys.argv[1:]
        print(json.dumps(TASKS[chosen](pd.read_csv(path), int(seed))))
