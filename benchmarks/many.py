"""What many fits cost: refits a second, cost against the number of runs, Dask, payloads.

uv run python -m benchmarks.many [refits] [rows] [dask] [payload]
"""

import json
import os
import resource
import sys
import timeit
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict
from functools import partial
from importlib import import_module
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import cloudpickle
import numpy as np
import pandas as pd

import bayescale as bs
from bayescale.likelihoods import STUDENT_T, VARIANCE_FUNCTION
from bayescale.spec.law import AUTO
from bayescale.validation.sweep import RowStore, sweep
from benchmarks.measuring import benchmark_runs, machine, print_rows

ROUNDS, FITS = 3, 16
HANDLED, KEPT = 500, 2000
LAW = bs.models.CHINCHILLA
SBC = bs.Sampling(draws=250, tune=500, chains=2)
KINDS: dict[str, dict[str, Any]] = {
    "constant scale": {"likelihood": STUDENT_T, "clusters": None},
    "default": {},
}
SIZES = (100, 1_000, 10_000, 100_000)
TRUTH = {"E": 1.8, "A": 480.0, "B": 2100.0, "alpha": 0.35, "beta": 0.37}
Task = tuple[str, dict[str, Any]]


def sampled(runs: pd.DataFrame, kind: str, random_seed: int) -> dict[str, Any]:
    """Draws as simulation-based calibration takes them, and nothing else."""
    from bayescale.inference.record import Settings
    from bayescale.inference.sample import sample
    from bayescale.validation.sbc import fixed_structure

    options = KINDS[kind]
    clusters = options.get("clusters", AUTO)
    structure = fixed_structure(LAW, runs, options.get("likelihood"), clusters)
    sample(structure, runs, Settings(SBC, random_seed))
    return {"memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def fitted(runs: pd.DataFrame, kind: str, random_seed: int) -> dict[str, Any]:
    """A whole fit of that size, with leave-one-out, summary and verdict."""
    fit = bs.fit(LAW, runs, random_seed=random_seed, **asdict(SBC), **KINDS[kind])
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"alpha": float(fit.posterior["alpha"].mean()), "memory": memory, **fit.seconds}


def nothing(number: int, random_seed: int) -> dict[str, int]:
    """A task that costs only its own handling."""
    return {"number": number}


def swept(work: Callable[..., Any], tasks: list[Task], jobs: int) -> tuple[float, pd.DataFrame]:
    """Seconds that tasks take, and their rows."""
    begun = perf_counter()
    rows = sweep(work, tasks, parallel=bs.Parallel(jobs=jobs), random_seed=0)
    seconds = perf_counter() - begun
    wrong = rows["error"].dropna()
    if len(wrong):
        raise SystemExit(wrong.iloc[0])
    return seconds, rows


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Tell this process how many threads it has, as joblib and Dask tell their workers."""
    before = os.environ.pop("OMP_NUM_THREADS", None)
    if count is not None:
        os.environ["OMP_NUM_THREADS"] = str(count)
    yield
    os.environ.pop("OMP_NUM_THREADS", None)
    if before is not None:
        os.environ["OMP_NUM_THREADS"] = before


def print_refits(runs: pd.DataFrame) -> None:
    """Refits a second of one process and of two, ratios within rounds."""
    ways: dict[str, tuple[int, Callable[[], AbstractContextManager[None]]]] = {
        "one": (1, partial(threads, 1)),
        "one, chains in threads": (1, partial(threads, None)),
        "two": (2, nullcontext),
    }
    rows, memory = {}, 0.0
    for work in (sampled, fitted):
        for kind in KINDS:
            tasks = [(str(k), {"runs": runs, "kind": kind}) for k in range(FITS)]
            for jobs in (1, 2):
                swept(work, tasks[: 2 * jobs], jobs)  # every process compiles
            rates: dict[str, list[float]] = {name: [] for name in ways}
            for _ in range(ROUNDS):
                for name, (jobs, setting) in ways.items():
                    with setting():
                        seconds, results = swept(work, tasks, jobs)
                    rates[name].append(FITS / seconds)
                    memory = max(memory, float(results["memory"].max()))
            pairs = zip(rates["two"], rates["one"], strict=True)
            ratio = median(two / one for two, one in pairs)
            rows[f"{work.__name__}, {kind}"] = (*map(median, rates.values()), ratio)
    print(f"\nRefits a second, medians of {ROUNDS} rounds of {FITS}; {SBC}")
    print_rows(("refits/s", *ways, "two over one"), rows)
    print(f"\nLargest memory of a process: {memory:.0f} MB")


def simulated(count: int) -> pd.DataFrame:
    """Runs of Chinchilla's law at random places, with lognormal noise of 1%."""
    rng = np.random.default_rng(0)
    params, tokens = np.exp(rng.uniform(np.log(1e7), np.log(1e10), (2, count))) * [[1], [20]]
    loss = LAW.formula(params, tokens, **TRUTH) * np.exp(0.01 * rng.standard_normal(count))
    return pd.DataFrame({"params": params, "tokens": tokens, "loss": loss})


def by_numpy(log_n: np.ndarray, log_d: np.ndarray, log_loss: np.ndarray) -> np.ndarray:
    """Gradient of the sum of squares in E, A, B, alpha and beta: what no sampler can do without."""
    from_model = TRUTH["A"] * np.exp(-TRUTH["alpha"] * log_n)
    from_data = TRUTH["B"] * np.exp(-TRUTH["beta"] * log_d)
    expected = TRUTH["E"] + from_model + from_data
    pull = (np.log(expected) - log_loss) / expected
    by_a, by_b = pull * from_model, pull * from_data
    return np.array([pull.sum(), by_a.sum(), by_b.sum(), by_a @ log_n, by_b @ log_d])


def fastest(function: Callable[[], Any], seconds: float = 0.3) -> float:
    """Seconds a call, the smallest of seven means over `seconds` in all."""
    once = timeit.timeit(function, number=3) / 3
    number = max(int(seconds / 7 / once), 1)
    return min(timeit.repeat(function, number=number, repeat=7)) / number


def print_cost_of_rows() -> None:
    """Seconds of a density in numpy, and of a short fit, against the number of runs."""
    from bayescale.inference.coordinates import draw_prior_points
    from bayescale.inference.density import Density
    from bayescale.inference.record import Settings
    from bayescale.inference.sample import sample
    from bayescale.inference.structure import build_structure

    kinds = {"constant scale": STUDENT_T, "default": VARIANCE_FUNCTION}
    rows: dict[str, tuple[float, ...]] = {}
    for name, likelihood in kinds.items():
        for count in SIZES:
            runs = simulated(count)
            structure = build_structure(LAW, runs, likelihood, clusters=None)
            points = draw_prior_points(structure, 32, 1)
            columns = [np.log(runs[column].to_numpy()) for column in ("params", "tokens", "loss")]
            density = fastest(partial(Density(structure, runs), points)) / len(points)
            plain = fastest(partial(by_numpy, *columns))
            short = bs.Sampling(draws=100, tune=200, chains=1)
            seconds = sample(structure, runs, Settings(short, 1)).seconds["sample"]
            rows[f"{name}, {count:,}"] = (1e6 * density, 1e6 * plain, density / plain, seconds)
    print("\nMicroseconds of a density in numpy, one of a batch of 32, and of the formula with its")
    print("gradient in numpy; seconds of 100 draws of one chain")
    print_rows(("runs", "density us", "formula us", "ratio", "100 draws s"), rows)
    for name in kinds:
        slopes = [_slope([rows[f"{name}, {count:,}"][k] for count in SIZES[1:]]) for k in (0, 1, 3)]
        print(f"{name}: log-log slope from {SIZES[1]:,} runs on, density {slopes[0]:.2f}, ", end="")
        print(f"numpy {slopes[1]:.2f}, 100 draws {slopes[2]:.2f}")


def _slope(values: list[float]) -> float:
    return float(np.polyfit(np.log(SIZES[1:]), np.log(values), 1)[0])


def print_dask(runs: pd.DataFrame) -> None:
    """Refits a second of one and of two Dask workers, and what handling a task costs."""
    import joblib
    from distributed import Client, LocalCluster

    rates: dict[int, list[float]] = {1: [], 2: []}
    handling: list[float] = []
    for _ in range(ROUNDS):
        for workers in rates:
            options = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": None}
            with (
                LocalCluster(**options) as cluster,
                Client(cluster) as client,
                joblib.parallel_config("dask"),
            ):
                client.run(_put_on_path, str(Path(__file__).parents[1]))
                tasks = [(str(k), {"runs": runs, "kind": "default"}) for k in range(2 * FITS)]
                swept(fitted, tasks[: 2 * workers], -1)
                rates[workers].append(len(tasks) / swept(fitted, tasks, -1)[0])
                empty = [(str(k), {"number": k}) for k in range(HANDLED)]
                swept(nothing, empty[:10], -1)
                handling.append(1e3 * swept(nothing, empty, -1)[0] / HANDLED)
    ratios = [two / one for one, two in zip(*rates.values(), strict=True)]
    print(f"\nWhole default fits of {SBC} on Dask, medians of {ROUNDS} rounds")
    numbers = (*map(median, rates.values()), median(ratios), min(ratios), max(ratios))
    print_rows(("fits/s", "one", "two", "ratio", "from", "to"), {"default": numbers})
    print(f"\nA task that does nothing: {median(handling):.2f} ms")


def _put_on_path(folder: str) -> None:
    sys.path.insert(0, folder)


def print_payload(runs: pd.DataFrame) -> None:
    """Bytes of a task and of a row, rows kept a second, and seconds of a process's first fit."""
    from bayescale.validation.bootstrap import fit_resample, posterior_means

    options = {"runs": runs, "resample": "run", "likelihood": VARIANCE_FUNCTION}
    options |= {"law": LAW, "of": posterior_means, "sampling": SBC}
    row = {"task": "bootstrap: 12345", **fit_resample(**options, random_seed=1)}
    sizes = (len(cloudpickle.dumps((fit_resample, options))), len(json.dumps(row)) + 1)
    with (
        TemporaryDirectory(dir=".") as folder,  # the temporary folder may be in memory
        RowStore.opened(Path(folder, "rows.jsonl"), {"work": "x"}, "task") as store,
    ):
        begun = perf_counter()
        for k in range(KEPT):
            store.keep({**row, "task": str(k)})
        rate = KEPT / (perf_counter() - begun)
    print_rows(
        ("bootstrap of a fit", "task bytes", "row bytes", "rows kept/s"),
        {"default": (*sizes, rate)},
    )


PARTS: dict[str, Callable[[pd.DataFrame], None]] = {
    "refits": print_refits,
    "rows": lambda runs: print_cost_of_rows(),
    "dask": print_dask,
    "payload": print_payload,
}


def main() -> None:
    name, runs = benchmark_runs()
    load = ", ".join(f"{x:.1f}" for x in os.getloadavg())
    print(f"{name}, {len(runs)} runs; {machine()}; load before {load}")
    for part in sys.argv[1:] or PARTS:
        PARTS[part](runs)


if __name__ == "__main__":
    # Functions of a script cannot be sent to another process; those of a module can.
    import_module("benchmarks.many").main()
