r"""Loss falls with the sum of learning rates, and further as the rate comes down.

.. math:: L(s) = L_0 + A\,S_1(s)^{-\alpha} - C\,S_2(s), \qquad
   S_1(s) = \sum_{i \le s} \eta_i, \qquad S_2(s) = \sum_{i \le s} m_i, \qquad
   m_i = \lambda m_{i-1} + (\eta_{i-1} - \eta_i)

with :math:`L` the loss (nats per token) at step :math:`s` of one training run, :math:`\eta_i` the
learning rate at step :math:`i`, :math:`S_1` their sum (column ``lr_sum``), :math:`S_2` what their
drops have added up to (``lr_drop``), :math:`L_0` the loss that endless training at one rate would
reach, :math:`A` and :math:`\alpha` amplitude and exponent of how it gets there, and :math:`C` what
drops take off. A drop works over about :math:`1 / (1 - \lambda)` steps; :math:`\lambda` is 0.999
unless ``lr_annealing(decay=...)`` says otherwise, since it is no free parameter here: compare laws
of several decays. ``drop_gain`` :math:`= C / (1 - \lambda)` is what a drop takes off in the end,
nats per unit of learning rate, and hardly changes with the decay.

A table has one row for each point of each curve: ``step``, ``learning_rate`` and ``schedule``,
which tells curves apart. Both sums follow from these. Between rows the rate changes linearly; where
it changes between two rows that are close, and not in the gaps before and after, it steps at the
second. It rises linearly from 0 to that of a curve's first row, and gets there after
``warmup_steps`` if there is such a column, or else at that row; this rise is no drop. So give every
schedule from the end of its warm-up on, also where only its last loss is wanted. A fit takes rows
a thousand steps apart, which err alike from one to the next, and each curve has an offset.

What is sampled is the loss at the middle of the rows (``level``), how it is split between what
stays and what training takes off (``share``), the exponent, and ``gain``: the share of
:math:`L_0` that drops take off where ``lr_drop`` is two standard deviations above its mean.

Source: Tissue et al. (2024), arXiv:2408.11029, eq. 1. Its code takes the rate as at its peak during
warm-up; counted as it was, constants differ a little. The estimates here are of the curves that
Luo et al. (2025), arXiv:2503.12811, released.

It holds for one model, one batch size and one peak rate at a time. A run needs a curve that decays
beside one that does not, or C returns its prior. The last term is linear and has no end: after long
decays the law falls below :math:`L_0`, and a decay to 0 over most of training is beyond what it was
tried on. How fast a drop works is one number for all of them, while small rates make drops work
more slowly: the multi-power law of Luo et al. says so, and is not here yet.
"""

from collections.abc import Sequence
from functools import cache, partial

import numpy as np
import pandas as pd
import pymc as pm

from bayescale.errors import DataError
from bayescale.flops import Array
from bayescale.law import Law, Units
from bayescale.likelihood import autoregressive
from bayescale.models.lr_annealing_claims import LUO
from bayescale.priors import Prior
from bayescale.scales import AMOUNT

SCHEDULE, STEP, RATE, WARMUP = "schedule", "step", "learning_rate", "warmup_steps"

ABRUPT = 500
"""Rows this many steps apart, or fewer, tell a rate that steps from one that falls slowly."""

APART = 1000.0
"""Steps between the rows that are fitted. Those of the released curves, 128 steps apart, do not err
as the likelihood says: white noise lies on top of what lasts for thousands of steps."""


def loss(lr_sum: Array, lr_drop: Array, L_0: Array, A: Array, alpha: Array, C: Array) -> Array:
    """Loss of a run whose learning rates add up to `lr_sum`, and whose drops to `lr_drop`."""
    return L_0 + A / lr_sum**alpha - C * lr_drop


def coefficients(
    units: Units, level: Array, share: Sequence[Array], alpha: Array, gain: Array
) -> dict[str, Array]:
    """Split the loss at the pivot; what drops take off there belongs to the irreducible part."""
    at_pivot = level * units.pivot["loss"]
    irreducible, reducible = share
    far = units.pivot["lr_drop"] + 2.0 * units.spread["lr_drop"]
    lowest = at_pivot * irreducible / (1.0 - gain * units.pivot["lr_drop"] / far)
    return {
        "L_0": lowest,
        "A": at_pivot * reducible * units.pivot["lr_sum"] ** alpha,
        "alpha": alpha,
        "C": gain * lowest / far,
    }


def lr_sum(table: pd.DataFrame) -> pd.Series:
    """Sum of learning rates up to each row."""
    return _along_curves(table, 0.0)[0]


def lr_drop(table: pd.DataFrame, decay: float) -> pd.Series:
    """What drops of the learning rate have added up to at each row."""
    return _along_curves(table, decay)[1]


def _along_curves(table: pd.DataFrame, decay: float) -> tuple[pd.Series, pd.Series]:
    missing = [name for name in (SCHEDULE, STEP, RATE) if name not in table]
    if missing:
        raise DataError(
            f"the table has no column {missing[0]!r}; expected {STEP!r}, {RATE!r} and "
            f"{SCHEDULE!r}, from which sums of learning rates are computed, or lr_sum and lr_drop "
            "themselves. Add or rename it."
        )
    sums = pd.DataFrame({"sum": np.nan, "drop": np.nan}, index=table.index)
    for name, curve in table.groupby(SCHEDULE, sort=False):
        sums.loc[curve.index] = _along(str(name), curve, decay)
    return sums["sum"], sums["drop"]


def _along(name: str, curve: pd.DataFrame, decay: float) -> Array:
    """Both sums at each row of one curve."""
    from scipy.signal import lfilter

    rows = curve.sort_values(STEP, kind="stable")
    steps, rates = (rows[column].to_numpy(dtype="float64") for column in (STEP, RATE))
    begin = _warmup(name, rows, steps)
    rate = _every_step(begin, steps, rates)
    drops = -np.diff(rate, prepend=rate[0])
    falls = np.flatnonzero(drops > 0)
    drops[: falls[0] if len(falls) else None] = 0.0  # the rise
    total = np.cumsum(lfilter([1.0], [1.0, -decay], drops))
    at = np.rint(curve[STEP].to_numpy(dtype="float64")).astype(int)
    return np.column_stack([np.cumsum(rate)[at], total[at]])


def _every_step(begin: float, steps: Array, rates: Array) -> Array:
    """Learning rate at each step from 0 on, risen to that of the first row at step `begin`."""
    later = steps > begin
    steps, rates = np.r_[begin, steps[later]], np.r_[rates[0], rates[later]]
    every = np.arange(round(steps[-1]) + 1)
    rate = np.interp(every, np.r_[0.0, steps], np.r_[0.0, rates])
    moves = np.diff(rates) != 0
    alone = moves[1:-1] & ~moves[:-2] & ~moves[2:]
    for k in np.flatnonzero(alone & (np.diff(steps)[1:-1] <= ABRUPT)) + 1:
        rate[(every > steps[k]) & (every < steps[k + 1])] = rates[k]
    return np.asarray(rate)


def _warmup(name: str, rows: pd.DataFrame, steps: Array) -> float:
    """Step at which the rate of the first row is reached."""
    if WARMUP in rows:
        return min(float(rows[WARMUP].iloc[0]), float(steps[0]))
    if len(rows) == 1:
        raise DataError(
            f"schedule {name!r} has one row, at step {steps[0]:g}; expected all of it from the end "
            "of its warm-up on, since what came before the first row is taken for warm-up. Add "
            f"rows, or a column {WARMUP!r}."
        )
    return float(steps[0])


def warmup_stable_decay(
    steps: int,
    decay_steps: int,
    *,
    peak: float,
    last: float,
    warmup_steps: int,
    every: int = 100,
) -> pd.DataFrame:
    """A schedule that stays at its peak and then falls linearly, to ask a fit about.

    Parameters
    ----------
    steps, decay_steps, warmup_steps : int
        Of the whole run, of its end in which the rate falls, and of its beginning.
    peak, last : float
        Learning rates.
    every : int
        Steps between rows.

    Returns
    -------
    DataFrame
        ``step, learning_rate, warmup_steps``, and ``schedule``, its name: ``wsd_DECAY_STEPS``.
    """
    begin = steps - decay_steps
    if not 0 < warmup_steps <= begin < steps:
        raise DataError(
            f"{warmup_steps} steps of warm-up and {decay_steps} of decay were asked for in {steps} "
            "steps; expected both above 0, and room for both. Ask for fewer."
        )
    places = np.unique([*np.arange(warmup_steps, steps, every), begin, steps])
    rates = np.interp(places, [begin, steps], [peak, last])
    columns = {STEP: places.astype("float64"), RATE: rates, WARMUP: float(warmup_steps)}
    return pd.DataFrame(columns).assign(**{SCHEDULE: f"wsd_{decay_steps}"})


PRIORS = {
    # The loss at the middle of the rows over the geometric mean of the losses.
    "level": Prior(pm.LogNormal, mu=0.0, sigma=0.5),
    # First rows come after warm-up, when most of what can be learned is learned: two thirds stay on
    # average, and any split is possible.
    "share": Prior(pm.Dirichlet, a=(2.0, 1.0), parts=("irreducible", "reducible")),
    # Noisy gradients at one rate make a loss fall as the root of the steps: 95% in 0.2 to 1.3.
    "alpha": Prior(pm.LogNormal, mu=np.log(0.5), sigma=0.5),
    # Decay takes tenths of a nat off a few nats: a tenth on average, nothing not excluded. Below 1
    # the law stays above 0 as far as two standard deviations go.
    "gain": Prior(pm.Beta, alpha=1.0, beta=9.0),
}


@cache
def lr_annealing(decay: float = 0.999) -> Law:
    """The annealing law with a given decay of how drops act.

    Parameters
    ----------
    decay : float
        Between 0 and 1: a drop acts over about 1 / (1 - decay) steps.
    """

    def drop_gain(C: Array) -> Array:
        """What a drop takes off in the end, for each unit of learning rate."""
        return C / (1.0 - decay)

    usual = decay == 0.999
    return Law(
        name="lr_annealing" if usual else f"lr_annealing_{decay:g}".replace(".", ""),
        title=f"Annealing: loss along a curve, from its learning rates; decay {decay:g}",
        formula=loss,
        inputs=("lr_sum", "lr_drop"),
        scales={"lr_drop": AMOUNT},
        columns={"lr_sum": lr_sum, "lr_drop": partial(lr_drop, decay=decay)},
        priors=PRIORS,
        coefficients=coefficients,
        derived={"drop_gain": drop_gain},
        size=_size,
        likelihoods=(autoregressive(SCHEDULE, STEP, APART),),
        clusters=SCHEDULE,
        tilts=False,
        claims=tuple(claim for claim in LUO if claim.method == f"decay {decay:g}"),
        domain={"lr_sum": (0.3, 22.0), "lr_drop": (0.0, 0.3)},
        reference="Tissue et al. (2024), arXiv:2408.11029, eq. 1",
    )


def _size(lr_sum: Array) -> Array:
    return lr_sum


LR_ANNEALING = lr_annealing()
