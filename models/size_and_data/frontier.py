r"""The best model size of a budget grows as a power of compute.

.. math:: N_\mathrm{opt}(C) = k\, C^{a}

with :math:`N_\mathrm{opt}` the parameters that have the least loss at the compute :math:`C` (FLOP),
:math:`k` the factor and :math:`a` the exponent. A hundred times the compute needs :math:`100^a`
times the parameters and, for :math:`C = 6 N D`, :math:`100^{1 - a}` times the tokens.

It is fitted to estimated optima, one for each budget. Where their table has a standard error of the
logarithm (``params_log_sd``), an optimum scatters by this error and by the misfit of the law;
otherwise by one scale. What is sampled is the optimum at the middle of the budgets (``centre``, in
units of the geometric mean of the optima), and the exponent.

Sources: Kaplan et al. (2020), arXiv:2001.08361, section 6; Henighan et al. (2020),
arXiv:2010.14701, table 1; Hoffmann et al. (2022), arXiv:2203.15556, section 3; Porian et al.
(2024), arXiv:2406.19146.

It treats the optima as independent, and ignores the runs behind them. Where there are runs, use
:mod:`bayescale.models.size_and_data.isoflop`, which estimates optima and frontier together.
"""

from bayescale.likelihoods.losses import NORMAL, with_errors
from bayescale.models.size_and_data import coupled, isoflop
from bayescale.models.size_and_data.isoflop_claims import porian
from bayescale.priors import LogNormal
from bayescale.spec.claim import Claim
from bayescale.spec.compute import PF_DAY
from bayescale.spec.functions import Array
from bayescale.spec.law import Clustering, Drift, Law, Units


def params(flops: Array, k: Array, a: Array) -> Array:
    """Parameters that have the least loss at a budget."""
    return k * flops**a


def coefficients(units: Units, centre: Array, a: Array) -> dict[str, Array]:
    """The factor, from the optimum at the middle of the budgets."""
    return {"k": centre * units.pivot["params"] / units.pivot["flops"] ** a, "a": a}


def per_hundred(a: Array) -> Array:
    """Factor by which the best size grows with a hundred times the compute."""
    return 100.0**a


# Domain: c_0 in PF-days and exponent of N_opt = (C / c_0)^a, parameters without embeddings.
HENIGHAN = {
    "language": (3.3e-13, 0.73),
    "image 8x8": (5.3e-14, 0.64),
    "image 16x16": (4.8e-12, 0.75),
    "image 32x32": (1.6e-13, 0.65),
    "image VQ 16x16": (6.2e-14, 0.64),
    "image VQ 32x32": (9.4e-13, 0.70),
    "text-to-image": (9.4e-13, 0.70),
    "image-to-text": (3.3e-12, 0.72),
    "video VQ 16x16x16": (1.13e-12, 0.71),
    "mathematics": (2.3e-12, 0.69),
}
KAPLAN = Claim(
    label="Kaplan et al.",
    values={"k": 1.3e9 / PF_DAY**0.73, "a": 0.73},
    counts="parameters without embeddings",
    reference="Kaplan et al. (2020), arXiv:2001.08361, section 6, as quoted in arXiv:2406.19146",
    status="remembered",
)

FRONTIER = Law(
    name="frontier",
    title="Frontier: the best model size of a budget is a power of compute",
    formula=params,
    inputs=("flops",),
    response="params",
    priors={
        # The optimum at the middle budget over the geometric mean of the optima: near 1.
        "centre": LogNormal(mu=0.0, sigma=0.5),
        "a": isoflop.PRIORS["a"],
    },
    coefficients=coefficients,
    derived={"b": isoflop.tokens_exponent, "per_hundred": per_hundred},
    # Optima of one study lie within a factor of 1.5 of a power law.
    likelihoods=(with_errors("params_log_sd", sigma=0.2), NORMAL),
    clusters=Clustering(by=None),
    domain={"flops": (1e16, 1e22)},
    # The misfit of the law a decade beyond its optima is that of the optima of other laws.
    drift=Drift(
        tau=isoflop.ISOFLOP.drift.split_tau,
        source=f"that of the optimal params of law 'coupled', {coupled.COUPLED.drift.source}",
    ),
    claims=(
        KAPLAN,
        *(
            Claim(
                label=f"Henighan et al., {domain}",
                values={"k": (1 / (c_0 * PF_DAY)) ** a, "a": a},
                counts="parameters without embeddings",
                reference="Henighan et al. (2020), arXiv:2010.14701, table 1",
            )
            for domain, (c_0, a) in HENIGHAN.items()
        ),
        *porian("_optima"),
    ),
    reference="Kaplan et al. (2020), arXiv:2001.08361, section 6; "
    "Hoffmann et al. (2022), arXiv:2203.15556, section 3",
)
