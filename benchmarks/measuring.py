"""A table of runs to fit, and the time a process of its own takes: for the other scripts here."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from bayescale.datasets import load
from bayescale.errors import DataError


@dataclass(frozen=True)
class Timing:
    """Seconds from a process's start to its exit, its CPU's seconds, and what it printed."""

    wall: float
    cpu: float
    printed: str


def benchmark_runs() -> tuple[str, pd.DataFrame]:
    """Name and rows of the Chinchilla runs, or of the shipped table where they cannot be had."""
    try:
        return "chinchilla", load("chinchilla")
    except DataError as error:
        print(f"no Chinchilla runs: {error}", file=sys.stderr)
        return "simulated_isoflop", load("simulated_isoflop")


def timed(command: Sequence[str], *, cache: Path | None = None) -> Timing:
    """Time of a command that has to succeed.

    Parameters
    ----------
    command : sequence of str
        Program and arguments.
    cache : Path, optional
        Directory for PyTensor's compiled code in place of the user's own.
    """
    # Without byte code every import would be a compilation.
    variables = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    if cache is not None:
        flags = [variables.get("PYTENSOR_FLAGS", ""), f"base_compiledir={cache}"]
        variables["PYTENSOR_FLAGS"] = ",".join(filter(None, flags))
    cpu, begun = _children_cpu(), time.perf_counter()
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    wall = time.perf_counter() - begun
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\nexit status {done.returncode}\n{done.stderr}")
    return Timing(wall, _children_cpu() - cpu, done.stdout)


def _children_cpu() -> float:
    """CPU seconds, user and system, of every process waited for so far."""
    spent = os.times()
    return spent.children_user + spent.children_system


def print_rows(header: Sequence[str], rows: Mapping[str, Sequence[float | str]]) -> None:
    """Print a Markdown table of named rows, numbers to three digits and text as it is."""
    print("\n| " + " | ".join(header) + " |\n|" + " --- |" * len(header))
    for name, numbers in rows.items():
        print(f"| {name} | " + " | ".join(map(_digits, numbers)) + " |")


def _digits(number: float | str) -> str:
    if isinstance(number, str):
        return number
    return f"{number:.0f}" if abs(number) >= 100 else f"{number:.3g}"


def machine() -> str:
    """One line on where the numbers come from."""
    from importlib.metadata import version

    packages = ("bayescale", "pymc", "pytensor", "nutpie", "numba")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return f"{os.cpu_count()} CPUs, Python {sys.version.split()[0]}, {versions}"
