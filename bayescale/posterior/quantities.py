"""Coefficients, derived quantities and noise of every draw, and how they are labelled.

Everything here is the law's own formula evaluated on xarray: draws carry ``chain, draw``, the parts
of a quantity a dim of their own, and broadcasting does the rest.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.inference.groups import Pool
from bayescale.inference.structure import Structure
from bayescale.inference.units import units_for
from bayescale.posterior.draws import SAMPLE_DIMS, Draws, add_prefix, split_parts
from bayescale.spec.functions import arguments, call
from bayescale.spec.law import Law

ROLES = ("coefficient", "derived", "noise")
"""Roles of the quantities that are reported; the others only serve sampling."""


def quantities(free: Draws) -> xr.Dataset:
    """Coefficients and derived quantities of every draw, with the free parameters.

    Parameters
    ----------
    free : Draws
        Of free parameters.

    Returns
    -------
    Dataset
        The ``role`` attribute of each variable is ``coefficient``, ``derived``, ``noise`` or
        ``free``. Quantities of a stage have its prefix. A law with groups of its own has
        coefficients of no group, from the population values of its parameters; those of the groups
        have the role ``group``, and the standard deviations between groups are noise.
    """
    structure, draws = free.structure, free.posterior
    law, likelihood = structure.law, structure.likelihood
    values = group_values = coefficients_from_free(free)
    if structure.own_groups:
        values = coefficients_from_free(population_values(free))
    coefficients = {name: values[name] for name in law.coefficient_names}
    between = {f"{name}_sd": draws[f"{name}_sd"] for name in population_names(structure)}
    parameters = parameters_of(free)
    derived = {name: call(function, parameters) for name, function in likelihood.derived.items()}
    # A parameter that only serves to sample another quantity is not reported beside it.
    serving = {name for function in likelihood.derived.values() for name in arguments(function)}
    noise = {name: draws[name] for name in structure.noise if name not in serving}
    roles = {
        "coefficient": stack_parts(law, coefficients),
        "derived": stack_parts(law, law.derive(coefficients)),
        "noise": {**between, **noise, **derived},
    }
    if structure.own_groups:
        own = stack_parts(law, {name: group_values[name] for name in law.coefficient_names})
        roles["group"] = {structure.grouped(n): x for n, x in own.items() if structure.by in x.dims}
    named = {
        name: values.assign_attrs(role=role)
        for role, group in roles.items()
        for name, values in group.items()
    }
    staged = {}
    if structure.stage is not None:
        staged = dict(add_prefix(structure.stage, quantities(free.stage)).items())
    rest = {name: draws[name].assign_attrs(role="free") for name in draws}
    rest = {name: values for name, values in rest.items() if name not in (*named, *staged)}
    return xr.Dataset({**named, **staged, **rest})


def coefficients_from_free(free: Draws) -> dict[str, Any]:
    """Coefficients of the law from draws of free parameters; those with parts are tuples."""
    structure = free.structure
    staged = coefficients_from_free(free.stage) if structure.stage else {}
    values = {**staged, **parameters_of(free, structure.law.priors)}
    units = units_for(structure, free.runs)
    coefficients: dict[str, Any] = call(structure.law.coefficients, values, units=units)
    return coefficients


def parameters_of(draws: Draws, names: Iterable[str] | None = None) -> dict[str, Any]:
    """Free parameters as the law and the likelihood take them: one with parts is a tuple."""
    priors = dict(draws.structure.priors)
    parts = {name: prior.parts for name, prior in priors.items() if prior.parts}
    chosen = priors if names is None else names
    return {name: split_parts(draws.posterior, name, parts) for name in chosen}


def population_names(structure: Structure) -> list[str]:
    """Partially pooled parameters of a law with groups of its own."""
    pool = structure.pool if structure.own_groups else ()
    return [name for name, kind in pool if kind is Pool.PARTIAL]


def population_values(free: Draws) -> Draws:
    """Draws with population values of the parameters, in place of those of the groups."""
    names, draws = population_names(free.structure), free.posterior
    values = {name: draws[f"{name}_common"] for name in names}
    parts = {name: f"{name}_common_part" for name in names}
    populated = draws.drop_vars(names).assign(
        {
            name: x.rename({parts[name]: f"{name}_part"}) if parts[name] in x.dims else x
            for name, x in values.items()
        }
    )
    return Draws(free.structure, populated, free.runs)


def stack_parts(law: Law, values: Mapping[str, Any]) -> dict[str, xr.DataArray]:
    """Quantities as arrays: the parts of a tuple go along a dim of their own."""
    return {
        name: xr.concat(
            xr.broadcast(*map(xr.DataArray, value)), pd.Index(law.parts[name], name=f"{name}_part")
        )
        if isinstance(value, tuple)
        else value
        for name, value in values.items()
    }


def is_scalar(values: xr.DataArray) -> bool:
    """Whether a quantity is one number in each draw, without parts or groups."""
    return set(values.dims) == set(SAMPLE_DIMS)


def scalar_draws(draws: xr.Dataset, label: str) -> xr.DataArray | None:
    """Draws of the quantity with a label, such as ``d[1]``; None if it is not a single number."""
    name, _, part = label.partition("[")
    if name not in draws:
        return None
    values, dim = draws[name], f"{name}_part"
    if part:
        if dim not in values.dims or part[:-1] not in values[dim]:
            return None
        values = values.sel({dim: part[:-1]}, drop=True)
    return values if is_scalar(values) else None


def scalars(
    values: xr.DataArray, name: str, along: tuple[str, ...] = SAMPLE_DIMS
) -> Iterator[tuple[str, xr.DataArray]]:
    """Every single number in a quantity, by the label that a summary gives it.

    Parameters
    ----------
    values : DataArray
        The quantity.
    name : str
        Its name.
    along : tuple of str
        Dims that a number keeps.

    Yields
    ------
    (str, DataArray)
        Label and values.
    """
    others = [dim for dim in values.dims if dim not in along]
    if not others:
        yield name, values
        return
    stacked = values.stack(number=others)
    for k, labels in enumerate(stacked.indexes["number"]):
        one = stacked.isel(number=k).drop_vars(["number", *others])
        yield f"{name}[{', '.join(map(str, np.atleast_1d(labels)))}]", one
