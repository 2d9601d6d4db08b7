r"""The coupled law with what public studies say about it: `fit(..., priors="field")`.

Studies differ in units, in data and in the size of their models, so that :math:`E, A, B` of one say
little about another. Five numbers carry over: :math:`\alpha, \beta, \kappa`; the reducible part of
the loss over :math:`E`, at the optimum of 1e20 FLOP; and the tokens per parameter there. Their
logarithms are a middle and a triangular matrix times ``field``, five standard Student-t numbers:
the first moves alpha and all that goes with it, the second moves beta and what is left, and so on.
``level``, the loss at the middle of the runs over its mean there, has the law's own prior.

The numbers were learned from full tables by a hierarchical model of studies within families, of
which the predictive of a new family is taken: `studies/field_prior`. They speak of language models
trained once over their tokens, with a loss in nats per token.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bayescale.priors import StudentT
from bayescale.spec.functions import Array
from bayescale.spec.law import Law, Units

FLOPS = 1e20
"""Compute at whose optimum studies are compared."""

NU = 7.0
"""Degrees of freedom of each of the five numbers."""

PARTS = ("alpha", "beta", "kappa", "reducible", "tokens_per_param")
"""The five numbers, in the order in which they are drawn."""


@dataclass(frozen=True)
class Field:
    """Middle, standard deviations and correlations of five logarithms, in the order of `PARTS`.

    Parameters
    ----------
    middle : tuple of float
        Of each logarithm.
    sd : tuple of float
        Half the range from the 16% to the 84% quantile.
    correlation : tuple of tuple of float
        Below the diagonal, a row for each but the first.
    """

    middle: tuple[float, ...]
    sd: tuple[float, ...]
    correlation: tuple[tuple[float, ...], ...]

    @property
    def factor(self) -> list[list[float]]:
        """Lower triangular root of the covariance."""
        matrix = np.eye(len(self.sd))
        for row, values in enumerate(self.correlation, start=1):
            matrix[row, :row] = matrix[:row, row] = values
        root: list[list[float]] = (np.diag(self.sd) @ np.linalg.cholesky(matrix)).tolist()
        return root


FIELD = Field(
    middle=(-1.241, -1.236, -0.656, -0.746, 2.989),
    sd=(0.296, 0.378, 0.384, 0.635, 0.625),
    correlation=(
        (0.49,),
        (0.33, 0.56),
        (-0.55, -0.67, -0.39),
        (-0.29, -0.18, -0.30, 0.38),
    ),
)
"""The predictive of a new family of studies."""


def learned(law: Law, known: Field = FIELD) -> Law:
    """Return the coupled law with a joint prior in place of its own.

    Parameters
    ----------
    law : Law
        The coupled law.
    known : Field
        What is known of studies in general.
    """
    middle, factor = known.middle, known.factor

    def coefficients(units: Units, level: Array, field: Sequence[Array]) -> dict[str, Array]:
        """Place the law at the optimum of 1e20 FLOP, and scale it by the loss at the pivot."""
        log_alpha, log_beta, log_kappa, log_ratio, log_balance = (
            middle[k] + sum(factor[k][j] * field[j] for j in range(k + 1)) for k in range(5)
        )
        alpha, beta, kappa = np.exp(log_alpha), np.exp(log_beta), np.exp(log_kappa)
        log_params = (np.log(FLOPS / 6) - log_balance) / 2
        log_tokens = (np.log(FLOPS / 6) + log_balance) / 2
        # At the optimum the two terms inside the bracket are as beta to alpha. Amplitudes over E:
        log_a = log_ratio + kappa * np.log(beta / (alpha + beta)) + alpha * log_params
        log_b = log_ratio + kappa * np.log(alpha / (alpha + beta)) + beta * log_tokens
        from_model = np.exp((log_a - alpha * np.log(units.pivot["params"])) / kappa)
        from_data = np.exp((log_b - beta * np.log(units.pivot["tokens"])) / kappa)
        E = level * units.pivot["loss"] / (1 + (from_model + from_data) ** kappa)
        A, B = E * np.exp(log_a), E * np.exp(log_b)
        return {"E": E, "A": A, "B": B, "alpha": alpha, "beta": beta, "kappa": kappa}

    standard = StudentT(nu=NU, mu=0.0, sigma=1.0, parts=PARTS)
    priors = {"level": law.priors["level"], "field": standard}
    return replace(law, priors=priors, coefficients=coefficients, plain=law)
