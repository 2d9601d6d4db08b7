"""Where curves end: the loss of whole schedules, and which of several is best, draw by draw."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.errors import LawError

if TYPE_CHECKING:
    from bayescale.fitting import Fit


def endings(
    fit: "Fit",
    points: pd.DataFrame,
    *,
    random_seed: int | None = None,
    extrapolate: bool = True,
) -> xr.Dataset:
    """Response at the end of each curve, and which curve ends lowest.

    Parameters
    ----------
    fit : Fit
        Of a law of curves, whose likelihood says which rows are one (`bayescale.series`).
    points : DataFrame
        Whole curves, as `Fit.predict` takes them: such as one schedule for each length of decay.
    random_seed, extrapolate
        As for `Fit.predict`.

    Returns
    -------
    Dataset
        ``mean`` and ``new_run``, (chain, draw, curve), as `Fit.predict` has them; and ``best``
        (chain, draw), the place among the curves of the one whose mean ends lowest. Their names
        are the coordinate ``curve``. Each draw has one law for all curves, so its best is sharper
        than what single runs would show: what each curve has of its own is in ``new_run`` alone.

    Raises
    ------
    LawError
        If rows of the fit are not those of curves.
    """
    series = fit.likelihood.series
    if series is None:
        raise LawError(
            f"likelihood {fit.likelihood.name!r} knows no curves; expected one with a series, such "
            "as bayescale.likelihood.autoregressive. Fit with it, or use predict."
        )
    told = fit.predict(points, random_seed=random_seed, extrapolate=extrapolate)
    rows = points.reset_index(drop=True).sort_values(series.order, kind="stable")
    last = pd.Series(rows.index, rows.index).groupby(rows[series.by], sort=False).last()
    last = last.loc[list(dict.fromkeys(points[series.by]))]
    ends = told.isel(point=last.to_numpy()).rename(point="curve")
    ends = ends.assign_coords(curve=[str(name) for name in last.index])
    return ends.assign(best=ends["mean"].argmin("curve").astype(np.int64))
