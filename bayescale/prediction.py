"""From a posterior to what it says at the runs and at points where there are none.

A new run lies off the law by what its cluster misses (`bayescale.misfit`), and scatters.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.draws import SAMPLE_DIMS, above_of, below_of, expected_response, scattered
from bayescale.extrapolation import decades_beyond
from bayescale.flops import SIX_ND, Cost
from bayescale.misfit import misfit_at_points, misfit_at_runs
from bayescale.runs import runs_for
from bayescale.series import conditional
from bayescale.series import drawn as serial_draws
from bayescale.structure import Structure, observed_name, observed_of, response_of
from bayescale.unseen import with_unseen

if TYPE_CHECKING:
    from bayescale.fitting import Fit


def scatter_at_runs(made: Structure, posterior: xr.Dataset, runs: pd.DataFrame) -> Any:
    """The distribution of each run's response at each draw, as a scipy one.

    In a series it is that of a run of whose neighbours nothing is known.
    """
    parameters = _at_runs(made, posterior, runs)
    parameters.pop("rho", None)
    return made.likelihood.family.frozen(**parameters)


def drawn_at_runs(
    made: Structure, posterior: xr.Dataset, runs: pd.DataFrame, rng: np.random.Generator
) -> np.ndarray:
    """What might have been observed of the runs, drawn anew, (chain, draw, run)."""
    series = made.likelihood.series
    if series is not None:
        parameters = _at_runs(made, posterior, runs)
        return np.asarray(serial_draws(links=series.links(runs), rng=rng, **parameters))
    draws: np.ndarray = scatter_at_runs(made, posterior, runs).rvs(random_state=rng)
    return draws


def _at_runs(made: Structure, posterior: xr.Dataset, runs: pd.DataFrame) -> dict[str, Any]:
    shift = misfit_at_runs(made, posterior, runs)
    return _aligned(scattered(made, posterior, runs, runs, "run", shift), "run")


def scatter(
    made: Structure,
    posterior: xr.Dataset,
    runs: pd.DataFrame,
    points: pd.DataFrame,
    shift: Any = 0.0,
    inputs: Mapping[str, xr.DataArray] | None = None,
) -> Any:
    """The distribution of a new run's response at each point and draw, as a scipy one.

    A point beyond the runs scatters as the nearest place among them does: what the likelihood says
    further out is no knowledge of how runs scatter there.
    """
    found = scattered(made, posterior, runs, points, "point", shift, inputs)
    parameters = _aligned(found, "point")
    parameters.pop("rho", None)
    return made.likelihood.family.frozen(**parameters)


def _aligned(parameters: Mapping[str, Any], dim: str) -> dict[str, np.ndarray]:
    aligned = xr.broadcast(*parameters.values())
    arrays = [values.transpose(*SAMPLE_DIMS, dim).to_numpy() for values in aligned]
    return dict(zip(parameters, arrays, strict=True))


def log_density(made: Structure, distribution: Any, observed: Any) -> np.ndarray:
    """Log density of what was observed, or log probability of a whole number."""
    of = distribution.logpdf if made.likelihood.family.trials is None else distribution.logpmf
    values: np.ndarray = of(observed)
    return values


def log_likelihood(made: Structure, posterior: xr.Dataset, runs: pd.DataFrame) -> xr.Dataset:
    """Log likelihood of each run at each draw, of a stage too; in a series, given the last."""
    observed, parameters = observed_of(made, runs), _at_runs(made, posterior, runs)
    series = made.likelihood.series
    if series is not None:
        links = series.links(runs)
        parameters = conditional(
            observed=observed, links=links, take=lambda x, rows: x[..., rows], **parameters
        )
    values = log_density(made, made.likelihood.family.frozen(**parameters), observed)
    coords: dict[str, Any] = {name: posterior[name] for name in SAMPLE_DIMS} | {
        "run": np.arange(len(runs))
    }
    own = xr.Dataset({observed_name(made): ((*SAMPLE_DIMS, "run"), values)}, coords=coords)
    if made.stage is None:
        return own
    below = log_likelihood(made.stage, below_of(made.stage, posterior), runs)
    return own.merge(above_of(made.stage, below))


def of_runs(log_likelihood: xr.Dataset) -> xr.DataArray:
    """What a run says in all: its responses to the law and to its stage are left out together."""
    total: xr.DataArray = log_likelihood.to_array().sum("variable")
    return total


def predict(
    fit: "Fit",
    points: pd.DataFrame | Mapping[str, Any],
    *,
    random_seed: int | None = None,
    cost: Cost = SIX_ND,
    extrapolate: bool = True,
) -> xr.Dataset:
    """Response at new points: what the law expects, and what one new run would show.

    Parameters
    ----------
    fit : Fit
        A fitted law.
    points : DataFrame or mapping of columns
        The law's inputs (one of params, tokens, flops is filled in from the other two), and the
        grouping column if the fit has one. A group that the fit has not seen is one more of the
        kind (`bayescale.unseen`). An input that the law has a stage for may be left out: it is then
        predicted from the stage's inputs, draw by draw.
    random_seed : int, optional
        For the scatter of new runs; the fit's own seed by default.
    cost : Cost
        Ties params, tokens and flops together.
    extrapolate : bool
        Widen what lies beyond the runs by as much as laws are wrong there
        (`bayescale.extrapolation`). False for what the law alone says.

    Returns
    -------
    Dataset
        ``mean`` and ``new_run``, each (chain, draw, point), in the response's unit, with the inputs
        as coordinates of ``point``, and ``decades_beyond_runs`` (point). ``new_run`` also has what
        its cluster misses, and its scatter.

    Raises
    ------
    DataError
        If a column is missing or a value cannot be used, or a group is new where every group has
        parameters of its own.
    """
    seed = fit.random_seed if random_seed is None else random_seed
    asked = pd.DataFrame({name: np.atleast_1d(values) for name, values in dict(points).items()})
    before = _before(fit, asked, seed, cost, extrapolate)
    runs, table = fit.runs, _points(fit.structure, asked.assign(**_middles(before)), cost)
    rng = np.random.default_rng(seed)
    made, posterior = with_unseen(fit.structure, fit.posterior, runs, table, rng)
    law = expected_response(made, posterior, table, "point", before.get("mean"))
    beyond = xr.DataArray(decades_beyond(made.law, table, runs, cost), dims="point")
    drift = fit.extrapolation["drift"] * beyond * extrapolate
    shift = misfit_at_points(made, posterior, runs, table, rng)
    distribution = scatter(made, posterior, runs, table, shift + drift, before.get("new_run"))
    observed = distribution.rvs(size=law.shape, random_state=rng)
    with np.errstate(over="ignore"):  # a heavy tail on the logarithm reaches past every number
        draws = response_of(made, observed, table, runs)
    scale = made.law.scale_of(made.law.response)
    found = {"mean": scale.moved(law, drift), "new_run": law.copy(data=draws)}
    coords: dict[str, Any] = {name: ("point", table[name].to_numpy()) for name in made.law.inputs}
    if {"params", "tokens"} <= set(made.law.inputs):
        coords["flops"] = ("point", cost.flops(table["params"], table["tokens"]).to_numpy())
    coords["decades_beyond_runs"] = beyond
    return xr.Dataset(found).assign_coords(coords)


def _before(
    fit: "Fit", points: pd.DataFrame, seed: int, cost: Cost, extrapolate: bool
) -> dict[str, dict[str, xr.DataArray]]:
    """What the stage says of an input that the points do not have: its mean, and of a new run."""
    stage = fit.law.stage
    if stage is None or stage.response in points:
        return {}
    said = predict(fit.stage, points, random_seed=seed, cost=cost, extrapolate=extrapolate)
    kinds = ("mean", "new_run")
    return {kind: {stage.response: said[kind].drop_vars(said.coords)} for kind in kinds}


def _middles(before: Mapping[str, Mapping[str, xr.DataArray]]) -> dict[str, Any]:
    means = before.get("mean", {}).items()
    return {name: values.median(SAMPLE_DIMS).to_numpy() for name, values in means}


def _points(made: Structure, points: pd.DataFrame, cost: Cost) -> pd.DataFrame:
    law = made.law
    # Reading wants a response as well; one, so that it is never complained of.
    table = points.assign(**{law.response: 1.0})
    return runs_for(law, table, cost=cost, staged=False).drop(columns=law.response)
