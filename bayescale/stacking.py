"""Several laws as one: their weights, and draws of their mixture.

Stacking weighs laws such that their mixture, and not each of them, predicts best what was left
out. Two laws that say the same share a weight; a law that is worse everywhere gets none.

References
----------
Yao et al. (2018), doi:10.1214/17-BA1091.
"""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from bayescale.draws import SAMPLE_DIMS
from bayescale.errors import LawError
from bayescale.flops import Array

LAW = "law"


def stacking_weights(elpd: xr.DataArray, counts: xr.DataArray | None = None) -> xr.DataArray:
    """Weights of the mixture with the largest mean log predictive density.

    Parameters
    ----------
    elpd : (law, case) DataArray
        Log predictive density of each case that was left out.
    counts : (case,) DataArray, optional
        How much each case counts; alike by default.

    Returns
    -------
    (law,) DataArray
        At least 0, with sum 1.
    """
    from scipy.optimize import LinearConstraint, minimize

    logs = elpd.transpose("case", LAW).to_numpy()
    share = np.ones(len(logs)) if counts is None else counts.to_numpy()
    share = share / share.sum()
    # ArviZ's own optimiser takes exp() of these as they are, which is 0 for every law where a whole
    # cluster was predicted badly; relative to the best law of each case it never is.
    density = np.exp(logs - logs.max(axis=1, keepdims=True))

    def loss(weights: Array) -> tuple[float, Array]:
        mixed = density @ weights
        return -float(share @ np.log(mixed)), -(share / mixed) @ density

    laws = density.shape[1]
    found = minimize(
        loss,
        np.full(laws, 1 / laws),
        jac=True,
        bounds=[(1e-12, 1.0)] * laws,
        constraints=LinearConstraint(np.ones(laws), 1.0, 1.0),
        method="SLSQP",
        options={"ftol": 1e-10, "maxiter": 500},
    )
    weights = np.clip(np.round(found.x, 6), 0.0, None)
    return xr.DataArray(weights / weights.sum(), {LAW: elpd[LAW]}, LAW)


def side_by_side(each: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """The same quantities of several laws along dim ``law``; coordinates on which they agree."""
    coords: dict[str, xr.DataArray] = {}
    at_odds: set[str] = set()
    for found in each.values():
        for name in map(str, found.coords):
            values = found[name].reset_coords(drop=True)
            if not coords.setdefault(name, values).equals(values):
                at_odds.add(name)
    bare = [found.drop_vars(set(found.coords) - set(found.dims)) for found in each.values()]
    stacked = xr.concat(bare, LAW, join="override", combine_attrs="drop_conflicts")
    kept = {name: values for name, values in coords.items() if name not in at_odds}
    return stacked.assign_coords({LAW: list(each), **kept})


def mixture(each: xr.Dataset, weights: xr.DataArray, *, random_seed: int = 0) -> xr.Dataset:
    """Draws of the mixture of laws: every draw is one law's, as often as its weight says.

    Parameters
    ----------
    each : (law, chain, draw, ...) Dataset
        Draws of each law.
    weights : (law,) DataArray
        With sum 1.
    random_seed : int
        Which law each draw is taken from follows from it: quantities that were mixed with one seed
        belong together draw by draw.

    Returns
    -------
    (chain, draw, ...) Dataset
    """
    chains, draws = (each.sizes[dim] for dim in SAMPLE_DIMS)
    rng = np.random.default_rng(random_seed)
    # One law for each of `draws` even steps along the weights: counts are off by less than one.
    ends = np.cumsum(weights.sel({LAW: each[LAW]}).to_numpy())
    ends /= ends[-1]
    steps = (np.arange(draws) + rng.random((chains, 1))) / draws
    chosen = rng.permuted(np.searchsorted(ends, steps, side="right"), axis=1)
    which = xr.DataArray(chosen, dims=SAMPLE_DIMS)
    drawn = {
        name: values.isel({LAW: which}).drop_vars(LAW) if LAW in values.dims else values
        for name, values in each.data_vars.items()
    }
    first = [dim for dim in SAMPLE_DIMS if dim in each.dims]
    return xr.Dataset(drawn, attrs=each.attrs).transpose(*first, ...)


def between_share(each: xr.DataArray, weights: xr.DataArray) -> xr.DataArray:
    """Share of the mixture's variance that lies between laws, on the logarithm.

    Parameters
    ----------
    each : (law, chain, draw, ...) DataArray
        Draws of a positive quantity of each law.
    weights : (law,) DataArray

    Returns
    -------
    (...) DataArray
        0 where all laws of any weight agree on the mean, near 1 where they differ by far more than
        each is unsure.

    Raises
    ------
    LawError
        If there is no dim ``law`` to compare along.
    """
    if LAW not in each.dims:
        raise LawError(
            f"{each.name or 'the quantity'} has dims {tuple(map(str, each.dims))}; expected "
            "'law' among them. Take what predict or optimum give with mixed=False."
        )
    logs = each.copy(data=np.log(each.to_numpy()))
    means = logs.mean(SAMPLE_DIMS)
    within = (weights * logs.var(SAMPLE_DIMS)).sum(LAW)
    between = (weights * (means - (weights * means).sum(LAW)) ** 2).sum(LAW)
    total = between + within
    # Laws that are sure of the very same number leave nothing to share.
    return (between / total.where(total != 0)).where(total != 0, 0.0)
