"""Learning curves extrapolated: broken power laws with 0, 1 and 2 breaks, and point estimators.

uv run python -m studies.held_out.extrapolation_curves [--domain NAME ...] [--alike] [--out FILE]

On the split of Alabdulmohsin et al. (2022), arXiv:2209.06640: rows for fitting, and rows of more
data held out. With ``--alike``, rows of a curve err alike along the logarithm of x. Errors are
those of the benchmark, root mean squares of log response.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy import optimize

import bayescale as bs
from bayescale.likelihoods import autoregressive
from bayescale.models.one_variable.broken_power_law import broken_power_law
from bayescale.posterior.draws import SAMPLE_DIMS
from bayescale.validation.stacking import stacking_weights
from benchmarks.measuring import machine, print_rows

# Domain: table, its response, and the column that tells its curves apart.
DOMAINS = {
    "vision": ("revisiting_vision", "error", "curve"),
    "nmt": ("revisiting_nmt", "log_perplexity", "model"),
    "lm": ("revisiting_lm", "validation_loss", "model"),
    "bigbench": ("revisiting_bigbench", "error", "curve"),
}
BREAKS = (0, 1, 2)
ALIKE = autoregressive("curve", "log_x")
MASS = 0.9
STACKED, TRUSTED = "stacked", "stacked, trusted laws"
MARGIN = 1e-3
"""By how much of it the asymptotes of M2 and M4 keep from the responses."""

Array = np.ndarray[Any, np.dtype[np.float64]]
Predictor = Callable[[Array], Array]
Form = Callable[..., Array]
Bounds = tuple[float, float]
FREE, POSITIVE = (-np.inf, np.inf), (0.0, np.inf)


def main() -> None:
    """Print coverage and errors by domain."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--domain", nargs="+", choices=DOMAINS, default=list(DOMAINS))
    parser.add_argument("--every", type=int, default=1, help="take one curve of so many")
    parser.add_argument("--alike", action="store_true", help="rows of a curve err alike")
    parser.add_argument("--jobs", type=int, default=-1)
    parser.add_argument("--out", type=Path, help="rows; what it holds is not done again")
    given = parser.parse_args()
    print(machine())
    tasks = [
        (name, {**curve, "alike": given.alike})
        for domain in given.domain
        for name, curve in list(curves(domain))[:: given.every]
    ]
    parallel = bs.Parallel(path=given.out, jobs=given.jobs, progress=True)
    rows = bs.sweep(extrapolated, tasks, parallel=parallel, random_seed=0)
    for name, failed in rows[["task", "error"]].dropna().itertuples(index=False):
        print(f"{name}: {failed}")
    fitted = rows[rows["error"].isna()]
    for domain, part in fitted.groupby("domain", sort=False):
        print(f"\n## {domain}, {len(part)} curves")
        _print(part)


def curves(domain: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """A task for each curve of a domain."""
    table, response, by = DOMAINS[domain]
    runs = bs.datasets.load(table).rename(columns={"examples": "x", response: "y"})
    for name, curve in runs.groupby(by, sort=False):
        fitted = curve["part"] == "fit"
        curve = curve[["x", "y"]].assign(curve=name, log_x=np.log(curve["x"]))
        known, larger = curve[fitted], curve[~fitted]
        yield f"{domain} {name}", {"domain": domain, "known": known, "larger": larger}


def extrapolated(
    domain: str, known: pd.DataFrame, larger: pd.DataFrame, alike: bool, random_seed: int
) -> dict[str, Any]:
    """What each law and estimator says of the rows of one curve that were held out."""
    larger = larger.sort_values("x")
    likelihood = ALIKE if alike else None
    laws = [
        law for law in map(broken_power_law, BREAKS) if len(law.coefficient_labels) < len(known)
    ]
    compared = bs.compare(
        laws,
        known,
        likelihood=likelihood,
        sampling=bs.Sampling(draws=500, chains=2),
        random_seed=random_seed,
    )
    predictors = {name: fitted.predict for name, fitted in compared.fits.items()}
    predictors |= {STACKED: compared.predict}
    if some := _trusted(compared):
        predictors |= {TRUSTED: some.predict}
    trusted = {name: fitted.verdict.trusted for name, fitted in compared.fits.items()}
    return {
        "domain": domain,
        "fitted": len(known),
        "held_out": len(larger),
        "weights": dict(zip(predictors, compared.weights.to_numpy().tolist(), strict=False)),
        "trusted": {**trusted, TRUSTED: some is not None},
        "laws": {name: _scored(predict, larger) for name, predict in predictors.items()},
        "points": {
            name: _error(predict(larger["x"].to_numpy()), larger)
            for name, predict in estimated(known).items()
        },
    }


def _trusted(compared: bs.Comparison) -> bs.Comparison | None:
    """The comparison among those laws only whose draws are trusted."""
    fits = {name: fit for name, fit in compared.fits.items() if fit.verdict.trusted}
    if not fits:
        return None
    elpd = compared.scores["elpd"].sel(law=list(fits))
    return replace(compared, fits=fits, weights=stacking_weights(elpd))


def _scored(predict: Callable[..., xr.Dataset], larger: pd.DataFrame) -> dict[str, float]:
    """Coverage with and without drift, at all rows and at the last; error of the median."""
    observed, scores = larger["y"].to_numpy(), {}
    for label, drift in (("", True), (" without drift", False)):
        predicted = predict(larger[["x", "curve", "log_x"]], drift=drift)
        tails = ((1 - MASS) / 2, (1 + MASS) / 2)
        low, high = predicted["new_run"].quantile(tails, SAMPLE_DIMS).to_numpy()
        inside = (low <= observed) & (observed <= high)
        scores |= {f"inside{label}": inside.mean(), f"last{label}": float(inside[-1])}
        scores[f"width{label}"] = float(np.log(high / low).mean())
        scores[f"rmse{label}"] = _error(predicted["mean"].median(SAMPLE_DIMS).to_numpy(), larger)
    return scores


def _error(predicted: Array, larger: pd.DataFrame) -> float:
    """Root mean square error of the log response."""
    return float(np.sqrt(np.mean(np.log(predicted / larger["y"].to_numpy()) ** 2)))


def estimated(known: pd.DataFrame) -> dict[str, Predictor]:
    """Estimators M1 to M4 of the benchmark, each by least squares of the log response.

    The benchmark takes the logarithm of what exceeds the floor in M2 and M4, and stops at a minimum
    near its start; so those two are the same forms, and not the same numbers.
    """
    x, y = (known[name].to_numpy() for name in ("x", "y"))
    unit, least, most = np.exp(np.log(x).mean()), y.min() * (1 - MARGIN), y.max() * (1 + MARGIN)
    low, high = np.log(unit / x.max()) - 10, np.log(unit / x.min()) + 5
    forms: dict[str, tuple[Form, list[Bounds], list[list[float]]]] = {
        "M1": (_m1, [FREE, POSITIVE], [[0.0, 0.3]]),
        "M2": (
            _m2,
            [FREE, POSITIVE, (0.0, least)],
            [[-1.0, c, share * least] for c in (0.2, 0.8) for share in (0.2, 0.9)],
        ),
        "M3": (
            _m3,
            [FREE, POSITIVE, (low, high)],
            [[0.0, 0.3, at] for at in np.linspace(low + 1, high - 1, 4)],
        ),
        "M4": (
            _m4,
            [FREE, POSITIVE, (0.0, least), (most, 3 * most), (0.0, 20.0)],
            [[-1.0, c, 0.8 * least, 1.05 * most, power] for c in (0.2, 0.8) for power in (0.1, 1)],
        ),
    }
    return {
        name: _point(form, bounds, starts, x / unit, y, unit)
        for name, (form, bounds, starts) in forms.items()
    }


def _point(
    form: "Form",
    bounds: "list[Bounds]",
    starts: list[list[float]],
    x: Array,
    y: Array,
    unit: float,
) -> Predictor:
    """The best of the minima that the starts lead to."""
    with np.errstate(all="ignore"):  # a step too far is taken back
        minima = [
            optimize.least_squares(
                lambda p: np.nan_to_num(np.log(form(x, *p) / y), nan=1e3, posinf=1e3, neginf=-1e3),
                start,
                bounds=tuple(np.transpose(bounds)),
                x_scale="jac",
            )
            for start in starts
        ]
    best = min(minima, key=lambda minimum: minimum.cost).x
    return lambda at: form(at / unit, *best)


def _m1(x: Array, level: float, c: float) -> Array:
    """A power law."""
    return np.exp(level) * x**-c


def _m2(x: Array, level: float, c: float, floor: float) -> Array:
    """A power law with a floor."""
    return floor + np.exp(level) * x**-c


def _m3(x: Array, level: float, c: float, log_gamma: float) -> Array:
    """A power law of data joined by some from elsewhere, which makes a floor."""
    return np.exp(level) * (1 / x + np.exp(log_gamma)) ** c


def _m4(x: Array, level: float, c: float, floor: float, top: float, power: float) -> Array:
    """A sigmoid that becomes a power law with a floor: (y - floor) / (top - y)^power = b x^-c."""
    low, high = np.full(x.shape, floor), np.full(x.shape, top)
    for _ in range(60):
        middle = (low + high) / 2
        higher = middle - floor > np.exp(level) * x**-c * (top - middle) ** power
        low, high = np.where(higher, low, middle), np.where(higher, middle, high)
    return (low + high) / 2


def _print(part: pd.DataFrame) -> None:
    """Coverage and errors of the laws, every curve counting alike, then errors of the points."""
    laws = [*(broken_power_law(n).name for n in BREAKS), STACKED, TRUSTED]
    rows = {}
    for name in laws:
        scores = pd.DataFrame([laws_[name] for laws_ in part["laws"] if name in laws_])
        if scores.empty:
            continue
        trusted = [verdicts.get(name, name == STACKED) for verdicts in part["trusted"]]
        both = [scores[f"{what}{label}"] for label in ("", " without drift") for what in INSIDE]
        rows[name] = [
            float(np.sum(trusted)),
            *(score.mean() for score in both),
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
    import_module("studies.held_out.extrapolation_curves").main()
