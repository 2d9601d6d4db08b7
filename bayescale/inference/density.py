"""The log density of a model in numpy, at many points at once.

It is that of the PyMC model (`bayescale.inference.model`), from the law's own formula and the
likelihood's own scatter. Nothing is compiled, and a batch of points costs little more than the
arithmetic.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bayescale.inference.coordinates import blocks_of, values_and_log_prior
from bayescale.inference.groups import Pool
from bayescale.inference.structure import (
    Structure,
    group_index,
    likelihood_columns,
    observed_values,
)
from bayescale.inference.units import design_of, slopes_of, units_for
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

    @classmethod
    def of(cls, structure: Structure, runs: pd.DataFrame) -> "_Data":
        """Take it from the runs."""
        law, likelihood = structure.law, structure.likelihood
        units = units_for(structure, runs)
        inputs = {name: runs[name].to_numpy() for name in law.inputs}
        design = design_of(law, inputs, units) | likelihood_columns(structure, runs, runs)
        return cls(
            inputs=inputs,
            observed=observed_values(structure, runs),
            design=design,
            units=units,
            group=None if structure.by is None else group_index(structure, runs),
            links={} if likelihood.series is None else likelihood.series.links(runs),
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
                log_density[batch] = prior + self._log_likelihood(self.structure, "", values)
        return np.where(np.isfinite(log_density), log_density, -np.inf)

    def expected(self, values: Mapping[str, Array]) -> Array:
        """Return the response that the law expects of each run.

        Parameters
        ----------
        values : mapping of str to (point, ...) array
            Of all parameters, from `bayescale.inference.coordinates.values_and_log_prior`.

        Returns
        -------
        (point, run) array
        """
        data = self._data[""]
        _, coefficients = self._coefficients(self.structure, "", values)
        by_run = {name: _at_runs(data.group, x) for name, x in coefficients.items()}
        return np.asarray(self.structure.law.formula(**data.inputs, **by_run))

    def _coefficients(
        self, structure: Structure, prefix: str, values: Mapping[str, Array]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Parameters of a law and its likelihood, and the coefficients that follow from them."""
        staged = {}
        if structure.stage is not None:
            staged = self._coefficients(structure.stage, structure.stage.prefix, values)[1]
        free = {
            name: _columns(values[f"{prefix}{name}"], len(prior.parts), structure.pooling(name))
            for name, prior in structure.priors
        }
        units = self._data[prefix].units
        return free, call(structure.law.coefficients, {**staged, **free}, units=units)

    def _log_likelihood(
        self, structure: Structure, prefix: str, values: Mapping[str, Array]
    ) -> Array:
        """Log likelihood of a law and its stage at points."""
        law, likelihood, data = structure.law, structure.likelihood, self._data[prefix]
        total: Any = 0.0
        if structure.stage is not None:
            total = self._log_likelihood(structure.stage, structure.stage.prefix, values)
        free, coefficients = self._coefficients(structure, prefix, values)
        by_run = {name: _at_runs(data.group, x) for name, x in coefficients.items()}
        expected = law.formula(**data.inputs, **by_run)
        design = {**data.design, **slopes_of(law, data.inputs, by_run)}
        noise = {name: free[name] for name in structure.noise}
        parameters = likelihood.scattered(law.inputs, expected, design, noise)
        if likelihood.series is not None:
            mu, rho = parameters["mu"], parameters["rho"]
            sigma = np.broadcast_to(parameters["sigma"], mu.shape)
            parameters = conditional(
                mu, sigma, rho, data.observed, data.links, lambda array, rows: array[..., rows]
            )
        own = likelihood.family.density_of(data.observed, parameters).sum(axis=-1)
        return np.asarray(total + own)


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
