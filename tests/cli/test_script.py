"""The installed script, in a process of its own."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from bayescale.fitting.record import Fit
from tests.shell import Outcome, assert_refused

SCRIPT = Path(sys.executable).with_name("bayescale")


def script(folder: Path, *words: str) -> Outcome:
    done = subprocess.run(
        [SCRIPT, *words], cwd=folder, capture_output=True, encoding="utf-8", check=False
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        (["fit", "runs.csv"], ["runs.csv", "'loss'", "row 2"]),
        (["optimum", "cut.nc", "--flops", "1e16"], ["cut.nc cannot be read"]),
        (["fit", "--draws"], ["--draws", "bayescale --help"]),
    ],
    ids=["table", "cut NetCDF", "usage"],
)
def test_the_script_refuses_in_one_line(
    tmp_path: Path, small_fit: Fit, words: list[str], refusal: list[str]
) -> None:
    (tmp_path / "runs.csv").write_text("params,tokens,loss\n1e8,2e9,3.1\n1e8,1e9,none\n")
    small_fit.save(tmp_path / "whole.nc")
    whole = (tmp_path / "whole.nc").read_bytes()
    (tmp_path / "cut.nc").write_bytes(whole[: len(whole) // 2])
    assert_refused(script(tmp_path, *words), refusal)


def test_the_script_ends_quietly_when_nobody_reads_on(tmp_path: Path) -> None:
    with subprocess.Popen(
        [SCRIPT, "laws"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        assert running.stderr.read() == b""


def test_the_script_writes_to_a_terminal(tmp_path: Path, saved: str) -> None:
    ours, theirs = pty.openpty()
    environment = os.environ | {"COLUMNS": "80", "TERM": "dumb"}
    with subprocess.Popen(
        [SCRIPT, "optimum", saved, "--flops", "1e16"],
        cwd=tmp_path,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        env=environment,
    ) as running:
        assert running.wait() == 3
    os.close(theirs)
    lines = os.read(ours, 100_000).decode().splitlines()
    os.close(ours)
    assert any("10¹⁶" in line for line in lines)
    assert max(map(len, lines)) <= 100  # the least that this table needs is more than 80
