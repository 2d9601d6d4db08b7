"""From the outcomes of checks to the verdict on a claim, and the sentences behind it."""

from collections.abc import Mapping, Sequence

from bayescale.auditing.check_result import AGREES, DISAGREES, CheckResult
from bayescale.auditing.checks import CHECKS, INCOHERENT, INCONSISTENT, OVERCONFIDENT
from bayescale.fitting.record import Fit

REFUSED, CONSISTENT, UNTESTABLE = "refused", "consistent", "not testable"

VERDICTS = {
    REFUSED: "the fit is not trusted, so that it is no evidence about the claim",
    INCONSISTENT: "the runs contradict it",
    INCOHERENT: "its numbers contradict one another, or its own method",
    OVERCONFIDENT: "its interval is narrower than these runs can make it",
    CONSISTENT: "no check speaks against it",
    UNTESTABLE: "these runs cannot test it",
}
"""Every verdict with its meaning, the gravest first."""

FINE = frozenset({CONSISTENT, UNTESTABLE, REFUSED})
"""Verdicts that do not speak against a claim."""


def verdict_of(
    results: Mapping[str, CheckResult], unidentified: Sequence[str], *, trusted: bool
) -> tuple[str, ...]:
    """Every verdict that applies to a claim, the gravest first.

    Parameters
    ----------
    results : mapping of str to CheckResult
        By the names of `bayescale.auditing.checks.CHECKS`.
    unidentified : sequence of str
        Quantities of the claim that the runs do not identify.
    trusted : bool
        Whether the fit is trusted.

    Returns
    -------
    tuple of str
        Keys of `VERDICTS`.
    """
    failed = {CHECKS[name].meaning for name, r in results.items() if r.outcome == DISAGREES}
    verdicts = tuple(word for word in VERDICTS if word in failed)
    if not trusted:
        # What contradicts itself does so whatever the fit is worth.
        return (REFUSED, *(word for word in verdicts if word == INCOHERENT))
    passed = any(
        r.outcome == AGREES and CHECKS[name].meaning in (INCONSISTENT, OVERCONFIDENT)
        for name, r in results.items()
    )
    return verdicts or ((UNTESTABLE,) if unidentified or not passed else (CONSISTENT,))


def reasons_of(
    verdict: Sequence[str],
    results: Mapping[str, CheckResult],
    unidentified: Sequence[str],
    fit: Fit,
) -> tuple[str, ...]:
    """Sentences behind a verdict, then those of failed checks that change none.

    Parameters
    ----------
    verdict : sequence of str
        From `verdict_of`.
    results : mapping of str to CheckResult
        By the names of `bayescale.auditing.checks.CHECKS`.
    unidentified : sequence of str
        Quantities of the claim that the runs do not identify.
    fit : Fit
        The fit with the usual likelihood.

    Returns
    -------
    tuple of str
        One at least.
    """
    sentences = {name: f"{name}: {result.sentence}" for name, result in results.items()}
    failed = [name for name, result in results.items() if result.outcome == DISAGREES]
    if REFUSED in verdict:
        incoherent = (sentences[name] for name in failed if CHECKS[name].meaning == INCOHERENT)
        return (*fit.verdict.reasons, *incoherent)
    reasons = [sentences[name] for name in failed if CHECKS[name].meaning]
    if unidentified:
        reasons.append(f"The runs do not identify {', '.join(unidentified)}.")
    if not reasons:
        reasons = [sentences[name] for name, r in results.items() if r.outcome == AGREES]
    aside = (sentences[name] for name in failed if not CHECKS[name].meaning)
    return (*(reasons or ["No check can test what is claimed."]), *aside)
