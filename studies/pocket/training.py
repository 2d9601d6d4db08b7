"""One run: a model trained once over its tokens, and evaluated on the text held out."""

import math
import time
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from design import BATCH, Run
from network import Weights, initial_weights, losses
from sizes import CONTEXT, Size
from text import Text

TOGETHER = 64
"""Steps that are compiled as one loop."""

OPTIMISER = optax.chain(optax.clip_by_global_norm(1.0), optax.scale_by_adam(b1=0.9, b2=0.99))
EVALUATED_TOGETHER = 64

State = tuple[Weights, Any, Any]


def trained(run: Run, text: Text) -> dict[str, float | int | str]:
    """What came of a run: status, steps, seconds, training loss, held-out loss and its error."""
    start = time.perf_counter()
    steps = run.tokens // (BATCH * CONTEXT)
    weights = initial_weights(run.size, run.seed)
    state: State = (weights, OPTIMISER.init(weights), jnp.int32(0))
    first = _first_window(run.seed, text)
    seen = np.empty(steps, dtype=np.float32)
    for step in range(0, steps, TOGETHER):
        dealt = text.windows(first + step * BATCH, TOGETHER * BATCH)
        batches = dealt.reshape(TOGETHER, BATCH, CONTEXT + 1).astype(np.int32)
        state, several = _trained_on(state, batches, run.learning_rate, steps, run.size)
        seen[step : step + TOGETHER] = several
        if not np.isfinite(seen[step : step + TOGETHER]).all():
            return {"status": "diverged", "steps": step, "seconds": _since(start)}
    mean, error = _evaluated(state[0], text, run.size)
    tail = max(TOGETHER, steps // 20)
    return {
        "status": "done" if math.isfinite(mean) else "diverged",
        "steps": steps,
        "seconds": _since(start),
        "train_loss": round(float(seen[-tail:].mean()), 6),
        "loss": round(mean, 6),
        "loss_se": round(error, 6),
    }


def _since(start: float) -> float:
    return round(time.perf_counter() - start, 2)


def _first_window(seed: int, text: Text) -> int:
    """Where a seed starts in the text: spread out by the golden ratio, and 0 for seed 0."""
    return int(len(text.order) * ((seed * (math.sqrt(5) - 1) / 2) % 1))


def rate_at(step: Any, peak: float, steps: int) -> Any:
    """Learning rate: linear warm-up over a tenth, at most 200 steps, then a cosine to 1%."""
    warmup = jnp.minimum(steps // 10, 200)
    through = (step - warmup) / (steps - warmup)
    cosine = 0.01 + 0.99 * 0.5 * (1 + jnp.cos(jnp.pi * through))
    return peak * jnp.where(step < warmup, (step + 1) / (warmup + 1), cosine)


@partial(jax.jit, static_argnames="size", donate_argnames="state")
def _trained_on(
    state: State, batches: jax.Array, peak: float, steps: int, size: Size
) -> tuple[State, jax.Array]:
    def one(state: State, batch: jax.Array) -> tuple[State, jax.Array]:
        weights, moments, step = state

        def mean(weights: Weights) -> jax.Array:
            return losses(weights, batch, size).mean()

        loss, gradient = jax.value_and_grad(mean)(weights)
        update, moments = OPTIMISER.update(gradient, moments)
        rate = rate_at(step, peak, steps)
        weights = jax.tree.map(lambda weight, change: weight - rate * change, weights, update)
        return (weights, moments, step + 1), loss

    return jax.lax.scan(one, state, batches)


_window_losses = jax.jit(
    lambda weights, windows, size: losses(weights, windows, size).mean(-1), static_argnames="size"
)


def _evaluated(weights: Weights, text: Text, size: Size) -> tuple[float, float]:
    """Mean held-out loss, and its standard error over the files of the held-out text."""
    parts = np.split(text.held_out.astype(np.int32), len(text.held_out) // EVALUATED_TOGETHER)
    each = np.concatenate([_window_losses(weights, part, size) for part in parts]).astype(float)
    # Windows of one file resemble each other, so it is files that are taken to be drawn.
    by_file = np.bincount(text.held_out_file, weights=each - each.mean())
    return float(each.mean()), float(np.sqrt((by_file**2).sum()) / len(each))
