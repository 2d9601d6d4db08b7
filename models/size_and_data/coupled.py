r"""Loss falls with parameters and tokens together: the additive law and Kaplan's form in one.

.. math::
   L(N, D) = E + \left[ \left(\frac{A}{N^\alpha}\right)^{1/\kappa}
                      + \left(\frac{B}{D^\beta}\right)^{1/\kappa} \right]^\kappa

with :math:`L` the loss (nats per token), :math:`N` the parameters, :math:`D` the training tokens,
:math:`E` the irreducible loss, :math:`A, \alpha` and :math:`B, \beta` the amplitudes and exponents
of what a finite model and finite data add, and :math:`\kappa` how the two combine.
:math:`\kappa = 1` is Chinchilla's law; :math:`\kappa = \beta` is the form of Kaplan et al. with a
floor; towards :math:`\kappa = 0` only the larger term counts.

What is sampled is the loss at the middle of the runs (``level``), how it is split (``share``:
irreducible, from the model, from the data; the last two inside the bracket), the exponents and
``kappa``.

Source: the two nested forms, Hoffmann et al. (2022), arXiv:2203.15556, eq. 10, and Kaplan et al.
(2020), arXiv:2001.08361, eq. 1.5. Economists call the bracket a constant elasticity of
substitution. On 22 public studies kappa lies between 0.4 and 0.85 nearly everywhere, and a free
kappa improves predictions beyond the runs more than anything else. No coefficients were published.
The claim here is the frontier of Llama 3, whose runs have kappa near 0.6 and whose authors chose no
law for them.

It needs runs on both sides of the balanced ratio of tokens to parameters: without them kappa
returns its prior. It does not cover repeated data, as
:mod:`bayescale.models.data.data_constrained` does.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bayescale.models.size_and_data import chinchilla
from bayescale.models.size_and_data.coupled_field import learned
from bayescale.priors import LogNormal
from bayescale.spec.claim import Claim, ClaimData
from bayescale.spec.functions import Array
from bayescale.spec.law import Drift, Law, Optimum, Units


def loss(
    params: Array,
    tokens: Array,
    E: Array,
    A: Array,
    B: Array,
    alpha: Array,
    beta: Array,
    kappa: Array,
) -> Array:
    """Loss of a model of `params` parameters trained once over `tokens` tokens."""
    from_model = (A / params**alpha) ** (1 / kappa)
    from_data = (B / tokens**beta) ** (1 / kappa)
    return E + (from_model + from_data) ** kappa


def coefficients(
    units: Units, level: Array, share: Sequence[Array], alpha: Array, beta: Array, kappa: Array
) -> dict[str, Array]:
    """Split the loss at the pivot into its shares, and scale them from there."""
    at_pivot = level * units.pivot["loss"]
    irreducible, from_model, from_data = share
    reducible = from_model + from_data
    return {
        "E": at_pivot * irreducible,
        "A": at_pivot
        * reducible
        * (from_model / reducible) ** kappa
        * units.pivot["params"] ** alpha,
        "B": at_pivot
        * reducible
        * (from_data / reducible) ** kappa
        * units.pivot["tokens"] ** beta,
        "alpha": alpha,
        "beta": beta,
        "kappa": kappa,
    }


def optimal_params(
    product: Array, A: Array, B: Array, alpha: Array, beta: Array, kappa: Array
) -> Array:
    """Parameters that minimise the loss at a fixed product of parameters and tokens."""
    balance = ((alpha / beta) * (A / B) ** (1 / kappa)) ** (kappa / (alpha + beta))
    return balance * product ** (beta / (alpha + beta))


LLAMA_3 = Claim(
    label="Llama 3, frontier",
    values={"b": 0.53, "k_D": 0.29, "N_opt": 4.02e11, "D_opt": 1.655e13},
    budget=3.8e25,
    reference="Grattafiori et al. (2024), arXiv:2407.21783, section 3.2.1",
    data=ClaimData(table="isoflop_llama3"),
)

_COUPLED = Law(
    name="coupled",
    title="Coupled: loss from parameters and tokens, contains chinchilla and kaplan_nd",
    formula=loss,
    inputs=("params", "tokens"),
    priors={
        **chinchilla.PRIORS,
        # Of public tables, and of arXiv:2608.07222: 95% within 0.23 to 1.3.
        "kappa": LogNormal(mu=np.log(0.55), sigma=0.45),
    },
    coefficients=coefficients,
    derived=chinchilla.DERIVED,
    optimum=Optimum(params=optimal_params),
    # Back-tests of thirteen families of studies: studies/extrapolation.
    drift=Drift(
        ratio=LogNormal(mu=np.log(3.4), sigma=0.47),
        split_tau=LogNormal(mu=np.log(0.31), sigma=0.55),
        source="learned from back-tests of thirteen families of public studies",
    ),
    claims=(LLAMA_3,),
    domain=chinchilla.CHINCHILLA.domain,
    reference="Hoffmann et al. (2022), arXiv:2203.15556, eq. 10; "
    "Kaplan et al. (2020), arXiv:2001.08361, eq. 1.5",
)

COUPLED = replace(_COUPLED, learned=learned(_COUPLED))
