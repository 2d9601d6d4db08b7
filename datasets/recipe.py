"""The recipe on a card: in fixed steps, how the columns of files become those of a table.

Nothing in a recipe is ever evaluated as code.
"""

from dataclasses import dataclass, field
from typing import Any

from bayescale.datasets.operations import ARGUMENT_COUNTS, OPERATIONS
from bayescale.datasets.record_checks import check_known, check_types
from bayescale.datasets.special_readers import SPECIAL_READERS
from bayescale.errors import DataError

Value = str | float | int


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
        Factor by which the values of that file are multiplied, where they agree only nearly: the
        row of the nearest value is then joined. Zero where the values are equal.
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
        Names of the columns of a file that has no header (tabs between its cells).
    reader : str
        Name in `SPECIAL_READERS` of the function that reads a file which no field here can
        describe.
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
        Our column -> `{by, values}`: the value that belongs to the label in column `by`.
    scale : dict
        Our column -> the factor that brings it to the unit on the card.
    compute : dict
        Our column -> an operation and its columns or texts (`bayescale.datasets.operations`).
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
            check_known(where, "reader", self.reader, SPECIAL_READERS)
        for column, (name, *arguments) in self.compute.items():
            check_known(where, f"operation for {column!r}", name, OPERATIONS)
            if len(arguments) != ARGUMENT_COUNTS[name]:
                raise DataError(
                    f"{where} computes {column!r} by {name} of {len(arguments)} columns; expected "
                    f"{ARGUMENT_COUNTS[name]}. Write {name} and its arguments in one list."
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
