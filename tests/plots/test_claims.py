from dataclasses import replace

import numpy as np
import pytest
from matplotlib.collections import LineCollection, PathCollection
from numpy.testing import assert_allclose

import bayescale as bs
from bayescale.auditing.record import Audit, ClaimAudit
from bayescale.plots import plot_claims
from bayescale.plots.claims import claimed_most

CLAIMS = (
    bs.Claim(
        label="with errors",
        values={"alpha": 0.3, "beta": 0.2},
        errors={"alpha": 0.01},
        reference="none",
    ),
    bs.Claim(
        label="with an interval",
        values={"alpha": 0.4},
        intervals={"alpha": (0.2, 0.5)},
        mass=0.9,
        reference="none",
    ),
)


@pytest.fixture
def audit(small_fit) -> Audit:
    """Two claims, of which the second is contradicted."""
    verdicts = (("consistent",), ("inconsistent",))
    audited = tuple(
        ClaimAudit(claim, verdict, (), {}) for claim, verdict in zip(CLAIMS, verdicts, strict=True)
    )
    return Audit(law=small_fit.law, fits={"default": small_fit}, claims=audited)


def test_the_posterior_is_in_the_first_row_and_every_claim_in_its_own(audit, small_fit):
    (ax,) = plot_claims(audit, ["alpha"])
    dots = [c.get_offsets()[0] for c in ax.collections if isinstance(c, PathCollection)]
    mean = float(small_fit.posterior["alpha"].mean())
    assert_allclose(dots, [[mean, 0], [0.3, 1], [0.4, 2]])
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == ["runs, default", "with errors", "with an interval"]


def test_a_bar_is_one_standard_error_or_the_published_interval(audit):
    (ax,) = plot_claims(audit, ["alpha"])
    bars = [c.get_segments() for c in ax.collections if isinstance(c, LineCollection)]
    ends = [np.array(segments)[0, :, 0] for segments in bars[1:]]
    assert_allclose(ends, [[0.29, 0.31], [0.2, 0.5]])


def test_a_claim_with_a_verdict_against_it_stands_out(audit):
    (ax,) = plot_claims(audit, ["alpha"])
    colours = [tuple(c.get_facecolor()[0]) for c in ax.collections if isinstance(c, PathCollection)]
    assert len(set(colours)) == 3


def test_a_claim_that_does_not_give_a_quantity_has_an_empty_row(audit):
    (ax,) = plot_claims(audit, ["beta"])
    rows = [c.get_offsets()[0][1] for c in ax.collections if isinstance(c, PathCollection)]
    assert rows == [0, 1]


def test_quantities_that_most_claims_give_are_the_default(audit):
    assert claimed_most(audit) == ["alpha", "beta"]
    assert claimed_most(audit, most=1) == ["alpha"]
    assert [ax.get_xlabel() for ax in plot_claims(audit)] == [r"$\alpha$", r"$\beta$"]


def test_quantities_without_a_claim_are_refused(audit):
    with pytest.raises(bs.LawError, match=r"no claim gives a value of \['E'\]; expected"):
        plot_claims(audit, ["E"])
    with pytest.raises(bs.LawError, match="no claim gives a value of what the fit has"):
        plot_claims(replace(audit, fits={}))
