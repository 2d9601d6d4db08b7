"""What a model has and costs: parameters by three counts, and FLOP a token."""

from dataclasses import dataclass

BYTES = 256
CONTEXT = 128


@dataclass(frozen=True)
class Size:
    """Width and layers of a model; heads are at most 32 wide."""

    width: int
    layers: int

    @property
    def heads(self) -> int:
        """Attention heads."""
        return -(-self.width // 32)

    @property
    def params_non_embedding(self) -> int:
        """Blocks and norms: 12 layers width^2, and a gain a unit for each of the norms."""
        return 12 * self.layers * self.width**2 + (2 * self.layers + 1) * self.width

    @property
    def params_with_head(self) -> int:
        """Everything that multiplies: blocks, norms and head."""
        return self.params_non_embedding + BYTES * self.width

    @property
    def params_total(self) -> int:
        """All weights: the above and the embeddings of bytes."""
        return self.params_with_head + BYTES * self.width

    @property
    def flops_per_token(self) -> float:
        """FLOP of one training token: every matrix product, two a multiply-add, times three.

        Weights of blocks and head count once a token; attention computes scores and mixes values
        over the whole context, masked or not. The backward pass is twice the forward one. Norms,
        softmax, GELU and the optimiser are left out, as is usual.
        """
        weights = 12 * self.layers * self.width**2 + BYTES * self.width
        attention = 2 * self.layers * self.width * CONTEXT
        return 3.0 * 2.0 * (weights + attention)
