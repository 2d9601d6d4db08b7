r"""Repeated data is worth less and less: Chinchilla's law of effective parameters and tokens.

.. math::
   L(N, D, U) = E + \frac{A}{N'^\alpha} + \frac{B}{D'^\beta}

.. math::
   D' = U_D + U_D R_D \left(1 - e^{-r_D / R_D}\right), \quad r_D = D / U_D - 1, \quad
   U_D = \min(U, D)

.. math::
   N' = U_N + U_N R_N \left(1 - e^{-r_N / R_N}\right), \quad r_N = N / U_N - 1, \quad
   U_N = \min\left(N, \left(\frac{\alpha A}{\beta B} U_D^\beta\right)^{1/\alpha}\right)

with :math:`L` the loss (nats per token), :math:`N` the parameters, :math:`D` the training tokens,
repetitions counted, :math:`U` the different tokens in the data (``unique_tokens``) and :math:`U_D`
those of them that are seen. :math:`U_N` are the parameters that are optimal for training once over
:math:`U_D`. Parameters in excess of these, like tokens after the first epoch, are worth less the
more of them there are. :math:`E` is the irreducible loss, :math:`A, \alpha` and :math:`B, \beta`
are amplitudes and exponents of what a finite model and finite data add. :math:`R_D` and :math:`R_N`
(the paper's :math:`R_D^*` and :math:`R_N^*`) are the numbers of repetitions of the data, and of
excess parameters in units of :math:`U_N`, after which a further one is worth :math:`1/e` of the
first.

So epoch :math:`e` adds :math:`e^{-(e - 1) / R_D}` of what as much fresh data would
(``value_4``, ``value_16``), :math:`e` epochs are worth :math:`D'/U` times one of them (``worth_4``,
``worth_16``), and any number of epochs at most :math:`1 + R_D` times (``ceiling``). The exponents
:math:`a` and :math:`b` of the optimum are those without repetition.

What is sampled is the loss at the middle of the runs (``level``, in units of their geometric mean),
how it would be split there if all data were fresh (``share``: irreducible, from the model, from the
data), the exponents, ``R_D`` and ``R_N``.

Source: Muennighoff et al. (2023), arXiv:2305.16264, section 3; the authors tie alpha and beta.

Where no token is seen twice and there are no excess parameters, it is
:mod:`bayescale.models.size_and_data.chinchilla`. More epochs never raise the loss in it. It cannot
describe runs that overfit, whose loss rises with epochs: drop them.
"""

from collections.abc import Sequence

import numpy as np

from bayescale.models.data.data_constrained_claims import CLAIMS
from bayescale.models.size_and_data import chinchilla
from bayescale.priors import LogNormal
from bayescale.spec.functions import Array
from bayescale.spec.law import Law, Optimum, Units


def loss(
    params: Array,
    tokens: Array,
    unique_tokens: Array,
    E: Array,
    A: Array,
    B: Array,
    alpha: Array,
    beta: Array,
    R_D: Array,
    R_N: Array,
) -> Array:
    """Loss of a model of `params` parameters over `tokens`, `unique_tokens` of them different."""
    repeated = beyond(tokens / unique_tokens)
    excess = excess_params(params, tokens / (1 + repeated), A, B, alpha, beta)
    effective_params = params / (1 + excess) * worth(1 + excess, R_N)
    effective_tokens = tokens / (1 + repeated) * worth(1 + repeated, R_D)
    return chinchilla.loss(effective_params, effective_tokens, E, A, B, alpha, beta)


def beyond(times: Array) -> Array:
    """How far a ratio exceeds one; exactly 0 where it does not."""
    # A kink here, but none in the loss: effective amounts leave the plain ones with slope 1. On the
    # public runs NUTS has no divergences, and the effective sample sizes of a softened minimum,
    # which differs from the losses that the authors print in the ninth digit.
    return ((times - 1) + np.abs(times - 1)) / 2


def excess_params(
    params: Array, seen: Array, A: Array, B: Array, alpha: Array, beta: Array
) -> Array:
    """How many times too large a model is for the tokens it sees once; 0 for one that is not."""
    from_data = beta * B / seen**beta
    from_model = alpha * A / params**alpha
    return beyond((from_data / from_model) ** (1 / alpha))


def worth(epochs: Array, R_D: Array) -> Array:
    """How much fresh data a number of epochs is worth, in epochs."""
    return 1 + R_D * (1 - np.exp(-(epochs - 1) / R_D))


def value(epoch: Array, R_D: Array) -> Array:
    """Worth of a token seen in that epoch, relative to a fresh one."""
    return np.exp(-(epoch - 1) / R_D)


def coefficients(
    units: Units,
    level: Array,
    share: Sequence[Array],
    alpha: Array,
    beta: Array,
    R_D: Array,
    R_N: Array,
) -> dict[str, Array]:
    """Split the loss at the pivot into its shares, and scale them from there."""
    split = chinchilla.coefficients(units, 1.0, share, alpha, beta)
    # In proportion to E, A and B the loss has no other scale, however often data is repeated.
    pivot = {name: units.pivot[name] for name in ("params", "tokens", "unique_tokens")}
    scale = level * units.pivot["loss"] / loss(**pivot, **split, R_D=R_D, R_N=R_N)
    scaled = {name: scale * split[name] for name in ("E", "A", "B")}
    return {**scaled, "alpha": alpha, "beta": beta, "R_D": R_D, "R_N": R_N}


HALVINGS = 40
"""Steps of the search for an optimum: the logarithm of its params is then right to ten digits."""


def optimal_params(
    product: Array,
    unique_tokens: Array,
    A: Array,
    B: Array,
    alpha: Array,
    beta: Array,
    R_D: Array,
    R_N: Array,
) -> Array:
    """Parameters that minimise the loss at a fixed product of parameters and tokens.

    There a relative increase of parameters gains as much as one of tokens. The logarithm of the
    ratio of the two gains falls all the way from one parameter to one token, so that halving finds
    where it is 0, even where both gains are smaller than the last digit of the loss.
    """
    log_params, step = 0.0, np.log(product)
    for _ in range(HALVINGS):
        step = step / 2
        params = log_params + step
        tokens = np.log(product) - params
        repeated = beyond(np.exp(tokens - np.log(unique_tokens)))
        seen = tokens - np.log(1 + repeated)
        optimal = (np.log(alpha * A / (beta * B)) + beta * seen) / alpha
        excess = beyond(np.exp(params - optimal))
        from_model = _log_gain(params, excess, A, alpha, R_N)
        from_data = _log_gain(tokens, repeated, B, beta, R_D)
        log_params = log_params + step * (from_model > from_data)
    return np.exp(log_params)


def _log_gain(log_amount: Array, further: Array, factor: Array, exponent: Array, R: Array) -> Array:
    """Logarithm of how much the loss falls with a relative increase of params or tokens."""
    effective = log_amount + np.log(worth(1 + further, R) / (1 + further))
    return np.log(exponent * factor) - (exponent + 1) * effective + log_amount - further / R


def epochs(tokens: Array, unique_tokens: Array) -> Array:
    """How often the different tokens are seen."""
    return tokens / unique_tokens


def ceiling(R_D: Array) -> Array:
    """Most that any number of epochs is worth, in epochs of fresh data."""
    return 1 + R_D


# How many repetitions are worth something: nobody expects one epoch, or hundreds. 95% within 2 to
# 48, and the same for excess parameters.
REPETITIONS = LogNormal(mu=np.log(10.0), sigma=0.8)

PRIORS = {**chinchilla.PRIORS, "R_D": REPETITIONS, "R_N": REPETITIONS}

DATA_CONSTRAINED = Law(
    name="data_constrained",
    title="Data-constrained: loss from parameters, tokens and how many of these are different",
    formula=loss,
    inputs=("params", "tokens", "unique_tokens"),
    priors=PRIORS,
    coefficients=coefficients,
    derived={
        "a": chinchilla.params_exponent,
        "b": chinchilla.tokens_exponent,
        "value_4": lambda R_D: value(4, R_D),
        "value_16": lambda R_D: value(16, R_D),
        "worth_4": lambda R_D: worth(4, R_D),
        "worth_16": lambda R_D: worth(16, R_D),
        "ceiling": ceiling,
    },
    optimum=Optimum(params=optimal_params, also={"epochs": epochs}),
    claims=CLAIMS,
    domain={"params": (7e6, 9e9), "tokens": (1e8, 9e11), "unique_tokens": (1e8, 1.8e11)},
    reference="Muennighoff et al. (2023), arXiv:2305.16264, section 3",
)
