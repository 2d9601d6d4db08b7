r"""A quantity falls as a power of one variable, towards zero or towards a floor.

.. math:: y(x) = E + \frac{A}{x^\alpha}, \qquad x_0 = A^{1/\alpha}

with :math:`y` the loss (nats per token, or any positive error), :math:`x` the scale (parameters,
tokens, compute in FLOP, ...), :math:`E` the irreducible part (none in the pure power law),
:math:`A` the amplitude, :math:`\alpha` the exponent and :math:`x_0` the scale at which the
reducible part is 1.

What is sampled is the value at the middle of the runs (``level``), the ``share`` of it that is
irreducible, and the exponent. :math:`x_0` is an extrapolation over decades: never quote it alone.

Sources: Hestness et al. (2017), arXiv:1712.00409; Kaplan et al. (2020), arXiv:2001.08361, eqs. 1.1
to 1.3 (no floor); Henighan et al. (2020), arXiv:2010.14701, table 1 (with a floor); Brown et al.
(2020), arXiv:2005.14165, figure 3.1 (no floor).

A floor and an exponent trade off unless the runs come close to the floor. Without the floor the
exponent is too small and extrapolations are too optimistic. Where the table has both parameters and
tokens, use :mod:`bayescale.models.size_and_data.coupled`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from bayescale.priors import Dirichlet, LogNormal, Prior
from bayescale.spec.claim import Claim
from bayescale.spec.compute import PF_DAY
from bayescale.spec.functions import Array
from bayescale.spec.law import Law, Units


def value(x: Array, E: Array, A: Array, alpha: Array) -> Array:
    """A floor and what a finite scale adds to it."""
    return E + A / x**alpha


def with_floor(
    units: Units, x: str, y: str, level: Array, share: Sequence[Array], alpha: Array
) -> dict[str, Array]:
    """Split the value at the pivot of column `x` into floor and reducible part."""
    at_pivot = level * units.pivot[y]
    irreducible, reducible = share
    return {
        "E": at_pivot * irreducible,
        "A": at_pivot * reducible * units.pivot[x] ** alpha,
        "alpha": alpha,
    }


def scale(A: Array, alpha: Array) -> Array:
    """Scale at which the reducible part is 1."""
    return A ** (1 / alpha)


def per_doubling(alpha: Array) -> Array:
    """Factor by which the reducible part falls when the scale doubles."""
    return 2.0**-alpha


DERIVED: dict[str, Callable[..., Array]] = {"x_0": scale, "per_doubling": per_doubling}
LEVEL = LogNormal(mu=0.0, sigma=0.5)  # over the geometric mean of the response
# Half of the value at the pivot irreducible on average.
SHARE = Dirichlet(a=(1.5, 1.5), parts=("irreducible", "reducible"))
# With a floor: 95% within 0.09 to 0.97.
FLOORED = LogNormal(mu=np.log(0.30), sigma=0.6)
# Along the compute-optimal frontier both inputs grow at once, and the exponent is about half of
# theirs, alpha beta / (alpha + beta): 95% within 0.05 to 0.5.
FRONTIER = LogNormal(mu=np.log(0.15), sigma=0.6)


def _pure(name: str, title: str, formula: Callable[..., Array], x: str, y: str, **more: Any) -> Law:
    """Return the power law of column `x` that falls to zero."""

    def coefficients(units: Units, level: Array, alpha: Array) -> dict[str, Array]:
        return {"A": level * units.pivot[y] * units.pivot[x] ** alpha, "alpha": alpha}

    return Law(
        name=name,
        title=title,
        formula=formula,
        inputs=(x,),
        response=y,
        priors={
            "level": LEVEL,
            # Without a floor, exponents of losses are three to five times smaller; of errors not.
            "alpha": LogNormal(mu=np.log(0.12), sigma=0.9),
        },
        coefficients=coefficients,
        derived=DERIVED,
        **more,
    )


def _floored(
    name: str,
    title: str,
    formula: Callable[..., Array],
    x: str,
    y: str,
    exponent: Prior,
    **more: Any,
) -> Law:
    """Return the power law of column `x` that falls to a floor."""

    def coefficients(
        units: Units, level: Array, share: Sequence[Array], alpha: Array
    ) -> dict[str, Array]:
        return with_floor(units, x, y, level, share, alpha)

    return Law(
        name=name,
        title=title,
        formula=formula,
        inputs=(x,),
        response=y,
        priors={"level": LEVEL, "share": SHARE, "alpha": exponent},
        coefficients=coefficients,
        derived=DERIVED,
        **more,
    )


def _claim(label: str, reference: str, x_0: float, alpha: float, **more: float) -> Claim:
    """Return a claim from a scale and an exponent, as the papers print them."""
    return Claim(
        label=label,
        values={"x_0": x_0, "A": x_0**alpha, "alpha": alpha, **more},
        reference=reference,
    )


KAPLAN = "Kaplan et al. (2020), arXiv:2001.08361"
HENIGHAN = "Henighan et al. (2020), arXiv:2010.14701, table 1"

# Domain: floor, x_0, exponent. Parameters without embeddings; losses in nats per token.
HENIGHAN_N: Mapping[str, tuple[float, float, float]] = {
    "language": (0.0, 1.47e14, 0.070),
    "image 8x8": (3.12, 8.0e1, 0.24),
    "image 16x16": (2.64, 2.8e2, 0.22),
    "image 32x32": (2.20, 6.3e1, 0.13),
    "image VQ 16x16": (3.99, 2.7e4, 0.13),
    "image VQ 32x32": (3.07, 1.9e4, 0.14),
    "text-to-image, text": (0.0, 5.6e8, 0.037),
    "text-to-image, image": (2.0, 5.1e3, 0.16),
    "image-to-text, text": (0.0, 7.0e8, 0.039),
    "image-to-text, image": (2.0, 5.5e3, 0.15),
    "video VQ 16x16x16": (1.01, 3.7e4, 0.24),
    "mathematics": (0.28, 1.1e4, 0.16),
}
# The same with x_0 in PF-days of compute.
HENIGHAN_C: Mapping[str, tuple[float, float, float]] = {
    "language": (0.0, 3.47e8, 0.048),
    "image 8x8": (3.13, 1.8e-8, 0.19),
    "image 16x16": (2.64, 1.6e-8, 0.16),
    "image 32x32": (2.21, 3.6e-9, 0.10),
    "image VQ 16x16": (4.09, 6.1e-7, 0.11),
    "image VQ 32x32": (3.17, 2.6e-6, 0.12),
    "text-to-image, image": (1.93, 1.5e-6, 0.15),
    "image-to-text, image": (1.97, 1.5e-6, 0.16),
    "video VQ 16x16x16": (0.95, 2.2e-5, 0.14),
    "mathematics": (0.14, 1.4e-5, 0.17),
}


POWER_LAW = _pure(
    "power_law",
    "Power law of any column x in any y, falling to zero",
    lambda x, A, alpha: value(x, 0.0, A, alpha),
    "x",
    "y",
    reference="Hestness et al. (2017), arXiv:1712.00409, eq. 1 without its constant",
)
POWER_LAW_CONSTANT = _floored(
    "power_law_constant",
    "Power law of any column x in any y, falling to a floor",
    lambda x, E, A, alpha: value(x, E, A, alpha),
    "x",
    "y",
    FLOORED,
    reference="Hestness et al. (2017), arXiv:1712.00409, eq. 1",
)
KAPLAN_N = _pure(
    "kaplan_n",
    "Kaplan: loss from parameters alone, with plenty of tokens",
    lambda params, A, alpha: value(params, 0.0, A, alpha),
    "params",
    "loss",
    reference=f"{KAPLAN}, eq. 1.1",
    claims=(_claim("Kaplan et al.", f"{KAPLAN}, eq. 1.1", 8.8e13, 0.076),),
)
KAPLAN_D = _pure(
    "kaplan_d",
    "Kaplan: loss from tokens alone, for large models stopped early",
    lambda tokens, A, alpha: value(tokens, 0.0, A, alpha),
    "tokens",
    "loss",
    reference=f"{KAPLAN}, eq. 1.2",
    claims=(_claim("Kaplan et al.", f"{KAPLAN}, eq. 1.2", 5.4e13, 0.095),),
)
KAPLAN_C = _pure(
    "kaplan_c",
    "Kaplan, GPT-3: loss of the best run from compute alone",
    lambda flops, A, alpha: value(flops, 0.0, A, alpha),
    "flops",
    "loss",
    reference=f"{KAPLAN}, eq. 1.3",
    claims=(
        _claim("Kaplan et al.", f"{KAPLAN}, eq. 1.3", 3.1e8 * PF_DAY, 0.050),
        Claim(
            label="GPT-3",
            values={"A": 2.57 * PF_DAY**0.048, "alpha": 0.048},
            reference="Brown et al. (2020), arXiv:2005.14165, figure 3.1",
        ),
    ),
)
HENIGHAN_LOSS_N = _floored(
    "henighan_n",
    "Henighan: loss from parameters alone, with a floor",
    lambda params, E, A, alpha: value(params, E, A, alpha),
    "params",
    "loss",
    FLOORED,
    reference=HENIGHAN,
    domain={"params": (1e3, 1e9)},
    claims=tuple(
        _claim(domain, HENIGHAN, x_0, alpha, E=E) for domain, (E, x_0, alpha) in HENIGHAN_N.items()
    ),
)
HENIGHAN_LOSS_C = _floored(
    "henighan_c",
    "Henighan, GPT-4: loss of the best run from compute alone, with a floor",
    lambda flops, E, A, alpha: value(flops, E, A, alpha),
    "flops",
    "loss",
    FRONTIER,
    reference=f"{HENIGHAN}; for GPT-4 OpenAI (2023), arXiv:2303.08774",
    domain={"flops": (1e12, 1e21)},
    claims=tuple(
        _claim(domain, HENIGHAN, x_0 * PF_DAY, alpha, E=E)
        for domain, (E, x_0, alpha) in HENIGHAN_C.items()
    ),
)
