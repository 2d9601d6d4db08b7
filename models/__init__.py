"""Scaling laws, a folder for each topic and a module for each family.

- ``size_and_data``: loss from parameters, tokens and compute, and the optimal split;
- ``one_variable``: any quantity from one scale;
- ``data``: repeated data, and other training sets;
- ``dynamics``: loss along a training curve;
- ``evaluation``: accuracies and errors.

`LAWS` has every law by its name, in the order in which a reader looks for laws.
"""

from difflib import get_close_matches

from bayescale.errors import LawError
from bayescale.models.data.data_constrained import DATA_CONSTRAINED
from bayescale.models.data.loss_to_loss import LOSS_OFFSET, LOSS_TO_LOSS, LOSS_TO_LOSS_JOINT
from bayescale.models.dynamics.lr_annealing import LR_ANNEALING
from bayescale.models.evaluation.accuracy import (
    ACCURACY_FROM_LOSS,
    ACCURACY_LADDER,
    SIGMOID_ABOVE_CHANCE,
    SIGMOID_ACCURACY,
)
from bayescale.models.evaluation.error_from_loss import ERROR_FROM_LOSS, ERROR_LADDER
from bayescale.models.one_variable.broken_power_law import BNSL_1, BNSL_2
from bayescale.models.one_variable.power_law import (
    HENIGHAN_LOSS_C,
    HENIGHAN_LOSS_N,
    KAPLAN_C,
    KAPLAN_D,
    KAPLAN_N,
    POWER_LAW,
    POWER_LAW_CONSTANT,
)
from bayescale.models.size_and_data.chinchilla import CHINCHILLA
from bayescale.models.size_and_data.coupled import COUPLED
from bayescale.models.size_and_data.frontier import FRONTIER
from bayescale.models.size_and_data.isoflop import ISOFLOP, ISOFLOP_SKEWED
from bayescale.models.size_and_data.kaplan import KAPLAN_FLOOR, KAPLAN_ND
from bayescale.spec.law import Law

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
"""Every law by its name; the first is the default."""


def law_named(name: str) -> Law:
    """Look up a law by the name that the shell and saved files use.

    Parameters
    ----------
    name : str
        A key of `LAWS`.

    Returns
    -------
    Law

    Raises
    ------
    LawError
        If there is no such law.
    """
    if name in LAWS:
        return LAWS[name]
    close = get_close_matches(name, LAWS, n=1)
    hint = f"Did you mean {close[0]!r}?" if close else "bayescale laws lists them with a line each."
    raise LawError(f"unknown law {name!r}; expected one of {', '.join(LAWS)}. {hint}")
