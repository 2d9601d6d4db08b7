"""Whether a law fits its own runs, and what the verdict says where it does not."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import bayescale as bs
from bayescale.fitting.own_runs import WORSE, worse_than_closest
from bayescale.likelihoods import NORMAL
from bayescale.models.size_and_data.chinchilla import CHINCHILLA
from bayescale.priors import LogNormal
from bayescale.spec.likelihood import Likelihood
from tests.designs import simulated

RUNS = simulated(CHINCHILLA, noise=0.003, seed=3, each=5)
QUICK = {"draws": 500, "chains": 2, "random_seed": 1}


def test_a_law_that_is_right_fits_its_own_runs() -> None:
    fitted = bs.fit(CHINCHILLA, RUNS, **QUICK)
    ratio, limit = worse_than_closest(fitted.as_modelled.draws)
    assert ratio < limit
    assert not any(reason.startswith("own_runs") for reason in fitted.verdict.reasons)


def test_a_prior_that_holds_a_law_off_its_runs_is_found() -> None:
    tight = {"alpha": LogNormal(mu=np.log(0.05), sigma=0.001)}
    fitted = bs.fit(CHINCHILLA, RUNS, priors=tight, **QUICK)
    ratio, limit = worse_than_closest(fitted.as_modelled.draws)
    assert ratio > 2 * limit
    assert any(reason.startswith("own_runs") for reason in fitted.verdict.reasons)


def test_terms_that_take_the_place_of_the_law_are_found() -> None:
    """A likelihood that lets every budget be off by what it likes leaves the law anywhere."""

    def off(points: pd.DataFrame, runs: pd.DataFrame) -> np.ndarray:
        # Larger runs are believed to lie 2% below the law for each decade, whatever they show.
        return -0.02 * np.log10(points["flops"] / runs["flops"].min()).to_numpy()

    elsewhere = Likelihood(
        name="elsewhere",
        title="Normal about a line that is off the law",
        family=NORMAL.family,
        priors=NORMAL.priors,
        columns={"off": off},
        scatter=lambda expected, design, sigma: {
            "mu": np.log(expected) + design["off"],
            "sigma": sigma,
        },
    )
    priors = {"alpha": LogNormal(mu=np.log(0.34), sigma=0.001)}
    fitted = bs.fit(CHINCHILLA, RUNS, likelihood=elsewhere, priors=priors, **QUICK)
    assert any(reason.startswith("own_runs") for reason in fitted.verdict.reasons)


def test_the_limit_allows_for_chance_in_few_runs() -> None:
    fitted = bs.fit(CHINCHILLA, RUNS, **QUICK)
    few = replace(fitted.as_modelled.draws, runs=fitted.runs.iloc[:8].reset_index(drop=True))
    fewer = replace(fitted.as_modelled.draws, runs=fitted.runs.iloc[:5].reset_index(drop=True))
    free = 8 - 5
    # Of the median absolute residual of Normal runs, two standard errors.
    assert worse_than_closest(few)[1] == pytest.approx(WORSE * (1 + 2 * 1.17 / np.sqrt(free)))
    assert worse_than_closest(fewer) == (1.0, WORSE)


def test_the_dense_grid_of_farseer_is_fitted_by_the_law_alone() -> None:
    """Terms for compute budgets once left the law 2.9% off the smaller half of these runs."""
    try:
        runs = bs.read_runs(bs.datasets.load("farseer"))
    except bs.DataError as error:
        pytest.skip(str(error))
    smaller = runs[runs["flops"] <= runs["flops"].median()].reset_index(drop=True)
    larger = runs[runs["flops"] > runs["flops"].median()].reset_index(drop=True)
    fitted = bs.fit(bs.models.COUPLED, smaller, random_seed=1)
    for part, least in ((smaller, 0.004), (larger, 0.012)):
        expected = fitted.predict(part, drift=False)["mean"].median(("chain", "draw"))
        errors = np.log(expected.to_numpy() / part["loss"].to_numpy())
        assert np.sqrt(np.mean(errors**2)) < least
    assert fitted.verdict.trusted
