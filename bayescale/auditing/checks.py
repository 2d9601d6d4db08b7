"""Every check of a claim, with what a failure means.

To add a check, write a function of a claim and the evidence in a module of its own, and give it an
entry here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from bayescale.auditing.check_result import CheckResult, Evidence
from bayescale.auditing.coherence import agreement, coherence
from bayescale.auditing.held_out import held_out
from bayescale.auditing.objective import own_objective
from bayescale.auditing.optimum import at_budget
from bayescale.auditing.position import joint_position, position
from bayescale.auditing.residuals import residuals
from bayescale.auditing.sensitivity import sensitivity
from bayescale.auditing.width import width
from bayescale.spec.claim import Claim

INCONSISTENT, INCOHERENT, OVERCONFIDENT = "inconsistent", "incoherent", "overconfident"

SENSITIVITY = "sensitivity"
"""Name of the check that has a result only with a multiverse."""


@dataclass(frozen=True)
class Check:
    """A check of a claim.

    Parameters
    ----------
    function : callable
        From a claim and the evidence to a `CheckResult`.
    meaning : str, optional
        What a failure means: `INCONSISTENT`, `INCOHERENT` or `OVERCONFIDENT`. An incoherent claim
        contradicts itself, whatever the fit is worth. None for a check that changes no verdict.
    """

    function: Callable[[Claim, Evidence], CheckResult]
    meaning: str | None = None


CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "position": Check(position, INCONSISTENT),
        "joint position": Check(joint_position, INCONSISTENT),
        "optimum": Check(at_budget, INCONSISTENT),
        "residuals": Check(residuals, INCONSISTENT),
        "held-out runs": Check(held_out, INCONSISTENT),
        "width": Check(width, OVERCONFIDENT),
        "coherence": Check(coherence, INCOHERENT),
        "own objective": Check(own_objective, INCOHERENT),
        "agreement of methods": Check(agreement),
        SENSITIVITY: Check(sensitivity),
    }
)
"""Every check by name, in the order in which results are shown."""
