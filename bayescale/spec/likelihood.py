"""A likelihood is a distribution of responses about a law: a function and a table of priors."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import numpy as np
import pandas as pd

from bayescale.errors import DataError
from bayescale.priors import Prior
from bayescale.spec.columns import read_numbers
from bayescale.spec.functions import Array, call
from bayescale.spec.series import Series


@dataclass(frozen=True, kw_only=True)
class Family:
    """A distribution of responses, in a PyMC model and for draws of its parameters.

    Parameters
    ----------
    distribution : str
        Name in PyMC of the distribution of the observed variable.
    frozen : callable
        The frozen scipy distribution, from the same parameters.
    observed : callable
        From the response to the observed variable, such as its logarithm.
    response : callable
        The inverse of `observed`.
    prefix : str
        Precedes the name of the response in the name of the observed variable.
    trials : str, optional
        Column of the likelihood with the number of trials, where the response is a proportion of
        them. The observed variable is then the number of successes, and the distribution is one of
        whole numbers.
    log_density : callable, optional
        ``log_density(observed, **parameters)`` gives the log density of each observation, where it
        has a short form. Otherwise it is scipy's, which checks every number at several times the
        cost.
    """

    distribution: str
    frozen: Callable[..., Any]
    observed: Callable[[Array], Array]
    response: Callable[[Array], Array]
    prefix: str
    trials: str | None = None
    log_density: Callable[..., Array] | None = None

    def density_of(self, observed: Array, parameters: Mapping[str, Array]) -> Array:
        """Return the log density of observations, or the log probability of counts.

        Parameters
        ----------
        observed : (..., run) array
            Observed values.
        parameters : mapping of str to array
            Parameters of the distribution by name.

        Returns
        -------
        (..., run) array
            Of each observation.
        """
        if self.log_density is not None:
            return self.log_density(observed, **parameters)
        frozen = self.frozen(**parameters)
        return frozen.logpdf(observed) if self.trials is None else frozen.logpmf(observed)


@dataclass(frozen=True, kw_only=True)
class Likelihood:
    """How runs scatter about a law: a distribution, a function and a table of priors.

    Parameters
    ----------
    name : str
        Identifier, also on the shell and in saved files.
    title : str
        One line that says what it is.
    family : Family
        The distribution.
    priors : mapping of str to Prior, or callable
        The noise parameters; or a function from the law's inputs to them, where their parts depend
        on the inputs.
    scatter : callable
        ``scatter(expected, design, ..., **noise)`` gives the family's parameters for each run, by
        name. `design` maps each input to its standardised logarithm, and each of `columns` to its
        values. It may take `inputs`, the names of the law's inputs. With a series it also gives
        ``rho``, the correlation of neighbours.
    columns : mapping of str to callable
        Further values of each row: functions of a table and of the runs, which give the defaults
        where the table lacks a column (`column`).
    series : Series, optional
        Which rows follow one another, where their errors are correlated.
    derived : mapping of str to callable
        Further quantities to report, as functions of noise parameters by name.

    Notes
    -----
    A likelihood is equal to itself and to its pickled copies, by a hidden token, as a `Law` is.
    """

    name: str
    title: str
    family: Family
    priors: Mapping[str, Prior] | Callable[[tuple[str, ...]], Mapping[str, Prior]]
    scatter: Callable[..., dict[str, Array]]
    columns: Mapping[str, Callable[[pd.DataFrame, pd.DataFrame], Array]] = field(
        default_factory=dict
    )
    series: Series | None = None
    derived: Mapping[str, Callable[..., Array]] = field(default_factory=dict)
    _token: str = field(default_factory=lambda: uuid4().hex, init=False, repr=False)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Likelihood) and self._token == other._token

    def __hash__(self) -> int:
        return hash(self._token)

    @property
    def columns_needed(self) -> set[str]:
        """Columns that a table needs to have."""
        series = {self.series.by, self.series.order} if self.series else set()
        return {*self.columns, *series}

    def priors_for(self, inputs: tuple[str, ...]) -> Mapping[str, Prior]:
        """Return the noise parameters for a law.

        Parameters
        ----------
        inputs : tuple of str
            Names of the law's inputs.

        Returns
        -------
        mapping of str to Prior
            Their priors by name.
        """
        return self.priors(inputs) if callable(self.priors) else self.priors

    def scattered(
        self,
        inputs: tuple[str, ...],
        expected: Array,
        design: Mapping[str, Array],
        noise: Mapping[str, Array],
    ) -> dict[str, Array]:
        """Return the family's parameters for each run.

        Parameters
        ----------
        inputs : tuple of str
            Names of the law's inputs.
        expected : (run,) array
            Expected response.
        design : mapping of str to (run,) array
            Standardised inputs and further columns.
        noise : mapping of str to array
            The noise parameters.

        Returns
        -------
        dict of str to array
            Parameters of `Family.distribution` and `Family.frozen` by name; and ``rho``, the
            correlation of neighbours, with a series.
        """
        values = {"inputs": inputs, "expected": expected, "design": design, **noise}
        parameters: dict[str, Array] = call(self.scatter, values)
        return parameters


def column(name: str) -> Callable[[pd.DataFrame, pd.DataFrame], Array]:
    """Return a function that reads positive numbers from a column.

    Points without the column get the median of the runs.

    Parameters
    ----------
    name : str
        The column.

    Returns
    -------
    callable
        For an entry of `Likelihood.columns`.
    """

    def values(table: pd.DataFrame, runs: pd.DataFrame) -> Array:
        if name not in runs:
            raise DataError(
                f"the table has no column {name!r}, which this likelihood needs; expected a "
                "number above zero in every row. Add it, or choose another likelihood."
            )
        if name not in table:
            return np.full(len(table), np.median(read_numbers(runs[name], name, "the table")))
        return read_numbers(table[name], name, "the table").to_numpy()

    return values
