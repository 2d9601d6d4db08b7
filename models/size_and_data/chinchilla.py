r"""Loss falls with parameters and with tokens, each on its own: Chinchilla's law.

.. math:: L(N, D) = E + \frac{A}{N^\alpha} + \frac{B}{D^\beta}

with :math:`L` the loss (nats per token), :math:`N` the parameters (embeddings included),
:math:`D` the training tokens, :math:`E` the irreducible loss, :math:`A` and :math:`B` the
amplitudes of what a finite model and finite data add, :math:`\alpha` and :math:`\beta` their
exponents.

What is sampled is the loss at the middle of the runs (``level``, in units of their geometric mean),
how it is split (``share``: irreducible, from the model, from the data), and the exponents.

Source: Hoffmann et al. (2022), arXiv:2203.15556, eq. 10. Besiroglu et al. (2024),
arXiv:2404.10102, showed that its published interval is implausibly narrow. The exponents of the
compute-optimal frontier are :math:`a = \beta / (\alpha + \beta)` and :math:`b = 1 - a`.

It does not cover repeated data (:mod:`bayescale.models.data.data_constrained` does), and on nearly
every public study its terms are coupled: for decisions use
:mod:`bayescale.models.size_and_data.coupled`, which contains it.
"""

from collections.abc import Sequence

import numpy as np

from bayescale.models.data.loss_to_loss_claims import ADDITIVE
from bayescale.models.size_and_data import chinchilla_claims
from bayescale.models.size_and_data.gemstones_claims import GEMSTONES
from bayescale.priors import Dirichlet, LogNormal
from bayescale.spec.functions import Array
from bayescale.spec.law import Drift, Law, Optimum, Units


def loss(
    params: Array, tokens: Array, E: Array, A: Array, B: Array, alpha: Array, beta: Array
) -> Array:
    """Loss of a model of `params` parameters trained once over `tokens` tokens."""
    return E + A / params**alpha + B / tokens**beta


def coefficients(
    units: Units, level: Array, share: Sequence[Array], alpha: Array, beta: Array
) -> dict[str, Array]:
    """Split the loss at the pivot into its shares, and scale them from there."""
    at_pivot = level * units.pivot["loss"]
    irreducible, from_model, from_data = share
    return {
        "E": at_pivot * irreducible,
        "A": at_pivot * from_model * units.pivot["params"] ** alpha,
        "B": at_pivot * from_data * units.pivot["tokens"] ** beta,
        "alpha": alpha,
        "beta": beta,
    }


def optimal_params(product: Array, A: Array, B: Array, alpha: Array, beta: Array) -> Array:
    """Parameters that minimise the loss at a fixed product of parameters and tokens."""
    balance = (alpha * A / (beta * B)) ** (1 / (alpha + beta))
    return balance * product ** (beta / (alpha + beta))


def params_exponent(alpha: Array, beta: Array) -> Array:
    """Exponent a of N_opt ~ C^a, for compute C = 6 N D."""
    return beta / (alpha + beta)


def tokens_exponent(alpha: Array, beta: Array) -> Array:
    """Exponent b of D_opt ~ C^b, for compute C = 6 N D."""
    return alpha / (alpha + beta)


def frontier_exponent(alpha: Array, beta: Array) -> Array:
    """Exponent g of L_opt - E ~ C^-g, for compute C = 6 N D."""
    return alpha * beta / (alpha + beta)


DERIVED = {"a": params_exponent, "b": tokens_exponent, "g": frontier_exponent}

# Exponents of the reducible loss: 95% within 0.09 to 0.97.
EXPONENT = LogNormal(mu=np.log(0.30), sigma=0.6)

PRIORS = {
    # The loss at the pivot over the geometric mean of the losses: near 1 for any smooth law.
    "level": LogNormal(mu=0.0, sigma=0.5),
    # Half of the loss irreducible on average, and any split possible.
    "share": Dirichlet(a=(2.0, 1.0, 1.0), parts=("irreducible", "model", "data")),
    "alpha": EXPONENT,
    "beta": EXPONENT,
}

CHINCHILLA = Law(
    name="chinchilla",
    title="Chinchilla: loss from parameters and tokens, additive",
    formula=loss,
    inputs=("params", "tokens"),
    priors=PRIORS,
    coefficients=coefficients,
    derived=DERIVED,
    optimum=Optimum(params=optimal_params),
    # Back-tests of thirteen families of studies: studies/extrapolation.
    drift=Drift(
        ratio=LogNormal(mu=np.log(5.7), sigma=0.36),
        split_tau=LogNormal(mu=np.log(0.24), sigma=0.75),
        source="learned from back-tests of thirteen families of public studies",
    ),
    claims=(*chinchilla_claims.RUNS, *chinchilla_claims.CONVENTIONS, *GEMSTONES, *ADDITIVE),
    domain={"params": (7e7, 1.6e10), "tokens": (5e9, 5e11)},
    reference="Hoffmann et al. (2022), arXiv:2203.15556, eq. 10",
)
