"""Learning curves extrapolated: broken power laws with 0, 1 and 2 breaks, and point estimators.

uv run python benchmarks/extrapolation_curves.py [--domain NAME ...] [--every 1] [--out ROWS.jsonl]

On the split of Alabdulmohsin et al. (2022), arXiv:2209.06640: rows for fitting, and rows of more
data held out. Errors are those of the benchmark, root mean squares of log response.
"""

import argparse
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from measuring import machine, print_rows
from scipy import optimize

import bayescale as bs
from bayescale.comparison import Comparison
from bayescale.draws import SAMPLE_DIMS
from bayescale.models.broken_power_law import broken_power_law
from bayescale.stacking import stacking_weights

# Domain: table, its response, and the column that tells its curves apart.
DOMAINS = {
    "vision": ("revisiting_vision", "error", "curve"),
    "nmt": ("revisiting_nmt", "log_perplexity", "model"),
    "lm": ("revisiting_lm", "validation_loss", "model"),
    "bigbench": ("revisiting_bigbench", "error", "curve"),
}
BREAKS = (0, 1, 2)
MASS = 0.9
STACKED, TRUSTED = "stacked", "stacked, trusted laws"
MARGIN = 1e-3
"""How far the asymptotes of M2 and M4 keep from the responses, as the benchmark has it."""

Array = np.ndarray[Any, np.dtype[np.float64]]
Predictor = Callable[[Array], Array]


def main() -> None:
    """Print coverage and errors by domain."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--domain", nargs="+", choices=DOMAINS, default=list(DOMAINS))
    parser.add_argument("--every", type=int, default=1, help="take one curve of so many")
    parser.add_argument("--jobs", type=int, default=-1)
    parser.add_argument("--out", type=Path, help="rows; what it holds is not done again")
    given = parser.parse_args()
    print(machine())
    tasks = [task for domain in given.domain for task in list(curves(domain))[:: given.every]]
    rows = bs.sweep(extrapolated, tasks, path=given.out, jobs=given.jobs, progress=True)
    for name, failed in rows[["task", "error"]].dropna().itertuples(index=False):
        print(f"{name}: {failed}")
    told = rows[rows["error"].isna()]
    for domain, part in told.groupby("domain", sort=False):
        print(f"\n## {domain}, {len(part)} curves")
        _print(part)


def curves(domain: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """A task for each curve of a domain."""
    table, response, by = DOMAINS[domain]
    runs = bs.datasets.load(table).rename(columns={"examples": "x", response: "y"})
    for name, curve in runs.groupby(by, sort=False):
        fitted = curve["part"] == "fit"
        known, larger = curve.loc[fitted, ["x", "y"]], curve.loc[~fitted, ["x", "y"]]
        yield f"{domain} {name}", {"domain": domain, "known": known, "larger": larger}


def extrapolated(
    domain: str, known: pd.DataFrame, larger: pd.DataFrame, random_seed: int
) -> dict[str, Any]:
    """What each law and estimator says of the rows of one curve that were held out."""
    larger = larger.sort_values("x")
    laws = [broken_power_law(n) for n in BREAKS]
    compared = bs.compare(laws, known, draws=500, chains=2, random_seed=random_seed)
    each = {name: fitted.predict for name, fitted in compared.fits.items()}
    each |= {STACKED: compared.predict}
    if some := _trusted(compared):
        each |= {TRUSTED: some.predict}
    trusted = {name: fitted.verdict.trusted for name, fitted in compared.fits.items()}
    return {
        "domain": domain,
        "fitted": len(known),
        "held_out": len(larger),
        "weights": dict(zip(each, compared.weights.to_numpy().tolist(), strict=False)),
        "trusted": {**trusted, TRUSTED: some is not None},
        "laws": {name: _scored(predict, larger) for name, predict in each.items()},
        "points": {
            name: _error(predict(larger["x"].to_numpy()), larger)
            for name, predict in estimated(known).items()
        },
    }


def _trusted(compared: Comparison) -> Comparison | None:
    """The comparison among those laws only whose draws are trusted."""
    fits = {name: each for name, each in compared.fits.items() if each.verdict.trusted}
    if not fits:
        return None
    elpd = compared.scores["elpd"].sel(law=list(fits))
    return replace(compared, fits=fits, weights=stacking_weights(elpd))


def _scored(predict: Callable[..., xr.Dataset], larger: pd.DataFrame) -> dict[str, float]:
    """Coverage with and without drift, at all rows and at the last; error of the median."""
    observed, found = larger["y"].to_numpy(), {}
    for label, beyond in (("", True), (" without drift", False)):
        said = predict(larger[["x"]], extrapolate=beyond)
        tails = ((1 - MASS) / 2, (1 + MASS) / 2)
        low, high = said["new_run"].quantile(tails, SAMPLE_DIMS).to_numpy()
        inside = (low <= observed) & (observed <= high)
        found |= {f"inside{label}": inside.mean(), f"last{label}": float(inside[-1])}
        found[f"width{label}"] = float(np.log(high / low).mean())
        found[f"rmse{label}"] = _error(said["mean"].median(SAMPLE_DIMS).to_numpy(), larger)
    return found


def _error(predicted: Array, larger: pd.DataFrame) -> float:
    """Root mean square error of the log response."""
    return float(np.sqrt(np.mean(np.log(predicted / larger["y"].to_numpy()) ** 2)))


def estimated(known: pd.DataFrame) -> dict[str, Predictor]:
    """Estimators M1 to M4 of the benchmark, by least squares on the logarithm of each.

    The minima are those of the benchmark's objectives, searched for in our own way.
    """
    x, y = (known[name].to_numpy() for name in ("x", "y"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a step too far is taken back
        return {"M1": _m1(x, y), "M2": _m2(x, y), "M3": _m3(x, y), "M4": _m4(x, y)}


def _line(columns: Array, labels: Array, *, positive: bool = False) -> tuple[Array, float]:
    """Intercept and slopes of a regression, and its sum of squares."""
    design = np.column_stack([np.ones(len(labels)), columns])
    low = np.r_[-np.inf, np.full(design.shape[1] - 1, 0.0 if positive else -np.inf)]
    found = optimize.lsq_linear(design, labels, bounds=(low, np.inf))
    return found.x, float(found.cost)


def _m1(x: Array, y: Array) -> Predictor:
    """A power law."""
    (constant, slope), _ = _line(-np.log(x), np.log(y))
    return lambda at: np.exp(constant) * at**-slope


def _m2(x: Array, y: Array) -> Predictor:
    """A power law with a floor."""

    def line(floor: float) -> tuple[Array, float]:
        return _line(-np.log(x), np.log(y - floor))

    floor = _lowest(lambda at: line(at)[1], np.linspace(0.0, y.min() - MARGIN, 201))
    (constant, slope), _ = line(floor)
    return lambda at: floor + np.exp(constant) * at**-slope


def _m3(x: Array, y: Array) -> Predictor:
    """A power law of data that are joined by some from elsewhere, which makes a floor."""

    def line(log_gamma: float) -> tuple[Array, float]:
        return _line(np.log(1 / x + np.exp(log_gamma)), np.log(y), positive=True)

    ends = np.log(1e-4 / x.max()), np.log(1e2 / x.min())
    gamma = _lowest(lambda at: line(at)[1], np.linspace(*ends, 201))
    (constant, slope), _ = line(gamma)
    return lambda at: np.exp(constant) * (1 / at + np.exp(gamma)) ** slope


def _m4(x: Array, y: Array) -> Predictor:
    """A sigmoid that becomes a power law with a floor: (y - floor) / (top - y)^a = b x^-c."""

    def line(ends: Array) -> tuple[Array, float]:
        floor, top = ends
        return _line(
            np.column_stack([-np.log(x), np.log(top - y)]), np.log(y - floor), positive=True
        )

    least, most = y.min() - MARGIN, y.max() + MARGIN
    found = optimize.brute(
        lambda ends: line(ends)[1],
        ((0.0, least), (most, most + 0.5 * (most - least))),
        Ns=25,
        finish=None,
    )
    polished = optimize.minimize(
        lambda ends: line(ends)[1],
        found,
        method="Nelder-Mead",
        bounds=((0.0, least), (most, None)),
    )
    floor, top = polished.x
    (constant, c, power), _ = line(polished.x)

    def expected(at: float) -> float:
        factor = np.exp(constant) * at**-c
        return optimize.brentq(
            lambda y: y - floor - factor * (top - y) ** power, floor, top, xtol=1e-12
        )

    return lambda at: np.array([expected(each) for each in at])


def _lowest(value: Callable[[float], float], grid: Array) -> float:
    """Where a function of one number is least, between the neighbours of the best on a grid."""
    best = int(np.argmin([value(each) for each in grid]))
    ends = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    return float(optimize.minimize_scalar(value, bounds=ends, method="bounded").x)


def _print(part: pd.DataFrame) -> None:
    """Coverage and errors of the laws, every curve counting alike, then errors of the points."""
    laws = [*(broken_power_law(n).name for n in BREAKS), STACKED, TRUSTED]
    rows = {}
    for name in laws:
        scores = pd.DataFrame([laws_[name] for laws_ in part["laws"] if name in laws_])
        trusted = [said.get(name, True) for said in part["trusted"]]
        both = [scores[f"{what}{label}"] for label in ("", " without drift") for what in INSIDE]
        rows[name] = [
            float(np.sum(trusted)),
            *(each.mean() for each in both),
            scores["width"].median(),
            scores["rmse"].mean(),
            scores["rmse"].median(),
        ]
    head = ("trusted", "inside 90%", "last inside", "the same, law alone", "last, law alone")
    print_rows(("", *head, "median width", "mean RMSE", "median RMSE"), rows)
    points = pd.DataFrame(list(part["points"]))
    print_rows(
        ("", "mean RMSE", "median RMSE"),
        {name: [points[name].mean(), points[name].median()] for name in points},
    )
    weights = pd.DataFrame(list(part["weights"])).mean()
    print("\nMean weights: " + ", ".join(f"{name} {w:.2f}" for name, w in weights.items()))


INSIDE = ("inside", "last")

if __name__ == "__main__":
    # Functions of a script cannot be sent to another process; those of a module can.
    __import__("extrapolation_curves").main()
