"""Tasks are done once, wherever, in whatever order, and whatever becomes of the others."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest

from bayescale.errors import DataError
from bayescale.validation.rows import RowStore
from bayescale.validation.sweep import Parallel, Task, split_rows, sweep

ALONE = Parallel(jobs=1)
SQUARES: list[Task] = [(f"square of {x}", {"x": x}) for x in range(6)]


def square(x: float, random_seed: int) -> dict[str, Any]:
    """Square, and a number drawn for the task."""
    return {"square": np.float64(x**2), "drawn": np.random.default_rng(random_seed).random()}


def counted(x: float, folder: str, random_seed: int) -> dict[str, Any]:
    """Square; leaves a file behind each time it is called."""
    Path(folder, f"{x}-{os.getpid()}-{time.monotonic_ns()}").touch()
    return {"square": x**2}


def partly_failing(x: float, random_seed: int) -> dict[str, Any]:
    if x == 1:
        raise DataError("x is 1; expected another number. Take one.")
    return {"square": x**2, "kept": [x] if x == 2 else np.int64(0)}


def unwritable(x: float, random_seed: int) -> dict[str, Any]:
    return {"x": object() if x == 1 else x}


def deadly(x: float, random_seed: int) -> dict[str, Any]:
    if x == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"square": x**2}


def test_rows_come_in_the_order_of_the_tasks() -> None:
    rows = sweep(square, SQUARES, parallel=Parallel(jobs=2))
    assert list(rows) == ["task", "square", "drawn", "error"]
    assert rows["task"].tolist() == [name for name, _ in SQUARES]
    assert rows["square"].tolist() == [0, 1, 4, 9, 16, 25]
    assert rows["error"].isna().all()


def test_rows_do_not_depend_on_processes_or_order() -> None:
    one, two = (
        sweep(square, SQUARES, parallel=Parallel(jobs=jobs), random_seed=0) for jobs in (1, 2)
    )
    assert one.equals(two)
    backwards = sweep(square, SQUARES[::-1], parallel=ALONE, random_seed=0)
    assert one.equals(backwards.iloc[::-1].reset_index(drop=True))
    assert one["drawn"].nunique() == len(SQUARES)
    other = sweep(square, SQUARES, parallel=ALONE, random_seed=1)
    assert (one["drawn"] != other["drawn"]).all()


def test_a_seed_that_is_not_given_is_drawn_and_kept() -> None:
    first, second = (sweep(square, SQUARES, parallel=ALONE) for _ in range(2))
    assert first.attrs["random_seed"] != second.attrs["random_seed"]
    again = sweep(square, SQUARES, parallel=ALONE, random_seed=first.attrs["random_seed"])
    assert again.equals(first)


def test_a_seed_that_is_not_given_is_that_of_the_file(tmp_path: Path) -> None:
    parallel = Parallel(tmp_path / "rows.jsonl", jobs=1)
    first = sweep(square, SQUARES[:3], parallel=parallel, random_seed=7)
    both = sweep(square, SQUARES, parallel=parallel)
    assert both.attrs["random_seed"] == 7
    assert both[:3].equals(first)


def test_the_title_of_a_file_does_not_name_the_module(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    sweep(square, SQUARES[:1], parallel=Parallel(path, jobs=1), random_seed=3)
    assert json.loads(path.read_text().splitlines()[0]) == {"work": "square", "random_seed": 3}


def test_tasks_are_read_as_they_are_needed(tmp_path: Path) -> None:
    read = 0

    def tasks() -> Iterator[Task]:
        nonlocal read
        for x in range(40):
            read += 1
            yield str(x), {"x": x, "folder": str(tmp_path)}
            # What is read ahead does not grow with the number of tasks.
            assert read - len(list(tmp_path.iterdir())) <= 4

    assert len(sweep(counted, tasks(), parallel=ALONE)) == 40 == read


def test_a_failure_is_recorded_and_stops_nothing() -> None:
    rows = sweep(partly_failing, SQUARES[:3], parallel=ALONE)
    assert rows["error"][1] == "DataError: x is 1; expected another number. Take one."
    assert rows["error"].isna().tolist() == [True, False, True]
    assert rows["square"].isna().tolist() == [False, True, False]


def test_a_row_that_cannot_be_kept_is_a_failure() -> None:
    rows = sweep(unwritable, SQUARES[:3], parallel=ALONE)
    assert rows["error"][1] == "TypeError: a object is no number or text"
    assert rows["x"].tolist()[::2] == [0, 2]


def test_what_is_on_disk_is_not_done_again(tmp_path: Path) -> None:
    store, folder = tmp_path / "rows.jsonl", tmp_path / "calls"
    folder.mkdir()
    tasks = [(str(x), {"x": x, "folder": str(folder)}) for x in range(5)]
    first = sweep(counted, tasks[:3], parallel=Parallel(store, jobs=1))
    second = sweep(counted, tasks, parallel=Parallel(store, jobs=1))
    assert second["square"].tolist() == [0, 1, 4, 9, 16]
    assert second[:3].equals(first)
    assert len(list(folder.iterdir())) == 5
    assert (
        len(sweep(counted, tasks[:1], parallel=Parallel(store, jobs=1))) == 1
    )  # only what is asked for


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_line_cut_short_is_done_again(tmp_path: Path, cut: int) -> None:
    store = tmp_path / "rows.jsonl"
    whole = sweep(square, SQUARES, parallel=Parallel(store, jobs=1), random_seed=0)
    text = store.read_bytes()
    store.write_bytes(text[:-cut])
    assert sweep(square, SQUARES, parallel=Parallel(store, jobs=1)).equals(whole)
    assert store.read_bytes() == text


@pytest.mark.parametrize("kept", [0, 1, 15, 40])
def test_a_title_cut_short_is_written_again(tmp_path: Path, kept: int) -> None:
    store = tmp_path / "rows.jsonl"
    whole = sweep(square, SQUARES, parallel=Parallel(store, jobs=1), random_seed=0)
    text = store.read_bytes()
    store.write_bytes(text[:kept])
    assert sweep(square, SQUARES, parallel=Parallel(store, jobs=1), random_seed=0).equals(whole)
    assert store.read_bytes() == text


def misnamed(x: float, random_seed: int) -> dict[str, Any]:
    return {"task": "another"} if x == 1 else {"square": x**2}


def leaving(x: float, random_seed: int) -> dict[str, Any]:
    if x == 1:
        raise SystemExit("enough")
    return {"square": x**2}


@pytest.mark.parametrize(
    ("work", "words"), [(misnamed, "'task' or 'error' among task"), (leaving, "SystemExit: enough")]
)
def test_a_task_takes_no_other_along(work: Any, words: str) -> None:
    rows = sweep(work, SQUARES[:3], parallel=ALONE)
    assert rows["task"].tolist() == [name for name, _ in SQUARES[:3]]
    assert words in rows["error"][1]
    assert rows["square"][[0, 2]].tolist() == [0, 4]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "is a folder or a device"),
        ("absent/rows.jsonl", "No such file or directory"),
        ("/dev/full", "is a folder or a device"),
    ],
)
def test_a_place_where_no_file_can_be_is_refused(tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        sweep(square, SQUARES, parallel=Parallel(tmp_path / name, jobs=1), random_seed=0)


def test_a_full_disk_is_refused_and_rows_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "rows.jsonl"
    sweep(square, SQUARES[:2], parallel=Parallel(store, jobs=1), random_seed=0)
    before = store.read_bytes()

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(DataError, match=r"cannot write rows to .*No space left.*make room"):
            sweep(square, SQUARES, parallel=Parallel(store, jobs=1))
    assert store.read_bytes().startswith(before)
    assert len(sweep(square, SQUARES, parallel=Parallel(store, jobs=1))) == len(SQUARES)


@pytest.mark.skipif(sys.platform == "win32", reason="no such locks")
def test_two_processes_do_not_write_one_file(tmp_path: Path) -> None:
    store = tmp_path / "rows.jsonl"
    with RowStore.opened(store, {"work": "square", "random_seed": 0}, "task"):
        words = rf"rows\.jsonl is being written by process {os.getpid()} on "
        with pytest.raises(DataError, match=words):
            sweep(square, SQUARES, parallel=Parallel(store, jobs=1), random_seed=0)
    assert len(sweep(square, SQUARES, parallel=Parallel(store, jobs=1), random_seed=0)) == 6
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.jsonl"]


KILLED = """
import sys, time
from bayescale.validation.sweep import Parallel, sweep
from tests.validation.test_sweep import counted
def tasks():
    for x in range(8):
        if x == 5:
            print("here", flush=True)
            time.sleep(60)
        yield str(x), {"x": x, "folder": sys.argv[2]}
sweep(counted, tasks(), parallel=Parallel(sys.argv[1], jobs=1))
"""


def test_a_killed_sweep_goes_on_where_it_was(tmp_path: Path) -> None:
    store, folder = tmp_path / "rows.jsonl", tmp_path / "calls"
    folder.mkdir()
    command = [sys.executable, "-c", KILLED, str(store), str(folder)]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"here\n"
        run.kill()
    finished = len(store.read_text().splitlines()) - 1
    assert finished >= 4
    tasks = [(str(x), {"x": x, "folder": str(folder)}) for x in range(8)]
    rows = sweep(counted, tasks, parallel=Parallel(store, jobs=1))
    assert rows["square"].tolist() == [x**2 for x in range(8)]
    # One task may have been done without its row having been kept.
    assert 8 <= len(list(folder.iterdir())) <= 9


ORPHANED = """
import sys
from bayescale.validation.sweep import Parallel, sweep
from tests.validation.test_sweep import counted_slowly
tasks = [(str(x), {"x": x, "folder": sys.argv[1]}) for x in range(60)]
sweep(counted_slowly, tasks, parallel=Parallel(jobs=2))
"""


def counted_slowly(x: float, folder: str, random_seed: int) -> dict[str, Any]:
    time.sleep(0.2)
    return counted(x, folder, random_seed)


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal")
def test_a_killed_sweep_leaves_no_process_at_work(tmp_path: Path) -> None:
    """Each of two processes ends the task it is at. Sixty tasks would take six seconds."""
    command = [sys.executable, "-c", ORPHANED, str(tmp_path)]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2]) as run:
        while not list(tmp_path.iterdir()) and run.poll() is None:
            time.sleep(0.05)
        run.kill()
    at_the_kill = len(list(tmp_path.iterdir()))
    assert at_the_kill > 0
    time.sleep(3)
    assert len(list(tmp_path.iterdir())) <= at_the_kill + 2


def test_a_process_that_dies_takes_only_its_task_along() -> None:
    rows = sweep(deadly, [*SQUARES, ("again", {"x": 2})], parallel=Parallel(jobs=2))
    assert rows.index[rows["error"].notna()].tolist() == [2, 6]
    assert rows["error"].dropna().str.contains("died without an error").all()
    assert rows["square"].dropna().tolist() == [0, 1, 9, 16, 25]


def slow(x: float, random_seed: int) -> dict[str, Any]:
    time.sleep(0.2)
    return {"square": x**2, "worker": os.getpid()}


@pytest.mark.slow
def test_a_cluster_that_loses_a_worker_loses_no_row(tmp_path: Path) -> None:
    """The same call on a Dask cluster of processes, one of which is killed half-way."""
    from distributed import Client, LocalCluster

    store = tmp_path / "rows.jsonl"

    def tasks(victim: int) -> Iterator[Task]:
        for x in range(30):
            if x == 15:
                os.kill(victim, signal.SIGKILL)
            yield str(x), {"x": x}

    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, local_directory=tmp_path
        ) as cluster,
        Client(cluster) as client,
        joblib.parallel_config("dask"),
    ):
        workers = sorted(client.run(os.getpid).values())
        rows = sweep(slow, tasks(workers[0]), parallel=Parallel(store))
    assert rows["square"].tolist() == [x**2 for x in range(30)]
    assert rows["error"].isna().all()
    # Both began; the one that was not killed went on to the end, with or without a third.
    assert set(workers) <= set(rows["worker"].astype(int))
    assert workers[0] not in set(rows["worker"][20:].astype(int))
    assert len(store.read_text().splitlines()) == 31


def test_tasks_of_one_name_are_refused_and_the_others_kept(tmp_path: Path) -> None:
    store = tmp_path / "rows.jsonl"
    with pytest.raises(DataError, match="two tasks have the name 'square of 0'"):
        sweep(square, [*SQUARES[:2], SQUARES[0]], parallel=Parallel(store, jobs=1))
    assert len(store.read_text().splitlines()) == 3


def test_an_error_in_the_tasks_keeps_the_rows_there_are(tmp_path: Path) -> None:
    def tasks() -> Iterator[Task]:
        yield from SQUARES[:2]
        raise ValueError("no more")

    store = tmp_path / "rows.jsonl"
    with pytest.raises(ValueError, match="no more"):
        sweep(square, tasks(), parallel=Parallel(store, jobs=2))
    assert len(store.read_text().splitlines()) == 3


@pytest.mark.parametrize(
    "text",
    ["params,tokens,loss\n1,2,3\n", '{"a": 1}\n[1, 2]\n', '{"a": 1}\n{"b": 2}\n', "\xff\n"],
)
def test_another_file_is_refused_and_not_changed(tmp_path: Path, text: str) -> None:
    store = tmp_path / "runs.csv"
    store.write_text(text, encoding="latin-1")
    with pytest.raises(DataError, match=r"runs\.csv holds something else.*Give another path"):
        sweep(square, SQUARES, parallel=Parallel(store, jobs=1))
    assert store.read_text(encoding="latin-1") == text


@pytest.mark.parametrize("change", [{"work": counted}, {"random_seed": 2}])
def test_rows_of_another_sweep_are_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    store = tmp_path / "rows.jsonl"
    parallel = Parallel(store, jobs=1)
    sweep(square, SQUARES[:1], parallel=parallel, random_seed=0)
    options: dict[str, Any] = {"work": square, "tasks": SQUARES, "parallel": parallel}
    with pytest.raises(DataError, match=r"holds rows of .*square.*; expected"):
        sweep(**options | change)
    assert json.loads(store.read_text().splitlines()[0])["random_seed"] == 0


def test_no_tasks_make_no_rows() -> None:
    assert sweep(square, [], parallel=ALONE).empty


def test_progress_is_shown_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    sweep(square, SQUARES, parallel=Parallel(jobs=1, progress=True))
    assert "6/6" in capsys.readouterr().err


def test_rows_are_split_into_good_ones_and_remarks() -> None:
    rows = pd.DataFrame(
        {
            "task": ["a", "b", "c"],
            "x": [1.0, np.nan, 3.0],
            "doubt": ["", np.nan, "few draws"],
            "error": [None, "DataError: no", None],
        }
    )
    good, remarks = split_rows(rows, "fit")
    assert good.reset_index().to_dict("list") == {"fit": [0, 2], "x": [1.0, 3.0]}
    assert remarks.reset_index().to_dict("list") == {
        "fit": [1, 2],
        "remark": ["DataError: no", "few draws"],
    }


def test_nothing_that_succeeded_is_an_error_where_something_has_to() -> None:
    rows = sweep(partly_failing, SQUARES[1:2], parallel=ALONE)
    with pytest.raises(DataError, match=r"no fit could be fitted \(DataError: x is 1"):
        split_rows(rows, "fit")
    good, remarks = split_rows(rows, "fit", fewest=0)
    assert good.empty
    assert len(remarks) == 1
