"""Runs that the answer depends on, compared with refits without them."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from bayescale.diagnostics.influence import influence, influential_runs
from bayescale.errors import DataError
from bayescale.fitting.fit import fit
from bayescale.fitting.record import Fit
from bayescale.likelihoods import NORMAL
from bayescale.models import CHINCHILLA, LAWS
from bayescale.posterior.draws import SAMPLE_DIMS
from bayescale.posterior.expectation import expected_response
from bayescale.posterior.optimum import largest_budget
from tests.designs import simulated

PLAIN: dict[str, Any] = {"likelihood": NORMAL, "clusters": None, "random_seed": 1}
BUDGET = 1e22


@pytest.fixture(scope="module")
def whole() -> Fit:
    """With the draws of its model, which influence is about."""
    runs = simulated(CHINCHILLA, noise=0.005, seed=3, each=7)
    return fit(CHINCHILLA, runs, **PLAIN).as_modelled


def log_optimum(fitted: Fit) -> xr.DataArray:
    return np.log(fitted.optimum(BUDGET, drift=False)["N_opt"].isel(budget=0, drop=True))


@pytest.mark.parametrize("rank", [0, 24])
def test_influence_on_the_optimum_is_that_of_a_refit(whole: Fit, rank: int) -> None:
    """The first order is that of least squares times 1 - leverage, which is divided out.

    The leverage is the posterior variance of what the law expects of the run, over that of its
    scatter. The two means and the covariance each have a Monte Carlo error; three of these in all,
    and 5% for what the scale and the law's curvature do (as in `test_influence.py`).
    """
    table = influential_runs(whole, BUDGET, top=None)
    row, change = int(table.index[rank]), float(table["change_sd"].iloc[rank])
    before = log_optimum(whole)
    sd = float(before.std(ddof=1))
    expected = np.log(expected_response(whole.draws, whole.runs, "run"))
    leverage = float(expected[..., row - 1].var(ddof=1) / (whole.posterior["sigma"] ** 2).mean())
    fewer = whole.runs.drop(index=row - 1).reset_index(drop=True)
    less = fit(CHINCHILLA, fewer, **PLAIN).as_modelled
    refit = (float(log_optimum(less).mean()) - float(before.mean())) / sd
    worth = float(whole.summary(before.to_dataset(name="best"))["ess_bulk"].iloc[0])
    own = float(whole.log_likelihood[..., row - 1].std())
    error = np.sqrt((2 + own**2) / worth)
    assert abs(change / (1 - leverage) - refit) < 3 * error + 0.05 * abs(refit)


def test_runs_are_sorted_by_their_influence(whole: Fit) -> None:
    table = influential_runs(whole)
    assert table.attrs["answer"] == f"N_opt at {largest_budget(whole.draws):.3g} FLOP"
    assert list(table) == ["params", "tokens", "loss", "change_sd", "change_percent"]
    assert len(table) == 10
    assert table["change_sd"].abs().is_monotonic_decreasing
    first = whole.runs.iloc[table.index[0] - 1]
    assert table.iloc[0][["params", "tokens", "loss"]].tolist() == pytest.approx(
        first[["params", "tokens", "loss"]].tolist()
    )
    best = np.log(whole.optimum(largest_budget(whole.draws), drift=False)["N_opt"])
    sd = float(best.std(ddof=1))
    np.testing.assert_allclose(
        table["change_percent"], 100 * np.expm1(sd * table["change_sd"]), rtol=1e-9
    )


def test_clusters_are_named_where_there_are_some(small_fit: Fit) -> None:
    table = influential_runs(small_fit, top=None)
    assert len(table) == len(small_fit.runs)
    names = small_fit.structure.clusters.names(small_fit.runs)
    assert table["cluster"].tolist() == [names[row - 1] for row in table.index]


def test_the_answer_of_a_law_without_an_optimum_is_its_first_quantity() -> None:
    x = np.geomspace(10.0, 1e3, 30)
    noise = np.exp(0.01 * np.random.default_rng(5).standard_normal(30))
    runs = pd.DataFrame({"x": x, "y": 8.0 / x**0.2 * noise})
    fitted = fit(LAWS["power_law"], runs, draws=300, tune=300, chains=2, **PLAIN)
    table = influential_runs(fitted, top=3)
    name = table.attrs["answer"]
    assert name in {*fitted.law.derived, *fitted.law.coefficient_names}
    change = influence(fitted)[name].to_numpy()
    assert table["change_sd"].iloc[0] == change[np.abs(change).argmax()]
    assert list(table)[:2] == ["x", "y"]


def test_groups_have_no_single_answer(small_fit: Fit) -> None:
    names = {*small_fit.law.coefficient_names, *small_fit.law.derived}
    grouped_posterior = {
        name: values.expand_dims(corpus=["one", "two"]) if name in names else values
        for name, values in small_fit.posterior.items()
    }
    tree = xr.DataTree(xr.Dataset(grouped_posterior))
    grouped = replace(
        small_fit,
        structure=replace(small_fit.structure, by="corpus", groups=("one", "two")),
        tree=small_fit.tree.assign({"posterior": tree, "model_posterior": tree}),
    )
    assert set(SAMPLE_DIMS) < set(grouped.posterior["alpha"].dims)
    with pytest.raises(DataError, match="one number for each corpus"):
        influential_runs(grouped)
