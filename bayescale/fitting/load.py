"""Read a saved fit.

A saved fit holds draws, runs and provenance, and the names of law and likelihood. Reading looks
these names up; nothing in the file is ever executed.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import xarray as xr

from bayescale.errors import DataError, LawError
from bayescale.fitting.record import Fit
from bayescale.fitting.tree import runs_of
from bayescale.fitting.tree_files import open_tree, saved_tree
from bayescale.inference.clusters import find_clusters
from bayescale.inference.groups import Pool
from bayescale.inference.structure import Structure
from bayescale.likelihoods import likelihood_named
from bayescale.models import LAWS
from bayescale.priors import DISTRIBUTIONS, Prior
from bayescale.runs.read import digest
from bayescale.spec.law import Law
from bayescale.spec.likelihood import Likelihood

GROUPS = (
    *("posterior", "sample_stats", "log_likelihood", "observed_data", "constant_data"),
    *("model_posterior", "drift", "loo", "runs"),
)

ATTRIBUTES = {"warnings": list, "wrong_numbers": list, "seconds": dict, "versions": dict}
"""What the texts among a fit's attributes hold."""


def load(
    path: str | os.PathLike[str],
    *,
    law: Law | None = None,
    likelihood: Likelihood | None = None,
) -> Fit:
    """Read a fit that was saved.

    Parameters
    ----------
    path : path
        A ``.nc`` file.
    law : Law, optional
        Needed only for a fit of a law of your own.
    likelihood : Likelihood, optional
        Needed only for a fit with a likelihood of your own.

    Returns
    -------
    Fit
        The fit as it was saved.

    Raises
    ------
    DataError
        If there is no fit at the path, or it cannot be read.

    Examples
    --------
    >>> load("fit.nc")  # doctest: +SKIP
    """
    opened = open_tree(Path(path))
    try:
        tree = saved_tree(opened)
        name = tree.attrs["law"]
        if law is None and name not in LAWS:
            raise DataError(
                f"the saved fit is of law {name!r}, which is none of bayescale's own; expected the "
                "law it was made with. Pass it to bayescale.load(path, law=...)."
            )
        known = LAWS[name] if law is None else law
        if known.name != name:
            raise DataError(
                f"the saved fit is of law {name!r} and was to be read with {known.name!r}; "
                "expected the law it was made with. Pass that one, or none if it is one of "
                "bayescale's own."
            )
        chosen = _find_likelihood(known, tree.attrs["likelihood"], likelihood)
        fitted = Fit(_read_structure(tree, dict(tree.attrs), known, chosen), tree)
        missing = {*GROUPS} - {*tree.children} or {*known.coefficient_names} - {*fitted.posterior}
        if missing:
            raise ValueError(f"without {', '.join(sorted(missing))}")
        if digest(fitted.runs) != tree.attrs["runs_sha256"]:
            raise ValueError("other runs than those the fit was made from")
        for attribute, kind in ATTRIBUTES.items():
            if not isinstance(json.loads(tree.attrs[attribute]), kind):
                raise ValueError(f"{attribute} is no {kind.__name__}")
    # Text nested ten thousand deep ends in a RecursionError.
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError, LawError) as error:
        raise DataError(
            f"{path} is damaged ({type(error).__name__}: {error}); expected all that bayescale "
            "saved, as it was saved. Fit again and save it again."
        ) from error
    return fitted


def _find_likelihood(law: Law, name: str, given: Likelihood | None) -> Likelihood:
    """The given likelihood, or the law's own or the package's of that name."""
    own = {likelihood.name: likelihood for likelihood in law.likelihoods}
    try:
        return given or own.get(name) or likelihood_named(name)
    except LawError as error:
        raise DataError(
            f"the saved fit has likelihood {name!r}, which is none of bayescale's own; expected "
            "the one it was made with. Pass it to bayescale.load(path, likelihood=...)."
        ) from error


def _read_structure(
    tree: xr.DataTree, attrs: Mapping[Any, Any], law: Law, likelihood: Likelihood
) -> Structure:
    """The structure that attributes describe, those of a tree or of its stage."""
    by = attrs["by"] or None
    groups = tuple(map(str, tree["posterior"].to_dataset()[by].to_numpy())) if by else ()
    clusters = find_clusters(law, runs_of(tree), attrs["clusters"] or None, by)
    saved, stage = json.loads(attrs["priors"]), None
    if law.learned is not None and set(law.learned.priors) <= set(saved):
        law = law.learned
    own = {**law.priors, **likelihood.priors_for(law.inputs)}
    if set(saved) != set(own):
        raise DataError(
            f"the saved fit has parameters {sorted(saved)}; expected those of law {law.name!r}, "
            f"{sorted(own)}. Pass the law and likelihood it was made with to load()."
        )
    if law.stage is not None:
        staged = json.loads(attrs["stage"])
        chosen = _find_likelihood(law.stage, staged["likelihood"], None)
        stage = replace(
            _read_structure(tree, staged, law.stage, chosen), dim_prefix=law.stage.prefix
        )
    return Structure(
        law=law,
        likelihood=likelihood,
        priors=tuple((name, _read_prior(own[name], text)) for name, text in saved.items()),
        by=by,
        groups=groups,
        pool=tuple((name, Pool(kind)) for name, kind in json.loads(attrs["pool"]).items()),
        clusters=clusters,
        stage=stage,
    )


def _read_prior(own: Prior, saved: dict[str, Any]) -> Prior:
    """A prior with the saved numbers: the law's own, or the one that replaced it."""
    distribution = own.distribution
    if saved["distribution"] != distribution.name:
        if str(saved["distribution"]) not in DISTRIBUTIONS:
            raise DataError(
                f"the saved fit has a prior {saved['distribution']!r}; expected one of "
                f"{', '.join(DISTRIBUTIONS)}. Fit again and save it again, or find out who changed "
                "the file."
            )
        distribution = DISTRIBUTIONS[saved["distribution"]]
    return Prior(distribution, parts=own.parts, **saved["parameters"])
