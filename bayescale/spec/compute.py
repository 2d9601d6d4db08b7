"""What it costs to train a model, and to serve it.

A cost is affine in the tokens: every training token adds one part, and a fixed part does not depend
on tokens. That covers the counts in use, and it can be solved for the tokens that a budget buys. So
it serves to fill in a table of runs and to find an optimum.

A multiplication and an addition count as two FLOP, and the backward pass as twice the forward pass:
six FLOP per parameter and token in training, two in serving.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from bayescale.errors import LawError
from bayescale.spec.functions import Array
from bayescale.spec.settings import read_settings

PF_DAY = 8.64e19
"""One petaflop/s for a day, in FLOP."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Compute as a function of parameters and tokens, in FLOP.

    Parameters
    ----------
    name : str
        Name of the cost in tables and on the shell.
    per_token : callable
        FLOP that one training token adds, from the parameters.
    fixed : callable, optional
        FLOP that do not depend on the tokens, from the parameters. By default there are none.
    """

    name: str
    per_token: Callable[[Array], Array]
    fixed: Callable[[Array], Array] | None = None

    def flops(self, params: Array, tokens: Array) -> Array:
        """Return the compute of a model.

        Parameters
        ----------
        params, tokens : float or array
            Parameters and training tokens.

        Returns
        -------
        float or array
            In FLOP.
        """
        fixed = 0.0 if self.fixed is None else self.fixed(params)
        return fixed + self.per_token(params) * tokens

    def tokens(self, params: Array, flops: Array) -> Array:
        """Return the training tokens that a budget pays for.

        Parameters
        ----------
        params, flops : float or array
            Parameters, and compute in FLOP.

        Returns
        -------
        float or array
            Not positive where the budget pays for none.
        """
        fixed = 0.0 if self.fixed is None else self.fixed(params)
        return (flops - fixed) / self.per_token(params)

    def params(self, tokens: Array, flops: Array) -> Array:
        """Return the parameters that a budget pays for.

        Parameters
        ----------
        tokens, flops : float or array
            Training tokens, and compute in FLOP.

        Returns
        -------
        float or array
            In closed form for 6 N D; otherwise a root between one parameter and 1e24, and zero
            where the budget pays for none.
        """
        if self == SIX_ND:
            return flops / (6.0 * tokens)
        from scipy.optimize import elementwise

        def excess(log_params: Array, tokens: Array, flops: Array) -> Array:
            return np.log(self.flops(np.exp(log_params), tokens)) - np.log(flops)

        root = elementwise.find_root(excess, (0.0, np.log(1e24)), args=(tokens, flops))
        return np.where(root.success, np.exp(root.x), 0.0)


SIX_ND = Cost(name="6ND", per_token=lambda params: 6.0 * params)
"""Six FLOP per parameter and token (Kaplan et al. 2020, arXiv:2001.08361, section 2.1)."""


def serving_cost(tokens_served: float) -> Cost:
    """Return the cost of training and of serving `tokens_served` tokens: 6 N D + 2 N D_served.

    Parameters
    ----------
    tokens_served : float
        Tokens that the model serves over its life.

    Returns
    -------
    Cost
        Named after the tokens served.

    Raises
    ------
    LawError
        If `tokens_served` is negative.

    References
    ----------
    Sardana et al. (2024), arXiv:2401.00448.
    """
    if not tokens_served >= 0:
        raise LawError(
            f"serving got {tokens_served!r} tokens; expected zero or more. "
            "Give the tokens that the model serves over its life."
        )
    return Cost(
        name=f"6ND+2N*{tokens_served:.4g}",
        per_token=SIX_ND.per_token,
        fixed=lambda params: 2.0 * params * tokens_served,
    )


def transformer_cost(*, vocab: float = 0, context: float = 0, aspect: float = 64.0) -> Cost:
    """Return 6 N D plus the output head and attention, for non-embedding parameters N.

    The width follows from the parameters of a standard block, N = 12 layers width^2, at a given
    ratio of width to layers. The head adds 6 vocab width FLOP a token, attention over a full
    context 12 layers width context.

    Parameters
    ----------
    vocab : float
        Entries of the output head; 0 leaves it out.
    context : float
        Tokens attended to; 0 leaves attention out.
    aspect : float
        Width over number of layers.

    Returns
    -------
    Cost
        Without a fixed part.

    Raises
    ------
    LawError
        If `vocab` or `context` is negative, or `aspect` is not positive.

    References
    ----------
    Porian et al. (2024), arXiv:2406.19146: counting the head moves an exponent by more than 0.1.
    """
    if vocab < 0 or context < 0 or not aspect > 0:
        raise LawError(
            f"transformer got vocab={vocab}, context={context}, aspect={aspect}; expected "
            "vocab and context of zero or more and a positive aspect. Correct the negative number."
        )

    def per_token(params: Array) -> Array:
        width = (params * aspect / 12.0) ** (1 / 3)
        return 6.0 * params + 6.0 * vocab * width + 12.0 * (width / aspect) * width * context

    return Cost(
        name=f"transformer(vocab={vocab:g}, context={context:g}, aspect={aspect:g})",
        per_token=per_token,
    )


def cost_of_runs(runs: Any) -> Cost:
    """Return the cost that the flops of a table of runs follow: a power of params for every token.

    Parameters
    ----------
    runs : DataFrame
        With ``params``, ``tokens`` and ``flops``. The power is that of least squares on the
        logarithms, and 1 where there is one size only.

    Returns
    -------
    Cost
    """
    sizes, per_token = np.log(runs["params"]), np.log(runs["flops"] / runs["tokens"])
    centred = sizes - sizes.mean()
    spread = float((centred**2).sum())
    power = float((centred * per_token).sum()) / spread if spread > 0 else 1.0
    factor = float(np.exp((per_token - power * sizes).mean()))
    return Cost(
        name=f"{factor:.3g} N^{power:.3g} D", per_token=lambda params: factor * params**power
    )


RESOLUTION = 0.01
"""Decades of compute that count as no difference."""


def same_compute(logs: Array, width: float) -> Array:
    """Return the number of each run's cluster of about equal compute, by complete linkage.

    Parameters
    ----------
    logs : (run,) array
        Decimal logarithm of compute.
    width : float
        Decades that a cluster spans at most.

    Returns
    -------
    (run,) array of int
        Numbers from 1 on.
    """
    from scipy.cluster.hierarchy import fcluster, linkage

    places, which = np.unique(np.round(logs / RESOLUTION), return_inverse=True)
    if len(places) < 2:
        return np.ones(len(logs), dtype=int)
    tree = linkage(places[:, None] * RESOLUTION, "complete")
    return fcluster(tree, width, "distance")[which]


COSTS: dict[str, Callable[..., Cost]] = {
    "6ND": lambda: SIX_ND,
    "serving": serving_cost,
    "transformer": transformer_cost,
}
"""Costs by their name on the shell."""


def cost_named(text: str) -> Cost:
    """Read a cost as it is written on the shell.

    Parameters
    ----------
    text : str
        A key of `COSTS`, with settings where it has any.

    Returns
    -------
    Cost

    Raises
    ------
    LawError
        If there is no such cost, or it does not have these settings.

    Examples
    --------
    >>> cost_named("6ND").name
    '6ND'
    >>> cost_named("serving:tokens_served=1e12").name
    '6ND+2N*1e+12'
    """
    try:
        name, settings = read_settings(text)
        numbers = {key: float(value) for key, value in settings.items()}
        if not all(map(isfinite, numbers.values())):
            raise ValueError
        return COSTS[name](**numbers)
    except (KeyError, ValueError, TypeError) as error:
        raise LawError(
            f"unknown cost {text!r}; expected 6ND, serving:tokens_served=1e12, or "
            "transformer:vocab=32000,context=2048,aspect=64. Write one of these."
        ) from error
