"""Everything that stands with the laws, each claim held against the dataset that it is about.

Claims about the same rows and columns of a dataset are audited against one fit of them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bayescale import datasets
from bayescale.auditing import Audit, ClaimAudit, audit
from bayescale.choices import with_column, without_rows
from bayescale.claims import Claim
from bayescale.errors import BayescaleError, DataError
from bayescale.law import Law
from bayescale.verdicts import UNTESTABLE


@dataclass(frozen=True, eq=False)
class Group:
    """Claims about the same rows and columns.

    Parameters
    ----------
    law : Law
        What they are about.
    claims : tuple of Claim
        All with the first one's dataset, columns and rows.
    """

    law: Law
    claims: tuple[Claim, ...]

    @property
    def title(self) -> str:
        """Law and dataset, with what was changed in it."""
        first = self.claims[0]
        changes = [f"{name} = {column}" for name, column in first.columns.items() if name != column]
        if first.without:
            changes.append(f"without {len(first.without)} rows")
        return f"{self.law.name} on {first.table}{''.join(f', {each}' for each in changes)}"

    def runs(self) -> pd.DataFrame:
        """The runs that they are about."""
        first = self.claims[0]
        runs: pd.DataFrame = without_rows(datasets.load(first.table), rows=first.without)
        for name, column in first.columns.items():
            runs = with_column(runs, name=name, column=column)
        return runs.reset_index(drop=True)


def groups(
    laws: Iterable[Law] | None = None, tables: Iterable[str] | None = None
) -> tuple[Group, ...]:
    """Claims about datasets, by law, dataset, columns and rows.

    Parameters
    ----------
    laws : iterable of Law, optional
        Those whose claims are taken; all by default.
    tables : iterable of str, optional
        Names of datasets that the claims have to be about; any by default.
    """
    from bayescale.models import LAWS

    wanted = None if tables is None else set(tables)
    found: dict[tuple[Any, ...], list[Claim]] = {}
    known = {law.name: law for law in (LAWS.values() if laws is None else laws)}
    for name, claim in _about_datasets(known.values()):
        if wanted is None or claim.table in wanted:
            key = (name, claim.table, tuple(sorted(claim.columns.items())), claim.without)
            found.setdefault(key, []).append(claim)
    return tuple(Group(known[name], tuple(claims)) for (name, *_), claims in found.items())


def _about_datasets(laws: Iterable[Law]) -> Iterator[tuple[str, Claim]]:
    for law in laws:
        yield from ((law.name, claim) for claim in law.claims if claim.table)


def audit_published(
    *,
    laws: Iterable[Law] | None = None,
    tables: Iterable[str] | None = None,
    random_seed: int = 0,
    jobs: int = -1,
    progress: bool = False,
    **options: Any,
) -> tuple[Audit, ...]:
    """Audit what was published about datasets that can be had.

    Parameters
    ----------
    laws : iterable of Law, optional
        Those whose claims are audited; all by default.
    tables : iterable of str, optional
        Names of datasets that the claims have to be about; any by default.
    random_seed, **options
        As for `audit`.
    jobs : int
        Processes; -1 for as many as there are CPUs.
    progress : bool
        Say on standard error which are done.

    Returns
    -------
    tuple of Audit
        One a law, dataset, columns and rows, in the order of the laws. Where runs cannot be had or
        fitted, its claims are not testable, and say why.

    Raises
    ------
    DataError
        If no claim is about the laws and tables.

    Examples
    --------
    >>> import bayescale as bs
    >>> for each in bs.audit_published(tables=["chinchilla"]):  # doctest: +SKIP
    ...     print(each.title, each)
    """
    from joblib import Parallel, delayed

    chosen = groups(laws, tables)
    if not chosen:
        raise DataError(
            f"no claim is about the tables {tables!r} and laws {laws!r}; expected one at least. "
            "Leave one of them out, or name tables that `Claim.table` has."
        )
    calls = (delayed(_audited)(group, random_seed, options) for group in chosen)
    verbose = 10 if progress else 0
    return tuple(Parallel(n_jobs=jobs, verbose=verbose)(calls))


def _audited(group: Group, random_seed: int, options: dict[str, Any]) -> Audit:
    dataset, title = group.claims[0].table, group.title
    how = {"dataset": dataset, "title": title, "random_seed": random_seed, **options}
    try:
        return audit(group.claims, group.runs(), law=group.law, **how)
    # What one dataset or fit lacks stops no other.
    except BayescaleError as error:
        why = (f"The claim could not be held against its runs: {error}",)
        untold = tuple(ClaimAudit(claim, (UNTESTABLE,), why, {}) for claim in group.claims)
        return Audit(group.law, {}, untold, title=title, dataset=dataset)
