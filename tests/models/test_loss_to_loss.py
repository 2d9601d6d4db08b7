"""The floor that loss to loss has in common with the first set's own law."""

import numpy as np
from numpy.testing import assert_allclose

from bayescale.law import Units
from bayescale.models.loss_to_loss import NEAR, joint_coefficients

PIVOT, LOWEST = 3.0, 2.4


def coefficients(E: np.ndarray) -> dict[str, np.ndarray]:
    units = Units({"loss_source": PIVOT, "loss": 2.0}, {}, {"loss_source": LOWEST}, {})
    return joint_coefficients(units, E, level=np.float64(1.0), share=(0.6, 0.4), slope=1.2)


def test_it_is_the_first_sets_own_well_below_all_losses() -> None:
    """Ten widths below, it bends away by exp(-10) of a width."""
    E = np.linspace(0.0, LOWEST - 10 * NEAR * PIVOT, 20)
    assert_allclose(coefficients(E)["E_0"], E, atol=1.01 * NEAR * PIVOT * np.exp(-10))


def test_it_comes_near_the_lowest_loss_and_never_above_it() -> None:
    E = np.linspace(2.0, 3.0, 40)
    floor = coefficients(E)["E_0"]
    assert np.all((floor < LOWEST) & (floor < E))
    assert np.all(np.diff(floor) > 0)
    assert_allclose(floor[-1], LOWEST, atol=1e-9)


def test_the_slope_at_the_pivot_is_the_one_that_was_asked_for() -> None:
    found = coefficients(np.array([1.0, 2.0, 2.39]))
    above = PIVOT - found["E_0"]
    slope = found["K"] * found["kappa"] * above ** (found["kappa"] - 1) * PIVOT / 2.0
    assert_allclose(slope, 1.2, rtol=1e-6)
