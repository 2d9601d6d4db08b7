"""Predictions for new runs.

A new run differs from the law by how wrong the law is there, and by its own scatter.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.inference.structure import response_from_observed
from bayescale.posterior.draws import SAMPLE_DIMS, Draws, strip_prefix
from bayescale.posterior.drift import extrapolation_decades
from bayescale.posterior.expectation import expected_response
from bayescale.posterior.new_groups import add_new_groups
from bayescale.posterior.pointwise import point_distribution
from bayescale.runs.read import runs_for
from bayescale.spec.compute import SIX_ND, Cost


def predict(
    draws: Draws,
    points: pd.DataFrame | Mapping[str, Any],
    *,
    drift: xr.Dataset | None,
    random_seed: int,
    cost: Cost = SIX_ND,
) -> xr.Dataset:
    """Response at new points: expected by the law, and of one new run.

    Parameters
    ----------
    draws : Draws
        Of a fitted law.
    points : DataFrame or mapping of columns
        The law's inputs (one of params, tokens and flops is filled in from the other two), and the
        column of groups if there are groups. A group that the fit has not seen is drawn from the
        population of groups. The input that a stage describes may be left out: it is then predicted
        from the stage's inputs, draw by draw.
    drift : Dataset or None
        How wrong the law is beyond its runs, from `bayescale.posterior.drift.draw_drift`. None
        for the law alone.
    random_seed : int
        For the scatter of new runs.
    cost : Cost
        Ties params, tokens and flops together.

    Returns
    -------
    Dataset
        ``mean`` and ``new_run``, each (chain, draw, point), in the response's unit, with the inputs
        as coordinates of ``point``, and ``decades_beyond_runs`` (point). ``new_run`` includes its
        scatter.

    Raises
    ------
    DataError
        If a column is missing or a value cannot be used, or a group is new where no parameter is
        pooled.
    """
    law = draws.law
    inputs = pd.DataFrame({name: np.atleast_1d(values) for name, values in dict(points).items()})
    staged: dict[str, dict[str, xr.DataArray]] = {}
    if law.stage is not None and law.stage.response not in inputs:
        first = predict(
            draws.stage,
            inputs,
            drift=None if drift is None else strip_prefix(draws.stage.structure, drift),
            random_seed=random_seed,
            cost=cost,
        )
        staged = {
            kind: {law.stage.response: first[kind].drop_vars(first.coords)}
            for kind in ("mean", "new_run")
        }
        middle = first["mean"].median(SAMPLE_DIMS).to_numpy()
        inputs = inputs.assign(**{law.stage.response: middle})
    # Reading needs a response as well; 1 is a valid one of every kind.
    filled = inputs.assign(**{law.response: 1.0})
    table = runs_for(law, filled, cost=cost, staged=False).drop(columns=law.response)
    rng = np.random.default_rng(random_seed)
    grouped = add_new_groups(draws, table, rng)
    expected = expected_response(grouped, table, inputs=staged.get("mean"))
    decades = xr.DataArray(extrapolation_decades(law, table, draws.runs, cost), dims="point")
    moved = (0.0 if drift is None else drift["drift"]) * decades
    distribution = point_distribution(grouped, table, moved, staged.get("new_run"))
    observed = distribution.rvs(size=expected.shape, random_state=rng)
    with np.errstate(over="ignore"):  # a heavy tail on the logarithm reaches past every number
        new_run = response_from_observed(grouped.structure, observed, table, draws.runs)
    mean = law.kind_of(law.response).shifted(expected, moved)
    predicted = {"mean": mean, "new_run": expected.copy(data=new_run)}
    coords: dict[str, Any] = {name: ("point", table[name].to_numpy()) for name in law.inputs}
    if {"params", "tokens"} <= set(law.inputs):
        coords["flops"] = ("point", cost.flops(table["params"], table["tokens"]).to_numpy())
    return xr.Dataset(predicted).assign_coords(coords | {"decades_beyond_runs": decades})
