"""The floor that loss to loss shares with the law of the first set."""

import numpy as np
from numpy.testing import assert_allclose

from bayescale.models.data.loss_to_loss import NEAR, joint_coefficients
from bayescale.spec.law import Units

PIVOT, LOWEST = 3.0, 2.4


def coefficients(E: np.ndarray) -> dict[str, np.ndarray]:
    units = Units({"loss_source": PIVOT, "loss": 2.0}, {}, {"loss_source": LOWEST}, {})
    return joint_coefficients(units, E, level=np.float64(1.0), share=(0.6, 0.4), slope=1.2)


def test_far_from_all_losses_it_is_the_first_sets_own() -> None:
    """Ten widths below, it bends away by exp(-10) of a width."""
    E = np.linspace(0.0, LOWEST - 10 * NEAR * PIVOT, 20)
    assert_allclose(coefficients(E)["E_0"], E, atol=1.01 * NEAR * PIVOT * np.exp(-10))


def test_it_comes_near_the_lowest_loss_but_stays_lower() -> None:
    E = np.linspace(2.0, 3.0, 40)
    floor = coefficients(E)["E_0"]
    assert np.all((floor < LOWEST) & (floor < E))
    assert np.all(np.diff(floor) > 0)
    assert_allclose(floor[-1], LOWEST, atol=1e-9)


def test_the_slope_at_the_pivot_is_the_sampled_one() -> None:
    values = coefficients(np.array([1.0, 2.0, 2.39]))
    reducible = PIVOT - values["E_0"]
    slope = values["K"] * values["kappa"] * reducible ** (values["kappa"] - 1) * PIVOT / 2.0
    assert_allclose(slope, 1.2, rtol=1e-6)
