import numpy as np
import pytest
from numpy.testing import assert_allclose

from bayescale.errors import LawError
from bayescale.spec.compute import SIX_ND, Cost, cost_named, serving_cost, transformer_cost

COSTS = [SIX_ND, serving_cost(1e12), transformer_cost(vocab=32_000, context=2048)]


@pytest.mark.parametrize("cost", COSTS, ids=lambda cost: cost.name)
def test_tokens_undo_flops(cost: Cost) -> None:
    params, tokens = np.array([1e8, 7e10]), np.array([2e9, 1.4e12])
    assert_allclose(cost.tokens(params, cost.flops(params, tokens)), tokens, rtol=1e-9)


@pytest.mark.parametrize("cost", COSTS, ids=lambda cost: cost.name)
def test_params_undo_flops(cost: Cost) -> None:
    """A root in log params, to a few rounding errors."""
    params, tokens = np.array([1e8, 7e10]), np.array([2e9, 1.4e12])
    assert_allclose(cost.params(tokens, cost.flops(params, tokens)), params, rtol=1e-9)


def test_a_budget_may_pay_for_no_params() -> None:
    """Serving 1e12 tokens costs 2e12 FLOP for a single parameter."""
    assert serving_cost(1e12).params(np.array([2e9]), np.array([1e3])).tolist() == [0.0]


def test_six_per_parameter_and_token() -> None:
    assert SIX_ND.flops(1e9, 2e10) == 1.2e20


def test_serving_adds_two_per_parameter_and_token_served() -> None:
    assert_allclose(serving_cost(1e12).flops(1e9, 2e10) - SIX_ND.flops(1e9, 2e10), 2e21)


def test_head_and_attention_of_a_known_transformer() -> None:
    """GPT-3: 96 layers of width 12,288; per token 6 V d for the head, 12 L d T for attention."""
    layers, width, vocab, context = 96, 12_288, 50_257, 2048
    params = 12.0 * layers * width**2
    cost = transformer_cost(vocab=vocab, context=context, aspect=width / layers)
    expected = 6 * params + 6 * vocab * width + 12 * layers * width * context
    assert_allclose(cost.per_token(params), expected, rtol=1e-12)


def test_a_bare_transformer_is_six_nd() -> None:
    assert transformer_cost().flops(1e9, 1e10) == SIX_ND.flops(1e9, 1e10)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("6ND", SIX_ND),
        ("serving:tokens_served=1e12", serving_cost(1e12)),
        ("transformer:vocab=32000,context=2048", transformer_cost(vocab=32000, context=2048)),
    ],
)
def test_costs_are_read_from_text(text: str, expected: Cost) -> None:
    assert cost_named(text).name == expected.name
    assert cost_named(text).flops(1e9, 1e10) == expected.flops(1e9, 1e10)


@pytest.mark.parametrize(
    "text", ["7ND", "serving", "serving:x=1", "serving:tokens_served", "6ND:x=1"]
)
def test_other_text_is_no_cost(text: str) -> None:
    with pytest.raises(LawError, match="expected 6ND, serving") as caught:
        cost_named(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("make", [lambda: serving_cost(-1), lambda: transformer_cost(vocab=-1)])
def test_negative_amounts_are_refused(make: object) -> None:
    with pytest.raises(LawError, match="-1"):
        make()
