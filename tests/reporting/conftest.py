"""Reports that more than one test file looks at."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import bayescale as bs
from bayescale.auditing.record import Audit, ClaimAudit
from bayescale.fitting.record import Fit
from bayescale.reporting.record import Report
from bayescale.validation.choices import LIKELIHOODS
from bayescale.validation.sweep import Parallel
from tests.hostile import MARKUP, TERMINAL, WORDS

HOSTILE = "<script>alert(1)</script>\"'&$\\$_`|[x](javascript:1)"
"""Text that would do harm as HTML, as Markdown or as a formula."""

SIGNS = "".join(TERMINAL.values())
"""Signs that terminals obey, and that nobody sees."""

STRANGE = f"{HOSTILE} {WORDS} {SIGNS} {' '.join(MARKUP.values())} {'very' * 40}"
"""That, with text of many languages, whatever else is read as more than text, and a long word."""

COLUMN = STRANGE.replace("/", "").replace("\\", "")
"""No column whose name could be a path can group runs."""


@pytest.fixture(scope="session")
def fit_report(small_fit: Fit) -> Report:
    """Report of a short fit of the shipped runs."""
    return bs.report(small_fit, table="pocket", command="bayescale report pocket")


@pytest.fixture(scope="session")
def hostile_fit() -> Fit:
    """A fit of groups and columns with names that nobody should trust."""
    params, ratio = map(np.ravel, np.meshgrid(np.geomspace(1e8, 1e10, 5), np.geomspace(2, 200, 4)))
    noise = np.exp(0.005 * np.random.default_rng(1).standard_normal((2, params.size)))
    loss = 1.8 + 480 / params**0.35 + 2100 / (ratio * params) ** 0.37
    tables = [
        pd.DataFrame(
            {"params": params, "tokens": ratio * params, "loss": loss * factor, COLUMN: name}
        )
        for name, factor in zip((STRANGE, SIGNS), noise, strict=True)
    ]
    return bs.fit(
        bs.models.CHINCHILLA,
        pd.concat(tables, ignore_index=True),
        groups=COLUMN,
        pool="separate",
        draws=100,
        tune=300,
        chains=2,
        random_seed=1,
    )


@pytest.fixture(scope="session")
def hostile_report(hostile_fit: Fit) -> Report:
    """Report of that fit, with a table and a command that are no better."""
    return bs.report(hostile_fit, table=STRANGE, command=f"bayescale report {STRANGE}")


@pytest.fixture(scope="session")
def hostile_audit(small_fit: Fit) -> Audit:
    """Claims about the shipped runs, one of them hostile."""
    fit = replace(small_fit)
    values = {"E": 0.3, "alpha": 0.18, "beta": 0.27}
    claims = [
        bs.Claim(label="Nobody", values=values, reference="nowhere, arXiv:2203.15556"),
        bs.Claim(
            label=STRANGE,
            values=values | {"alpha": 0.5},
            errors={"alpha": 0.001},
            reference=STRANGE,
        ),
    ]
    axes = {"likelihood": {name: LIKELIHOODS[name] for name in ("default", "one scale")}}
    short = {"draws": 200, "tune": 400, "chains": 2}
    multiverse = bs.multiverse(
        fit.law,
        fit.runs,
        axes=axes,
        flops=1e13,
        sampling=bs.Sampling(**short),
        parallel=Parallel(jobs=1),
        random_seed=1,
    )
    return bs.audit(
        claims, fit, law=fit.law, title=STRANGE, multiverse=multiverse, random_seed=1, **short
    )


@pytest.fixture(scope="session")
def audit_report(hostile_audit: Audit) -> Report:
    """Report of these claims."""
    return bs.report(hostile_audit, table="pocket", command="bayescale audit pocket")


@pytest.fixture(scope="session")
def audits_report(hostile_audit: Audit) -> Report:
    """Report of that audit twice, and of a claim whose runs were not available."""
    claim = hostile_audit.claims[0].claim
    missing = ClaimAudit(claim, ("not testable",), ("There was no network.",), {})
    nothing = Audit(hostile_audit.law, {}, (missing,), title="nowhere", dataset="nowhere")
    return bs.report([hostile_audit, hostile_audit, nothing])
