"""A law, a likelihood and runs become a PyMC model.

Everything about the runs enters as `pm.Data`: the columns, the pivots, and the numbers of the
priors. So one compiled model serves every table, of any length (`bayescale.sampling`).

Grouped runs (``by="corpus"``) make every free parameter one of three things across groups:
*shared*; *separate*, each group with the prior of its own; or *partial*, scattered about a common
value. Partial pooling happens on the scale on which PyMC samples the parameter (the logarithm of
a positive one, log ratios of a simplex), so the same few lines pool any prior. Of G groups,

    value_group = backward(forward(mean) + off_group),  off_group ~ Normal(0, sd), summing to zero
    common = backward(forward(mean) + sd / sqrt(G) * z),  z ~ Normal(0, 1)

The runs tell of the mean of their groups, so it is what has the prior and is sampled. The common
value, about which further groups would scatter, lies off it by its standard error.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
import xarray as xr

from bayescale.calling import call
from bayescale.clusters import INDEX, TILT, Clusters
from bayescale.flops import Array
from bayescale.grouping import (
    GROUP_INDEX,
    OBSERVED,
    Pool,
)
from bayescale.law import UNITS, Law, Units
from bayescale.marginal import log_marginal
from bayescale.priors import Prior
from bayescale.series import GAP, PREVIOUS, conditional
from bayescale.structure import (
    Structure,
    coords_of,
    design_of,
    further,
    group_index,
    observed_name,
    observed_of,
    slopes_of,
    tilt_of,
    units_for,
)

INDICES = (GROUP_INDEX, INDEX, PREVIOUS)

# Groups of one study rarely differ by more than a factor of two in an exponent.
BETWEEN = Prior(pm.HalfNormal, sigma=0.3)

CENTRED = 0.5
"""Offsets are sampled in units of their scale to this power. At 0 they mix where runs say little of
each group, at 1 where they say much, and else hardly at all; half of the way they mix everywhere
(benchmarks/groups.py). A pilot for each parameter was tried, and was no better on the whole."""

QUICK = {"mode": "FAST_COMPILE"}
"""For what runs once: PyTensor then takes longer to compile than to compute."""


def model_data(made: Structure, runs: pd.DataFrame) -> dict[str, np.ndarray]:
    """Every number that enters a model, by the name of its `pm.Data`."""
    if made.stage is None:
        return _own_data(made, runs)
    below = model_data(made.stage, runs).items()
    return {**{made.stage.prefix + name: value for name, value in below}, **_own_data(made, runs)}


def _own_data(made: Structure, runs: pd.DataFrame) -> dict[str, np.ndarray]:
    law = made.law
    units = units_for(made, runs)
    data: dict[str, Array] = {name: runs[name].to_numpy() for name in law.inputs}
    data[OBSERVED] = observed_of(made, runs)
    data |= further(made, runs, runs)
    if made.likelihood.series is not None:
        data |= made.likelihood.series.links(runs)
    for kind in UNITS:
        data |= {f"{kind}_{name}": value for name, value in getattr(units, kind).items()}
    for name, prior in made.priors:
        data |= {f"prior_{name}_{key}": number for key, number in prior.parameters.items()}
    if made.by is not None:
        data[GROUP_INDEX] = group_index(made, runs)
        for name, kind in made.pool:
            if kind is Pool.PARTIAL:
                numbers = law.between.get(name, BETWEEN).parameters.items()
                data |= {f"prior_{name}_sd_{key}": number for key, number in numbers}
    if made.clusters is not None:
        data[INDEX] = made.clusters.index(runs)
        place = tilt_of(made, runs)
        data |= {} if place is None else {TILT: place}
    return {
        name: np.asarray(value, dtype="int32" if name in INDICES else "float64")
        for name, value in data.items()
    }


def build_model(made: Structure, runs: pd.DataFrame, *, marginal: bool = False) -> pm.Model:
    """Make the PyMC model of a structure on a table of runs.

    Parameters
    ----------
    made : Structure
        From `structure`.
    runs : DataFrame
        Validated runs (`bayescale.runs`).
    marginal : bool
        Integrate the terms of clusters out, where the scatter is Normal: the same posterior of
        everything else, in fewer dimensions (`bayescale.marginal`).

    Returns
    -------
    pm.Model
        With dims ``run`` and the grouping's name, the free parameters, the law's coefficients as
        deterministics, and the observed log response.
    """
    coords = {"run": np.arange(len(runs)), **coords_of(made)}
    # Bounds hold by construction: every parameter is sampled on its unconstrained scale.
    with pm.Model(coords=coords, check_bounds=False) as model:
        _add(made, runs, marginal)
    return model


def _add(made: Structure, runs: pd.DataFrame, marginal: bool) -> dict[str, Any]:
    """Add variables to the model at hand, those of a stage first; returns the coefficients."""
    given = {}
    if made.stage is not None:
        with pm.Model(name=made.stage.prefix.removesuffix("::"), check_bounds=False):
            given = _add(made.stage, runs, marginal)
    data = _register(made, _own_data(made, runs))
    free = {name: _parameter(made, name, prior, data) for name, prior in made.priors}
    coefficients = _coefficients(made, data, free, given)
    by_run = {name: _by_run(made, data, value) for name, value in coefficients.items()}
    _observe(made, data, free, by_run, marginal and made.integrable)
    return coefficients


def _observe(
    made: Structure,
    data: Mapping[str, Any],
    free: Mapping[str, Any],
    coefficients: Mapping[str, Any],
    integrated: bool,
) -> None:
    """Add the density of the responses."""
    law, likelihood = made.law, made.likelihood
    inputs = {name: data[name] for name in law.inputs}
    expected = law.formula(**inputs, **coefficients)
    design = design_of(law, data, _units(law, data))
    design |= {name: data[name] for name in likelihood.columns}
    design |= slopes_of(law, inputs, coefficients)
    noise = {name: free[name] for name in likelihood.priors}
    if made.clusters is not None and not integrated:
        misfit = _shared_misfit(made.clusters, data, free)
        expected = law.scale_of(law.response).moved(expected, misfit)
    parameters = likelihood.scatter(expected, design, **noise)
    if likelihood.series is not None:
        parameters = _serial(data, **parameters)
    if integrated:
        pm.Potential("log_likelihood", _log_marginal(data, free, **parameters))
    else:
        likelihood.family.distribution(
            observed_name(made), **parameters, observed=data[OBSERVED], dims="run"
        )


def _shared_misfit(clusters: Clusters, data: Mapping[str, Any], free: Mapping[str, Any]) -> Any:
    """How far each run's cluster lies off the law, on the logarithm; 0 for runs in no cluster."""
    shifts = []
    for name in clusters.terms:
        effect = free[f"{name}_sd"] * pm.Normal(f"{name}_z", 0.0, 1.0, dims="cluster")
        by_run = pt.concatenate([effect, pt.zeros(1)])[data[INDEX]]
        shifts.append(by_run * data[TILT] if name == "tilt" else by_run)
    return sum(shifts)


def _serial(data: Mapping[str, Any], mu: Any, sigma: Any, rho: Any) -> dict[str, Any]:
    """Parameters of each run given the one before it."""
    scale = sigma * pt.ones_like(mu)
    links = {name: data[name] for name in (PREVIOUS, GAP)}
    return conditional(mu, scale, rho, data[OBSERVED], links, lambda array, rows: array[rows])


def _log_marginal(data: Mapping[str, Any], free: Mapping[str, Any], mu: Any, sigma: Any) -> Any:
    residual = data[OBSERVED] - mu
    return log_marginal(
        residual,
        sigma * pt.ones_like(residual),
        data[INDEX],
        data.get(TILT, pt.zeros_like(residual)),
        free["offset_sd"],
        free.get("tilt_sd", 0.0),
    )


def _units(law: Law, data: Mapping[str, Any]) -> Units:
    names = (*law.inputs, law.response)
    return Units(*({name: data[f"{kind}_{name}"] for name in names} for kind in UNITS))


def _register(made: Structure, data: Mapping[str, np.ndarray]) -> dict[str, Any]:
    along_runs = {*made.law.inputs, OBSERVED, *INDICES, TILT, GAP, *made.likelihood.columns}
    return {
        name: pm.Data(name, value, dims="run" if name in along_runs else None)
        for name, value in data.items()
    }


def _parameter(made: Structure, name: str, prior: Prior, data: Mapping[str, Any]) -> Any:
    """One free parameter; with parts, a tuple of them."""
    parts = (made.part(name),) if prior.parts else ()
    pooling = made.pooling(name)
    if pooling is Pool.PARTIAL:
        variable = _partial(made, name, prior, data, parts)
    else:
        dims = (made.by, *parts) if pooling is Pool.SEPARATE else parts
        variable = _drawn(name, prior, data, name, dims=dims or None)
    return tuple(variable[..., k] for k in range(len(prior.parts))) if parts else variable


def _drawn(name: str, prior: Prior, data: Mapping[str, Any], of: str, **dims: Any) -> Any:
    """A variable with the prior whose numbers are among the data under the name of a parameter."""
    numbers = {key: data[f"prior_{of}_{key}"] for key in prior.parameters}
    return prior.distribution(name, **numbers, **dims)


def _partial(
    made: Structure, name: str, prior: Prior, data: Mapping[str, Any], parts: tuple[str, ...]
) -> Any:
    """Values of the groups, pooled partially."""
    scatter, groups = made.law.between.get(name, BETWEEN), len(made.groups)
    mean = _drawn(f"{name}_mean", prior, data, name, dims=parts or None)
    between = _drawn(f"{name}_sd", scatter, data, f"{name}_sd")
    transform = pm.modelcontext(None).rvs_to_transforms[mean]
    # A simplex has one coordinate less on the sampling scale than it has parts.
    free = len(prior.parts) - (transform is not None and transform.ndim_supp > 0)
    shape = (free,) if parts else ()
    off = between / np.sqrt(groups) * pm.Normal(f"{name}_mean_z", 0.0, 1.0, shape=shape)
    pm.Deterministic(f"{name}_common", moved(transform, mean, mean, off), dims=parts or None)
    unit = between**CENTRED
    offset = pm.ZeroSumNormal(f"{name}_offset", unit, shape=(*shape, groups))
    value = moved(transform, mean, mean, between / unit * offset.T)
    return pm.Deterministic(name, value, dims=(made.by, *parts))


def pooled(model: pm.Model) -> list[Any]:
    """What partial pooling makes: deterministics to be kept like free parameters."""
    return [
        variable
        for variable in model.deterministics
        if f"{variable.name.removesuffix('_common')}_common" in model.named_vars
    ]


def moved(transform: Any, variable: Any, centre: Any, shift: Any) -> Any:
    """Values of a variable moved on the scale on which PyMC samples it."""
    if transform is None:
        return centre + shift
    settings = variable.owner.inputs
    return transform.backward(transform.forward(centre, *settings) + shift, *settings)


def _coefficients(
    made: Structure,
    data: Mapping[str, Any],
    free: Mapping[str, Any],
    given: Mapping[str, Any],
) -> dict[str, Any]:
    """The law's coefficients, those that are no free parameter registered under their names."""
    law = made.law
    coefficients = call(law.coefficients, {**given, **free}, units=_units(law, data))
    return {
        name: value if name in free else _deterministic(made, name, value)
        for name, value in coefficients.items()
    }


def _deterministic(made: Structure, name: str, value: Any) -> Any:
    """A quantity under its name; with parts, still a tuple of them."""
    if not isinstance(value, tuple):
        return pm.Deterministic(name, value, dims=made.by if value.ndim else None)
    whole = pt.stack(pt.broadcast_arrays(*map(pt.as_tensor, value)), axis=-1)
    by = (made.by,) if whole.ndim > 1 else ()
    variable = pm.Deterministic(name, whole, dims=(*by, made.part(name)))
    return tuple(variable[..., k] for k in range(len(value)))


def _by_run(made: Structure, data: Mapping[str, Any], value: Any) -> Any:
    """Give each run the value of its group."""
    if isinstance(value, tuple):
        return tuple(_by_run(made, data, part) for part in value)
    return value[data[GROUP_INDEX]] if made.by is not None and value.ndim else value


def drawn_from_prior(
    made: Structure, runs: pd.DataFrame, draws: int, seed: int
) -> tuple[xr.Dataset, xr.Dataset]:
    """Draws of all parameters from their priors, and of what they predict at the runs."""
    with build_model(made, runs), _without_notes():
        drawn = pm.sample_prior_predictive(draws, random_seed=seed, compile_kwargs=dict(QUICK))
    # Coefficients follow from the parameters, and come out of the law again.
    follow = _following(made)
    prior: xr.Dataset = drawn["prior"].to_dataset()
    return prior.drop_vars(follow), drawn["prior_predictive"].to_dataset()


def _following(made: Structure) -> set[str]:
    """Names of coefficients that only follow from parameters."""
    below = _following(made.stage) if made.stage else set()
    own = {*made.law.coefficient_names} - {name for name, _ in made.priors}
    return own | {f"{made.stage.prefix}{name}" for name in below if made.stage}


@contextmanager
def _without_notes() -> Iterator[None]:
    """Without PyMC's list of what it draws, which nobody asked for who calibrates."""
    logger = logging.getLogger("pymc.sampling.forward")
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)
