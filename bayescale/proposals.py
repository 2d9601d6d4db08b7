"""Runs that would identify what the runs at hand do not.

A few designs are tried: other tokens per param at the compute there is, and a tenth, a hundredth or
ten times of each input. What a design would tell about a quantity follows from how its draws go
with those of the response there, without simulation or refit. It is what the best linear guess
would make of the new runs, so the posterior would on average be no wider.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.draws import SAMPLE_DIMS, deviation, expected_response
from bayescale.flops import Array

if TYPE_CHECKING:
    from bayescale.fitting import Fit

PAIR = {"params", "tokens"}
EACH = 4
"""Runs that a design adds."""
NARROW = 3.0
"""Runs whose tokens per param span less than this factor are asked for other ratios first."""
ASIDE = (5.0, 25.0)
"""Factors beyond the tokens per param there are."""
SENSIBLE = (0.1, 1e4)
"""Tokens per param that anybody would train at."""
SAME = 1.2
"""Runs whose tokens per param span less than this factor are said to have one."""
DOWN, UP = (0.1, 0.01), (10.0,)
"""Factors beyond the smallest and the largest input."""
TIMES = {0.1: "a tenth of", 0.01: "a hundredth of", 10.0: "ten times"}
NEAR = 0.15
"""The cheapest design is taken whose contraction falls short of the best one's by less."""


@dataclass(frozen=True)
class Proposal:
    """Runs to add.

    Parameters
    ----------
    said : str
        What they are, to stand after "add".
    points : DataFrame
        Their inputs.
    """

    said: str
    points: pd.DataFrame


def proposals(runs: pd.DataFrame, inputs: tuple[str, ...]) -> tuple[Proposal, ...]:
    """Designs to try, from the cheapest.

    Parameters
    ----------
    runs : DataFrame
        The runs there are.
    inputs : tuple of str
        Of the law.
    """
    down = [_moved(runs, (name,), inputs, factor) for factor in DOWN for name in inputs]
    up = [_moved(runs, (name,), inputs, factor) for factor in UP for name in inputs]
    both = [_moved(runs, inputs, inputs, factor) for factor in UP if len(inputs) > 1]
    if not set(inputs) >= PAIR:
        return (*down, *up, *both)
    ratio = (runs["tokens"] / runs["params"]).to_numpy()
    other = [_other_ratios(runs, inputs, ratio, factor) for factor in ASIDE]
    if ratio.max() / ratio.min() < NARROW:
        return (*other, *down, *up, *both)
    return (*down, *other, *up, *both)


def _moved(
    runs: pd.DataFrame, names: tuple[str, ...], inputs: tuple[str, ...], factor: float
) -> Proposal:
    """Runs a factor beyond the smallest or the largest, spread over the inputs that stay."""
    end = "min" if factor < 1 else "max"
    points = {
        name: np.full(EACH, factor * runs[name].agg(end))
        if name in names
        else np.geomspace(runs[name].min(), runs[name].max(), EACH)
        for name in inputs
    }
    there = " and ".join(f"{points[name][0]:.2g} {name}" for name in names)
    stay = [name for name in inputs if name not in names]
    same = f" with {' and '.join(stay)} as in these" if stay else ""
    times = f"{TIMES[factor]} the {'smallest' if factor < 1 else 'largest'}"
    return Proposal(f"runs of {there} ({times}){same}", pd.DataFrame(points))


def _other_ratios(
    runs: pd.DataFrame, inputs: tuple[str, ...], ratio: Array, factor: float
) -> Proposal:
    """Runs of more and of fewer tokens per param, at the smallest and at the middle compute."""
    ends = [ratio.min() / factor, ratio.max() * factor]
    aside = [end for end in ends if SENSIBLE[0] <= end <= SENSIBLE[1]] or ends
    product = (runs["params"] * runs["tokens"]).to_numpy()
    sizes = np.repeat([product.min(), np.exp(np.log(product).mean())], EACH // 2)
    there = np.resize(aside, EACH)
    points = pd.DataFrame({"params": np.sqrt(sizes / there), "tokens": np.sqrt(sizes * there)})
    rest = {name: np.exp(np.log(runs[name]).mean()) for name in inputs if name not in PAIR}
    known = (
        f"{np.sqrt(ratio.min() * ratio.max()):.2g}"
        if ratio.max() / ratio.min() < SAME
        else f"{ratio.min():.2g} to {ratio.max():.2g}"
    )
    said = " and ".join(f"{end:.3g}" for end in aside)
    return Proposal(f"runs at {said} tokens per param beside {known}", points.assign(**rest))


def proposal(
    fit: "Fit", draws: xr.DataArray, prior_sd: float, group: str | None = None
) -> tuple[Proposal, float]:
    """The cheapest of the designs that tell most of a quantity, with the contraction it reaches.

    Parameters
    ----------
    fit : Fit
        A fitted law.
    draws : (chain, draw) DataArray
        The quantity, on the scale it is judged on.
    prior_sd : float
        Its standard deviation there before the runs.
    group : str, optional
        Which group the runs would be added to; the first by default.

    Returns
    -------
    Proposal, float
        The contraction may be below what counts as identified: then no design does better.
    """
    tried = [
        (each, 1 - variance_with(fit, draws, points) / prior_sd**2)
        for each, points in _placed(fit, group)
    ]
    best = max(reached for _, reached in tried)
    return next((each, reached) for each, reached in tried if reached >= best - NEAR)


def _placed(fit: "Fit", group: str | None) -> Iterator[tuple[Proposal, pd.DataFrame]]:
    """Designs from the runs of a group, with the group in a column of its own."""
    made, runs = fit.structure, fit.runs
    if made.by is not None:
        group = made.groups[0] if group is None else group
        runs = runs[runs[made.by].map(str) == group]
    for each in proposals(runs, made.law.inputs):
        yield each, each.points if made.by is None else each.points.assign(**{made.by: group})


def variance_with(fit: "Fit", draws: xr.DataArray, points: pd.DataFrame) -> float:
    """Variance that a quantity would be left with at most, had runs been made at the points.

    That of the best linear guess from the responses there (on the logarithm, if positive), with
    their scatter and what they miss together: the expected variance, where draws are Normal,
    and above it elsewhere.
    """
    made = fit.structure
    expected = expected_response(made, fit.posterior, points, "point")
    response = made.law.scale_of(made.law.response).measured(expected)
    own = deviation(made, fit.posterior, fit.runs, points, "point")
    scale = (0 * response + own).mean(SAMPLE_DIMS).to_numpy()
    together = float((fit.posterior["offset_sd"] ** 2).mean()) if made.clusters else 0.0
    known = response.transpose(*SAMPLE_DIMS, "point").to_numpy().reshape(-1, len(points))
    value = draws.transpose(*SAMPLE_DIMS).to_numpy().ravel()
    moved = known - known.mean(axis=0)
    with_value = moved.T @ (value - value.mean()) / (len(value) - 1)
    covariance = moved.T @ moved / (len(value) - 1) + np.diag(scale**2) + together
    return float(value.var(ddof=1) - with_value @ np.linalg.solve(covariance, with_value))
