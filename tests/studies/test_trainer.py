"""The pocket study's trainer trains what it says; needs JAX, which the package does not."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="needs JAX: uv run --group pocket pytest tests/studies")

from design import SIZES, Run  # noqa: E402
from network import initial_weights, losses  # noqa: E402
from sizes import BYTES, CONTEXT, Size  # noqa: E402
from text import Text, text  # noqa: E402
from training import rate_at, trained  # noqa: E402

TINY = Size(16, 2)


@pytest.fixture(scope="module")
def windows() -> Any:
    return np.random.default_rng(1).integers(0, BYTES, (4, CONTEXT + 1)).astype(np.int32)


@pytest.fixture(scope="module")
def counting() -> Text:
    """Text that counts to 250 again and again: easy to learn."""
    stream = (np.arange(200_000) % 251).astype(np.uint8)
    places = np.arange((len(stream) - 1) // CONTEXT)
    held_out = stream[places[:128, None] * CONTEXT + np.arange(CONTEXT + 1)]
    return Text(stream, places, held_out, np.arange(128) // 4)


def multiplications(jaxpr: Any) -> float:
    """Multiply-adds of every matrix product in a program."""
    total = 0.0
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            contracted = equation.params["dimension_numbers"][0][0]
            shape = equation.invars[0].aval.shape
            result = equation.outvars[0].aval.shape
            total += np.prod(result) * np.prod([shape[axis] for axis in contracted])
        for inner in equation.params.values():
            if hasattr(inner, "jaxpr"):
                total += multiplications(inner.jaxpr)
    return total


@pytest.mark.parametrize("size", [TINY, *SIZES[::5]], ids=str)
def test_flops_are_those_of_the_program(size: Size, windows: Any) -> None:
    def mean(weights: Any) -> Any:
        return losses(weights, windows, size).mean()

    program = jax.make_jaxpr(jax.value_and_grad(mean))(initial_weights(size, 0))
    per_token = 2 * multiplications(program.jaxpr) / (len(windows) * CONTEXT)
    assert per_token == size.flops_per_token


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_weights_are_as_many_as_counted(size: Size) -> None:
    weights = initial_weights(size, 0)
    total = sum(weight.size for weight in jax.tree.leaves(weights))
    assert total == size.params_total
    assert total - weights["embedding"].size == size.params_with_head
    both = weights["embedding"].size + weights["head"].size
    assert total - both == size.params_non_embedding


def test_an_untrained_model_knows_nothing(windows: Any) -> None:
    untrained = losses(initial_weights(TINY, 0), windows, TINY)
    np.testing.assert_allclose(untrained, np.log(BYTES), rtol=1e-6)


def test_a_byte_is_predicted_from_those_before_it(windows: Any) -> None:
    weights = initial_weights(TINY, 0)
    weights["head"] = jax.random.normal(jax.random.key(1), weights["head"].shape)
    other = windows.copy()
    other[:, 70:] = (other[:, 70:] + 1) % BYTES
    before, after = (losses(weights, w, TINY) for w in (windows, other))
    np.testing.assert_array_equal(before[:, :69], after[:, :69])
    assert (before[:, 69:] != after[:, 69:]).all()


def test_attention_falls_off_with_distance(windows: Any) -> None:
    """Each head by a power of its own: another order of the same bytes is another context."""
    weights = initial_weights(Size(64, 1), 0)
    weights["head"] = jax.random.normal(jax.random.key(1), weights["head"].shape)
    moved = windows.copy()
    moved[:, [3, 60]] = windows[:, [60, 3]]
    before, after = (losses(weights, w, Size(64, 1)) for w in (windows, moved))
    near, far = abs(after - before)[:, 62], abs(after - before)[:, 126]
    assert (near > 0).all()
    assert far.mean() < near.mean() / 4


def test_seeds_differ() -> None:
    first, second = (initial_weights(TINY, seed)["embedding"] for seed in (0, 1))
    assert (first != second).all()


def test_the_rate_warms_up_and_ends_near_zero() -> None:
    rates = np.array([rate_at(step, 0.5, 1000) for step in range(1000)])
    assert rates.argmax() == 100
    assert rates.max() == pytest.approx(0.5)
    assert (np.diff(rates[:100]) > 0).all()
    assert (np.diff(rates[100:]) < 0).all()
    assert rates[-1] == pytest.approx(0.005, rel=0.01)


def test_training_learns_to_count_and_says_how_well(counting: Text) -> None:
    outcome = trained(Run("grid", TINY, 2**17, 0.02), counting)
    assert (outcome["status"], outcome["steps"]) == ("done", 512)
    assert float(outcome["loss"]) < 1.0 < np.log(BYTES)
    assert 0 < float(outcome["loss_se"]) < 0.1
    assert trained(Run("grid", TINY, 2**17, 0.02), counting)["loss"] == outcome["loss"]
    assert trained(Run("grid", TINY, 2**17, 0.02, seed=1), counting)["loss"] != outcome["loss"]


def test_what_diverges_says_so(counting: Text) -> None:
    outcome = trained(Run("grid", TINY, 2**15, 1e38), counting)
    assert outcome["status"] == "diverged"
    assert "loss" not in outcome


def test_another_text_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "text"
    (folder / "bin").mkdir(parents=True)
    (folder / "one.py").write_text("x = 1\n")
    with pytest.raises(SystemExit, match=r"has SHA-256 .*; expected .* Remove the folder"):
        text(folder)


def test_the_text_is_cut_into_files_windows_and_what_is_held_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import text as module

    for name, length in (("a", 300), ("b", 400), ("again", 400), ("c", 2000)):
        (tmp_path / f"{name}.py").write_bytes(name[0].encode() * length)
    (tmp_path / "again.py").write_bytes(b"b" * 400)  # a copy
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "script.py").write_bytes(b"#" * 500)  # rewritten by installers
    files = module._files(tmp_path)
    assert sorted(map(len, files)) == [301, 401, 2001]
    digest = SimpleNamespace(hexdigest=lambda: module.SHA256)
    monkeypatch.setattr(module.hashlib, "sha256", lambda *_: digest)
    monkeypatch.setattr(module, "_files", lambda _: files)
    monkeypatch.setattr(module, "HELD_OUT_BYTES", 1)
    cut = text(tmp_path)
    held_out = len(files[0])  # whole files, the first that reach the bytes asked for
    assert len(cut.stream) == sum(map(len, files)) - held_out
    assert len(cut.held_out) == (held_out - 1) // CONTEXT
    assert set(cut.held_out_file) == {0}
    # Consecutive windows overlap in one byte: what the one predicts last, the next sees first.
    dealt = cut.windows(0, len(cut.order))
    in_order = dealt[np.argsort(cut.order)]
    np.testing.assert_array_equal(in_order[:-1, -1], in_order[1:, 0])
