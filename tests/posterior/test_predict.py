import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from bayescale.errors import DataError
from bayescale.fitting.fit import fit
from bayescale.fitting.record import Fit
from bayescale.inference.units import standardised
from bayescale.likelihoods import NORMAL
from bayescale.models import LAWS
from bayescale.posterior.expectation import clamped_to_runs
from bayescale.posterior.pointwise import point_distribution, run_distribution

POINTS = {"params": [1e9, 7e10], "tokens": [2e10, 1.4e12]}
FAR = pd.DataFrame({"params": [1e3, 1e12, 1e12], "tokens": [1e14, 1e4, 1e14]})


def test_the_mean_is_the_law_at_every_draw(small_fit: Fit) -> None:
    predicted = small_fit.predict(POINTS, drift=False)
    assert predicted["mean"].dims == ("chain", "draw", "point")
    one = small_fit.posterior.isel(chain=0, draw=3)
    values = {name: float(one[name]) for name in small_fit.law.coefficient_names}
    by_hand = small_fit.law.formula(*map(np.array, POINTS.values()), **values)
    assert_allclose(predicted["mean"].isel(chain=0, draw=3), by_hand, rtol=1e-12)


def test_new_runs_scatter_by_the_likelihood(simulated_runs: pd.DataFrame) -> None:
    """Normal scatter: log(new / mean) / sigma is standard normal, here on 4,000 draws."""
    fitted = fit(
        LAWS["chinchilla"], simulated_runs, likelihood=NORMAL, clusters=None, random_seed=2
    )
    predicted = fitted.predict(POINTS)
    z = np.log(predicted["new_run"] / predicted["mean"]) / fitted.posterior["sigma"]
    # Monte Carlo errors of a mean and an sd of 8,000 independent values, times five.
    assert_allclose(z.mean(), 0.0, atol=5 / np.sqrt(z.size))
    assert_allclose(z.std(), 1.0, atol=5 / np.sqrt(2 * z.size))


def test_scatter_far_out_is_that_of_the_edge_of_the_runs(small_fit: Fit) -> None:
    """A quadratic log scale would grow without limit: its inputs stay in the box of the runs."""
    structure, runs = small_fit.structure, small_fit.runs
    known = np.column_stack(list(standardised(structure, runs, runs).values()))
    axes = np.linalg.svd(known - known.mean(axis=0), full_matrices=False)[2].T
    clamped = np.column_stack(list(clamped_to_runs(small_fit.draws, FAR).values())) @ axes
    along = known @ axes
    assert (clamped >= along.min(axis=0) - 1e-9).all()
    assert (clamped <= along.max(axis=0) + 1e-9).all()


def test_scatter_among_the_runs_is_theirs(small_fit: Fit) -> None:
    at_runs = run_distribution(small_fit.draws).kwds["scale"]
    inside = small_fit.runs.iloc[[7, 30]].copy()
    scale = point_distribution(small_fit.draws, inside).kwds["scale"]
    assert_allclose(scale, at_runs[..., [7, 30]])


def test_points_have_their_inputs_and_decades(small_fit: Fit) -> None:
    predicted = small_fit.predict(POINTS)
    assert_allclose(predicted["params"], POINTS["params"])
    assert_allclose(predicted["flops"], [1.2e20, 5.88e23])
    largest = small_fit.runs["flops"].max()
    assert_allclose(predicted["decades_beyond_runs"], np.log10([1.2e20, 5.88e23] / largest))
    smallest = {name: small_fit.runs[name].min() for name in ("params", "tokens")}
    assert small_fit.predict(smallest)["decades_beyond_runs"] == 0.0


def test_the_third_of_params_tokens_and_flops_is_filled_in(small_fit: Fit) -> None:
    whole = small_fit.predict(POINTS, random_seed=1)
    part = small_fit.predict({"params": [1e9, 7e10], "flops": [1.2e20, 5.88e23]}, random_seed=1)
    assert_allclose(part["new_run"], whole["new_run"], rtol=1e-9)


def test_a_single_point_needs_no_list(small_fit: Fit) -> None:
    assert small_fit.predict({"params": 1e9, "tokens": 2e10}).sizes["point"] == 1


def test_one_seed_gives_one_scatter(small_fit: Fit) -> None:
    first, again, other = (
        small_fit.predict(POINTS, random_seed=seed)["new_run"] for seed in (1, 1, 2)
    )
    assert first.equals(again)
    assert not first.equals(other)
    assert small_fit.predict(POINTS)["new_run"].equals(small_fit.predict(POINTS)["new_run"])


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ({"params": [1e9]}, "tokens"),
        ({"params": [1e9], "tokens": [-1.0]}, "tokens"),
        ({"params": [1e9], "tokens": [np.nan]}, "tokens"),
        ({"params": ["big"], "tokens": [1e10]}, "params"),
    ],
)
def test_points_that_cannot_be_used_are_refused(
    small_fit: Fit, points: dict[str, list[object]], words: str
) -> None:
    with pytest.raises(DataError, match=words):
        small_fit.predict(points)


def test_points_of_a_grouped_fit_name_their_group(simulated_runs: pd.DataFrame) -> None:
    runs = simulated_runs.assign(corpus=["web", "code"] * 45)
    fitted = fit(
        LAWS["chinchilla"], runs, likelihood=NORMAL, groups="corpus", pool="separate", draws=50,
        tune=200, chains=2, random_seed=3,
    )  # fmt: skip
    points = POINTS | {"corpus": ["web", "code"]}
    predicted = fitted.predict(points, drift=False)["mean"].isel(chain=0, draw=0)
    for k, corpus in enumerate(("web", "code")):
        one = fitted.posterior.sel(corpus=corpus).isel(chain=0, draw=0)
        values = {name: float(one[name]) for name in fitted.law.coefficient_names}
        point = [POINTS["params"][k], POINTS["tokens"][k]]
        assert_allclose(predicted[k], fitted.law.formula(*point, **values), rtol=1e-12)
    with pytest.raises(DataError, match=r"corpus holds \['books'\].*'code', 'web'"):
        fitted.predict(POINTS | {"corpus": ["web", "books"]})
    with pytest.raises(DataError, match="corpus"):
        fitted.predict(POINTS)
