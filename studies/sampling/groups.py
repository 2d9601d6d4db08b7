"""Partially pooled groups: steps and effective draws by how their offsets are sampled.

uv run python -m studies.sampling.groups [--draws 300]

Offsets in units of their scale, half of the way, which is what a fit does, and as they are. Runs
are simulated: groups of a power law with a floor whose three coefficients differ by an sd of
`apart` on the logarithm, or not at all.
"""

import argparse
from itertools import product
from unittest import mock

import arviz_stats
import numpy as np
import pandas as pd

import bayescale as bs
from bayescale.inference import compile, coordinates, pooling
from bayescale.inference.nuts import TARGET_ACCEPT
from benchmarks.measuring import machine, print_rows

LAW = bs.models.POWER_LAW_CONSTANT
PLACES = (1e8, 1e11)
TRUTH = {"E": 1.7, "A": 30.0, "alpha": 0.15}
NOISE, SEED, CHAINS = 0.01, 4, 4
GROUPS, RUNS, APART = (2, 8), (8, 64), (0.0, 0.2)
WAYS = {"in units of the scale": 0.0, "half way": 0.5, "as they are": 1.0}


def main() -> None:
    """Print steps and effective draws for each way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--draws", type=int, default=300)
    given = parser.parse_args()
    print(machine())
    rows = {
        f"{groups} x {runs}, {apart:g} apart; {name}": _measured(
            _runs(groups, runs, apart), way, given.draws
        )
        for groups, runs, apart in product(GROUPS, RUNS, APART)
        for name, way in WAYS.items()
    }
    print_rows(("", "steps a draw", "least ESS", "least ESS per 1,000 steps", "divergences"), rows)


def _runs(groups: int, runs: int, apart: float) -> pd.DataFrame:
    rng = np.random.default_rng(SEED)
    return pd.concat([_group(runs, apart, rng, f"c{g}") for g in range(groups)])


def _group(runs: int, apart: float, rng: np.random.Generator, name: str) -> pd.DataFrame:
    x = np.geomspace(*PLACES, runs)
    values = {key: value * np.exp(apart * rng.standard_normal()) for key, value in TRUTH.items()}
    noise = np.exp(NOISE * rng.standard_normal(runs))
    return pd.DataFrame({"x": x, "y": LAW.formula(x, **values) * noise, "corpus": name})


def _measured(runs: pd.DataFrame, way: float, draws: int) -> list[float]:
    """Of one sampling at the usual acceptance, not repeated where it diverges."""
    with (
        mock.patch.object(pooling, "CENTRED", way),
        mock.patch.object(coordinates, "CENTRED", way),
        mock.patch.dict(compile._COMPILED, clear=True),
    ):
        fitted = bs.fit(
            LAW,
            runs,
            groups="corpus",
            pool="partial",
            likelihood=bs.likelihoods.NORMAL,
            draws=draws,
            tune=500,
            chains=CHAINS,
            sampler="nuts",
            target_accept=TARGET_ACCEPT,
            random_seed=SEED,
        )
    stats = fitted.tree["sample_stats"].to_dataset()
    ess = arviz_stats.ess(fitted.posterior)
    least = min(float(values.min()) for values in ess.values())
    steps = float(stats["n_steps"].sum())
    return [
        float(stats["n_steps"].mean()),
        least,
        1e3 * least / steps,
        float(stats["diverging"].sum()),
    ]


if __name__ == "__main__":
    main()
