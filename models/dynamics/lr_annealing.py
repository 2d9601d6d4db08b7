r"""Loss falls with the sum of learning rates, and further as the rate comes down.

.. math:: L(s) = L_0 + A\,S_1(s)^{-\alpha} - C\,S_2(s), \qquad
   S_1(s) = \sum_{i \le s} \eta_i, \qquad S_2(s) = \sum_{i \le s} m_i, \qquad
   m_i = \lambda m_{i-1} + (\eta_{i-1} - \eta_i)

with :math:`L` the loss (nats per token) at step :math:`s` of one training run, :math:`\eta_i` the
learning rate at step :math:`i`, :math:`S_1` their sum (column ``lr_sum``), :math:`S_2` the
accumulated effect of their drops (``lr_drop``), :math:`L_0` the loss that endless training at one
rate would reach, :math:`A` and :math:`\alpha` amplitude and exponent of the approach to it, and
:math:`C` how much drops lower the loss. A drop acts over about :math:`1 / (1 - \lambda)` steps;
:math:`\lambda` is no free parameter here. It is 0.999, or that of ``lr_annealing(decay=...)``:
compare laws of several decays. ``drop_gain`` :math:`= C / (1 - \lambda)` is how much a drop lowers
the loss in the end, nats per unit of learning rate, and hardly changes with the decay.

A table has one row for each point of each curve: ``step``, ``learning_rate`` and ``schedule``,
which identifies curves. Both sums follow from these. Between rows the rate changes linearly; where
it changes between two rows that are close, and not in the gaps before and after, it steps at the
second. It rises linearly from 0 to that of a curve's first row, and gets there after
``warmup_steps`` if there is such a column, or else at that row; this rise is no drop. So give every
schedule from the end of its warm-up on, also where only its last loss is wanted. A fit uses rows a
thousand steps apart; the errors of neighbouring rows are correlated, and each curve has an offset.

What is sampled is the loss at the middle of the rows (``level``), how it is split between the
irreducible and the reducible part (``share``), the exponent, and ``gain``: the share of
:math:`L_0` by which drops lower the loss where ``lr_drop`` is two standard deviations above its
mean.

Source: Tissue et al. (2024), arXiv:2408.11029, eq. 1. Its code keeps the rate at its peak during
warm-up; here the rise counts, so that constants differ a little. The estimates here are of the
curves that Luo et al. (2025), arXiv:2503.12811, released.

It holds for one model, one batch size and one peak rate at a time. It needs a curve that decays and
one that does not, or C returns its prior. The last term is linear without limit: after long decays
the law falls below :math:`L_0`, and a decay to 0 over most of training is outside the range that it
was tested on. All drops act equally fast in it, although drops at small rates act more slowly, as
in the multi-power law of Luo et al., which bayescale does not have yet.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd

from bayescale.errors import DataError
from bayescale.likelihoods.curves import autoregressive
from bayescale.models.dynamics.lr_annealing_claims import LUO
from bayescale.priors import Beta, Dirichlet, LogNormal
from bayescale.spec.columns import AMOUNT, Column
from bayescale.spec.functions import Array, cached
from bayescale.spec.law import Clustering, Drift, Law, Units

SCHEDULE, STEP, RATE, WARMUP = "schedule", "step", "learning_rate", "warmup_steps"

APART = 1000.0
"""Steps between the rows that are fitted. Errors of the released rows, 128 steps apart, do not
follow the likelihood: they have white noise on top of errors that last for thousands of steps."""


def loss(lr_sum: Array, lr_drop: Array, L_0: Array, A: Array, alpha: Array, C: Array) -> Array:
    """Loss of a run whose learning rates add up to `lr_sum`, and whose drops to `lr_drop`."""
    return L_0 + A / lr_sum**alpha - C * lr_drop


def coefficients(
    units: Units, level: Array, share: Sequence[Array], alpha: Array, gain: Array
) -> dict[str, Array]:
    """Split the loss at the pivot; the effect of drops there belongs to the irreducible part."""
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
    """Accumulated effect of drops of the learning rate at each row."""
    return _along_curves(table, decay)[1]


def _along_curves(table: pd.DataFrame, decay: float) -> tuple[pd.Series, pd.Series]:
    """Both sums at each row of each curve."""
    from scipy.signal import lfilter

    missing = [name for name in (SCHEDULE, STEP, RATE) if name not in table]
    if missing:
        raise DataError(
            f"the table has no column {missing[0]!r}; expected {STEP!r}, {RATE!r} and "
            f"{SCHEDULE!r}, from which sums of learning rates are computed, or lr_sum and lr_drop "
            "themselves. Add or rename it."
        )
    sums = pd.DataFrame({"sum": np.nan, "drop": np.nan}, index=table.index)
    for name, curve in table.groupby(SCHEDULE, sort=False):
        rows = curve.sort_values(STEP, kind="stable")
        first = float(rows[STEP].iloc[0])
        if WARMUP in rows:
            first = min(float(rows[WARMUP].iloc[0]), first)
        elif len(rows) == 1:
            raise DataError(
                f"schedule {str(name)!r} has one row, at step {first:g}; expected all of it from "
                "the end of its warm-up on, since everything before the first row counts as "
                f"warm-up. Add rows, or a column {WARMUP!r}."
            )
        rate = _rate_at_steps(first, *(rows[x].to_numpy(dtype="float64") for x in (STEP, RATE)))
        drops = -np.diff(rate, prepend=rate[0])
        falls = np.flatnonzero(drops > 0)
        drops[: falls[0] if len(falls) else None] = 0.0  # the rise
        total = np.cumsum(lfilter([1.0], [1.0, -decay], drops))
        at = np.rint(curve[STEP].to_numpy(dtype="float64")).astype(int)
        sums.loc[curve.index] = np.column_stack([np.cumsum(rate)[at], total[at]])
    return sums["sum"], sums["drop"]


def _rate_at_steps(first: float, steps: Array, rates: Array) -> Array:
    """Learning rate at every step from 0 on; it reaches that of the first row at step `first`."""
    later = steps > first
    steps, rates = np.r_[first, steps[later]], np.r_[rates[0], rates[later]]
    every = np.arange(round(steps[-1]) + 1)
    rate = np.interp(every, np.r_[0.0, steps], np.r_[0.0, rates])
    changes = np.diff(rates) != 0
    isolated = changes[1:-1] & ~changes[:-2] & ~changes[2:]
    # Over at most 500 steps it is a rate that steps, and not one that falls slowly.
    for k in np.flatnonzero(isolated & (np.diff(steps)[1:-1] <= 500)) + 1:
        rate[(every > steps[k]) & (every < steps[k + 1])] = rates[k]
    return np.asarray(rate)


def warmup_stable_decay(
    steps: int,
    decay_steps: int,
    *,
    peak: float,
    last: float,
    warmup_steps: int,
    every: int = 100,
) -> pd.DataFrame:
    """Return a schedule that stays at its peak and then falls linearly, for predictions.

    Parameters
    ----------
    steps, decay_steps, warmup_steps : int
        Number of steps of the whole run, of the decay at its end, and of the warm-up.
    peak, last : float
        Learning rates before the decay and at its end.
    every : int
        Steps between rows.

    Returns
    -------
    DataFrame
        ``step, learning_rate, warmup_steps``, and ``schedule``, its name: ``wsd_DECAY_STEPS``.

    Raises
    ------
    DataError
        If warm-up and decay are not positive, or do not fit into the run.
    """
    begin = steps - decay_steps
    if not 0 < warmup_steps <= begin < steps:
        raise DataError(
            f"{warmup_steps} steps of warm-up and {decay_steps} of decay do not fit into {steps} "
            "steps; expected both above 0, and room for both. Choose fewer."
        )
    rows = np.unique([*np.arange(warmup_steps, steps, every), begin, steps])
    rates = np.interp(rows, [begin, steps], [peak, last])
    columns = {STEP: rows.astype("float64"), RATE: rates, WARMUP: float(warmup_steps)}
    return pd.DataFrame(columns).assign(**{SCHEDULE: f"wsd_{decay_steps}"})


PRIORS = {
    # The loss at the middle of the rows over the geometric mean of the losses.
    "level": LogNormal(mu=0.0, sigma=0.5),
    # First rows come after warm-up, when most of what can be learned is learned: two thirds are
    # irreducible on average, and any split is possible.
    "share": Dirichlet(a=(2.0, 1.0), parts=("irreducible", "reducible")),
    # Noisy gradients at one rate make a loss fall as the root of the steps: 95% in 0.2 to 1.3.
    "alpha": LogNormal(mu=np.log(0.5), sigma=0.5),
    # Decay lowers a few nats by tenths of a nat: a tenth on average, and possibly nothing. Below 1
    # the law stays positive within two standard deviations.
    "gain": Beta(alpha=1.0, beta=9.0),
}


@cached
def lr_annealing(decay: float = 0.999) -> Law:
    """Return the annealing law with a given decay of the effect of drops.

    Parameters
    ----------
    decay : float
        Between 0 and 1: a drop acts over about 1 / (1 - decay) steps.

    Returns
    -------
    Law
        Always the same law for a decay.
    """

    def drop_gain(C: Array) -> Array:
        """How much a drop lowers the loss in the end, for each unit of learning rate."""
        return C / (1.0 - decay)

    usual = decay == 0.999
    return Law(
        name="lr_annealing" if usual else f"lr_annealing_{decay:g}".replace(".", ""),
        title=f"Annealing: loss along a curve, from its learning rates; decay {decay:g}",
        formula=loss,
        inputs=("lr_sum", "lr_drop"),
        columns={
            "lr_sum": Column(computed=lr_sum),
            "lr_drop": Column(AMOUNT, computed=partial(lr_drop, decay=decay)),
        },
        priors=PRIORS,
        coefficients=coefficients,
        derived={"drop_gain": drop_gain},
        drift=Drift(size=lambda lr_sum: lr_sum),
        likelihoods=(autoregressive(SCHEDULE, STEP, APART),),
        clusters=Clustering(by=SCHEDULE),
        claims=tuple(claim for claim in LUO if claim.method == f"decay {decay:g}"),
        domain={"lr_sum": (0.3, 22.0), "lr_drop": (0.0, 0.3)},
        reference="Tissue et al. (2024), arXiv:2408.11029, eq. 1",
    )


LR_ANNEALING = lr_annealing()
