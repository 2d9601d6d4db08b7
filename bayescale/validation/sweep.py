"""Many fits, or any other work that is done many times: side by side, and each once.

`sweep(work, tasks)` calls ``work(**arguments)`` for every task, on joblib: in processes of this
machine, or where `joblib.parallel_config` sends them, such as to Dask or Ray. Tasks stream in and
rows stream out; each row is on disk as soon as it is there, so that a sweep that was killed goes on
where it was. The seed of a task follows from its name, so that rows do not depend on where or when
they are computed.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain
from multiprocessing import current_process
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bayescale.errors import DataError
from bayescale.validation.rows import Row, RowStore, read_rows

Task = tuple[str, Mapping[str, Any]]
Work = Callable[..., Mapping[str, Any]]

TASK, ERROR, DOUBT = "task", "error", "doubt"
"""Columns of rows: the name of the task, what went wrong, and why a result is not to be trusted.
Every row has the first two; the work may return the third."""

DEATHS = ("TerminatedWorkerError", "ActorDiedError", "ActorUnavailableError", "OutOfMemoryError")
"""Names of what joblib's own back end and Ray's raise where a process has died."""


@dataclass(frozen=True)
class Parallel:
    """Where many fits run, and where their rows are kept.

    Parameters
    ----------
    path : path, optional
        JSON lines file to which rows are added as they come. Rows that it holds are not computed
        again. By default rows are kept in memory only.
    jobs : int
        Processes; -1 for as many as there are CPUs, here or on the cluster in use.
    progress : bool
        Show a progress bar on standard error.
    """

    path: str | os.PathLike[str] | None = None
    jobs: int = -1
    progress: bool = False


def sweep(
    work: Work,
    tasks: Iterable[Task],
    *,
    parallel: Parallel = Parallel(),
    random_seed: int | None = None,
) -> pd.DataFrame:
    """Table of what some work returns, one row for each task.

    Parameters
    ----------
    work : callable
        A function of a module, called as ``work(**arguments, random_seed=...)``. Returns one row:
        from names to numbers or texts.
    tasks : iterable of (str, mapping)
        Name and arguments of each call. A generator is read as tasks are needed.
    parallel : Parallel
        File of rows, number of processes, progress bar.
    random_seed : int, optional
        The seed of each task follows from it and from the task's name. Without it, that of the rows
        in the file, if there are any; else drawn from the system.

    Returns
    -------
    DataFrame
        In the order of the tasks. Column `task` holds their names, `error` what went wrong in
        those that failed; their other cells are missing. The seed is in ``attrs["random_seed"]``.

    Raises
    ------
    DataError
        If two tasks have one name, or the file holds something else than rows of this sweep.

    Examples
    --------
    >>> from bayescale.validation.sweep import Parallel, sweep
    >>> def square(x, random_seed):
    ...     return {"square": x**2}
    >>> rows = sweep(square, [("one", {"x": 1}), ("two", {"x": 2})], parallel=Parallel(jobs=1))
    >>> rows["square"].tolist()
    [1, 4]
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

    seed = seed_of_sweep(random_seed, parallel)
    # By its name alone, so that a file of rows survives a move of the function.
    title = {"work": work.__qualname__, "random_seed": seed}
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with (
        RowStore.opened(parallel.path, title, TASK) as store,
        Progress(*columns, console=Console(stderr=True), disable=not parallel.progress) as bar,
    ):
        total = len(tasks) if isinstance(tasks, Sized) else None
        shown = bar.add_task("", total=total, completed=len(store.rows))
        queue = _Queue(tasks, done=store.rows)
        for row in _rows(work, queue, parallel.jobs, seed):
            store.keep(row)
            bar.update(shown, completed=len(store.rows))
    if queue.fault is not None:
        raise queue.fault
    wanted = [store.rows[name] for name in queue.names]
    named = dict.fromkeys(chain.from_iterable(wanted))
    ordered = [TASK, *(name for name in named if name not in (TASK, ERROR)), ERROR]
    table = pd.DataFrame(wanted, columns=ordered)
    table.attrs["random_seed"] = seed
    return table


def seed_of_sweep(random_seed: int | None, parallel: Parallel) -> int:
    """The given seed; without one, that of the rows on disk, or else one drawn from the system."""
    if random_seed is not None:
        return random_seed
    path = None if parallel.path is None else Path(parallel.path)
    title, _ = ({}, {}) if path is None else read_rows(path, TASK)
    if not title:
        return int(np.random.SeedSequence().generate_state(1)[0])
    return int(title.get("random_seed", 0))  # a title of another kind is refused with its rows


def split_rows(
    rows: pd.DataFrame, unit: str, *, fewest: int = 1
) -> tuple[pd.DataFrame, "pd.Series[str]"]:
    """Rows of the tasks that succeeded; and what is wrong with those that failed or are doubtful.

    Parameters
    ----------
    rows : DataFrame
        From `sweep`, of work that returns a `DOUBT` where it has one.
    unit : str
        What a task is, such as ``"simulation"``. It names the index of both results, which counts
        tasks from 0.
    fewest : int
        How many have to succeed.

    Returns
    -------
    good : DataFrame
        What the work returned, without its doubts.
    remarks : Series
        Errors and doubts, where there are any.

    Raises
    ------
    DataError
        If too few succeeded, with the first of the errors.
    """
    table = rows.rename_axis(unit)
    failed = table[ERROR].notna()
    if (~failed).sum() < fewest:
        reason = next(iter(table[ERROR]), "there was none to fit")
        raise DataError(
            f"no {unit} could be fitted ({reason}); expected at least {fewest}. Correct what the "
            "error names."
        )
    doubts = table[DOUBT].fillna("") if DOUBT in table else pd.Series("", table.index)
    remarks = table[ERROR].where(failed, doubts).rename("remark")
    good = table[~failed].drop(columns=[TASK, ERROR, DOUBT], errors="ignore")
    return good, remarks[remarks != ""]


class _Queue:
    """Tasks that are not done yet, and those handed out whose row has not come back.

    An error in the tasks themselves ends them. It is raised once the rows under way are safe, since
    joblib asks for tasks from threads in which an exception would be lost.
    """

    def __init__(self, tasks: Iterable[Task], done: Mapping[str, Row]) -> None:
        self.names: dict[str, None] = {}
        self.out: dict[str, Mapping[str, Any]] = {}
        self.fault: Exception | None = None
        self._source = iter(tasks)
        self._done = done

    def __iter__(self) -> Iterator[Task]:
        try:
            for name, arguments in self._source:
                if name in self.names:
                    raise DataError(
                        f"two tasks have the name {name!r}; expected every name once, since rows "
                        "are kept by it. Give each task a name of its own."
                    )
                self.names[name] = None
                if name not in self._done:
                    self.out[name] = arguments
                    yield name, arguments
        except Exception as fault:
            self.fault = fault


def _rows(work: Work, queue: _Queue, jobs: int, random_seed: int) -> Iterator[Row]:
    """Rows as they come. Where a process dies, what was under way is tried again, by halves."""
    import joblib

    backend, _ = joblib.parallel.get_active_backend()
    if type(backend).__module__.startswith("ray."):
        # It inherits False from the back end of multiprocessing, whose queues may lock up where
        # rows stream out. A pool of Ray has no such queues.
        backend.supports_return_generator = True
    waiting: list[_Queue | list[Task]] = [queue]
    while waiting:
        group = waiting.pop()
        calls = (joblib.delayed(_attempt)(work, *task, random_seed, os.getpid()) for task in group)
        try:
            for row in joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")(calls):
                queue.out.pop(row[TASK], None)
                yield row
        except Exception as error:
            if type(error).__name__ not in DEATHS or not queue.out:
                raise
            if isinstance(group, _Queue):
                waiting += [queue, list(queue.out.items())]
            elif len(group) > 1:
                left = [task for task in group if task[0] in queue.out]
                waiting += filter(None, (left[::2], left[1::2]))
            else:
                name, _ = group[0]
                del queue.out[name]
                yield {TASK: name, ERROR: "the process died without an error (out of memory?)"}


def _attempt(
    work: Work, name: str, arguments: Mapping[str, Any], random_seed: int, parent: int
) -> Row:
    """Row of a task, with its name; where it fails, with what went wrong in place of the rest."""
    # A process of joblib whose parent was killed would go on with all tasks that it was handed.
    if current_process().name.startswith("LokyProcess") and os.getppid() != parent:
        os._exit(1)
    digest = int.from_bytes(sha256(name.encode()).digest()[:8])
    seed = int(np.random.SeedSequence([random_seed, digest]).generate_state(1)[0])
    row: Row
    try:
        # As it will be read again from a file.
        row = json.loads(json.dumps(dict(work(**arguments, random_seed=seed)), default=_number))
        if row.keys() & {TASK, ERROR}:
            raise DataError(
                f"the work returned {TASK!r} or {ERROR!r} among {', '.join(row)}; expected other "
                "names, since rows have these of their own. Rename what it returns."
            )
        return {TASK: name, **row}
    # Whatever a task raises is its result, an exit too: it is recorded, and stops no other.
    except (Exception, SystemExit) as error:
        return {TASK: name, ERROR: f"{type(error).__name__}: {error}"}


def _number(value: Any) -> Any:
    """A number of numpy as one of Python."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a {type(value).__name__} is no number or text")
