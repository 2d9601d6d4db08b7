"""Which public tables teach how wrong a law is beyond its runs.

One study a table; conditions of one paper that share next to nothing but the code count apart.
Left out are tables with repeated data, with checkpoints of one run, and with fewer than 18 runs
below their middle.
"""

LOSS_TO_LOSS = tuple(
    f"loss_to_loss_{corpus}"
    for corpus in ("fineweb", "fineweb_edu", "proof_pile", "slimpajama", "smollm", "starcoder")
)
PORIAN = tuple(
    f"porian_{corpus}_{step}"
    for corpus in ("owt2", "rw")
    for step in ("head", "warmup", "cosine", "tuned")
)
STUDIES = (
    "chinchilla",
    "isoflop_llama3",
    *(f"isoflop_marin_{corpus}" for corpus in ("comma", "dclm", "nemotron")),
    *LOSS_TO_LOSS,
    *(f"gadre_{corpus}" for corpus in ("c4", "rpj", "rw")),
    *PORIAN,
)
LAWS = ("coupled", "chinchilla", "kaplan_nd")
CUTS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
"""Quantiles of compute: runs up to one are fitted, those above are predicted."""
JUDGED = CUTS[2:]
"""Cuts at which coverage is measured; the lower ones are a study's own back-tests for these."""
FEWEST = {"known": 18, "larger": 6}
