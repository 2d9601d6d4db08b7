"""The tree that a fit keeps, made from draws; and the table of runs back out of it.

Its groups are those that ArviZ knows, and four more: ``model_posterior``, ``drift``, ``loo`` and
``runs``. They hold plain numbers, booleans and text only, so that NetCDF can hold them.
"""

import json
from importlib.metadata import version
from typing import Any
from urllib.parse import unquote

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.errors import LawError
from bayescale.inference.coordinates import draw_prior
from bayescale.inference.record import Sampled, Settings
from bayescale.inference.structure import Structure, observed_name, observed_values
from bayescale.posterior.draws import SAMPLE_DIMS, Draws, strip_prefix
from bayescale.posterior.drift import draw_drift
from bayescale.posterior.expectation import expected_response
from bayescale.posterior.jackknife import case_log_likelihood
from bayescale.posterior.loo import leave_one_out
from bayescale.posterior.pointwise import log_likelihood, per_run, replicate_runs
from bayescale.posterior.quantities import quantities
from bayescale.posterior.widening import widen
from bayescale.runs.read import digest
from bayescale.spec.columns import is_real


def assemble(
    structure: Structure, runs: pd.DataFrame, sampled: Sampled, settings: Settings
) -> xr.DataTree:
    """Tree of draws, of quantities that follow from them, of runs and of provenance.

    Parameters
    ----------
    structure : Structure
        The model.
    runs : DataFrame
        Validated runs.
    sampled : Sampled
        Draws of all free parameters.
    settings : Settings
        How they were sampled.

    Returns
    -------
    DataTree
    """
    # The likelihood is that of the model's own draws; the answer comes from the widened ones.
    modelled = Draws(structure, quantities(Draws(structure, sampled.posterior, runs)), runs)
    pointwise = log_likelihood(modelled)
    cases = case_log_likelihood(modelled, per_run(pointwise))
    free = widen(Draws(structure, sampled.posterior, runs), cases)
    posterior = quantities(Draws(structure, free, runs))
    along = np.arange(len(runs))
    inputs = {name: ("run", runs[name].to_numpy()) for name in structure.law.columns_read}
    groups = {
        "posterior": posterior.assign_attrs(
            inference_library=sampled.library, sample_dims=list(SAMPLE_DIMS)
        ),
        "model_posterior": modelled.posterior,
        "sample_stats": sampled.sample_stats,
        "log_likelihood": pointwise,
        "observed_data": xr.Dataset(_observed(structure, runs), {"run": along}),
        "constant_data": xr.Dataset(inputs, {"run": along}),
        "drift": draw_drift(Draws(structure, posterior, runs), settings.random_seed),
        "loo": leave_one_out(sampled.posterior, per_run(pointwise)),
        "runs": _run_columns(runs),
    }
    tree = xr.DataTree.from_dict(groups)
    packages = ("bayescale", "pymc", "pytensor", "nutpie", "arviz", "numpy")
    tree.attrs = {
        **_describe_structure(structure),
        "random_seed": settings.random_seed,
        "sampler": sampled.way,
        "sampler_reason": sampled.reason,
        "target_accept": sampled.target_accept,
        "tune": sampled.tune,
        "thin": sampled.thin,
        "runs_sha256": digest(runs),
        "versions": json.dumps({name: version(name) for name in packages}),
    }
    return tree


def _observed(structure: Structure, runs: pd.DataFrame) -> dict[str, Any]:
    """Observed values by name, those of a stage too."""
    own = {observed_name(structure): ("run", observed_values(structure, runs))}
    if structure.stage is None:
        return own
    staged = _observed(structure.stage, runs)
    return own | {f"{structure.stage.prefix}{name}": values for name, values in staged.items()}


def prior_groups(
    structure: Structure, runs: pd.DataFrame, draws: int, random_seed: int
) -> dict[str, xr.Dataset]:
    """Groups ``prior`` and ``prior_predictive`` of a tree.

    Parameters
    ----------
    structure : Structure
        The model.
    runs : DataFrame
        Validated runs.
    draws, random_seed : int
        How many draws, and their seed.
    """
    prior = quantities(Draws(structure, draw_prior(structure, draws, random_seed), runs))
    predicted = predictive_groups(Draws(structure, prior, runs), random_seed)
    return {"prior": prior, "prior_predictive": predicted["posterior_predictive"]}


def predictive_groups(draws: Draws, random_seed: int) -> dict[str, xr.Dataset]:
    """Group ``posterior_predictive`` of a tree: replicated observed values of the runs."""
    expected = expected_response(draws, draws.runs, "run")
    replicated = replicate_runs(draws, np.random.default_rng(random_seed))
    values = expected.copy(data=replicated).assign_coords(run=np.arange(len(draws.runs)))
    return {"posterior_predictive": xr.Dataset({observed_name(draws.structure): values})}


def split_stage(structure: Structure, tree: xr.DataTree) -> tuple[Structure, xr.DataTree]:
    """The structure and the tree of a law's stage alone.

    Raises
    ------
    LawError
        If the law has no stage.
    """
    stage = structure.stage
    if stage is None:
        raise LawError(
            f"law {structure.law.name!r} has no stage; expected a law that has one for an input. "
            "Use the fit itself."
        )
    prefixed = ("posterior", "model_posterior", "log_likelihood", "observed_data", "drift")
    groups = {
        name: strip_prefix(stage, values.to_dataset()) if name in prefixed else values.to_dataset()
        for name, values in tree.children.items()
        if name in (*prefixed, "sample_stats", "constant_data", "runs")
    }
    groups["loo"] = leave_one_out(groups["model_posterior"], per_run(groups["log_likelihood"]))
    own = xr.DataTree.from_dict(groups)
    own.attrs = {
        **tree.attrs,
        **_describe_structure(stage),
        "warnings": "[]",
        "wrong_numbers": "[]",
    }
    return stage, own


def runs_of(tree: xr.DataTree) -> pd.DataFrame:
    """Table of the runs behind a tree."""
    columns = tree["runs"].to_dataset()
    named = {unquote(str(name)): values.to_numpy() for name, values in columns.items()}
    # From a list of text pandas makes the same column, whatever array it was in.
    numbers = "biuf"
    return pd.DataFrame({n: v if v.dtype.kind in numbers else v.tolist() for n, v in named.items()})


def _run_columns(runs: pd.DataFrame) -> xr.Dataset:
    """Runs as plain numbers or booleans; other columns as text, empty where a value is missing."""
    columns = {}
    for label, column in runs.items():
        # A name that could be a path or the dim ``run`` is escaped.
        name = str(label)
        for sign in "%/\\":
            name = name.replace(sign, f"%{ord(sign):02X}")
        if name == "run" or name[0] in "._":
            name = f"%{ord(name[0]):02X}{name[1:]}"
        complete = not column.isna().any()
        if is_real(column) and not complete:
            values = column.to_numpy(dtype="float64", na_value=np.nan)
        elif is_real(column) or (pd.api.types.is_bool_dtype(column) and complete):
            values = np.asarray(
                column.to_numpy() if column.dtype.kind in "biuf" else column.tolist()
            )
        else:
            text = column.astype(object).where(column.notna(), "")
            values = text.map(str).to_numpy(dtype=object)
        columns[name] = ("run", values)
    return xr.Dataset(columns)


def _describe_structure(structure: Structure) -> dict[str, str]:
    """Attributes from which `bayescale.load` builds a structure, as text."""
    priors = {
        name: {"distribution": prior.distribution.name, "parameters": dict(prior.parameters)}
        for name, prior in structure.priors
    }
    stage = {"stage": json.dumps(_describe_structure(structure.stage))} if structure.stage else {}
    return {
        "law": structure.law.name,
        "likelihood": structure.likelihood.name,
        "priors": json.dumps(priors),
        "by": structure.by or "",
        "clusters": structure.clusters.saved if structure.clusters else "",
        "pool": json.dumps(dict(structure.pool)),
        **stage,
    }
