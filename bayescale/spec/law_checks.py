"""Checks that the pieces of a law fit together, on plain names."""

import re
from collections.abc import Iterable

from bayescale.errors import LawError
from bayescale.spec.functions import arguments
from bayescale.spec.law_parts import Drift, Groups, Optimum


def check_formula(law: str, takes: tuple[str, ...], inputs: tuple[str, ...]) -> None:
    """Raise LawError if a law has no proper name, or its formula does not take the inputs first."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", law):
        raise LawError(
            f"a law is called {law!r}; expected lower-case letters, digits and underscores. "
            "Choose another name and write the rest into title."
        )
    first = takes[: len(inputs)]
    if first != tuple(inputs):
        raise LawError(
            f"law {law!r}: the formula's first arguments are {first}; expected its inputs "
            f"{tuple(inputs)}. Use the same names in the same order for both."
        )


def check_same(law: str, one: str, names: set[str], other: str, others: set[str]) -> None:
    """Raise LawError unless two sides have the same names; the message lists the differences."""
    if names != others:
        raise LawError(
            f"law {law!r} contradicts itself: only {one} {sorted(names - others)}, only {other} "
            f"{sorted(others - names)}; expected the same names on both sides. Add or rename them."
        )


def check_within(law: str, what: str, names: Iterable[str], known: set[str]) -> None:
    """Raise LawError if there are names that are not known."""
    unknown = sorted(set(names) - known)
    if unknown:
        raise LawError(
            f"law {law!r}: {what} {unknown}; expected names among {sorted(known)}. "
            "Correct the names, or add what they refer to."
        )


def check_parts(
    law: str,
    optimum: Optimum,
    drift: Drift,
    groups: Groups,
    coefficients: set[str],
    inputs: set[str],
    priors: set[str],
) -> None:
    """Raise LawError if parts of a law name what it does not have."""
    if optimum.params is not None:
        takes = set(arguments(optimum.params)) - {"product"}
        known = coefficients | inputs - {"params", "tokens"}
        check_within(law, "optimum.params takes", takes, known)
    for quantity, function in optimum.also.items():
        takes = set(arguments(function)) - {"params", "tokens", "flops"}
        check_within(law, f"{quantity!r} at the optimum takes", takes, coefficients | inputs)
    if drift.size is not None:
        check_within(law, "drift.size takes", arguments(drift.size), inputs)
    check_within(law, "groups.pool names", groups.pool, priors)
    check_within(law, "groups.between names", groups.between, priors)
