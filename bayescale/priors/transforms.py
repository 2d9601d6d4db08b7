"""From the values that a distribution can have to the real line, and back.

A sampler moves on the real line. These are the scales on which PyMC moves, so that a point means
the same to every sampler. Each function takes the distribution's numbers by name as well, since the
ends of an interval are among them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Transform:
    """A scale without bounds for the values of a distribution.

    Parameters
    ----------
    forward : callable
        ``forward(values, **numbers)`` gives coordinates on the real line.
    backward : callable
        ``backward(coordinates, **numbers)`` gives the values.
    log_slope : callable
        ``log_slope(coordinates, **numbers)`` gives the logarithm of the derivative of `backward`;
        of its determinant where `joint`.
    joint : bool
        Whether the parts of a parameter, along the last axis, are transformed together. There is
        one coordinate less than there are parts.
    """

    forward: Callable[..., Array]
    backward: Callable[..., Array]
    log_slope: Callable[..., Array]
    joint: bool = False


REAL_LINE = Transform(
    forward=lambda x, **_: x,
    backward=lambda z, **_: z,
    log_slope=lambda z, **_: np.zeros_like(z),
)
"""No bounds."""

LOG = Transform(
    forward=lambda x, **_: np.log(x),
    backward=lambda z, **_: np.exp(z),
    log_slope=lambda z, **_: z,
)
"""Positive values, by their logarithm."""


def log_expit(z: Array) -> Array:
    """Logarithm of the logistic function, for coordinates of any size."""
    return -np.logaddexp(0.0, -z)


LOG_ODDS = Transform(
    forward=lambda x, **_: np.log(x) - np.log1p(-x),
    backward=lambda z, **_: np.exp(log_expit(z)),
    log_slope=lambda z, **_: log_expit(z) + log_expit(-z),
)
"""Values between 0 and 1, by their log odds."""


INTERVAL = Transform(
    forward=lambda x, lower, upper, **_: np.log(x - lower) - np.log(upper - x),
    backward=lambda z, lower, upper, **_: lower + (upper - lower) * np.exp(log_expit(z)),
    log_slope=lambda z, lower, upper, **_: np.log(upper - lower) + log_expit(z) + log_expit(-z),
)
"""Values between ``lower`` and ``upper``, by the log odds of their place."""


def log_shares(z: Array) -> Array:
    """Logarithms of the shares of a whole, (..., part), from one coordinate less."""
    logits = np.concatenate([z, -z.sum(axis=-1, keepdims=True)], axis=-1)
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


SIMPLEX = Transform(
    forward=lambda x, **_: (np.log(x) - np.log(x).mean(axis=-1, keepdims=True))[..., :-1],
    backward=lambda z, **_: np.exp(log_shares(z)),
    log_slope=lambda z, **_: log_shares(z).sum(axis=-1) + np.log(z.shape[-1] + 1),
    joint=True,
)
"""Shares of a whole, by their logarithms less the mean of these."""
