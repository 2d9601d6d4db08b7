"""The drift of a fit, updated by back-tests on its own runs."""

import json
from dataclasses import replace

import numpy as np
import pytest

from bayescale.errors import DataError, LawError
from bayescale.fitting.fit import fit
from bayescale.fitting.record import Fit
from bayescale.likelihoods import NORMAL
from bayescale.models import LAWS
from bayescale.validation.rolling_origin import update_drift
from bayescale.validation.sweep import Parallel
from tests.designs import simulated

CHINCHILLA = LAWS["chinchilla"]
ALONE = Parallel(jobs=1)


def test_back_tests_on_runs_of_the_law_make_tau_smaller() -> None:
    """Runs that follow the law, at two cuts; 2,000 draws show what two slopes can say."""
    runs = simulated(CHINCHILLA, noise=0.002, seed=6, each=9)
    first = fit(
        CHINCHILLA, runs, likelihood=NORMAL, clusters=None, draws=1000, chains=2, random_seed=2
    )
    updated = update_drift(first, cuts=(0.5, 0.7), parallel=ALONE)
    slopes = json.loads(updated.drift.attrs["slopes"])
    assert [slope["cut"] for slope in slopes] == ["0.5", "0.7"]
    before, after = (np.log(fitted.drift["tau"]).median() for fitted in (first, updated))
    # Three standard errors of the difference of two medians of as many draws.
    count = first.drift["tau"].size
    sigma = CHINCHILLA.drift.ratio.parameters["sigma"]
    assert before - after > 3 * 1.2533 * sigma * np.sqrt(2 / count)
    assert updated.posterior.identical(first.posterior)
    assert updated.drift["split_drift"].identical(first.drift["split_drift"])


def test_cuts_without_enough_runs_on_both_sides_are_refused(small_fit: Fit) -> None:
    with pytest.raises(DataError, match="expected one that does"):
        update_drift(small_fit, cuts=(0.01, 0.999), parallel=ALONE)


def test_grouped_runs_are_refused(small_fit: Fit) -> None:
    grouped = replace(small_fit, structure=replace(small_fit.structure, by="corpus"))
    with pytest.raises(LawError, match="ungrouped"):
        update_drift(grouped)
