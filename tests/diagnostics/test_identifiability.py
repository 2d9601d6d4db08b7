"""Coefficients that runs do not identify, on tables simulated for that."""

import re
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from numpy.testing import assert_allclose
from scipy import stats

from bayescale.diagnostics.designs import best_design, candidate_designs, variance_with_design
from bayescale.diagnostics.diagnose import Diagnosis, diagnose
from bayescale.diagnostics.identifiability import (
    IDENTIFIED,
    PRIOR_DRAWS,
    RIDGE,
    SENSITIVE,
    identification,
    prior_draws,
    ridges,
)
from bayescale.diagnostics.power_scaling import log_prior
from bayescale.fitting.fit import fit
from bayescale.fitting.record import Fit
from bayescale.likelihoods import NORMAL
from bayescale.models import CHINCHILLA, LAWS

NOISE = 0.005
TRUTH = {"E": 1.8172, "A": 482.0, "B": 2085.4, "alpha": 0.3478, "beta": 0.3658}


def simulated(law: str, columns: dict[str, np.ndarray], **truth: float) -> pd.DataFrame:
    """Runs of a law at every combination of inputs that broadcasting makes."""
    arrays = np.broadcast_arrays(*columns.values())
    runs = pd.DataFrame({n: x.ravel() for n, x in zip(columns, arrays, strict=True)})
    expected = LAWS[law].formula(*(runs[name] for name in columns), **truth)
    scatter = np.exp(NOISE * np.random.default_rng(1).standard_normal(len(runs)))
    return runs.assign(**{LAWS[law].response: expected * scatter})


def table(name: str) -> tuple[str, pd.DataFrame]:
    """Law and runs of a design that does not identify all coefficients."""
    sizes, few = np.geomspace(1e8, 1e10, 24), np.geomspace(1e7, 1e9, 6)[:, None]
    two, near = np.array([[1e9], [1.01e9]]), np.geomspace(1.0, 2.0, 5)
    designs: dict[str, tuple[str, tuple[np.ndarray, np.ndarray], dict[str, float]]] = {
        "one ray": ("chinchilla", (sizes, 20 * sizes), TRUTH),
        "two near sizes": ("chinchilla", (two, np.geomspace(1e9, 1e12, 12)), TRUTH),
        "short range": ("chinchilla", (1e9 * near[:, None], 2e10 * near), TRUTH),
        "one side": ("coupled", (few, few * np.geomspace(500, 5000, 5)), {**TRUTH, "kappa": 0.6}),
    }
    if name == "far from the floor":
        x = {"x": np.geomspace(10, 1e2, 20)}
        return "power_law_constant", simulated("power_law_constant", x, E=0.01, A=8.0, alpha=0.15)
    law, (params, tokens), truth = designs[name]
    return law, simulated(law, {"params": params, "tokens": tokens}, **truth)


def fitted(law: str, runs: pd.DataFrame) -> Fit:
    return fit(
        LAWS[law],
        runs,
        likelihood=NORMAL,
        clusters=None,
        draws=200,
        tune=400,
        chains=2,
        random_seed=1,
    )


@cache
def diagnosed(name: str) -> Diagnosis:
    return diagnose(fitted(*table(name)))


@pytest.mark.parametrize(
    ("name", "quantity", "column"),
    [
        ("two near sizes", "alpha", "params"),
        ("short range", "alpha", "params"),
        ("one side", "kappa", "params"),
    ],
)
def test_unidentified_quantities_come_with_runs_that_would_identify_them(
    name: str, quantity: str, column: str
) -> None:
    """Whether a tenth is enough or a hundredth is needed depends on the width of the posterior."""
    findings = {f.quantity: f for f in diagnosed(name).findings if f.name == "not_identified"}
    assert findings[quantity].value < findings[quantity].threshold == IDENTIFIED
    advice = rf"(Add|add) runs of \S+ {column} \(a (tenth|hundredth) of the smallest\) with"
    assert re.search(advice, findings[quantity].sentence)


def test_on_one_ray_params_and_tokens_are_not_identified() -> None:
    """Which numbers are worst known depends on the mode in which the chains were."""
    findings = [f for f in diagnosed("one ray").findings if f.name == "not_identified"]
    candidates = {"alpha", "beta", "share[model]", "share[data]", "a", "b"}
    assert {f.quantity for f in findings} & candidates
    assert any("runs at 4 and 100 tokens per param beside 20" in f.sentence for f in findings)


def test_identified_quantities_are_no_findings() -> None:
    """The data exponent of two sizes, and the floor of a ray, are as well known as anywhere."""
    contraction = diagnosed("two near sizes").coefficients["contraction"]
    assert contraction["beta"] > 0.98
    assert diagnosed("one ray").coefficients["contraction"]["E"] > 0.9
    findings = diagnosed("two near sizes").findings
    unidentified = {f.quantity for f in findings if f.name == "not_identified"}
    assert not {"beta", "E"} & unidentified


@pytest.mark.parametrize("name", ["short range", "far from the floor"])
def test_numbers_that_compensate_one_another_are_a_ridge(name: str) -> None:
    findings = [f for f in diagnosed(name).findings if f.name == "ridge"]
    assert any(f.quantity.startswith("alpha, share[") for f in findings)
    for finding in findings:
        assert RIDGE < finding.value <= 1.0
        assert "lie on a ridge" in finding.sentence


@pytest.mark.parametrize(
    ("name", "quantity", "truth"),
    [("short range", "alpha", TRUTH), ("one side", "kappa", {**TRUTH, "kappa": 0.6})],
)
def test_added_runs_identify_what_they_were_proposed_for(
    name: str, quantity: str, truth: dict[str, float]
) -> None:
    law, runs = table(name)
    first = fitted(law, runs)
    before = identification(first).loc[quantity]
    logs = np.log(first.posterior[quantity])
    best, promised = best_design(first.draws, logs, float(before["prior_sd"]))
    expected = LAWS[law].formula(best.points["params"], best.points["tokens"], **truth)
    more = pd.concat([runs, best.points.assign(loss=expected)], ignore_index=True)
    after = identification(fitted(law, more)).loc[quantity]
    assert before["contraction"] < IDENTIFIED < promised
    assert after["contraction"] > IDENTIFIED


def test_variance_with_a_design_is_that_of_a_normal() -> None:
    """A response that is linear in the logarithms, a quantity known to be one of its coefficients.

    Posterior draws made Normal, so that the closed form of linear regression holds: the variance
    with the design is of the covariance ``(V^-1 + X' X / sigma^2)^-1``. The 400 draws have V
    exactly, so there is no Monte Carlo error.
    """
    runs = simulated("power_law", {"x": np.geomspace(10, 1e3, 12)}, A=8.0, alpha=0.2)
    draws = fitted("power_law", runs).draws
    rng = np.random.default_rng(3)
    raw = rng.standard_normal((400, 2))
    raw -= raw.mean(axis=0)
    raw = raw @ np.linalg.inv(np.linalg.cholesky(np.cov(raw.T))).T
    cov = np.array([[0.04, 0.006], [0.006, 0.002]])
    log_a, alpha = (np.array([2.0, 0.2]) + raw @ np.linalg.cholesky(cov).T).T.reshape(2, 2, 200)
    exact = draws.posterior.copy()
    exact["A"], exact["alpha"] = ((*exact["A"].dims,), np.exp(log_a)), ((*exact["A"].dims,), alpha)
    exact["sigma"] = exact["sigma"] * 0 + 0.01
    points = pd.DataFrame({"x": [1.0, 1e4]})
    design = np.column_stack([np.ones(2), -np.log(points["x"])])
    expected = np.linalg.inv(np.linalg.inv(cov) + design.T @ design / 0.01**2)
    variance = variance_with_design(replace(draws, posterior=exact), exact["alpha"], points)
    assert_allclose(variance, expected[1, 1], rtol=1e-9)


def test_designs_start_where_runs_are_cheap_and_rays_with_other_ratios() -> None:
    ray = candidate_designs(table("one ray")[1], ("params", "tokens"))
    assert "tokens per param beside 20" in ray[0].description
    ratio = ray[0].points["tokens"] / ray[0].points["params"]
    assert_allclose(ratio, [4.0, 100.0, 4.0, 100.0])
    grid = candidate_designs(table("two near sizes")[1], ("params", "tokens"))
    smallest = "runs of 1e+08 params (a tenth of the smallest) with tokens as in these"
    assert grid[0].description == smallest
    sizes = [(design.points["params"] * design.points["tokens"]).sum() for design in grid]
    assert sizes[-1] == max(sizes)
    single = candidate_designs(pd.DataFrame({"x": [1.0, 9.0]}), ("x",))
    assert {tuple(design.points) for design in single} == {("x",)}


def test_prior_draws_are_those_of_the_law(small_fit: Fit) -> None:
    """Kolmogorov-Smirnov on 2,000 draws; the chance of a smaller p-value is 1 in 1,000 each."""
    prior = prior_draws(small_fit)
    assert prior.sizes["draw"] == PRIOR_DRAWS
    for name, expected in (
        ("alpha", stats.lognorm(s=0.6, scale=0.3)),
        ("kappa", stats.lognorm(s=0.45, scale=0.55)),
    ):
        assert stats.kstest(prior[name].to_numpy().ravel(), expected.cdf).pvalue > 1e-3
    irreducible = prior["share"].sel(share_part="irreducible").to_numpy().ravel()
    assert stats.kstest(irreducible, stats.beta(2, 2).cdf).pvalue > 1e-3
    assert_allclose(prior["a"], prior["beta"] / (prior["alpha"] + prior["beta"]))


def test_the_log_prior_is_that_of_each_parameter(small_fit: Fit) -> None:
    density = log_prior(small_fit)
    assert set(density) == set(small_fit.law.priors)
    draws = small_fit.posterior
    assert_allclose(density["alpha"], stats.lognorm(s=0.6, scale=0.3).logpdf(draws["alpha"]))
    shares = draws["share"].transpose("share_part", ...).to_numpy().reshape(3, -1)
    expected = stats.dirichlet((2.0, 1.0, 1.0)).logpdf(shares / shares.sum(axis=0))
    assert_allclose(density["share"].to_numpy().ravel(), expected, rtol=1e-6)


def test_every_quantity_has_a_scale_and_both_sensitivities(small_fit: Fit) -> None:
    table = identification(small_fit)
    assert list(table) == ["scale", "prior_sd", "sd", "contraction", "prior", "likelihood"]
    assert {"E", "kappa", "level", "share[model]", "a"} <= set(table.index)
    assert table.loc["share[model]", "scale"] == "log odds"
    assert (table["scale"].drop(table.index[table.index.str.startswith("share")]) == "log").all()
    assert_allclose(table["contraction"], 1 - (table["sd"] / table["prior_sd"]) ** 2)
    assert np.isfinite(table[["prior", "likelihood"]].to_numpy()).all()
    # Any table identifies the level of the losses best.
    assert table["contraction"].idxmax() == "level"


def test_groups_are_judged_separately() -> None:
    """Of two groups of runs, one spans a factor of 100 and one a factor of 1.002."""
    ranges = (1e3 * np.geomspace(span**-0.5, span**0.5, 10) for span in (100.0, 1.002))
    wide, narrow = (simulated("power_law", {"x": x}, A=8.0, alpha=0.2) for x in ranges)
    runs = pd.concat([wide, narrow]).assign(corpus=np.repeat(["wide", "narrow"], 10))
    grouped = fit(
        LAWS["power_law"],
        runs,
        groups="corpus",
        pool="separate",
        likelihood=NORMAL,
        draws=200,
        tune=300,
        chains=2,
        random_seed=1,
    )
    table = identification(grouped)["contraction"]
    assert table["alpha[narrow]"] < IDENTIFIED < table["alpha[wide]"]
    prior_sd = 0.6
    log_alpha = np.log(grouped.posterior["alpha"].sel(corpus="narrow"))
    best, reached = best_design(grouped.draws, log_alpha, prior_sd, "narrow")
    assert abs(np.log10(best.points["x"] / 1e3)).min() > 0.9  # a tenth or less, or ten times
    assert reached > table["alpha[narrow]"] + 0.1


def test_a_ridge_gives_the_combination_that_is_known() -> None:
    """``log alpha + 0.5 log beta`` has an sd of 0.01 by construction, and beta one of 0.4."""
    rng = np.random.default_rng(2)
    log_beta, rest = 0.4 * rng.standard_normal((2, 500)), 0.01 * rng.standard_normal((2, 500))
    dims = ("chain", "draw")
    draws = xr.Dataset({"alpha": (dims, rest - 0.5 * log_beta), "beta": (dims, log_beta)})
    draws["E"] = draws["beta"]  # follows from others, so it makes no ridge
    (ridge,) = ridges(draws, CHINCHILLA)
    assert (ridge.first, ridge.second) == ("alpha", "beta")
    # 1,000 draws: the slope is off by about 0.01 / 0.4 / sqrt(1000), the sd by 0.01 / sqrt(2000).
    assert_allclose(ridge.power, 0.5, atol=5 * 0.01 / 0.4 / np.sqrt(1000))
    assert_allclose(ridge.sd, 0.01, atol=5 * 0.01 / np.sqrt(2000))
    assert ridge.correlation < -RIDGE


def test_the_sensitivity_that_counts_is_a_third_of_an_sd() -> None:
    """Exact quantiles of a Normal, and a log prior that moves its mean by so much a power of 2."""
    from arviz_stats import psense

    draws = stats.norm.ppf((np.arange(4000) + 0.5) / 4000)
    np.random.default_rng(0).shuffle(draws)
    posterior = xr.Dataset({"q": (("chain", "draw"), draws.reshape(4, 1000))})
    for shift, counts in ((0.3, False), (0.4, True)):
        prior = (shift * posterior["q"]).to_dataset(name="prior")
        tree = xr.DataTree.from_dict({"posterior": posterior, "log_prior": prior})
        assert (float(psense(tree, group="prior")["q"]) > SENSITIVE) is counts
