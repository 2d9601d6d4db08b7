"""The card of a table: what is known about it before its first row is read.

A card states where the files of a table come from and how to recognise them, what the columns mean,
which laws the runs suit, and what is odd about them.
"""

from dataclasses import dataclass, field
from typing import Literal

from bayescale.datasets.card_text import card_html, card_text
from bayescale.datasets.recipe import Recipe, Value
from bayescale.datasets.record_checks import check_known, check_text, check_types
from bayescale.errors import DataError
from bayescale.spec.compute import SIX_ND, Cost

CARD_COSTS: dict[str, Cost] = {SIX_ND.name: SIX_ND}
"""The costs that a card can name: those without settings."""


@dataclass(frozen=True, kw_only=True)
class File:
    """One file behind a table.

    Parameters
    ----------
    name : str
        Its name on the card.
    path : str
        Where it is in `data/` (shipped: a bare name), or in a data directory.
    url : str
        Where to download it, at a pinned commit. Empty for a file that cannot be downloaded.
    sha256 : str
        The SHA-256 of the file, 64 hexadecimal digits.
    bytes : int
        Its size.
    constants : dict
        Columns that the file does not have because they are the same in all of it.
    """

    name: str
    path: str
    url: str = ""
    sha256: str
    bytes: int
    constants: dict[str, Value] = field(default_factory=dict)

    def __post_init__(self) -> None:
        where = f"file {self.name!r}"
        check_types(self, where)
        # The path is joined to a directory, so it must not be able to leave it.
        step = r"(?!\.+(/|$))[\w.=+ -]+"
        for name, pattern, expected in (
            ("path", f"{step}(/{step})*", "a relative path without '..'"),
            ("url", r"(https?://\S+)?", "an http(s) address, or nothing"),
            ("sha256", r"[0-9a-f]{64}", "64 hexadecimal digits in small letters"),
        ):
            check_text(self, where, name, pattern, expected)
        if self.bytes < 1:
            raise DataError(f"{where} has bytes = {self.bytes}; expected one or more. Count again.")


@dataclass(frozen=True, kw_only=True)
class Card:
    """A table of runs, described: source, meaning of the columns, and what to beware of.

    Parameters
    ----------
    name : str
        Name of the table for `load`: small letters, digits and underscores.
    title, description : str
        One line, and one paragraph.
    paper, citation, licence : str
        Whose runs these are, how to cite them, and on what terms ("none stated" where so).
    kind : {"shipped", "remote", "derived"}
        Whether the files come with bayescale, are downloaded on first use, or were derived from the
        source by hand and have to be put into a data directory.
    files : tuple of File
        What the table is read from; the rows of several files are stacked.
    rows : int
        Rows of the finished table.
    columns : dict
        Column -> meaning and unit, in the order of the table.
    params_count : str
        What `params` counts: "total", "non-embedding", "with head", or "none" without params.
    response, response_unit : str
        The column that a law is to explain, and its unit.
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

    Raises
    ------
    DataError
        If a field has another type or form, or fields contradict each other.
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
        if self.rows < 1 or not self.files:
            raise DataError(
                f"{where} has {self.rows} rows in {len(self.files)} files; expected one or more of "
                "both. Count them again."
            )
        for file in self.files:
            if bool(file.url) != (self.kind == "remote"):
                raise DataError(
                    f"{where}, which is {self.kind}, has the file {file.name!r} with url = "
                    f"{file.url!r}; expected an address if remote and none otherwise. Correct one."
                )
            if self.kind == "shipped" and "/" in file.path:
                raise DataError(
                    f"{where} is shipped in {file.path!r}; expected a bare file name. Put the file "
                    "into data/ itself."
                )
        named = (self.response, *self.groups, *self.zeros, *self.signed)
        if absent := [name for name in named if name not in self.columns]:
            raise DataError(
                f"{where} names column {absent[0]!r}, which [columns] lacks; expected one of "
                f"{', '.join(self.columns)}. Describe it there or correct the spelling."
            )
        if self.cost or any(name == "cost" for name, *_ in self.recipe.compute.values()):
            check_known(where, "cost", self.cost, CARD_COSTS)
        if self.flops_per_6nd and not {"params", "tokens", "flops"} <= set(self.columns):
            raise DataError(
                f"{where} states flops_per_6nd without the columns params, tokens and flops; "
                "expected all three. Leave it out."
            )

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(file.bytes for file in self.files)

    @property
    def facts(self) -> dict[str, list[str]]:
        """Label -> entries, to show the card; of many files the first three."""
        files = [file.url or file.path for file in self.files[:3]]
        more = [f"and {len(self.files) - 3} more"] if len(self.files) > 3 else []
        facts = {
            "rows": [f"{self.rows:,} ({self.bytes:,} bytes, {self.kind})"],
            "columns": [f"{name}: {meaning}" for name, meaning in self.columns.items()],
            "response": [f"{self.response}, in {self.response_unit}"],
            "params": [f"count: {self.params_count}"] if "params" in self.columns else [],
            "cost": [self.cost],
            "groups": [", ".join(self.groups)],
            "laws": [", ".join(self.laws)],
            "suits": list(self.suits),
            "paper": [self.paper],
            "citation": [self.citation],
            "licence": [self.licence],
            "files": files + more,
            "beware": list(self.quirks),
            "truth": [", ".join(f"{name} = {value:g}" for name, value in self.truth.items())],
        }
        return {label: entries for label, entries in facts.items() if any(entries)}

    def __str__(self) -> str:
        return card_text(f"{self.name}: {self.title}", self.description, self.facts)

    def _repr_html_(self) -> str:
        return card_html(f"{self.name}: {self.title}", self.description, self.facts)
