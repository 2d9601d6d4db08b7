"""Write the shipped table `simulated_isoflop`: an IsoFLOP sweep drawn from a known law.

Nine budgets, ten model sizes each, from a quarter of the optimal size to four times it. The truth
is stated once, on the table's card. Running this again gives the same bytes:

    uv run python -m studies.simulate_isoflop
"""

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bayescale.datasets import card
from bayescale.spec.compute import SIX_ND

Floats = npt.NDArray[np.float64]

SEED = 20220329
BUDGETS = np.geomspace(6e18, 3e21, 9)  # FLOP
SPREAD = np.geomspace(1 / 4, 4, 10)  # sizes as multiples of the optimal one
TABLE = Path(__file__).parents[1] / "datasets" / "data" / "simulated_isoflop.csv"
TRUTH = card("simulated_isoflop").truth


def rounded(values: Floats) -> Floats:
    """Six significant digits: neat to read, and the same on machines whose last bits differ."""
    return np.array([float(f"{value:.6g}") for value in values])


def optimal_params(flops: Floats) -> Floats:
    """Parameters that minimise the coupled law's loss where flops = 6 params tokens."""
    alpha, beta, kappa = (TRUTH[name] for name in ("alpha", "beta", "kappa"))
    balance: float = ((alpha / beta) ** kappa * TRUTH["A"] / TRUTH["B"]) ** (1 / (alpha + beta))
    return balance * (flops / 6) ** (beta / (alpha + beta))


def true_loss(params: Floats, tokens: Floats) -> Floats:
    """Loss without noise, from the coupled law."""
    size = TRUTH["A"] * params ** -TRUTH["alpha"]
    data = TRUTH["B"] * tokens ** -TRUTH["beta"]
    kappa = TRUTH["kappa"]
    return TRUTH["E"] + (size ** (1 / kappa) + data ** (1 / kappa)) ** kappa


def noise_scale(params: Floats, tokens: Floats) -> Floats:
    """Scale of the noise on log loss, larger where tokens per parameter are unusual."""
    ratio = np.log(tokens / params)
    z = np.clip((ratio - ratio.mean()) / ratio.std(), -2, 2)
    return TRUTH["noise_scale"] * np.exp(TRUTH["noise_slope"] * z**2)


def simulated() -> dict[str, Floats]:
    """Columns of the table; loss is that of the rounded params and tokens."""
    flops = rounded(np.repeat(BUDGETS, len(SPREAD)))
    params = rounded(optimal_params(flops) * np.tile(SPREAD, len(BUDGETS)))
    tokens = rounded(SIX_ND.tokens(params, flops))
    noise = np.random.default_rng(SEED).standard_t(TRUTH["noise_dof"], size=len(flops))
    loss = true_loss(params, tokens) * np.exp(noise_scale(params, tokens) * noise)
    return {"params": params, "tokens": tokens, "flops": flops, "loss": rounded(loss)}


def write(path: Path) -> None:
    """Write the table whole or not at all."""
    columns = simulated()
    rows = [
        ",".join(f"{value:.6g}" for value in row) for row in zip(*columns.values(), strict=True)
    ]
    part = path.with_name(f"{path.name}.part")
    part.write_text("\n".join([",".join(columns), *rows]) + "\n", newline="\n")
    part.replace(path)


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else TABLE)
