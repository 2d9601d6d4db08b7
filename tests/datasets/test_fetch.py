"""A remote file is the right one or none; a server that misbehaves leaves nothing behind."""

import errno
import hashlib
import os
import resource
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NoReturn

import pooch
import pytest

from bayescale.datasets import Card
from bayescale.datasets.card_record import File
from bayescale.datasets.fetching import fetch
from bayescale.errors import DataError
from tests.datasets.toys import FILE, toy

RUNS = b"params,tokens,flops,loss\n1e8,2e9,1.2e18,3.5\n"
PAGES = {
    "/html": b"<!doctype html><title>Log in</title>",
    "/wrong": RUNS.replace(b"3.5", b"3.6"),
    "/short": RUNS[:20],
}
BOTH = threading.Barrier(2, timeout=60)


class Misbehaving(BaseHTTPRequestHandler):
    """Serves the runs under /good, and something else under every other path."""

    def do_GET(self) -> None:
        if self.path == "/together":
            BOTH.wait()  # answers only when two ask at once
        page = PAGES.get(self.path, RUNS)
        self.send_response(404 if self.path == "/missing" else 200)
        # A connection closed before the promised length is a truncated file.
        self.send_header("Content-Length", str(len(page) + 100 * (self.path == "/truncated")))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the test's output clean."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Misbehaving) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the test a cache of its own, no data directory, and no proxy in between."""
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / "cache" / project)
    monkeypatch.delenv("BAYESCALE_DATA", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "cache" / "bayescale"


def served(url: str) -> Card:
    """Toy card whose file holds the runs and is to be had from `url`."""
    facts = {"url": url, "bytes": len(RUNS), "sha256": hashlib.sha256(RUNS).hexdigest()}
    return toy(files=(File(**FILE | facts),), rows=1)


def closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return f"http://127.0.0.1:{listening.getsockname()[1]}"


def files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


def test_a_file_is_downloaded_once(server: str, cache: Path) -> None:
    path = fetch(served(f"{server}/good"))["runs"]
    assert path.read_bytes() == RUNS
    assert files(cache) == [cache / "toy" / "runs.csv"]
    assert fetch(served(closed_port()))["runs"] == path  # from the cache, with no network


def test_a_spoilt_cache_is_mended(server: str, cache: Path) -> None:
    card = served(f"{server}/good")
    fetch(card)["runs"].write_text("spoilt")
    assert fetch(card)["runs"].read_bytes() == RUNS


def test_every_file_of_a_card_is_downloaded(server: str, cache: Path) -> None:
    card = served(f"{server}/good")
    second = replace(card.files[0], name="more", path="toy/more.csv")
    assert fetch(replace(card, files=(*card.files, second))) == {
        "runs": cache / "toy" / "runs.csv",
        "more": cache / "toy" / "more.csv",
    }


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        ("missing", "404"),
        ("truncated", "IncompleteRead"),
        ("short", "20 bytes came.*expected 44 bytes"),
        ("html", "an HTML page came in place of the file"),
        ("wrong", "does not match the known hash"),
    ],
)
def test_a_wrong_answer_is_refused(server: str, cache: Path, page: str, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        fetch(served(f"{server}/{page}"))
    assert files(cache) == []


def test_no_network_says_how_to_do_without(cache: Path) -> None:
    url = closed_port()
    card = served(url)
    with pytest.raises(DataError, match="could not be downloaded") as caught:
        fetch(card)
    message = str(caught.value)
    for part in (url, str(cache / "toy/runs.csv"), "BAYESCALE_DATA", card.files[0].sha256):
        assert part in message
    assert files(cache) == []


def test_a_disk_that_fills_up_is_refused(server: str, cache: Path) -> None:
    """The system refuses to write the file to its end, as it does when the disk is full."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, limits[1]))
    try:
        with pytest.raises(DataError, match=r"File too large.*Try again, or put the file"):
            fetch(served(f"{server}/good"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert files(cache) == []


def test_a_full_disk_is_refused(server: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*paths: str) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pooch.core.shutil.move", full)
    with pytest.raises(DataError, match="No space left on device"):
        fetch(served(f"{server}/good"))
    assert files(cache) == []


def test_a_cache_that_cannot_be_created_is_refused(server: str, cache: Path) -> None:
    cache.parent.write_text("a file where the directory should be")
    with pytest.raises(DataError, match="could not be downloaded"):
        fetch(served(f"{server}/good"))


def test_two_processes_at_once_both_get_the_file(server: str, tmp_path: Path) -> None:
    code = f"""
from bayescale.datasets.fetching import fetch
from tests.datasets.test_fetch import served
print(fetch(served("{server}/together"))["runs"].read_bytes() == {RUNS!r})
"""
    surroundings = os.environ | {"XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=Path(__file__).parents[2],
            env=surroundings,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    assert [process.communicate(timeout=90)[0] for process in processes] == ["True\n"] * 2
    assert [path.name for path in files(tmp_path)] == ["runs.csv"]


def test_progress_is_shown_to_a_person(
    server: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    fetch(served(f"{server}/good"))
    assert "100%" in capsys.readouterr().err


def test_progress_is_not_shown_to_a_file(server: str, capfd: pytest.CaptureFixture[str]) -> None:
    fetch(served(f"{server}/good"))
    assert "%" not in capfd.readouterr().err


def test_a_derived_table_says_what_to_do() -> None:
    local = File(**FILE | {"url": ""})
    card = toy(kind="derived", files=(local,))
    with pytest.raises(DataError, match=r"'toy' is derived .* toy/runs\.csv .*BAYESCALE_DATA"):
        fetch(card)


@pytest.fixture
def local_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """File of the toy table in the directory named by BAYESCALE_DATA."""
    path = tmp_path / "mine" / "toy" / "runs.csv"
    path.parent.mkdir(parents=True)
    path.write_bytes(RUNS)
    monkeypatch.setenv("BAYESCALE_DATA", str(tmp_path / "mine"))
    return path


def test_the_users_directory_comes_first(local_file: Path, cache: Path) -> None:
    assert fetch(served(closed_port()))["runs"] == local_file
    assert not cache.exists()


def test_another_file_in_the_users_directory_is_refused(local_file: Path) -> None:
    local_file.write_bytes(RUNS + b"1e9,2e10,1.2e20,3.0\n")
    with pytest.raises(DataError, match=r"runs\.csv has SHA-256 .*; expected .* unset BAYESCALE"):
        fetch(served(closed_port()))


def test_the_users_directory_is_never_written_to(
    server: str, local_file: Path, cache: Path
) -> None:
    local_file.unlink()
    local_file.parent.rmdir()
    assert fetch(served(f"{server}/good"))["runs"] == cache / "toy" / "runs.csv"
    assert list(local_file.parents[1].iterdir()) == []


def test_a_file_that_cannot_be_read_is_refused(
    local_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(path: Path, mode: str) -> NoReturn:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", closed)
    with pytest.raises(DataError, match=r"cannot be read \(Permission denied\)"):
        fetch(served(closed_port()))


@pytest.mark.parametrize("name", ["mistyped", "~nosuchuser", "a" * 5000])
def test_a_directory_that_is_not_there_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BAYESCALE_DATA", name)
    with pytest.raises(DataError, match=f"{name[:200]}', which is no directory; expected"):
        fetch(served(closed_port()))
