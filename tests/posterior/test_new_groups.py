"""One more group of the kind that a fit has seen."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from bayescale.errors import DataError
from bayescale.fitting.fit import fit
from bayescale.fitting.record import Fit
from bayescale.likelihoods import NORMAL
from bayescale.models import LAWS
from bayescale.posterior.new_groups import add_new_groups
from tests.designs import simulated

LAW = LAWS["chinchilla"]
RUNS = simulated(LAW, noise=0.01, seed=6, each=6).assign(corpus=["web", "code", "maths"] * 12)
POINTS = pd.DataFrame({"params": 1e9, "tokens": [2e10, 2e10], "corpus": ["code", "news"]})
SHORT = {"likelihood": NORMAL, "clusters": None, "draws": 500, "chains": 2, "random_seed": 4}


@pytest.fixture(scope="module")
def grouped() -> Fit:
    return fit(LAW, RUNS, groups="corpus", **SHORT)


def test_a_new_group_scatters_about_the_common_value(grouped: Fit) -> None:
    """On the sampling scale: standard normal in units of the sd between groups."""
    rng = np.random.default_rng(5)
    extended = add_new_groups(grouped.draws, POINTS, rng)
    assert extended.structure.groups == ("code", "maths", "web", "news")
    common, between = (grouped.posterior[f"alpha_{kind}"] for kind in ("common", "sd"))
    z = (np.log(extended.posterior["alpha"].sel(corpus="news")) - np.log(common)) / between
    # Monte Carlo errors of a mean and an sd of 1,000 independent values, times five.
    assert_allclose(z.mean(), 0.0, atol=5 / np.sqrt(z.size))
    assert_allclose(z.std(), 1.0, atol=5 / np.sqrt(2 * z.size))


def test_its_coefficients_follow_from_its_parameters(grouped: Fit) -> None:
    """A and B of the new group have the same pivot as those of the others."""
    mean = grouped.predict(POINTS, drift=False)["mean"]
    known, new = (np.log(mean.isel(point=k)) for k in (0, 1))
    assert float(abs(new.median() - known.median())) < 0.2
    # The runs of a group carry more information on it than those of the other groups.
    assert float(new.std()) > 1.5 * float(known.std())


def test_known_groups_stay_unchanged(grouped: Fit) -> None:
    alone = grouped.predict(POINTS[:1], drift=False)["mean"].isel(point=0)
    beside = grouped.predict(POINTS, drift=False)["mean"].isel(point=0)
    assert_allclose(alone, beside, rtol=1e-12)


def test_separate_groups_give_no_information_on_another() -> None:
    fitted = fit(LAW, RUNS, groups="corpus", pool="separate", **SHORT)
    with pytest.raises(DataError, match=r"corpus holds \['news'\].*'code'.*pool='partial'"):
        fitted.predict(POINTS)
    with pytest.raises(DataError, match="no corpus everywhere"):
        fitted.predict(POINTS.drop(columns="corpus"))
