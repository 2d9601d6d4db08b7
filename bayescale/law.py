"""A law is a formula and a table of priors.

Two kinds of parameter meet in a `Law`. *Coefficients* are what papers print (``E, A, alpha``): the
formula uses them, in raw units. *Free parameters* are what is sampled: scale-free, nearly
uncorrelated, so that one default prior suits any unit of loss and any range of runs.
``coefficients(units, **free)`` turns the second into the first.

Formula, coefficients and derived quantities are plain functions of arrays, written once in
arithmetic and ``np.exp``, ``np.log`` and friends, so that they run on numpy, xarray and PyTensor.
A parameter with several parts (a simplex of shares, say) reaches them as a tuple of arrays.

The records check themselves when they are made.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, wraps
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from bayescale.calling import arguments, call
from bayescale.claims import Claim
from bayescale.flops import Array
from bayescale.lawchecks import check
from bayescale.priors import Prior
from bayescale.scales import POSITIVE, Scale

if TYPE_CHECKING:
    import pandas as pd

    from bayescale.likelihood import LikelihoodFactory

FOUND = "found"
"""Clusters that are looked for among the compute budgets (`bayescale.clusters`)."""


@dataclass(frozen=True)
class Units:
    """What makes free parameters scale-free: the middle, the spread and the ends of the runs.

    Parameters
    ----------
    pivot : mapping of str to array
        Geometric mean of each input and of the response; the plain mean of one that is not
        positive (`bayescale.scales`).
    spread : mapping of str to array
        Standard deviation of the logarithm, or of the plain values, of each.
    lowest, highest : mapping of str to array
        The least and the largest value of each: floors lie below the one.
    """

    pivot: Mapping[str, Array]
    spread: Mapping[str, Array]
    lowest: Mapping[str, Array] = field(default_factory=dict)
    highest: Mapping[str, Array] = field(default_factory=dict)


UNITS = tuple(each.name for each in fields(Units))
"""What a model knows of each input and of the response, by name."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Law:
    """A scaling law.

    Parameters
    ----------
    name : str
        Identifier, also on the shell.
    title : str
        One line a person can tell it by.
    formula : callable
        ``formula(*inputs, *coefficients)`` gives the expected response.
    inputs : tuple of str
        Columns of the table of runs, in the order of the formula.
    response : str
        Column that the formula describes.
    scales : mapping of str to Scale, optional
        What inputs and response may be where they are not positive (`bayescale.scales`).
    columns : mapping of str to callable, optional
        Columns that are computed from the others where the table has none of that name: functions
        of a table in standard columns.
    priors : mapping of str to Prior
        The free parameters.
    coefficients : callable
        ``coefficients(units, **free)`` gives the formula's coefficients as a dictionary; one that
        has several parts is a tuple of arrays.
    derived : mapping of str to callable, optional
        Further quantities as functions of coefficients, which they take by name.
    optimal_params : callable, optional
        ``optimal_params(product, ...)``: the params that minimise the response at a fixed product
        of params and tokens, as a function of coefficients and further inputs taken by name.
        Without it the optimum is searched for.
    at_optimum : mapping of str to callable, optional
        What else to say of an optimum, such as epochs: functions of params, tokens, flops, further
        inputs and coefficients there, taken by name.
    size : callable, optional
        How large a run is, of inputs taken by name: the law extrapolates beyond the largest. By
        default 6 N D, or the product of the inputs where they are others.
    likelihoods : sequence of callable, optional
        How runs scatter: the first of these (`bayescale.likelihood`) whose columns the table has.
        By default a variance function, or one scale where the runs are too few for it.
    by : str, optional
        Column that groups the runs of this law, whatever the table.
    pool : mapping of str to str, optional
        How free parameters behave across groups; partial where nothing is said.
    between : mapping of str to Prior, optional
        Of the standard deviation between groups of a partial parameter, on the scale on which it is
        sampled; `bayescale.model.BETWEEN` where nothing is said. One that keeps away from zero, as
        groups with many runs each allow, is sampled better.
    clusters : str, optional
        Column of the runs that err together; by default compute budgets are looked for. None for
        none.
    tilts : bool
        Whether such clusters have a tilt besides their offset, where there are several inputs.
    stage : Law, optional
        The law of one of the inputs, its response, which is then fitted in the same model. Its
        coefficients may be arguments of `coefficients`.
    noisy : tuple of str
        Inputs that are measured with an error like that of the response
        (`bayescale.likelihood.errors_in_variables`).
    known : tuple of str
        Inputs of whose effect nothing is learned, such as a level of guessing: only these may be
        the same in all runs.
    claims : tuple of Claim
        What was published about the law.
    domain : mapping of str to (float, float)
        Range over which the law was measured by those who proposed it.
    reference : str
        Paper and equation.
    tau, split_tau : Prior, optional
        How wrong the law is a decade beyond its runs: standard deviation of the response on its
        scale, and of the log of the optimal params (`bayescale.extrapolation`). Where it was not
        measured, a prior for laws in general is taken.
    tau_source : str
        Where `tau` comes from, to follow "its prior was": ``"learned from ..."``,
        ``"assumed"``. Needed with `tau`.

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
    scales: Mapping[str, Scale] = field(default_factory=dict)
    columns: Mapping[str, "Callable[[pd.DataFrame], pd.Series]"] = field(default_factory=dict)
    derived: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    optimal_params: Callable[..., Array] | None = None
    at_optimum: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    size: Callable[..., Array] | None = None
    likelihoods: "tuple[LikelihoodFactory, ...]" = ()
    by: str | None = None
    pool: Mapping[str, str] = field(default_factory=dict)
    between: Mapping[str, Prior] = field(default_factory=dict)
    clusters: str | None = FOUND
    tilts: bool = True
    stage: "Law | None" = None
    noisy: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    claims: tuple[Claim, ...] = ()
    domain: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    tau: Prior | None = None
    split_tau: Prior | None = None
    tau_source: str = ""

    def __post_init__(self) -> None:
        check(self)

    def __repr__(self) -> str:
        return f"Law({self.name!r}: {self.title})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Arrive in another process as the one object that stands for this law there.

        Compiled models are kept by the law they are of: a law that came anew with every task would
        be compiled with every task.
        """
        from bayescale.models import LAWS, law_named

        if LAWS.get(self.name) is self:
            return law_named, (self.name,)
        token = _TOKENS.setdefault(id(self), uuid4().hex)
        _ARRIVED[token] = self  # which also keeps the id from being given to another law
        return _arrived, (token, {f.name: getattr(self, f.name) for f in fields(self)})

    @property
    def coefficient_names(self) -> tuple[str, ...]:
        """The coefficients, in the order of the formula."""
        return arguments(self.formula)[len(self.inputs) :]

    @cached_property
    def example(self) -> dict[str, Any]:
        """Coefficients of parameters that are nothing in particular, to see names and parts."""
        dummies = {
            name: tuple(0.5 for _ in prior.parts) if prior.parts else 0.5
            for name, prior in self.priors.items()
        }
        ones, twos = (dict.fromkeys((*self.inputs, self.response), each) for each in (1.0, 2.0))
        given = self.stage.example if self.stage else {}
        units = Units(ones, ones, ones, twos)
        found: dict[str, Any] = call(self.coefficients, {**given, **dummies}, units=units)
        return found

    @cached_property
    def parts(self) -> dict[str, tuple[str, ...]]:
        """Names of the parts of each coefficient and derived quantity that has several."""
        given = self.example
        every = {**given, **{name: call(f, given) for name, f in self.derived.items()}}
        return {
            name: self._part_names(name, len(value))
            for name, value in every.items()
            if isinstance(value, tuple)
        }

    def _part_names(self, name: str, count: int) -> tuple[str, ...]:
        """Those of the free parameter of that name, or else numbers from 1."""
        own = self.priors[name].parts if name in self.priors else ()
        return own if len(own) == count else tuple(str(k + 1) for k in range(count))

    @cached_property
    def numbers(self) -> tuple[str, ...]:
        """Every single number among the coefficients, as a summary labels it: ``c[1]`` of ``c``."""
        return self.labels(self.coefficient_names)

    def labels(self, names: Iterable[str]) -> tuple[str, ...]:
        """Labels of all the numbers in coefficients and derived quantities."""
        each = ((name, self.parts.get(name)) for name in names)
        return tuple(
            label
            for name, parts in each
            for label in ([f"{name}[{part}]" for part in parts] if parts else [name])
        )

    def gathered(self, values: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
        """Coefficients as the formula takes them, from their numbers by label."""
        return {
            name: tuple(values[label] for label in self.labels([name]))
            if name in self.parts
            else values[name]
            for name in names
        }

    @property
    def prefix(self) -> str:
        """Stands before every name of this law where it is the stage of another."""
        return f"{self.response}::"

    @property
    def read(self) -> tuple[str, ...]:
        """Inputs that a table has to have: its own and those of its stage."""
        return tuple(dict.fromkeys((*self.inputs, *(self.stage.read if self.stage else ()))))

    @property
    def varying(self) -> tuple[str, ...]:
        """Inputs that have to vary for the law to be learned, those of its stage too."""
        own = tuple(name for name in self.inputs if name not in self.known)
        return tuple(dict.fromkeys((*own, *(self.stage.varying if self.stage else ()))))

    @property
    def allocates(self) -> bool:
        """Whether it says how to split compute between params and tokens."""
        return self.optimal_params is not None or {"params", "tokens"} <= set(self.inputs)

    @property
    def further(self) -> tuple[str, ...]:
        """Inputs besides params, tokens and flops, at which an optimum has to be asked for."""
        return tuple(name for name in self.inputs if name not in ("params", "tokens", "flops"))

    @property
    def has_optimum(self) -> bool:
        """Whether it says so of a budget alone."""
        return self.has_optimum_at({})

    def has_optimum_at(self, given: Iterable[str]) -> bool:
        """Whether it says so of a budget where these further inputs are known."""
        return self.allocates and set(given) == set(self.further)

    def scale_of(self, name: str) -> Scale:
        """What an input or the response may be."""
        return self.scales.get(name, POSITIVE)

    @property
    def sayable(self) -> tuple[str, ...]:
        """Numbers that a claim may name: those of coefficients and derived quantities."""
        return self.labels((*self.coefficient_names, *self.derived))

    def claims_about(self, table: str | None = None) -> tuple[Claim, ...]:
        """What was published about the law on a dataset.

        By default that is the dataset of its first claim, with what is about none.
        """
        home = self.claims[0].table if self.claims else ""
        wanted = {home, ""} if table is None else {table}
        return tuple(claim for claim in self.claims if claim.table in wanted)

    def derive(self, coefficients: Mapping[str, Array]) -> dict[str, Array]:
        """Every derived quantity, from coefficients of any array kind."""
        return {name: call(function, coefficients) for name, function in self.derived.items()}


def of_response(law: Law, response: str) -> Law:
    """The same law of another column, such as the stage of a law whose input is a loss.

    What was published about the law stays behind, since it is about other numbers.

    Examples
    --------
    >>> from bayescale.models import CHINCHILLA
    >>> of_response(CHINCHILLA, "bits_per_byte").response
    'bits_per_byte'
    """

    @wraps(law.coefficients)
    def coefficients(units: Units, **free: Any) -> dict[str, Any]:
        every = (getattr(units, kind) for kind in UNITS)
        theirs = ({**values, law.response: values[response]} for values in every)
        return law.coefficients(Units(*theirs), **free)

    return replace(
        law,
        name=f"{law.name}_of_{response}",
        response=response,
        coefficients=coefficients,
        scales={n: s for n, s in law.scales.items() if n != law.response},
        claims=(),
    )


_TOKENS: dict[int, str] = {}
_ARRIVED: dict[str, Law] = {}


def _arrived(token: str, said: Mapping[str, Any]) -> Law:
    """The law of a token, made when it first comes to this process."""
    if token not in _ARRIVED:
        _ARRIVED[token] = Law(**said)
    return _ARRIVED[token]
