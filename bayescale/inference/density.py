"""The log density of a model in numpy, at many points at once.

It is that of the PyMC model (`bayescale.inference.model`), the terms of clusters integrated out,
from the law's own formula and the likelihood's own scatter. Nothing is compiled, and a batch of
points costs little more than the arithmetic.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bayescale.inference.coordinates import blocks_of, values_and_log_prior
from bayescale.inference.groups import Pool
from bayescale.inference.marginal import log_marginal_batch
from bayescale.inference.structure import (
    Structure,
    group_index,
    likelihood_columns,
    observed_values,
)
from bayescale.inference.units import design_of, slopes_of, tilt_of, units_for
from bayescale.spec.functions import Array, call
from bayescale.spec.law import Units
from bayescale.spec.series import conditional

BATCH = 32_768
"""Points times runs that are computed at once: such arrays stay in the processor's cache."""


@dataclass(frozen=True, eq=False)
class _Data:
    """What a law, without its stage, needs of the runs."""

    inputs: Mapping[str, Array]
    observed: Array
    design: Mapping[str, Array]
    units: Units
    group: Array | None
    links: Mapping[str, Array]
    cluster: Array | None
    place: Array | None
    begins: Array
    clustered: int

    @classmethod
    def of(cls, structure: Structure, runs: pd.DataFrame) -> "_Data":
        """Take it from the runs."""
        law, likelihood, clusters = structure.law, structure.likelihood, structure.clusters
        units, place = units_for(structure, runs), tilt_of(structure, runs)
        order, begins = np.arange(len(runs)), np.zeros(0, dtype=int)
        index = None if clusters is None else clusters.index(runs)
        if index is not None and structure.integrable:
            # The runs of a cluster follow one another; those in none come last.
            order = np.argsort(np.where(index < 0, len(runs), index), kind="stable")
            index = index[order]
            begins = np.flatnonzero(np.diff(index[index >= 0], prepend=-1))
        table = runs.iloc[order]
        inputs = {name: table[name].to_numpy() for name in law.inputs}
        design = design_of(law, inputs, units) | likelihood_columns(structure, table, runs)
        return cls(
            inputs=inputs,
            observed=observed_values(structure, runs)[order],
            design=design,
            units=units,
            group=None if structure.by is None else group_index(structure, table),
            links={} if likelihood.series is None else likelihood.series.links(runs),
            cluster=index,
            place=None if place is None else place[order],
            begins=begins,
            clustered=0 if index is None else int(np.count_nonzero(index >= 0)),
        )


class Density:
    """Log density of a structure on a table of runs, as a function of points.

    Parameters
    ----------
    structure : Structure
        From `bayescale.inference.structure.build_structure`.
    runs : DataFrame
        Validated runs.
    """

    def __init__(self, structure: Structure, runs: pd.DataFrame) -> None:
        self.structure = structure
        self._data = {}
        part: Structure | None = structure
        while part is not None:
            self._data[part.prefix if part is not structure else ""] = _Data.of(part, runs)
            part = part.stage
        self._blocks = tuple(blocks_of(structure))
        self._batch = max(BATCH // len(runs), 1)

    def __call__(self, points: Array) -> Array:
        """Return the log density at points.

        Parameters
        ----------
        points : (point, coordinate) array
            On the scale on which the parameters are sampled.

        Returns
        -------
        (point,) array
            Minus infinity where it is not defined.
        """
        log_density = np.empty(len(points))
        with np.errstate(all="ignore"):  # far out a formula may overflow
            for begin in range(0, len(points), self._batch):
                batch = slice(begin, begin + self._batch)
                values, _, prior = values_and_log_prior(self.structure, points[batch], self._blocks)
                log_density[batch] = prior + self._log_likelihood(self.structure, "", values)[0]
        return np.where(np.isfinite(log_density), log_density, -np.inf)

    def _log_likelihood(
        self, structure: Structure, prefix: str, values: Mapping[str, Array]
    ) -> tuple[Array, dict[str, Any]]:
        """Log likelihood of a law and its stage at points, and the law's coefficients."""
        law, likelihood, data = structure.law, structure.likelihood, self._data[prefix]
        total, staged = 0.0, dict[str, Any]()
        if structure.stage is not None:
            total, staged = self._log_likelihood(structure.stage, structure.stage.prefix, values)
        free = {
            name: _columns(values[f"{prefix}{name}"], len(prior.parts), structure.pooling(name))
            for name, prior in structure.priors
        }
        coefficients = call(law.coefficients, {**staged, **free}, units=data.units)
        by_run = {name: _at_runs(data.group, x) for name, x in coefficients.items()}
        expected = law.formula(**data.inputs, **by_run)
        design = {**data.design, **slopes_of(law, data.inputs, by_run)}
        noise = {name: free[name] for name in structure.noise}
        if structure.clusters is not None and not structure.integrable:
            shift: Any = 0.0
            for term in structure.clusters.terms:
                effect = free[f"{term}_sd"] * values[f"{prefix}{term}_z"]
                own = np.pad(effect, [(0, 0), (0, 1)])[:, data.cluster]  # at -1 in no cluster
                shift = shift + (own * data.place if term == "tilt" else own)
            expected = law.kind_of(law.response).shifted(expected, shift)
        parameters = likelihood.scattered(law.inputs, expected, design, noise)
        if likelihood.series is not None:
            mu, rho = parameters["mu"], parameters["rho"]
            sigma = np.broadcast_to(parameters["sigma"], mu.shape)
            parameters = conditional(
                mu, sigma, rho, data.observed, data.links, lambda array, rows: array[..., rows]
            )
        if structure.integrable:
            own = log_marginal_batch(
                data.observed - parameters["mu"],
                parameters["sigma"],
                data.begins,
                data.clustered,
                data.place,
                free["offset_sd"],
                free.get("tilt_sd", 0.0),
            )
        else:
            own = likelihood.family.density_of(data.observed, parameters).sum(axis=-1)
        return np.asarray(total + own), coefficients


def _columns(values: Array, parts: int, pooling: Pool) -> Any:
    """A parameter as coefficients take it: (point, 1), or (point, group); a tuple of its parts."""
    if parts:
        return tuple(_columns(values[..., k], 0, pooling) for k in range(parts))
    return values[:, None] if pooling is Pool.SHARED else values


def _at_runs(group: Array | None, value: Any) -> Any:
    """A coefficient at each run: the value of its group."""
    if isinstance(value, tuple):
        return tuple(_at_runs(group, part) for part in value)
    return value[:, group] if group is not None and np.shape(value)[-1:] > (1,) else value
