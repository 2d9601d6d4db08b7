"""Which runs the answer hangs on, against leaving them out in earnest."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import bayescale as bs
from bayescale.draws import SAMPLE_DIMS, expected_response
from bayescale.driving import drivers, largest_budget
from bayescale.errors import DataError
from bayescale.fitting import Fit, fit
from bayescale.influence import influence
from bayescale.likelihood import normal
from bayescale.models import LAWS
from tests.designs import simulated

LAW = bs.models.CHINCHILLA
PLAIN = {"likelihood": normal, "clusters": None, "random_seed": 1}
BUDGET = 1e22


@pytest.fixture(scope="module")
def whole() -> Fit:
    return fit(LAW, simulated(LAW, noise=0.005, seed=3, each=7), **PLAIN)


def log_best(fitted: Fit) -> xr.DataArray:
    return np.log(fitted.optimum(BUDGET, extrapolate=False)["N_opt"].isel(budget=0, drop=True))


@pytest.mark.parametrize("place", [0, 24])
def test_a_run_left_out_moves_the_optimum_as_a_refit_does(whole: Fit, place: int) -> None:
    """The first order is that of least squares times 1 - leverage, which is divided out.

    The leverage is the posterior variance of what the law expects of the run, over that of its
    scatter. The two means and the covariance each have a Monte Carlo error; three of these in all,
    and 5% for what the scale and the law's curvature do (as in tests/test_influence.py).
    """
    table = drivers(whole, BUDGET, top=None)
    row, change = int(table.index[place]), float(table["change_sd"].iloc[place])
    before = log_best(whole)
    sd = float(before.std(ddof=1))
    expected = np.log(expected_response(whole.structure, whole.posterior, whole.runs, "run"))
    leverage = float(expected[..., row - 1].var(ddof=1) / (whole.posterior["sigma"] ** 2).mean())
    less = fit(LAW, whole.runs.drop(index=row - 1).reset_index(drop=True), **PLAIN)
    refit = (float(log_best(less).mean()) - float(before.mean())) / sd
    worth = float(whole.summary(before.to_dataset(name="best"))["ess_bulk"].iloc[0])
    own = float(whole.log_likelihood[..., row - 1].std())
    error = np.sqrt((2 + own**2) / worth)
    assert abs(change / (1 - leverage) - refit) < 3 * error + 0.05 * abs(refit)


def test_runs_stand_in_the_order_of_what_they_change(whole: Fit) -> None:
    table = drivers(whole)
    assert table.attrs["answer"] == f"N_opt at {largest_budget(whole):.3g} FLOP"
    assert list(table) == ["params", "tokens", "loss", "change_sd", "change_percent"]
    assert len(table) == 10
    assert table["change_sd"].abs().is_monotonic_decreasing
    first = whole.runs.iloc[table.index[0] - 1]
    assert table.iloc[0][["params", "tokens", "loss"]].tolist() == pytest.approx(
        first[["params", "tokens", "loss"]].tolist()
    )
    best = np.log(whole.optimum(largest_budget(whole), extrapolate=False)["N_opt"])
    sd = float(best.std(ddof=1))
    np.testing.assert_allclose(
        table["change_percent"], 100 * np.expm1(sd * table["change_sd"]), rtol=1e-9
    )


def test_clusters_are_named_where_runs_err_together(small_fit: Fit) -> None:
    table = drivers(small_fit, top=None)
    assert len(table) == len(small_fit.runs)
    names = small_fit.structure.clusters.names(small_fit.runs)
    assert table["cluster"].tolist() == [names[row - 1] for row in table.index]


def test_a_law_without_an_optimum_is_asked_for_its_first_quantity() -> None:
    x = np.geomspace(10.0, 1e3, 30)
    noise = np.exp(0.01 * np.random.default_rng(5).standard_normal(30))
    runs = pd.DataFrame({"x": x, "y": 8.0 / x**0.2 * noise})
    fitted = fit(LAWS["power_law"], runs, draws=300, tune=300, chains=2, **PLAIN)
    table = drivers(fitted, top=3)
    name = table.attrs["answer"]
    assert name in {*fitted.law.derived, *fitted.law.coefficient_names}
    every = influence(fitted)[name].to_numpy()
    assert table["change_sd"].iloc[0] == every[np.abs(every).argmax()]
    assert list(table)[:2] == ["x", "y"]


def test_groups_have_no_one_answer(small_fit: Fit) -> None:
    names = {*small_fit.law.coefficient_names, *small_fit.law.derived}
    apart = {
        name: values.expand_dims(corpus=["one", "two"]) if name in names else values
        for name, values in small_fit.posterior.items()
    }
    grouped = replace(
        small_fit,
        structure=replace(small_fit.structure, by="corpus", groups=("one", "two")),
        tree=small_fit.tree.assign({"posterior": xr.DataTree(xr.Dataset(apart))}),
    )
    assert set(SAMPLE_DIMS) < set(grouped.posterior["alpha"].dims)
    with pytest.raises(DataError, match="one number for each corpus"):
        drivers(grouped)
