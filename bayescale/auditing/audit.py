"""Audit published estimates, and the widths of their intervals, against the runs behind them."""

from collections.abc import Sequence
from os import PathLike
from typing import Any

import pandas as pd
import xarray as xr

from bayescale.auditing.check_result import DEFAULT, ONE_SCALE, Evidence, derivable_names
from bayescale.auditing.checks import CHECKS
from bayescale.auditing.claim_files import Source, read_claims
from bayescale.auditing.record import Audit, ClaimAudit
from bayescale.auditing.verdicts import reasons_of, verdict_of
from bayescale.diagnostics.identifiability import IDENTIFIED, identification
from bayescale.diagnostics.influence import headline_quantity
from bayescale.errors import DataError
from bayescale.fitting.fit import fit
from bayescale.fitting.record import Fit
from bayescale.likelihoods import STUDENT_T
from bayescale.spec.claim import AT_BUDGET, Claim, budget_of
from bayescale.spec.law import AUTO, Law
from bayescale.spec.likelihood import Likelihood
from bayescale.validation.multiverse import multiverse as fit_specifications
from bayescale.validation.multiverse import usual_axes


def audit(
    claims: Claim | Sequence[Claim] | Source | None,
    runs: pd.DataFrame | str | PathLike[str] | Fit,
    *,
    law: Law,
    likelihood: Likelihood | None = None,
    clusters: str | None = AUTO,
    multiverse: bool | xr.Dataset | None = None,
    dataset: str = "",
    title: str = "",
    random_seed: int | None = None,
    **options: Any,
) -> Audit:
    """Compare published claims with the runs behind them.

    Parameters
    ----------
    claims : Claim, sequence of Claim, path, mapping or None
        What was published: records, or a TOML file or mapping for `bayescale.read_claims`. None for
        the law's own claims about the dataset (`Law.claims_about`).
    runs : DataFrame, path or Fit
        Training runs, as for `bayescale.fit`; or a fit of the law to them.
    law : Law
        The law of the claims.
    likelihood : Likelihood, optional
        As for `bayescale.fit`. The runs are also fitted with Student-t scatter of one scale and
        every run on its own, which is the usual analysis of papers: widths are judged by both fits.
    clusters : str, optional
        As for `bayescale.fit`.
    multiverse : bool or Dataset, optional
        True to repeat the analysis under the usual choices, which takes minutes; or the result of
        `bayescale.multiverse`. It shows which verdicts depend on a choice, and changes none.
    dataset : str
        Name of the runs in `bayescale.datasets`, if they are there.
    title : str
        Title of the audit.
    random_seed : int, optional
        By default that of the fit, or drawn where runs are given. Each fit keeps its own.
    **options
        Further options of `bayescale.fit`.

    Returns
    -------
    Audit
        Every claim with its verdict, the reasons and the result of every check.

    Raises
    ------
    DataError
        If the table or the claims cannot be used, a claim names a quantity that the law does not
        have, or choices are to be varied for grouped runs.

    Examples
    --------
    >>> import bayescale as bs
    >>> bs.audit(None, bs.datasets.load("chinchilla"), law=bs.models.CHINCHILLA)  # doctest: +SKIP
    """
    chosen = _chosen_claims(claims, law, dataset)
    if isinstance(runs, Fit):
        default = runs
    else:
        default = fit(
            law,
            runs,
            likelihood=likelihood,
            clusters=clusters,
            random_seed=random_seed,
            **options,
        )
    seed = default.random_seed if random_seed is None else random_seed
    specifications = multiverse if isinstance(multiverse, xr.Dataset) else None
    if multiverse is True and default.structure.by is not None:
        raise DataError(
            f"multiverse=True with runs grouped by {default.structure.by!r}; expected runs of one "
            "group, for which choices are varied. Choose the rows of one, or leave it out."
        )
    one_scale = fit(
        law, default.runs, likelihood=STUDENT_T, clusters=None, random_seed=seed, **options
    )
    if multiverse is True:
        budget = headline_quantity(default, budget_of(chosen)).budget
        specifications = fit_specifications(
            law, default.runs, axes=usual_axes(default), flops=budget, random_seed=seed
        )
    contraction = identification(default)["contraction"]
    evidence = Evidence(
        fits={DEFAULT: default, ONE_SCALE: one_scale},
        identified=frozenset(map(str, contraction.index[contraction >= IDENTIFIED])),
        claims=(*chosen, *(claim for claim in law.claims if claim not in chosen)),
        multiverse=specifications,
    )
    audited = tuple(audit_claim(claim, evidence) for claim in chosen)
    return Audit(law, evidence.fits, audited, specifications, title, dataset)


def _chosen_claims(
    claims: Claim | Sequence[Claim] | Source | None, law: Law, dataset: str
) -> tuple[Claim, ...]:
    """Claims as records, which there need to be, about quantities of the law."""
    chosen: tuple[Claim, ...]
    if claims is None:
        chosen = law.claims_about(dataset or None)
    elif isinstance(claims, Claim):
        chosen = (claims,)
    elif isinstance(claims, Sequence) and not isinstance(claims, str):
        chosen = tuple(claims)
    else:
        chosen = read_claims(claims)
    if not chosen:
        raise DataError(
            f"there is no claim about law {law.name!r}; expected one at least. Name a law with "
            "published numbers, or give a file of claims."
        )
    known = {*law.quantity_labels, *AT_BUDGET}
    for claim in chosen:
        unknown = sorted(claim.names - known)
        if unknown:
            raise DataError(
                f"claim {claim.label!r} names {unknown}; expected quantities of law {law.name!r}: "
                f"{', '.join(sorted(known))}. Rename them, or choose the law they belong to."
            )
    return chosen


def audit_claim(claim: Claim, evidence: Evidence) -> ClaimAudit:
    """Run every check on one claim, and draw the verdict.

    Parameters
    ----------
    claim : Claim
        What was published.
    evidence : Evidence
        What it is compared with.
    """
    fit = evidence.fit
    results = {name: check.function(claim, evidence) for name, check in CHECKS.items()}
    # A claim is also about what follows from its coefficients.
    subjects = claim.names | set(fit.law.labels(derivable_names(claim, fit.law)))
    unidentified = sorted(subjects - AT_BUDGET.keys() - evidence.identified)
    verdict = verdict_of(results, unidentified, trusted=fit.verdict.trusted)
    return ClaimAudit(claim, verdict, reasons_of(verdict, results, unidentified, fit), results)
