"""What is known of a table before its first row is read: the card, and the recipe on it.

A card says where the files of a table come from and how to recognise them, what the columns mean,
which laws the runs suit and what is odd about them. The recipe says, in fixed steps, how the
files' columns become ours; nothing on a card is ever evaluated as code.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args, get_origin, get_type_hints

from bayescale.datasets.operations import COUNTED, OPERATIONS
from bayescale.datasets.unusual import UNUSUAL
from bayescale.errors import DataError
from bayescale.flops import SIX_ND, Cost

CARD_COSTS: dict[str, Cost] = {SIX_ND.name: SIX_ND}
"""The costs a card can name: those that leave nothing to choose."""

Value = str | float | int


@dataclass(frozen=True, kw_only=True)
class File:
    """One file behind a table.

    Parameters
    ----------
    name : str
        What the card calls it.
    path : str
        Where it is below `data/` (shipped: a bare name), or below a data directory.
    url : str
        Where to download it, at a pinned commit. Empty for a file that cannot be downloaded.
    sha256 : str
        The SHA-256 of the file, 64 hexadecimal digits.
    bytes : int
        Its size.
    constants : dict
        Columns that the file leaves out because they are the same in all of it.
    """

    name: str
    path: str
    url: str = ""
    sha256: str
    bytes: int
    constants: dict[str, Value] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_types(self, f"file {self.name!r}")
        # The path is joined to a directory, so it must not be able to leave it.
        step = r"(?!\.+(/|$))[\w.=+ -]+"
        for name, pattern, expected in (
            ("path", f"{step}(/{step})*", "a relative path without '..'"),
            ("url", r"(https?://\S+)?", "an http(s) address, or nothing"),
            ("sha256", r"[0-9a-f]{64}", "64 hexadecimal digits in small letters"),
        ):
            check_text(self, f"file {self.name!r}", name, pattern, expected)
        if self.bytes < 1:
            raise DataError(
                f"file {self.name!r} has bytes = {self.bytes}; expected one or more. Count again."
            )


@dataclass(frozen=True, kw_only=True)
class Join:
    """Columns that a second file adds to the rows of the first ones.

    Parameters
    ----------
    file : str
        Name of the file on the card.
    on : dict
        Column of the rows -> column of that file which has the same value.
    nearest : float
        Where the values are no more than nearly the same: what that file's are multiplied with
        before the row of the nearest is taken. Zero where they are the same.
    """

    file: str
    on: dict[str, str]
    nearest: float = 0.0

    def __post_init__(self) -> None:
        check_types(self, f"the join with {self.file!r}")
        if self.nearest and len(self.on) != 1:
            raise DataError(
                f"the join with {self.file!r} takes the nearest of {len(self.on)} columns; "
                "expected one. Name one, or leave nearest out."
            )


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How the columns of files become the columns of a table, in the order of the fields.

    Parameters
    ----------
    header : tuple of str
        Names of the columns of a file that has none (tabs between its cells).
    reader : str
        Name of the function in `unusual` that reads a file no field here can describe.
    distinct : bool
        Whether rows that repeat another one in every column are dropped.
    join : tuple of Join
        Files that add columns.
    melt : dict
        `{names, values, columns}`: the columns that match the pattern `columns` become rows; what
        its first group matches goes into the column `names`, the cell into `values`.
    rename : dict
        Our column -> the file's column; a column not named here keeps its name.
    lookup : dict
        Our column -> `{by, values}`: the value that goes with what stands in column `by`.
    scale : dict
        Our column -> the factor that brings it to the unit on the card.
    compute : dict
        Our column -> an operation and the columns or texts it takes; see `operations`.
    filter : dict
        Column, of the file or ours -> the values whose rows are kept.
    between : dict
        Column -> the smallest and the largest number whose rows are kept.
    present : tuple of str
        Columns in which a cell must not be missing for its row to be kept.
    last : dict
        `{by, order}`: of all rows that agree in the columns `by`, the one with the largest `order`
        is kept, such as the last checkpoint of a run.
    """

    header: tuple[str, ...] = ()
    reader: str = ""
    distinct: bool = False
    join: tuple[Join, ...] = ()
    melt: dict[str, str] = field(default_factory=dict)
    rename: dict[str, str] = field(default_factory=dict)
    lookup: dict[str, dict[str, Any]] = field(default_factory=dict)
    scale: dict[str, float] = field(default_factory=dict)
    compute: dict[str, list[str]] = field(default_factory=dict)
    filter: dict[str, list[Value]] = field(default_factory=dict)
    between: dict[str, list[float]] = field(default_factory=dict)
    present: tuple[str, ...] = ()
    last: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        where = "the recipe"
        check_types(self, where)
        if self.reader:
            check_known(where, "reader", self.reader, UNUSUAL)
        for column, (name, *arguments) in self.compute.items():
            check_known(where, f"operation for {column!r}", name, OPERATIONS)
            if len(arguments) != COUNTED[name]:
                raise DataError(
                    f"{where} computes {column!r} by {name} of {len(arguments)} columns; expected "
                    f"{COUNTED[name]}. Write {name} and what it takes in one list."
                )
        for step, keys in (("melt", "names values columns"), ("last", "by order")):
            if (given := getattr(self, step)) and set(given) != set(keys.split()):
                raise DataError(
                    f"{where} has {step} = {given}; expected the keys {keys}. Write them all."
                )
        for column, entry in self.lookup.items():
            if set(entry) != {"by", "values"} or not isinstance(entry["values"], dict):
                raise DataError(
                    f"{where} looks up {column!r} by {entry}; expected the keys by and values, "
                    "the latter a table. Write both."
                )


@dataclass(frozen=True, kw_only=True)
class Card:
    """A table of runs, described: source, meaning of the columns, and what to beware of.

    Parameters
    ----------
    name : str
        What `load` calls the table: small letters, digits and underscores.
    title, description : str
        One line, and one paragraph.
    paper, citation, licence : str
        Whose runs these are, how to cite them, and on what terms ("none stated" where so).
    kind : {"shipped", "remote", "derived"}
        Whether the files come with bayescale, are downloaded when first asked for, or were made
        from the source by hand and have to be put into a data directory.
    files : tuple of File
        What the table is read from; the rows of several are put below one another.
    rows : int
        Rows of the finished table.
    columns : dict
        Column -> meaning and unit, in the order of the table.
    params_count : str
        What `params` counts: "total", "non-embedding", "with head", or "none" without params.
    response, response_unit : str
        The column a law is to explain, and its unit.
    laws : tuple of str
        Names of the laws in `bayescale.models` that the table suits.
    suits : tuple of str
        Other laws it suits, in words, with their source.
    cost : str
        The cost that ties flops to params and tokens. Empty where the table has its own count.
    flops_per_6nd : tuple of float
        Smallest and largest ratio of flops to 6 params tokens, where the table has all three.
    groups : tuple of str
        Columns that hold labels; all others are float64, positive and finite.
    zeros, signed : tuple of str
        Columns that may be zero, and columns that may be of either sign.
    quirks : tuple of str
        What a careful reader should know before fitting.
    truth : dict
        For simulated tables, the values they were drawn from.
    recipe : Recipe
        From the files' columns to these.
    """

    name: str
    title: str
    description: str
    paper: str
    citation: str
    licence: str
    kind: Literal["shipped", "remote", "derived"]
    files: tuple[File, ...]
    rows: int
    columns: dict[str, str]
    params_count: str = "none"
    response: str
    response_unit: str
    laws: tuple[str, ...]
    suits: tuple[str, ...] = ()
    cost: str = ""
    flops_per_6nd: tuple[float, ...] = ()
    groups: tuple[str, ...] = ()
    zeros: tuple[str, ...] = ()
    signed: tuple[str, ...] = ()
    quirks: tuple[str, ...] = ()
    truth: dict[str, float] = field(default_factory=dict)
    recipe: Recipe = field(default_factory=Recipe)

    def __post_init__(self) -> None:
        where = f"card {self.name!r}"
        check_types(self, where)
        check_text(self, where, "name", "[a-z0-9_]+", "small letters, digits and underscores")
        _check_files(self, where)
        _check_columns(self, where)

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(file.bytes for file in self.files)

    def __str__(self) -> str:
        from bayescale.datasets.showing import card_text

        return card_text(self)

    def _repr_html_(self) -> str:
        from bayescale.datasets.showing import card_html

        return card_html(self)


def check_types(record: File | Join | Recipe | Card, where: str) -> None:
    """Raise DataError if a field does not have the type it is declared with."""
    for name, hint in get_type_hints(type(record)).items():
        value = getattr(record, name)
        if not _fits(value, hint):
            expected = str(getattr(hint, "__name__", hint) if get_origin(hint) is None else hint)
            raise DataError(
                f"{where} has {name} = {value!r}; expected {expected}. Give it in that form."
            )


def _fits(value: object, hint: Any) -> bool:
    """Whether a value read from TOML is of the type that the field is declared with."""
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin is Literal:
        return value in inner
    if isinstance(value, dict) and origin is dict:
        return all(_fits(entry, inner[1]) for entry in value.values())
    if isinstance(value, list | tuple) and origin in (list, tuple):
        return all(_fits(entry, inner[0]) for entry in value)
    return origin not in (dict, list, tuple) and isinstance(value, hint)


def check_text(record: File | Card, where: str, name: str, pattern: str, expected: str) -> None:
    """Raise DataError if a text is not written as it has to be."""
    if not re.fullmatch(pattern, value := getattr(record, name), flags=re.ASCII):
        raise DataError(
            f"{where} has {name} = {value!r}; expected {expected}. Write it in that form."
        )


def check_known(where: str, what: str, name: str, known: Mapping[str, object]) -> None:
    """Raise DataError if a name is none of those there are."""
    if name not in known:
        raise DataError(
            f"{where} has the {what} {name!r}; expected one of {', '.join(known)}. "
            "Correct the spelling."
        )


def _check_files(card: Card, where: str) -> None:
    if card.rows < 1 or not card.files:
        raise DataError(
            f"{where} has {card.rows} rows in {len(card.files)} files; expected one or more of "
            "both. Count them again."
        )
    for file in card.files:
        if bool(file.url) != (card.kind == "remote"):
            raise DataError(
                f"{where}, which is {card.kind}, has the file {file.name!r} with url = "
                f"{file.url!r}; expected an address if remote and none otherwise. Mend one of them."
            )
        if card.kind == "shipped" and "/" in file.path:
            raise DataError(
                f"{where} is shipped in {file.path!r}; expected a bare file name. Put the file "
                "into data/ itself."
            )


def _check_columns(card: Card, where: str) -> None:
    named = (card.response, *card.groups, *card.zeros, *card.signed)
    if absent := [name for name in named if name not in card.columns]:
        raise DataError(
            f"{where} speaks of column {absent[0]!r}, which [columns] lacks; expected one of "
            f"{', '.join(card.columns)}. Describe it there or correct the spelling."
        )
    needs_cost = card.cost or any(name == "cost" for name, *_ in card.recipe.compute.values())
    if needs_cost:
        check_known(where, "cost", card.cost, CARD_COSTS)
    if card.flops_per_6nd and not {"params", "tokens", "flops"} <= set(card.columns):
        raise DataError(
            f"{where} states flops_per_6nd without the columns params, tokens and flops; expected "
            "all three. Leave it out."
        )
