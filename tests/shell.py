"""What a command of the shell left behind, and how a refusal looks."""

from collections.abc import Callable
from typing import NamedTuple


class Said(NamedTuple):
    """What a command left behind."""

    status: int
    out: str
    err: str


Shell = Callable[..., Said]


def assert_refused(said: Said, words: list[str]) -> None:
    assert said.status == 1
    assert said.out == ""
    assert said.err.startswith("bayescale: ")
    assert said.err.count("\n") == 1, said.err
    assert said.err.endswith("\n")
    assert "Traceback" not in said.err
    assert [word for word in words if word not in said.err] == [], said.err
