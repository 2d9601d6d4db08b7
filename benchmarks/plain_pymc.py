"""Fit Chinchilla's law with PyMC alone, the way a user writes it from a textbook.

Takes a CSV file with columns `params`, `tokens` and `loss`; prints ArviZ's summary and the best
size at one compute budget. `cold.py` times it, `sampling.py` borrows its model. On its own:

    uv run python -m benchmarks.plain_pymc RUNS.csv
"""

import argparse

import arviz as az
import numpy as np
import pandas as pd
import pymc as pm
import xarray as xr

SEED = 1
FLOPS = 1e24
LEVELS = (0.055, 0.5, 0.945)


def centred_logs(runs: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    """Logarithms of params and tokens about their means, and the means."""
    logs = runs[["params", "tokens"]].apply(np.log)
    means = logs.mean()
    return logs - means, means


def textbook(runs: pd.DataFrame) -> pm.Model:
    """Model of log loss with Student-t noise; A and B are the terms at the geometric means."""
    centred, _ = centred_logs(runs)
    with pm.Model() as model:
        E = pm.HalfNormal("E", 2.0)
        A = pm.HalfNormal("A", 1.0)
        B = pm.HalfNormal("B", 1.0)
        alpha = pm.LogNormal("alpha", np.log(0.3), 0.6)
        beta = pm.LogNormal("beta", np.log(0.3), 0.6)
        sigma = pm.HalfNormal("sigma", 0.1)
        nu = pm.Gamma("nu", 2.0, 0.1)
        from_model = A * pm.math.exp(-alpha * centred["params"].to_numpy())
        from_data = B * pm.math.exp(-beta * centred["tokens"].to_numpy())
        expected = pm.math.log(E + from_model + from_data)
        pm.StudentT("log_loss", nu=nu, mu=expected, sigma=sigma, observed=np.log(runs["loss"]))
    return model


def uncentred(posterior: xr.Dataset, runs: pd.DataFrame) -> xr.Dataset:
    """The posterior with A and B as the law is published."""
    _, means = centred_logs(runs)
    return posterior.assign(
        A=posterior["A"] * np.exp(posterior["alpha"] * means["params"]),
        B=posterior["B"] * np.exp(posterior["beta"] * means["tokens"]),
    )


def optimal_params(posterior: xr.Dataset, flops: float) -> xr.DataArray:
    """Parameters that minimise the loss where flops = 6 params tokens, one answer per draw."""
    A, B, alpha, beta = (posterior[name] for name in ("A", "B", "alpha", "beta"))
    balance = (alpha * A / (beta * B)) ** (1 / (alpha + beta))
    return balance * (flops / 6) ** (beta / (alpha + beta))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("table", help="CSV file of runs")
    parser.add_argument("--chains", type=int, help="as pm.sample chooses when left out")
    parser.add_argument("--cores", type=int, help="as pm.sample chooses when left out")
    given = parser.parse_args()
    runs = pd.read_csv(given.table)
    with textbook(runs):
        tree = pm.sample(
            chains=given.chains, cores=given.cores, random_seed=SEED, progressbar=False
        )
    print(az.summary(tree))
    best = optimal_params(uncentred(tree["posterior"].to_dataset(), runs), FLOPS)
    print(f"N_opt at {FLOPS:g} FLOP, quantiles {LEVELS}: {best.quantile(LEVELS).to_numpy()}")


if __name__ == "__main__":
    main()
