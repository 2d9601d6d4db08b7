"""The parts of a law: its units, and how it treats groups, optima, drift and clusters.

Each record checks itself when it is created.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from bayescale.errors import LawError
from bayescale.priors import Prior
from bayescale.spec.functions import Array

AUTO = "auto"
"""Look for clusters among the compute budgets (`bayescale.inference.clusters`)."""


@dataclass(frozen=True)
class Units:
    """The units of free parameters: the middle, the spread and the ends of the runs.

    Parameters
    ----------
    pivot : mapping of str to array
        Geometric mean of each input and of the response; the plain mean of a column that is not
        positive (`bayescale.spec.columns`).
    spread : mapping of str to array
        Standard deviation of the logarithm, or of the plain values, of each column.
    lowest, highest : mapping of str to array
        Smallest and largest value of each column.
    """

    pivot: Mapping[str, Array]
    spread: Mapping[str, Array]
    lowest: Mapping[str, Array] = field(default_factory=dict)
    highest: Mapping[str, Array] = field(default_factory=dict)


UNITS = tuple(unit.name for unit in fields(Units))
"""Names of the units of a column."""


@dataclass(frozen=True, kw_only=True)
class Groups:
    """Groups of runs that belong to a law, and how its parameters behave across groups.

    Parameters
    ----------
    by : str, optional
        Column that groups the runs of this law in any table.
    pool : mapping of str to str, optional
        ``"shared"``, ``"separate"`` or ``"partial"`` for each free parameter; partial where it has
        no entry.
    between : mapping of str to Prior, optional
        Prior of the standard deviation between groups of a partially pooled parameter, on the scale
        on which PyMC samples it; `bayescale.inference.groups.BETWEEN` by default. With many runs
        in each group, a prior that stays away from zero is sampled better.
    """

    by: str | None = None
    pool: Mapping[str, str] = field(default_factory=dict)
    between: Mapping[str, Prior] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Optimum:
    """How a law splits compute between params and tokens.

    Parameters
    ----------
    params : callable, optional
        ``params(product, ...)`` gives the params that minimise the response at a fixed product of
        params and tokens, as a function of coefficients and extra inputs by name. Without it the
        optimum is found by a search.
    also : mapping of str to callable, optional
        Further quantities at an optimum, such as epochs: functions of params, tokens, flops, extra
        inputs and coefficients there, by name.
    """

    params: Callable[..., Array] | None = None
    also: Mapping[str, Callable[..., Any]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Drift:
    """How wrong a law becomes beyond its runs.

    Parameters
    ----------
    ratio : Prior, optional
        Prior of tau, the standard deviation of the response on its scale per decade of size beyond
        the runs, over the usual distance of a run from the law (`bayescale.posterior.drift`). By
        default a prior for laws in general.
    tau : Prior, optional
        Prior of tau itself, in place of `ratio`.
    split_tau : Prior, optional
        Prior of the same standard deviation for the logarithm of the optimal params.
    source : str
        Where the prior comes from, to follow "it was": ``"learned from ..."``, ``"assumed"``.
        Required with `ratio` or `tau`.
    size : callable, optional
        How large a run is, as a function of inputs by name. By default 6 N D, or the product of the
        inputs where they are others.

    Raises
    ------
    LawError
        If both `ratio` and `tau` are given, or one without a source, or a source without one.
    """

    ratio: Prior | None = None
    tau: Prior | None = None
    split_tau: Prior | None = None
    source: str = ""
    size: Callable[..., Array] | None = None

    def __post_init__(self) -> None:
        given = [prior for prior in (self.ratio, self.tau) if prior is not None]
        if len(given) > 1 or bool(self.source) != bool(given):
            raise LawError(
                f"drift has ratio {self.ratio}, tau {self.tau} and source {self.source!r}; "
                "expected one prior with its source, or none of them. Write where the prior comes "
                "from, or leave both out."
            )


@dataclass(frozen=True, kw_only=True)
class Clustering:
    """Which runs err together, and are drawn together by resampling.

    Parameters
    ----------
    by : str, optional
        Column that names the cluster of each run; ``"auto"`` looks for compute budgets. None for no
        clusters.
    """

    by: str | None = AUTO
