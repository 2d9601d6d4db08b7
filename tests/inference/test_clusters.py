"""Clusters: which runs have correlated errors, and that integrated terms change nothing."""

import numpy as np
import pandas as pd
import pytensor.tensor as pt
import pytest
from numpy.testing import assert_allclose
from scipy.stats import multivariate_normal

from bayescale.errors import DataError
from bayescale.inference.clusters import (
    compute_neighbourhoods,
    find_clusters,
    tilt_direction,
    tilt_places,
)
from bayescale.inference.marginal import cluster_sums, draw_cluster_terms, log_marginal
from bayescale.models import LAWS
from bayescale.spec.law import AUTO

COUPLED = LAWS["coupled"]
BUDGETS = (1e18, 3e18, 1e19, 3e19)


def sweep_of_budgets() -> pd.DataFrame:
    params = np.geomspace(1e8, 1e9, 6)
    tables = [pd.DataFrame({"params": params, "flops": flops}) for flops in BUDGETS]
    runs = pd.concat(tables, ignore_index=True)
    return runs.assign(tokens=runs["flops"] / (6 * runs["params"]), loss=3.0)


def test_clusters_do_not_depend_on_the_order_of_runs() -> None:
    runs = sweep_of_budgets()
    shuffled = runs.sample(frac=1.0, random_state=1)
    clusters = find_clusters(COUPLED, shuffled, AUTO)
    assert clusters is not None
    assert clusters.labels == ("1e+18", "3e+18", "1e+19", "3e+19")
    assert [clusters.labels[k] for k in clusters.index(runs)[::6]] == list(clusters.labels)


def test_flops_with_reading_errors_still_form_budgets() -> None:
    rng = np.random.default_rng(2)
    runs = sweep_of_budgets()
    runs["flops"] *= 10 ** rng.uniform(-0.05, 0.05, len(runs))
    assert len(compute_neighbourhoods(runs)) == len(BUDGETS)


def test_a_cluster_spans_a_quarter_of_a_decade_at_most() -> None:
    runs = pd.DataFrame({"flops": np.geomspace(1e18, 1e20, 60)})
    edges = np.array(compute_neighbourhoods(runs))
    assert np.log10(edges[:, 1] / edges[:, 0]).max() <= 0.25 + 0.01
    assert np.all(edges[1:, 0] > edges[:-1, 1])


@pytest.mark.parametrize(
    "flops",
    [
        np.geomspace(1e17, 1e23, 34),  # scattered single runs
        np.repeat(BUDGETS[:2], 10),  # two budgets do not show how budgets differ
        np.array([1e18, 1e19, 1e20]),
    ],
)
def test_runs_without_budgets_have_no_clusters(flops: np.ndarray) -> None:
    assert compute_neighbourhoods(pd.DataFrame({"flops": flops})) == ()


def test_a_column_names_clusters() -> None:
    runs = sweep_of_budgets().assign(corpus=["web", "code", None] * 8)
    named = find_clusters(COUPLED, runs, "corpus")
    assert named is not None
    assert named.labels == ("web", "code")
    assert set(named.index(runs)) == {0, 1, -1}


def test_groups_have_clusters_of_their_own() -> None:
    runs = sweep_of_budgets().assign(corpus=["web", "code"] * 12)
    clusters = find_clusters(COUPLED, runs, AUTO, "corpus")
    assert clusters is not None
    assert len(clusters.labels) == 2 * len(BUDGETS)
    assert "code 1e+18" in clusters.labels


@pytest.mark.parametrize("column", ["absent", "constant", "row"])
def test_a_column_that_makes_no_clusters_is_refused(column: str) -> None:
    runs = sweep_of_budgets().assign(constant="a", row=range(24))
    with pytest.raises(DataError, match="expected"):
        find_clusters(COUPLED, runs, column)


def test_laws_of_one_input_have_no_tilt() -> None:
    clusters = find_clusters(LAWS["kaplan_c"], sweep_of_budgets(), AUTO)
    assert clusters is not None
    assert clusters.terms == ("offset",)


def test_the_tilt_runs_along_the_budget() -> None:
    design = {"params": np.array([-1.0, 0.0, 1.0, 0.0, 1.0, 2.0])}
    design["tokens"] = -design["params"] + np.repeat([0.0, 1.0], 3)
    index = np.repeat([0, 1], 3)
    assert_allclose(tilt_direction(design, index), [-(0.5**0.5), 0.5**0.5])


def test_points_outside_the_runs_get_the_position_of_the_last_run() -> None:
    runs = sweep_of_budgets()
    clusters = find_clusters(COUPLED, runs, AUTO)
    assert clusters is not None
    design = {n: np.log(runs[n].to_numpy()) - np.log(runs[n]).mean() for n in COUPLED.inputs}
    index = clusters.index(runs)
    known = tilt_places(clusters, design, index)
    far = tilt_places(
        clusters, design, index, {"params": np.array([-9.0, 9.0]), "tokens": np.array([9.0, -9.0])}
    )
    assert_allclose(far, [known.max(), known.min()])
    assert_allclose(known.std(), 1.0)


def test_a_point_shares_the_cluster_it_lies_in_and_no_other() -> None:
    runs = sweep_of_budgets()
    clusters = find_clusters(COUPLED, runs, AUTO)
    assert clusters is not None
    points = pd.DataFrame({"flops": [3e18, 3.05e18, 2e18, 1e21, 1.01e21, 1e22]})
    assert clusters.index(points).tolist() == [1, 1, -1, -1, -1, -1]
    names = clusters.names(points)
    assert names[3] == names[4] != names[5]


RESIDUAL = np.random.default_rng(3).normal(size=12)
SIGMA = np.random.default_rng(4).uniform(0.5, 2.0, 12)
PLACE = np.random.default_rng(5).normal(size=12)
INDEX = np.array([0, 0, 0, 1, 1, 1, 1, 2, 2, -1, -1, 0])
OFFSET, SLOPE = 0.7, 0.4


def test_the_log_density_is_that_of_the_joint_normal() -> None:
    together = (INDEX[:, None] == INDEX) & (INDEX >= 0)[:, None]
    shared = OFFSET**2 + SLOPE**2 * np.outer(PLACE, PLACE)
    covariance = np.diag(SIGMA**2) + np.where(together, shared, 0.0)
    value = log_marginal(
        *map(pt.as_tensor, (RESIDUAL, SIGMA, INDEX.astype("int32"), PLACE)), OFFSET, SLOPE
    )
    expected = multivariate_normal(np.zeros(12), covariance).logpdf(RESIDUAL)
    assert_allclose(value.eval(), expected, rtol=1e-12)


def test_terms_are_drawn_from_their_conditional_distribution() -> None:
    """Means and covariances against the dense solution, within five Monte Carlo errors."""
    draws = 40_000
    shape = (1, draws, 12)
    sums = cluster_sums(
        np.broadcast_to(RESIDUAL, shape), np.broadcast_to(SIGMA, shape), INDEX, PLACE, 3
    )
    scales = np.full((1, draws, 1), OFFSET), np.full((1, draws, 1), SLOPE)
    terms = np.concatenate(draw_cluster_terms(sums, *scales, np.random.default_rng(6)), axis=2)[0]
    member = (INDEX[:, None] == np.arange(3)).astype(float)
    design = np.hstack([OFFSET * member, SLOPE * PLACE[:, None] * member])
    covariance = np.linalg.inv(np.eye(6) + design.T @ (design / SIGMA[:, None] ** 2))
    mean = covariance @ design.T @ (RESIDUAL / SIGMA**2)
    spread = np.sqrt(np.diag(covariance))
    assert np.all(abs(terms.mean(0) - mean) < 5 * spread / np.sqrt(draws))
    # A sample covariance of Normals has standard error below sqrt(2 / draws) of the spreads.
    error = np.outer(spread, spread) * np.sqrt(2 / draws)
    assert np.all(abs(np.cov(terms.T) - covariance) < 5 * error)
