"""Designs: runs to add, which would identify what the fitted runs do not.

A few designs are tried: other tokens per param at the compute of the runs, and a tenth, a hundredth
or ten times of each input. What a design would say about a quantity follows from the covariance of
its draws with those of the response at the new runs, without simulation or refit. It is what the
best linear guess from the new runs would say, so the posterior would on average be no wider.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.posterior.draws import SAMPLE_DIMS, Draws
from bayescale.posterior.expectation import expected_response, scatter_sd

SIZE = 4
"""Runs of a design."""


@dataclass(frozen=True, eq=False)
class Design:
    """Runs to add.

    Parameters
    ----------
    description : str
        What they are, to follow "add".
    points : DataFrame
        Their inputs.
    """

    description: str
    points: pd.DataFrame


def candidate_designs(runs: pd.DataFrame, inputs: tuple[str, ...]) -> tuple[Design, ...]:
    """Designs to try, the cheapest first.

    Parameters
    ----------
    runs : DataFrame
        The fitted runs.
    inputs : tuple of str
        Of the law.

    Returns
    -------
    tuple of Design
    """
    smaller = [
        _scaled_design(runs, (name,), inputs, factor) for factor in (0.1, 0.01) for name in inputs
    ]
    larger = [_scaled_design(runs, (name,), inputs, 10.0) for name in inputs]
    if len(inputs) > 1:
        larger.append(_scaled_design(runs, inputs, inputs, 10.0))
    if not {"params", "tokens"} <= set(inputs):
        return (*smaller, *larger)
    # More and fewer tokens per param, at the smallest and at the middle compute.
    ratio, product = (runs["tokens"] / runs["params"]), (runs["params"] * runs["tokens"])
    low, high = ratio.min(), ratio.max()
    known = f"{np.sqrt(low * high):.2g}" if high / low < 1.2 else f"{low:.2g} to {high:.2g}"
    sizes = np.repeat([product.min(), np.exp(np.log(product).mean())], SIZE // 2)
    further = (name for name in inputs if name not in ("params", "tokens"))
    middle = {name: np.exp(np.log(runs[name]).mean()) for name in further}
    other = []
    for factor in (5.0, 25.0):
        ends = (low / factor, high * factor)
        # Ratios that anybody would train at.
        ratios = [end for end in ends if 0.1 <= end <= 1e4] or ends
        every = np.resize(ratios, SIZE)
        points = pd.DataFrame({"params": np.sqrt(sizes / every), "tokens": np.sqrt(sizes * every)})
        new = " and ".join(f"{end:.3g}" for end in ratios)
        description = f"runs at {new} tokens per param beside {known}"
        other.append(Design(description, points.assign(**middle)))
    # Runs of nearly one ratio need others first.
    first, second = (other, smaller) if high / low < 3.0 else (smaller, other)
    return (*first, *second, *larger)


def _scaled_design(
    runs: pd.DataFrame, names: tuple[str, ...], inputs: tuple[str, ...], factor: float
) -> Design:
    """Runs at a multiple of the smallest or largest value of some inputs, as the runs in others."""
    times = {0.1: "a tenth of", 0.01: "a hundredth of", 10.0: "ten times"}[factor]
    end, extreme = ("min", "smallest") if factor < 1 else ("max", "largest")
    points = {
        name: np.full(SIZE, factor * runs[name].agg(end))
        if name in names
        else np.geomspace(runs[name].min(), runs[name].max(), SIZE)
        for name in inputs
    }
    values = " and ".join(f"{points[name][0]:.2g} {name}" for name in names)
    others = " and ".join(name for name in inputs if name not in names)
    same = f" with {others} as in these" if others else ""
    description = f"runs of {values} ({times} the {extreme}){same}"
    return Design(description, pd.DataFrame(points))


def best_design(
    draws: Draws, quantity: xr.DataArray, prior_sd: float, group: str | None = None
) -> tuple[Design, float]:
    """The cheapest design that says nearly as much of a quantity as the best one.

    Parameters
    ----------
    draws : Draws
        Of a fitted law.
    quantity : (chain, draw) DataArray
        On the scale on which it is judged.
    prior_sd : float
        Its prior standard deviation there.
    group : str, optional
        Group of runs that the design adds to; the first by default.

    Returns
    -------
    design : Design
        The first whose contraction is within 0.15 of the best one's.
    contraction : float
        What it reaches; even the best may not identify the quantity.
    """
    structure, runs, column = draws.structure, draws.runs, {}
    if structure.by is not None:
        column = {structure.by: structure.groups[0] if group is None else group}
        runs = runs[runs[structure.by].map(str) == column[structure.by]]
    designs = candidate_designs(runs, structure.law.inputs)
    variances = [
        variance_with_design(draws, quantity, design.points.assign(**column)) for design in designs
    ]
    contractions = 1 - np.array(variances) / prior_sd**2
    first = int(np.argmax(contractions >= contractions.max() - 0.15))
    return designs[first], float(contractions[first])


def variance_with_design(draws: Draws, quantity: xr.DataArray, points: pd.DataFrame) -> float:
    """Variance that a quantity would have at most, if there were runs at the points too.

    That of the best linear guess from the responses there (on the logarithm, if they are positive),
    with their scatter. It is the expected variance where draws are
    Normal, and an upper bound of it elsewhere.

    Parameters
    ----------
    draws : Draws
        Of a fitted law.
    quantity : (chain, draw) DataArray
        On the scale on which it is judged.
    points : DataFrame
        Inputs of the runs to add, and the column of groups if there are groups.

    Returns
    -------
    float
        In the squared unit of the quantity.
    """
    law = draws.law
    expected = law.kind_of(law.response).scaled(expected_response(draws, points))
    scatter = (0 * expected + scatter_sd(draws, points)).mean(SAMPLE_DIMS).to_numpy()
    response = expected.transpose(*SAMPLE_DIMS, "point").to_numpy().reshape(-1, len(points))
    values = quantity.transpose(*SAMPLE_DIMS).to_numpy().ravel()
    centred, freedom = response - response.mean(axis=0), len(values) - 1
    with_quantity = centred.T @ (values - values.mean()) / freedom
    covariance = centred.T @ centred / freedom + np.diag(scatter**2)
    explained = with_quantity @ np.linalg.solve(covariance, with_quantity)
    return float(values.var(ddof=1) - explained)
