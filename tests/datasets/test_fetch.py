"""A remote file is the right one or none; a server that misbehaves leaves nothing behind."""

import errno
import hashlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NoReturn

import pooch
import pytest

from bayescale.datasets import Card
from bayescale.datasets.fetching import fetch
from bayescale.errors import DataError

RUNS = b"params,tokens,flops,loss\n1e8,2e9,1.2e18,3.5\n"


class Misbehaving(BaseHTTPRequestHandler):
    """Serves the runs under /good, and something else under every other path."""

    def do_GET(self) -> None:
        page = b"<!doctype html><title>Log in</title>" if self.path == "/html" else RUNS
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


def toy(url: str) -> Card:
    return Card(
        name="toy",
        title="Toy",
        description="One run.",
        paper="none",
        citation="none",
        licence="none stated",
        kind="remote",
        path="toy/runs.csv",
        url=url,
        sha256=hashlib.sha256(RUNS).hexdigest(),
        bytes=len(RUNS),
        rows=1,
        columns={"params": "", "tokens": "", "flops": "", "loss": ""},
        params_count="total",
        response="loss",
        response_unit="nats/token",
        laws=("chinchilla",),
    )


def closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return f"http://127.0.0.1:{listening.getsockname()[1]}"


def files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


def test_a_file_is_downloaded_once(server: str, cache: Path) -> None:
    path = fetch(toy(f"{server}/good"))
    assert path.read_bytes() == RUNS
    assert files(cache) == [cache / "toy" / "runs.csv"]
    assert fetch(toy(closed_port())) == path  # from the cache, with no network


def test_a_spoilt_cache_is_mended(server: str, cache: Path) -> None:
    fetch(toy(f"{server}/good")).write_text("spoilt")
    assert fetch(toy(f"{server}/good")).read_bytes() == RUNS


@pytest.mark.parametrize(
    ("page", "reason"),
    [("missing", "404"), ("truncated", "IncompleteRead"), ("html", "does not match")],
)
def test_a_wrong_answer_is_refused(server: str, cache: Path, page: str, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        fetch(toy(f"{server}/{page}"))
    assert files(cache) == []


def test_no_network_says_how_to_do_without(cache: Path) -> None:
    url = closed_port()
    with pytest.raises(DataError, match="could not be downloaded") as caught:
        fetch(toy(url))
    message = str(caught.value)
    for part in (url, str(cache / "toy" / "runs.csv"), "BAYESCALE_DATA", toy(url).sha256):
        assert part in message
    assert files(cache) == []


def test_a_full_disk_is_refused(server: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*paths: str) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pooch.core.shutil.move", full)
    with pytest.raises(DataError, match="No space left on device"):
        fetch(toy(f"{server}/good"))
    assert files(cache) == []


def test_a_cache_that_cannot_be_made_is_refused(server: str, cache: Path) -> None:
    cache.parent.write_text("a file where the directory should be")
    with pytest.raises(DataError, match="could not be downloaded"):
        fetch(toy(f"{server}/good"))


@pytest.fixture
def at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """File of the toy table in the directory named by BAYESCALE_DATA."""
    path = tmp_path / "mine" / "toy" / "runs.csv"
    path.parent.mkdir(parents=True)
    path.write_bytes(RUNS)
    monkeypatch.setenv("BAYESCALE_DATA", str(tmp_path / "mine"))
    return path


def test_the_users_directory_comes_first(at_hand: Path, cache: Path) -> None:
    assert fetch(toy(closed_port())) == at_hand
    assert not cache.exists()


def test_another_file_in_the_users_directory_is_refused(at_hand: Path) -> None:
    at_hand.write_bytes(RUNS + b"1e9,2e10,1.2e20,3.0\n")
    with pytest.raises(DataError, match=r"runs\.csv has SHA-256 .*; expected .* unset BAYESCALE"):
        fetch(toy(closed_port()))


def test_the_users_directory_is_never_written_to(server: str, at_hand: Path, cache: Path) -> None:
    at_hand.unlink()
    at_hand.parent.rmdir()
    assert fetch(toy(f"{server}/good")) == cache / "toy" / "runs.csv"
    assert list(at_hand.parents[1].iterdir()) == []


def test_a_file_that_cannot_be_read_is_refused(
    at_hand: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(path: Path, mode: str) -> NoReturn:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", closed)
    with pytest.raises(DataError, match=r"cannot be read \(Permission denied\)"):
        fetch(toy(closed_port()))


def test_a_directory_that_is_not_there_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BAYESCALE_DATA", str(tmp_path / "mistyped"))
    with pytest.raises(DataError, match="mistyped', which is no directory; expected"):
        fetch(toy(closed_port()))
