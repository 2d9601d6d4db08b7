r"""The share of right answers rises from guessing to a ceiling, as a sigmoid of scale or of loss.

.. math::
   p(x) = p_0 + \frac{p_1 - p_0}{1 + e^{-k (\ln x - m)}}, \qquad
   p(L) = p_0 + \frac{p_1 - p_0}{1 + e^{k (L - L_0)}}

with :math:`p` the accuracy (0 to 1), :math:`x` a scale (compute in FLOP, parameters, tokens, ...)
or :math:`L` a loss (nats per token, bits per byte, ...), :math:`p_0` the accuracy of guessing,
:math:`p_1` the ceiling, :math:`m` the logarithm of the scale and :math:`L_0` the loss at the middle
of the rise, and :math:`k` how steep the rise is: the log odds of the completed part of it change by
k for each e-fold of scale, or each unit of loss. Where the level of guessing is a column of the
table, ``chance``,

.. math::
   p(x, \text{chance}) = \text{chance} + \frac{(1 - \text{chance})\, u}{1 + e^{-k (\ln x - m)}}

with :math:`u` the part of the way from guessing to 1 that is learned in the end.

What is sampled is ``p_0``; ``ceiling``, how far accuracy comes in the end, from a quarter of the
way between guessing and 1 (0) to all of it (1); ``place``, where accuracy is at a quarter of that
way, from the middle of the runs, in units of the spread of the losses or of twice that of the log
scales; and ``steep``, the slope there of the logarithm of accuracy minus guessing, for each e-fold
of scale or spread of losses. Runs identify the last two whether they come near the ceiling or not.

``accuracy_ladder`` has the law of the loss on the task, of parameters and tokens
(:mod:`bayescale.models.size_and_data.chinchilla`), in the same model: it predicts accuracies from
parameters and tokens.

A scale is compute unless the table has a column x, or ``--column x=params`` names another. An
accuracy may be given as ``error``. For ``sigmoid_accuracy``, groups are families of models on one
task, which share everything but the place of the rise. For the two other laws they are tasks, which
share only the scatter: fit tasks that scatter differently one by one. A level of guessing that is
known exactly is a column; for one that is known approximately, use ``chance_prior(0.25)``.

Sources: for loss Bhagia et al. (2024), arXiv:2412.04403 (``src/scaling/fitting_functions.py`` of
its repository, where the amplitude is negative and k acts the other way round); for compute Ruan et
al. (2024), arXiv:2405.10938.

Runs that do not come near the ceiling do not identify it: :math:`p_1`, k and m then trade off, and
the prior decides. A sigmoid has one rise: accuracies that first fall below guessing, or rise twice,
need a broken power law. It does not explain why a task is hard; where the table has a loss on the
task, that is the better input.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from bayescale.likelihoods.proportions import BETA, BETA_BINOMIAL
from bayescale.models.size_and_data.chinchilla import CHINCHILLA
from bayescale.priors import Beta, LogNormal, Normal, Prior
from bayescale.spec.columns import AMOUNT, PROPORTION, Column
from bayescale.spec.compute import SIX_ND
from bayescale.spec.functions import Array
from bayescale.spec.law import Clustering, Drift, Groups, Law, Units
from bayescale.spec.stage import of_response

OBSERVATIONAL = "Ruan et al. (2024), arXiv:2405.10938"
LIKELIHOODS = (BETA_BINOMIAL, BETA)
QUARTER = 0.25
"""Part of the way from guessing to 1 at which the place of the rise is: most runs reach it."""


def rising(x: Array, p_0: Array, p_1: Array, k: Array, m: Array) -> Array:
    """Accuracy at a scale, rising from `p_0` to `p_1`."""
    return p_0 + (p_1 - p_0) / (1 + np.exp(-k * (np.log(x) - m)))


def rising_above(x: Array, chance: Array, u: Array, k: Array, m: Array) -> Array:
    """Accuracy at a scale, rising from a known level of guessing."""
    return rising(x, chance, chance + (1 - chance) * u, k, m)


def falling(bits_per_byte: Array, p_0: Array, p_1: Array, k: Array, L_0: Array) -> Array:
    """Accuracy at a loss, falling from `p_1` to `p_0`."""
    return p_0 + (p_1 - p_0) / (1 + np.exp(k * (bits_per_byte - L_0)))


def _sigmoid(ceiling: Array, steep: Array) -> tuple[Array, Array, Array]:
    """Top, steepness, and distance from a quarter of the way to 1 to the middle of the rise."""
    top = QUARTER + (1 - QUARTER) * ceiling
    k = steep * top / (top - QUARTER)
    return top, k, np.log(top / QUARTER - 1) / k


def _above(p_0: Array, top: Array) -> Array:
    return p_0 + (1 - p_0) * top


def of_scale(
    units: Units, p_0: Array, ceiling: Array, steep: Array, place: Array
) -> dict[str, Array]:
    """Coefficients of `rising`."""
    top, k, past = _sigmoid(ceiling, steep)
    return {"p_0": p_0, "p_1": _above(p_0, top), "k": k, "m": _log_scale(units, place) + past}


def of_scale_above(units: Units, ceiling: Array, steep: Array, place: Array) -> dict[str, Array]:
    """Coefficients of `rising_above`."""
    top, k, past = _sigmoid(ceiling, steep)
    return {"u": top, "k": k, "m": _log_scale(units, place) + past}


def _log_scale(units: Units, place: Array) -> Array:
    return np.log(units.pivot["x"]) + 2 * units.spread["x"] * place


def of_loss(
    units: Units, p_0: Array, ceiling: Array, steep: Array, place: Array
) -> dict[str, Array]:
    """Coefficients of `falling`."""
    pivot, spread = units.pivot["bits_per_byte"], units.spread["bits_per_byte"]
    top, k, past = _sigmoid(ceiling, steep / spread)
    return {"p_0": p_0, "p_1": _above(p_0, top), "k": k, "L_0": pivot + spread * place - past}


def halfway(m: Array) -> Array:
    """Scale at the middle of the rise."""
    return np.exp(m)


def mostly(k: Array, m: Array) -> Array:
    """Scale at which nine tenths of the rise are completed."""
    return np.exp(m + np.log(9) / k)


def per_decade(p_0: Array, p_1: Array, k: Array) -> Array:
    """Gain of accuracy from ten times the scale, where it is largest."""
    return (p_1 - p_0) * np.tanh(k * np.log(10) / 4)


def per_unit(p_0: Array, p_1: Array, k: Array) -> Array:
    """Slope of accuracy against the loss, where it is steepest."""
    return (p_1 - p_0) * k / 4


def chance_prior(chance: float, sd: float = 0.015) -> Prior:
    """Return a prior of ``p_0`` where the level of guessing is known.

    Parameters
    ----------
    chance : float
        Level of guessing, such as 0.25 for four answers to choose from.
    sd : float
        Standard deviation of the score of a guessing model about it: a thousand questions have an
        sd of 0.014, which all models share as their questions are the same.

    Returns
    -------
    Prior

    Examples
    --------
    >>> chance_prior(0.25)
    Beta(alpha=208.083, beta=624.25)
    """
    size = chance * (1 - chance) / sd**2 - 1
    return Beta(alpha=chance * size, beta=(1 - chance) * size)


ACCURACY = Column(PROPORTION, computed=lambda table: 1 - table["error"])
SCALE = Column(
    computed=lambda table: (
        table["flops"] if "flops" in table else SIX_ND.flops(table["params"], table["tokens"])
    )
)
# Free answers are never guessed, choices between two half of the time: 95% within 0.01 to 0.64.
GUESSING = Beta(alpha=1.5, beta=4.0)
# A few questions are wrong or ambiguous, so the top is near 1 and rarely at it: 95% within 0.57 to
# 0.97 of the way there. Only runs that saturate can say more.
CEILING = Beta(alpha=6.0, beta=2.0)
# k is about 1.4 times as much, 0.5: from one tenth of the rise to nine tenths takes 4.4 / k
# e-folds, 3.8 decades of compute at the median, 1 to 15 at 95%.
STEEP = LogNormal(mu=np.log(0.35), sigma=0.7)
# Among the runs or beyond them by as much again. Pooled groups then differ by a factor of a few.
PLACE = Normal(mu=0.0, sigma=1.0)

# Tasks have little in common but that they are tasks.
TASKS_ALONE = {"ceiling": "separate", "steep": "separate", "place": "separate"}
_DERIVED: Mapping[str, Any] = {"x_half": halfway, "x_most": mostly}
# A decade of compute beyond the runs, predicted accuracies are wrong by several hundredths in the
# middle of their range; 0.03 there is 0.12 in log odds.
TAU = LogNormal(mu=np.log(0.12), sigma=0.8)
# Loss falls by about an eighth in a decade of compute, so that a decade of loss is as far as
# eighteen decades of compute.
TAU_LOSS = LogNormal(mu=np.log(2.0), sigma=0.8)

SIGMOID_ACCURACY = Law(
    name="sigmoid_accuracy",
    title="Sigmoid: accuracy from compute, or from any scale x",
    formula=rising,
    inputs=("x",),
    response="accuracy",
    columns={"accuracy": ACCURACY, "x": SCALE},
    priors={"p_0": GUESSING, "ceiling": CEILING, "steep": STEEP, "place": PLACE},
    coefficients=of_scale,
    derived={**_DERIVED, "per_decade": per_decade},
    likelihoods=LIKELIHOODS,
    groups=Groups(
        pool={"p_0": "shared", "ceiling": "shared", "steep": "shared", "place": "partial"}
    ),
    clusters=Clustering(by=None),
    drift=Drift(tau=TAU, source="assumed"),
    domain={"x": (1e18, 1e25)},
    reference=OBSERVATIONAL,
)
SIGMOID_ABOVE_CHANCE = Law(
    name="sigmoid_above_chance",
    title="Sigmoid above a known chance: accuracy from compute, or any scale x",
    formula=rising_above,
    inputs=("x", "chance"),
    response="accuracy",
    columns={"accuracy": ACCURACY, "x": SCALE, "chance": Column(PROPORTION, known=True)},
    priors={"ceiling": CEILING, "steep": STEEP, "place": PLACE},
    coefficients=of_scale_above,
    derived=_DERIVED,
    drift=Drift(size=lambda x: x, tau=TAU, source="assumed"),
    likelihoods=LIKELIHOODS,
    groups=Groups(pool=TASKS_ALONE),
    clusters=Clustering(by=None),
    domain={"x": (1e18, 1e25), "chance": (0.0, 0.5)},
    reference=f"{OBSERVATIONAL}, with a known level of guessing",
)
ACCURACY_FROM_LOSS = Law(
    name="accuracy_from_loss",
    title="Sigmoid: accuracy on a task from the loss on its right answers",
    formula=falling,
    inputs=("bits_per_byte",),
    response="accuracy",
    columns={"accuracy": ACCURACY, "bits_per_byte": Column(AMOUNT)},
    priors={
        "p_0": GUESSING,
        "ceiling": CEILING,
        # Over one spread of the losses, accuracy minus guessing changes by a factor of 1.2 to 150
        # at 95%: losses of many tasks are spread wider than those of one.
        "steep": LogNormal(mu=0.0, sigma=0.8),
        # As the place on scales, in single spreads.
        "place": Normal(mu=0.0, sigma=2.0),
    },
    coefficients=of_loss,
    derived={"per_unit": per_unit},
    drift=Drift(size=lambda bits_per_byte: 1 / bits_per_byte, tau=TAU_LOSS, source="assumed"),
    likelihoods=LIKELIHOODS,
    groups=Groups(pool={"p_0": "separate", **TASKS_ALONE}),
    clusters=Clustering(by=None),
    domain={"bits_per_byte": (0.3, 2.5)},
    reference="Bhagia et al. (2024), arXiv:2412.04403",
)
ACCURACY_LADDER = replace(
    ACCURACY_FROM_LOSS,
    name="accuracy_ladder",
    title="Ladder: accuracy on a task from its loss, and that from parameters and tokens",
    stage=of_response(CHINCHILLA, "bits_per_byte"),
)
