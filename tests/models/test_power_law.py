"""The laws of one variable against what papers printed."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from bayescale import datasets
from bayescale.models.one_variable.power_law import (
    HENIGHAN_LOSS_C,
    HENIGHAN_LOSS_N,
    KAPLAN_C,
    KAPLAN_D,
    KAPLAN_N,
)
from bayescale.spec.compute import PF_DAY, SIX_ND
from bayescale.spec.law import Law


def at(law: Law, label: str, x: float) -> float:
    known = next(claim.values for claim in law.claims if claim.label == label)
    return float(law.formula(x, **{name: known[name] for name in law.coefficient_names}))


@pytest.mark.parametrize(("law", "x", "loss"), [(KAPLAN_N, 1e9, 2.376), (KAPLAN_D, 1e10, 2.262)])
def test_kaplan_single_variable_laws(law: Law, x: float, loss: float) -> None:
    assert_allclose(at(law, "Kaplan et al.", x), loss, atol=0.5e-3)


def test_gpt3_loss_at_its_compute() -> None:
    assert_allclose(at(KAPLAN_C, "GPT-3", 3640 * PF_DAY), 1.734, atol=0.5e-3)


def test_gpt3_amplitude_is_henighans_scale() -> None:
    assert_allclose(3.47e8**0.048, 2.570, atol=0.5e-3)
    language = next(c for c in HENIGHAN_LOSS_C.claims if c.label == "language")
    gpt3 = next(c for c in KAPLAN_C.claims if c.label == "GPT-3")
    assert_allclose(language.values["A"], gpt3.values["A"], rtol=0.5e-2 / 2.57)


def test_gpt3_compute_is_six_nd() -> None:
    assert_allclose(SIX_ND.flops(175e9, 300e9) / PF_DAY, 3646, atol=0.5)


@pytest.mark.parametrize(
    ("law", "lowest", "highest"), [(HENIGHAN_LOSS_N, 0.037, 0.24), (HENIGHAN_LOSS_C, 0.048, 0.19)]
)
def test_henighan_exponents_span_the_printed_range(law: Law, lowest: float, highest: float) -> None:
    exponents = [claim.values["alpha"] for claim in law.claims]
    assert (min(exponents), max(exponents)) == (lowest, highest)


def test_henighan_loss_is_its_floor_and_one_at_the_printed_scale() -> None:
    for claim in HENIGHAN_LOSS_N.claims:
        loss = at(HENIGHAN_LOSS_N, claim.label, claim.values["x_0"])
        assert_allclose(loss, claim.values["E"] + 1, rtol=1e-9)


def test_the_nine_printed_sizes_lie_on_a_line() -> None:
    """N = 0.0992 C^0.4981 and D = 1.696 C^0.5019 by least squares on the logarithms."""
    sizes = datasets.load("chinchilla_nine_sizes")
    for column, exponent, amplitude in (("params", 0.4981, 0.0992), ("tokens", 0.5019, 1.696)):
        slope, intercept = np.polyfit(np.log(sizes["flops"]), np.log(sizes[column]), 1)
        assert_allclose(slope, exponent, atol=0.5e-4)
        assert_allclose(np.exp(intercept), amplitude, rtol=0.5e-3)
    ratio = SIX_ND.flops(sizes["params"], sizes["tokens"]) / sizes["flops"]
    printed = [1.0000, 1.0017, 1.0005, 1.0469, 1.0091, 1.0012, 1.0006, 1.0016, 0.9978]
    assert_allclose(ratio, printed, atol=0.5e-4)
