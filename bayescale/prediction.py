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
from bayescale.marginal import recovered, sums_of
from bayescale.model import (
    Structure,
    design_of,
    group_index,
    observed_name,
    tilt_of,
    units_of,
)
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


def misfit_at_runs(made: Structure, posterior: xr.Dataset, runs: pd.DataFrame) -> Any:
    """How far the clusters of the runs lie off the law, on the logarithm; 0 without clusters."""
    if made.clusters is None:
        return 0.0
    index = made.clusters.index(runs)
    effects = {
        term: _cluster_effect(posterior, term).isel(
            cluster=xr.DataArray(index, dims="run"), drop=True
        )
        for term in made.clusters.terms
    }
    return _misfit(effects, tilt_of(made, runs), "run")


def misfit_at_points(
    made: Structure,
    posterior: xr.Dataset,
    runs: pd.DataFrame,
    points: pd.DataFrame,
    rng: np.random.Generator,
) -> Any:
    """The same at new points: those of a known cluster share its misfit, others draw their own."""
    if made.clusters is None:
        return 0.0
    names = made.clusters.names(points)
    new = [name for name in dict.fromkeys(names) if name not in made.clusters.labels]
    place = pd.Index([*made.clusters.labels, *new]).get_indexer(pd.Index(names))
    effects = {}
    for term in made.clusters.terms:
        known = _cluster_effect(posterior, term, append_none=False)
        sd = posterior[f"{term}_sd"]
        drawn = sd * xr.DataArray(
            rng.standard_normal((*sd.shape, len(new))), dims=(*sd.dims, "cluster")
        )
        every = xr.concat([known, drawn], "cluster")
        effects[term] = every.isel(cluster=xr.DataArray(place, dims="point"), drop=True)
    return _misfit(effects, tilt_of(made, runs, points), "point")


def _cluster_effect(posterior: xr.Dataset, term: str, *, append_none: bool = True) -> xr.DataArray:
    """Draws of what each cluster has of its own; a last one that has nothing, for runs in none."""
    effect = (posterior[f"{term}_sd"] * posterior[f"{term}_z"]).drop_vars("cluster")
    return effect.pad(cluster=(0, 1), constant_values=0.0) if append_none else effect


def _misfit(effects: Mapping[str, xr.DataArray], place: np.ndarray | None, dim: str) -> Any:
    offset = effects["offset"]
    if place is None:
        return offset
    return offset + effects["tilt"] * xr.DataArray(place, dims=dim)


def cluster_terms(
    made: Structure, free: xr.Dataset, runs: pd.DataFrame, random_seed: int
) -> xr.Dataset:
    """Draws of the terms that were integrated out, given everything else."""
    coefficients = call(
        made.law.coefficients, _parameters(made, free), units=units_of(made.law, runs)
    )
    parameters = _scattered(made, free.assign(coefficients), runs, runs, "run")
    aligned = xr.broadcast(parameters["mu"], parameters["sigma"])
    mu, sigma = (values.transpose(*SAMPLE_DIMS, "run").to_numpy() for values in aligned)
    place = tilt_of(made, runs)
    sums = sums_of(
        made.likelihood.family.observed(runs[made.law.response].to_numpy()) - mu,
        sigma,
        made.clusters.index(runs),
        np.zeros(len(runs)) if place is None else place,
        len(made.clusters.labels),
    )
    scales = [free[f"{term}_sd"].to_numpy()[..., None] for term in made.clusters.terms]
    drawn = recovered(
        sums, *scales, *([0.0] * (2 - len(scales))), np.random.default_rng(random_seed)
    )
    dims = (*SAMPLE_DIMS, "cluster")
    coords = {"cluster": list(made.clusters.labels)}
    return xr.Dataset(
        {f"{t}_z": (dims, z) for t, z in zip(made.clusters.terms, drawn, strict=False)}, coords
    )


def scatter_at_runs(made: Structure, posterior: xr.Dataset, runs: pd.DataFrame) -> Any:
    """The distribution of each run's response at each draw, as a scipy one."""
    shift = misfit_at_runs(made, posterior, runs)
    return _frozen(made, _scattered(made, posterior, runs, runs, "run", shift), "run")


def scatter(
    made: Structure,
    posterior: xr.Dataset,
    runs: pd.DataFrame,
    points: pd.DataFrame,
    shift: Any = 0.0,
) -> Any:
    """The distribution of a new run's response at each point and draw, as a scipy one.

    The scale is never smaller or larger than at any of the runs: what a quadratic says beyond them
    is no knowledge of how runs scatter there.
    """
    parameters = _scattered(made, posterior, runs, points, "point", shift)
    if "sigma" in parameters:
        known = _scattered(made, posterior, runs, runs, "run")["sigma"]
        if "run" in known.dims:
            within = known.min("run"), known.max("run")
            parameters["sigma"] = parameters["sigma"].clip(*within)
    return _frozen(made, parameters, "point")


def _frozen(made: Structure, parameters: Mapping[str, Any], dim: str) -> Any:
    aligned = xr.broadcast(*parameters.values())
    arrays = [values.transpose(*SAMPLE_DIMS, dim).to_numpy() for values in aligned]
    return made.likelihood.family.frozen(**dict(zip(parameters, arrays, strict=True)))


def _scattered(
    made: Structure,
    posterior: xr.Dataset,
    runs: pd.DataFrame,
    points: pd.DataFrame,
    dim: str,
    shift: Any = 0.0,
) -> dict[str, Any]:
    """Parameters of that distribution, as the likelihood has them."""
    columns = {name: xr.DataArray(points[name].to_numpy(), dims=dim) for name in made.law.inputs}
    design = design_of(made.law, columns, units_of(made.law, runs))
    noise = {name: _parameters(made, posterior)[name] for name in made.likelihood.priors}
    expected = expected_response(made, posterior, points, dim) * np.exp(shift)
    return made.likelihood.scatter(expected, design, **noise)


def log_likelihood(made: Structure, posterior: xr.Dataset, runs: pd.DataFrame) -> xr.Dataset:
    """Log likelihood of each run at each draw."""
    observed = made.likelihood.family.observed(runs[made.law.response].to_numpy())
    values = scatter_at_runs(made, posterior, runs).logpdf(observed)
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
    rng = np.random.default_rng(fit.random_seed if random_seed is None else random_seed)
    shift = misfit_at_points(made, posterior, runs, table, rng)
    distribution = scatter(made, posterior, runs, table, shift)
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
