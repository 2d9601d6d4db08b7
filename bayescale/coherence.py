"""Whether the numbers of a claim agree with one another, and with the rest of their paper.

No runs are needed for it: a quantity that follows from printed coefficients has to be the one that
is printed, and both lie in its interval, as far as the printed digits tell.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from scipy import stats

from bayescale.calling import arguments, call
from bayescale.checks import AGREES, CHANCE, DISAGREES, CheckResult, rounded, untested
from bayescale.claims import AT_BUDGET, Claim, half_digit
from bayescale.law import Law

METHODS = "agreement of methods"
Span = tuple[float, float]


def coherence(claim: Claim, law: Law, others: Sequence[Claim] = ()) -> CheckResult:
    """Whether claimed numbers agree with one another, and with the same estimate printed elsewhere.

    Parameters
    ----------
    claim : Claim
        Its values, its intervals, and what follows from its coefficients.
    law : Law
        Says what follows from coefficients.
    others : sequence of Claim
        Those of the same source and method are taken for the same estimate.
    """
    same = [claim, *(each for each in others if each != claim and _same(each, claim))]
    found = [
        *_own_intervals(claim),
        *(problem for each in same for problem in _implied(claim, law, each)),
        *_shares(claim, law),
        *_lines(claim, law),
    ]
    tested = [passed for passed, _ in found]
    problems = [sentence for passed, sentence in found if not passed]
    if not tested:
        return untested("coherence", "The claim says nothing twice.")
    sentence = " ".join(problems) or f"{len(tested)} comparisons, and all agree within rounding."
    numbers = {"compared": len(tested), "failed": len(problems)}
    return CheckResult("coherence", DISAGREES if problems else AGREES, numbers, sentence)


def _same(one: Claim, other: Claim) -> bool:
    return bool(one.method) and (one.source, one.method) == (other.source, other.method)


def _own_intervals(claim: Claim) -> Iterator[tuple[bool, str]]:
    for name, ends in claim.intervals.items():
        if name in claim.values:
            value = claim.values[name]
            yield (
                _meet(_around(value, claim.rounding(name)), _widened(ends)),
                f"{name} = {value:g} lies outside of its own interval {_said(ends)}.",
            )


def _implied(claim: Claim, law: Law, by: Claim) -> Iterator[tuple[bool, str]]:
    """What the coefficients of a claim make of the derived quantities of another."""
    whose = "" if by is claim else f" of {by.label!r}"
    for name, function in law.derived.items():
        takes = arguments(function)
        if not set(law.labels(takes)) <= set(by.values):
            continue
        found = call(function, rounded(by, law, takes))
        parts = found if isinstance(found, tuple) else (found,)
        for label, corners in zip(law.labels([name]), map(np.asarray, parts), strict=True):
            span, value = (float(corners.min()), float(corners.max())), float(corners[0])
            follows = f"{', '.join(takes)}{whose} give {label} = {value:.4g}"
            if label in claim.intervals:
                ends = claim.intervals[label]
                yield (
                    _meet(span, _widened(ends)),
                    f"{follows}, outside of its interval {_said(ends)}.",
                )
            if label in claim.values:
                printed = claim.values[label]
                yield (
                    _meet(span, _around(printed, claim.rounding(label))),
                    f"{follows}, and not {printed:g}.",
                )


def _shares(claim: Claim, law: Law) -> Iterator[tuple[bool, str]]:
    """Exponents of params and tokens add up to 1, since compute is 6 N D."""
    if {"a", "b"} <= set(law.derived) and {"a", "b"} <= set(claim.values):
        total = claim.values["a"] + claim.values["b"]
        slack = claim.rounding("a") + claim.rounding("b")
        yield (
            abs(total - 1) <= slack + 1e-12,
            f"a + b = {total:g}, where compute of 6 N D makes it 1.",
        )


def _lines(claim: Claim, law: Law) -> Iterator[tuple[bool, str]]:
    """What a printed line makes of the budget, such as D_opt = k_D C^b."""
    for factor, optimum in (("k_N", "N_opt"), ("k_D", "D_opt")):
        exponent = AT_BUDGET[optimum]
        if claim.budget and {factor, exponent, optimum} <= set(claim.values):
            corners = rounded(claim, law, (factor, exponent))
            line = (corners[factor] * claim.budget ** corners[exponent]).to_numpy()
            printed = claim.values[optimum]
            yield (
                _meet(
                    (float(line.min()), float(line.max())),
                    _around(printed, claim.rounding(optimum)),
                ),
                f"{factor} = {claim.values[factor]:g} and {exponent} = {claim.values[exponent]:g} "
                f"give {optimum} = {line[0]:.3g} at {claim.budget:.3g} FLOP ({line.min():.3g} to "
                f"{line.max():.3g} within their rounding), and not {printed:.4g}.",
            )


def agreement(claim: Claim, others: Iterable[Claim]) -> CheckResult:
    """Whether the methods of one paper agree, in standard deviations of their difference."""
    name = METHODS
    rows = {}
    for other in others:
        if other.source != claim.source or other.method == claim.method:
            continue
        for each in claim.values.keys() & other.values.keys():
            both = claim.sd(each), other.sd(each)
            if None not in both:
                difference = claim.values[each] - other.values[each]
                slack = claim.rounding(each) + other.rounding(each)
                least = np.sign(difference) * max(abs(difference) - slack, 0.0)
                rows[f"{each}, {other.label}"] = float(least / np.hypot(*both))  # type: ignore[arg-type]
    if not rows:
        return untested(name, "The source has no other method with an interval of the same number.")
    limit = float(stats.norm.isf(CHANCE / 2 / len(rows)))
    far = [f"{each} ({z:+.1f})" for each, z in sorted(rows.items()) if abs(z) > limit]
    sentence = (
        f"Against other methods of the paper, in standard deviations: {'; '.join(far)}."
        if far
        else f"{len(rows)} comparisons with other methods of the paper, all within {limit:.1f} sd."
    )
    return CheckResult(name, DISAGREES if far else AGREES, rows, sentence)


def _around(value: float, half: float) -> Span:
    return value - half, value + half


def _widened(ends: Span) -> Span:
    return ends[0] - half_digit(ends[0]), ends[1] + half_digit(ends[1])


def _meet(one: Span, other: Span) -> bool:
    slack = 1e-9 * max(map(abs, (*one, *other)))
    return max(one[0], other[0]) <= min(one[1], other[1]) + slack


def _said(ends: Span) -> str:
    return f"({ends[0]:g}, {ends[1]:g})"
