"""Kinds of columns: how far a shift moves a value."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from bayescale.display import listed
from bayescale.scales import AMOUNT, POSITIVE, REAL, SHARE, Scale


@pytest.mark.parametrize(
    ("scale", "slope"),
    [
        (POSITIVE, lambda x: x),
        (SHARE, lambda x: x * (1 - x)),
        (AMOUNT, np.ones_like),
        (REAL, np.ones_like),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_the_slope_is_the_derivative(scale: Scale, slope: object) -> None:
    """By central differences of 1e-4: the third derivative is of order one, so right to 1e-8."""
    values = np.array([0.05, 0.5, 0.9])
    assert_allclose(scale.slope(values), slope(values), rtol=1e-7)


def test_a_long_list_is_cut_and_a_short_one_is_not() -> None:
    assert listed(["a", "b", "c"], 2) == "a, b and c"
    assert listed(["a", "b", "c", "d"], 2) == "a, b and 2 others"
