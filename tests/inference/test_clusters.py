"""Clusters: which runs err together."""

import numpy as np
import pandas as pd
import pytest

from bayescale.errors import DataError
from bayescale.inference.clusters import compute_neighbourhoods, find_clusters
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


def test_a_run_in_no_cluster_is_drawn_alone() -> None:
    """Under its row, counted from 1."""
    runs = sweep_of_budgets().assign(corpus=["web", "code", None] * 8)
    named = find_clusters(COUPLED, runs, "corpus")
    assert named is not None
    assert named.cases(runs)[:6] == ["web", "code", "run 3", "web", "code", "run 6"]
    assert len({*named.cases(runs)}) == 2 + 8


def test_points_in_no_known_cluster_are_drawn_alone_as_well() -> None:
    clusters = find_clusters(COUPLED, sweep_of_budgets(), AUTO)
    assert clusters is not None
    points = pd.DataFrame({"flops": [3e18, 1e21, 1.01e21]})
    assert clusters.cases(points) == ["3e+18", "run 2", "run 3"]


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


def test_a_point_shares_the_cluster_it_lies_in_and_no_other() -> None:
    runs = sweep_of_budgets()
    clusters = find_clusters(COUPLED, runs, AUTO)
    assert clusters is not None
    points = pd.DataFrame({"flops": [3e18, 3.05e18, 2e18, 1e21, 1.01e21, 1e22]})
    assert clusters.index(points).tolist() == [1, 1, -1, -1, -1, -1]
    names = clusters.names(points)
    assert names[3] == names[4] != names[5]
