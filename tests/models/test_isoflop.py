"""The laws of the optimum on compute budgets, and what parabolas do to it."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from bayescale import datasets
from bayescale.errors import LawError
from bayescale.fitting.fit import fit
from bayescale.fitting.load import load
from bayescale.fitting.record import Fit
from bayescale.likelihoods import STUDENT_T
from bayescale.models import ISOFLOP, ISOFLOP_SKEWED
from bayescale.models.size_and_data import chinchilla, isoflop
from bayescale.models.size_and_data.isoflop_claims import PLAIN, PORIAN
from bayescale.plots import plot_optimum, plot_runs, plot_slices
from bayescale.posterior.optimum import group_optimum
from bayescale.spec.compute import same_compute
from bayescale.spec.functions import call
from bayescale.spec.law import Law
from tests.designs import coefficients, design, middle
from tests.tables import PublicTable

HOFFMANN = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}
UNEQUAL = HOFFMANN | {"alpha": 0.465, "beta": 0.155}
both = pytest.mark.parametrize("law", [ISOFLOP, ISOFLOP_SKEWED], ids=lambda law: law.name)


def from_chinchilla(E: float, A: float, B: float, alpha: float, beta: float) -> dict[str, float]:
    """The skewed law's coefficients of an additive law."""
    a, g = beta / (alpha + beta), alpha * beta / (alpha + beta)
    k = chinchilla.optimal_params(1.0, A, B, alpha, beta) / 6.0**a
    least = A / k**alpha + B / (1 / (6 * k)) ** beta
    return {"E": E, "F": least, "g": g, "alpha": alpha, "beta": beta, "k": k, "a": a}


@pytest.mark.parametrize("known", [HOFFMANN, UNEQUAL])
def test_the_skewed_law_is_chinchilla_where_the_exponents_fix_the_frontier(
    known: dict[str, float],
) -> None:
    params, flops = np.meshgrid(np.geomspace(1e6, 1e13, 15), np.geomspace(1e17, 1e26, 10))
    expected = chinchilla.loss(params, flops / 6 / params, **known)
    losses = isoflop.skewed_loss(params, flops, **from_chinchilla(**known))
    assert_allclose(losses, expected, rtol=1e-12)


@both
def test_the_bottom_of_a_budget_is_at_its_optimum(law: Law) -> None:
    values = coefficients(law, design(law), middle(law))
    for flops in (1e18, 1e21, 1e25):
        best = call(law.optimum.params, values, product=flops / 6)
        losses = law.formula(best * np.array([0.999, 1.0, 1.001]), flops, **values)
        assert losses.argmin() == 1


def test_the_parabola_is_the_skewed_law_near_its_bottom() -> None:
    """To second order: what is left is the cubic term, at most the steepness times 0.01."""
    values = coefficients(ISOFLOP_SKEWED, design(ISOFLOP_SKEWED), middle(ISOFLOP_SKEWED))
    h = isoflop.curvature(values["alpha"], values["beta"])
    shared = {name: values[name] for name in ("E", "F", "g", "k", "a")}
    best = values["k"] * 1e21 ** values["a"]
    away = np.exp([-0.01, 0.01])
    rise = isoflop.skewed_loss(best * away, 1e21, **values) - isoflop.loss(
        best, 1e21, h=0, **shared
    )
    expected = isoflop.loss(best * away, 1e21, h=h, **shared) - isoflop.loss(
        best, 1e21, h=0, **shared
    )
    assert_allclose(rise, expected, rtol=0.01 * max(values["alpha"], values["beta"]))


@pytest.mark.parametrize(
    ("known", "percent"), [(HOFFMANN, (1, 3, 5)), (UNEQUAL, (7, 16, 30))], ids=["alike", "unequal"]
)
@pytest.mark.parametrize("flops", [1e18, 1e24])
def test_a_parabola_puts_the_optimum_too_high_by_the_same_at_every_budget(
    known: dict[str, float], percent: tuple[int, ...], flops: float
) -> None:
    """Without noise, on 15 sizes that reach a factor of 4, 8 and 16 to both sides."""
    exponents = {name: known[name] for name in ("A", "B", "alpha", "beta")}
    best = chinchilla.optimal_params(flops / 6, **exponents)
    errors = []
    for reach in (4, 8, 16):
        away = np.linspace(-np.log(reach), np.log(reach), 15)
        params = best * np.exp(away)
        square, linear, _ = np.polyfit(
            away, chinchilla.loss(params, flops / 6 / params, **known), 2
        )
        errors.append(100 * np.expm1(-linear / 2 / square))
    assert_allclose(errors, percent, atol=0.5)  # as printed, in whole percent


def test_budgets_are_runs_of_about_the_same_compute() -> None:
    runs = pd.DataFrame({"flops": [6e18, 6.2e18, 1e19, 1.05e19, 1.2e19, 3e21]})
    assert isoflop.budgets(runs).tolist() == [
        *("6.1e+18", "6.1e+18", "1e+19", "1e+19", "1.2e+19", "3e+21")
    ]
    assert isoflop.budgets(runs[:1]).tolist() == ["6e+18"]


def least_squares(runs: pd.DataFrame) -> tuple[float, float]:
    """Exponent and standard error of a parabola at each budget and a line through the bottoms."""
    optima = []
    for _, one in runs.groupby(same_compute(np.log10(runs["flops"].to_numpy()), isoflop.WIDTH)):
        square, linear, _ = np.polyfit(np.log(one["params"]), one["loss"], 2)
        optima.append((np.log(one["flops"]).mean(), -linear / 2 / square))
    x, y = np.array(optima).T
    (slope, _), covariance = np.polyfit(x, y, 1, cov=True)
    return float(slope), float(np.sqrt(covariance[0, 0]))


@pytest.mark.parametrize("table", PLAIN)
def test_plain_parabolas_give_what_was_recomputed(public_table: PublicTable, table: str) -> None:
    runs = public_table(table)
    if table in ("isoflop_chinchilla", "isoflop_misfitting"):
        runs = runs[runs["outlier"] == "False"]
    if "kind_of_run" in runs:
        runs = runs[runs["kind_of_run"] == "isoflop"]
    if table != "isoflop_misfitting":
        runs = runs[runs["flops"].between(5.9e18, 1.01e21)]
    enough = runs.groupby("flops" if "outlier" in runs else "budget")["loss"].transform("size") >= 4
    assert_allclose(least_squares(runs[enough]), PLAIN[table][:2], atol=0.5e-3)


STEPS = ("kaplan", "head", "warmup", "cosine", "tuned")
TABLE_1 = {"rw": (0.835, 0.706, 0.602, 0.571, 0.497), "owt2": (0.864, 0.699, 0.603, 0.574, 0.518)}


@pytest.mark.parametrize("data", TABLE_1)
def test_the_ladder_is_that_of_the_papers_first_table(data: str) -> None:
    """The file of fits has more digits, so that rounding twice may take half a digit more."""
    exponents = [PORIAN[f"{data}_{step}"][0] for step in STEPS]
    assert_allclose(exponents, TABLE_1[data], atol=0.55e-3)


def test_the_authors_exponents_are_those_of_their_file(public_table: PublicTable) -> None:
    fits = public_table("porian_fits")
    ends = fits[["params_exponent", "params_exponent_low", "params_exponent_high"]].to_numpy()
    known = np.array(list(PORIAN.values()))
    order = np.lexsort(known.T), np.lexsort(ends.T)
    assert_allclose(known[order[0]], ends[order[1]], atol=0.5e-4 * 1.001)


SHORT = {"random_seed": 3, "draws": 300, "tune": 500, "chains": 2, "likelihood": STUDENT_T}


@pytest.fixture(scope="module")
def swept() -> Fit:
    return fit(ISOFLOP, datasets.load("simulated_isoflop"), **SHORT)


def test_coefficients_are_those_of_no_budget_in_particular(swept: Fit) -> None:
    posterior = swept.posterior
    assert not any("isoflop" in posterior[name].dims for name in ISOFLOP.coefficient_names)
    assert posterior["k_isoflop"].dims[-1] == "isoflop"
    assert not any("isoflop" in name for name in swept.summary().index)
    assert {"a", "k", "centre_sd", "level_sd", "curve_sd"} <= set(swept.summary(all=True).index)


def test_budgets_scatter_about_the_common_frontier(swept: Fit) -> None:
    """By a Normal of `centre_sd`, and their mean by the standard error of that many."""
    posterior = swept.posterior
    off = np.log(posterior["k_isoflop"] / posterior["k"]) / posterior["centre_sd"]
    mean = off.mean("isoflop") * np.sqrt(off.sizes["isoflop"])
    assert_allclose(mean, -posterior["centre_mean_z"], rtol=1e-6, atol=1e-9)
    drawn = swept.with_prior(400, random_seed=5).tree["prior"].to_dataset()
    z = np.log(drawn["k_isoflop"] / drawn["k"]) / drawn["centre_sd"]
    # Monte Carlo error of an sd of independent values, times five.
    assert_allclose(z.std(), 1.0, atol=5 / np.sqrt(2 * z.size))
    scale = isoflop.BETWEEN["centre"].parameters
    logs = np.log(drawn["centre_sd"])
    assert_allclose(logs.mean(), scale["mu"], atol=5 * scale["sigma"] / np.sqrt(logs.size))


def test_the_optimum_is_the_frontier(swept: Fit) -> None:
    optimum = swept.optimum([1e19, 1e21, 1e24], drift=False)
    expected = swept.posterior["k"] * optimum["budget"] ** swept.posterior["a"]
    assert optimum["N_opt"].dims == ("chain", "draw", "budget")
    assert_allclose(optimum["N_opt"], expected, rtol=1e-12)
    at = swept.posterior["E"] + swept.posterior["F"] / optimum["budget"] ** swept.posterior["g"]
    assert_allclose(optimum["L_opt"], at, rtol=1e-12)


def test_a_known_budget_is_predicted_with_its_own_parabola(swept: Fit) -> None:
    """At the largest budget, and beside it where there is none: that is less sure."""
    points = pd.DataFrame({"params": 1e10, "flops": [3e21, 2e21]})
    mean = swept.predict(points, drift=False)["mean"]
    own = swept.posterior.sel(isoflop="3e+21")
    values = {name: own.get(f"{name}_isoflop", own[name]) for name in ISOFLOP.coefficient_names}
    assert_allclose(mean.isel(point=0), ISOFLOP.formula(1e10, 3e21, **values), rtol=1e-9)
    assert float(mean.isel(point=1).std()) > float(mean.isel(point=0).std())


def sweep(known: dict[str, float], grids: dict[float, tuple[float, float]]) -> pd.DataFrame:
    """Runs of an additive law, eight sizes each from one to another multiple of the best."""
    rng = np.random.default_rng(8)
    exponents = {name: known[name] for name in ("A", "B", "alpha", "beta")}
    tables = []
    for flops, ends in grids.items():
        params = chinchilla.optimal_params(flops / 6, **exponents) * np.geomspace(*ends, 8)
        loss = chinchilla.loss(params, flops / 6 / params, **known)
        noise = np.exp(0.003 * rng.standard_normal(8))
        tables.append(pd.DataFrame({"params": params, "flops": flops, "loss": loss * noise}))
    return pd.concat(tables, ignore_index=True)


@pytest.mark.slow
def test_a_budget_without_a_bottom_borrows_from_the_others() -> None:
    """Sizes of the largest budget stop at half of the best: it knows its own optimum less well."""
    known = HOFFMANN
    grids = dict.fromkeys((1e18, 3e18, 1e19, 3e19, 1e20, 3e20), (0.2, 5.0))
    runs = sweep(known, grids | {1e21: (0.05, 0.5)})
    fitted = fit(ISOFLOP_SKEWED, runs, random_seed=9)
    best = np.log(group_optimum(fitted.draws)["N_opt"])
    spread = best.std(("chain", "draw"))
    assert float(spread.sel(isoflop="1e+21")) > float(spread.drop_sel(isoflop="1e+21").max())
    # The others inform it as well: alone, a parabola has its bottom at an edge or nowhere.
    exponents = {name: known[name] for name in ("A", "B", "alpha", "beta")}
    truth = np.log(chinchilla.optimal_params(1e21 / 6, **exponents))
    off = (float(best.sel(isoflop="1e+21").mean()) - truth) / float(spread.sel(isoflop="1e+21"))
    assert abs(off) < 4
    a = fitted.posterior["a"]
    off = (float(a.mean()) - from_chinchilla(**known)["a"]) / float(a.std())
    assert abs(off) < 4


@pytest.mark.slow
@both
def test_the_exponent_of_the_coupled_law_is_recovered_at_a_sweep(law: Law) -> None:
    """The table was simulated from the coupled law, whose exponent is beta / (alpha + beta)."""
    truth = datasets.card("simulated_isoflop").truth
    fitted = fit(law, datasets.load("simulated_isoflop"), random_seed=2)
    assert fitted.verdict.trusted, fitted.verdict
    a = fitted.posterior["a"]
    expected = truth["beta"] / (truth["alpha"] + truth["beta"])
    assert abs(float(a.mean()) - expected) < 4 * float(a.std())


def test_every_budget_has_its_own_optimum(swept: Fit) -> None:
    optimum = group_optimum(swept.draws)
    assert list(optimum["isoflop"].to_numpy()) == list(swept.structure.groups)
    k = swept.posterior["k_isoflop"]
    expected = (k * optimum["flops"] ** swept.posterior["a"]).transpose(*optimum["N_opt"].dims)
    assert_allclose(optimum["N_opt"], expected, rtol=1e-9)
    spent = 6 * optimum["N_opt"] * optimum["D_opt"] / optimum["flops"]
    assert_allclose(spent, 1.0, rtol=1e-12)


def test_only_laws_of_budgets_have_them(small_fit: Fit) -> None:
    with pytest.raises(LawError, match=r"does not group runs.*isoflop.*fit\.optimum"):
        group_optimum(small_fit.draws)


def test_pictures_have_a_curve_and_an_optimum_for_every_budget(swept: Fit) -> None:
    figure, (first, second) = plt.subplots(1, 2)
    plot_runs(swept, ax=first)
    curves = {line.get_color() for line in first.lines if len(line.get_xdata()) > 2}
    assert len(curves) == len(swept.structure.groups)
    plot_optimum(swept.optimum(np.geomspace(1e18, 1e22, 12)), fit=swept, ax=second)
    (bars,) = second.containers
    best = group_optimum(swept.draws)["N_opt"].median(("chain", "draw"))
    assert_allclose(bars.lines[0].get_ydata(), best)
    plt.close(figure)
    assert len(plot_slices(swept)) == 6
    plt.close("all")


def test_a_saved_fit_has_its_budgets(swept: Fit, tmp_path: Path) -> None:
    swept.save(tmp_path / "fit.nc")
    loaded = load(tmp_path / "fit.nc")
    assert loaded.structure.groups == swept.structure.groups
    assert_allclose(group_optimum(loaded.draws)["N_opt"], group_optimum(swept.draws)["N_opt"])
    assert_allclose(loaded.optimum(1e22)["N_opt"], swept.optimum(1e22)["N_opt"])
