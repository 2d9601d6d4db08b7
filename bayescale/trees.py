"""From draws to the tree that a fit keeps, and the table of runs back out of it.

The groups are those that ArviZ knows, and two more: ``loo`` and ``runs``. All that is in them is
plain numbers, booleans and text, so that Zarr and NetCDF hold it alike.
"""

import json
from importlib.metadata import version
from typing import Any
from urllib.parse import unquote

import numpy as np
import pandas as pd
import xarray as xr

from bayescale import diagnosis, extrapolation, prediction
from bayescale.draws import SAMPLE_DIMS, below_of, expected_response, quantities
from bayescale.files import is_real
from bayescale.model import drawn_from_prior
from bayescale.runs import digest
from bayescale.sampling import Sampled, Settings
from bayescale.structure import Structure, observed_name, observed_of


def assemble(
    made: Structure, runs: pd.DataFrame, drawn: Sampled, settings: Settings
) -> xr.DataTree:
    """Put draws, what follows from them, runs and provenance into one tree."""
    posterior = quantities(made, runs, drawn.posterior)
    log_likelihood = prediction.log_likelihood(made, posterior, runs)
    along = np.arange(len(runs))
    inputs = {name: ("run", runs[name].to_numpy()) for name in made.law.read}
    groups = {
        "posterior": posterior.assign_attrs(
            inference_library=drawn.library, sample_dims=list(SAMPLE_DIMS)
        ),
        "sample_stats": drawn.sample_stats,
        "log_likelihood": log_likelihood,
        "observed_data": xr.Dataset(_observed(made, runs), {"run": along}),
        "constant_data": xr.Dataset(inputs, {"run": along}),
        "extrapolation": extrapolation.drawn(
            made.law, settings.chains, settings.draws, settings.random_seed
        ),
        "loo": diagnosis.leave_one_out(drawn.posterior, prediction.of_runs(log_likelihood)),
        "runs": _as_dataset(runs),
    }
    tree = xr.DataTree.from_dict(groups)
    tree.attrs = _provenance(made, runs, settings, drawn)
    return tree


def _observed(made: Structure, runs: pd.DataFrame) -> dict[str, Any]:
    """What was observed, of a stage too."""
    below = _observed(made.stage, runs) if made.stage else {}
    named = {f"{made.stage.prefix}{name}": x for name, x in below.items() if made.stage}
    return {observed_name(made): ("run", observed_of(made, runs)), **named}


def prior_groups(made: Structure, runs: pd.DataFrame, draws: int, seed: int) -> dict[str, Any]:
    """Draws of the prior and of what it predicts at the runs."""
    free, predicted = drawn_from_prior(made, runs, draws, seed)
    prior = quantities(made, runs, free)
    if made.likelihood.series is not None:  # the model draws each row given the observed ones
        predicted = predictive_groups(made, prior, runs, seed)["posterior_predictive"]
    return {"prior": prior, "prior_predictive": predicted}


def predictive_groups(
    made: Structure, posterior: xr.Dataset, runs: pd.DataFrame, seed: int
) -> dict[str, Any]:
    """What the posterior predicts at the runs, on the scale on which they were observed."""
    expected = expected_response(made, posterior, runs, "run")
    rng = np.random.default_rng(seed)
    draws = expected.copy(data=prediction.drawn_at_runs(made, posterior, runs, rng))
    named = draws.assign_coords(run=np.arange(len(runs)))
    return {"posterior_predictive": xr.Dataset({observed_name(made): named})}


def stage_tree(tree: xr.DataTree, stage: Structure) -> xr.DataTree:
    """The tree of a stage alone."""
    named = ("posterior", "log_likelihood", "observed_data", "extrapolation")
    groups = {
        name: below_of(stage, values.to_dataset()) if name in named else values.to_dataset()
        for name, values in tree.children.items()
        if name in (*named, "sample_stats", "constant_data", "runs")
    }
    groups["loo"] = diagnosis.leave_one_out(
        groups["posterior"], prediction.of_runs(groups["log_likelihood"])
    )
    found = xr.DataTree.from_dict(groups)
    found.attrs = {**tree.attrs, **described(stage), "warnings": "[]"}
    return found


def runs_of(tree: xr.DataTree) -> pd.DataFrame:
    """Table of the runs that a tree was made from."""
    columns = tree["runs"].to_dataset()
    named = {unquote(str(name)): values.to_numpy() for name, values in columns.items()}
    # Text as a list, of which pandas makes the same column whatever array held it.
    numbers = "biuf"
    return pd.DataFrame({n: v if v.dtype.kind in numbers else v.tolist() for n, v in named.items()})


def _as_dataset(runs: pd.DataFrame) -> xr.Dataset:
    """Keep every column, under a name and in a form that every format can hold."""
    return xr.Dataset(
        {_stored(str(name)): ("run", _plain(column)) for name, column in runs.items()}
    )


def _stored(name: str) -> str:
    """Name of a column in a saved fit: percent signs where a path or the dim ``run`` is meant."""
    for sign in "%/\\":
        name = name.replace(sign, f"%{ord(sign):02X}")
    return f"%{ord(name[0]):02X}{name[1:]}" if name == "run" or name[0] in "._" else name


def _plain(column: pd.Series) -> np.ndarray:
    """A column as plain numbers or booleans; as text, empty where missing, if it is neither."""
    if is_real(column) and column.isna().any():
        return column.to_numpy(dtype="float64", na_value=np.nan)
    if is_real(column) or (pd.api.types.is_bool_dtype(column) and not column.isna().any()):
        return np.asarray(column.to_numpy() if column.dtype.kind in "biuf" else column.tolist())
    return column.astype(object).where(column.notna(), "").map(str).to_numpy(dtype=object)


def described(made: Structure) -> dict[str, str]:
    """What a structure is made of, as text."""
    priors = {
        name: {"distribution": prior.distribution.__name__, "parameters": dict(prior.parameters)}
        for name, prior in made.priors
    }
    stage = {"stage": json.dumps(described(made.stage))} if made.stage else {}
    return {
        "law": made.law.name,
        "likelihood": made.likelihood.name,
        "priors": json.dumps(priors),
        "by": made.by or "",
        "clusters": made.clusters.saved if made.clusters else "",
        "pool": json.dumps(dict(made.pool)),
        **stage,
    }


def _provenance(
    made: Structure, runs: pd.DataFrame, settings: Settings, drawn: Sampled
) -> dict[str, Any]:
    """What a reader of a saved fit needs to know, as text and numbers that any format holds."""
    packages = ("bayescale", "pymc", "pytensor", "nutpie", "arviz", "numpy")
    return {
        **described(made),
        "random_seed": settings.random_seed,
        "target_accept": drawn.target_accept,
        "tune": drawn.tune,
        "thin": drawn.thin,
        "runs_sha256": digest(runs),
        "versions": json.dumps({name: version(name) for name in packages}),
    }
