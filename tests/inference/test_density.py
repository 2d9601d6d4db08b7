"""The density in numpy is that of the PyMC model, for whatever a model can be made of."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from pytensor.compile.mode import Mode

from bayescale.inference.coordinates import blocks_of, draw_prior_points
from bayescale.inference.density import Density
from bayescale.inference.model import build_model
from bayescale.inference.structure import Structure, build_structure
from bayescale.likelihoods import NORMAL, STUDENT_T
from bayescale.models import LAWS
from bayescale.spec.law import Law
from bayescale.spec.likelihood import Likelihood
from tests.designs import FORMS, design, modelled, simulated, with_columns
from tests.test_likelihoods import ALL, law_of

POINTS = 12


def fitted_to(law: Law, likelihood: Likelihood | None = None, **choices: Any) -> Iterator[Any]:
    """A structure with its runs, as a test gets them."""
    count = 6 if len(law.inputs) > 1 else 24
    if likelihood is None:
        runs = simulated(law, noise=0.01, seed=1, each=count)
        runs = with_columns(law.likelihoods[-1], runs) if law.likelihoods else runs
    else:
        value = 0.01 if likelihood.family.trials is None else 100.0
        runs = with_columns(likelihood, design(law, count), value)
        runs = modelled(law, likelihood, runs, seed=3)[0]
    row = np.arange(len(runs))
    runs = runs.assign(corpus=np.array(["web", "code", "maths"])[row % 3])
    return build_structure(law, runs, likelihood, **choices), runs


CASES: dict[str, Any] = {f"law {name}": (law, None, {}) for name, law in FORMS.items()}
CASES |= {
    f"likelihood {likelihood.name}": (law_of(likelihood), likelihood, {"clusters": None})
    for likelihood in ALL
}
CASES |= {
    f"groups {pool}, {likelihood.name}": (
        LAWS["chinchilla"],
        likelihood,
        {"groups": "corpus", "pool": pool},
    )
    for pool in (None, "separate", "shared", {"alpha": "separate", "share": "shared"})
    for likelihood in (NORMAL, STUDENT_T)
}
CASES |= {
    "groups of a law with a stage": (LAWS["error_from_loss"], None, {"groups": "corpus"}),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_it_is_the_density_of_the_pymc_model(case: Any) -> None:
    law, likelihood, choices = case
    check(*fitted_to(law, likelihood, **choices))


def check(structure: Structure, runs: pd.DataFrame) -> None:
    points = draw_prior_points(structure, POINTS, 5)
    ours = Density(structure, runs)(points)
    model = build_model(structure, runs)
    start = model.initial_point()
    assert [block.name for block in blocks_of(structure)] == [x.name for x in model.free_RVs]
    log_density = model.compile_logp(mode=Mode("py", None))
    for point, own in zip(points, ours, strict=True):
        values, begin = {}, 0
        for variable in model.value_vars:
            shape = np.shape(start[variable.name])
            end = begin + int(np.prod(shape))
            values[variable.name] = point[begin:end].reshape(shape)
            begin = end
        assert begin == len(point)
        theirs = float(log_density(values))
        expected = theirs if np.isfinite(theirs) else -np.inf
        # PyMC keeps log 2, in the prior of a half-Student-t, in single precision.
        assert_allclose(own, expected, rtol=1e-9, atol=1e-8)


def test_points_one_by_one_and_together_have_the_same_density() -> None:
    structure, runs = fitted_to(LAWS["coupled"])
    density, points = Density(structure, runs), draw_prior_points(structure, 700, 6)
    assert_allclose(
        density(points)[::100], np.concatenate([density(x[None]) for x in points[::100]])
    )


def test_a_point_without_a_density_counts_as_impossible() -> None:
    structure, runs = fitted_to(LAWS["chinchilla"])
    points = draw_prior_points(structure, 2, 6)
    points[0] = 1e6
    assert list(np.isfinite(Density(structure, runs)(points))) == [False, True]
