"""What a model is made of, apart from numbers, and how its inputs are measured."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm

from bayescale.clusters import Clusters, clusters_of, tilt
from bayescale.errors import LawError
from bayescale.flops import Array
from bayescale.grouping import Pool, check_known, grouping_of, groups_of, pools_of
from bayescale.law import Law, Units
from bayescale.likelihood import Likelihood, LikelihoodFactory, default_likelihood
from bayescale.priors import Prior


@dataclass(frozen=True)
class Structure:
    """What a model is made of, apart from numbers: two tables with one structure share code.

    Parameters
    ----------
    law, likelihood
        The two records.
    priors : tuple of (str, Prior)
        Priors of law and likelihood by parameter, replacements made.
    by : str, optional
        Column that groups the runs.
    groups : tuple of str
        Its values, sorted.
    pool : tuple of (str, Pool)
        The parameters that are not shared.
    clusters : Clusters, optional
        Which runs err together.
    stage : Structure, optional
        The same of the law's stage.
    units : Units, optional
        What free parameters are measured in; by default those of the runs (`units_of`).
    within : str
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
    within: str = ""

    def part(self, name: str) -> str:
        """Dim of the parts of a quantity, in the model."""
        return f"{self.within}{name}_part"

    @property
    def prefix(self) -> str:
        """Stands before every name where this is the stage of another."""
        return self.law.prefix

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for structures whose compiled models are interchangeable."""
        forms = tuple((name, prior.form) for name, prior in self.priors)
        below = self.stage.key if self.stage else None
        own = (self.law, self.likelihood, forms, self.by, len(self.groups), self.pool, below)
        if self.clusters is None or self.integrable:
            return (*own, self.clusters is not None)
        return (*own, len(self.clusters.labels))

    @property
    def integrable(self) -> bool:
        """Whether the terms of clusters can be integrated out."""
        normal = self.likelihood.family.distribution is pm.Normal
        return self.clusters is not None and normal and self.likelihood.series is None

    @property
    def own_groups(self) -> bool:
        """Whether the groups are the law's own, so that it has coefficients of none as well."""
        return self.by is not None and self.by == self.law.by

    def grouped(self, name: str) -> str:
        """What a coefficient of each group is called, beside that of none in particular."""
        return f"{name}_{self.by}" if self.own_groups else name

    def pooling(self, name: str) -> Pool:
        """How parameter `name` behaves across groups."""
        return dict(self.pool).get(name, Pool.SHARED)


def structure(
    law: Law,
    likelihood: Likelihood,
    runs: pd.DataFrame,
    *,
    priors: Mapping[str, Prior] | None = None,
    by: str | None = None,
    pool: Mapping[str, str] | str | None = None,
    clusters: str | None = None,
) -> Structure:
    """Put the choices of a fit together, and check that they agree.

    Raises
    ------
    LawError
        If a prior or a pooling is given for a parameter that is not there.
    DataError
        If the runs cannot be grouped by that column.
    """
    by = grouping_of(law, by)
    together = clusters_of(law, runs, clusters, by)
    own = {**law.priors, **likelihood.priors, **(together.priors if together else {})}
    stage = None if law.stage is None else _staged(law.stage, runs, priors or {}, clusters, by)
    prefix = stage.prefix if stage else " "
    replaced = {name: x for name, x in (priors or {}).items() if not name.startswith(prefix)}
    check_known("priors", replaced, own)
    for name, prior in replaced.items():
        if prior.parts != own[name].parts:
            raise LawError(
                f"the prior given for {name!r} has parts {prior.parts}; expected "
                f"{own[name].parts}. Give it parts={own[name].parts!r}."
            )
    pools = pools_of(law, by, pool)
    groups = () if by is None else groups_of(law, likelihood, runs, by)
    table = tuple({**own, **replaced}.items())
    return Structure(law, likelihood, table, by, groups, tuple(pools.items()), together, stage)


def usual_likelihood(
    law: Law, runs: pd.DataFrame, clusters: str | None, by: str | None = None
) -> LikelihoodFactory:
    """The likelihood that is taken where none is chosen; `default_likelihood` of what is there."""
    together = clusters_of(law, runs, clusters, by)
    return default_likelihood(law, runs, clustered=together is not None)


def _staged(
    law: Law,
    runs: pd.DataFrame,
    priors: Mapping[str, Prior],
    clusters: str | None,
    by: str | None,
) -> Structure:
    """The structure of a stage, of the same groups; its priors are named with its prefix."""
    likelihood = usual_likelihood(law, runs, clusters, by)(law.inputs)
    named = {n: prior for n, prior in priors.items() if n.startswith(law.prefix)}
    own = {name.removeprefix(law.prefix): prior for name, prior in named.items()}
    made = structure(law, likelihood, runs, priors=own, by=by, clusters=clusters)
    return replace(made, within=law.prefix)


def units_for(made: Structure, runs: pd.DataFrame) -> Units:
    """What free parameters are measured in."""
    return made.units or units_of(made.law, runs)


def units_of(law: Law, runs: pd.DataFrame) -> Units:
    """Middle, spread and ends of the runs a law is fitted to."""
    columns = {name: runs[name].to_numpy() for name in (*law.inputs, law.response)}
    return Units(
        pivot={name: law.scale_of(name).middle(x) for name, x in columns.items()},
        spread={name: _spread(law.scale_of(name).measured(x)) for name, x in columns.items()},
        lowest={name: x.min() for name, x in columns.items()},
        highest={name: x.max() for name, x in columns.items()},
    )


def _spread(values: np.ndarray) -> Any:
    """Standard deviation; 1 where nothing varies, which then is at the middle everywhere."""
    # That of equal numbers is not always zero to the last digit.
    return values.std() if np.ptp(values) > 0 else 1.0


def tilt_of(
    made: Structure, runs: pd.DataFrame, points: pd.DataFrame | None = None
) -> np.ndarray | None:
    """Where each run, or point, stands along the direction in which clusters tilt, if they do."""
    if made.clusters is None or not made.clusters.tilted:
        return None
    known = standardised(made, runs, runs)
    there = None if points is None else standardised(made, runs, points)
    place: np.ndarray = tilt(made.clusters, known, made.clusters.index(runs), there)
    return place


def standardised(
    made: Structure, runs: pd.DataFrame, points: pd.DataFrame
) -> dict[str, np.ndarray]:
    """Standardised logarithm of each input of the points, in units of the runs."""
    columns = {name: points[name].to_numpy() for name in made.law.inputs}
    return design_of(made.law, columns, units_for(made, runs))


STEP = 1e-4
"""Step of the logarithm over which the slope of a law is taken."""


def slopes_of(
    law: Law, inputs: Mapping[str, Any], coefficients: Mapping[str, Any]
) -> dict[str, Any]:
    """How the response, on its scale, changes with the logarithm of each noisy input.

    By central differences, so that it runs on any kind of array; right to eight digits.
    """
    on = law.scale_of(law.response).forward
    found = {}
    for name in law.noisy:
        high, low = (
            on(law.formula(**{**inputs, name: inputs[name] * np.exp(step)}, **coefficients))
            for step in (STEP, -STEP)
        )
        found[f"slope_{name}"] = (high - low) / (2 * STEP)
    return found


def group_index(made: Structure, runs: pd.DataFrame) -> np.ndarray:
    """Position of each run's group among the groups."""
    return pd.Index(made.groups).get_indexer(pd.Index(runs[made.by].map(str)))


def observed_name(made: Structure) -> str:
    """What the observed variable is called: ``log_loss`` for a loss scattered on the log."""
    return made.likelihood.family.prefix + made.law.response


def observed_of(made: Structure, runs: pd.DataFrame) -> np.ndarray:
    """What is observed of each run: the response as the likelihood's family takes it."""
    family = made.likelihood.family
    values: np.ndarray = family.observed(runs[made.law.response].to_numpy())
    if family.trials is None:
        return values
    counts: np.ndarray = np.rint(values * further(made, runs, runs)[family.trials])
    return counts


def response_of(made: Structure, observed: Array, points: pd.DataFrame, runs: pd.DataFrame) -> Any:
    """The inverse: responses from what is observed of points, which stand last."""
    family = made.likelihood.family
    if family.trials is not None:
        observed = observed / further(made, points, runs)[family.trials]
    return family.response(observed)


def further(made: Structure, points: pd.DataFrame, runs: pd.DataFrame) -> dict[str, np.ndarray]:
    """Numbers of each point that the likelihood wants besides the law's."""
    return {name: np.asarray(f(points, runs)) for name, f in made.likelihood.columns.items()}


def coords_of(made: Structure) -> dict[str, Any]:
    """Coordinates of the groups, and of the parameters that have parts."""
    parted = {name: prior.parts for name, prior in made.priors if prior.parts} | made.law.parts
    parts = {made.part(name): list(names) for name, names in parted.items()}
    clusters = {"cluster": list(made.clusters.labels)} if made.clusters else {}
    groups = {made.by: list(made.groups)} if made.by else {}
    own = {**groups, **clusters, **parts}
    below = coords_of(made.stage) if made.stage else {}
    for name in below.keys() & own.keys():
        if below[name] != own[name]:
            raise LawError(
                f"{name} is {own[name]} in law {made.law.name!r} and {below[name]} in its stage; "
                "expected one meaning of a name. Rename one of them."
            )
    return {**below, **own}


def design_of(law: Law, columns: Mapping[str, Array], units: Units) -> dict[str, Array]:
    """Standardised logarithm of each input, or the plain value of one that is not positive."""
    measured = {name: law.scale_of(name).measured for name in law.inputs}
    return {
        name: (on(columns[name]) - on(units.pivot[name])) / units.spread[name]
        for name, on in measured.items()
    }
