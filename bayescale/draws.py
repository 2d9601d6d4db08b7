"""What follows from each draw of a posterior: coefficients, expectation, scatter.

Everything here is the law's own formula and the likelihood's own function, evaluated on xarray:
draws carry ``chain, draw``, runs carry ``run``, points carry ``point``, and broadcasting does the
rest.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.law import arguments, call
from bayescale.structure import Structure, group_index, standardised, units_for

SAMPLE_DIMS = ("chain", "draw")
ROLES = ("coefficient", "derived", "noise")
"""Of the quantities that are reported; the rest only serves to sample them."""


def quantities(made: Structure, runs: pd.DataFrame, free: xr.Dataset) -> xr.Dataset:
    """Coefficients and derived quantities of every draw, with the free parameters.

    Each variable's ``role`` attribute says what it is: ``coefficient``, ``derived``, ``noise`` or
    ``free``.
    """
    law, likelihood = made.law, made.likelihood
    parameters = parameters_of(made, free)
    coefficients = call(law.coefficients, parameters, units=units_for(made, runs))
    noise = {name: call(function, parameters) for name, function in likelihood.derived.items()}
    # What only serves to sample another quantity is not reported beside it.
    serving = {name for function in likelihood.derived.values() for name in arguments(function)}
    scales = made.clusters.priors if made.clusters else {}
    reported = {name: free[name] for name in (*likelihood.priors, *scales) if name not in serving}
    roles = {
        "coefficient": {name: coefficients[name] for name in law.coefficient_names},
        "derived": law.derive(coefficients),
        "noise": {**reported, **noise},
    }
    named = {
        name: values.assign_attrs(role=role)
        for role, group in roles.items()
        for name, values in group.items()
    }
    rest = {name: free[name].assign_attrs(role="free") for name in free if name not in named}
    return xr.Dataset({**named, **rest})


def is_number(values: xr.DataArray) -> bool:
    """Whether a quantity is one number in each draw, without parts or groups."""
    return set(values.dims) == set(SAMPLE_DIMS)


def numbers(
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
    """
    others = [dim for dim in values.dims if dim not in along]
    if not others:
        yield name, values
        return
    stacked = values.stack(number=others)
    for k, labels in enumerate(stacked.indexes["number"]):
        one = stacked.isel(number=k).drop_vars(["number", *others])
        yield f"{name}[{', '.join(map(str, np.atleast_1d(labels)))}]", one


def parameters_of(made: Structure, draws: xr.Dataset) -> dict[str, Any]:
    """Free parameters as the law and the likelihood take them: a vector as a tuple of parts."""
    return {
        name: tuple(draws[name].isel({f"{name}_part": k}, drop=True) for k in range(n))
        if (n := len(prior.parts))
        else draws[name]
        for name, prior in made.priors
    }


def expected_response(
    made: Structure, posterior: xr.Dataset, points: pd.DataFrame, dim: str
) -> xr.DataArray:
    """What the law expects at each point, for every draw."""
    columns = {name: xr.DataArray(points[name].to_numpy(), dims=dim) for name in made.law.inputs}
    coefficients: Mapping[str, xr.DataArray] = {
        name: posterior[name] for name in made.law.coefficient_names
    }
    if made.by is not None:
        group = xr.DataArray(group_index(made, points), dims=dim)
        coefficients = {
            name: values.isel({made.by: group}).drop_vars(made.by)
            if made.by in values.dims
            else values
            for name, values in coefficients.items()
        }
    expected: xr.DataArray = made.law.formula(**columns, **coefficients)
    return expected.transpose(*SAMPLE_DIMS, dim)


def scattered(
    made: Structure,
    posterior: xr.Dataset,
    runs: pd.DataFrame,
    points: pd.DataFrame,
    dim: str,
    shift: Any = 0.0,
) -> dict[str, Any]:
    """Parameters of the distribution of the response at each point, as the likelihood has them."""
    design = {name: xr.DataArray(x, dims=dim) for name, x in within(made, runs, points).items()}
    noise = {name: parameters_of(made, posterior)[name] for name in made.likelihood.priors}
    expected = expected_response(made, posterior, points, dim) * np.exp(shift)
    return made.likelihood.scatter(expected, design, **noise)


def within(made: Structure, runs: pd.DataFrame, points: pd.DataFrame) -> dict[str, np.ndarray]:
    """Standardised log inputs of the points, moved to the edge of the runs if they are beyond.

    The edge is a box along the principal axes of the runs: for a sweep of budgets, the range of
    their compute and that of their tokens per param.
    """
    known, there = (
        np.column_stack(list(standardised(made, runs, table).values())) for table in (runs, points)
    )
    axes = np.linalg.svd(known - known.mean(axis=0), full_matrices=False)[2].T
    along = known @ axes
    inside = np.clip(there @ axes, along.min(axis=0), along.max(axis=0)) @ axes.T
    return dict(zip(made.law.inputs, inside.T, strict=True))
