"""Train the runs of the pocket study that the table does not hold yet.

    uv run --group pocket python studies/pocket/run.py

The table grows by a row a run, so that a study that was stopped goes on where it was. A run that
diverged or failed is recorded as such and is not tried again.
"""

import argparse
import os
import platform
from collections.abc import Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from importlib.metadata import version
from multiprocessing import Queue, get_context
from pathlib import Path
from typing import Any

# One thread a process: two runs side by side are faster than one on two cores.
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import pandas as pd
from design import BATCH, KEY, Run, left_to_do
from text import Text, text

TABLE = Path(__file__).parents[2] / "datasets" / "data" / "pocket.csv"
VERSIONS = "; ".join(
    [f"python {platform.python_version()}"]
    + [f"{name} {version(name)}" for name in ("jax", "jaxlib", "optax", "numpy")]
)
COLUMNS = [
    *("role", "width", "layers", "heads", "params_total", "params_non_embedding"),
    *("params_with_head", "tokens", "flops_exact", "flops_6nd", "batch", "steps", "learning_rate"),
    *("seed", "status", "seconds", "train_loss", "loss", "loss_se", "versions"),
]

_text: Text


def main() -> None:
    """Train until nothing is left to do."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--text", type=Path, default=Path("build/pocket_text"), help="Its folder.")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="Runs at a time.")
    chosen = parser.parse_args()
    text(chosen.text)  # installed once, before the workers look for it
    cores = get_context("spawn").Queue()
    for core in range(chosen.workers):
        cores.put(core)
    with ProcessPoolExecutor(
        chosen.workers, get_context("spawn"), _start, (chosen.text, cores)
    ) as pool:
        for run, outcome in _outcomes(pool, chosen.workers):
            row = _row(run, outcome)
            _write(pd.concat([read(), pd.DataFrame([row], columns=COLUMNS)]))
            print({name: row.get(name) for name in (*KEY, "status", "seconds", "loss")}, flush=True)


def read() -> pd.DataFrame:
    """The table so far."""
    return pd.read_csv(TABLE) if TABLE.is_file() else pd.DataFrame(columns=COLUMNS)


def _start(folder: Path, cores: "Queue[int]") -> None:
    global _text
    _text = text(folder)
    if hasattr(os, "sched_setaffinity"):
        allowed = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {allowed[cores.get() % len(allowed)]})


def _train(run: Run) -> dict[str, Any]:
    from training import trained  # JAX starts in the worker, with the flags above

    return trained(run, _text)


def _outcomes(pool: ProcessPoolExecutor, workers: int) -> Iterator[tuple[Run, dict[str, Any]]]:
    """Every run with what came of it, as they end."""
    going: dict[Future[dict[str, Any]], Run] = {}
    while True:
        under_way = {run.key for run in going.values()}
        free = [run for run in left_to_do(read()) if run.key not in under_way]
        for run in free[: workers - len(going)]:
            going[pool.submit(_train, run)] = run
        if not going:
            return
        for future in wait(going, return_when=FIRST_COMPLETED).done:
            run = going.pop(future)
            error = future.exception()
            if isinstance(error, BrokenExecutor):
                raise error  # a worker was killed, which is not the run's fault: start again
            if error:
                yield run, {"status": f"failed: {type(error).__name__}: {error}"[:200]}
            else:
                yield run, future.result()


def _row(run: Run, outcome: dict[str, Any]) -> dict[str, Any]:
    size = run.size
    return {
        **dict(zip(KEY, run.key, strict=True)),
        "heads": size.heads,
        "params_total": size.params_total,
        "params_non_embedding": size.params_non_embedding,
        "params_with_head": size.params_with_head,
        "flops_exact": run.flops,
        "flops_6nd": 6.0 * size.params_with_head * run.tokens,
        "batch": BATCH,
        "versions": VERSIONS,
        **outcome,
    }


def _write(table: pd.DataFrame) -> None:
    part = TABLE.with_suffix(".part")
    table.to_csv(part, index=False)
    part.replace(TABLE)


if __name__ == "__main__":
    main()
