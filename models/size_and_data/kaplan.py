r"""Loss from parameters and data in one nested power law: Kaplan's joint law.

.. math::
   L(N, D) = \left[ \left(\frac{N_c}{N}\right)^{\alpha_N / \alpha_D} + \frac{D_c}{D}
             \right]^{\alpha_D}

with :math:`L` the loss (nats per token), :math:`N` the parameters without embeddings, :math:`D` the
training tokens, :math:`N_c` and :math:`D_c` the scales at which either alone would give a loss of
1, :math:`\alpha_N` and :math:`\alpha_D` the exponents with respect to either.

What is sampled is the loss at the middle of the runs (``level``), the ``share`` of the bracket that
model and data have there, the data exponent and the ``ratio`` of the two exponents. The scales are
extrapolated by many decades: their posteriors are wide and mean little by themselves.

Source: Kaplan et al. (2020), arXiv:2001.08361, eq. 1.5 and table 2. The constants of its
single-variable laws are not those of the joint fit.

It has no irreducible loss, so it is too optimistic far beyond the runs, and it needs small data as
well as small models. ``kaplan_floor`` adds an irreducible loss :math:`E`; ``share`` then has a
third part for it, the other two being those of the bracket. Brandfonbrener et al. (2024),
arXiv:2411.12925, published coefficients of that form. :mod:`bayescale.models.size_and_data.coupled`
contains both (:math:`\kappa = \alpha_D`; and :math:`E = 0` without a floor).
"""

from collections.abc import Sequence

import numpy as np

from bayescale.models.data.loss_to_loss_claims import NESTED
from bayescale.models.size_and_data import chinchilla, coupled
from bayescale.priors import Dirichlet, LogNormal
from bayescale.spec.claim import Claim
from bayescale.spec.functions import Array
from bayescale.spec.law import Law, Optimum, Units


def loss(
    params: Array, tokens: Array, N_c: Array, D_c: Array, alpha_N: Array, alpha_D: Array
) -> Array:
    """Loss of a model of `params` parameters trained over `tokens` tokens, stopped early."""
    return ((N_c / params) ** (alpha_N / alpha_D) + D_c / tokens) ** alpha_D


def coefficients(
    units: Units, level: Array, share: Sequence[Array], ratio: Array, alpha_D: Array
) -> dict[str, Array]:
    """Split the bracket at the pivot into its two shares, and scale them from there."""
    bracket = (level * units.pivot["loss"]) ** (1 / alpha_D)
    from_model, from_data = share
    return {
        "N_c": units.pivot["params"] * (from_model * bracket) ** (1 / ratio),
        "D_c": units.pivot["tokens"] * from_data * bracket,
        "alpha_N": ratio * alpha_D,
        "alpha_D": alpha_D,
    }


def as_coupled(N_c: Array, D_c: Array, alpha_N: Array, alpha_D: Array) -> dict[str, Array]:
    """The coefficients with which the coupled law is this one."""
    return {
        "A": N_c**alpha_N,
        "B": D_c**alpha_D,
        "alpha": alpha_N,
        "beta": alpha_D,
        "kappa": alpha_D,
    }


def optimal_params(product: Array, N_c: Array, D_c: Array, alpha_N: Array, alpha_D: Array) -> Array:
    """Parameters that minimise the loss at a fixed product of parameters and tokens."""
    return coupled.optimal_params(product, **as_coupled(N_c, D_c, alpha_N, alpha_D))


def params_exponent(alpha_N: Array, alpha_D: Array) -> Array:
    """Exponent a of N_opt ~ C^a, for compute C = 6 N D."""
    return alpha_D / (alpha_N + alpha_D)


def data_exponent(alpha_N: Array, alpha_D: Array) -> Array:
    """Exponent of the data that a model needs to keep overfitting constant, D ~ N^this."""
    return alpha_N / alpha_D


def floored_loss(
    params: Array,
    tokens: Array,
    E: Array,
    N_c: Array,
    D_c: Array,
    alpha_N: Array,
    alpha_D: Array,
) -> Array:
    """Loss of the nested law on top of an irreducible loss."""
    return E + loss(params, tokens, N_c, D_c, alpha_N, alpha_D)


def floored_coefficients(
    units: Units, level: Array, share: Sequence[Array], ratio: Array, alpha_D: Array
) -> dict[str, Array]:
    """Subtract the irreducible share from the loss at the pivot, and split the rest."""
    irreducible, from_model, from_data = share
    reducible = from_model + from_data
    inner = (from_model / reducible, from_data / reducible)
    return {
        "E": level * units.pivot["loss"] * irreducible,
        **coefficients(units, level * reducible, inner, ratio, alpha_D),
    }


KAPLAN_ND = Law(
    name="kaplan_nd",
    title="Kaplan: loss from parameters and tokens, nested, without a floor",
    formula=loss,
    inputs=("params", "tokens"),
    priors={
        # The loss at the pivot over the geometric mean of the losses.
        "level": LogNormal(mu=0.0, sigma=0.5),
        # Any split of the bracket.
        "share": Dirichlet(a=(1.0, 1.0), parts=("model", "data")),
        # alpha_N over alpha_D; 95% within 0.4 to 1.35, published 0.74.
        "ratio": LogNormal(mu=np.log(0.75), sigma=0.3),
        # Exponents are small where there is no floor: 95% within 0.025 to 0.26.
        "alpha_D": LogNormal(mu=np.log(0.08), sigma=0.6),
    },
    coefficients=coefficients,
    derived={"a": params_exponent, "data_exponent": data_exponent},
    optimum=Optimum(params=optimal_params),
    claims=(
        Claim(
            label="Kaplan et al., joint fit",
            values={"N_c": 6.4e13, "D_c": 1.8e13, "alpha_N": 0.076, "alpha_D": 0.103},
            reference="Kaplan et al. (2020), arXiv:2001.08361, table 2, after public notes",
        ),
    ),
    reference="Kaplan et al. (2020), arXiv:2001.08361, eq. 1.5",
)

KAPLAN_FLOOR = Law(
    name="kaplan_floor",
    title="Kaplan with a floor: loss from parameters and tokens, nested, plus an irreducible loss",
    formula=floored_loss,
    inputs=("params", "tokens"),
    priors={
        "level": chinchilla.PRIORS["level"],
        "share": chinchilla.PRIORS["share"],
        # alpha_N over alpha_D, for which there is no reason to be above or below 1: 95% within 0.55
        # to 1.8.
        "ratio": LogNormal(mu=0.0, sigma=0.3),
        # An exponent of the reducible loss, as in the other laws with a floor.
        "alpha_D": chinchilla.PRIORS["beta"],
    },
    coefficients=floored_coefficients,
    derived={"a": params_exponent, "data_exponent": data_exponent},
    optimum=Optimum(params=optimal_params),
    claims=NESTED,
    domain=chinchilla.CHINCHILLA.domain,
    reference="Kaplan et al. (2020), arXiv:2001.08361, eq. 1.5, with a floor added",
)
