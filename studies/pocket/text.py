"""The text: Python source from wheels that anyone can install, in an order that anyone can repeat.

Files are sorted by the SHA-256 of what they hold, which shuffles them and shows copies of one
another next to each other; copies are dropped. The first files, up to `HELD_OUT_BYTES`, are held
out. The rest is one stream of bytes, a zero byte after every file, cut into windows that are dealt
in a fixed random order.
"""

import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sizes import CONTEXT

PACKAGES = (
    "ansible-core==2.21.5",
    "Django==6.1.3",
    "homeassistant==2025.4.4",
    "networkx==3.7",
    "Sphinx==9.2.0",
    "SQLAlchemy==2.1.9",
    "sympy==1.14.0",
    "Twisted==26.10.0",
)
SHA256 = "a491e093c03b99c5d4860e9a1bf2c9f398065a0713ea261a020ca1de067b1f0c"
"""Of all files in their order, a zero byte after each."""

HELD_OUT_BYTES = 16_000_000
EVALUATED_WINDOWS = 2048
DEALT_BY = 20_261_125
"""Seed of the order in which windows are dealt."""

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Text:
    """Bytes to train on and windows to evaluate on.

    `windows(first, count)` deals from the stream; `held_out` is (window, CONTEXT + 1), and
    `held_out_file` tells which file each of its windows starts in.
    """

    stream: Array
    order: Array
    held_out: Array
    held_out_file: Array

    def windows(self, first: int, count: int) -> Array:
        """Windows of CONTEXT + 1 bytes, the next one's first byte included, from place `first`."""
        places = self.order[np.arange(first, first + count) % len(self.order)]
        return _cut(self.stream, places)


def text(folder: Path) -> Text:
    """The text, its packages installed into `folder` if they are not there yet."""
    if not folder.is_dir():
        install = ["uv", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
        subprocess.run([*install, *PACKAGES], check=True)
    files = _files(folder)
    everything = b"".join(files)
    if (found := hashlib.sha256(everything).hexdigest()) != SHA256:
        raise SystemExit(
            f"the text in {folder} has SHA-256 {found}; expected {SHA256}. Remove the folder, so "
            "that the pinned packages are installed anew."
        )
    ends = np.cumsum([len(file) for file in files])
    split = int(ends[np.searchsorted(ends, HELD_OUT_BYTES)])
    whole = np.frombuffer(everything, dtype=np.uint8)
    held_out = whole[:split]
    deal = np.random.default_rng(DEALT_BY)
    places = np.sort(deal.permutation((len(held_out) - 1) // CONTEXT)[:EVALUATED_WINDOWS])
    stream = whole[split:]
    return Text(
        stream=stream,
        order=deal.permutation((len(stream) - 1) // CONTEXT),
        held_out=_cut(held_out, places),
        held_out_file=np.searchsorted(ends, places * CONTEXT, side="right"),
    )


def _files(folder: Path) -> list[bytes]:
    """Distinct Python files of the packages, by the SHA-256 of what they hold."""
    # What stands in bin/ is rewritten by the installer for the machine.
    paths = (path for path in folder.rglob("*.py") if "bin" not in path.relative_to(folder).parts)
    contents = {path.read_bytes() + b"\0" for path in paths}
    return sorted(contents, key=lambda content: hashlib.sha256(content).digest())


def _cut(stream: Array, places: Array) -> Array:
    return stream[places[:, None] * CONTEXT + np.arange(CONTEXT + 1)]
