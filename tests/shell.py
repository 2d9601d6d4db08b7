"""What a command of the shell prints and ends with, and how a refusal looks."""

from collections.abc import Callable
from typing import NamedTuple


class Outcome(NamedTuple):
    """Exit status, standard output and standard error of a command."""

    status: int
    out: str
    err: str


Shell = Callable[..., Outcome]


def assert_refused(outcome: Outcome, words: list[str]) -> None:
    assert outcome.status == 1
    assert outcome.out == ""
    assert outcome.err.startswith("bayescale: ")
    assert outcome.err.count("\n") == 1, outcome.err
    assert outcome.err.endswith("\n")
    assert "Traceback" not in outcome.err
    assert [word for word in words if word not in outcome.err] == [], outcome.err
