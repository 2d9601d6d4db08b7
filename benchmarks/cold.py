"""Time whole commands, from the process's start to its exit, in turn with their rivals.

    uv run python -m benchmarks.cold [--rival-python PYTHON]

`--rival-python`, or the variable SIMPLE_SCALING_LAWS_PYTHON, names a Python that has the package
simple-scaling-laws; by default it is this one, where the package is installed.
"""

import argparse
import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import pandas as pd

from benchmarks.measuring import Timing, benchmark_runs, machine, print_rows, timed

ROUNDS = 3
SEED = "1"
OURS, ONE_SCALE = "bayescale", "bayescale, student_t"
IMPORTS = "import"
RIVAL = "simple-scaling-laws"
RIVAL_COLUMNS = {
    "params": "model_size__params",
    "tokens": "dataset_size__tokens",
    "loss": "test_loss__loss",
}


def bayescale_commands(table: Path) -> dict[str, list[str]]:
    """The command; the same with one scale of all runs; and its imports."""
    program = Path(sys.executable).with_name("bayescale")
    fit = [str(program), "fit", str(table), "--law", "chinchilla", "--seed", SEED, "--json"]
    # What the command has imported when the fit begins.
    names = "datasets, fit, likelihoods, models, read_runs"
    modules = f"import bayescale.cli.main; from bayescale import {names}"
    return {
        OURS: fit,
        ONE_SCALE: [*fit, "--likelihood", "student_t"],
        IMPORTS: [sys.executable, "-c", modules],
    }


def plain_commands(table: Path) -> dict[str, list[str]]:
    """PyMC alone: with `pm.sample` left to itself, and with as much work as bayescale does."""
    script = [sys.executable, str(Path(__file__).with_name("plain_pymc.py")), str(table)]
    as_ours = ["--chains", "4", "--cores", str(os.cpu_count())]
    return {"plain PyMC, defaults": script, "plain PyMC, 4 chains": [*script, *as_ours]}


def rival_python() -> str | None:
    """The Python that has the rival: as the command line says, or the environment, or this one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    here = sys.executable if find_spec("simple_scaling_laws") else None
    default = os.environ.get("SIMPLE_SCALING_LAWS_PYTHON", here)
    parser.add_argument("--rival-python", default=default, help=f"a Python that has {RIVAL}")
    chosen: str | None = parser.parse_args().rival_python
    return chosen


def rival_commands(python: str | None, runs: pd.DataFrame, directory: Path) -> dict[str, list[str]]:
    """The separable law with 1,000 bootstrap draws, its default; none without a Python."""
    if python is None:
        print(f"{RIVAL}: skipped; name a Python that has it with --rival-python.")
        return {}
    table = directory / "rival.csv"
    runs.rename(columns=RIVAL_COLUMNS).to_csv(table, index_label="training_run_id")
    fit = [python, "-m", "simple_scaling_laws.cli", "fit", str(table), "--law", "separable-power"]
    return {RIVAL: [*fit, "--seed", SEED, "--output", str(directory / "rival.slaw")]}


def split(timing: Timing, imports: float) -> dict[str, float]:
    """Seconds of a bayescale command: the fit reports its parts, the imports are timed apart."""
    reported = json.loads(timing.printed)["seconds"]
    parts = {"import": imports, "compile": reported["compile"], "sample": reported["sample"]}
    return {**parts, "rest": timing.wall - sum(parts.values()), "whole": timing.wall}


def print_parts(timings: dict[str, list[Timing]]) -> None:
    """Print where the seconds of the bayescale commands went, medians over the rounds."""
    imports = [one.wall for one in timings[IMPORTS]]
    rows = {}
    for name in (OURS, ONE_SCALE):
        parts = [split(*pair) for pair in zip(timings[name], imports, strict=True)]
        rows[name] = [median(one[part] for one in parts) for part in parts[0]]
    print_rows(("wall seconds", *parts[0]), rows)


def print_whole(timings: dict[str, list[Timing]]) -> None:
    """Print wall and CPU seconds, and how often `OURS` goes into them, within each round."""
    rows = {}
    for name, rounds in timings.items():
        pairs = list(zip(rounds, timings[OURS], strict=True))
        seconds = [median(one.wall for one in rounds), median(one.cpu for one in rounds)]
        wall = median(theirs.wall / ours.wall for theirs, ours in pairs)
        cpu = median(theirs.cpu / ours.cpu for theirs, ours in pairs)
        rows[name] = [*seconds, wall, cpu]
    print_rows(("whole process", "wall s", "CPU s", "wall ratio", "CPU ratio"), rows)


def print_warm(commands: dict[str, list[str]]) -> None:
    """Time every command in turn, the cache on disk filled by a round that is not counted."""
    rounds = [{name: timed(line) for name, line in commands.items()} for _ in range(ROUNDS + 1)]
    timings = {name: [one[name] for one in rounds[1:]] for name in commands}
    print(f"\nWarm cache, medians of {ROUNDS}; ratios to {OURS!r}")
    print_whole(timings)
    print_parts(timings)


def print_empty(commands: dict[str, list[str]], directory: Path) -> None:
    """Time every command once, each with a PyTensor cache that starts empty."""
    timings = {
        name: [timed(line, cache=directory / f"cache_{number}")]
        for number, (name, line) in enumerate(commands.items())
    }
    print("\nEmpty PyTensor cache, once")
    print_whole(timings)
    print_parts(timings)


def main() -> None:
    python = rival_python()
    name, runs = benchmark_runs()
    print(f"{name}, {len(runs)} runs; {machine()}; seed {SEED}")
    with TemporaryDirectory() as path:
        directory = Path(path)
        table = directory / "runs.csv"
        runs.to_csv(table, index=False)
        commands = {**bayescale_commands(table), **plain_commands(table)}
        print_warm({**commands, **rival_commands(python, runs, directory)})
        print_empty(commands, directory)


if __name__ == "__main__":
    main()
