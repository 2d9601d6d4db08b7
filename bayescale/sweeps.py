"""Many fits, or anything else that is done many times: side by side, and never done twice.

`sweep(work, tasks)` calls ``work(**arguments)`` for every task, on joblib: in processes of this
machine, or wherever `joblib.parallel_config` says, such as a Dask cluster. Tasks stream in and rows
stream out; each row is on disk as soon as it is there, so a sweep that was killed goes on where it
was. A task's seed follows from its name, so rows do not depend on where or when it ran.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from contextlib import contextmanager
from hashlib import sha256
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

from bayescale.errors import DataError
from bayescale.rowstore import Row, RowStore, plain

Task = tuple[str, Mapping[str, Any]]
Work = Callable[..., Mapping[str, Any]]

TASK, ERROR = "task", "error"
"""Columns of every row: the name of its task, and what went wrong, if anything did."""


def sweep(
    work: Work,
    tasks: Iterable[Task],
    *,
    path: str | os.PathLike[str] | None = None,
    jobs: int = -1,
    random_seed: int = 0,
    progress: bool = False,
) -> pd.DataFrame:
    """Table of what some work returns, one row a task.

    Parameters
    ----------
    work : callable
        A function of a module, called as ``work(**arguments, random_seed=...)``. Returns one row:
        from names to numbers or texts.
    tasks : iterable of (str, mapping)
        Name and arguments of each call. They may be made only as they are asked for.
    path : path, optional
        JSON lines file to which rows are added as they come. What it holds is not done again. By
        default rows are kept in memory only.
    jobs : int
        Processes; -1 for as many as there are CPUs, here or on the cluster in use.
    random_seed : int
        With the name, what the seed of each task follows from.
    progress : bool
        Show a progress bar on standard error.

    Returns
    -------
    DataFrame
        In the order of the tasks. Column `task` holds their names, `error` what went wrong in
        those that failed; their other cells are missing.

    Raises
    ------
    DataError
        If two tasks have one name, or `path` holds something else than rows of this sweep.

    Examples
    --------
    >>> from bayescale.sweeps import sweep
    >>> def square(x, random_seed):
    ...     return {"square": x**2}
    >>> sweep(square, [("one", {"x": 1}), ("two", {"x": 2})], jobs=1)["square"].tolist()
    [1, 4]
    """
    total = len(tasks) if isinstance(tasks, Sized) else None
    with RowStore.opened(path, _title(work, random_seed), TASK) as store, _bar(progress) as bar:
        bar(len(store.rows), total)
        queue = _Queue(tasks, done=store.rows)
        for row in _rows(work, queue, jobs, random_seed):
            store.keep(row)
            bar(len(store.rows), total)
    if queue.fault is not None:
        raise queue.fault
    wanted = {name: store.rows[name] for name in queue.names}
    return pd.DataFrame(list(wanted.values()), columns=_columns(wanted))


def _title(work: Work, random_seed: int) -> dict[str, Any]:
    """What rows of one sweep have in common: rows of another one never mix with them."""
    return {"work": f"{work.__module__}.{work.__qualname__}", "random_seed": random_seed}


def _columns(rows: Mapping[str, Row]) -> list[str]:
    named = dict.fromkeys(chain.from_iterable(rows.values()))
    return [TASK, *(name for name in named if name not in (TASK, ERROR)), ERROR]


class _Queue:
    """Tasks not done yet, and those handed out whose row has not come back.

    A fault in the tasks themselves ends them. It is raised once the rows under way are safe, since
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
                self._refuse_repeated(name)
                self.names[name] = None
                if name not in self._done:
                    self.out[name] = arguments
                    yield name, arguments
        except Exception as fault:
            self.fault = fault

    def _refuse_repeated(self, name: str) -> None:
        if name in self.names:
            raise DataError(
                f"two tasks are called {name!r}; expected every name once, since rows are told "
                "apart by it. Name them by what tells them apart."
            )


def _rows(work: Work, queue: _Queue, jobs: int, random_seed: int) -> Iterator[Row]:
    """Rows as they come. Where a process dies, its tasks are tried again, each by itself."""
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    while True:
        try:
            yield from _returned(work, queue, queue, jobs, random_seed)
            return
        except TerminatedWorkerError:
            for name, arguments in list(queue.out.items()):
                try:
                    # Two processes, as one would be this one.
                    yield from _returned(work, queue, [(name, arguments)], 2, random_seed)
                except TerminatedWorkerError:
                    del queue.out[name]
                    yield {TASK: name, ERROR: "the process died without a word (out of memory?)"}


def _returned(
    work: Work, queue: _Queue, tasks: Iterable[Task], jobs: int, random_seed: int
) -> Iterator[Row]:
    from joblib import Parallel, delayed

    calls = (
        delayed(_attempt)(work, name, arguments, _seed(name, random_seed))
        for name, arguments in tasks
    )
    for row in Parallel(n_jobs=jobs, return_as="generator_unordered")(calls):
        queue.out.pop(row[TASK], None)
        yield row


def _seed(name: str, random_seed: int) -> int:
    digest = int.from_bytes(sha256(name.encode()).digest()[:8])
    return int(np.random.SeedSequence([random_seed, digest]).generate_state(1)[0])


def _attempt(work: Work, name: str, arguments: Mapping[str, Any], seed: int) -> Row:
    """Row of a task, with its name; where it fails, with what went wrong in place of the rest."""
    try:
        return {TASK: name, **plain(work(**arguments, random_seed=seed))}
    # Whatever a task raises is what came of it: it is recorded, and stops no other.
    except Exception as error:
        return {TASK: name, ERROR: f"{type(error).__name__}: {error}"}


@contextmanager
def _bar(wanted: bool) -> Iterator[Callable[[int, int | None], None]]:
    """Show how many rows there are of how many tasks."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not wanted) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
