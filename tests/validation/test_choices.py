"""Choices on the axes of a multiverse."""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from numpy.testing import assert_allclose
from scipy import stats

from bayescale.diagnostics.influence import influence
from bayescale.fitting.fit import fit
from bayescale.fitting.record import Fit
from bayescale.inference import compile
from bayescale.inference.record import Sampling
from bayescale.likelihoods import NORMAL, STUDENT_T_UNLOGGED
from bayescale.models import CHINCHILLA, LAWS
from bayescale.posterior.expectation import expected_response
from bayescale.posterior.jackknife import CLUSTER
from bayescale.spec.compute import SIX_ND, cost_of_runs
from bayescale.validation.choices import (
    LIKELIHOODS,
    Choice,
    budget_choices,
    cost_choices,
    params_choices,
    prior_choices,
    run_choices,
    without_rows,
)
from bayescale.validation.multiverse import multiverse, usual_axes
from bayescale.validation.sweep import Parallel
from tests.designs import simulated

SHORT: dict[str, Any] = {"draws": 100, "tune": 200, "chains": 2}
SWEPT: dict[str, Any] = {"sampling": Sampling(**SHORT), "parallel": Parallel(jobs=1)}


def kept(choice: Choice, runs: pd.DataFrame) -> pd.DataFrame:
    assert choice.runs is not None
    return choice.runs(runs)


def test_every_budget_is_dropped_the_most_influential_first(small_fit: Fit) -> None:
    runs, clusters = small_fit.runs, small_fit.structure.clusters
    assert clusters is not None
    choices = budget_choices(small_fit)
    names = np.array(clusters.names(runs))
    assert {*choices} == {f"without budget {label}" for label in clusters.labels}
    for label in clusters.labels:
        fewer = kept(choices[f"without budget {label}"], runs)
        assert fewer.index.tolist() == runs.index[names != label].tolist()
    largest = float((6 * runs["params"] * runs["tokens"]).max())
    best = np.log(small_fit.as_modelled.optimum(largest, drift=False)[["N_opt"]].isel(budget=0))
    change = abs(
        influence(small_fit, best, of_each=CLUSTER)["N_opt"].sel(cluster=[*clusters.labels])
    )
    first = next(iter(choices))
    assert first == f"without budget {change['cluster'][int(np.argmax(change.data))].item()}"
    assert [*budget_choices(small_fit, 2)] == [*choices][:2]
    assert {*budget_choices(small_fit, 2)} <= {*run_choices(small_fit)}


def test_params_are_counted_by_any_column_that_counts_them() -> None:
    params = np.geomspace(1e8, 1e10, 5)
    runs = pd.DataFrame(
        {
            "params": params,
            "params_non_embedding": 0.8 * params,
            "params_total": params,  # the same again
            "params_tied": np.where(params > 1e9, np.nan, params / 2),  # not of every run
            "params_note": "as printed",
            "width": 64.0,
        }
    )
    choices = params_choices(runs)
    assert [*choices] == ["params", "params_non_embedding"]
    assert choices["params"].runs is None
    assert_allclose(kept(choices["params_non_embedding"], runs)["params"], 0.8 * params)


def test_compute_is_counted_as_the_table_does() -> None:
    params, tokens = np.geomspace(1e8, 1e10, 6), np.geomspace(1e9, 1e12, 6)
    runs = pd.DataFrame({"params": params, "tokens": tokens, "flops": 6 * params * tokens})
    assert [*cost_choices(runs)] == ["6ND"]
    assert [*cost_choices(runs.drop(columns="flops"))] == ["6ND"]
    own = cost_choices(runs.assign(flops=20 * params**0.95 * tokens))["as the table counts"].cost
    assert own is not None
    assert own.name == "20 N^0.95 D"
    assert_allclose(own.flops(params, tokens), 20 * params**0.95 * tokens)
    one_size = runs.assign(params=1e9, flops=8e9 * tokens)
    assert_allclose(cost_of_runs(one_size).flops(1e9, 1e10), 8e19)


@pytest.fixture(scope="module")
def counts() -> xr.Dataset:
    """Two counts of compute that differ by a factor of two, and nothing else."""
    runs = simulated(CHINCHILLA, noise=0.005, seed=2, each=6)
    runs["flops"] = 2 * SIX_ND.flops(runs["params"], runs["tokens"])
    axes = {
        "scatter": {"one scale": Choice({"likelihood": NORMAL, "clusters": None})},
        "compute": cost_choices(runs),
    }
    return multiverse(CHINCHILLA, runs, axes=axes, flops=1e22, random_seed=1, **SWEPT)


def test_a_budget_buys_less_where_compute_counts_for_more(counts: xr.Dataset) -> None:
    """Twice the flops for every run: a budget is worth half, and N_opt falls by half to the a.

    Both are fits of a hundred draws of two chains with seeds of their own, hence a tolerance of
    four standard errors of the difference of two means worth 50 draws or more.
    """
    assert counts.attrs["flops"] == 1e22
    best = np.log(counts["N_opt"].sel(statistic="mean")).squeeze()
    a = counts["a"].squeeze()
    expected = float(a.sel(statistic="mean").mean()) * np.log(0.5)
    sd = float((counts["N_opt"].sel(statistic="sd") / counts["N_opt"].sel(statistic="mean")).max())
    assert float(best[1] - best[0]) == pytest.approx(expected, abs=4 * sd * (2 / 50) ** 0.5)
    assert expected / sd < -4  # the two are told apart


def test_scatter_that_is_not_in_log() -> None:
    """Against scipy, at every draw; and all that is predicted is positive."""
    runs = simulated(CHINCHILLA, noise=0.005, seed=3, each=4)
    fitted = fit(
        CHINCHILLA, runs, likelihood=STUDENT_T_UNLOGGED, clusters=None, random_seed=1, **SHORT
    ).as_modelled
    draws = fitted.posterior
    expected = expected_response(fitted.draws, fitted.runs, "run")
    by_hand = stats.t.logpdf(
        fitted.runs["loss"].to_numpy(),
        df=draws["nu"].to_numpy()[..., None],
        loc=expected.to_numpy(),
        scale=draws["sigma"].to_numpy()[..., None],
    )
    assert fitted.log_likelihood.name == "unlogged_loss"
    assert_allclose(fitted.log_likelihood.transpose("chain", "draw", "run"), by_hand, rtol=1e-9)
    ahead = fitted.predict({"params": 1e12, "tokens": 1e13}, random_seed=1)["new_run"]
    assert bool((ahead > 0).all())
    # Half a percent of the mean loss, as far as 16 runs tell. In log it would be 0.005, three times
    # less, and its posterior as much narrower: beyond three standard deviations.
    sigma = draws["sigma"]
    assert abs(float(sigma.mean()) - 0.005 * runs["loss"].mean()) < 3 * float(sigma.std())


def test_one_model_is_compiled_for_a_likelihood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compile, "_COMPILED", {})
    law, x = LAWS["power_law"], np.geomspace(10, 1e4, 40)
    noise = np.exp(0.005 * np.random.default_rng(1).standard_normal(40))
    runs = pd.DataFrame({"x": x, "y": 8 * x**-0.2 * noise})
    axes = {
        "likelihood": {name: LIKELIHOODS[name] for name in ("one scale", "one scale, not in log")},
        "priors": prior_choices(law, factors=(2.0,)),
        "runs": {
            "all": Choice(),
            "fewer": Choice(runs=partial(without_rows, rows=(0, 1, 2))),
        },
    }
    options = {**SWEPT, "sampling": Sampling(**SHORT, sampler="nuts")}
    specifications = multiverse(law, runs, axes=axes, random_seed=1, **options)
    assert (specifications["error"] == "").all()
    assert len(compile._COMPILED) == len(axes["likelihood"])


def test_what_is_varied_by_default(small_fit: Fit) -> None:
    axes = usual_axes(small_fit)
    assert [*axes] == ["likelihood", "priors", "runs"]
    assert np.prod([len(choices) for choices in axes.values()]) >= 60
