"""Whether the numbers of a claim agree with one another, and with the other claims of its paper.

No runs are needed for it. A quantity that follows from printed coefficients has to be the printed
one, and both have to lie in the printed interval, as far as the printed digits allow.
"""

from collections.abc import Iterator

import numpy as np
from scipy import stats

from bayescale.auditing.check_result import (
    AGREES,
    CHANCE,
    DISAGREES,
    CheckResult,
    Evidence,
    derivable_names,
    rounded,
    untested,
)
from bayescale.spec.claim import AT_BUDGET, Claim, half_digit
from bayescale.spec.functions import arguments, call
from bayescale.spec.law import Law

Interval = tuple[float, float]


def coherence(claim: Claim, evidence: Evidence) -> CheckResult:
    """Check whether claimed numbers agree with one another, and with other prints of the estimate.

    Claims of one source and one method are the same estimate.
    """
    law = evidence.fit.law
    same = [
        other
        for other in evidence.claims
        if claim.method
        and (other.source, other.method) == (claim.source, claim.method)
        and other != claim
    ]
    comparisons = []
    for name, ends in claim.intervals.items():
        if name in claim.values:
            sentence = (
                f"{name} = {claim.values[name]:g} lies outside of its own interval "
                f"({ends[0]:g}, {ends[1]:g})."
            )
            comparisons.append((_overlap(_printed(claim, name), _widened(ends)), sentence))
    comparisons += [pair for other in (claim, *same) for pair in _implied(claim, law, other)]
    if {"a", "b"} <= set(law.derived) and {"a", "b"} <= set(claim.values):
        # Exponents of params and tokens add up to 1, since compute is 6 N D.
        total = claim.values["a"] + claim.values["b"]
        slack = claim.rounding("a") + claim.rounding("b")
        sentence = f"a + b = {total:g}, where compute of 6 N D makes it 1."
        comparisons.append((abs(total - 1) <= slack + 1e-12, sentence))
    comparisons += _printed_lines(claim, law)
    if not comparisons:
        return untested("No number of the claim follows from its others.")
    problems = [sentence for passed, sentence in comparisons if not passed]
    sentence = (
        " ".join(problems) or f"{len(comparisons)} comparisons, and all agree within rounding."
    )
    numbers = {"compared": len(comparisons), "failed": len(problems)}
    return CheckResult(DISAGREES if problems else AGREES, numbers, sentence)


def _implied(claim: Claim, law: Law, source: Claim) -> Iterator[tuple[bool, str]]:
    """Whether derived quantities follow from the coefficients of a claim, each with a sentence."""
    whose = "" if source is claim else f" of {source.label!r}"
    for name in derivable_names(source, law):
        names = arguments(law.derived[name])
        derived = call(law.derived[name], rounded(source, law, names))
        parts = derived if isinstance(derived, tuple) else (derived,)
        for label, corners in zip(law.labels([name]), map(np.asarray, parts), strict=True):
            span = float(corners.min()), float(corners.max())
            given = f"{', '.join(names)}{whose} give {label} = {float(corners[0]):.4g}"
            if label in claim.intervals:
                ends = claim.intervals[label]
                yield (
                    _overlap(span, _widened(ends)),
                    f"{given}, outside of its interval ({ends[0]:g}, {ends[1]:g}).",
                )
            if label in claim.values:
                yield (
                    _overlap(span, _printed(claim, label)),
                    f"{given}, and not {claim.values[label]:g}.",
                )


def _printed_lines(claim: Claim, law: Law) -> Iterator[tuple[bool, str]]:
    """Whether a printed line such as D_opt = k_D C^b gives the optimum that is printed."""
    for factor, optimum in (("k_N", "N_opt"), ("k_D", "D_opt")):
        exponent = AT_BUDGET[optimum]
        if claim.budget and {factor, exponent, optimum} <= set(claim.values):
            corners = rounded(claim, law, (factor, exponent))
            line = (corners[factor] * claim.budget ** corners[exponent]).to_numpy()
            yield (
                _overlap((float(line.min()), float(line.max())), _printed(claim, optimum)),
                f"{factor} = {claim.values[factor]:g} and {exponent} = {claim.values[exponent]:g} "
                f"give {optimum} = {line[0]:.3g} at {claim.budget:.3g} FLOP ({line.min():.3g} to "
                f"{line.max():.3g} within their rounding), and not {claim.values[optimum]:.4g}.",
            )


def agreement(claim: Claim, evidence: Evidence) -> CheckResult:
    """Check whether the methods of one paper agree, in standard deviations of their difference."""
    rows = {}
    for other in evidence.claims:
        if other.source != claim.source or other.method == claim.method:
            continue
        for name in claim.values:
            sd, other_sd = claim.sd(name), other.sd(name)
            if name in other.values and sd is not None and other_sd is not None:
                difference = claim.values[name] - other.values[name]
                slack = claim.rounding(name) + other.rounding(name)
                least = np.sign(difference) * max(abs(difference) - slack, 0.0)
                rows[f"{name}, {other.label}"] = float(least / np.hypot(sd, other_sd))
    if not rows:
        return untested("The source has no other method with an interval of the same number.")
    limit = float(stats.norm.isf(CHANCE / 2 / len(rows)))
    far = [f"{label} ({z:+.1f})" for label, z in sorted(rows.items()) if abs(z) > limit]
    sentence = (
        f"Against other methods of the paper, in standard deviations: {'; '.join(far)}."
        if far
        else f"{len(rows)} comparisons with other methods of the paper, all within {limit:.1f} sd."
    )
    return CheckResult(DISAGREES if far else AGREES, rows, sentence)


def _printed(claim: Claim, name: str) -> Interval:
    """The numbers that round to a printed value."""
    value, half = claim.values[name], claim.rounding(name)
    return value - half, value + half


def _widened(ends: Interval) -> Interval:
    """A printed interval, widened by the rounding of its ends."""
    return ends[0] - half_digit(ends[0]), ends[1] + half_digit(ends[1])


def _overlap(first: Interval, second: Interval) -> bool:
    slack = 1e-9 * max(map(abs, (*first, *second)))
    return max(first[0], second[0]) <= min(first[1], second[1]) + slack
