"""The law fitted for every combination of choices."""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from numpy.testing import assert_allclose

import bayescale as bs
from bayescale.errors import DataError, LawError
from bayescale.fitting.fit import fit
from bayescale.fitting.record import Fit
from bayescale.inference.record import Sampling
from bayescale.likelihoods import NORMAL
from bayescale.models import LAWS
from bayescale.validation.choices import (
    Choice,
    prior_choices,
    run_choices,
    with_column,
    within_ratio,
    without_largest,
    without_rows,
    without_smallest,
)
from bayescale.validation.multiverse import multiverse
from bayescale.validation.sweep import Parallel

LAW = LAWS["power_law"]
ALONE = Parallel(jobs=1)
SHORT: dict[str, Any] = {"sampling": Sampling(draws=100, tune=200, chains=2), "parallel": ALONE}
ONE_SCALE: dict[str, Any] = {"likelihood": NORMAL, "clusters": None}


@pytest.fixture(scope="module")
def runs() -> pd.DataFrame:
    """A power law of exponent 0.2 whose first ten runs are a tenth too high."""
    x = np.geomspace(10, 1e4, 40)
    noise = np.exp(0.005 * np.random.default_rng(1).standard_normal(40))
    return pd.DataFrame({"x": x, "y": 8 * x**-0.2 * noise * np.where(np.arange(40) < 10, 1.1, 1)})


@pytest.fixture(scope="module")
def varied(runs: pd.DataFrame) -> xr.Dataset:
    axes = {
        "scatter": {"one scale": Choice(ONE_SCALE)},
        "runs": {
            "all": Choice(),
            "larger": Choice(runs=partial(without_rows, rows=tuple(range(10)))),
            "hardly any": Choice(runs=partial(without_rows, rows=tuple(range(38)))),
        },
    }
    return multiverse(LAW, runs, axes=axes, random_seed=0, **SHORT)


def test_every_combination_is_a_fit_of_its_own(varied: xr.Dataset, runs: pd.DataFrame) -> None:
    assert varied["alpha"].dims == ("scatter", "runs", "statistic")
    assert varied["runs_used"].squeeze().to_numpy()[:2].tolist() == [40, 30]
    means = varied["alpha"].sel(statistic="mean").squeeze()
    sd = varied["alpha"].sel(statistic="sd").squeeze()
    # Without the runs that are off, the truth; with them, far from it.
    assert abs(means.sel(runs="larger") - 0.2) < 4 * sd.sel(runs="larger")
    assert abs(means.sel(runs="all") - 0.2) > 4 * sd.sel(runs="all")
    again = fit(LAW, runs.iloc[10:].reset_index(drop=True), random_seed=5, **ONE_SCALE)
    # Means of 200 draws worth 50 or more, against one of 4,000.
    assert_allclose(
        means.sel(runs="larger"), again.posterior["alpha"].mean(), atol=4 * float(sd[1]) / 50**0.5
    )


def test_what_could_not_be_fitted_has_its_error(varied: xr.Dataset) -> None:
    few = varied.sel(runs="hardly any").squeeze()
    assert np.isnan(few["alpha"]).all()
    assert "leave 2 runs" in str(few["error"].item())
    assert not few["trusted"]
    assert (varied["error"].sel(runs=["all", "larger"]) == "").all()


def test_the_usual_choices(small_fit: Fit) -> None:
    law = small_fit.law
    priors = prior_choices(law)
    wider = priors["2 times as wide"].options["priors"]
    assert wider["alpha"].parameters["sigma"] == 2 * law.priors["alpha"].parameters["sigma"]
    assert "share" not in wider  # a Dirichlet has no width to scale
    choices = run_choices(small_fit, worst=3)
    kept = {
        label: len(small_fit.runs if choice.runs is None else choice.runs(small_fit.runs))
        for label, choice in choices.items()
    }
    assert kept["without the 3 worst"] == kept["all"] - 3
    assert all(0 < count < kept["all"] for label, count in kept.items() if label != "all")


def test_exclusions(small_fit: Fit) -> None:
    table = small_fit.runs
    assert without_smallest(table, share=0.2)["params"].min() > table["params"].min()
    ratio = table["tokens"] / table["params"]
    assert len(within_ratio(table, low=5, high=100)) == ratio.between(5, 100).sum()
    assert len(without_largest(table, share=0.2)) == pytest.approx(0.8 * len(table), abs=3)
    other = table.assign(embedded=table["params"] * 2)
    replaced = with_column(other, name="params", column="embedded")
    assert_allclose(replaced["params"], 2 * table["params"])
    with pytest.raises(DataError, match="no column 'nowhere'; expected it to stand for params"):
        with_column(table, name="params", column="nowhere")


@pytest.mark.parametrize("axes", [{"alpha": {"one": Choice()}}, {"empty": {}}])
def test_axes_that_cannot_be(runs: pd.DataFrame, axes: dict[str, dict[str, Choice]]) -> None:
    with pytest.raises(LawError, match="the axis"):
        multiverse(LAW, runs, axes=axes)


def test_nothing_that_could_be_fitted_is_an_error(runs: pd.DataFrame) -> None:
    axes = {"runs": {"none": Choice(runs=partial(without_rows, rows=tuple(range(39))))}}
    with pytest.raises(DataError, match="no specification could be fitted"):
        multiverse(LAW, runs, axes=axes, parallel=ALONE)


@pytest.mark.slow
def test_a_law_of_params_and_tokens_by_default(simulated_runs: pd.DataFrame) -> None:
    varied = bs.multiverse(
        bs.models.CHINCHILLA,
        simulated_runs,
        flops=1e22,
        sampling=Sampling(200, 300, 2),
        parallel=ALONE,
    )
    assert dict(varied.sizes) == {"likelihood": 3, "priors": 3, "runs": 7, "statistic": 4}
    good = varied["error"] == ""
    assert good.mean() > 0.9
    assert np.isfinite(varied["N_opt"].where(good, 0)).all()
