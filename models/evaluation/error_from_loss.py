r"""The share of wrong answers falls from that of guessing, by an exponential of the loss.

.. math:: \text{error}(L) = \varepsilon - k\, e^{-\gamma L}

with the error a proportion (0 to 1, usually averaged over tasks), :math:`L` the loss (nats per
token), :math:`\varepsilon` (``eps``) the error of guessing, :math:`k` and :math:`\gamma` amplitude
and rate of its reduction at a finite loss. In the perplexity :math:`e^L` it is a power law.

What is sampled is ``eps``; ``gone``, the part of it that is gone at the middle of the losses; and
``steep``, gamma times the spread of the losses.

``error_ladder`` has the law of that loss, of parameters and tokens
(:mod:`bayescale.models.size_and_data.chinchilla`), in the same model: it predicts errors from
parameters and tokens.

Source: Gadre et al. (2024), arXiv:2403.08540 (``scaling/laws.py`` of its repository). The claimed
figures are not printed: they are recomputed from the released runs, with the six runs and the least
squares of the authors' code (``scaling/shared.py``).

The law has no floor. Below a loss of ln(k / eps) / gamma the formula would be negative; a corner of
a thousandth, which is invisible elsewhere, keeps it above 0. So it does not describe losses that
low, where :mod:`bayescale.models.evaluation.accuracy` levels off. Averages hide tasks that stay at
guessing.
"""

from dataclasses import replace

import numpy as np

from bayescale.models.evaluation.accuracy import LIKELIHOODS, TAU_LOSS
from bayescale.models.size_and_data.chinchilla import CHINCHILLA
from bayescale.priors import Beta, LogNormal
from bayescale.spec.claim import Claim, ClaimData
from bayescale.spec.columns import AMOUNT, PROPORTION, Column
from bayescale.spec.functions import Array
from bayescale.spec.law import Clustering, Drift, Law, Units

CORNER = 1e-3
"""Error at the loss where the law's own would be 0."""


def error(loss: Array, eps: Array, k: Array, gamma: Array) -> Array:
    """Proportion of wrong answers of a model of that loss."""
    plain = eps - k * np.exp(-gamma * loss)
    # The positive root of y (y - plain) = CORNER^2, without a difference of large numbers.
    return CORNER * np.exp(np.arcsinh(plain / (2 * CORNER)))


def coefficients(units: Units, eps: Array, gone: Array, steep: Array) -> dict[str, Array]:
    """Coefficients from the part of the error that is gone at the pivot."""
    gamma = steep / units.spread["loss"]
    return {"eps": eps, "k": eps * gone * np.exp(gamma * units.pivot["loss"]), "gamma": gamma}


def all_gone(eps: Array, k: Array, gamma: Array) -> Array:
    """Loss at which nothing would be wrong."""
    return np.log(k / eps) / gamma


def _claim(label: str, table: str, eps: float, k: float, gamma: float) -> Claim:
    """Return a claim about the error over 17 tasks, from its three figures."""
    return Claim(
        label=f"Gadre et al., {label}",
        values={"eps": eps, "k": k, "gamma": gamma},
        runs=6,
        made_from="six of the runs, chosen to be cheap: 20 tokens per parameter at the five "
        "smaller sizes, and 320 at the smallest",
        reference="Gadre et al. (2024), arXiv:2403.08540; scaling/shared.py of its repository",
        status="recomputed",
        data=ClaimData(
            table=table,
            columns={"error": "error_17"},
            held_out=table,
            where={"model": "open_lm_7b"},
        ),
    )


ERROR_FROM_LOSS = Law(
    name="error_from_loss",
    title="Error over tasks from the loss, falling exponentially",
    formula=error,
    inputs=("loss",),
    response="error",
    columns={
        "error": Column(PROPORTION, computed=lambda table: 1 - table["accuracy"]),
        "loss": Column(AMOUNT),
    },
    priors={
        # Guessing is wrong half of the time at best, and always for free answers: 95% within 0.26
        # to 0.99.
        "eps": Beta(alpha=3.0, beta=1.2),
        # Models in the middle of a study have learned a part: 95% within 2 to 58%.
        "gone": Beta(alpha=1.5, beta=5.0),
        # What is gone changes by a factor of 1.2 to 120 at 95% over one spread of the losses.
        "steep": LogNormal(mu=0.0, sigma=0.8),
    },
    coefficients=coefficients,
    derived={"L_zero": all_gone},
    # As in the sigmoid of a loss.
    drift=Drift(size=lambda loss: 1 / loss, tau=TAU_LOSS, source="assumed"),
    likelihoods=LIKELIHOODS,
    clusters=Clustering(by=None),
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
