"""Audit every claim of the laws against the dataset that it is about.

Claims about the same rows and columns of a dataset are compared with one fit.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bayescale import datasets
from bayescale.auditing.audit import audit
from bayescale.auditing.record import Audit, ClaimAudit
from bayescale.auditing.verdicts import UNTESTABLE
from bayescale.errors import BayescaleError, DataError
from bayescale.models import LAWS
from bayescale.spec.claim import Claim
from bayescale.spec.law import Law
from bayescale.validation.choices import with_column, without_rows
from bayescale.validation.sweep import Parallel


@dataclass(frozen=True, eq=False)
class ClaimGroup:
    """Claims about the same rows and columns of a dataset.

    Parameters
    ----------
    law : Law
        The law of the claims.
    claims : tuple of Claim
        All with the table, columns and rows of the first one.
    """

    law: Law
    claims: tuple[Claim, ...]

    @property
    def title(self) -> str:
        """Law and dataset, with the changes to its columns and rows."""
        data = self.claims[0].data
        changes = [f"{name} = {column}" for name, column in data.columns.items() if name != column]
        if data.without:
            changes.append(f"without {len(data.without)} rows")
        return ", ".join([f"{self.law.name} on {data.table}", *changes])

    def runs(self) -> pd.DataFrame:
        """The runs that the claims are about.

        Raises
        ------
        DataError
            If the dataset is not available, or lacks a column.
        """
        data = self.claims[0].data
        runs: pd.DataFrame = without_rows(datasets.load(data.table), rows=data.without)
        for name, column in data.columns.items():
            runs = with_column(runs, name=name, column=column)
        return runs.reset_index(drop=True)


def claim_groups(
    laws: Iterable[Law] | None = None, tables: Iterable[str] | None = None
) -> tuple[ClaimGroup, ...]:
    """Claims about datasets, grouped by law, dataset, columns and rows.

    Parameters
    ----------
    laws : iterable of Law, optional
        Laws whose claims count; all by default.
    tables : iterable of str, optional
        Names of the datasets that count; all by default.

    Returns
    -------
    tuple of ClaimGroup
        In the order of the laws and of their claims.
    """
    wanted = None if tables is None else set(tables)
    groups: dict[tuple[Any, ...], tuple[Law, list[Claim]]] = {}
    for law in LAWS.values() if laws is None else laws:
        for claim in law.claims:
            data = claim.data
            if data.table and (wanted is None or data.table in wanted):
                key = (law.name, data.table, tuple(sorted(data.columns.items())), data.without)
                groups.setdefault(key, (law, []))[1].append(claim)
    return tuple(ClaimGroup(law, tuple(claims)) for law, claims in groups.values())


def audit_published(
    *,
    laws: Iterable[Law] | None = None,
    tables: Iterable[str] | None = None,
    random_seed: int | None = None,
    parallel: Parallel = Parallel(),
    **options: Any,
) -> tuple[Audit, ...]:
    """Audit every published claim about a dataset that is available.

    Parameters
    ----------
    laws : iterable of Law, optional
        Laws whose claims are audited; all by default.
    tables : iterable of str, optional
        Names of the datasets that claims are about; all by default.
    random_seed : int, optional
        For each audit; drawn if not given.
    parallel : Parallel
        Number of processes, and whether to report progress on standard error. Audits are not kept
        in a file, so that it has no path.
    **options
        Further options of `bayescale.audit`.

    Returns
    -------
    tuple of Audit
        One for each law, dataset, columns and rows, in the order of the laws. Where runs are not
        available or cannot be fitted, their claims are not testable, with the reason.

    Raises
    ------
    DataError
        If there is no claim about the laws and tables, or `parallel` has a path.

    Examples
    --------
    >>> import bayescale as bs
    >>> for audited in bs.audit_published(tables=["chinchilla"]):  # doctest: +SKIP
    ...     print(audited)
    """
    import joblib

    if parallel.path is not None:
        raise DataError(
            f"parallel has path {parallel.path!r}; expected None, because audits are not kept in a "
            "file. Leave it out, and save the report of the audits."
        )
    groups = claim_groups(laws, tables)
    if not groups:
        raise DataError(
            f"there is no claim about the tables {tables!r} and laws {laws!r}; expected one at "
            "least. Leave one of them out, or name tables that claims are about."
        )
    calls = (joblib.delayed(_audit_group)(group, random_seed, options) for group in groups)
    verbose = 10 if parallel.progress else 0
    return tuple(joblib.Parallel(n_jobs=parallel.jobs, verbose=verbose)(calls))


def _audit_group(group: ClaimGroup, random_seed: int | None, options: dict[str, Any]) -> Audit:
    dataset, title = group.claims[0].data.table, group.title
    settings = {"dataset": dataset, "title": title, "random_seed": random_seed, **options}
    try:
        return audit(group.claims, group.runs(), law=group.law, **settings)
    # A dataset that is not available, or a fit that fails, does not stop the other audits.
    except BayescaleError as error:
        reasons = (f"The claim could not be compared with its runs: {error}",)
        audited = tuple(ClaimAudit(claim, (UNTESTABLE,), reasons, {}) for claim in group.claims)
        return Audit(group.law, {}, audited, title=title, dataset=dataset)
