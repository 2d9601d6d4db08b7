"""The laws of parameters and tokens against each other and against what papers printed."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from bayescale.models.size_and_data import chinchilla, coupled, kaplan
from bayescale.models.size_and_data.chinchilla import CHINCHILLA
from bayescale.models.size_and_data.kaplan import KAPLAN_ND
from bayescale.spec.claim import Claim
from bayescale.spec.functions import call
from bayescale.spec.law import Law

GOPHER = 5.76e23  # FLOP
PARAMS, TOKENS = np.meshgrid(np.geomspace(1e7, 1e12, 11), np.geomspace(1e8, 1e14, 13))


def claim(law: Law, label: str) -> Claim:
    return next(claim for claim in law.claims if claim.label == label)


def values(label: str) -> dict[str, float]:
    return dict(claim(CHINCHILLA, label).values)


def optimum(label: str, flops: float) -> tuple[float, float]:
    params = call(chinchilla.optimal_params, values(label), product=flops / 6)
    return params, flops / 6 / params**2


def test_coupled_with_kappa_one_is_chinchilla() -> None:
    known = values("Besiroglu et al.")
    expected = chinchilla.loss(PARAMS, TOKENS, **known)
    assert_allclose(coupled.loss(PARAMS, TOKENS, **known, kappa=1.0), expected, rtol=1e-12)
    assert_allclose(
        call(coupled.optimal_params, known, product=1e23, kappa=1.0),
        call(chinchilla.optimal_params, known, product=1e23),
        rtol=1e-12,
    )


def test_coupled_with_kappa_beta_and_no_floor_is_kaplan() -> None:
    known = dict(KAPLAN_ND.claims[0].values)
    inner = kaplan.as_coupled(**known)
    assert_allclose(
        coupled.loss(PARAMS, TOKENS, E=0.0, **inner),
        kaplan.loss(PARAMS, TOKENS, **known),
        rtol=1e-12,
    )


def test_coupled_with_kappa_beta_is_kaplan_with_a_floor() -> None:
    known = dict(KAPLAN_ND.claims[0].values)
    inner = kaplan.as_coupled(**known)
    assert_allclose(
        coupled.loss(PARAMS, TOKENS, E=1.5, **inner),
        kaplan.floored_loss(PARAMS, TOKENS, E=1.5, **known),
        rtol=1e-12,
    )


def rounding(label: str, flops: float) -> float:
    """Relative change of the optimal params when the exponents move by half a printed digit."""
    known = values(label)
    best = call(chinchilla.optimal_params, known, product=flops / 6)
    moved = [
        call(chinchilla.optimal_params, known | {name: known[name] + step}, product=flops / 6)
        for name in ("alpha", "beta")
        for step in (-5e-5, 5e-5)
    ]
    return float(max(abs(np.array(moved) / best - 1)))


# Params and tokens per parameter at 5.76e23 FLOP, recomputed from each set with its exponents to
# at least four decimals; the paper's own figure for its third approach is 40B.
@pytest.mark.parametrize(
    ("label", "params", "ratio"),
    [
        ("Hoffmann et al., rounded", 32.2e9, 92.6),
        ("Hoffmann et al., typeset source", 40.4e9, 58.9),
        ("de Vries", 41.7e9, 55.2),
        ("Besiroglu et al.", 72.3e9, 18.4),
    ],
)
def test_the_third_decimal_of_an_exponent_shows_in_the_optimum(
    label: str, params: float, ratio: float
) -> None:
    best, tokens_per_param = optimum(label, GOPHER)
    # Half of the last digit, and what a fifth decimal of the exponents would do.
    loose = rounding(label, GOPHER)
    assert loose < 0.005
    assert_allclose(best, params, rtol=loose + 0.5e8 / params)
    assert_allclose(tokens_per_param, ratio, rtol=2 * loose + 0.05 / ratio)


@pytest.mark.parametrize(
    ("label", "a"),
    [
        ("Hoffmann et al., rounded", 0.4516),
        ("Hoffmann et al., typeset source", 0.4565),
        ("de Vries", 0.4572),
        ("Besiroglu et al.", 0.5126),
        ("Muennighoff et al., C4", 0.5000),
    ],
)
def test_the_exponent_of_the_optimum(label: str, a: float) -> None:
    assert_allclose(CHINCHILLA.derive(values(label))["a"], a, atol=0.5e-4)


def test_the_closed_frontier_that_is_printed_in_encyclopaedias() -> None:
    """N_opt = 0.6 C^0.45, D_opt = 0.3 C^0.55, L_opt = 1070 C^-0.154 + 1.7."""
    known = values("Hoffmann et al., rounded")
    derived = CHINCHILLA.derive(known)
    flops = 1e21
    params, _ = optimum("Hoffmann et al., rounded", flops)
    tokens = flops / 6 / params
    reducible = chinchilla.loss(params, tokens, **known) - known["E"]
    # Atol is half of the last digit of the recomputed figures.
    assert_allclose(params / flops ** derived["a"], 0.599, atol=0.5e-3)
    assert_allclose(tokens / flops ** derived["b"], 0.278, atol=0.5e-3)
    assert_allclose(reducible * flops ** derived["g"], 1071, atol=0.5)
    assert_allclose([derived["a"], derived["b"], derived["g"]], [0.4516, 0.5484, 0.1535], atol=5e-5)


@pytest.mark.parametrize("label", ["Hoffmann et al., rounded", "Besiroglu et al."])
def test_frontier_algebra(label: str) -> None:
    """First-order condition, and L_opt = E + k C^-g at every budget."""
    known = values(label)
    flops = np.geomspace(1e17, 1e27, 6)
    params = call(chinchilla.optimal_params, known, product=flops / 6)
    tokens = flops / 6 / params
    from_params = known["alpha"] * known["A"] * params ** -known["alpha"]
    from_tokens = known["beta"] * known["B"] * tokens ** -known["beta"]
    assert_allclose(from_params, from_tokens, rtol=1e-12)
    reducible = chinchilla.loss(params, tokens, **known) - known["E"]
    constant = reducible * flops ** CHINCHILLA.derive(known)["g"]
    assert_allclose(constant, constant[0], rtol=1e-12)


def test_the_published_interval_of_the_third_approach_misses_its_own_exponents() -> None:
    lower, upper = claim(CHINCHILLA, "Hoffmann et al., approach 3").intervals["a"]
    for label in ("Hoffmann et al., rounded", "Hoffmann et al., typeset source"):
        assert not lower <= CHINCHILLA.derive(values(label))["a"] <= upper


def test_kaplan_overfitting_penalty_is_two_percent_on_the_printed_line() -> None:
    """D = 5e3 N^0.74 keeps the loss 2.1% above that of endless data, at every size."""
    known = dict(KAPLAN_ND.claims[0].values)
    params = np.array([1e8, 1e9, 1e10])
    penalty = kaplan.loss(params, 5e3 * params**0.74, **known) / kaplan.loss(params, 1e60, **known)
    assert_allclose(penalty - 1, 0.021, atol=0.0005)


def test_kaplan_joint_fit_prints() -> None:
    known = dict(KAPLAN_ND.claims[0].values)
    assert_allclose(kaplan.loss(1e9, 1e60, **known), 2.319, atol=0.5e-3)
    assert_allclose(kaplan.loss(1e60, 1e10, **known), 2.164, atol=0.5e-3)
    exponent = KAPLAN_ND.derive(known)["data_exponent"]
    assert_allclose(exponent, 0.738, atol=0.5e-3)
    assert_allclose(8**exponent, 4.64, atol=0.5e-2)
