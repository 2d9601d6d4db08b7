"""Every kind of prior: to PyMC and to scipy it is one distribution, on one sampling scale."""

import pickle

import numpy as np
import pymc as pm
import pytest
from numpy.testing import assert_allclose
from scipy import integrate

from bayescale.errors import LawError
from bayescale.priors import DISTRIBUTIONS, Distribution, Prior
from bayescale.priors.distributions import HalfT
from bayescale.priors.transforms import REAL_LINE

EXAMPLES = {
    "Normal": {"mu": 0.3, "sigma": 0.7},
    "StudentT": {"nu": 4.0, "mu": -0.2, "sigma": 1.5},
    "Laplace": {"mu": 0.5, "b": 2.0},
    "Logistic": {"mu": 0.5, "s": 2.0},
    "Cauchy": {"alpha": -0.5, "beta": 0.4},
    "SkewNormal": {"mu": 0.1, "sigma": 0.8, "alpha": 3.0},
    "LogNormal": {"mu": -1.2, "sigma": 0.6},
    "HalfNormal": {"sigma": 0.3},
    "HalfStudentT": {"nu": 3.0, "sigma": 0.05},
    "HalfCauchy": {"beta": 0.4},
    "Gamma": {"alpha": 2.0, "beta": 0.1},
    "InverseGamma": {"alpha": 3.0, "beta": 0.5},
    "Weibull": {"alpha": 1.5, "beta": 0.5},
    "Exponential": {"lam": 3.0},
    "Beta": {"alpha": 2.0, "beta": 5.0},
    "Uniform": {"lower": -1.0, "upper": 3.0},
    "TruncatedNormal": {"mu": 0.2, "sigma": 0.5, "lower": -0.1, "upper": 1.0},
    "Dirichlet": {"a": (2.0, 1.0, 0.5)},
}
SINGLE = 1e-7
"""PyMC keeps constants such as log 2 in single precision, which is right to 6e-8."""

PARTS = ("first", "second", "third")
every_kind = pytest.mark.parametrize("kind", DISTRIBUTIONS.values(), ids=DISTRIBUTIONS)


def scalar_or_simplex(kind: Distribution) -> Prior:
    return kind(parts=PARTS if kind.transform.joint else (), **EXAMPLES[kind.name])


def cases() -> dict[str, Prior]:
    """Every kind as it is, and with three parts."""
    found = {name: scalar_or_simplex(kind) for name, kind in DISTRIBUTIONS.items()}
    for name, kind in DISTRIBUTIONS.items():
        if not kind.transform.joint:
            first, *rest = EXAMPLES[name].items()
            spread = {first[0]: tuple(first[1] * np.array([1.0, 0.8, 0.6]))}
            found[f"{name}, parts"] = kind(parts=PARTS, **spread, **dict(rest))
    return found


every_case = pytest.mark.parametrize("prior", cases().values(), ids=cases())


@every_case
def test_pymc_and_numpy_have_one_density_on_one_scale(prior: Prior) -> None:
    shape = len(prior.parts) or None
    with pm.Model() as model:
        numbers = {name: np.array(value) for name, value in prior.parameters.items()}
        getattr(pm, prior.distribution.name)("value", **numbers, shape=shape)
    log_density = model.compile_logp()
    (variable,) = model.value_vars
    rng = np.random.default_rng(1)
    values = prior.draw((20,), rng)
    points = prior.forward(values)
    assert points.shape == ((20, prior.coordinates) if prior.parts else (20,))
    assert_allclose(prior.backward(points), values, rtol=1e-9, atol=1e-12)
    expected = [float(log_density({variable.name: point})) for point in points]
    assert_allclose(prior.log_density(points), expected, rtol=1e-9, atol=SINGLE)


@every_case
def test_a_short_form_of_the_density_is_that_of_scipy(prior: Prior) -> None:
    points = prior.forward(prior.draw((20,), np.random.default_rng(2)))
    slope = prior.distribution.transform.log_slope(points, **prior.numbers)
    slope = slope.sum(axis=-1) if prior.separate else slope
    scipys = prior.log_density_of(prior.backward(points)) + slope
    assert_allclose(prior.log_density(points), scipys, rtol=1e-9)


@every_kind
def test_the_density_on_the_sampling_scale_integrates_to_one(kind: Distribution) -> None:
    """So that the slope of the transform is right, whatever PyMC does."""
    if kind.transform.joint:
        prior = kind(parts=PARTS[:2], a=(2.0, 1.5))
        density = lambda z: float(np.exp(prior.log_density(np.array([z]))))  # noqa: E731
    else:
        prior = scalar_or_simplex(kind)
        density = lambda z: float(np.exp(prior.log_density(np.array(z))))  # noqa: E731
    # On a logarithm, or log odds, what lies beyond 50 is less than the tolerance.
    end = np.inf if kind.transform is REAL_LINE else 50.0
    with np.errstate(over="ignore", invalid="ignore"):  # far out, where the density is zero
        mass = sum(integrate.quad(density, *ends, limit=200)[0] for ends in ((-end, 0), (0, end)))
    assert_allclose(mass, 1.0, rtol=1e-6)


@every_kind
def test_a_kind_survives_pickling(kind: Distribution) -> None:
    prior = scalar_or_simplex(kind)
    copy = pickle.loads(pickle.dumps(prior))  # noqa: S301
    assert copy.distribution is kind
    assert (copy.parameters, copy.parts) == (prior.parameters, prior.parts)


@pytest.mark.parametrize(
    ("kind", "numbers", "words"),
    [
        ("LogNormal", {"mu": 0.0}, "lacks ['sigma']"),
        ("LogNormal", {"mu": 0.0, "sigma": -1.0}, "sigma -1.0"),
        ("Uniform", {"lower": 2.0, "upper": 1.0}, "expected lower below upper"),
        ("Dirichlet", {"a": 1.0}, "has parts ()"),
    ],
)
def test_numbers_that_make_no_distribution_are_refused(
    kind: str, numbers: dict[str, float], words: str
) -> None:
    with pytest.raises(LawError) as caught:
        DISTRIBUTIONS[kind](**numbers)
    assert words in str(caught.value)


def test_a_half_t_has_half_of_its_mass_below_its_median() -> None:
    half = HalfT(nu=3.0, sigma=0.05)
    mass, _ = integrate.quad(lambda x: np.exp(half.logpdf(x)), 0.0, half.median())
    assert_allclose(mass, 0.5, rtol=1e-9)
