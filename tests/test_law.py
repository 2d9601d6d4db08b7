from dataclasses import replace

import numpy as np
import pymc as pm
import pytest

from bayescale.claims import Claim
from bayescale.errors import LawError
from bayescale.law import Law, Units
from bayescale.models import LAWS
from bayescale.priors import Prior


def line(x: float, A: float, alpha: float) -> float:
    return A / x**alpha


def coefficients(units: Units, level: float, alpha: float) -> dict[str, float]:
    return {"A": level * units.pivot["x"] ** alpha, "alpha": alpha}


PRIORS = {
    "level": Prior(pm.LogNormal, mu=0.0, sigma=1.0),
    "alpha": Prior(pm.HalfNormal, sigma=0.5),
}


def law(**changes: object) -> Law:
    usual = {
        "name": "line",
        "title": "A line",
        "formula": line,
        "inputs": ("x",),
        "response": "y",
        "priors": PRIORS,
        "coefficients": coefficients,
        "reference": "arXiv:0000.00000",
    }
    return Law(**(usual | changes))


def claim(**changes: object) -> Claim:
    return Claim(**({"label": "me", "values": {"A": 1.0}, "reference": "here"} | changes))


def test_a_law_that_agrees_with_itself_is_made() -> None:
    made = law(derived={"half": lambda alpha: 2**-alpha}, claims=(claim(values={"half": 0.9}),))
    assert made.coefficient_names == ("A", "alpha")
    assert made.derive({"A": 1.0, "alpha": 1.0}) == {"half": 0.5}
    assert "line" in repr(made)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "Line 1"}, ["'Line 1'", "lower-case"]),
        ({"inputs": ("z",)}, ["('x',)", "('z',)", "Name and order them alike"]),
        ({"priors": {"level": PRIORS["level"]}}, ["takes ['alpha']", "priors are given for []"]),
        (
            {"priors": PRIORS | {"beta": PRIORS["alpha"]}},
            ["takes []", "priors are given for ['beta']"],
        ),
        ({"formula": lambda x, A, B, alpha: A}, ["gives []", "the formula takes ['B']"]),
        (
            {"coefficients": lambda units, level, alpha: {"A": 1, "alpha": 1, "E": 0}},
            ["gives ['E']", "the formula takes []"],
        ),
        ({"derived": {"b": lambda beta: beta}}, ["'b' takes ['beta']", "['A', 'alpha']"]),
        ({"optimal_params": lambda product, B: B}, ["optimal_params takes ['B']"]),
        ({"claims": (claim(values={"E": 1.7}),)}, ["claim 'me' names ['E']"]),
        ({"claims": (claim(errors={"E": 0.1}),)}, ["claim 'me' names ['E']"]),
        ({"domain": {"params": (1, 2)}}, ["domain names ['params']", "['x']"]),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_law_that_contradicts_itself_says_what_is_missing_where(
    changes: dict[str, object], words: list[str]
) -> None:
    with pytest.raises(LawError) as caught:
        law(**changes)
    assert all(word in str(caught.value) for word in words), caught.value


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Prior(pm.LogNormal, mean=0.0), ["LogNormal(mean=0)", "takes"]),
        (lambda: Prior(pm.LogNormal, mu=np.nan, sigma=1.0), ["mu is nan", "finite number"]),
        (lambda: Prior(pm.LogNormal, mu="x", sigma=1.0), ["mu is 'x'", "finite number"]),
        (lambda: Prior("LogNormal", mu=0.0), ["'LogNormal'", "no PyMC distribution"]),
        (lambda: Prior(pm.Dirichlet, a=(1, 1), parts=("a",)), ["a has 2 numbers", "expected 1"]),
        (lambda: Prior(pm.Normal, mu=(0.0, 1.0), sigma=1.0), ["mu has 2 numbers", "parts=(...)"]),
    ],
    ids=["parameter", "nan", "text", "name", "parts", "no parts"],
)
def test_a_prior_that_cannot_be_is_refused(make: object, words: list[str]) -> None:
    with pytest.raises(LawError) as caught:
        make()
    assert all(word in str(caught.value) for word in words), caught.value


def test_a_prior_shows_as_it_is_written() -> None:
    assert repr(PRIORS["level"]) == "LogNormal(mu=0, sigma=1)"
    shares = Prior(pm.Dirichlet, a=(2, 1), parts=("floor", "rest"))
    assert repr(shares) == "Dirichlet(a=(2, 1))"


def test_priors_that_differ_in_numbers_alone_have_one_form() -> None:
    assert Prior(pm.Normal, mu=0.0, sigma=1.0).form == Prior(pm.Normal, mu=3.0, sigma=2.0).form
    assert Prior(pm.Normal, mu=0.0, sigma=1.0).form != Prior(pm.Laplace, mu=0.0, b=1.0).form


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"intervals": {"A": (0.0, 1.0)}}, ["mass None", "between 0 and 1"]),
        ({"intervals": {"A": (0.0, 1.0)}, "mass": 80.0}, ["mass 80.0"]),
        ({"intervals": {"A": (1.0, 0.0)}, "mass": 0.8}, ["(1.0, 0.0)", "below the upper"]),
    ],
    ids=["no mass", "percent", "swapped"],
)
def test_a_claim_that_cannot_be_is_refused(changes: dict[str, object], words: list[str]) -> None:
    with pytest.raises(LawError) as caught:
        claim(**changes)
    assert all(word in str(caught.value) for word in words), caught.value


def test_records_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        law().name = "other"
    with pytest.raises(TypeError):
        PRIORS["level"].parameters["mu"] = 1.0


def test_a_registered_law_arrives_as_itself() -> None:
    make, said = LAWS["coupled"].__reduce__()
    assert make(*said) is LAWS["coupled"]


def test_a_law_of_ones_own_arrives_once() -> None:
    own = replace(LAWS["power_law"], name="own")
    make, (token, said) = own.__reduce__()
    assert make(token, said) is own
    there = make("as in another process", said)
    assert there is not own
    assert there.name == "own"
    assert make("as in another process", said) is there
