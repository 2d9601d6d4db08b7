"""Groups that a fit has not seen: what partial pooling says of one more of their kind.

A new corpus, family or budget scatters about the common value as the others do, so its parameters
are drawn from the same distribution of groups, one draw for each draw of the posterior.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pytensor
import pytensor.tensor as pt
import xarray as xr

from bayescale.draws import SAMPLE_DIMS, above_of, below_of, coefficients_from, stacked
from bayescale.errors import DataError
from bayescale.flops import Array
from bayescale.grouping import Pool
from bayescale.model import QUICK, moved
from bayescale.priors import Prior
from bayescale.structure import Structure


def with_unseen(
    made: Structure,
    posterior: xr.Dataset,
    runs: pd.DataFrame,
    points: pd.DataFrame,
    rng: np.random.Generator,
) -> tuple[Structure, xr.Dataset]:
    """Structure and posterior that also have the points' groups.

    Raises
    ------
    DataError
        If points have no group, or a new one of which its parameters say nothing.
    """
    if made.by is None:
        return made, posterior
    new = _new(made, points)
    if not new:
        return made, posterior
    shared = posterior.drop_dims(made.by)
    drawn = shared.assign(_parameters(made, posterior, new, rng))
    found = stacked(made.law, coefficients_from(made, drawn, runs))
    more = {
        made.grouped(name): xr.concat([posterior[made.grouped(name)], values], made.by)
        for name, values in found.items()
        if made.by in values.dims
    }
    return replace(made, groups=(*made.groups, *new)), shared.assign(more)


def _parameters(
    made: Structure, posterior: xr.Dataset, new: Sequence[str], rng: np.random.Generator
) -> dict[str, xr.DataArray]:
    """Draws of every parameter of new groups, those of a stage too."""
    own = {name: _drawn(made, posterior, name, new, rng) for name, _ in made.pool}
    if made.stage is None:
        return own
    below = _parameters(made.stage, below_of(made.stage, posterior), new, rng)
    above = above_of(made.stage, xr.Dataset(below))
    return own | {str(name): values for name, values in above.items()}


def _new(made: Structure, points: pd.DataFrame) -> tuple[str, ...]:
    if made.by not in points or points[made.by].isna().any():
        raise DataError(
            f"the points have no {made.by} everywhere; expected a group for each, among "
            f"{list(made.groups)} or a new one. Add or complete the column."
        )
    new = [name for name in dict.fromkeys(points[made.by].map(str)) if name not in made.groups]
    alone = [name for name, kind in made.pool if kind is Pool.SEPARATE]
    if new and alone:
        raise DataError(
            f"the points' {made.by} holds {new}; expected values among {list(made.groups)}, since "
            f"{', '.join(alone)} of each group is its own and says nothing of another. Correct the "
            "column, or fit with pool='partial'."
        )
    return tuple(new)


def _drawn(
    made: Structure,
    posterior: xr.Dataset,
    name: str,
    new: Sequence[str],
    rng: np.random.Generator,
) -> xr.DataArray:
    """Draws of one parameter of new groups."""
    prior = dict(made.priors)[name]
    common, between = (posterior[f"{name}_{kind}"] for kind in ("common", "sd"))
    flat = common.stack(sample=SAMPLE_DIMS).transpose("sample", ...).to_numpy()
    spread = between.stack(sample=SAMPLE_DIMS).to_numpy()
    values = np.stack([_one(prior, flat, spread, rng) for _ in new], axis=1)
    shape = (*(posterior.sizes[dim] for dim in SAMPLE_DIMS), *values.shape[1:])
    parts = (f"{name}_part",) if prior.parts else ()
    return xr.DataArray(
        values.reshape(shape), dims=(*SAMPLE_DIMS, made.by, *parts), coords={made.by: list(new)}
    )


def _one(prior: Prior, common: Array, between: Array, rng: np.random.Generator) -> Array:
    """Values of one new group, a row a draw."""
    with pm.Model(check_bounds=False) as model:
        numbers: dict[str, Any] = {key: np.array(x) for key, x in prior.parameters.items()}
        shape = len(prior.parts) if prior.parts else None
        variable = prior.distribution("value", **numbers, shape=shape)
    transform = model.rvs_to_transforms[variable]
    centre = pt.as_tensor(common)
    shift = pt.tensor("shift", shape=(None,) * common.ndim)
    value = moved(transform, variable, centre, shift)
    # A simplex has one coordinate less on the sampling scale than it has parts.
    free = (
        common.shape[1:] if transform is None or not transform.ndim_supp else (common.shape[1] - 1,)
    )
    noise = rng.standard_normal((len(common), *free))
    by_how_much = between.reshape(-1, *(1 for _ in free)) * noise
    found: Array = pytensor.function([shift], value, **QUICK)(by_how_much)
    return found
