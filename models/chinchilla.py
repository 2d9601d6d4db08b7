r"""Loss falls with parameters and with tokens, each on its own: Chinchilla's law.

.. math:: L(N, D) = E + \frac{A}{N^\alpha} + \frac{B}{D^\beta}

with :math:`L` the loss (nats per token), :math:`N` the parameters (embeddings included),
:math:`D` the training tokens, :math:`E` the irreducible loss, :math:`A` and :math:`B` the
amplitudes of what a finite model and finite data add, :math:`\alpha` and :math:`\beta` their
exponents.

What is sampled is the loss at the middle of the runs (``level``, in units of their geometric mean),
how it is split (``share``: irreducible, from the model, from the data), and the exponents.

Source: Hoffmann et al. (2022), arXiv:2203.15556, eq. 10. Its published interval was found
implausibly narrow by Besiroglu et al. (2024), arXiv:2404.10102. The exponents of the
compute-optimal frontier are :math:`a = \beta / (\alpha + \beta)` and :math:`b = 1 - a`.

It says nothing about repeated data, and on nearly every public study its terms turn out to be
coupled: for decisions reach for :mod:`bayescale.models.coupled`, which contains it.
"""

from collections.abc import Sequence

import numpy as np
import pymc as pm

from bayescale.claims import Claim
from bayescale.flops import Array
from bayescale.law import Law, Prior, Units


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
EXPONENT = Prior(pm.LogNormal, mu=np.log(0.30), sigma=0.6)

PRIORS = {
    # The loss at the pivot over the geometric mean of the losses: near 1 for any smooth law.
    "level": Prior(pm.LogNormal, mu=0.0, sigma=0.5),
    # Half of the loss irreducible on average, and any split possible.
    "share": Prior(pm.Dirichlet, a=(2.0, 1.0, 1.0), parts=("irreducible", "model", "data")),
    "alpha": EXPONENT,
    "beta": EXPONENT,
}

# Compute of Gopher, at which Hoffmann et al. compare.
GOPHER = 5.76e23
REPLICATION = "Besiroglu et al. (2024), arXiv:2404.10102"
CLAIMS = (
    Claim(
        label="Hoffmann et al., rounded",
        values={"A": 406.4, "B": 410.7, "E": 1.69, "alpha": 0.34, "beta": 0.28},
        budget=GOPHER,
        method="approach 3",
        reference="Hoffmann et al. (2022), arXiv:2203.15556, eq. 10",
    ),
    Claim(
        label="Hoffmann et al., typeset source",
        values={"A": 406.4, "B": 410.7, "E": 1.6934, "alpha": 0.33917, "beta": 0.28491},
        budget=GOPHER,
        method="approach 3",
        status="recomputed",
        reference="arXiv:2203.15556, read by the code of arXiv:2404.10102",
    ),
    Claim(
        label="Hoffmann et al., approach 1",
        method="approach 1",
        values={"a": 0.50, "b": 0.50},
        digits={"a": 2, "b": 2},
        intervals={"a": (0.488, 0.502), "b": (0.501, 0.512)},
        mass=0.8,
        reference="arXiv:2203.15556, table 2",
    ),
    Claim(
        label="Hoffmann et al., approach 2",
        method="approach 2",
        values={"a": 0.49, "b": 0.51},
        intervals={"a": (0.462, 0.534), "b": (0.483, 0.529)},
        mass=0.8,
        reference="arXiv:2203.15556, table 2",
    ),
    Claim(
        label="Hoffmann et al., approach 3",
        method="approach 3",
        values={"a": 0.46, "b": 0.54},
        intervals={"a": (0.454, 0.455), "b": (0.542, 0.543)},
        mass=0.8,
        reference="arXiv:2203.15556, table 2",
    ),
    Claim(
        label="de Vries",
        values={"A": 406.4, "B": 410.7, "E": 1.69, "alpha": 0.336, "beta": 0.283},
        reference="correction used by Sardana et al. (2024), arXiv:2401.00448",
    ),
    Claim(
        label="Besiroglu et al.",
        values={"A": 482.01, "B": 2085.43, "E": 1.8172, "alpha": 0.3478, "beta": 0.3658},
        errors={
            "A": 124.52,
            "B": 1293.28,
            "E": 0.0257,
            "alpha": 0.0154,
            "beta": 0.0206,
            "a": 0.020,
        },
        intervals={
            "A": (285, 744),
            "B": (1042, 5810),
            "E": (1.769, 1.871),
            "alpha": (0.317, 0.373),
            "beta": (0.331, 0.415),
        },
        mass=0.95,
        runs=240,
        budget=GOPHER,
        reference=f"{REPLICATION}, and its notebook for the errors (4,000 resamples)",
    ),
    Claim(
        label="Muennighoff et al., C4",
        values={"A": 520.8, "B": 1487.7, "E": 1.8691, "alpha": 0.35266, "beta": 0.35266},
        reference="code of Muennighoff et al. (2023), arXiv:2305.16264",
    ),
)

CHINCHILLA = Law(
    name="chinchilla",
    title="Chinchilla: loss from parameters and tokens, additive",
    formula=loss,
    inputs=("params", "tokens"),
    priors=PRIORS,
    coefficients=coefficients,
    derived=DERIVED,
    optimal_params=optimal_params,
    # Back-tests of 22 public studies: studies/extrapolation.
    tau=Prior(pm.LogNormal, mu=np.log(0.0309), sigma=0.70),
    split_tau=Prior(pm.LogNormal, mu=np.log(0.171), sigma=0.61),
    claims=CLAIMS,
    domain={"params": (7e7, 1.6e10), "tokens": (5e9, 5e11)},
    reference="Hoffmann et al. (2022), arXiv:2203.15556, eq. 10",
)
