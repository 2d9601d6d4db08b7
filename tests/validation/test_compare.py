"""Laws compared by what they predict, and used together."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from numpy.testing import assert_allclose
from scipy import stats
from scipy.special import logsumexp
from scipy.stats import norm

from bayescale.errors import DataError, LawError
from bayescale.fitting.fit import fit
from bayescale.fitting.record import Fit
from bayescale.inference.record import Sampling
from bayescale.likelihoods import NORMAL, STUDENT_T
from bayescale.models import LAWS
from bayescale.posterior.convergence import Verdict
from bayescale.posterior.expectation import expected_response
from bayescale.posterior.jackknife import CLUSTER
from bayescale.spec.law import Law
from bayescale.validation import backtest as backtest_module
from bayescale.validation import compare as compare_module
from bayescale.validation import cross_validation
from bayescale.validation.backtest_methods import BacktestTask, HeldOutPrediction
from bayescale.validation.compare import Comparison, compare
from bayescale.validation.cross_validation import loo_by_cluster
from bayescale.validation.stacking import between_share, mixture, stacking_weights
from bayescale.validation.sweep import Parallel
from tests.designs import design, simulated

CHINCHILLA = LAWS["chinchilla"]
TOKENS_ONLY = LAWS["kaplan_d"]
TRUTH = {"E": 1.8, "A": 480.0, "B": 2100.0, "alpha": 0.35, "beta": 0.37}
SHORT: dict[str, Any] = {"draws": 200, "tune": 300, "chains": 2}
ALONE = Parallel(jobs=1)


def budgets() -> pd.DataFrame:
    """Chinchilla's law at four budgets, with 0.5% of noise; a last run at a budget of its own."""
    params = np.geomspace(5e7, 5e8, 6)
    tables = [pd.DataFrame({"params": params, "flops": c}) for c in (1e18, 3e18, 1e19, 3e19)]
    runs = pd.concat([*tables, pd.DataFrame({"params": [2e8], "flops": [1e20]})], ignore_index=True)
    runs["tokens"] = runs["flops"] / (6 * runs["params"])
    expected = CHINCHILLA.formula(runs["params"], runs["tokens"], **TRUTH)
    noise = 0.005 * np.random.default_rng(1).standard_normal(len(runs))
    columns = runs.assign(loss=expected * np.exp(noise))
    names = [f"{flops:g}" for flops in runs["flops"][:-1]]
    return columns.assign(budget=[*names, ""])


@pytest.fixture(scope="module")
def compared() -> Comparison:
    return compare(
        [CHINCHILLA, TOKENS_ONLY],
        budgets(),
        likelihood=NORMAL,
        clusters="budget",
        sampling=Sampling(**SHORT),
        random_seed=0,
    )


@pytest.fixture(scope="module")
def right(compared: Comparison) -> Fit:
    return compared.fits["chinchilla"]


def cluster_density(fitted: Fit, points: pd.DataFrame) -> np.ndarray:
    """Log density of points at every draw of the model, the sum over runs by scipy."""
    draws = fitted.as_modelled.draws
    drawn = draws.posterior.stack(sample=("chain", "draw"), create_index=False)
    means = np.log(expected_response(draws, points).to_numpy().reshape(-1, len(points)))
    family = stats.t(drawn["nu"].to_numpy()[:, None]) if "nu" in drawn else stats.norm()
    sigma = drawn["sigma"].to_numpy()[:, None]
    apart = (np.log(points["loss"].to_numpy()) - means) / sigma
    return np.asarray((family.logpdf(apart) - np.log(sigma)).sum(axis=1))


def test_the_law_that_the_runs_follow_gets_the_weight(compared: Comparison) -> None:
    assert compared.table.index[0] == "chinchilla"
    assert compared.table.loc["kaplan_d", "difference"] < -10
    assert float(compared.weights.sel(law="chinchilla")) > 0.9
    assert float(compared.weights.sum()) == pytest.approx(1)
    assert compared.table["elpd"].to_dict() == pytest.approx(
        {name: fitted.loo.attrs["elpd"] for name, fitted in compared.fits.items()}
    )
    assert compared.table["se"].to_dict() == pytest.approx(
        {name: fitted.loo.attrs["se"] for name, fitted in compared.fits.items()}, rel=0.03
    )  # ArviZ divides by the number of cases, 25, not by one less


def test_laws_of_different_inputs_predict_together_but_have_no_optimum(
    compared: Comparison,
) -> None:
    points = {"params": [1e8, 1e9], "tokens": [1e9, 1e10]}
    separate, mixed = compared.predict(points, mixed=False), compared.predict(points)
    assert separate["mean"].dims[0] == "law"
    assert dict(mixed.sizes) == {"chain": 2, "draw": 200, "point": 2}
    assert {"params", "tokens", "flops"} <= set(mixed.coords)
    from_one = (separate["mean"] == mixed["mean"]).sum("law")
    assert bool((from_one == 1).all())
    with pytest.raises(LawError, match="params and tokens"):
        compared.optimum(1e20)


def printed(compared: Comparison) -> str:
    """What a terminal shows, without line breaks."""
    return " ".join(repr(compared).split())


def test_it_prints_its_table_and_the_share_between_laws(compared: Comparison) -> None:
    text = printed(compared)
    assert "2 laws compared by leaving out one run at a time (25 cases)." in text
    assert "lies between laws, at the best of the runs: mean" in text
    assert f"chinchilla 0 {compared.table['elpd'].iloc[0]:.1f}" in text
    assert ">chinchilla<" in compared._repr_html_()
    assert "Fits not to be trusted: " in text  # so few draws never are


def test_two_laws_of_params_and_tokens_have_an_optimum_together(right: Fit) -> None:
    again = replace(right, structure=right.structure)
    weights = xr.DataArray([0.3, 0.7], {"law": ["one", "other"]}, "law")
    scores = xr.Dataset({"elpd": (("law", "case"), np.zeros((2, 3)))})
    table = pd.DataFrame(
        {"elpd": 0.0, "se": 1.0, "difference": 0.0, "difference_se": 0.0, "weight": [0.3, 0.7]},
        index=["one", "other"],
    ).assign(trusted=True, doubtful=0)
    both = Comparison("run", {"one": right, "other": again}, scores, weights, table, 1)
    xr.testing.assert_allclose(both.optimum(1e21), right.optimum(1e21))
    assert float(both.between(both.optimum(1e21, mixed=False))["N_opt"].item()) < 1e-12
    assert "at 1e+21 FLOP, 10 times the largest run: N_opt 0% (0%)" in printed(both)


def test_the_density_of_a_cluster_is_that_of_its_runs_together(right: Fit) -> None:
    heavy = fit(
        CHINCHILLA, budgets(), likelihood=STUDENT_T, clusters="budget", random_seed=1, **SHORT
    )
    for fitted in (right, heavy):
        density = fitted.case_log_likelihood(CLUSTER)
        names = density["cluster"].to_numpy().tolist()
        assert names == ["1e+18", "3e+18", "1e+19", "3e+19", "run 25"]
        for name in names:
            points = fitted.runs[fitted.runs["budget"] == ("" if name == "run 25" else name)]
            own = density.sel(cluster=name).to_numpy().ravel()
            assert_allclose(own, cluster_density(fitted, points), rtol=1e-8)


def test_a_cluster_whose_weights_fail_is_held_out_by_a_refit(
    right: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreliable(posterior: xr.Dataset, log_likelihood: xr.Dataset) -> xr.Dataset:
        k = np.array([0.1, 0.1, 0.1, 0.9, 0.1])
        values = {"elpd_i": ("run", np.arange(5.0)), "pareto_k": ("run", k)}
        return xr.Dataset(values, attrs={"good_k": 0.7})

    def swept(work: Callable[..., Any], tasks: Any, **options: Any) -> pd.DataFrame:
        return pd.DataFrame([{**work(**task, random_seed=5), "error": None} for _, task in tasks])

    monkeypatch.setattr(cross_validation, "leave_one_out", unreliable)
    monkeypatch.setattr(cross_validation, "sweep", swept)
    cases = loo_by_cluster(right)
    out = right.runs["budget"] == "3e+19"
    without = fit(
        CHINCHILLA,
        right.runs[~out],
        likelihood=NORMAL,
        clusters="budget",
        random_seed=5,
        **SHORT,
    )
    density = cluster_density(without, right.runs[out])
    expected = logsumexp(density) - np.log(len(density))
    assert_allclose(cases["elpd"], [0, 1, 2, expected, 4], rtol=1e-6)
    assert cases["refitted"].to_numpy().tolist() == [False, False, False, True, False]
    assert cases["doubtful"].to_numpy().tolist() == [False, False, False, True, False]


def test_a_cluster_whose_refit_fails_stays_doubtful(
    right: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreliable(posterior: xr.Dataset, log_likelihood: xr.Dataset) -> xr.Dataset:
        values = {"elpd_i": ("run", np.arange(5.0)), "pareto_k": ("run", np.full(5, 0.9))}
        return xr.Dataset(values, attrs={"good_k": 0.7})

    def swept(work: Callable[..., Any], tasks: Any, **options: Any) -> pd.DataFrame:
        rows = pd.DataFrame({"elpd": 9.0, "doubt": "", "error": [None] * len(tasks)})
        rows.loc[1, ["elpd", "doubt", "error"]] = np.nan, np.nan, "DataError: no"
        rows.loc[2, "doubt"] = "few draws"
        return rows

    monkeypatch.setattr(cross_validation, "leave_one_out", unreliable)
    monkeypatch.setattr(cross_validation, "sweep", swept)
    cases = loo_by_cluster(right)
    assert cases["elpd"].to_numpy().tolist() == [9, 1, 9, 9, 9]
    assert cases["doubtful"].to_numpy().tolist() == [False, True, True, False, False]
    assert cases["refitted"].to_numpy().tolist() == [True, False, True, True, True]


def test_weights_are_those_of_the_best_mixture() -> None:
    logs = np.log([[0.8, 0.2], [0.2, 0.8]])
    elpd = xr.DataArray(logs, {"law": ["one", "other"]}, ("law", "case"))
    assert_allclose(stacking_weights(elpd), 0.5, atol=1e-4)
    # 3 log(0.2 + 0.6 w) + log(0.8 - 0.6 w) is largest at w = 11/12.
    counts = xr.DataArray([3.0, 1.0], dims="case")
    assert_allclose(stacking_weights(elpd, counts), [11 / 12, 1 / 12], atol=1e-4)
    # A case that both laws predict badly alike says nothing of either.
    badly = elpd - xr.DataArray([0.0, 2000.0], dims="case")
    assert_allclose(stacking_weights(badly, counts), [11 / 12, 1 / 12], atol=1e-4)


def draws_of(*means: float, seed: int = 1) -> xr.DataArray:
    """Independent draws of laws whose log has these means and an sd of 0.1."""
    z = np.random.default_rng(seed).standard_normal((len(means), 4, 500))
    values = np.exp(0.1 * z + np.array(means)[:, None, None])
    coords = {"law": [f"law_{k}" for k in range(len(means))]}
    return xr.DataArray(values, coords, ("law", "chain", "draw"), name="N_opt")


def test_the_mixture_has_the_weighted_mean_of_its_laws() -> None:
    separate = draws_of(0.0, 1.0, 3.0)
    weights = xr.DataArray([0.5, 0.3, 0.2], {"law": separate["law"]}, "law")
    mixed = mixture(separate.to_dataset(), weights, random_seed=3)["N_opt"]
    chosen = (separate == mixed).mean(("chain", "draw"))
    # Each chain has its 500 draws within one of what the weights say.
    assert_allclose(chosen, weights, atol=1 / 500)
    # Of each law's 2,000 draws a share w is kept, which leaves an error of w (1 - w) var / 2000;
    # and the shares are off by 1/500 at most.
    means, variances = (f(("chain", "draw")) for f in (separate.mean, separate.var))
    error = np.sqrt(float((weights * (1 - weights) * variances).sum()) / 2000)
    expected = float((weights * means).sum())
    assert abs(float(mixed.mean()) - expected) < 4 * error + float(means.sum()) / 500


def test_the_share_between_laws_is_zero_for_equal_laws_and_known_for_others() -> None:
    weights = xr.DataArray([0.5, 0.5], {"law": ["law_0", "law_1"]}, "law")
    # Means of 2,000 draws differ by 0.1 sqrt(2 / 2000), so the share is (1 / 4) chi2 / 1000.
    assert float(between_share(draws_of(0.0, 0.0), weights)) < 25 / 4000
    # Half the distance is 0.1, as is the sd within: a half, its sd at most 1 / sqrt(2000).
    share = float(between_share(draws_of(0.0, 0.2), weights))
    assert share == pytest.approx(0.5, abs=5 / np.sqrt(2000))
    with pytest.raises(LawError, match="mixed=False"):
        between_share(draws_of(0.0, 0.0).isel(law=0), weights)


def test_every_cut_of_a_backtest_counts_equally(monkeypatch: pytest.MonkeyPatch) -> None:
    def posterior(task: BacktestTask) -> HeldOutPrediction:
        observed = task.observed
        return HeldOutPrediction(np.tile(observed, (50, 1)), norm(0, 1).logpdf(observed))

    def unfitted(law: Law, runs: pd.DataFrame, **options: Any) -> SimpleNamespace:
        return SimpleNamespace(law=law, runs=runs, random_seed=1, verdict=Verdict(()))

    monkeypatch.setattr(backtest_module, "METHODS", {"posterior": posterior})
    monkeypatch.setattr(compare_module, "fit", unfitted)
    runs = pd.concat([budgets(), budgets()], ignore_index=True)
    for name in ("tokens", "flops"):  # no two runs of the same compute, so that cuts are sharp
        runs[name] *= np.linspace(1.0, 1.05, len(runs))
    laws = [CHINCHILLA, TOKENS_ONLY]
    compared = compare(laws, runs, leave_out="backtest", likelihood=NORMAL, parallel=ALONE)
    scores, table = compared.scores, compared.table
    counts = scores["counts"].groupby("cut").sum()
    assert len(counts) == 4
    assert_allclose(counts, scores.sizes["case"] / 4)
    assert_allclose(table["difference"], 0)
    # Every run beyond a cut, by hand.
    flops, logs = runs["flops"], np.log(runs["loss"])
    means = [
        norm(0, 1).logpdf(logs[flops > flops.quantile(c)]).mean() for c in (0.5, 0.6, 0.7, 0.8)
    ]
    assert_allclose(table["elpd"], scores.sizes["case"] * np.mean(means))


@pytest.mark.parametrize(
    ("laws", "options", "error", "message"),
    [
        ([CHINCHILLA], {}, LawError, "two or more"),
        ([CHINCHILLA, CHINCHILLA], {}, LawError, "different names"),
        ([CHINCHILLA, TOKENS_ONLY], {"leave_out": "loo"}, LawError, "run, cluster, backtest"),
        ([CHINCHILLA, LAWS["power_law"]], {}, LawError, "one response"),
        (
            [CHINCHILLA, TOKENS_ONLY],
            {"leave_out": "cluster", "clusters": None},
            DataError,
            "no clusters",
        ),
        (
            [CHINCHILLA, TOKENS_ONLY],
            {"leave_out": "backtest", "clusters": "lab"},
            DataError,
            "'lab'",
        ),
    ],
)
def test_what_cannot_be_compared(
    laws: Any, options: Mapping[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        compare(laws, budgets(), **options)


def test_a_table_without_budgets_cannot_leave_one_out() -> None:
    runs = simulated(CHINCHILLA, noise=0.01, seed=1, each=3)
    assert len(design(CHINCHILLA, 3)) == len(runs)
    with pytest.raises(DataError, match="no clusters"):
        compare([CHINCHILLA, LAWS["coupled"]], runs, leave_out="cluster")
