"""Several laws as one: their weights, and draws of their mixture.

Stacking weighs laws such that their mixture, and not each of them, predicts best what was left
out. Two laws with the same predictions share a weight; a law that is worse everywhere gets none.

References
----------
Yao et al. (2018), doi:10.1214/17-BA1091.
"""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from bayescale.errors import LawError
from bayescale.posterior.draws import SAMPLE_DIMS
from bayescale.spec.functions import Array

LAW = "law"
"""Dim along which laws are compared."""


def stacking_weights(elpd: xr.DataArray, counts: xr.DataArray | None = None) -> xr.DataArray:
    """Weights of the mixture with the largest mean log predictive density.

    Parameters
    ----------
    elpd : (law, case) DataArray
        Log predictive density of each case that was left out.
    counts : (case,) DataArray, optional
        How much each case counts; all the same by default.

    Returns
    -------
    (law,) DataArray
        At least 0, with sum 1.
    """
    from scipy.optimize import LinearConstraint, minimize

    logs = elpd.transpose("case", LAW).to_numpy()
    share = np.ones(len(logs)) if counts is None else counts.to_numpy()
    share = share / share.sum()
    # Relative to the best law of each case, so that no case has density 0 under every law. ArviZ's
    # optimiser takes exp() of the elpd as they are, and has no counts.
    density = np.exp(logs - logs.max(axis=1, keepdims=True))

    def loss(weights: Array) -> tuple[float, Array]:
        mixed = density @ weights
        return -float(share @ np.log(mixed)), -(share / mixed) @ density

    laws = density.shape[1]
    best = minimize(
        loss,
        np.full(laws, 1 / laws),
        jac=True,
        bounds=[(1e-12, 1.0)] * laws,
        constraints=LinearConstraint(np.ones(laws), 1.0, 1.0),
        method="SLSQP",
        options={"ftol": 1e-10, "maxiter": 500},
    )
    weights = np.clip(np.round(best.x, 6), 0.0, None)
    return xr.DataArray(weights / weights.sum(), {LAW: elpd[LAW]}, LAW)


def side_by_side(quantities: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """Quantities of several laws along dim ``law``, with the coordinates on which they agree."""
    coords: dict[str, xr.DataArray] = {}
    differing: set[str] = set()
    for dataset in quantities.values():
        for name in map(str, dataset.coords):
            values = dataset[name].reset_coords(drop=True)
            if not coords.setdefault(name, values).equals(values):
                differing.add(name)
    bare = [
        dataset.drop_vars({*dataset.coords} - {*dataset.dims}) for dataset in quantities.values()
    ]
    stacked = xr.concat(bare, LAW, join="override", combine_attrs="drop_conflicts")
    kept = {name: values for name, values in coords.items() if name not in differing}
    return stacked.assign_coords({LAW: list(quantities), **kept})


def mixture(quantities: xr.Dataset, weights: xr.DataArray, *, random_seed: int) -> xr.Dataset:
    """Draws of the mixture of laws: every draw is one law's, as often as its weight says.

    Parameters
    ----------
    quantities : (law, chain, draw, ...) Dataset
        Draws of each law.
    weights : (law,) DataArray
        With sum 1.
    random_seed : int
        Which law each draw is from follows from it: quantities that were mixed with one seed
        belong together draw by draw.

    Returns
    -------
    (chain, draw, ...) Dataset
    """
    chains, draws = (quantities.sizes[dim] for dim in SAMPLE_DIMS)
    rng = np.random.default_rng(random_seed)
    # One law for each of `draws` even steps along the weights: counts are off by less than one.
    ends = np.cumsum(weights.sel({LAW: quantities[LAW]}).to_numpy())
    ends /= ends[-1]
    steps = (np.arange(draws) + rng.random((chains, 1))) / draws
    chosen = rng.permuted(np.searchsorted(ends, steps, side="right"), axis=1)
    which = xr.DataArray(chosen, dims=SAMPLE_DIMS)
    drawn = {
        name: values.isel({LAW: which}).drop_vars(LAW) if LAW in values.dims else values
        for name, values in quantities.data_vars.items()
    }
    first = [dim for dim in SAMPLE_DIMS if dim in quantities.dims]
    return xr.Dataset(drawn, attrs=quantities.attrs).transpose(*first, ...)


def between_share(quantity: xr.DataArray, weights: xr.DataArray) -> xr.DataArray:
    """Share of the mixture's variance that lies between laws, on the logarithm.

    Parameters
    ----------
    quantity : (law, chain, draw, ...) DataArray
        Draws of a positive quantity of each law.
    weights : (law,) DataArray
        With sum 1.

    Returns
    -------
    (...) DataArray
        0 where all laws of any weight agree on the mean, near 1 where they differ by far more than
        the uncertainty within each.

    Raises
    ------
    LawError
        If there is no dim ``law`` to compare along.
    """
    if LAW not in quantity.dims:
        raise LawError(
            f"{quantity.name or 'the quantity'} has dims {tuple(map(str, quantity.dims))}; "
            "expected 'law' among them. Pass what predict or optimum return with mixed=False."
        )
    logs = quantity.copy(data=np.log(quantity.to_numpy()))
    means = logs.mean(SAMPLE_DIMS)
    within = (weights * logs.var(SAMPLE_DIMS)).sum(LAW)
    between = (weights * (means - (weights * means).sum(LAW)) ** 2).sum(LAW)
    total = between + within
    # Laws that are sure of the very same number leave nothing to share.
    return (between / total.where(total != 0)).where(total != 0, 0.0)
