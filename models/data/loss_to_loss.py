r"""The loss on one training set follows from the loss on another: a shifted power law.

.. math:: L_1 = E_1 + K \, (L_0 - E_0)^\kappa

with :math:`L_0` and :math:`L_1` the losses (nats per token) of two models of one size that saw as
many tokens of two sets, each on text of its own set; :math:`E_0` and :math:`E_1` the irreducible
losses of the two; :math:`K` and :math:`\kappa` factor and exponent between the two reducible
losses. With :math:`\kappa = 1` both fall with compute by the same exponent; otherwise that of the
second is :math:`\kappa` times that of the first.

What is sampled is the second loss at the middle of the runs (``level``) and its relative change
with the first there (``slope``), which the runs identify well. They hardly identify the other two:
:math:`\kappa`, and the place of :math:`E_0` (``depth``) between its smallest possible value, where
neither it nor :math:`E_1` is negative, and the lowest of the first losses. In
``loss_to_loss_joint`` that floor is the irreducible loss of the first set's own law of parameters
and tokens, :mod:`bayescale.models.size_and_data.coupled`, fitted in the same model, or the lowest
loss where that is lower; sampled is then how the second loss at the middle is split (``share``).
Both losses have errors; below :math:`E_0` the formula stays at :math:`E_1`.

``loss_offset`` is the special case :math:`L_1 = L_0 + c`, with :math:`c` the difference; sampled is
the second loss where the first is lowest (``bottom``).

Sources: Brandfonbrener et al. (2024), arXiv:2411.12925, whose :math:`E_0` and :math:`E_1` come from
earlier fits; Kaplan et al. (2020), arXiv:2001.08361, section 3.2.2, for the difference.

Over the range of a sweep a straight line in the logarithms fits nearly as well, so that floors,
:math:`K` and :math:`\kappa` are hardly identified one by one, while predictions are. It has no size
and no number of tokens: for these use the law of the first set.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from bayescale.likelihoods.losses import ERRORS_IN_VARIABLES
from bayescale.models.data import loss_to_loss_claims
from bayescale.models.size_and_data.coupled import COUPLED
from bayescale.priors import Beta, Dirichlet, LogNormal
from bayescale.spec.columns import Column
from bayescale.spec.functions import Array
from bayescale.spec.law import Clustering, Drift, Law, Units
from bayescale.spec.stage import of_response

TINY = 1e-9
"""Nats that always count as reducible, so that powers of them have a gradient."""
CORNER = 0.05
"""Width of the rounded corner where floors become zero, relative to the loss at the pivot."""
NEAR = 0.01
"""How far below the lowest loss a floor bends away from that of the first set, relative to the loss
at the pivot. A floor above some losses would give the law a corner at each of them, and chains
hardly get from one to the next."""


def above(loss: Array, floor: Array) -> Array:
    """Reducible part of a loss: none below the floor."""
    difference = loss - floor
    return (difference + np.abs(difference)) / 2 + TINY


def second_loss(loss_source: Array, E_0: Array, K: Array, kappa: Array, E_1: Array) -> Array:
    """Loss on the second set where the first has `loss_source`."""
    return E_1 + K * above(loss_source, E_0) ** kappa


def _at_pivot(
    units: Units, E_0: Array, level: Array, reducible: Array, kappa: Array
) -> dict[str, Any]:
    """Coefficients from the second loss at the pivot and the reducible share of it."""
    at_pivot = level * units.pivot["loss"]
    return {
        "E_0": E_0,
        "K": at_pivot * reducible / above(units.pivot["loss_source"], E_0) ** kappa,
        "kappa": kappa,
        "E_1": at_pivot * (1 - reducible),
    }


def _positive(value: Array) -> Array:
    """The value where it is positive and nearly 0 elsewhere, without a corner."""
    return (value + np.sqrt(value**2 + CORNER**2)) / 2


def coefficients(
    units: Units, level: Array, slope: Array, kappa: Array, depth: Array
) -> dict[str, Any]:
    """Coefficients with a floor of the first set below its losses, and no floor negative."""
    source = units.pivot["loss_source"]
    least = _positive(1 - kappa / slope)
    room = _positive(units.lowest["loss_source"] / source - least)
    floor = least + depth * room
    return _at_pivot(units, source * floor, level, slope * (1 - floor) / kappa, kappa)


def joint_coefficients(
    units: Units, E: Array, level: Array, share: Sequence[Array], slope: Array
) -> dict[str, Any]:
    """Coefficients with the floor of the first set's law, where that is below all its losses."""
    source, lowest = units.pivot["loss_source"], units.lowest["loss_source"]
    _, reducible = share
    width = NEAR * source
    # Rounded exponentially, unlike `_positive`: far below, the floor is that of the first set.
    floor = lowest - width * np.log1p(np.exp((lowest - E) / width))
    kappa = slope * above(source, floor) / (source * reducible)
    return _at_pivot(units, floor, level, reducible, kappa)


PRIORS = {
    # The second loss at the pivot over the geometric mean of its losses.
    "level": LogNormal(mu=0.0, sigma=0.5),
    # Relative change of the second loss over that of the first: 95% within 0.38 to 2.7.
    "slope": LogNormal(mu=0.0, sigma=0.5),
}

# Fitted below 2e19 FLOP, the 30 pairs of six sets miss the larger of their runs by 0.15 a decade of
# the first loss; the posterior already covers a part of that.
TAU = LogNormal(mu=np.log(0.1), sigma=0.8)

SHARED: dict[str, Any] = {
    "formula": second_loss,
    "inputs": ("loss_source",),
    "columns": {"loss_source": Column(noisy=True)},
    "likelihoods": (ERRORS_IN_VARIABLES,),
    "drift": Drift(
        size=lambda loss_source: 1 / loss_source,
        tau=TAU,
        source="chosen after the misses of 30 pairs of six training sets",
    ),
    # Losses of one budget are similar, so that offsets of budgets would replace the law.
    "clusters": Clustering(by=None),
    "domain": {"loss_source": (2.5, 4.5)},
    "reference": "Brandfonbrener et al. (2024), arXiv:2411.12925, section 3",
}


def shifted(loss_source: Array, c: Array) -> Array:
    """Loss on the second set if the two differ by the same everywhere."""
    return loss_source + c


LOSS_TO_LOSS = Law(
    name="loss_to_loss",
    title="Loss to loss: loss on one training set from that on another",
    priors={
        **PRIORS,
        # How much faster the second loss falls in the end: 95% within 0.46 to 2.2.
        "kappa": LogNormal(mu=0.0, sigma=0.4),
        # The six floors that its authors estimated are 0.24 to 0.78 of the lowest loss.
        "depth": Beta(alpha=2.0, beta=2.0),
    },
    coefficients=coefficients,
    claims=loss_to_loss_claims.FLOORS,
    **SHARED,
)
LOSS_TO_LOSS_JOINT = Law(
    name="loss_to_loss_joint",
    title="Loss to loss, in one model with the first set's law of parameters and tokens",
    # Half of it irreducible on average.
    priors={
        **PRIORS,
        "share": Dirichlet(a=(1.5, 1.5), parts=("irreducible", "reducible")),
    },
    coefficients=joint_coefficients,
    stage=of_response(COUPLED, "loss_source"),
    **SHARED,
)
LOSS_OFFSET = Law(
    name="loss_offset",
    title="Loss to loss: the two losses differ by the same at every size",
    **{**SHARED, "formula": shifted},
    # The second loss where the first is lowest, over its own lowest: positive for all runs then.
    priors={"bottom": LogNormal(mu=0.0, sigma=0.5)},
    coefficients=lambda units, bottom: {
        "c": bottom * units.lowest["loss"] - units.lowest["loss_source"]
    },
)
