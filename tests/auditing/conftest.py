"""One fit of planted runs, and the evidence that it is."""

import numpy as np
import pytest

from bayescale.auditing.check_result import DEFAULT, Evidence
from bayescale.fitting.fit import fit
from bayescale.fitting.record import Fit
from bayescale.likelihoods import NORMAL
from tests.auditing.planted import LAW, planted_runs


@pytest.fixture(scope="session")
def grid() -> Fit:
    """49 runs on a grid, which identify every quantity of the law."""
    runs = planted_runs(np.geomspace(5e7, 1e10, 7)[:, None], np.geomspace(1e9, 3e11, 7), seed=1)
    return fit(LAW, runs, likelihood=NORMAL, clusters=None, random_seed=1)


@pytest.fixture(scope="session")
def evidence(grid: Fit) -> Evidence:
    return Evidence({DEFAULT: grid}, identified=frozenset(LAW.quantity_labels))
