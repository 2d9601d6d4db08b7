"""Ends of training curves: the loss of whole schedules, and which of several is best."""

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.errors import LawError
from bayescale.fitting.record import Fit


def curve_ends(
    fit: Fit, points: pd.DataFrame, *, random_seed: int | None = None, drift: bool = True
) -> xr.Dataset:
    """Response at the end of each curve, and which curve ends lowest, draw by draw.

    Parameters
    ----------
    fit : Fit
        Of a law of curves, whose likelihood has a series.
    points : DataFrame
        Whole curves, as `Fit.predict` takes them, for example one schedule for each length of
        decay.
    random_seed : int, optional
        For the scatter of new runs; the fit's own by default.
    drift : bool
        Widen predictions beyond the runs by as much as laws are wrong there.

    Returns
    -------
    Dataset
        ``mean`` and ``new_run``, (chain, draw, curve), as from `Fit.predict`; and ``best`` (chain,
        draw), the position among the curves of the one whose mean ends lowest. Coordinate
        ``curve`` has their names. Each draw has one law for all curves, so that its best curve is
        better determined than that of single runs: the scatter of a run is only in ``new_run``.

    Raises
    ------
    LawError
        If the likelihood of the fit has no series.

    Examples
    --------
    >>> curve_ends(fitted, schedules)["best"]  # doctest: +SKIP
    """
    series = fit.likelihood.series
    if series is None:
        raise LawError(
            f"likelihood {fit.likelihood.name!r} knows no curves; expected one with a series, such "
            "as bayescale.likelihoods.autoregressive. Fit with it, or use predict."
        )
    predicted = fit.predict(points, random_seed=random_seed, drift=drift)
    rows = points.reset_index(drop=True).sort_values(series.order, kind="stable")
    last = pd.Series(rows.index, rows.index).groupby(rows[series.by], sort=False).last()
    last = last.loc[list(dict.fromkeys(points[series.by]))]
    ends = predicted.isel(point=last.to_numpy()).rename(point="curve")
    ends = ends.assign_coords(curve=[str(name) for name in last.index])
    return ends.assign(best=ends["mean"].argmin("curve").astype(np.int64))
