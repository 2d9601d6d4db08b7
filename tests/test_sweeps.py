"""Tasks are done once, wherever, in whatever order, and whatever becomes of the others."""

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
import pytest

from bayescale.errors import DataError
from bayescale.sweeps import Task, sweep

SQUARES: list[Task] = [(f"square of {x}", {"x": x}) for x in range(6)]


def square(x: float, random_seed: int) -> dict[str, Any]:
    """Square, and a number drawn for the task."""
    return {"square": np.float64(x**2), "drawn": np.random.default_rng(random_seed).random()}


def noted(x: float, folder: str, random_seed: int) -> dict[str, Any]:
    """Square; leaves a file behind each time it is called."""
    Path(folder, f"{x}-{os.getpid()}-{time.monotonic_ns()}").touch()
    return {"square": x**2}


def fussy(x: float, random_seed: int) -> dict[str, Any]:
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
    rows = sweep(square, SQUARES, jobs=2)
    assert list(rows) == ["task", "square", "drawn", "error"]
    assert rows["task"].tolist() == [name for name, _ in SQUARES]
    assert rows["square"].tolist() == [0, 1, 4, 9, 16, 25]
    assert rows["error"].isna().all()


def test_rows_do_not_depend_on_who_does_them() -> None:
    one, two = (sweep(square, SQUARES, jobs=jobs) for jobs in (1, 2))
    assert one.equals(two)
    backwards = sweep(square, SQUARES[::-1], jobs=1).iloc[::-1].reset_index(drop=True)
    assert one.equals(backwards)
    assert one["drawn"].nunique() == len(SQUARES)
    other = sweep(square, SQUARES, jobs=1, random_seed=1)
    assert (one["drawn"] != other["drawn"]).all()


def test_tasks_are_asked_for_as_they_are_done(tmp_path: Path) -> None:
    asked = 0

    def tasks() -> Iterator[Task]:
        nonlocal asked
        for x in range(40):
            asked += 1
            yield str(x), {"x": x, "folder": str(tmp_path)}
            # What is asked for ahead does not grow with the number of tasks.
            assert asked - len(list(tmp_path.iterdir())) <= 4

    assert len(sweep(noted, tasks(), jobs=1)) == 40 == asked


def test_a_failure_is_recorded_and_stops_nothing() -> None:
    rows = sweep(fussy, SQUARES[:3], jobs=1)
    assert rows["error"][1] == "DataError: x is 1; expected another number. Take one."
    assert rows["error"].isna().tolist() == [True, False, True]
    assert rows["square"].isna().tolist() == [False, True, False]


def test_a_row_that_cannot_be_kept_is_a_failure() -> None:
    rows = sweep(unwritable, SQUARES[:3], jobs=1)
    assert rows["error"][1] == "TypeError: a object is no number or text"
    assert rows["x"].tolist()[::2] == [0, 2]


def test_what_is_on_disk_is_not_done_again(tmp_path: Path) -> None:
    store, folder = tmp_path / "rows.jsonl", tmp_path / "calls"
    folder.mkdir()
    tasks = [(str(x), {"x": x, "folder": str(folder)}) for x in range(5)]
    first = sweep(noted, tasks[:3], path=store, jobs=1)
    second = sweep(noted, tasks, path=store, jobs=1)
    assert second["square"].tolist() == [0, 1, 4, 9, 16]
    assert second[:3].equals(first)
    assert len(list(folder.iterdir())) == 5
    assert len(sweep(noted, tasks[:1], path=store, jobs=1)) == 1  # only what is asked for


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_line_cut_short_is_done_again(tmp_path: Path, cut: int) -> None:
    store = tmp_path / "rows.jsonl"
    whole = sweep(square, SQUARES, path=store, jobs=1)
    text = store.read_bytes()
    store.write_bytes(text[:-cut])
    assert sweep(square, SQUARES, path=store, jobs=1).equals(whole)
    assert store.read_bytes() == text


KILLED = """
import sys, time
from bayescale.sweeps import sweep
from tests.test_sweeps import noted
def tasks():
    for x in range(8):
        if x == 5:
            print("here", flush=True)
            time.sleep(60)
        yield str(x), {"x": x, "folder": sys.argv[2]}
sweep(noted, tasks(), path=sys.argv[1], jobs=1)
"""


def test_a_killed_sweep_goes_on_where_it_was(tmp_path: Path) -> None:
    store, folder = tmp_path / "rows.jsonl", tmp_path / "calls"
    folder.mkdir()
    command = [sys.executable, "-c", KILLED, str(store), str(folder)]
    with subprocess.Popen(command, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"here\n"
        run.kill()
    finished = len(store.read_text().splitlines()) - 1
    assert finished >= 4
    tasks = [(str(x), {"x": x, "folder": str(folder)}) for x in range(8)]
    assert sweep(noted, tasks, path=store, jobs=1)["square"].tolist() == [x**2 for x in range(8)]
    # One task may have been done without its row having been kept.
    assert 8 <= len(list(folder.iterdir())) <= 9


def test_a_process_that_dies_takes_only_its_task_along() -> None:
    rows = sweep(deadly, SQUARES, jobs=2)
    assert rows["error"].notna().tolist() == [False, False, True, False, False, False]
    assert "died without a word" in rows["error"][2]
    assert rows["square"].drop(2).tolist() == [0, 1, 9, 16, 25]


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
        rows = sweep(slow, tasks(workers[0]), path=store)
    assert rows["square"].tolist() == [x**2 for x in range(30)]
    assert rows["error"].isna().all()
    # Both began; the one that was not killed went on to the end, with or without a third.
    assert set(workers) <= set(rows["worker"].astype(int))
    assert workers[0] not in set(rows["worker"][20:].astype(int))
    assert len(store.read_text().splitlines()) == 31


def test_tasks_of_one_name_are_refused_and_the_others_kept(tmp_path: Path) -> None:
    store = tmp_path / "rows.jsonl"
    with pytest.raises(DataError, match="two tasks are called 'square of 0'"):
        sweep(square, [*SQUARES[:2], SQUARES[0]], path=store, jobs=1)
    assert len(store.read_text().splitlines()) == 3


def test_tasks_that_cannot_be_made_keep_the_rows_there_are(tmp_path: Path) -> None:
    def tasks() -> Iterator[Task]:
        yield from SQUARES[:2]
        raise ValueError("no more")

    store = tmp_path / "rows.jsonl"
    with pytest.raises(ValueError, match="no more"):
        sweep(square, tasks(), path=store, jobs=2)
    assert len(store.read_text().splitlines()) == 3


@pytest.mark.parametrize(
    "text",
    ["params,tokens,loss\n1,2,3\n", '{"a": 1}\n[1, 2]\n', '{"a": 1}\n{"b": 2}\n', "\xff\n"],
)
def test_another_file_is_refused_and_left_alone(tmp_path: Path, text: str) -> None:
    store = tmp_path / "runs.csv"
    store.write_text(text, encoding="latin-1")
    with pytest.raises(DataError, match=r"runs\.csv holds something else.*Give another path"):
        sweep(square, SQUARES, path=store, jobs=1)
    assert store.read_text(encoding="latin-1") == text


@pytest.mark.parametrize("change", [{"work": noted}, {"random_seed": 2}])
def test_rows_of_another_sweep_are_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    store = tmp_path / "rows.jsonl"
    sweep(square, SQUARES[:1], path=store, jobs=1)
    with pytest.raises(DataError, match=r"holds rows of .*square.*; expected"):
        sweep(**{"work": square, "tasks": SQUARES, "path": store, "jobs": 1} | change)
    assert json.loads(store.read_text().splitlines()[0])["random_seed"] == 0


def test_no_tasks_make_no_rows() -> None:
    assert sweep(square, [], jobs=1).empty


def test_progress_is_shown_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    sweep(square, SQUARES, jobs=1, progress=True)
    assert "6/6" in capsys.readouterr().err
