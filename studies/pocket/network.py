"""The model: a decoder-only transformer over bytes.

Pre-norm blocks of causal attention and a GELU layer four times as wide, RMS norms, embedding and
head apart from one another, no biases, no dropout. Attention falls off linearly with distance
(ALiBi), each head at a rate of its own, so that models see the last bytes from the first step on;
with learned positions all losses lie on a plateau until about a million bytes.
"""

from typing import Any

import jax
import jax.numpy as jnp
from sizes import BYTES, Size

Weights = dict[str, Any]


def initial_weights(size: Size, seed: int) -> Weights:
    """Normal weights of sd 1 / sqrt(inputs), residual branches scaled down, a head of zeros."""
    width, layers = size.width, size.layers
    key = iter(jax.random.split(jax.random.key(seed), 6))

    def normal(*shape: int, sd: float) -> jax.Array:
        return sd * jax.random.normal(next(key), shape)

    into, out = width**-0.5, (2 * layers * width) ** -0.5
    return {
        "embedding": normal(BYTES, width, sd=0.3),
        "head": jnp.zeros((width, BYTES)),
        "norm": jnp.ones(width),
        "blocks": {
            "norm_attention": jnp.ones((layers, width)),
            "norm_hidden": jnp.ones((layers, width)),
            "queries_keys_values": normal(layers, width, 3 * width, sd=into),
            "mix": normal(layers, width, width, sd=out),
            "hidden": normal(layers, width, 4 * width, sd=into),
            "project": normal(layers, 4 * width, width, sd=out / 2),
        },
    }


def losses(weights: Weights, windows: jax.Array, size: Size) -> jax.Array:
    """Nats of every byte but the first of each window, given those before it.

    Parameters
    ----------
    windows : (window, CONTEXT + 1) array of int
        Bytes.

    Returns
    -------
    (window, CONTEXT) array
    """
    inputs, targets = windows[:, :-1], windows[:, 1:]
    x = weights["embedding"][inputs]
    for layer in range(size.layers):
        block = {name: stack[layer] for name, stack in weights["blocks"].items()}
        x = x + _attention(block, _normed(x, block["norm_attention"]), size.heads)
        hidden = _normed(x, block["norm_hidden"]) @ block["hidden"]
        x = x + jax.nn.gelu(hidden) @ block["project"]
    logits = _normed(x, weights["norm"]) @ weights["head"]
    chosen = jnp.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
    return jax.nn.logsumexp(logits, axis=-1) - chosen


def _normed(x: jax.Array, gain: jax.Array) -> jax.Array:
    return gain * x * jax.lax.rsqrt(jnp.mean(x**2, axis=-1, keepdims=True) + 1e-6)


def _attention(block: Weights, x: jax.Array, heads: int) -> jax.Array:
    windows, length, width = x.shape
    qkv = (x @ block["queries_keys_values"]).reshape(windows, length, 3, heads, width // heads)
    queries, keys, values = (qkv[:, :, i].swapaxes(1, 2) for i in range(3))
    scores = queries @ keys.swapaxes(2, 3) * (width // heads) ** -0.5
    distance = jnp.arange(length)[:, None] - jnp.arange(length)
    slopes = 2.0 ** -(2 * jnp.arange(heads) + 1.0)  # a half, an eighth, ...
    bias = jnp.where(distance < 0, -1e30, -slopes[:, None, None] * distance)
    shares = jax.nn.softmax(scores + bias, axis=-1)
    return (shares @ values).swapaxes(1, 2).reshape(windows, length, width) @ block["mix"]
