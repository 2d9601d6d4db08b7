"""Whether a claimed interval is narrower than the runs can make it."""

import numpy as np
from scipy import stats

from bayescale.auditing.check_result import (
    AGREES,
    DEFAULT,
    DISAGREES,
    UNTESTED,
    CheckResult,
    Evidence,
    draws_of_label,
    untested,
)
from bayescale.spec.claim import Claim
from bayescale.wording import about

NARROW = 0.5
"""Ratio to the posterior standard deviation below which a claimed one is too small: it would need
four times the runs."""


def width(claim: Claim, evidence: Evidence) -> CheckResult:
    """Check claimed standard deviations against the posterior, in numbers of runs.

    Standard deviations fall with the root of the number of runs, so that a claimed one of w needs
    ``runs * (sd / w)**2``. This number is computed for each fit, because likelihoods differ in what
    counts as one independent observation. Its 90% interval comes from how precisely a standard
    deviation is known from so many observations. Where the claim is from other data, the number is
    shown without a judgement.
    """
    names = [name for name in evidence.testable_names(claim) if claim.sd(name)]
    if not names:
        return untested("No error or interval was published for a quantity that the runs identify.")
    rows = {}
    for name in names:
        claimed = claim.sd(name) or np.nan
        for label, fit in evidence.fits.items():
            draws = draws_of_label(fit, name)
            sd, cases = float(draws.std(ddof=1)), fit.case_log_likelihood().shape[-1]
            needed = len(fit.runs) * (sd / claimed) ** 2
            free = max(cases - len(fit.law.coefficient_labels), 1)
            low, high = free / stats.chi2.ppf([0.95, 0.05], free)
            rows[f"{name}, {label}"] = {
                "claimed": claimed,
                "sd": sd,
                "ratio": claimed / sd,
                "runs_needed": needed,
                "runs_needed_low": needed * low,
                "runs_needed_high": needed * high,
            }
    narrow = [
        name
        for name in names
        if all(rows[f"{name}, {label}"]["ratio"] < NARROW for label in evidence.fits)
    ]
    narrowest = min(narrow or names, key=lambda name: rows[f"{name}, {DEFAULT}"]["ratio"])
    counts = sorted(rows[f"{narrowest}, {label}"]["runs_needed"] for label in evidence.fits)
    span = " to ".join(dict.fromkeys(map(about, (counts[0], counts[-1]))))
    sentence = (
        f"The claimed width of {narrowest} is {rows[f'{narrowest}, {DEFAULT}']['ratio']:.2g} times "
        f"that of the posterior: so narrow an interval would take {span} runs, depending on the "
        f"likelihood; there are {len(evidence.fit.runs)}."
    )
    if claim.made_from:
        return CheckResult(UNTESTED, rows, f"Made from {claim.made_from}. {sentence}")
    return CheckResult(DISAGREES if narrow else AGREES, rows, sentence)
