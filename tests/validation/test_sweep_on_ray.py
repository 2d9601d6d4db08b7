"""The same sweep on a local Ray, whose workers are processes of their own and may die."""

import json
import logging
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory

import joblib
import pytest

from bayescale.validation.sweep import Parallel, Task, sweep
from tests.validation.test_sweep import ALONE, SQUARES, deadly, slow, square

pytestmark = [
    pytest.mark.slow,
    # What Ray before 2.60 says of itself where it starts and ends.
    pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:unclosed file .*/dev/null:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Tip. In future versions of Ray:FutureWarning"),
]


@pytest.fixture(scope="module")
def on_ray() -> Iterator[None]:
    """Send what joblib does to a Ray of two CPUs, which ends with the tests of this file."""
    with (
        pytest.MonkeyPatch.context() as patch,
        # Ray's sockets are in it, and the path of a socket has to be short.
        TemporaryDirectory(prefix="ray", dir="/tmp") as folder,
    ):
        # Below `uv run`, every worker would build an environment first.
        patch.setenv("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        # Ray listens to the network; left to itself, it puts a token in the home of who runs this.
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", token_hex())
        version = ".".join(map(str, sys.version_info[:2]))
        ray = pytest.importorskip(
            "ray", reason=f"needs bayescale[ray], and Ray may have no wheel for Python {version}"
        )
        from ray.util.joblib import register_ray

        try:
            ray.init(
                num_cpus=2,
                object_store_memory=80 * 2**20,  # the least is 75 MB
                include_dashboard=False,
                logging_level=logging.ERROR,
                log_to_driver=False,
                _temp_dir=folder,
            )
            register_ray()
            with joblib.parallel_config("ray"):
                yield
        finally:
            ray.shutdown()


@pytest.mark.usefixtures("on_ray")
def test_rows_from_ray_are_those_of_one_process() -> None:
    with joblib.parallel_config("sequential"):
        expected = sweep(square, SQUARES, parallel=ALONE, random_seed=7)
    assert sweep(square, SQUARES, random_seed=7).equals(expected)


@pytest.mark.usefixtures("on_ray")
def test_a_ray_that_loses_a_worker_loses_no_row(tmp_path: Path) -> None:
    store = tmp_path / "rows.jsonl"
    killed: list[int] = []

    def tasks() -> Iterator[Task]:
        for x in range(30):
            if x == 15:
                killed.append(json.loads(store.read_text().splitlines()[-1])["worker"])
                os.kill(killed[0], signal.SIGKILL)
            yield str(x), {"x": x}

    rows = sweep(slow, tasks(), parallel=Parallel(store))
    assert rows["square"].tolist() == [x**2 for x in range(30)]
    assert rows["error"].isna().all()
    workers = rows["worker"].tolist()
    assert killed[0] in workers[:15]
    assert not {killed[0], os.getpid()} & set(workers[15:])
    assert len(set(workers)) > 2  # both were given up, and others came
    assert len(store.read_text().splitlines()) == 31


@pytest.mark.usefixtures("on_ray")
def test_tasks_that_kill_their_worker_are_found() -> None:
    rows = sweep(deadly, [*SQUARES, ("again", {"x": 2})])
    assert rows.index[rows["error"].notna()].tolist() == [2, 6]
    assert rows["error"].dropna().str.contains("died without an error").all()
    assert rows["square"].dropna().tolist() == [0, 1, 9, 16, 25]
