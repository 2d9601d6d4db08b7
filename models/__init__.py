"""Scaling laws, one family a module.

`LAWS` has every law by its name, in the order of the documentation.
"""

from difflib import get_close_matches

from bayescale.errors import LawError
from bayescale.law import Law
from bayescale.models.accuracy import (
    ACCURACY_FROM_LOSS,
    ACCURACY_LADDER,
    SIGMOID_ABOVE_CHANCE,
    SIGMOID_ACCURACY,
)
from bayescale.models.broken_power_law import BNSL_1, BNSL_2
from bayescale.models.chinchilla import CHINCHILLA
from bayescale.models.coupled import COUPLED
from bayescale.models.data_constrained import DATA_CONSTRAINED
from bayescale.models.error_from_loss import ERROR_FROM_LOSS, ERROR_LADDER
from bayescale.models.frontier import FRONTIER
from bayescale.models.isoflop import ISOFLOP, ISOFLOP_SKEWED
from bayescale.models.kaplan import KAPLAN_FLOOR, KAPLAN_ND
from bayescale.models.loss_to_loss import LOSS_OFFSET, LOSS_TO_LOSS, LOSS_TO_LOSS_JOINT
from bayescale.models.lr_annealing import LR_ANNEALING
from bayescale.models.power_law import (
    HENIGHAN_LOSS_C,
    HENIGHAN_LOSS_N,
    KAPLAN_C,
    KAPLAN_D,
    KAPLAN_N,
    POWER_LAW,
    POWER_LAW_CONSTANT,
)

LAWS: dict[str, Law] = {
    law.name: law
    for law in (
        COUPLED,
        CHINCHILLA,
        ISOFLOP,
        ISOFLOP_SKEWED,
        FRONTIER,
        KAPLAN_ND,
        KAPLAN_FLOOR,
        DATA_CONSTRAINED,
        POWER_LAW_CONSTANT,
        POWER_LAW,
        KAPLAN_N,
        KAPLAN_D,
        KAPLAN_C,
        HENIGHAN_LOSS_N,
        HENIGHAN_LOSS_C,
        BNSL_1,
        BNSL_2,
        LOSS_TO_LOSS,
        LOSS_TO_LOSS_JOINT,
        LOSS_OFFSET,
        LR_ANNEALING,
        SIGMOID_ACCURACY,
        SIGMOID_ABOVE_CHANCE,
        ACCURACY_FROM_LOSS,
        ACCURACY_LADDER,
        ERROR_FROM_LOSS,
        ERROR_LADDER,
    )
}
"""Every law by its name, in the order of the documentation; the first is the default."""


def law_named(name: str) -> Law:
    """Look up a law by the name it goes by on the shell and in saved files."""
    if name in LAWS:
        return LAWS[name]
    close = get_close_matches(name, LAWS, n=1)
    hint = f"Did you mean {close[0]!r}?" if close else "bayescale laws lists them with a line each."
    raise LawError(f"unknown law {name!r}; expected one of {', '.join(LAWS)}. {hint}")
