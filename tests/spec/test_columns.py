"""Kinds of columns: how far a shift moves a value."""

import cloudpickle
import numpy as np
import pytest
from numpy.testing import assert_allclose

from bayescale.spec.columns import AMOUNT, POSITIVE, PROPORTION, REAL, ColumnKind
from bayescale.wording import listed


@pytest.mark.parametrize(
    ("kind", "slope"),
    [
        (POSITIVE, lambda x: x),
        (PROPORTION, lambda x: x * (1 - x)),
        (AMOUNT, np.ones_like),
        (REAL, np.ones_like),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_the_slope_is_the_derivative(kind: ColumnKind, slope: object) -> None:
    """By central differences of 1e-4: the third derivative is of order one, so right to 1e-8."""
    values = np.array([0.05, 0.5, 0.9])
    assert_allclose(kind.slope(values), slope(values), rtol=1e-7)


@pytest.mark.parametrize("kind", [POSITIVE, PROPORTION, AMOUNT, REAL], ids=lambda kind: kind.name)
def test_a_pickled_kind_is_equal(kind: ColumnKind) -> None:
    assert cloudpickle.loads(cloudpickle.dumps(kind)) == kind


def test_a_kind_states_what_it_requires() -> None:
    assert "expected a number above zero" in POSITIVE.requirement
    assert "can be no proportion; expected a number from 0 to 1" in PROPORTION.requirement
    assert PROPORTION.requirement.endswith("Divide percentages by 100.")
    assert AMOUNT.invalid(np.array([-1.0, 0.0, 1.0])).tolist() == [True, False, False]
    assert AMOUNT.requirement.startswith("which can be no amount; expected a number from 0 to inf")


def test_a_long_list_is_cut_and_a_short_one_is_not() -> None:
    assert listed(["a", "b", "c"], 2) == "a, b and c"
    assert listed(["a", "b", "c", "d"], 2) == "a, b and 2 others"
