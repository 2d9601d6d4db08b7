"""The free parameters of a model as one point on the real line, and back.

The coordinates are those on which PyMC samples, in its order: parameters of a stage first; of a
partially pooled one its mean, the standard deviation between groups, the distance of the common
value, and offsets of the groups that sum to zero (`bayescale.inference.model`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import xarray as xr

from bayescale.inference.groups import BETWEEN, CENTRED, Pool
from bayescale.inference.structure import Structure, coords_of
from bayescale.priors import Normal, Prior
from bayescale.spec.functions import Array

STANDARD = Normal(mu=0.0, sigma=1.0)


@dataclass(frozen=True)
class Block:
    """Coordinates of one random variable.

    Parameters
    ----------
    name : str
        In the model, with the prefix of a stage.
    prior : Prior, optional
        None for offsets of groups, which sum to zero.
    shape : tuple of int
        Of the coordinates.
    dims : tuple of str
        Of the values.
    """

    name: str
    prior: Prior | None
    shape: tuple[int, ...]
    dims: tuple[str, ...]

    @property
    def size(self) -> int:
        """How many coordinates there are."""
        return prod(self.shape)


def blocks_of(structure: Structure, prefix: str = "") -> Iterator[Block]:
    """Yield the random variables of a model, in its order.

    Parameters
    ----------
    structure : Structure
        The model.
    prefix : str
        Prefix of its names, where it is a stage.
    """
    if structure.stage is not None:
        yield from blocks_of(structure.stage, structure.stage.prefix)
    groups = len(structure.groups)
    for name, prior in structure.priors:
        pooling, own = structure.pooling(name), f"{prefix}{name}"
        shape = (prior.coordinates,) if prior.parts else ()
        parts = (structure.part(name),) if prior.parts else ()
        if pooling is not Pool.PARTIAL:
            separate = pooling is Pool.SEPARATE
            by = (str(structure.by),) if separate else ()
            yield Block(own, prior, (groups, *shape) if separate else shape, (*by, *parts))
            continue
        between = structure.law.groups.between.get(name, BETWEEN)
        yield Block(f"{own}_mean", prior, shape, parts)
        yield Block(f"{own}_sd", between, (), ())
        yield Block(f"{own}_mean_z", STANDARD, shape, _unnamed(f"{own}_mean_z", shape))
        offset = (*shape, groups - 1)
        yield Block(f"{own}_offset", None, offset, _unnamed(f"{own}_offset", offset))


def _unnamed(name: str, shape: tuple[int, ...]) -> tuple[str, ...]:
    return tuple(f"{name}_dim_{axis}" for axis in range(len(shape)))


def values_and_log_prior(
    structure: Structure, points: Array, blocks: Sequence[Block] = ()
) -> tuple[dict[str, Array], dict[str, tuple[str, ...]], Array]:
    """Values of all parameters at points, their dims, and the log density of the priors there.

    Parameters
    ----------
    structure : Structure
        The model.
    points : (point, coordinate) array
        On the scale on which the parameters are sampled.
    blocks : sequence of Block, optional
        Of the structure, if they are known already.

    Returns
    -------
    values : dict of str to (point, ...) array
        Random variables of the model, and what partial pooling computes from them.
    dims : dict of str to tuple of str
        Of each value, without that of the points.
    log_prior : (point,) array
        With the logarithm of the slope of the transforms.
    """
    values: dict[str, Array] = {}
    dims: dict[str, tuple[str, ...]] = {}
    log_prior, begin = np.zeros(len(points)), 0
    for block in blocks or blocks_of(structure):
        own = points[:, begin : begin + block.size].reshape(-1, *block.shape)
        begin += block.size
        dims[block.name] = block.dims
        if block.prior is not None:
            values[block.name] = block.prior.backward(own)
            density = block.prior.log_density(own)
        else:
            # In the units of `partial_parameter`; a sum of zero does not change their density.
            sd = values[f"{block.name.removesuffix('_offset')}_sd"]
            unit = (sd**CENTRED).reshape(-1, *(1 for _ in block.shape))
            density = STANDARD.log_density(own / unit) - np.log(unit)
            # One number more, so that the sum is zero and lengths are kept.
            count, total = own.shape[-1] + 1, own.sum(axis=-1, keepdims=True)
            shift = total / (np.sqrt(count) + count)
            last = shift - total / np.sqrt(count)
            values[block.name] = np.concatenate([own, last], axis=-1) - shift
        several = density.ndim > 1
        log_prior += density.reshape(len(points), -1).sum(axis=1) if several else density
    for prefix, part in with_stages(structure):
        for name, pooling in part.pool:
            if pooling is Pool.PARTIAL:
                prior = dict(part.priors)[name]
                pooled = _pooled(prior, f"{prefix}{name}", values, len(part.groups))
                values |= pooled
                parts = (part.part(name),) if prior.parts else ()
                own_dims = (parts, (str(part.by), *parts))
                dims |= dict(zip(pooled, own_dims, strict=True))
    return values, dims, log_prior


def points_of(structure: Structure, posterior: xr.Dataset) -> Array:
    """The points at which all parameters have given values, (point, coordinate).

    Parameters
    ----------
    structure : Structure
        The model.
    posterior : Dataset
        Draws of free parameters, (chain, draw, ...), as `as_dataset` makes them.
    """
    columns = []
    for block in blocks_of(structure):
        values = posterior[block.name].transpose("chain", "draw", *block.dims).to_numpy()
        values = values.reshape(-1, *values.shape[2:])
        if block.prior is not None:
            own = block.prior.forward(values)
        else:  # the last of numbers that sum to zero follows from the others
            count, last = values.shape[-1], values[..., -1:]
            total = -np.sqrt(count) * last
            own = values[..., :-1] + total / (np.sqrt(count) + count)
        columns.append(own.reshape(len(values), -1))
    return np.concatenate(columns, axis=1)


def with_stages(structure: Structure, prefix: str = "") -> Iterator[tuple[str, Structure]]:
    """Yield the structure and those of its stages, each with the prefix of its names."""
    yield prefix, structure
    if structure.stage is not None:
        yield from with_stages(structure.stage, structure.stage.prefix)


def _pooled(prior: Prior, name: str, values: Mapping[str, Array], groups: int) -> dict[str, Array]:
    """Common value and values of the groups, from the variables of partial pooling."""
    mean, sd, z = (values[f"{name}_{kind}"] for kind in ("mean", "sd", "mean_z"))
    centre = prior.forward(mean)
    wide = sd.reshape(-1, *(1 for _ in centre.shape[1:]))
    common = prior.backward(centre + wide / np.sqrt(groups) * z)
    # Offsets have the groups last, values of the groups have the parts last.
    offset = np.moveaxis(values[f"{name}_offset"], -1, 1)
    shift = np.expand_dims(wide ** (1 - CENTRED), 1) * offset
    return {
        f"{name}_common": common,
        name: prior.backward(np.expand_dims(centre, 1) + shift),
    }


def draw_prior_points(structure: Structure, count: int, random_seed: int) -> Array:
    """Points drawn from the priors, (point, coordinate).

    Parameters
    ----------
    structure : Structure
        The model.
    count : int
        How many.
    random_seed : int
        Where they come from. The first points are the same however many are drawn.
    """
    drawn: dict[str, Array] = {}
    values: dict[str, Array] = {}
    for k, block in enumerate(blocks_of(structure)):
        rng = np.random.default_rng([random_seed, k])
        if block.prior is not None:
            # The prior draws its own parts.
            shape = block.shape[:-1] if block.prior.parts else block.shape
            values[block.name] = block.prior.draw((count, *shape), rng)
            drawn[block.name] = block.prior.forward(values[block.name])
        else:
            sd = values[f"{block.name.removesuffix('_offset')}_sd"]
            unit = (sd**CENTRED).reshape(-1, *(1 for _ in block.shape))
            drawn[block.name] = unit * rng.standard_normal((count, *block.shape))
    return np.column_stack([own.reshape(count, -1) for own in drawn.values()])


def as_dataset(
    structure: Structure,
    values: Mapping[str, Array],
    dims: Mapping[str, tuple[str, ...]],
    chains: int = 1,
) -> xr.Dataset:
    """Draws of parameters under the names and dims of the model.

    Parameters
    ----------
    structure : Structure
        The model.
    values, dims : mapping
        From `values_and_log_prior`, at the draws of all chains one after another.
    chains : int
        How many chains there are.

    Returns
    -------
    Dataset
        Each (chain, draw, ...).
    """
    variables = {
        name: (("chain", "draw", *dims[name]), value.reshape(chains, -1, *value.shape[1:]))
        for name, value in values.items()
    }
    coords = coords_of(structure)
    used = {dim for own in dims.values() for dim in own}
    draws = xr.Dataset(variables, {dim: x for dim, x in coords.items() if dim in used})
    return draws.assign_coords({dim: np.arange(draws.sizes[dim]) for dim in ("chain", "draw")})


def draw_prior(structure: Structure, count: int, random_seed: int) -> xr.Dataset:
    """Draws of all parameters from their priors, along ``draw``, in one chain.

    Parameters
    ----------
    structure : Structure
        The model.
    count : int
        How many.
    random_seed : int
        Where they come from.

    Returns
    -------
    Dataset
        Free parameters; coefficients follow from them.
    """
    points = draw_prior_points(structure, count, random_seed)
    values, dims, _ = values_and_log_prior(structure, points)
    return as_dataset(structure, values, dims)
