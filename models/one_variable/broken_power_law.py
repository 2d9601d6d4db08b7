r"""A power law whose exponent changes smoothly at one or two places, the breaks.

.. math::
   y(x) = E + A x^{-\alpha} \prod_{i=1}^{n} \left[ 1 + (x / d_i)^{1/f_i} \right]^{-c_i f_i},
   \qquad s_i = \alpha + c_1 + \dots + c_i

with :math:`y` any positive measure (loss in nats per token, an error rate), :math:`x` the scale
(examples, tokens, parameters, FLOP), :math:`E` the floor and :math:`A` the amplitude of the first
segment. Its exponent is :math:`\alpha`; :math:`c` is by how much the exponent changes at each
break, :math:`d` where the breaks are (unit of :math:`x`), and :math:`f` how wide they are: most of
the change lies within a factor of :math:`e^{2f}` to either side of :math:`d`. :math:`s_i`, here
``slope``, is the exponent after the i-th break, positive where the curve falls. The paper writes
a, b and c_0 for :math:`E, A, \alpha`.

What is sampled is the value at the middle of the runs (``level``), the ``share`` of it that is
irreducible, the exponent of every segment (``slope``), how much of the range of the runs on the
logarithm each segment takes (``reach``), and the width of each break in units of that range
(``width``). So breaks are in order and lie among the runs. A break is at least a hundredth of the
range wide: runs that are not closer together cannot distinguish a sharper one.

Source: Caballero et al. (2022), arXiv:2210.14891, eq. 1. Without a break this is
`power_law_constant`, of :mod:`bayescale.models.one_variable.power_law`; ``broken_power_law(n)``
returns the law with n breaks.

To choose the number of breaks, use :func:`bayescale.compare`. With more breaks than the runs show,
the place and width of a break return their priors, and chains may find different places for it. The
verdict then refuses the draws; use fewer breaks, or average laws that are trusted. The number of a
break is its order in x, so no two labels can be exchanged.

No run before a break predicts it. The law extends the last segment of the runs as if there were no
further break. Its predictions there are widened by the drift of laws in general
(:mod:`bayescale.posterior.drift`), which does not know where a curve will turn.
"""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from bayescale.models.one_variable import power_law
from bayescale.models.one_variable.broken_power_law_claims import CLAIMS
from bayescale.priors import Dirichlet, LogNormal, Prior, StudentT
from bayescale.spec.functions import Array, cached
from bayescale.spec.law import Law, Units

SHARPEST = 0.01
"""Width of the sharpest break, in units of the range of the runs on the logarithm."""


def value(
    x: Array,
    E: Array,
    A: Array,
    alpha: Array,
    c: Sequence[Array],
    d: Sequence[Array],
    f: Sequence[Array],
) -> Array:
    """A floor, and segments of power laws above it."""
    return power_law.value(x, E, A * bends(x, c, d, f), alpha)


def bends(x: Array, c: Sequence[Array], d: Sequence[Array], f: Sequence[Array]) -> Array:
    """Factor by which the breaks change a power law, 1 far before the first of them."""
    breaks = zip(c, d, f, strict=True)
    return np.exp(-sum(c_i * f_i * softplus(np.log(x / d_i) / f_i) for c_i, d_i, f_i in breaks))


def softplus(u: Array) -> Array:
    """Softplus, log(1 + exp(u)), where exp(u) may be larger than any number."""
    return (u + np.abs(u)) / 2 + np.log1p(np.exp(-np.abs(u)))


def coefficients(
    units: Units,
    level: Array,
    share: Sequence[Array],
    slope: Sequence[Array],
    reach: Sequence[Array],
    width: Sequence[Array],
) -> dict[str, Any]:
    """Put the breaks among the runs, and split the value at the pivot from there."""
    first, pivot = units.lowest["x"], units.pivot["x"]
    log_range = np.log(units.highest["x"] / first)
    d = tuple(first * np.exp(log_range * upto) for upto in accumulate(reach[:-1]))
    f = tuple(log_range * (SHARPEST + w) for w in width)
    c = tuple(after - before for before, after in pairwise(slope))
    plain = power_law.with_floor(units, "x", "y", level, share, slope[0])
    return {**plain, "A": plain["A"] / bends(pivot, c, d, f), "c": c, "d": d, "f": f}


def slopes(alpha: Array, c: Sequence[Array]) -> tuple[Array, ...]:
    """Exponent of every segment."""
    return tuple(accumulate(c, initial=alpha))


@cached
def broken_power_law(breaks: int) -> Law:
    """Return the law of any column x in any y with that many breaks.

    Parameters
    ----------
    breaks : int
        0 for the plain power law with a floor.

    Returns
    -------
    Law
        Always the same law for a number of breaks.

    Examples
    --------
    >>> broken_power_law(1)
    Law('bnsl_1': Broken power law of any column x in any y, with one break)
    """
    if breaks == 0:
        return power_law.POWER_LAW_CONSTANT
    number = {1: "one break", 2: "two breaks"}.get(breaks, f"{breaks} breaks")
    return Law(
        name=f"bnsl_{breaks}",
        title=f"Broken power law of any column x in any y, with {number}",
        # A function of its own for every law.
        formula=lambda x, E, A, alpha, c, d, f: value(x, E, A, alpha, c, d, f),
        inputs=("x",),
        response="y",
        priors=priors(breaks),
        coefficients=coefficients,
        derived={"slope": slopes},
        claims=CLAIMS.get(breaks, ()),
        reference="Caballero et al. (2022), arXiv:2210.14891, eq. 1",
    )


def priors(breaks: int) -> dict[str, Prior]:
    """Return the priors of the free parameters of a law with that many breaks."""
    segments, numbers = [tuple(map(str, range(k, breaks + 1))) for k in (0, 1)]
    return {
        "level": power_law.LEVEL,
        "share": power_law.SHARE,
        # Centred on the usual exponent with a floor. Half lie within -0.1 to 0.7, as a curve may
        # rise for a while. Sudden drops have exponents of 5 and more, for which there are tails.
        "slope": StudentT(nu=3.0, mu=0.3, sigma=0.5, parts=segments),
        # Breaks anywhere among the runs, but rarely at one place or at the very ends.
        "reach": Dirichlet(a=(2.0,) * (breaks + 1), parts=segments),
        # 95% within 0.01 and 0.35 of the range: from a kink, nearly, to a bend of the whole curve.
        "width": LogNormal(mu=np.log(0.06), sigma=0.9, parts=numbers),
    }


BNSL_1 = broken_power_law(1)
BNSL_2 = broken_power_law(2)
