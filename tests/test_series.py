"""Which rows of curves a fit takes, and how they err alike."""

import numpy as np
import pandas as pd
from numpy.testing import assert_allclose
from scipy import stats

from bayescale.series import Series, conditional, drawn


def uneven() -> tuple[pd.DataFrame, np.ndarray]:
    """Two curves with uneven gaps, mixed; and the correlation of every pair of rows at 0.7."""
    table = pd.DataFrame(
        {"run": list("abaabba"), "step": [30.0, 5.0, 10.0, 20.0, 45.0, 25.0, 60.0]}
    )
    gaps = np.abs(np.subtract.outer(table["step"].to_numpy(), table["step"].to_numpy()))
    same = np.equal.outer(table["run"].to_numpy(), table["run"].to_numpy())
    # Usual distance: the middle one of 10, 10, 30 and 20, 20.
    return table, same * 0.7 ** (gaps / 20.0)


def test_the_rows_of_curves_are_jointly_normal() -> None:
    table, correlation = uneven()
    rng = np.random.default_rng(7)
    mu, sigma, observed = rng.normal(size=7), rng.uniform(0.5, 2.0, 7), rng.normal(size=7)
    links = Series("run", "step").links(table)
    told = conditional(mu, sigma, 0.7, observed, links, lambda array, rows: array[rows])
    density = stats.norm.logpdf(observed, told["mu"], told["sigma"]).sum()
    joint = stats.multivariate_normal(mu, correlation * np.outer(sigma, sigma))
    assert_allclose(density, joint.logpdf(observed), rtol=1e-12)


def test_curves_drawn_anew_are_correlated_so() -> None:
    table, correlation = uneven()
    draws, ones = 20_000, np.ones((20_000, 7))
    links = Series("run", "step").links(table)
    found = drawn(0 * ones, ones, 0.7 * ones, links, np.random.default_rng(8))
    # The standard error of a covariance of unit normals is at most sqrt(2 / draws); five of them.
    assert_allclose(np.cov(found.T), correlation, atol=5 * np.sqrt(2 / draws))


def test_rows_are_taken_far_enough_apart_and_the_last() -> None:
    table = pd.DataFrame(
        {"run": "a", "step": [0.0, 10.0, 20.0, 35.0, 40.0, 50.0], "loss": range(6)}
    )
    assert Series("run", "step", 20.0).taken(table, ["loss"]).tolist() == [1, 0, 1, 0, 1, 1]
    assert Series("run", "step").taken(table, ["loss"]).all()


def test_in_whatever_order_and_under_whatever_index_they_stand() -> None:
    rng = np.random.default_rng(2)
    table = pd.DataFrame(
        {"run": np.repeat(["a", "b"], 8), "step": np.tile(np.arange(8.0), 2), "loss": range(16)}
    )
    series = Series("run", "step", 3.0)
    mixed = table.sample(frac=1, random_state=rng)
    found = set(mixed.index[series.taken(mixed, ["loss"])])
    assert found == set(np.flatnonzero(series.taken(table, ["loss"])))


def test_a_branch_has_of_its_trunk_the_row_where_it_leaves() -> None:
    trunk = pd.DataFrame({"run": "trunk", "step": np.arange(6.0), "loss": [6, 5, 4, 3, 2, 1.0]})
    branch = trunk.assign(run="branch", loss=[6, 5, 4, 2.5, 1.5, 0.5])
    table = pd.concat([trunk, branch], ignore_index=True)
    taken = Series("run", "step").taken(table, ["loss"])
    assert table[~taken][["run", "step"]].to_numpy().tolist() == [["branch", 0.0], ["branch", 1.0]]


def test_one_value_that_two_curves_share_by_chance_is_no_branch() -> None:
    one = pd.DataFrame({"run": "a", "step": np.arange(4.0), "loss": [4, 3, 2, 1.0]})
    other = one.assign(run="b", loss=[5, 3, 2.5, 1.5])
    table = pd.concat([one, other], ignore_index=True)
    assert Series("run", "step").taken(table, ["loss"]).all()
