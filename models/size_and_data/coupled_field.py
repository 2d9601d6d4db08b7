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

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

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
    middle=(np.log(0.311), np.log(0.287), np.log(0.535), -0.87, 3.0),
    sd=(0.275, 0.456, 0.421, 0.719, 0.689),
    correlation=(
        (0.74,),
        (0.64, 0.65),
        (-0.70, -0.80, -0.56),
        (-0.40, -0.26, -0.30, 0.41),
    ),
)
"""The predictive of a new family of studies."""


def learned(law: Law, field: Field = FIELD) -> Law:
    """Return the coupled law with a joint prior in place of its own.

    Parameters
    ----------
    law : Law
        The coupled law.
    field : Field
        What is known of studies in general.
    """
    priors = {
        "level": law.priors["level"],
        "field": StudentT(nu=NU, mu=0.0, sigma=1.0, parts=PARTS),
    }
    return replace(law, priors=priors, coefficients=_coefficients(field), plain=law)


def _coefficients(known: Field) -> Callable[..., dict[str, Any]]:
    """The coefficients of the coupled law from five standard numbers."""
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
        irreducible = level * units.pivot["loss"] / (1 + (from_model + from_data) ** kappa)
        return {
            "E": irreducible,
            "A": irreducible * np.exp(log_a),
            "B": irreducible * np.exp(log_b),
            "alpha": alpha,
            "beta": beta,
            "kappa": kappa,
        }

    return coefficients
