"""Statistics of chains for all numbers of a posterior at once, by ArviZ's functions of arrays.

ArviZ's functions of datasets do the same, one variable at a time, and take several times as long.
"""

from typing import Any

import numpy as np
import xarray as xr

from bayescale.posterior.draws import SAMPLE_DIMS
from bayescale.posterior.quantities import scalars


def stack_numbers(draws: xr.Dataset) -> np.ndarray:
    """Every single number of some quantities, in their order.

    Parameters
    ----------
    draws : Dataset
        Quantities, each (chain, draw, ...).

    Returns
    -------
    (number, chain, draw) array
    """
    shape = tuple(draws.sizes[dim] for dim in SAMPLE_DIMS)
    own = [
        values.transpose(..., *SAMPLE_DIMS).to_numpy().reshape(-1, *shape)
        for values in draws.values()
    ]
    return np.concatenate(own)


def labels_of(draws: xr.Dataset) -> list[str]:
    """Label of every number, as a summary has it, in the order of `stack_numbers`."""
    first = draws.isel({dim: [0] for dim in SAMPLE_DIMS})
    return [label for name in first for label, _ in scalars(first[name], str(name))]


def chain_statistic(name: str, numbers: np.ndarray, **options: Any) -> np.ndarray:
    """Compute ``ess`` or ``rhat`` of each number.

    Parameters
    ----------
    name : str
        Name of ArviZ's function.
    numbers : (number, chain, draw) array
        From `stack_numbers`.
    **options
        Such as the method.

    Returns
    -------
    (number,) array
        nan where draws never move.
    """
    from arviz_stats.base import array_stats

    with np.errstate(invalid="ignore", divide="ignore"):  # draws that never move
        values = getattr(array_stats, name)(numbers, chain_axis=1, draw_axis=2, **options)
    return np.asarray(values)
