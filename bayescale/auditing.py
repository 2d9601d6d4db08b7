"""Published estimates, and the widths of their intervals, against the runs behind them.

Each claim is held against a fit of the runs by several checks (`bayescale.checks`,
`bayescale.coherence`), and gets a verdict with its reasons.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from typing import TYPE_CHECKING, Any

import pandas as pd
import xarray as xr

from bayescale import checks
from bayescale.beyond import held_out
from bayescale.calling import arguments
from bayescale.checks import CheckResult
from bayescale.claimfiles import Source, read_claims
from bayescale.claims import AT_BUDGET, Claim, budget_of
from bayescale.coherence import agreement, coherence
from bayescale.driving import TOP, drivers
from bayescale.errors import DataError
from bayescale.identification import IDENTIFIED, identification
from bayescale.law import FOUND, Law
from bayescale.leftover import misfit
from bayescale.likelihood import LikelihoodFactory, student_t
from bayescale.objectives import own_objective
from bayescale.sensitive import sensitivity, specifications_of
from bayescale.verdicts import reasons_of, verdict_of

if TYPE_CHECKING:
    from bayescale.fitting import Fit

DEFAULT, ONE_SCALE = "default", "one scale"


@dataclass(frozen=True, eq=False)
class ClaimAudit:
    """What the runs say of one claim.

    Parameters
    ----------
    claim : Claim
        What was published.
    verdict : tuple of str
        Keys of `bayescale.verdicts.VERDICTS`, the gravest first.
    reasons : tuple of str
        A sentence for each check that led there.
    results : mapping of str to CheckResult
        Every check, by name.
    """

    claim: Claim
    verdict: tuple[str, ...]
    reasons: tuple[str, ...]
    results: Mapping[str, CheckResult]

    def __repr__(self) -> str:
        head = f"{self.claim.label} ({self.claim.status}): {', '.join(self.verdict)}"
        return "\n".join([head, *(f"  {reason}" for reason in self.reasons)])


@dataclass(frozen=True, eq=False)
class Audit:
    """What the runs say of claims about a law.

    Made by `audit`.

    Parameters
    ----------
    law : Law
        The law.
    fits : dict of str to Fit
        What the claims were held against: by ``default``, and with ``one scale``.
    claims : tuple of ClaimAudit
        In the order of the claims.
    multiverse : Dataset, optional
        The same law under other choices, if it was asked for.
    title, dataset : str
        What it is called, and the dataset behind it, where that is known.
    """

    law: Law
    fits: Mapping[str, "Fit"]
    claims: tuple[ClaimAudit, ...]
    multiverse: xr.Dataset | None = None
    title: str = ""
    dataset: str = ""

    def __getitem__(self, label: str) -> ClaimAudit:
        found = next((each for each in self.claims if each.claim.label == label), None)
        if found is None:
            labels = ", ".join(repr(each.claim.label) for each in self.claims)
            raise DataError(
                f"no claim {label!r} was audited; expected one of {labels}. Choose one."
            )
        return found

    @property
    def table(self) -> pd.DataFrame:
        """A row a claim: its status, the verdict, and the outcome of every check."""
        rows = {
            each.claim.label: {
                "status": each.claim.status,
                "verdict": ", ".join(each.verdict),
                **{name: result.outcome for name, result in each.results.items()},
            }
            for each in self.claims
        }
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("claim")

    @property
    def budget(self) -> float | None:
        """The largest compute that a claim was made for; None where no claim names any."""
        return budget_of(each.claim for each in self.claims)

    def influence(self, flops: float | None = None, *, top: int | None = TOP) -> pd.DataFrame:
        """Runs that move N_opt most when left out, at the claims' `budget`; `drivers`."""
        return drivers(self.fits[DEFAULT], flops or self.budget, top=top)

    def __repr__(self) -> str:
        return "\n\n".join(map(repr, self.claims))

    def _repr_html_(self) -> str:
        from bayescale.display import audit_html

        return audit_html(self)


def audit(
    claims: Claim | Sequence[Claim] | Source | None,
    runs: "pd.DataFrame | str | PathLike[str] | Fit",
    *,
    law: Law,
    likelihood: LikelihoodFactory | None = None,
    clusters: str | None = FOUND,
    multiverse: bool | xr.Dataset | None = None,
    dataset: str = "",
    title: str = "",
    random_seed: int = 0,
    **options: Any,
) -> Audit:
    """Hold what was published against the runs behind it.

    Parameters
    ----------
    claims : Claim, sequence of Claim, path, mapping or None
        What was published: records, a TOML file or a mapping (`bayescale.claimfiles`). None takes
        what stands with the law about the dataset (`Law.claims_about`).
    runs : DataFrame, path or Fit
        Training runs, as for `fit`; or a fit of the law that is at hand.
    law : Law
        What the claims are about.
    dataset, title : str
        Name of the runs in `bayescale.datasets`, if they are there, and what to call the audit.
    likelihood, clusters, random_seed, **options
        As for `fit`. The runs are fitted once more with Student-t scatter of one scale and every
        run on its own, as the usual analysis has them: widths are judged by both.
    multiverse : bool or Dataset, optional
        What `bayescale.multiverse` found, or True to vary the usual choices, which takes minutes:
        says which verdicts hang on a choice, and changes none.

    Returns
    -------
    Audit

    Raises
    ------
    DataError
        If the table or the claims cannot be used, or a claim names what the law has not.

    Examples
    --------
    >>> import bayescale as bs
    >>> bs.audit(None, bs.datasets.load("chinchilla"), law=bs.models.CHINCHILLA)  # doctest: +SKIP
    """
    from bayescale.fitting import Fit, fit

    listed = _listed(claims, law, dataset)
    how = {"random_seed": random_seed, **options}
    if isinstance(runs, Fit):
        ours = runs
    else:
        ours = fit(law, runs, likelihood=likelihood, clusters=clusters, **how)
    alike = fit(law, ours.runs, likelihood=student_t, clusters=None, **how)
    fits = {DEFAULT: ours, ONE_SCALE: alike}
    varied = specifications_of(multiverse, ours, listed, random_seed)
    known = identified(ours)
    audited = tuple(_audited(each, fits, listed, known, varied) for each in listed)
    return Audit(law, fits, audited, varied, title, dataset)


def _listed(
    claims: Claim | Sequence[Claim] | Source | None, law: Law, dataset: str
) -> tuple[Claim, ...]:
    listed: tuple[Claim, ...]
    if claims is None:
        listed = law.claims_about(dataset or None)
    elif isinstance(claims, Claim):
        listed = (claims,)
    elif isinstance(claims, Sequence) and not isinstance(claims, str):
        listed = tuple(claims)
    else:
        listed = read_claims(claims)
    if not listed:
        raise DataError(
            f"there is no claim about law {law.name!r}; expected one at least. Name a law with "
            "published numbers, or give a file of claims."
        )
    known = {*law.sayable, *AT_BUDGET}
    for each in listed:
        unknown = sorted(each.names - known)
        if unknown:
            raise DataError(
                f"claim {each.label!r} names {unknown}; expected quantities of law {law.name!r}: "
                f"{', '.join(sorted(known))}. Rename them, or choose the law they belong to."
            )
    return listed


def identified(fit: "Fit") -> frozenset[str]:
    """Coefficients and derived quantities of which the runs say more than the prior."""
    took = identification(fit)["contraction"]
    return frozenset(map(str, took.index[took >= IDENTIFIED]))


def _audited(
    claim: Claim,
    fits: Mapping[str, "Fit"],
    every: Sequence[Claim],
    known: frozenset[str],
    varied: xr.Dataset | None,
) -> ClaimAudit:
    ours = fits[DEFAULT]
    others = (*every, *(each for each in ours.law.claims if each not in every))
    testable = _only(claim, known)
    found = (
        checks.position(testable, ours),
        checks.joint(claim, ours),
        checks.at_budget(claim, ours),
        misfit(claim, ours),
        held_out(claim, ours),
        checks.width(testable, fits),
        coherence(claim, ours.law, others),
        own_objective(claim, ours),
        agreement(claim, others),
        *(() if varied is None else (sensitivity(claim, ours, varied, known),)),
    )
    results = {result.name: result for result in found}
    vague = sorted(_said(claim, ours.law) - known)
    verdict = verdict_of(results, vague, trusted=ours.verdict.trusted)
    return ClaimAudit(claim, verdict, reasons_of(verdict, results, vague, ours), results)


def _said(claim: Claim, law: Law) -> set[str]:
    """What a claim says something about, with what follows from its coefficients."""
    follows = law.labels(
        name
        for name, function in law.derived.items()
        if set(law.labels(arguments(function))) <= {*claim.values}
    )
    return (claim.names | {*follows}) - AT_BUDGET.keys()


def _only(claim: Claim, known: frozenset[str]) -> Claim:
    """What a claim says of quantities that the runs identify."""
    kept: dict[str, Any] = {
        part: {name: value for name, value in getattr(claim, part).items() if name in known}
        for part in ("values", "errors", "intervals")
    }
    return replace(claim, **kept)
