"""A law is a formula and a table of priors.

There are two kinds of parameter. *Coefficients* are what papers print (``E, A, alpha``): the
formula takes them, in raw units. *Free parameters* are what is sampled: they have no unit and are
nearly uncorrelated, so that one default prior suits any unit of loss and any range of runs.
``coefficients(units, **free)`` turns free parameters into coefficients.

Formula, coefficients and derived quantities are plain functions of arrays, written once in
arithmetic and ``np.exp``, ``np.log`` and the like, so that they run on numpy, xarray and PyTensor.
A parameter with several parts (such as a simplex of shares) reaches them as a tuple of arrays.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from uuid import uuid4

from bayescale.priors import Prior
from bayescale.spec.claim import AT_BUDGET, Claim
from bayescale.spec.columns import POSITIVE, Column, ColumnKind
from bayescale.spec.functions import Array, arguments, call
from bayescale.spec.law_checks import check_formula, check_parts, check_same, check_within
from bayescale.spec.law_parts import AUTO, UNITS, Clustering, Drift, Groups, Optimum, Units
from bayescale.spec.likelihood import Likelihood

__all__ = ["AUTO", "UNITS", "Clustering", "Drift", "Groups", "Law", "Optimum", "Units"]


@dataclass(frozen=True, kw_only=True)
class Law:
    """A scaling law.

    Parameters
    ----------
    name : str
        Identifier, also on the shell.
    title : str
        One line that says what it is.
    formula : callable
        ``formula(*inputs, *coefficients)`` gives the expected response.
    inputs : tuple of str
        Columns of the table of runs, in the order of the formula.
    priors : mapping of str to Prior
        The free parameters.
    coefficients : callable
        ``coefficients(units, **free)`` gives the formula's coefficients as a dictionary; one with
        several parts is a tuple of arrays.
    reference : str
        Paper and equation.
    response : str
        Column that the formula describes.
    columns : mapping of str to Column, optional
        What inputs, the response and further columns may hold, where they are not positive, and
        how they are computed where the table does not have them.
    derived : mapping of str to callable, optional
        Further quantities as functions of coefficients by name.
    optimum : Optimum, optional
        How the law splits compute between params and tokens.
    drift : Drift, optional
        How wrong the law becomes beyond its runs.
    likelihoods : sequence of Likelihood, optional
        How runs scatter: the first whose columns the table has. By default a variance function.
    groups : Groups, optional
        Groups of runs that belong to the law.
    clusters : Clustering, optional
        Which runs err together.
    stage : Law, optional
        The law whose response is an input, in the same model; `coefficients` may take its own.
    claims : tuple of Claim
        What was published about the law.
    learned, plain : Law, optional
        The same law with priors learned from public studies, and from there the one without them.
    domain : mapping of str to (float, float)
        Range of each input over which those who proposed the law measured it.

    Raises
    ------
    LawError
        If the pieces do not fit; the message names what is missing on which side.
    """

    name: str
    title: str
    formula: Callable[..., Array]
    inputs: tuple[str, ...]
    priors: Mapping[str, Prior]
    coefficients: Callable[..., dict[str, Any]]
    reference: str
    response: str = "loss"
    columns: Mapping[str, Column] = field(default_factory=dict)
    derived: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    optimum: Optimum = field(default_factory=Optimum)
    drift: Drift = field(default_factory=Drift)
    likelihoods: tuple[Likelihood, ...] = ()
    groups: Groups = field(default_factory=Groups)
    clusters: Clustering = field(default_factory=Clustering)
    stage: "Law | None" = None
    claims: tuple[Claim, ...] = ()
    learned: "Law | None" = None
    plain: "Law | None" = None
    domain: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    # A law is equal to itself and to its pickled copies, so that another process compiles it once.
    _token: str = field(default_factory=lambda: uuid4().hex, init=False, repr=False)

    def __post_init__(self) -> None:
        check_formula(self.name, arguments(self.formula), self.inputs)
        staged = set(self.stage.coefficient_names) - set(self.priors) if self.stage else set()
        takes = set(arguments(self.coefficients)) - {"units"} - staged
        known, inputs, priors = set(self.coefficient_names), set(self.inputs), set(self.priors)
        check_same(self.name, "coefficients() takes", takes, "priors are given for", priors)
        check_same(self.name, "coefficients() gives", {*self.example}, "the formula takes", known)
        for name, function in self.derived.items():
            check_within(self.name, f"derived {name!r} takes", {*arguments(function)}, known)
        check_parts(self.name, self.optimum, self.drift, self.groups, known, inputs, priors)
        check_within(self.name, "noisy columns are", self.noisy_inputs, inputs)
        check_within(self.name, "known columns are", self.known_inputs, inputs)
        response = {self.stage.response} if self.stage else set()
        check_within(self.name, "the response of its stage is", response, inputs)
        claimable, extra = {*self.quantity_labels, *AT_BUDGET}, set(self.extra_inputs)
        for claim in self.claims:
            check_within(self.name, f"claim {claim.label!r} names", claim.names, claimable)
            check_within(self.name, f"claim {claim.label!r} is made at", claim.at, extra)
        check_within(self.name, "domain names", self.domain, inputs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Law) and self._token == other._token

    def __hash__(self) -> int:
        return hash(self._token)

    def __repr__(self) -> str:
        return f"Law({self.name!r}: {self.title})"

    @property
    def coefficient_names(self) -> tuple[str, ...]:
        """The coefficients, in the order of the formula."""
        return arguments(self.formula)[len(self.inputs) :]

    @cached_property
    def example(self) -> dict[str, Any]:
        """Coefficients at arbitrary free parameters, to see names and parts."""
        dummies = {name: (0.5,) * len(x.parts) or 0.5 for name, x in self.priors.items()}
        ones, twos = (dict.fromkeys((*self.inputs, self.response), value) for value in (1.0, 2.0))
        staged = self.stage.example if self.stage else {}
        units = Units(ones, ones, ones, twos)
        values: dict[str, Any] = call(self.coefficients, {**staged, **dummies}, units=units)
        return values

    @cached_property
    def parts(self) -> dict[str, tuple[str, ...]]:
        """Names of the parts of each coefficient and derived quantity that has several."""
        named = {}
        for name, value in {**self.example, **self.derive(self.example)}.items():
            if isinstance(value, tuple):
                own = self.priors[name].parts if name in self.priors else ()
                numbered = tuple(str(k + 1) for k in range(len(value)))
                named[name] = own if len(own) == len(value) else numbered
        return named

    @cached_property
    def coefficient_labels(self) -> tuple[str, ...]:
        """Every single number among the coefficients, as a summary labels it: ``c[1]`` of ``c``."""
        return self.labels(self.coefficient_names)

    @property
    def quantity_labels(self) -> tuple[str, ...]:
        """Numbers that a claim may name: those of coefficients and derived quantities."""
        return self.labels((*self.coefficient_names, *self.derived))

    def labels(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return the labels of all numbers in some quantities.

        Parameters
        ----------
        names : iterable of str
            Coefficients and derived quantities.

        Returns
        -------
        tuple of str
            The name itself, or a label such as ``c[1]`` for each part.
        """
        own = ([f"{x}[{part}]" for part in self.parts.get(x, ())] or [x] for x in names)
        return tuple(label for labels in own for label in labels)

    def group_parts(self, values: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
        """Return quantities as the formula takes them, from their numbers by label.

        Parameters
        ----------
        values : mapping of str to array
            The numbers, by label.
        names : iterable of str
            Coefficients and derived quantities.

        Returns
        -------
        dict of str to array or tuple of array
            A tuple for a quantity with parts.
        """
        numbers = {name: tuple(values[label] for label in self.labels([name])) for name in names}
        return {name: x if name in self.parts else x[0] for name, x in numbers.items()}

    @property
    def prefix(self) -> str:
        """What precedes the names of this law where it is the stage of another."""
        return f"{self.response}::"

    @property
    def columns_read(self) -> tuple[str, ...]:
        """Inputs that a table needs to have: the law's own and those of its stage."""
        staged = self.stage.columns_read if self.stage else ()
        return tuple(dict.fromkeys((*self.inputs, *staged)))

    @property
    def varying_inputs(self) -> tuple[str, ...]:
        """Inputs that have to vary for the law to be learned, those of its stage too."""
        own = tuple(name for name in self.inputs if name not in self.known_inputs)
        return tuple(dict.fromkeys((*own, *(self.stage.varying_inputs if self.stage else ()))))

    @property
    def known_inputs(self) -> tuple[str, ...]:
        """Inputs whose effect is known, such as a level of guessing."""
        return tuple(name for name, column in self.columns.items() if column.known)

    @property
    def noisy_inputs(self) -> tuple[str, ...]:
        """Inputs that are measured with an error like that of the response."""
        return tuple(name for name, column in self.columns.items() if column.noisy)

    @property
    def kinds(self) -> dict[str, ColumnKind]:
        """Kind of each column that has an entry, those of a stage too."""
        staged = self.stage.kinds if self.stage else {}
        return {**staged, **{name: column.kind for name, column in self.columns.items()}}

    @property
    def computed_columns(self) -> dict[str, Callable[..., Any]]:
        """Columns computed from others where a table does not have them, those of a stage too."""
        staged = self.stage.computed_columns if self.stage else {}
        own = {name: column.computed for name, column in self.columns.items() if column.computed}
        return {**staged, **own}

    def kind_of(self, name: str) -> ColumnKind:
        """Return what an input or the response may hold.

        Parameters
        ----------
        name : str
            The column.

        Returns
        -------
        ColumnKind
            Positive where the law has no entry for the column.
        """
        return self.columns[name].kind if name in self.columns else POSITIVE

    @property
    def allocates(self) -> bool:
        """Whether the law describes how to split compute between params and tokens."""
        return self.optimum.params is not None or {"params", "tokens"} <= set(self.inputs)

    @property
    def extra_inputs(self) -> tuple[str, ...]:
        """Inputs besides params, tokens and flops, which an optimum needs to be given."""
        return tuple(name for name in self.inputs if name not in ("params", "tokens", "flops"))

    @property
    def has_optimum(self) -> bool:
        """Whether a budget alone has an optimum."""
        return self.has_optimum_at({})

    def has_optimum_at(self, given: Iterable[str]) -> bool:
        """Return whether a budget has an optimum where these extra inputs are known.

        Parameters
        ----------
        given : iterable of str
            Names of extra inputs.

        Returns
        -------
        bool
            True if the law allocates compute and these are all its extra inputs.
        """
        return self.allocates and set(given) == set(self.extra_inputs)

    def claims_about(self, table: str | None = None) -> tuple[Claim, ...]:
        """Return what was published about the law on a dataset.

        Parameters
        ----------
        table : str, optional
            Name of the dataset. By default that of the first claim, and none.

        Returns
        -------
        tuple of Claim
            In their order.
        """
        first = self.claims[0].data.table if self.claims else ""
        wanted = {first, ""} if table is None else {table}
        return tuple(claim for claim in self.claims if claim.data.table in wanted)

    def derive(self, coefficients: Mapping[str, Array]) -> dict[str, Array]:
        """Return every derived quantity.

        Parameters
        ----------
        coefficients : mapping of str to array
            Coefficients of any array kind, as the formula takes them.

        Returns
        -------
        dict of str to array
            Derived quantities by name.
        """
        return {name: call(function, coefficients) for name, function in self.derived.items()}
