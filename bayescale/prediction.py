"""From a posterior to what it says at the runs and at points where there are none.

Everything here is the law's own formula and the likelihood's own function, evaluated on xarray:
draws carry ``chain, draw``, runs carry ``run``, points carry ``point``, and broadcasting does the
rest.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.errors import DataError
from bayescale.flops import SIX_ND, Cost
from bayescale.law import arguments, call
from bayescale.model import Structure, design_of, group_index, observed_name, units_of
from bayescale.runs import read_runs

if TYPE_CHECKING:
    from bayescale.fitting import Fit

SAMPLE_DIMS = ("chain", "draw")


def quantities(made: Structure, runs: pd.DataFrame, free: xr.Dataset) -> xr.Dataset:
    """Coefficients and derived quantities of every draw, with the free parameters.

    Each variable's ``role`` attribute says what it is: ``coefficient``, ``derived``, ``noise`` or
    ``free``.
    """
    law, likelihood = made.law, made.likelihood
    parameters = _parameters(made, free)
    coefficients = call(law.coefficients, parameters, units=units_of(law, runs))
    noise = {name: call(function, parameters) for name, function in likelihood.derived.items()}
    # What only serves to sample another quantity is not reported beside it.
    serving = {name for function in likelihood.derived.values() for name in arguments(function)}
    reported = {name: free[name] for name in likelihood.priors if name not in serving}
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


def _parameters(made: Structure, draws: xr.Dataset) -> dict[str, Any]:
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


def scatter(
    made: Structure, posterior: xr.Dataset, runs: pd.DataFrame, points: pd.DataFrame, dim: str
) -> Any:
    """The distribution of the observed response at each point and draw, as a scipy one.

    The scale is never smaller or larger than at any of the runs: what a quadratic says beyond them
    is no knowledge of how runs scatter there.
    """
    parameters = _scattered(made, posterior, runs, points, dim)
    if points is not runs and "sigma" in parameters:
        known = _scattered(made, posterior, runs, runs, "run")["sigma"]
        if "run" in known.dims:
            within = known.min("run"), known.max("run")
            parameters["sigma"] = parameters["sigma"].clip(*within)
    aligned = xr.broadcast(*parameters.values())
    arrays = [values.transpose(*SAMPLE_DIMS, dim).to_numpy() for values in aligned]
    return made.likelihood.family.frozen(**dict(zip(parameters, arrays, strict=True)))


def _scattered(
    made: Structure, posterior: xr.Dataset, runs: pd.DataFrame, points: pd.DataFrame, dim: str
) -> dict[str, Any]:
    """Parameters of that distribution, as the likelihood has them."""
    columns = {name: xr.DataArray(points[name].to_numpy(), dims=dim) for name in made.law.inputs}
    design = design_of(made.law, columns, units_of(made.law, runs))
    noise = {name: _parameters(made, posterior)[name] for name in made.likelihood.priors}
    expected = expected_response(made, posterior, points, dim)
    return made.likelihood.scatter(expected, design, **noise)


def log_likelihood(made: Structure, posterior: xr.Dataset, runs: pd.DataFrame) -> xr.Dataset:
    """Log likelihood of each run at each draw."""
    observed = made.likelihood.family.observed(runs[made.law.response].to_numpy())
    values = scatter(made, posterior, runs, runs, "run").logpdf(observed)
    coords = {name: posterior[name] for name in SAMPLE_DIMS} | {"run": np.arange(len(runs))}
    return xr.Dataset({observed_name(made): ((*SAMPLE_DIMS, "run"), values)}, coords=coords)


def decades_beyond(flops: np.ndarray, runs: pd.DataFrame, cost: Cost) -> np.ndarray:
    """How many powers of ten the compute lies past the largest run; 0 within the runs."""
    largest = float(cost.flops(runs["params"], runs["tokens"]).max())
    return np.maximum(np.log10(flops / largest), 0.0)


def predict(
    fit: "Fit",
    points: pd.DataFrame | Mapping[str, Any],
    *,
    random_seed: int | None = None,
    cost: Cost = SIX_ND,
) -> xr.Dataset:
    """Response at new points: what the law expects, and what one new run would show.

    Parameters
    ----------
    fit : Fit
        A fitted law.
    points : DataFrame or mapping of columns
        The law's inputs (one of params, tokens, flops is filled in from the other two), and the
        grouping column if the fit has one.
    random_seed : int, optional
        For the scatter of new runs; the fit's own seed by default.
    cost : Cost
        Ties params, tokens and flops together.

    Returns
    -------
    Dataset
        ``mean`` and ``new_run``, both (chain, draw, point), in the response's unit, with the
        inputs as coordinates of ``point``, and ``decades_beyond_runs`` (point) for laws of params
        and tokens. ``mean`` is the law itself: the median of new runs where they scatter on the
        logarithm.

    Raises
    ------
    DataError
        If a column is missing or a value cannot be used.
    """
    made, posterior, runs = fit.structure, fit.posterior, fit.runs
    table = _points(made, points, cost)
    expected = expected_response(made, posterior, table, "point")
    distribution = scatter(made, posterior, runs, table, "point")
    rng = np.random.default_rng(fit.random_seed if random_seed is None else random_seed)
    observed = distribution.rvs(size=expected.shape, random_state=rng)
    with np.errstate(over="ignore"):  # a heavy tail on the logarithm reaches past every number
        draws = made.likelihood.family.response(observed)
    new_run = expected.copy(data=draws)
    coords: dict[str, Any] = {name: ("point", table[name].to_numpy()) for name in made.law.inputs}
    if {"params", "tokens"} <= set(made.law.inputs):
        flops = cost.flops(table["params"], table["tokens"]).to_numpy()
        coords["flops"] = ("point", flops)
        coords["decades_beyond_runs"] = ("point", decades_beyond(flops, runs, cost))
    return xr.Dataset({"mean": expected, "new_run": new_run}).assign_coords(coords)


def _points(made: Structure, points: pd.DataFrame | Mapping[str, Any], cost: Cost) -> pd.DataFrame:
    table = pd.DataFrame({name: np.atleast_1d(values) for name, values in dict(points).items()})
    # Reading wants a response as well; one, so that it is never complained of.
    filled = read_runs(
        table.assign(**{made.law.response: 1.0}),
        inputs=made.law.inputs,
        response=made.law.response,
        cost=cost,
    ).drop(columns=made.law.response)
    if made.by is not None:
        _check_groups(made, filled)
    return filled


def _check_groups(made: Structure, points: pd.DataFrame) -> None:
    given = set(points[made.by].map(str)) if made.by in points else {None}
    unknown = given - set(made.groups)
    if unknown:
        raise DataError(
            f"the points' {made.by} holds {sorted(map(str, unknown))}; expected values among "
            f"{list(made.groups)}, the groups of the fit. Add or correct the column."
        )
