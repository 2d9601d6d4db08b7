r"""The share of wrong answers falls from that of guessing, by an exponential of the loss.

.. math:: \text{error}(L) = \varepsilon - k\, e^{-\gamma L}

with the error a share (0 to 1, as a rule averaged over tasks), :math:`L` the loss (nats per token),
:math:`\varepsilon` (``eps``) the error of a model that knows nothing, :math:`k` and :math:`\gamma`
how much of it a finite loss takes off. With :math:`e^L` the perplexity, it is a power law in it.

What is sampled is ``eps``, ``gone``, the part of it that is gone at the middle of the losses, and
``steep``, gamma times the spread of the losses.

``error_ladder`` has the law of that loss, of parameters and tokens
(:mod:`bayescale.models.chinchilla`), in the same model: errors are then predicted from these.

Source: Gadre et al. (2024), arXiv:2403.08540 (``scaling/laws.py`` of its repository). The figures
claimed were not read in print: they are recomputed from the released runs, with the six runs and
the least squares that the authors' code takes (``scaling/shared.py``).

The law has no floor. Below a loss of ln(k / eps) / gamma it would be negative, and is bent to stay
above 0 by a corner of a thousandth, which elsewhere does not show: it says nothing of losses that
low, where :mod:`bayescale.models.accuracy` levels off. Averages hide tasks that stay at guessing.
"""

from dataclasses import replace

import numpy as np
import pymc as pm

from bayescale.claims import Claim
from bayescale.flops import Array
from bayescale.law import Law, Units
from bayescale.models.accuracy import LIKELIHOODS
from bayescale.models.chinchilla import CHINCHILLA
from bayescale.priors import Prior
from bayescale.scales import AMOUNT, SHARE

CORNER = 1e-3
"""Error at the loss where the law's own would be 0."""


def error(loss: Array, eps: Array, k: Array, gamma: Array) -> Array:
    """Share of wrong answers of a model of that loss."""
    plain = eps - k * np.exp(-gamma * loss)
    # The positive root of y (y - plain) = CORNER^2, without a difference of large numbers.
    return CORNER * np.exp(np.arcsinh(plain / (2 * CORNER)))


def coefficients(units: Units, eps: Array, gone: Array, steep: Array) -> dict[str, Array]:
    """Amplitude from what is gone at the pivot."""
    gamma = steep / units.spread["loss"]
    return {"eps": eps, "k": eps * gone * np.exp(gamma * units.pivot["loss"]), "gamma": gamma}


def all_gone(eps: Array, k: Array, gamma: Array) -> Array:
    """Loss at which nothing would be wrong."""
    return np.log(k / eps) / gamma


def _claim(label: str, table: str, eps: float, k: float, gamma: float) -> Claim:
    """Make a claim about the error over 17 tasks, from its three figures."""
    return Claim(
        label=f"Gadre et al., {label}",
        values={"eps": eps, "k": k, "gamma": gamma},
        runs=6,
        made_from="six of the runs, chosen to be cheap: 20 tokens per parameter at the five "
        "smaller sizes, and 320 at the smallest",
        reference="Gadre et al. (2024), arXiv:2403.08540; scaling/shared.py of its repository",
        status="recomputed",
        table=table,
        columns={"error": "error_17"},
        held_out=table,
        where={"model": "open_lm_7b"},
    )


ERROR_FROM_LOSS = Law(
    name="error_from_loss",
    title="Error over tasks from the loss, falling exponentially",
    formula=error,
    inputs=("loss",),
    response="error",
    scales={"error": SHARE, "loss": AMOUNT},
    columns={"error": lambda table: 1 - table["accuracy"]},
    priors={
        # Guessing is wrong half of the time at best, and always where answers are free: 95% within
        # 0.26 to 0.99.
        "eps": Prior(pm.Beta, alpha=3.0, beta=1.2),
        # Models in the middle of a study have learned a part: 95% within 2 to 58%.
        "gone": Prior(pm.Beta, alpha=1.5, beta=5.0),
        # What is gone changes by a factor of 1.2 to 120 at 95% over one spread of the losses.
        "steep": Prior(pm.LogNormal, mu=0.0, sigma=0.8),
    },
    coefficients=coefficients,
    derived={"L_zero": all_gone},
    size=lambda loss: 1 / loss,
    likelihoods=LIKELIHOODS,
    clusters=None,
    # As in the sigmoid of a loss.
    tau=Prior(pm.LogNormal, mu=np.log(2.0), sigma=0.8),
    tau_source="assumed",
    claims=(
        _claim("C4", "gadre_c4", 0.850, 2.08, 0.756),
        _claim("RedPajama", "gadre_rpj", 0.857, 2.21, 0.715),
        _claim("RefinedWeb", "gadre_rw", 0.865, 2.21, 0.707),
    ),
    domain={"loss": (2.38, 6.13)},
    reference="Gadre et al. (2024), arXiv:2403.08540",
)
ERROR_LADDER = replace(
    ERROR_FROM_LOSS,
    name="error_ladder",
    title="Ladder: error over tasks from the loss, and that from parameters and tokens",
    stage=CHINCHILLA,
    claims=(),
)
