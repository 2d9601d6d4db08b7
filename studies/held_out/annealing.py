"""Whether the annealing law predicts schedules it was not fitted to: coverage and error.

uv run python -m studies.held_out.annealing [--curves three two] [--decay 0.999] [--apart 1000]
"""

import argparse
from collections.abc import Iterator

import numpy as np
import pandas as pd

import bayescale as bs
from bayescale.likelihoods import autoregressive
from bayescale.models.dynamics.lr_annealing import APART, lr_annealing
from bayescale.runs.read import runs_for
from benchmarks.measuring import machine, print_rows

SIZES = ("25m", "100m", "400m")
CURVES = {
    "three": ("cosine_24000", "constant_24000", "wsdcon_9"),
    "two": ("cosine_24000", "constant_24000"),
}
MASSES = (0.5, 0.9)


def main() -> None:
    """Fit a few curves of each size, predict the others, and print how well."""
    given = _arguments()
    print(
        machine(), f"; decay {given.decay:g}, rows {given.apart:g} steps apart, seed {given.seed}"
    )
    for chosen in given.curves:
        rows = pd.concat(_size(size, CURVES[chosen], given) for size in SIZES)
        print(f"\n## fitted to {', '.join(CURVES[chosen])}: {len(rows)} curves held out")
        print(rows.round(4).to_string())
        columns = [name for name in rows if rows[name].dtype != object]
        print_rows(("of all curves", "mean"), {n: (float(rows[n].mean()),) for n in columns})


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--curves", nargs="+", choices=CURVES, default=list(CURVES))
    parser.add_argument("--decay", type=float, default=0.999)
    parser.add_argument("--apart", type=float, default=APART)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def _size(size: str, curves: tuple[str, ...], given: argparse.Namespace) -> pd.DataFrame:
    """How well the curves of one size are predicted, a row each."""
    law = lr_annealing(given.decay)
    table = runs_for(law, bs.datasets.load(f"multi_power_law_{size}"))
    known = table["schedule"].isin(curves)
    likelihood = autoregressive("schedule", "step", given.apart)
    fitted = bs.fit(law, table[known], likelihood=likelihood, random_seed=given.seed)
    print(f"\n{size}: {len(fitted.runs)} rows, {fitted.seconds['total']:.0f} s. {fitted.verdict}")
    print(fitted.summary()[["mean", "sd", "widened", "ess_bulk", "r_hat"]].round(4).to_string())
    held_out = table[~known].reset_index(drop=True)
    scores = pd.DataFrame(dict(_scores(fitted, held_out)))
    grouped = scores.assign(schedule=held_out["schedule"]).groupby("schedule", sort=False)
    along = grouped.mean()
    along["rmse"] = np.sqrt(along.pop("squared"))
    inside = [f"in {mass:.0%}" for mass in MASSES]
    ends = grouped.last()[[*inside, "error", "decades beyond"]].add_suffix(", end")
    return along.join(ends).rename(lambda schedule: f"{size} {schedule}")


def _scores(fitted: bs.Fit, held_out: pd.DataFrame) -> Iterator[tuple[str, np.ndarray]]:
    """Of each row: whether it lies inside, the predicted sd, and the error of the log."""
    predicted = fitted.predict(held_out)
    observed, sample = held_out["loss"].to_numpy(), ("chain", "draw")
    alone = fitted.predict(held_out, drift=False)
    for which, new in (("", predicted["new_run"]), (", no drift", alone["new_run"])):
        level = (new < observed).mean(sample).to_numpy()
        for mass in MASSES:
            yield f"in {mass:.0%}{which}", (np.abs(2 * level - 1) <= mass).astype(float)
        yield f"sd{which}", np.log(new).std(sample).to_numpy()
    error = np.log(observed) - np.log(predicted["mean"]).mean(sample).to_numpy()
    yield "error", error
    yield "squared", error**2
    yield "decades beyond", predicted["decades_beyond_runs"].to_numpy()


if __name__ == "__main__":
    main()
