"""The structure of a model: everything about it except its numbers.

Two tables of runs with one structure share compiled code.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from bayescale.errors import DataError, LawError
from bayescale.inference.clusters import Clusters, find_clusters
from bayescale.inference.groups import Pool, check_known, group_column, group_labels, pools_of
from bayescale.likelihoods import STUDENT_T, VARIANCE_FUNCTION
from bayescale.priors import Prior, as_prior
from bayescale.spec.functions import Array
from bayescale.spec.law import AUTO, Law, Units
from bayescale.spec.likelihood import Likelihood


def own_likelihood(law: Law, runs: pd.DataFrame) -> Likelihood | None:
    """First of the law's own likelihoods whose columns the runs have; the last if there is none.

    None for a law without likelihoods of its own.
    """
    if not law.likelihoods:
        return None
    usable = (choice for choice in law.likelihoods if choice.columns_needed <= set(runs))
    return next(usable, law.likelihoods[-1])


def default_likelihood(law: Law, runs: pd.DataFrame) -> Likelihood:
    """Likelihood of a law's own, or else one that the number of runs allows.

    A variance function; or one scale, where there are fewer than two runs for every number of the
    model, counting all parts of the parameters of law and likelihood.

    Parameters
    ----------
    law : Law
        The law.
    runs : DataFrame
        Validated runs.
    """
    own = own_likelihood(law, runs)
    if own is not None:
        return own
    priors = [*law.priors.values(), *VARIANCE_FUNCTION.priors_for(law.inputs).values()]
    numbers = sum(max(len(prior.parts), 1) for prior in priors)
    return VARIANCE_FUNCTION if len(runs) >= 2 * numbers else STUDENT_T


def with_learned_priors(law: Law, name: str) -> Law:
    """The law with priors of that name.

    Parameters
    ----------
    law : Law
        The law.
    name : str
        ``"field"`` for those that were learned from public studies.

    Raises
    ------
    LawError
        If there are none of that name, or none for this law.
    """
    if name != "field":
        raise LawError(
            f"priors are {name!r}; expected 'field', or a mapping of parameters to priors. "
            "Correct the spelling."
        )
    if law.learned is None:
        raise LawError(
            f"law {law.name!r} has no priors learned from public studies; expected a law that has, "
            "such as 'coupled'. Leave priors out, or choose that law."
        )
    return law.learned


@dataclass(frozen=True)
class Structure:
    """Everything about a model except its numbers.

    Parameters
    ----------
    law : Law
        The law.
    likelihood : Likelihood
        How runs scatter about it.
    priors : tuple of (str, Prior)
        Priors of law and likelihood by parameter, with replacements.
    by : str, optional
        Column that groups the runs.
    groups : tuple of str
        Its values, sorted.
    pool : tuple of (str, Pool)
        The parameters that are not shared between groups.
    clusters : Clusters, optional
        Which runs err together. The model does not know of them: they are what resampling draws.
    stage : Structure, optional
        The structure of the law's stage.
    units : Units, optional
        The units of free parameters; by default those of the runs
        (`bayescale.inference.units.units_of`).
    dim_prefix : str
        Prefix of its dims in the model, where it is a stage.
    """

    law: Law
    likelihood: Likelihood
    priors: tuple[tuple[str, Prior], ...]
    by: str | None = None
    groups: tuple[str, ...] = ()
    pool: tuple[tuple[str, Pool], ...] = ()
    clusters: Clusters | None = None
    stage: "Structure | None" = None
    units: Units | None = None
    dim_prefix: str = ""

    def part(self, name: str) -> str:
        """Dim of the parts of a quantity, in the model."""
        return f"{self.dim_prefix}{name}_part"

    @cached_property
    def noise(self) -> tuple[str, ...]:
        """Names of the likelihood's parameters."""
        return tuple(self.likelihood.priors_for(self.law.inputs))

    @property
    def prefix(self) -> str:
        """Prefix of its names where it is the stage of another."""
        return self.law.prefix

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for structures whose compiled models are interchangeable."""
        forms = tuple((name, prior.form) for name, prior in self.priors)
        staged = self.stage.key if self.stage else None
        return (self.law, self.likelihood, forms, self.by, len(self.groups), self.pool, staged)

    @property
    def own_groups(self) -> bool:
        """Whether the groups belong to the law, which then also has coefficients of no group."""
        return self.by is not None and self.by == self.law.groups.by

    def grouped(self, name: str) -> str:
        """Name of a coefficient that has a value for each group."""
        return f"{name}_{self.by}" if self.own_groups else name

    def pooling(self, name: str) -> Pool:
        """How a parameter behaves across groups."""
        return dict(self.pool).get(name, Pool.SHARED)


def build_structure(
    law: Law,
    runs: pd.DataFrame,
    likelihood: Likelihood | None = None,
    *,
    priors: Mapping[str, Any] | None = None,
    groups: str | None = None,
    pool: Mapping[str, str] | str | None = None,
    clusters: str | None = AUTO,
) -> Structure:
    """Structure of a model: open choices get their defaults, and all choices have to agree.

    Parameters
    ----------
    law : Law
        The law.
    runs : DataFrame
        Validated runs (`bayescale.runs.read`).
    likelihood : Likelihood, optional
        How runs scatter. By default `default_likelihood` chooses.
    priors : mapping of str to prior, optional
        Replacements for priors of free or noise parameters, by name; those of a stage with its
        prefix. Whatever `bayescale.priors.as_prior` takes.
    groups : str, optional
        Column that groups the runs.
    pool : mapping of str to str, or str, optional
        How parameters behave across groups.
    clusters : str, optional
        Column of runs that err together; ``"auto"`` for the choice of the law, None for none.

    Returns
    -------
    Structure

    Raises
    ------
    LawError
        If a prior or a pooling is given for a parameter that is not there.
    DataError
        If the runs cannot be grouped or clustered by that column.
    """
    by = group_column(law, groups)
    chosen = likelihood or default_likelihood(law, runs)
    own = {**law.priors, **chosen.priors_for(law.inputs)}
    given, stage = dict(priors or {}), None
    if law.stage is not None:
        prefix = law.stage.prefix
        staged = {n.removeprefix(prefix): given.pop(n) for n in [*given] if n.startswith(prefix)}
        stage = replace(
            build_structure(law.stage, runs, priors=staged, groups=by, clusters=clusters),
            dim_prefix=prefix,
        )
    check_known("priors", given, own)
    given = {name: as_prior(prior, own[name].parts) for name, prior in given.items()}
    for name, prior in given.items():
        if prior.parts != own[name].parts:
            raise LawError(
                f"the prior given for {name!r} has parts {prior.parts}; expected "
                f"{own[name].parts}. Give it parts={own[name].parts!r}."
            )
    return Structure(
        law=law,
        likelihood=chosen,
        priors=tuple({**own, **given}.items()),
        by=by,
        groups=() if by is None else group_labels(law, chosen, runs, by),
        pool=tuple(pools_of(law, by, pool).items()),
        clusters=find_clusters(law, runs, clusters, by),
        stage=stage,
    )


def group_index(structure: Structure, runs: pd.DataFrame) -> np.ndarray:
    """Position of each run's group among the groups.

    Raises
    ------
    DataError
        If a run is of no group of the model.
    """
    names = pd.Index(runs[structure.by].map(str))
    index = pd.Index(structure.groups).get_indexer(names)
    if (index < 0).any():  # or it would stand for the last group
        unknown = sorted({*names[index < 0]})
        raise DataError(
            f"{structure.by} is {', '.join(map(repr, unknown[:5]))} in row {index.argmin() + 1}; "
            f"expected one of the fitted groups {', '.join(map(repr, structure.groups[:12]))}. "
            "Correct the label, or fit again with that group."
        )
    return index


def observed_name(structure: Structure) -> str:
    """Name of the observed variable, such as ``log_loss`` for a loss that scatters on the log."""
    return structure.likelihood.family.prefix + structure.law.response


def observed_values(structure: Structure, runs: pd.DataFrame) -> np.ndarray:
    """Observed values of runs: the response on the scale of the likelihood's family."""
    family = structure.likelihood.family
    values: np.ndarray = family.observed(runs[structure.law.response].to_numpy())
    if family.trials is None:
        return values
    counts: np.ndarray = np.rint(values * likelihood_columns(structure, runs, runs)[family.trials])
    return counts


def response_from_observed(
    structure: Structure, observed: Array, points: pd.DataFrame, runs: pd.DataFrame
) -> Any:
    """Responses of points from their observed values.

    Parameters
    ----------
    structure : Structure
        The model.
    observed : (..., point) array
        Values on the scale of the likelihood's family.
    points, runs : DataFrame
        The points, and the fitted runs, from which missing columns get their defaults.

    Returns
    -------
    (..., point) array
    """
    family = structure.likelihood.family
    if family.trials is not None:
        observed = observed / likelihood_columns(structure, points, runs)[family.trials]
    # Heavy tails on the logarithm reach beyond the largest number: that is an infinite response.
    with np.errstate(over="ignore"):
        return family.response(observed)


def likelihood_columns(
    structure: Structure, points: pd.DataFrame, runs: pd.DataFrame
) -> dict[str, np.ndarray]:
    """Values of the points in the further columns of the likelihood."""
    return {name: np.asarray(f(points, runs)) for name, f in structure.likelihood.columns.items()}


def coords_of(structure: Structure) -> dict[str, Any]:
    """Coordinates of the groups, and of the parameters that have parts."""
    parted = {
        name: prior.parts for name, prior in structure.priors if prior.parts
    } | structure.law.parts
    parts = {structure.part(name): list(names) for name, names in parted.items()}
    groups = {structure.by: list(structure.groups)} if structure.by else {}
    own = {**groups, **parts}
    staged = coords_of(structure.stage) if structure.stage else {}
    for name in staged.keys() & own.keys():
        if staged[name] != own[name]:
            raise LawError(
                f"{name} is {own[name]} in law {structure.law.name!r} and {staged[name]} in its "
                "stage; expected one meaning of a name. Rename one of them."
            )
    return {**staged, **own}
