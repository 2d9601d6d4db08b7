"""Grouped fits: a colour for each group."""

from collections.abc import Iterator

import xarray as xr

from bayescale.draws import SAMPLE_DIMS
from bayescale.errors import DataError
from bayescale.plots.labels import plain
from bayescale.plots.palette import BLUE, CATEGORIES


def by_group[Draws: (xr.DataArray, xr.Dataset)](
    draws: Draws, *, along: tuple[str, ...] = ()
) -> Iterator[tuple[str | None, Draws, str]]:
    """Name as pictures show it, draws and colour of every group; None where there are no groups.

    Parameters
    ----------
    draws : DataArray or Dataset
        Dimensions are the sample's, those of `along`, and perhaps the grouping's.
    along : tuple of str
        Dimensions that a picture runs along.

    Raises
    ------
    DataError
        If there are more groups than colours.
    """
    extra = [str(dim) for dim in draws.dims if dim not in (*SAMPLE_DIMS, *along)]
    if not extra:
        yield None, draws, BLUE
        return
    names = draws[extra[0]].to_numpy()
    if len(names) > len(CATEGORIES):
        raise DataError(
            f"there are {len(names)} groups of {extra[0]}; expected at most {len(CATEGORIES)}, "
            "one for each colour. Choose some: draw in several axes, or fit fewer together."
        )
    for name, color in zip(names, CATEGORIES, strict=False):
        yield plain(str(name)), draws.sel({extra[0]: name}), color
