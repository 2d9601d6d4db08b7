"""Small fits to draw, and figures that are closed after each test."""

from collections.abc import Iterator

import matplotlib
import matplotlib.pyplot as plt
import pytest

import bayescale as bs

matplotlib.use("Agg")
SMALL = {"draws": 200, "tune": 300, "chains": 2}


@pytest.fixture(autouse=True)
def _closed_figures() -> Iterator[None]:
    plt.close("all")  # figures of other tests
    yield
    plt.close("all")


@pytest.fixture(scope="session")
def small_fit() -> bs.Fit:
    """The coupled law on 90 simulated runs at nine budgets; too few draws to be trusted."""
    runs = bs.datasets.load("simulated_isoflop")
    return bs.fit(bs.models.COUPLED, runs, random_seed=1, **SMALL)


@pytest.fixture(scope="session")
def grouped_fit() -> bs.Fit:
    """Two corpora among these runs, each with its own exponent of params."""
    runs = bs.datasets.load("simulated_isoflop")
    labelled = runs.assign(corpus=["code", "web"] * (len(runs) // 2))
    pool = {name: "shared" for name in bs.models.COUPLED.priors} | {"alpha": "separate"}
    return bs.fit(bs.models.COUPLED, labelled, groups="corpus", pool=pool, random_seed=2, **SMALL)


@pytest.fixture(scope="session")
def one_input_fit() -> bs.Fit:
    """Kaplan's law of compute alone, fitted to the best run of each budget."""
    runs = bs.datasets.load("simulated_isoflop")
    best = runs.loc[runs.groupby("flops")["loss"].idxmin()]
    return bs.fit(bs.models.KAPLAN_C, best, random_seed=3, **SMALL)
