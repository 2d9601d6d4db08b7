"""Laws, priors and their parts check themselves, and are equal to their pickled copies."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cloudpickle
import numpy as np
import pandas as pd
import pytest

from bayescale.errors import LawError
from bayescale.inference import compile
from bayescale.inference.structure import build_structure
from bayescale.likelihoods import NORMAL, VARIANCE_FUNCTION
from bayescale.models import LAWS
from bayescale.priors import Dirichlet, HalfNormal, Laplace, LogNormal, Normal, Prior
from bayescale.spec import law as law_module
from bayescale.spec.claim import Claim
from bayescale.spec.columns import POSITIVE, PROPORTION, Column
from bayescale.spec.law import Drift, Groups, Law, Optimum, Units
from bayescale.spec.stage import of_response


def line(x: float, A: float, alpha: float) -> float:
    return A / x**alpha


def coefficients(units: Units, level: float, alpha: float) -> dict[str, float]:
    return {"A": level * units.pivot["x"] ** alpha, "alpha": alpha}


PRIORS = {
    "level": LogNormal(mu=0.0, sigma=1.0),
    "alpha": HalfNormal(sigma=0.5),
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


def test_a_consistent_law_is_accepted() -> None:
    own = law(derived={"half": lambda alpha: 2**-alpha}, claims=(claim(values={"half": 0.9}),))
    assert own.coefficient_names == ("A", "alpha")
    assert own.derive({"A": 1.0, "alpha": 1.0}) == {"half": 0.5}
    assert "line" in repr(own)


def test_what_columns_hold_comes_from_their_entries() -> None:
    own = law(columns={"x": Column(known=True), "y": Column(PROPORTION, computed=len)})
    assert own.kind_of("x") is POSITIVE
    assert own.kind_of("y") is PROPORTION
    assert own.kind_of("other") is POSITIVE
    assert own.known_inputs == ("x",)
    assert own.varying_inputs == own.noisy_inputs == ()
    assert own.computed_columns == {"y": len}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "Line 1"}, ["'Line 1'", "lower-case"]),
        ({"inputs": ("z",)}, ["('x',)", "('z',)", "the same names in the same order"]),
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
        ({"optimum": Optimum(params=lambda product, B: B)}, ["optimum.params takes ['B']"]),
        ({"optimum": Optimum(also={"e": lambda B: B})}, ["'e' at the optimum takes ['B']"]),
        ({"drift": Drift(size=lambda z: z)}, ["drift.size takes ['z']", "['x']"]),
        ({"groups": Groups(pool={"b": "shared"})}, ["groups.pool names ['b']"]),
        ({"groups": Groups(between={"b": PRIORS["alpha"]})}, ["groups.between names ['b']"]),
        ({"columns": {"z": Column(noisy=True)}}, ["noisy columns are ['z']"]),
        ({"columns": {"z": Column(known=True)}}, ["known columns are ['z']"]),
        ({"stage": LAWS["power_law"]}, ["the response of its stage is ['y']"]),
        ({"claims": (claim(at={"epochs": 4}),)}, ["claim 'me' is made at ['epochs']"]),
        ({"claims": (claim(values={"E": 1.7}),)}, ["claim 'me' names ['E']"]),
        ({"claims": (claim(errors={"E": 0.1}),)}, ["claim 'me' names ['E']"]),
        ({"domain": {"params": (1, 2)}}, ["domain names ['params']", "['x']"]),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_law_that_contradicts_itself_is_refused(
    changes: dict[str, object], words: list[str]
) -> None:
    with pytest.raises(LawError) as caught:
        law(**changes)
    assert all(word in str(caught.value) for word in words), caught.value


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: LogNormal(mean=0.0), ["LogNormal(mean=0)", "expected the parameters"]),
        (lambda: LogNormal(mu=np.nan, sigma=1.0), ["mu is nan", "finite number"]),
        (lambda: LogNormal(mu="x", sigma=1.0), ["mu is 'x'", "finite number"]),
        (lambda: Prior("LogNormal", mu=0.0), ["'LogNormal'", "expected one of"]),
        (lambda: Dirichlet(a=(1, 1), parts=("a",)), ["a has 2 numbers", "expected 1"]),
        (lambda: Normal(mu=(0.0, 1.0), sigma=1.0), ["mu has 2 numbers", "parts=(...)"]),
    ],
    ids=["parameter", "nan", "text", "name", "parts", "no parts"],
)
def test_a_prior_that_cannot_be_is_refused(make: object, words: list[str]) -> None:
    with pytest.raises(LawError) as caught:
        make()
    assert all(word in str(caught.value) for word in words), caught.value


def test_a_prior_shows_as_it_is_written() -> None:
    assert repr(PRIORS["level"]) == "LogNormal(mu=0, sigma=1)"
    shares = Dirichlet(a=(2, 1), parts=("floor", "rest"))
    assert repr(shares) == "Dirichlet(a=(2, 1))"


def test_priors_that_differ_in_numbers_alone_have_one_form() -> None:
    assert Normal(mu=0.0, sigma=1.0).form == Normal(mu=3.0, sigma=2.0).form
    assert Normal(mu=0.0, sigma=1.0).form != Laplace(mu=0.0, b=1.0).form


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


@pytest.mark.parametrize(
    "parts",
    [
        {"tau": PRIORS["alpha"]},
        {"ratio": PRIORS["alpha"]},
        {"source": "assumed"},
        {"ratio": PRIORS["alpha"], "tau": PRIORS["alpha"], "source": "assumed"},
    ],
    ids=["tau without source", "ratio without source", "no prior", "two priors"],
)
def test_drift_has_one_prior_and_its_source_or_neither(parts: dict[str, object]) -> None:
    with pytest.raises(LawError, match=r"drift has ratio .* expected one prior with its source"):
        Drift(**parts)


def test_drift_of_every_law_has_a_source() -> None:
    assert Drift().source == ""
    for kind in ("ratio", "tau"):
        assert Drift(**{kind: PRIORS["alpha"]}, source="assumed").source == "assumed"
    drifts = {name: law.drift for name, law in LAWS.items()}
    sources = {name: drift.source for name, drift in drifts.items() if drift.ratio or drift.tau}
    assert "learned from back-tests of thirteen families of public studies" in sources["coupled"]
    assert all(sources.values())


def test_a_law_of_another_response_has_its_coefficients() -> None:
    staged = of_response(law(), "bits")
    assert (staged.name, staged.response) == ("line_of_bits", "bits")
    units = Units(*4 * [{"x": 2.0, "bits": 3.0}])
    assert staged.coefficients(units, level=1.0, alpha=1.0) == {"A": 2.0, "alpha": 1.0}
    assert of_response(law(claims=(claim(),)), "bits").claims == ()


@pytest.mark.parametrize("own", [law(), NORMAL, VARIANCE_FUNCTION], ids=lambda own: own.name)
def test_a_pickled_copy_is_equal_and_a_replaced_one_is_not(own: object) -> None:
    copy = cloudpickle.loads(cloudpickle.dumps(own))
    assert copy is not own
    assert copy == own
    assert hash(copy) == hash(own)
    assert replace(own, title="another") != own
    assert replace(own) != own
    assert own != "line"


def test_a_pickled_copy_is_not_compiled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same structure of a copy of law and likelihood finds the compiled model."""
    compilations = []
    monkeypatch.setattr(compile, "build_model", lambda *args, **options: None)
    monkeypatch.setattr(
        compile, "compile_model", lambda model: compilations.append(model) or object()
    )
    monkeypatch.setattr(compile, "_COMPILED", {})
    own = law(priors=PRIORS)
    runs = pd.DataFrame({"x": np.geomspace(1, 100, 12), "y": np.geomspace(4, 2, 12)})
    copy, normal = cloudpickle.loads(cloudpickle.dumps((own, NORMAL)))
    structures = [
        build_structure(own, runs, NORMAL, clusters=None),
        build_structure(copy, runs, normal, clusters=None),
        build_structure(replace(own), runs, NORMAL, clusters=None),
        build_structure(own, runs, replace(NORMAL), clusters=None),
    ]
    first, second, *others = structures
    assert first.key == second.key
    assert all(other.key != first.key for other in others)
    compiled = [compile.compiled_model(structure, runs) for structure in structures]
    assert compiled[0] is compiled[1]
    assert len(compilations) == 3


def test_importing_spec_loads_no_pymc() -> None:
    paths = Path(law_module.__file__).parent.glob("[!_]*.py")
    imports = ", ".join(f"bayescale.spec.{path.stem}" for path in paths)
    code = (
        f"import sys, {imports}; print({{'pymc', 'pytensor', 'arviz', 'scipy'}} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code]
    process = subprocess.run(command, capture_output=True, text=True, check=True)
    assert process.stdout.strip() == "set()"
