"""What laws fitted to the shipped table `pocket` say of it, and of its larger runs held out.

uv run python -m studies.held_out.pocket
"""

import numpy as np
import pandas as pd
import xarray as xr

import bayescale as bs
from bayescale.posterior.draws import SAMPLE_DIMS, Draws
from bayescale.posterior.expectation import expected_response
from bayescale.posterior.pointwise import point_distribution, run_distribution
from benchmarks.measuring import machine, print_rows

SEED = 1
COVERAGES = (0.5, 0.8, 0.9, 0.95)
LAWS = ("coupled", "chinchilla", "kaplan_nd")


def main() -> None:
    """Fit, predict the held-out runs, compare the noise of seeds, look for misfit."""
    print(machine(), f"; seed {SEED}")
    runs, larger = bs.datasets.load("pocket"), bs.datasets.load("pocket_holdout")
    print(f"{len(runs)} runs; {len(larger)} held out")
    fits = {}
    for name in LAWS:
        fits[name] = bs.fit(bs.models.law_named(name), runs, random_seed=SEED)
        print(f"\n{fits[name]}")
    _print_held_out(fits, larger)
    _print_noise(fits["coupled"])
    _print_misfit(fits)


def _print_held_out(fits: dict[str, bs.Fit], larger: pd.DataFrame) -> None:
    """Coverage of intervals for a new run, width and bias, and every run by itself."""
    rows, ranks = {}, {}
    for name, fit in fits.items():
        predicted = fit.predict(larger[["params", "tokens"]])
        draws = np.log(predicted["new_run"])
        observed = xr.DataArray(np.log(larger["loss"].to_numpy()), dims="point")
        level = (draws < observed).mean(SAMPLE_DIMS)
        inside = [float((abs(2 * level - 1) <= mass).mean()) for mass in COVERAGES]
        ends = draws.quantile([0.05, 0.95], SAMPLE_DIMS)
        off = (observed - draws.median(SAMPLE_DIMS)).to_numpy()
        width = float(ends.diff("quantile").mean())
        rows[name] = [*inside, width, float(off.mean()), float(np.sqrt((off**2).mean()))]
        ranks[name] = [*level.to_numpy(), *off]
    header = [f"inside {mass:.0%}" for mass in COVERAGES]
    print("\nHeld-out runs, in log loss: coverage, mean width at 90%, bias, root mean square")
    print_rows(("law", *header, "width", "bias", "rms"), rows)
    print("\nShare of draws below each held-out run, then how far it lies above the median")
    names = [f"{n:.2g}, {d:.2g}" for n, d in zip(larger["params"], larger["tokens"], strict=True)]
    print_rows(("law", *names, *names), ranks)


def _print_noise(fit: bs.Fit) -> None:
    """Standard deviation of log loss over seeds, and the scale of the fitted scatter."""
    runs = fit.runs
    cells = runs.groupby(["params", "tokens"])["loss"]
    repeated = cells.agg(seeds="size", sd=lambda loss: np.log(loss).std(ddof=1))
    repeated = repeated[repeated["seeds"] > 1].reset_index()
    spread = point_distribution(fit.draws, repeated).std().mean((0, 1))
    rows = {
        f"{row.params:.3g}, {row.tokens:.3g}": (row.seeds, row.sd, sigma, row.sd / sigma)
        for row, sigma in zip(repeated.itertuples(), spread, strict=True)
    }
    print_rows(("params, tokens", "seeds", "sd over seeds", "fitted sd", "ratio"), rows)
    pooled = np.sqrt((repeated["sd"] ** 2).mean())
    print(
        f"\nPooled over {len(repeated)} cells: {pooled:.4f} over seeds, "
        f"{np.sqrt((spread**2).mean()):.4f} fitted."
    )


def _print_misfit(fits: dict[str, bs.Fit]) -> None:
    """Variance of log residuals that a quadratic in the log inputs explains, against replicates.

    The p-value is the share of draws whose replicated runs leave as much to the quadratic as the
    observed ones do, both about the law of that draw.
    """
    rows = {}
    for name, fit in fits.items():
        logs = np.log(fit.runs[["params", "tokens"]].to_numpy())
        x, y = ((logs - logs.mean(0)) / logs.std(0)).T
        surface = np.linalg.qr(np.column_stack([np.ones_like(x), x, y, x * x, x * y, y * y]))[0]
        draws = Draws(fit.structure, fit.posterior.isel(draw=slice(None, None, 4)), fit.runs)
        expected = np.log(expected_response(draws, fit.runs, "run")).to_numpy()
        replicated = run_distribution(draws).rvs(size=expected.shape, random_state=SEED) - expected
        observed = np.log(fit.runs["loss"].to_numpy()) - expected
        shares = [_share(surface, residual) for residual in (observed, replicated)]
        rows[name] = (shares[0].mean(), shares[1].mean(), (shares[1] >= shares[0]).mean())
    print_rows(("law", "observed share", "replicated share", "p"), rows)


def _share(surface: np.ndarray, residual: np.ndarray) -> np.ndarray:
    return ((residual @ surface) ** 2).sum(-1) / (residual**2).sum(-1)


if __name__ == "__main__":
    main()
