"""Whether the pieces of a law fit together."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from bayescale.calling import arguments
from bayescale.claims import AT_BUDGET
from bayescale.errors import LawError

if TYPE_CHECKING:
    from bayescale.law import Law


def check(law: "Law") -> None:
    """Raise LawError if they do not; it names what is missing on which side."""
    _check_formula(law)
    _check_coefficients(law)
    known, inputs = set(law.coefficient_names), set(law.inputs)
    for name, function in law.derived.items():
        _within(law, f"derived quantity {name!r} takes", arguments(function), known)
    if law.optimal_params is not None:
        takes = set(arguments(law.optimal_params)) - {"product"}
        _within(law, "optimal_params takes", takes, known | inputs - {"params", "tokens"})
    for name, function in law.at_optimum.items():
        takes = {*arguments(function)} - {"params", "tokens", "flops"}
        _within(law, f"{name!r} at the optimum takes", takes, known | inputs)
    if law.size is not None:
        _within(law, "size takes", arguments(law.size), inputs)
    _within(law, "scales names", law.scales, {*inputs, law.response})
    _within(law, "pool names", law.pool, set(law.priors))
    _within(law, "between names", law.between, set(law.priors))
    _within(law, "noisy names", law.noisy, inputs)
    _within(law, "known names", law.known, inputs)
    if law.stage is not None:
        _within(law, "the response of its stage is", [law.stage.response], inputs)
    for claim in law.claims:
        sayable = {*law.sayable, *AT_BUDGET}
        _within(law, f"claim {claim.label!r} names", claim.names, sayable)
        _within(law, f"claim {claim.label!r} is made at", claim.at, set(law.further))
    _within(law, "domain names", law.domain, inputs)
    if bool(law.tau_source) != (law.tau is not None):
        raise LawError(
            f"law {law.name!r} has tau {law.tau} and tau_source {law.tau_source!r}; expected both "
            "or neither. Say where the prior of tau comes from, or leave both out."
        )


def _check_formula(law: "Law") -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", law.name):
        raise LawError(
            f"a law is called {law.name!r}; expected lower-case letters, digits and underscores. "
            "Choose another name and put the prose into title."
        )
    first = arguments(law.formula)[: len(law.inputs)]
    if first != tuple(law.inputs):
        raise LawError(
            f"law {law.name!r}: the formula's first arguments are {first}; expected its inputs "
            f"{tuple(law.inputs)}. Name and order them alike."
        )


def _check_coefficients(law: "Law") -> None:
    given = set(law.stage.coefficient_names) - set(law.priors) if law.stage else set()
    takes = set(arguments(law.coefficients)) - {"units"} - given
    _alike(law, "coefficients() takes", takes, "priors are given for", set(law.priors))
    gives = set(law.example)
    _alike(law, "coefficients() gives", gives, "the formula takes", set(law.coefficient_names))


def _alike(law: "Law", one: str, left: set[str], other: str, right: set[str]) -> None:
    if left == right:
        return
    raise LawError(
        f"law {law.name!r} contradicts itself: only {one} {sorted(left - right)}, only {other} "
        f"{sorted(right - left)}; expected the same names on both sides. Add or rename them."
    )


def _within(law: "Law", what: str, names: Iterable[str], known: set[str]) -> None:
    unknown = sorted(set(names) - known)
    if unknown:
        raise LawError(
            f"law {law.name!r}: {what} {unknown}; expected names among {sorted(known)}. "
            "Rename them, or add what they stand for."
        )
