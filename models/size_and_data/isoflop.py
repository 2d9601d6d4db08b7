r"""On each budget the loss is a parabola in log parameters; its bottom is a power of compute.

.. math::
   L(N, C) = E + \frac{F}{C^{g}} \left[ 1 + h \ln^2 \frac{N}{k\, C^{a}} \right],
   \qquad N_\mathrm{opt}(C) = k\, C^{a}

with :math:`L` the loss (nats per token), :math:`N` the parameters, :math:`C` the training compute
(FLOP), :math:`E` the irreducible loss, :math:`F` and :math:`g` amplitude and exponent of the
reducible loss of the best model of a budget, :math:`k` and :math:`a` factor and exponent of the
optimal parameters, and :math:`h` how fast the loss rises beside the optimum: a model e times too
large has :math:`1 + h` times the reducible loss of the best.

This is approach 2 of Hoffmann et al. with both of its stages in one model. Runs of one budget
(``isoflop``, runs within 10% of compute) have a parabola of their own, whose bottom, depth and
curvature scatter about the common law. What is sampled is, at the middle of the runs, the least
loss (``level``, in units of their geometric mean), its split (``share``: irreducible, reducible),
the share by which it falls with e times the compute (``slope``, nearly :math:`g` times the
reducible share), the curvature (``curve``, :math:`h` times that share), the optimal parameters
(``centre``, in units of their geometric mean), and :math:`a`. ``centre_sd`` is the standard
deviation, in logarithms, of the optimum of one budget about the power law; ``level_sd`` and
``curve_sd`` are those of its loss and its curvature. A budget whose optimum lies beyond its runs
has little information of its own, and borrows from the others.

``isoflop_skewed`` has sides of two steepnesses instead of one curvature,

.. math::
   L(N, C) = E + \frac{F}{C^{g}}
   \frac{\alpha\, e^{\beta u} + \beta\, e^{-\alpha u}}{\alpha + \beta},
   \qquad u = \ln \frac{N}{k\, C^{a}},

with :math:`\alpha` that of models too small and :math:`\beta` that of models too large; ``skew`` is
their ratio. On Chinchilla's law this is exact, with its :math:`\alpha` and :math:`\beta`, which
there also fix :math:`a = \beta / (\alpha + \beta)` and :math:`g = \alpha \beta / (\alpha + \beta)`;
here all four are free. The parabola is what it looks like near the optimum, :math:`h = \alpha
\beta / 2`.

Sources: Hoffmann et al. (2022), arXiv:2203.15556, section 3.2, and Grattafiori et al. (2024),
arXiv:2407.21783, section 3.2.1, which fit one parabola after the other and then a line. That
:math:`h` belongs to the reducible loss, and the second form, follow from eq. 10 of the former.

The parabola puts the optimum in the wrong place where grids are wide, by 5% for grids that reach a
factor of 16 to both sides and by more where the two exponents differ. The error is the same at
every budget, so that :math:`a` is right. Where grids are wide, use ``isoflop_skewed``. For runs
that do not belong to budgets, or to learn what too few tokens cost, use
:mod:`bayescale.models.size_and_data.coupled`. Neither law covers a budget with other data, another
count of parameters or another schedule.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bayescale.models.size_and_data.coupled import COUPLED, LLAMA_3
from bayescale.models.size_and_data.isoflop_claims import HOFFMANN, plain, porian
from bayescale.priors import Beta, Dirichlet, LogNormal, Prior
from bayescale.spec.columns import Column
from bayescale.spec.compute import same_compute
from bayescale.spec.functions import Array
from bayescale.spec.law import Clustering, Drift, Groups, Law, Optimum, Units


def loss(
    params: Array, flops: Array, E: Array, F: Array, g: Array, h: Array, k: Array, a: Array
) -> Array:
    """Loss of a model of `params` parameters trained for `flops` of compute, on a parabola."""
    away = np.log(params / (k * flops**a))
    return E + F / flops**g * (1 + h * away**2)


def skewed_loss(
    params: Array,
    flops: Array,
    E: Array,
    F: Array,
    g: Array,
    alpha: Array,
    beta: Array,
    k: Array,
    a: Array,
) -> Array:
    """Loss of a model of `params` parameters, on a curve whose sides differ in steepness."""
    away = np.log(params / (k * flops**a))
    sides = alpha * np.exp(beta * away) + beta * np.exp(-alpha * away)
    return E + F / flops**g * sides / (alpha + beta)


def frontier(
    units: Units, level: Array, share: Sequence[Array], slope: Array, centre: Array, a: Array
) -> dict[str, Array]:
    """The least loss of a budget and the parameters that have it, from their middles."""
    least = level * units.pivot["loss"]
    irreducible, reducible = share
    g = slope / (slope + reducible)  # below 1, which no loss comes near
    return {
        "E": least * irreducible,
        "F": least * reducible * units.pivot["flops"] ** g,
        "g": g,
        "k": centre * units.pivot["params"] / units.pivot["flops"] ** a,
        "a": a,
    }


def coefficients(
    units: Units,
    level: Array,
    share: Sequence[Array],
    slope: Array,
    curve: Array,
    centre: Array,
    a: Array,
) -> dict[str, Array]:
    """The frontier, and the curvature in units of the reducible loss."""
    return {**frontier(units, level, share, slope, centre, a), "h": curve / share[1]}


def skewed_coefficients(
    units: Units,
    level: Array,
    share: Sequence[Array],
    slope: Array,
    curve: Array,
    skew: Array,
    centre: Array,
    a: Array,
) -> dict[str, Array]:
    """The frontier, and two steepnesses with that curvature at the optimum."""
    steepness = np.sqrt(2 * curve / share[1])
    sides = {"alpha": steepness * np.sqrt(skew), "beta": steepness / np.sqrt(skew)}
    return {**frontier(units, level, share, slope, centre, a), **sides}


def optimal_params(product: Array, k: Array, a: Array) -> Array:
    """Parameters at the bottom of the budget that buys this product of parameters and tokens."""
    return k * (6.0 * product) ** a


def tokens_exponent(a: Array) -> Array:
    """Exponent b of D_opt ~ C^b, for compute C = 6 N D."""
    return 1 - a


def curvature(alpha: Array, beta: Array) -> Array:
    """How fast the reducible loss rises beside the optimum: the parabola's h."""
    return alpha * beta / 2


def budgets(runs: pd.DataFrame) -> pd.Series:
    """Budget of each run, to two digits: the middle of runs of about the same compute."""
    logs = np.log10(runs["flops"])
    middles = 10 ** logs.groupby(same_compute(logs.to_numpy(), WIDTH)).transform("mean")
    return pd.Series([f"{flops:.2g}" for flops in middles], index=runs.index)


# Budgets of one study are at least a fifth apart as a rule; what belongs to one differs by rounding
# of batches and steps.
WIDTH = 0.04  # decades

PRIORS = {
    # The least loss at the middle compute over the geometric mean of all losses: near 1.
    "level": LogNormal(mu=0.0, sigma=0.5),
    # Half of it irreducible on average.
    "share": Dirichlet(a=(1.5, 1.5), parts=("irreducible", "reducible")),
    # By what share the least loss falls with e times the compute: half of an exponent
    # alpha beta / (alpha + beta), of exponents near 0.3 each. 95% within 0.02 to 0.24.
    "slope": LogNormal(mu=np.log(0.07), sigma=0.6),
    # Half of the reducible share times alpha beta / 2: 95% within 0.004 to 0.12.
    "curve": LogNormal(mu=np.log(0.022), sigma=0.85),
    # A sweep is laid around where its optimum is thought to be: 95% within a factor of 7.
    "centre": LogNormal(mu=0.0, sigma=1.0),
    # Any share of growing compute may go to params: 95% within 0.15 to 0.85.
    "a": Beta(alpha=3.0, beta=3.0),
}
# Between budgets, in logarithms. None reaches to zero, where sampling would stick. 95% within:
BETWEEN = {
    # The misfit of a whole budget: 0.0004 to 0.01.
    "level": LogNormal(mu=np.log(0.002), sigma=0.8),
    # A factor of 1.02 to 1.5.
    "curve": LogNormal(mu=np.log(0.1), sigma=0.8),
    # A factor of 1.01 to 1.4.
    "centre": LogNormal(mu=np.log(0.07), sigma=0.8),
}


def _law(
    name: str,
    title: str,
    formula: Callable[..., Array],
    coefficients: Callable[..., dict[str, Array]],
    priors: Mapping[str, Prior],
    **more: Any,
) -> Law:
    """Make the law of one shape of the curve through a budget's runs."""
    return Law(
        name=name,
        title=title,
        formula=formula,
        inputs=("params", "flops"),
        priors=priors,
        columns={"isoflop": Column(computed=budgets)},
        groups=Groups(
            by="isoflop",
            pool=dict.fromkeys(set(priors) - {"level", "centre", "curve"}, "shared"),
            between=BETWEEN,
        ),
        clusters=Clustering(by=None),  # a budget has its own level and optimum here
        coefficients=coefficients,
        optimum=Optimum(params=optimal_params),
        drift=Drift(
            size=lambda flops: flops,
            split_tau=COUPLED.drift.split_tau,
            # Residuals about budgets with levels of their own say nothing of the frontier's drift.
            tau=LogNormal(mu=np.log(0.0223), sigma=0.67),
            source="that of law 'coupled', learned from back-tests of 22 public studies",
        ),
        # Not measured for this law: the domain of the law of the same runs.
        domain={"params": (4e7, 2e10), "flops": (6e18, 1e22)},
        **more,
    )


ISOFLOP = _law(
    "isoflop",
    "IsoFLOP: a parabola through each compute budget, and the frontier through their bottoms",
    loss,
    coefficients,
    PRIORS,
    derived={"b": tokens_exponent},
    claims=(HOFFMANN, LLAMA_3, *plain(), *porian()),
    reference="Hoffmann et al. (2022), arXiv:2203.15556, section 3.2",
)
ISOFLOP_SKEWED = _law(
    "isoflop_skewed",
    "IsoFLOP with sides of two steepnesses, for wide grids",
    skewed_loss,
    skewed_coefficients,
    # Steepness of models too small over that of models too large: 95% within 0.38 to 2.7.
    {**PRIORS, "skew": LogNormal(mu=0.0, sigma=0.5)},
    derived={"b": tokens_exponent, "h": curvature},
    reference="Hoffmann et al. (2022), arXiv:2203.15556, section 3.2 and eq. 10",
)
