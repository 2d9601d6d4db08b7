"""What follows from each draw of a posterior: coefficients, expectation, scatter.

Everything here is the law's own formula and the likelihood's own function, evaluated on xarray:
draws carry ``chain, draw``, runs carry ``run``, points carry ``point``, and broadcasting does the
rest.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.calling import arguments, call
from bayescale.grouping import Pool
from bayescale.law import Law
from bayescale.structure import (
    Structure,
    further,
    group_index,
    slopes_of,
    standardised,
    units_for,
)

SAMPLE_DIMS = ("chain", "draw")
ROLES = ("coefficient", "derived", "noise")
"""Of the quantities that are reported; the rest only serves to sample them."""


def quantities(made: Structure, runs: pd.DataFrame, free: xr.Dataset) -> xr.Dataset:
    """Coefficients and derived quantities of every draw, with the free parameters.

    Each variable's ``role`` attribute says what it is: ``coefficient``, ``derived``, ``noise`` or
    ``free``. Those of a stage have its prefix. Of a law that groups its runs by itself, these are
    the coefficients of no group in particular; those of the groups have the role ``group``, and the
    standard deviations between groups are noise.
    """
    law, likelihood = made.law, made.likelihood
    parameters = parameters_of(made, free)
    given = given_by_group = coefficients_from(made, free, runs)
    if made.own_groups:
        given = coefficients_from(made, common(made, free), runs)
    coefficients = {name: given[name] for name in law.coefficient_names}
    between = {f"{name}_sd": free[f"{name}_sd"] for name in common_names(made)}
    noise = {name: call(function, parameters) for name, function in likelihood.derived.items()}
    # What only serves to sample another quantity is not reported beside it.
    serving = {name for function in likelihood.derived.values() for name in arguments(function)}
    scales = made.clusters.priors if made.clusters else {}
    reported = {name: free[name] for name in (*likelihood.priors, *scales) if name not in serving}
    roles = {
        "coefficient": stacked(law, coefficients),
        "derived": stacked(law, law.derive(coefficients)),
        "noise": {**between, **reported, **noise},
    }
    if made.own_groups:
        each = stacked(law, {name: given_by_group[name] for name in law.coefficient_names})
        roles["group"] = {made.grouped(n): x for n, x in each.items() if made.by in x.dims}
    named = {
        name: values.assign_attrs(role=role)
        for role, group in roles.items()
        for name, values in group.items()
    }
    below = {}
    if made.stage is not None:
        stage = quantities(made.stage, runs, below_of(made.stage, free))
        below = dict(above_of(made.stage, stage).items())
    rest = {name: free[name].assign_attrs(role="free") for name in free}
    rest = {name: values for name, values in rest.items() if name not in (*named, *below)}
    return xr.Dataset({**named, **below, **rest})


def below_of(stage: Structure, draws: xr.Dataset) -> xr.Dataset:
    """Draws of a stage, under the names that it has by itself."""
    own = draws[[name for name in draws if str(name).startswith(stage.prefix)]]
    named = {name: str(name).removeprefix(stage.prefix) for name in (*own, *own.dims)}
    return own.rename({name: plain for name, plain in named.items() if plain != name})


def above_of(stage: Structure, draws: xr.Dataset) -> xr.Dataset:
    """The inverse: a stage's draws under their names in the whole model."""
    dims = [dim for dim in draws.dims if str(dim).endswith("_part")]
    return draws.rename({name: f"{stage.prefix}{name}" for name in (*draws, *dims)})


def coefficients_from(made: Structure, free: xr.Dataset, runs: pd.DataFrame) -> dict[str, Any]:
    """The law's coefficients from draws of free parameters; vectors as tuples."""
    stage = made.stage
    below = coefficients_from(stage, below_of(stage, free), runs) if stage else {}
    values = {**below, **parameters_of(made, free, made.law.priors)}
    found: dict[str, Any] = call(made.law.coefficients, values, units=units_for(made, runs))
    return found


def stacked(law: Law, values: Mapping[str, Any]) -> dict[str, xr.DataArray]:
    """Quantities with parts, which a law gives as tuples, along a dim of their own."""
    return {
        name: xr.concat(
            xr.broadcast(*map(xr.DataArray, value)), pd.Index(law.parts[name], name=f"{name}_part")
        )
        if isinstance(value, tuple)
        else value
        for name, value in values.items()
    }


def coefficients_of(law: Law, posterior: xr.Dataset) -> dict[str, Any]:
    """Coefficients as the formula takes them: a vector as a tuple of its parts."""
    return {name: parted(posterior, name, law.parts) for name in law.coefficient_names}


def common_names(made: Structure) -> list[str]:
    """Parameters of a law that groups its runs by itself, which have a common value."""
    pool = made.pool if made.own_groups else ()
    return [name for name, kind in pool if kind is Pool.PARTIAL]


def common(made: Structure, free: xr.Dataset) -> xr.Dataset:
    """Draws of parameters of no group in particular: common values in place of the groups'."""
    names = common_names(made)
    values = {name: free[f"{name}_common"] for name in names}
    parts = {name: f"{name}_common_part" for name in names}
    return free.drop_vars(names).assign(
        {
            name: x.rename({parts[name]: f"{name}_part"}) if parts[name] in x.dims else x
            for name, x in values.items()
        }
    )


def parted(draws: xr.Dataset, name: str, parts: Mapping[str, tuple[str, ...]]) -> Any:
    """A quantity, as a tuple if it has parts."""
    values = draws[name]
    if name not in parts:
        return values
    return tuple(values.isel({f"{name}_part": k}, drop=True) for k in range(len(parts[name])))


def is_number(values: xr.DataArray) -> bool:
    """Whether a quantity is one number in each draw, without parts or groups."""
    return set(values.dims) == set(SAMPLE_DIMS)


def number(draws: xr.Dataset, label: str) -> xr.DataArray | None:
    """What goes by a label in a summary, if there is such a quantity and it is one number."""
    name, _, part = label.partition("[")
    if name not in draws:
        return None
    values, dim = draws[name], f"{name}_part"
    if part:
        if dim not in values.dims or part[:-1] not in values[dim]:
            return None
        values = values.sel({dim: part[:-1]}, drop=True)
    return values if is_number(values) else None


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


def parameters_of(
    made: Structure, draws: xr.Dataset, names: Iterable[str] | None = None
) -> dict[str, Any]:
    """Free parameters as the law and the likelihood take them: a vector as a tuple of parts."""
    parts = {name: prior.parts for name, prior in made.priors if prior.parts}
    chosen = dict(made.priors) if names is None else names
    return {name: parted(draws, name, parts) for name in chosen}


def expected_response(
    made: Structure,
    posterior: xr.Dataset,
    points: pd.DataFrame,
    dim: str,
    inputs: Mapping[str, xr.DataArray] | None = None,
) -> xr.DataArray:
    """What the law expects at each point, for every draw; some inputs may have draws as well."""
    columns = _columns(made, points, dim) | dict(inputs or {})
    return _expected(made.law, columns, _at_points(made, posterior, points, dim), dim)


def _expected(
    law: Law, columns: Mapping[str, Any], coefficients: Mapping[str, Any], dim: str
) -> xr.DataArray:
    expected: xr.DataArray = law.formula(**columns, **coefficients)
    return expected.transpose(*SAMPLE_DIMS, dim)


def _columns(made: Structure, points: pd.DataFrame, dim: str) -> dict[str, xr.DataArray]:
    return {name: xr.DataArray(points[name].to_numpy(), dims=dim) for name in made.law.inputs}


def by_group(made: Structure, posterior: xr.Dataset) -> xr.Dataset:
    """The law's coefficients of each group, where there are groups."""
    names = {name: made.grouped(name) for name in made.law.coefficient_names}
    return xr.Dataset(
        {name: posterior[each if each in posterior else name] for name, each in names.items()}
    )


def _at_points(
    made: Structure, posterior: xr.Dataset, points: pd.DataFrame, dim: str
) -> dict[str, Any]:
    """Coefficients at each point: those of its group."""
    chosen = by_group(made, posterior)
    if made.by is not None and made.by in chosen.dims:
        group = xr.DataArray(group_index(made, points), dims=dim)
        chosen = chosen.isel({made.by: group}).drop_vars(made.by)
    return coefficients_of(made.law, chosen)


def scattered(
    made: Structure,
    posterior: xr.Dataset,
    runs: pd.DataFrame,
    points: pd.DataFrame,
    dim: str,
    shift: Any = 0.0,
    inputs: Mapping[str, xr.DataArray] | None = None,
) -> dict[str, Any]:
    """Parameters of the distribution of the response at each point, as the likelihood has them.

    A row of a series has its own ``rho`` beside them, and the others are as if nothing were known
    of its neighbours.
    """
    design = {name: xr.DataArray(x, dims=dim) for name, x in within(made, runs, points).items()}
    noise = parameters_of(made, posterior, made.likelihood.priors)
    design |= {name: xr.DataArray(x, dims=dim) for name, x in further(made, points, runs).items()}
    law, columns = made.law, _columns(made, points, dim) | dict(inputs or {})
    coefficients = _at_points(made, posterior, points, dim)
    design |= slopes_of(law, columns, coefficients)
    alone = _expected(law, columns, coefficients, dim)
    expected = law.scale_of(law.response).moved(alone, shift)
    return made.likelihood.scatter(expected, design, **noise)


def deviation(
    made: Structure, posterior: xr.Dataset, runs: pd.DataFrame, points: pd.DataFrame, dim: str
) -> xr.DataArray:
    """How far a run lies off the law, as a rule: of the log response, or of one not positive.

    The scale of a distribution that has one, which says more than a standard deviation where tails
    are heavy, and its standard deviation otherwise.
    """
    parameters = scattered(made, posterior, runs, points, dim)
    if "sigma" in parameters:
        return xr.DataArray(parameters["sigma"])
    aligned = xr.broadcast(*parameters.values())
    arrays = {name: x.to_numpy() for name, x in zip(parameters, aligned, strict=True)}
    spread: xr.DataArray = aligned[0].copy(data=made.likelihood.family.frozen(**arrays).std())
    trials = made.likelihood.family.trials
    return spread if trials is None else spread / trials_of(made, points, runs, dim)


def trials_of(made: Structure, points: pd.DataFrame, runs: pd.DataFrame, dim: str) -> xr.DataArray:
    """How many trials the response of each point is the share of."""
    return xr.DataArray(further(made, points, runs)[str(made.likelihood.family.trials)], dims=dim)


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
