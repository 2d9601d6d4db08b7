"""How long the catalogue takes, and every dataset that is there takes to load.

uv run python -m benchmarks.tables
"""

import time
from collections.abc import Callable
from functools import partial

import numpy as np

from bayescale import datasets
from bayescale.datasets.fetching import fetch
from bayescale.errors import DataError
from benchmarks.measuring import machine, print_rows

ROUNDS = 3
ALLOWED = 2.0
"""Seconds."""


def main() -> None:
    """Load every table that is there three times."""
    print(machine())
    rows = {"(catalogue)": (0.0, *_timed(datasets.catalogue))}
    for name in datasets.catalogue()["name"]:
        try:
            fetch(datasets.card(name))
        except DataError:
            print(f"{name} is not there")
            continue
        rows[name] = (datasets.card(name).bytes / 1e6, *_timed(partial(datasets.load, name)))
    slowest = dict(sorted(rows.items(), key=lambda row: -row[1][1]))
    print_rows(("table", "MB", "first s", "median s"), slowest)
    within = sum(first < ALLOWED for _, first, _ in rows.values())
    print(f"\n{within} of {len(rows)} are there in under {ALLOWED:g} s, the first time.")


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds of the first round, and of the middle one."""
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return seconds[0], float(np.median(seconds))


if __name__ == "__main__":
    main()
