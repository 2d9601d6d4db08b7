"""Which public tables teach how wrong a law is beyond its runs, by families of tables.

Tables of one family come from one pipeline and err alike: a family counts once, and what is learned
for one of its tables is learned without all of them. Left out are repeats of the same runs under
other conventions, checkpoints of one run, and tables with fewer runs than `FEWEST`.
"""

import pandas as pd

import bayescale as bs

KINDS_OF_DATA = ("0.12", "0.23", "0.33", "0.45", "0.61")

FAMILIES = {
    "chinchilla": ("chinchilla",),
    "llama3": ("isoflop_llama3",),
    "marin": tuple(f"isoflop_marin_{corpus}" for corpus in ("comma", "dclm", "nemotron")),
    "loss_to_loss": tuple(
        f"loss_to_loss_{corpus}"
        for corpus in (
            *("fineweb", "fineweb_edu", "proof_pile", "slimpajama", "smollm", "starcoder"),
        )
    ),
    "gadre": tuple(f"gadre_{corpus}" for corpus in ("c4", "rpj", "rw")),
    "porian": tuple(
        f"porian_{corpus}_{step}"
        for corpus in ("owt2", "rw")
        for step in ("head", "warmup", "cosine", "tuned")
    ),
    "farseer": ("farseer",),
    "gemstones": ("gemstones_cool_end", "gemstones_fineweb", "gemstones_dclm"),
    "misfitting": ("isoflop_misfitting",),
    "olmo": ("olmo_ladder",),
    "datablations": ("datablations_contour",),
    "gzip": tuple(f"gzip {kind}" for kind in KINDS_OF_DATA),
    "pocket": ("pocket",),
}
STUDIES = {study: family for family, studies in FAMILIES.items() for study in studies}
"""Family of every table."""

WITHOUT_OPTIMA = ("gemstones",)
"""Families whose measured optima teach nothing: models of one size differ in shape, and a parabola
in params takes that for an optimum."""

LAWS = ("coupled", "chinchilla", "kaplan_nd")
CUTS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
"""Quantiles of compute: runs up to one are fitted, those above are predicted."""
JUDGED = CUTS[2:]
"""Cuts at which coverage is measured; the lower ones are a study's own back-tests for these."""
FEWEST = {"known": 15, "larger": 6}


def runs_of(study: str) -> pd.DataFrame:
    """Runs of a study: params, tokens, loss and flops, no data repeated."""
    name, _, kind = study.partition(" ")
    table = bs.datasets.load(name)
    if kind:
        table = table[table["data"].astype(str) == kind]
    if name == "datablations_contour":
        table = table[table["epochs"] <= 1 + 1e-9]
    kept = [column for column in ("params", "tokens", "loss", "flops") if column in table]
    return bs.read_runs(table[kept].dropna().reset_index(drop=True))
