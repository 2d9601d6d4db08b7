"""What a column may hold, and the scale on which it is measured and compared.

Inputs and responses are positive unless a law says otherwise, and are measured on the logarithm.
An accuracy is a share and errs on its log odds; a sum of learning rates that have come down may be
0; a rating may be anything. Where a law is off by `shift`, its expectation moves to
``backward(forward(expected) + shift)``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

STEP = 1e-4
"""Shift over which a slope is taken: right to eight digits."""


@dataclass(frozen=True)
class Scale:
    """A kind of column.

    Parameters
    ----------
    name : str
        What a person calls such a column.
    forward, backward : callable
        To the scale on which misfit adds up, and back; on numpy, xarray and PyTensor.
    lowest, highest : float
        Between these values it lies.
    edges : bool
        Whether it may be equal to them.
    logged : bool
        Whether its middle and its spread are those of the logarithm.
    """

    name: str
    forward: Callable[[Any], Any]
    backward: Callable[[Any], Any]
    lowest: float = -np.inf
    highest: float = np.inf
    edges: bool = False
    logged: bool = False

    def moved(self, values: Any, shift: Any) -> Any:
        """Values off by a shift."""
        if self.logged:
            return values * np.exp(shift)
        return self.backward(self.forward(values) + shift)

    def slope(self, values: Any) -> Any:
        """How much a small shift moves values, per unit of it."""
        return (self.moved(values, STEP) - self.moved(values, -STEP)) / (2 * STEP)

    def measured(self, values: Any) -> Any:
        """Values on the scale of which pivot and spread are mean and standard deviation."""
        return np.log(values) if self.logged else values

    def middle(self, values: Any) -> Any:
        """Geometric mean, or the plain one."""
        mean = self.measured(values).mean()
        return np.exp(mean) if self.logged else mean

    def outside(self, values: Any) -> Any:
        """Which values cannot be."""
        if self.edges:
            return (values < self.lowest) | (values > self.highest)
        return (values <= self.lowest) | (values >= self.highest)


def _plain(values: Any) -> Any:
    return values


def _log_odds(shares: Any) -> Any:
    return np.log(shares) - np.log1p(-shares)


def _share(log_odds: Any) -> Any:
    return 1 / (1 + np.exp(-log_odds))


POSITIVE = Scale("positive", np.log, np.exp, lowest=0.0, logged=True)
"""Above zero: losses, sizes, compute."""
AMOUNT = Scale("amount", _plain, _plain, lowest=0.0, edges=True)
"""Zero or above."""
SHARE = Scale("share", _log_odds, _share, lowest=0.0, highest=1.0, edges=True)
"""From 0 to 1: accuracies, errors."""
REAL = Scale("number", _plain, _plain)
"""Any number."""
