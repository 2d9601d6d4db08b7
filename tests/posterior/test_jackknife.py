"""What resampling draws: runs, or clusters of them."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from numpy.testing import assert_allclose

from bayescale.errors import DataError, LawError
from bayescale.inference.structure import build_structure
from bayescale.likelihoods import NORMAL, STUDENT_T, autoregressive
from bayescale.models import LAWS
from bayescale.posterior.draws import Draws
from bayescale.posterior.jackknife import (
    case_log_likelihood,
    influence_covariances,
    require_clusters,
    resampling_unit,
)
from bayescale.posterior.pointwise import log_likelihood, per_run
from bayescale.posterior.quantities import quantities
from bayescale.spec.likelihood import Likelihood
from tests.designs import simulated, truth_of

CHINCHILLA = LAWS["chinchilla"]
CURVES = autoregressive("curve", "step")


def runs_in(clusters: int) -> pd.DataFrame:
    """36 runs; two thirds of them in so many clusters."""
    runs = simulated(CHINCHILLA, noise=0.01, seed=4, each=6)
    row = np.arange(len(runs))
    labels = np.array([f"lab {k}" for k in row // 3 % clusters], dtype=object)
    return runs.assign(
        lab=np.where(row % 3 == 0, None, labels), curve=(row // 6).astype(str), step=row % 6
    )


def known(runs: pd.DataFrame, likelihood: Likelihood = NORMAL, by: str | None = "lab") -> Draws:
    structure = build_structure(CHINCHILLA, runs, likelihood, clusters=by)
    return Draws(structure, quantities(Draws(structure, truth_of(structure), runs)), runs)


@pytest.mark.parametrize("likelihood", [NORMAL, STUDENT_T, CURVES], ids=lambda own: own.name)
def test_a_cluster_has_the_log_likelihood_of_its_runs(likelihood: Likelihood) -> None:
    """The sum of theirs, whatever the likelihood; and runs in no cluster keep their own."""
    runs = runs_in(6)
    draws = known(runs, likelihood)
    by_run = per_run(log_likelihood(draws))
    cases = case_log_likelihood(draws, by_run, "cluster")
    labels = [str(label) for label in cases["cluster"].values]
    assert labels[:6] == [f"lab {k}" for k in range(6)]
    assert labels[6:] == [f"run {row + 1}" for row in range(0, len(runs), 3)]
    values = by_run.isel(chain=0, draw=0).to_numpy()
    for label in labels:
        alone = label.startswith("run ")
        own = [int(label[4:]) - 1] if alone else np.flatnonzero(runs["lab"] == label)
        found = cases.sel(cluster=label).isel(chain=0, draw=0)
        assert_allclose(found, values[own].sum(), rtol=1e-12)
    assert_allclose(cases.sum("cluster"), by_run.sum("run"), rtol=1e-12)


def test_runs_are_cases_of_their_own() -> None:
    draws = known(runs_in(6))
    by_run = per_run(log_likelihood(draws))
    xr.testing.assert_identical(case_log_likelihood(draws, by_run, "run"), by_run)


def test_other_units_and_missing_clusters_are_refused() -> None:
    draws = known(runs_in(6), by=None)
    by_run = per_run(log_likelihood(draws))
    with pytest.raises(LawError, match="'seed'; expected 'run' or 'cluster'"):
        case_log_likelihood(draws, by_run, "seed")
    with pytest.raises(DataError, match="the 36 runs are in no clusters; expected some"):
        case_log_likelihood(draws, by_run, "cluster")
    with pytest.raises(DataError, match="the 7 runs are in no clusters"):
        require_clusters(draws.structure, 7)
    clustered = known(runs_in(6)).structure
    assert require_clusters(clustered, 36) is clustered.clusters


@pytest.mark.parametrize(("clusters", "unit"), [(4, "run"), (5, "cluster")])
def test_few_clusters_are_not_resampled(clusters: int, unit: str) -> None:
    assert resampling_unit(known(runs_in(clusters)).structure.clusters) == unit
    assert resampling_unit(None) == "run"


def test_an_influence_is_the_move_of_a_mean_without_a_case() -> None:
    """Against the mean of draws that are weighted by the inverse likelihood of a weak case."""
    rng = np.random.default_rng(3)
    draws = xr.DataArray(rng.normal(size=(4, 1000)), dims=("chain", "draw"))
    small = 1e-4
    cases = small * draws * xr.DataArray([1.0, -2.0], dims="run")
    weights = np.exp(-cases)
    moved = (weights * draws).sum(("chain", "draw")) / weights.sum(("chain", "draw"))
    # To first order in the log likelihoods, and with one draw fewer in the divisor.
    assert_allclose(
        moved - draws.mean(), -influence_covariances(draws, cases), rtol=10 * small + 1 / 3999
    )
