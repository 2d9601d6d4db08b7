"""What it costs to train a model, and to serve it.

A cost is affine in the tokens: a part that every training token adds and a part that is there
before the first one. That covers the counts in use, and it can be solved for the tokens that a
budget buys, so it serves both for filling in a table of runs and for finding an optimum.

Counts of transformer FLOP take a multiplication and an addition as two, and the backward pass as
twice the forward one: six per parameter and token in training, two in serving.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from bayescale.errors import LawError
from bayescale.spelling import settings_of

PF_DAY = 8.64e19
"""One petaflop/s for a day, in FLOP."""

Array = Any
"""A float, or an array of numpy, xarray or PyTensor."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Compute as a function of parameters and tokens, in FLOP.

    Parameters
    ----------
    name : str
        How the cost is called in tables and on the shell.
    per_token : callable
        FLOP that one training token adds, from the parameters.
    fixed : callable, optional
        FLOP spent whatever the tokens, from the parameters. None by default.
    """

    name: str
    per_token: Callable[[Array], Array]
    fixed: Callable[[Array], Array] = lambda params: 0.0 * params

    def flops(self, params: Array, tokens: Array) -> Array:
        """FLOP for `params` parameters and `tokens` training tokens."""
        return self.fixed(params) + self.per_token(params) * tokens

    def tokens(self, params: Array, flops: Array) -> Array:
        """Training tokens that `flops` pay for; not positive where they pay for none."""
        return (flops - self.fixed(params)) / self.per_token(params)


SIX_ND = Cost(name="6ND", per_token=lambda params: 6.0 * params)
"""Six FLOP per parameter and token (Kaplan et al. 2020, arXiv:2001.08361, section 2.1)."""


def serving(tokens_served: float) -> Cost:
    """Training and then serving `tokens_served` tokens: 6 N D + 2 N D_served.

    References
    ----------
    Sardana et al. (2024), arXiv:2401.00448.
    """
    if not tokens_served >= 0:
        raise LawError(
            f"serving got {tokens_served!r} tokens; expected zero or more. "
            "Give the tokens the model will serve over its life."
        )
    return Cost(
        name=f"6ND+2N*{tokens_served:.4g}",
        per_token=SIX_ND.per_token,
        fixed=lambda params: 2.0 * params * tokens_served,
    )


def transformer(*, vocab: float = 0, context: float = 0, aspect: float = 64.0) -> Cost:
    """Add the output head and attention to 6 N D, for non-embedding parameters N.

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

    References
    ----------
    Porian et al. (2024), arXiv:2406.19146: counting the head moves an exponent by more than 0.1.
    """
    if vocab < 0 or context < 0 or not aspect > 0:
        raise LawError(
            f"transformer got vocab={vocab}, context={context}, aspect={aspect}; expected "
            "vocab and context of zero or more and a positive aspect. Mend the negative one."
        )

    def per_token(params: Array) -> Array:
        width = (params * aspect / 12.0) ** (1 / 3)
        return 6.0 * params + 6.0 * vocab * width + 12.0 * (width / aspect) * width * context

    return Cost(
        name=f"transformer(vocab={vocab:g}, context={context:g}, aspect={aspect:g})",
        per_token=per_token,
    )


def counted(runs: Any) -> Cost:
    """Cost that the flops of a table of runs follow: a power of params for every token.

    Parameters
    ----------
    runs : DataFrame
        With ``params``, ``tokens`` and ``flops``. The power is that of least squares on the
        logarithms, and 1 where there is one size only.
    """
    sizes, each = np.log(runs["params"]), np.log(runs["flops"] / runs["tokens"])
    moved = sizes - sizes.mean()
    spread = float((moved**2).sum())
    power = float((moved * each).sum()) / spread if spread > 0 else 1.0
    factor = float(np.exp((each - power * sizes).mean()))
    return Cost(
        name=f"{factor:.3g} N^{power:.3g} D", per_token=lambda params: factor * params**power
    )


RESOLUTION = 0.01
"""Decades below which compute is taken for the same."""


def alike(logs: Array, width: float) -> Array:
    """Number of each run's cluster of about the same compute: complete linkage on decades.

    Parameters
    ----------
    logs : (run,) array
        Decimal logarithm of compute.
    width : float
        Decades that a cluster spans at most.
    """
    from scipy.cluster.hierarchy import fcluster, linkage

    places, which = np.unique(np.round(logs / RESOLUTION), return_inverse=True)
    if len(places) < 2:
        return np.ones(len(logs), dtype=int)
    tree = linkage(places[:, None] * RESOLUTION, "complete")
    return fcluster(tree, width, "distance")[which]


COSTS: dict[str, Callable[..., Cost]] = {
    "6ND": lambda: SIX_ND,
    "serving": serving,
    "transformer": transformer,
}
"""Costs by the name they go by on the shell."""


def cost_named(text: str) -> Cost:
    """Read a cost as it is written on the shell.

    Examples
    --------
    >>> cost_named("6ND").name
    '6ND'
    >>> cost_named("serving:tokens_served=1e12").name
    '6ND+2N*1e+12'
    """
    try:
        name, settings = settings_of(text)
        numbers = {key: float(value) for key, value in settings.items()}
        if not all(map(isfinite, numbers.values())):
            raise ValueError
        return COSTS[name](**numbers)
    except (KeyError, ValueError, TypeError) as error:
        raise LawError(
            f"unknown cost {text!r}; expected 6ND, serving:tokens_served=1e12, or "
            "transformer:vocab=32000,context=2048,aspect=64. Write one of these."
        ) from error
