"""A law, a likelihood and runs become a PyMC model.

Everything about the runs enters as `pm.Data`: the columns, the pivots, and the numbers of the
priors. So one compiled model serves every table, of any length (`bayescale.inference.sample`).

With grouped runs (``groups="corpus"``) every free parameter is one of three things across groups:
*shared*; *separate*, each group with the prior of its own; or *partial*, scattered about a common
value. Partial pooling happens on the scale on which PyMC samples the parameter (the logarithm of
a positive one, log ratios of a simplex), so the same few lines pool any prior. Of G groups,

    value_group = backward(forward(mean) + off_group),  off_group ~ Normal(0, sd), summing to zero
    common = backward(forward(mean) + sd / sqrt(G) * z),  z ~ Normal(0, 1)

The runs inform the mean of their groups, so the mean has the prior and is sampled. The common
value, about which further groups would scatter, differs from the mean by its standard error.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt

from bayescale.inference.groups import BETWEEN, GROUP_INDEX, OBSERVED, Pool
from bayescale.inference.pooling import partial_parameter, prior_variable
from bayescale.inference.structure import (
    Structure,
    coords_of,
    group_index,
    likelihood_columns,
    observed_name,
    observed_values,
)
from bayescale.inference.units import design_of, slopes_of, units_for
from bayescale.priors import Prior
from bayescale.spec.functions import Array, call
from bayescale.spec.law import UNITS, Units
from bayescale.spec.series import GAP, PREVIOUS, conditional

INDICES = (GROUP_INDEX, PREVIOUS)


def model_data(structure: Structure, runs: pd.DataFrame) -> dict[str, np.ndarray]:
    """Every number that enters a model, by the name of its `pm.Data`."""
    own = _own_data(structure, runs)
    if structure.stage is None:
        return own
    staged = model_data(structure.stage, runs)
    return {**{structure.stage.prefix + name: value for name, value in staged.items()}, **own}


def _own_data(structure: Structure, runs: pd.DataFrame) -> dict[str, np.ndarray]:
    """Numbers of a model without those of its stage."""
    law = structure.law
    units = units_for(structure, runs)
    data: dict[str, Array] = {name: runs[name].to_numpy() for name in law.inputs}
    data[OBSERVED] = observed_values(structure, runs)
    data |= likelihood_columns(structure, runs, runs)
    if structure.likelihood.series is not None:
        data |= structure.likelihood.series.links(runs)
    for kind in UNITS:
        data |= {f"{kind}_{name}": value for name, value in getattr(units, kind).items()}
    for name, prior in structure.priors:
        data |= {f"prior_{name}_{key}": number for key, number in prior.parameters.items()}
    if structure.by is not None:
        data[GROUP_INDEX] = group_index(structure, runs)
        for name, pooling in structure.pool:
            if pooling is Pool.PARTIAL:
                numbers = law.groups.between.get(name, BETWEEN).parameters.items()
                data |= {f"prior_{name}_sd_{key}": number for key, number in numbers}
    return {
        name: np.asarray(value, dtype="int32" if name in INDICES else "float64")
        for name, value in data.items()
    }


def build_model(structure: Structure, runs: pd.DataFrame) -> pm.Model:
    """PyMC model of a structure on a table of runs.

    Parameters
    ----------
    structure : Structure
        From `bayescale.inference.structure.build_structure`.
    runs : DataFrame
        Validated runs (`bayescale.runs.read`).

    Returns
    -------
    pm.Model
        With dims ``run`` and the column of groups, the free parameters, the law's coefficients as
        deterministics, and the observed response, as a rule on the logarithm.
    """
    coords = {"run": np.arange(len(runs)), **coords_of(structure)}
    # Bounds hold by construction: every parameter is sampled on its unconstrained scale.
    with pm.Model(coords=coords, check_bounds=False) as model:
        _add_variables(structure, runs)
    return model


def _add_variables(structure: Structure, runs: pd.DataFrame) -> dict[str, Any]:
    """Add variables to the current model, those of a stage first; returns the coefficients."""
    law, staged = structure.law, {}
    if structure.stage is not None:
        with pm.Model(name=structure.stage.prefix.removesuffix("::"), check_bounds=False):
            staged = _add_variables(structure.stage, runs)
    along_runs = {*law.inputs, OBSERVED, *INDICES, GAP, *structure.likelihood.columns}
    data = {
        name: pm.Data(name, value, dims="run" if name in along_runs else None)
        for name, value in _own_data(structure, runs).items()
    }
    names = (*law.inputs, law.response)
    units = Units(*({name: data[f"{kind}_{name}"] for name in names} for kind in UNITS))
    free = {name: _parameter(structure, name, prior, data) for name, prior in structure.priors}
    coefficients = {
        # A coefficient that is a free parameter itself is in the model already.
        name: value if name in free else _deterministic(structure, name, value)
        for name, value in call(law.coefficients, {**staged, **free}, units=units).items()
    }
    by_run = {name: _by_run(structure, data, value) for name, value in coefficients.items()}
    _add_responses(structure, data, units, free, by_run)
    return coefficients


def _parameter(structure: Structure, name: str, prior: Prior, data: Mapping[str, Any]) -> Any:
    """One free parameter; with parts, a tuple of them."""
    parts = (structure.part(name),) if prior.parts else ()
    pooling = structure.pooling(name)
    if pooling is Pool.PARTIAL:
        variable = partial_parameter(structure, name, prior, data, parts)
    else:
        dims = (structure.by, *parts) if pooling is Pool.SEPARATE else parts
        variable = prior_variable(name, prior, data, name, dims=dims or None)
    return tuple(variable[..., k] for k in range(len(prior.parts))) if parts else variable


def _deterministic(structure: Structure, name: str, value: Any) -> Any:
    """A quantity under its name; with parts, a tuple of them as before."""
    if not isinstance(value, tuple):
        return pm.Deterministic(name, value, dims=structure.by if value.ndim else None)
    whole = pt.stack(pt.broadcast_arrays(*map(pt.as_tensor, value)), axis=-1)
    by = (structure.by,) if whole.ndim > 1 else ()
    variable = pm.Deterministic(name, whole, dims=(*by, structure.part(name)))
    return tuple(variable[..., k] for k in range(len(value)))


def _by_run(structure: Structure, data: Mapping[str, Any], value: Any) -> Any:
    """A coefficient at each run: the value of its group."""
    if isinstance(value, tuple):
        return tuple(_by_run(structure, data, part) for part in value)
    return value[data[GROUP_INDEX]] if structure.by is not None and value.ndim else value


def _add_responses(
    structure: Structure,
    data: Mapping[str, Any],
    units: Units,
    free: Mapping[str, Any],
    coefficients: Mapping[str, Any],
) -> None:
    """Add the density of the responses, given coefficients at each run."""
    law, likelihood = structure.law, structure.likelihood
    inputs = {name: data[name] for name in law.inputs}
    expected = law.formula(**inputs, **coefficients)
    design = design_of(law, data, units)
    design |= {name: data[name] for name in likelihood.columns}
    design |= slopes_of(law, inputs, coefficients)
    noise = {name: free[name] for name in structure.noise}
    parameters = likelihood.scattered(law.inputs, expected, design, noise)
    if likelihood.series is not None:
        # Parameters of each row given the row before it.
        mu, sigma, rho = (parameters[name] for name in ("mu", "sigma", "rho"))
        links = {name: data[name] for name in (PREVIOUS, GAP)}
        scale = sigma * pt.ones_like(mu)
        parameters = conditional(
            mu, scale, rho, data[OBSERVED], links, lambda array, rows: array[rows]
        )
    getattr(pm, likelihood.family.distribution)(
        observed_name(structure), **parameters, observed=data[OBSERVED], dims="run"
    )
