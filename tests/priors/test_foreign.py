"""Priors that are written with other packages."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from bayescale import priors
from bayescale.errors import LawError
from bayescale.inference.structure import build_structure
from bayescale.models import LAWS
from bayescale.priors import DISTRIBUTIONS, as_prior
from tests.designs import simulated
from tests.priors.test_distributions import EXAMPLES, PARTS


@pytest.mark.parametrize("name", sorted(set(DISTRIBUTIONS) - {"HalfStudentT"}))
def test_scipys_own_density_comes_back(name: str) -> None:
    kind = DISTRIBUTIONS[name]
    parts = PARTS if kind.transform.joint else ()
    given = kind.frozen(**{key: np.asarray(x) for key, x in EXAMPLES[name].items()})
    prior = as_prior(given, parts)
    assert prior.distribution is kind
    for key, value in EXAMPLES[name].items():
        assert_allclose(prior.parameters[key], value, rtol=1e-12)


def test_positional_numbers_of_scipy_are_read() -> None:
    assert repr(as_prior(stats.gamma(2.0, scale=10.0))) == "Gamma(alpha=2, beta=0.1)"
    assert repr(as_prior(stats.norm(1.0, 2.0))) == "Normal(mu=1, sigma=2)"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (stats.lognorm(s=0.3, loc=1.0), "lognorm with loc 1.0"),
        (stats.pareto(2.0), "a pareto; expected one of Normal"),
        (3.0, "a prior is 3.0; expected one of bayescale.priors"),
    ],
)
def test_what_has_no_counterpart_is_refused(given: Any, words: str) -> None:
    with pytest.raises(LawError) as caught:
        as_prior(given)
    assert words in str(caught.value)


def test_priors_of_preliz_are_read() -> None:
    preliz = pytest.importorskip("preliz", reason="preliz is not installed")
    assert repr(as_prior(preliz.Gamma(2, 0.1))) == "Gamma(alpha=2, beta=0.1)"
    assert repr(as_prior(preliz.LogNormal(0, 0.3))) == "LogNormal(mu=0, sigma=0.3)"
    between = as_prior(preliz.TruncatedNormal(0, 1, lower=0, upper=2))
    assert repr(between) == "TruncatedNormal(mu=0, sigma=1, lower=0, upper=2)"


def test_priors_of_pymc_extras_are_read() -> None:
    extras = pytest.importorskip("pymc_extras.prior", reason="pymc-extras is not installed")
    given = extras.Prior("LogNormal", mu=0.0, sigma=0.3)
    assert repr(as_prior(given)) == repr(priors.LogNormal(mu=0.0, sigma=0.3))


def test_a_fit_takes_them() -> None:
    given = {"alpha": stats.lognorm(s=0.1, scale=0.3), "share": stats.dirichlet([3.0, 1.0, 1.0])}
    runs = simulated(LAWS["chinchilla"], noise=0.01, seed=1)
    structure = build_structure(LAWS["chinchilla"], runs, priors=given)
    priors_by_name = dict(structure.priors)
    assert priors_by_name["alpha"].distribution is priors.LogNormal
    assert priors_by_name["share"].parts == ("irreducible", "model", "data")
    assert priors_by_name["share"].parameters["a"] == (3.0, 1.0, 1.0)
