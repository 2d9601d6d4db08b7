"""How estimates are written."""

import pytest

from bayescale.posterior.estimates import Estimate


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ((1.07e6, 0.57e6, 1.68e6), "1.07 million (0.57 to 1.68 million)"),
        ((1.2e3, 800, 1.9e3), "1.2 thousand (0.8 to 1.9 thousand)"),
        ((646e3, 409e3, 1.03e6), "646 thousand (409 thousand to 1.03 million)"),
        ((999.7e3, 998e3, 999.8e3), "1 million (0.998 to 1 million)"),
        ((2e12, 3e9, 5e14), "2 trillion (0.003 to 500 trillion)"),
        ((2e12, 3e8, 5e14), "2 trillion (300 million to 500 trillion)"),
        ((999, 800, 1.9e3), "999 (800 to 1.9e+03)"),
        ((2e16, 1e16, 3e16), "2 (1 to 3)\N{MULTIPLICATION SIGN}10¹⁶"),
        ((5e15, 1e15, 3e16), "5 (1 to 30)\N{MULTIPLICATION SIGN}10¹⁵"),
    ],
)
def test_a_count_has_one_unit_where_all_of_it_fits(
    numbers: tuple[float, float, float], text: str
) -> None:
    assert Estimate(*numbers, sd=1.0).in_words() == text
