"""From the outcomes of checks to a verdict on a claim, and the sentences behind it."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bayescale.checks import AGREES, DISAGREES, CheckResult
from bayescale.coherence import METHODS
from bayescale.sensitive import NAME as SENSITIVITY

if TYPE_CHECKING:
    from bayescale.fitting import Fit

REFUSED = "refused"
INCONSISTENT, INCOHERENT, OVERCONFIDENT = "inconsistent", "incoherent", "overconfident"
CONSISTENT, UNTESTABLE = "consistent", "not testable"
VERDICTS = {
    REFUSED: "the fit is not trusted, so that nothing is held against the claim",
    INCONSISTENT: "the runs say otherwise",
    INCOHERENT: "its numbers contradict one another, or its own method",
    OVERCONFIDENT: "its interval is narrower than these runs can make it",
    CONSISTENT: "nothing that was checked speaks against it",
    UNTESTABLE: "these runs do not tell",
}
"""What an audit can come to, the gravest first."""
FINE = frozenset({CONSISTENT, UNTESTABLE, REFUSED})
"""Verdicts that do not speak against a claim."""

POSITIONS = ("position", "joint position", "optimum", "residuals", "held-out runs")
INWARD = ("coherence", "own objective")
"""Checks of a claim against itself, which stand whatever a fit is worth."""
ASIDE = (METHODS, SENSITIVITY)
"""Checks that change no verdict, and are told after what made it."""


def verdict_of(
    results: Mapping[str, CheckResult], vague: Sequence[str], *, trusted: bool
) -> tuple[str, ...]:
    """Every word that applies, the gravest first.

    Parameters
    ----------
    results : mapping of str to CheckResult
        By name.
    vague : sequence of str
        What the claim speaks of and the runs do not identify.
    trusted : bool
        Whether the fit is.
    """
    failed = {name for name, result in results.items() if result.outcome == DISAGREES}
    found = [
        word
        for word, names in (
            (INCONSISTENT, POSITIONS),
            (INCOHERENT, INWARD),
            (OVERCONFIDENT, ("width",)),
        )
        if failed & set(names)
    ]
    if not trusted:
        # What a claim says of itself stands, whatever the runs do.
        return (REFUSED, *(word for word in found if word == INCOHERENT))
    passed = any(results[name].outcome == AGREES for name in (*POSITIONS, "width"))
    return tuple(found) or ((UNTESTABLE,) if vague or not passed else (CONSISTENT,))


def reasons_of(
    verdict: tuple[str, ...], results: Mapping[str, CheckResult], vague: Sequence[str], fit: "Fit"
) -> tuple[str, ...]:
    """A sentence for each check that led to a verdict; then what was shown beside it."""
    said = {name: f"{name}: {result.sentence}" for name, result in results.items()}
    failed = [name for name, result in results.items() if result.outcome == DISAGREES]
    reasons = [said[name] for name in failed if name not in ASIDE]
    if REFUSED in verdict:
        return (*fit.verdict.reasons, *(each for each in reasons if each.startswith(INWARD)))
    if vague:
        reasons.append(f"The runs do not identify {', '.join(vague)}.")
    if not reasons:
        reasons = [said[name] for name, result in results.items() if result.outcome == AGREES]
    return (*reasons, *(said[name] for name in ASIDE if name in failed))
