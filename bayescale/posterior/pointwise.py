"""The distribution of each run at each draw: log likelihood and replicates."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.inference.structure import Structure, observed_name, observed_values
from bayescale.posterior.draws import SAMPLE_DIMS, Draws, add_prefix
from bayescale.posterior.expectation import scatter_parameters
from bayescale.spec.series import conditional, draw_series


def run_distribution(draws: Draws) -> Any:
    """The scipy distribution of each run's observed value, (chain, draw, run).

    In a series it is that of a run whose neighbours are unknown.
    """
    parameters = _at_runs(draws)
    parameters.pop("rho", None)
    return draws.structure.likelihood.family.frozen(**parameters)


def point_distribution(
    draws: Draws,
    points: pd.DataFrame,
    shift: Any = 0.0,
    inputs: Mapping[str, xr.DataArray] | None = None,
) -> Any:
    """The scipy distribution of a new run's observed value at each point, (chain, draw, point).

    Parameters
    ----------
    draws, points, shift, inputs
        As for `bayescale.posterior.expectation.scatter_parameters`.
    """
    parameters = _aligned(scatter_parameters(draws, points, "point", shift, inputs), "point")
    parameters.pop("rho", None)
    return draws.structure.likelihood.family.frozen(**parameters)


def replicate_runs(draws: Draws, rng: np.random.Generator) -> np.ndarray:
    """Replicated observed values of the runs, (chain, draw, run)."""
    series = draws.structure.likelihood.series
    if series is not None:
        return np.asarray(draw_series(links=series.links(draws.runs), rng=rng, **_at_runs(draws)))
    # Without a size, scipy drops the dimension of a single chain.
    shape = (*(draws.posterior.sizes[dim] for dim in SAMPLE_DIMS), len(draws.runs))
    replicated: np.ndarray = run_distribution(draws).rvs(size=shape, random_state=rng)
    return replicated


def log_density(structure: Structure, distribution: Any, observed: Any) -> np.ndarray:
    """Log density of observed values under a scipy distribution, or log probability of counts."""
    trials = structure.likelihood.family.trials
    density = distribution.logpdf if trials is None else distribution.logpmf
    values: np.ndarray = density(observed)
    return values


def log_likelihood(draws: Draws) -> xr.Dataset:
    """Log likelihood of each run, (chain, draw, run).

    In a series it is that of a row given the row before it.

    Parameters
    ----------
    draws : Draws
        Of all parameters, with coefficients.

    Returns
    -------
    Dataset
        By the name of the observed variable; that of a stage with its prefix.
    """
    structure, posterior, runs = draws.structure, draws.posterior, draws.runs
    observed, parameters = observed_values(structure, runs), _at_runs(draws)
    series = structure.likelihood.series
    if series is not None:
        parameters = conditional(
            observed=observed,
            links=series.links(runs),
            take=lambda x, rows: x[..., rows],
            **parameters,
        )
    values = log_density(structure, structure.likelihood.family.frozen(**parameters), observed)
    coords: dict[str, Any] = {name: posterior[name] for name in SAMPLE_DIMS}
    coords |= {"run": np.arange(len(runs))}
    own = xr.Dataset({observed_name(structure): ((*SAMPLE_DIMS, "run"), values)}, coords=coords)
    if structure.stage is None:
        return own
    return own.merge(add_prefix(structure.stage, log_likelihood(draws.stage)))


def per_run(log_likelihood: xr.Dataset) -> xr.DataArray:
    """Log likelihood of each run as a whole: of the law and of its stage together."""
    total: xr.DataArray = log_likelihood.to_array().sum("variable")
    return total


def _at_runs(draws: Draws) -> dict[str, Any]:
    """Parameters of each run's distribution, (chain, draw, run)."""
    return _aligned(scatter_parameters(draws, draws.runs, "run"), "run")


def _aligned(parameters: Mapping[str, Any], dim: str) -> dict[str, np.ndarray]:
    """Parameters as arrays of one shape, (chain, draw, point)."""
    aligned = xr.broadcast(*parameters.values())
    arrays = [values.transpose(*SAMPLE_DIMS, dim).to_numpy() for values in aligned]
    return dict(zip(parameters, arrays, strict=True))
