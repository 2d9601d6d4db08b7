"""Groups that a fit has not seen: one more group by partial pooling.

A new corpus, family or budget scatters about the population value as the others do. So its
parameters are drawn from the same distribution of groups, one draw for each draw of the posterior.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.errors import DataError
from bayescale.inference.groups import Pool
from bayescale.posterior.draws import SAMPLE_DIMS, Draws, add_prefix
from bayescale.posterior.quantities import coefficients_from_free, stack_parts


def add_new_groups(draws: Draws, points: pd.DataFrame, rng: np.random.Generator) -> Draws:
    """Draws that also have coefficients for the points' groups.

    Parameters
    ----------
    draws : Draws
        Of grouped runs; others are returned unchanged.
    points : DataFrame
        With the column of groups.
    rng : Generator
        For the parameters of new groups.

    Returns
    -------
    Draws

    Raises
    ------
    DataError
        If points have no group, or a new one although no parameter is pooled.
    """
    structure, posterior, by = draws.structure, draws.posterior, draws.structure.by
    if by is None:
        return draws
    if by not in points or points[by].isna().any():
        raise DataError(
            f"the points have no {by} everywhere; expected a group for each, among "
            f"{list(structure.groups)} or a new one. Add or complete the column."
        )
    labels = dict.fromkeys(points[by].map(str))
    new = [label for label in labels if label not in structure.groups]
    if not new:
        return draws
    separate = [name for name, kind in structure.pool if kind is Pool.SEPARATE]
    if separate:
        raise DataError(
            f"the points' {by} holds {new}; expected values among {list(structure.groups)}, since "
            f"{', '.join(separate)} of each group is separate and gives no information on another. "
            "Correct the column, or fit with pool='partial'."
        )
    shared = posterior.drop_dims(by)
    drawn = Draws(structure, shared.assign(_draw_parameters(draws, new, rng)), draws.runs)
    coefficients = stack_parts(structure.law, coefficients_from_free(drawn))
    extended = {
        structure.grouped(name): xr.concat([posterior[structure.grouped(name)], values], by)
        for name, values in coefficients.items()
        if by in values.dims
    }
    groups = replace(structure, groups=(*structure.groups, *new))
    return Draws(groups, shared.assign(extended), draws.runs)


def _draw_parameters(
    draws: Draws, new: Sequence[str], rng: np.random.Generator
) -> dict[str, xr.DataArray]:
    """Draws of every parameter of new groups, those of a stage too."""
    structure, posterior = draws.structure, draws.posterior
    own = {}
    for name, _ in structure.pool:
        prior = dict(structure.priors)[name]
        common, between = (posterior[f"{name}_{kind}"] for kind in ("common", "sd"))
        flat = common.stack(sample=SAMPLE_DIMS).transpose("sample", ...).to_numpy()
        spread = between.stack(sample=SAMPLE_DIMS).to_numpy()
        # About the common value, on the scale on which the parameter is sampled.
        centre = prior.forward(flat)
        scale = spread.reshape(-1, *(1 for _ in centre.shape[1:]))
        drawn = [centre + scale * rng.standard_normal(centre.shape) for _ in new]
        values = np.stack([prior.backward(own) for own in drawn], axis=1)
        shape = (*(posterior.sizes[dim] for dim in SAMPLE_DIMS), *values.shape[1:])
        parts = (f"{name}_part",) if prior.parts else ()
        own[name] = xr.DataArray(
            values.reshape(shape),
            dims=(*SAMPLE_DIMS, structure.by, *parts),
            coords={structure.by: list(new)},
        )
    if structure.stage is None:
        return own
    staged = add_prefix(structure.stage, xr.Dataset(_draw_parameters(draws.stage, new, rng)))
    return own | {str(name): values for name, values in staged.items()}
