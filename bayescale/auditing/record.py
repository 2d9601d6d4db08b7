"""The result of an audit: every claim with its verdict, and the fits behind it."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
import xarray as xr

from bayescale.auditing.check_result import DEFAULT, CheckResult
from bayescale.auditing.verdicts import FINE
from bayescale.diagnostics.influence import TOP, influential_runs
from bayescale.documents.document import Document, Listing, Section, Text
from bayescale.documents.html import to_fragment
from bayescale.documents.text import to_text
from bayescale.errors import DataError
from bayescale.fitting.record import Fit
from bayescale.spec.claim import Claim, budget_of
from bayescale.spec.law import Law


@dataclass(frozen=True, eq=False, repr=False)
class ClaimAudit:
    """The audit of one claim.

    Parameters
    ----------
    claim : Claim
        What was published.
    verdict : tuple of str
        Keys of `bayescale.auditing.verdicts.VERDICTS`, the gravest first.
    reasons : tuple of str
        Sentences behind the verdict.
    results : mapping of str to CheckResult
        Result of every check, by name.
    """

    claim: Claim
    verdict: tuple[str, ...]
    reasons: tuple[str, ...]
    results: Mapping[str, CheckResult]

    def document(self) -> Document:
        """The claim with its verdict and the reasons."""
        claim = self.claim
        heading = f"{claim.label} ({claim.status}): {', '.join(self.verdict)}"
        verdict = Text(heading, "good" if set(self.verdict) <= FINE else "bad")
        blocks = (verdict, Listing(self.reasons))
        return Document("", "", (Section("claim", claim.label, blocks),))

    def __repr__(self) -> str:
        return to_text(self.document())

    def _repr_html_(self) -> str:
        return to_fragment(self.document())


@dataclass(frozen=True, eq=False, repr=False)
class Audit:
    """An audit of claims about a law.

    Returned by `bayescale.audit` and `bayescale.audit_published`.

    Parameters
    ----------
    law : Law
        The law.
    fits : mapping of str to Fit
        The fits that claims were compared with: ``default`` and ``one scale``. Empty where the runs
        are not available or cannot be fitted.
    claims : tuple of ClaimAudit
        In the order of the claims.
    multiverse : Dataset, optional
        The law fitted under other choices.
    title : str
        Title of the audit.
    dataset : str
        Name of the runs in `bayescale.datasets`, if they are there.
    """

    law: Law
    fits: Mapping[str, Fit]
    claims: tuple[ClaimAudit, ...]
    multiverse: xr.Dataset | None = None
    title: str = ""
    dataset: str = ""

    def __getitem__(self, label: str) -> ClaimAudit:
        for audited in self.claims:
            if audited.claim.label == label:
                return audited
        labels = ", ".join(repr(audited.claim.label) for audited in self.claims)
        raise DataError(f"no claim {label!r} was audited; expected one of {labels}. Choose one.")

    @property
    def table(self) -> pd.DataFrame:
        """A row for each claim: its status, the verdict, and the outcome of every check."""
        rows = {
            audited.claim.label: {
                "status": audited.claim.status,
                "verdict": ", ".join(audited.verdict),
                **{name: result.outcome for name, result in audited.results.items()},
            }
            for audited in self.claims
        }
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("claim")

    @property
    def budget(self) -> float | None:
        """The largest compute in FLOP that a claim was made for; None where none names any."""
        return budget_of(audited.claim for audited in self.claims)

    def influence(self, flops: float | None = None, *, top: int | None = TOP) -> pd.DataFrame:
        """Runs that change N_opt most when they are left out, the most influential first.

        Parameters
        ----------
        flops : float, optional
            Compute budget in FLOP. By default the `budget` of the claims, or else the compute of
            the largest run.
        top : int, optional
            Number of runs; None for all.

        Returns
        -------
        DataFrame
            As from `bayescale.diagnostics.influence.influential_runs`.
        """
        return influential_runs(self.fits[DEFAULT], flops or self.budget, top=top)

    def document(self) -> Document:
        """Every claim with its verdict and the reasons, as printed.

        Returns
        -------
        Document
            A section for each claim.
        """
        sections = tuple(
            Section(f"claim-{number}", section.heading, section.blocks)
            for number, audited in enumerate(self.claims, start=1)
            for section in audited.document().sections
        )
        return Document(self.title, "", sections)

    def __repr__(self) -> str:
        return to_text(self.document())

    def _repr_html_(self) -> str:
        return to_fragment(self.document())
