"""Expected response of a law at runs and at new points, and the scatter of runs there."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.inference.structure import group_index, likelihood_columns
from bayescale.inference.units import slopes_of, standardised
from bayescale.posterior.draws import SAMPLE_DIMS, Draws, split_parts
from bayescale.posterior.quantities import parameters_of


def expected_response(
    draws: Draws,
    points: pd.DataFrame,
    dim: str = "point",
    inputs: Mapping[str, xr.DataArray] | None = None,
) -> xr.DataArray:
    """Expected response of the law at each point.

    Parameters
    ----------
    draws : Draws
        Of coefficients.
    points : DataFrame
        The law's inputs, and the column of groups if there are groups.
    dim : str
        Name of the dim of the points.
    inputs : mapping of str to (chain, draw, point) DataArray, optional
        Inputs that differ between draws, in place of those of the points.

    Returns
    -------
    (chain, draw, point) DataArray
        In the response's unit.
    """
    columns = _input_columns(draws, points, dim) | dict(inputs or {})
    coefficients = _coefficients_at(draws, points, dim)
    expected: xr.DataArray = draws.law.formula(**columns, **coefficients)
    return expected.transpose(*SAMPLE_DIMS, dim)


def _input_columns(draws: Draws, points: pd.DataFrame, dim: str) -> dict[str, xr.DataArray]:
    """Inputs of the law along a dim."""
    return {name: xr.DataArray(points[name].to_numpy(), dims=dim) for name in draws.law.inputs}


def group_coefficients(draws: Draws) -> xr.Dataset:
    """Coefficients of the law, those of each group where they differ between groups."""
    posterior = draws.posterior
    names = {name: draws.structure.grouped(name) for name in draws.law.coefficient_names}
    return xr.Dataset(
        {name: posterior[own if own in posterior else name] for name, own in names.items()}
    )


def _coefficients_at(draws: Draws, points: pd.DataFrame, dim: str) -> dict[str, Any]:
    """Coefficients at each point, as the formula takes them: those of its group."""
    law, by = draws.law, draws.structure.by
    chosen = group_coefficients(draws)
    if by is not None and by in chosen.dims:
        group = xr.DataArray(group_index(draws.structure, points), dims=dim)
        chosen = chosen.isel({by: group}).drop_vars(by)
    return {name: split_parts(chosen, name, law.parts) for name in law.coefficient_names}


def scatter_parameters(
    draws: Draws,
    points: pd.DataFrame,
    dim: str = "point",
    shift: Any = 0.0,
    inputs: Mapping[str, xr.DataArray] | None = None,
) -> dict[str, Any]:
    """Parameters of the distribution of the response at each point, by name.

    Points beyond the runs scatter as the nearest point within the runs does (`clamped_to_runs`). A
    row of a series also has ``rho``, and its other parameters are those of a row whose neighbours
    are unknown.

    Parameters
    ----------
    draws, points, dim, inputs
        As for `expected_response`.
    shift : float or DataArray
        Shift of the expectation, on the scale of misfits.

    Returns
    -------
    dict of str to (chain, draw, point) DataArray
        As the family of the likelihood names them.
    """
    structure, law = draws.structure, draws.law
    columns = _input_columns(draws, points, dim) | dict(inputs or {})
    coefficients = _coefficients_at(draws, points, dim)
    further = likelihood_columns(structure, points, draws.runs)
    design = {**clamped_to_runs(draws, points), **further}
    arrays = {name: xr.DataArray(x, dims=dim) for name, x in design.items()}
    arrays |= slopes_of(law, columns, coefficients)
    noise = parameters_of(draws, structure.noise)
    expected = law.formula(**columns, **coefficients).transpose(*SAMPLE_DIMS, dim)
    shifted = law.kind_of(law.response).shifted(expected, shift)
    return structure.likelihood.scattered(law.inputs, shifted, arrays, noise)


def clamped_to_runs(draws: Draws, points: pd.DataFrame) -> dict[str, np.ndarray]:
    """Standardised inputs of points, moved to the edge of the runs where they lie beyond.

    The edge is a box along the principal axes of the runs: for a sweep of budgets, the range of
    their compute and that of their tokens per param.
    """
    known, others = (
        np.column_stack(list(standardised(draws.structure, draws.runs, table).values()))
        for table in (draws.runs, points)
    )
    axes = np.linalg.svd(known - known.mean(axis=0), full_matrices=False)[2].T
    along = known @ axes
    inside = np.clip(others @ axes, along.min(axis=0), along.max(axis=0)) @ axes.T
    return dict(zip(draws.law.inputs, inside.T, strict=True))


def scatter_sd(draws: Draws, points: pd.DataFrame, dim: str = "point") -> xr.DataArray:
    """Usual distance of a run from the law, (chain, draw, point); on the log if it is positive.

    The scale of a distribution that has one, which describes most runs better than a standard
    deviation where tails are heavy; the standard deviation otherwise.
    """
    family = draws.structure.likelihood.family
    parameters = scatter_parameters(draws, points, dim)
    if "sigma" in parameters:
        return xr.DataArray(parameters["sigma"])
    aligned = xr.broadcast(*parameters.values())
    arrays = {name: x.to_numpy() for name, x in zip(parameters, aligned, strict=True)}
    spread: xr.DataArray = aligned[0].copy(data=family.frozen(**arrays).std())
    if family.trials is None:
        return spread
    # The response is a proportion of the trials.
    trials = likelihood_columns(draws.structure, points, draws.runs)[family.trials]
    return spread / xr.DataArray(trials, dims=dim)
