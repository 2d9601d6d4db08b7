"""Calibration: right where the model is, and seen to be wrong where it is not."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from numpy.testing import assert_array_equal

from bayescale.errors import DataError, LawError
from bayescale.fitting.fit import fit
from bayescale.fitting.record import Fit
from bayescale.inference.coordinates import draw_prior
from bayescale.inference.record import Sampling
from bayescale.likelihoods import NORMAL, STUDENT_T
from bayescale.models import LAWS
from bayescale.posterior.draws import Draws
from bayescale.posterior.expectation import expected_response
from bayescale.posterior.quantities import quantities
from bayescale.priors import LogNormal
from bayescale.validation import sbc, simulators
from bayescale.validation.calibrate import Calibration, calibrate
from bayescale.validation.sbc import fixed_structure, rank_truth, with_units_of
from bayescale.validation.simulators import SIMULATORS, as_modelled, choose_draws, clustered
from bayescale.validation.sweep import Parallel, sweep
from tests.designs import simulated

LAW = LAWS["power_law"]
DESIGN = pd.DataFrame({"params": np.geomspace(1e7, 1e10, 12), "loss": 3.0}).rename(
    columns={"params": LAW.inputs[0], "loss": LAW.response}
)
SMALL: dict[str, Any] = {
    "likelihood": NORMAL,
    "clusters": None,
    "sampling": Sampling(100, 200, 2),
    "parallel": Parallel(jobs=1),
}


@pytest.fixture(scope="module")
def sound() -> Calibration:
    return calibrate(LAW, DESIGN, simulations=60, random_seed=1, **SMALL)


def test_a_right_model_is_calibrated(sound: Calibration) -> None:
    """Inside a 99.9% band: of some five quantities one is outside by chance once in 200 seeds."""
    assert sound.uniformity(mass=0.999)["inside"].all()
    assert sound.coverage()["within"].mean() > 0.9
    assert sound.places.sizes == {"chain": 1, "draw": 60}


def test_arviz_draws_it(sound: Calibration) -> None:
    import arviz_plots as azp

    azp.plot_ecdf_pit(sound.tree, var_names=["A"], backend="none")


def test_intervals_half_as_wide_are_caught() -> None:
    rng = np.random.default_rng(2)
    z = rng.standard_normal((300, 1)) + 0.5 * rng.standard_normal((300, 400))
    places = (z < 0).mean(axis=1)
    data = xr.Dataset({"A": (("chain", "draw"), places[None])})
    wrong = Calibration("none", xr.DataTree.from_dict({"prior_sbc": data}), pd.DataFrame())
    assert not wrong.uniformity()["inside"].item()
    assert not wrong.coverage().loc[("A", 0.9), "within"]


def test_coverage_is_the_share_of_places_in_the_middle() -> None:
    data = xr.Dataset({"A": (("chain", "draw"), np.linspace(0.005, 0.995, 100)[None])})
    table = Calibration("n", xr.DataTree.from_dict({"prior_sbc": data}), pd.DataFrame()).coverage()
    assert table.loc[("A", 0.9), "covered"] == pytest.approx(0.9)
    assert table.loc[("A", 0.5), "se"] == pytest.approx(0.05)


def test_a_calibration_goes_on_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    options = SMALL | {"parallel": Parallel(path, jobs=1)}
    first = calibrate(LAW, DESIGN, simulations=2, random_seed=3, **options)
    again = calibrate(LAW, DESIGN, simulations=3, **options)
    assert first.random_seed == again.random_seed == 3
    assert again.places.isel(draw=slice(2)).identical(first.places)
    assert len(path.read_text().splitlines()) == 4


def test_a_design_that_does_not_vary_is_refused() -> None:
    with pytest.raises(DataError, match="in all 12 runs; expected it to vary"):
        calibrate(LAW, DESIGN.assign(**{LAW.inputs[0]: 1e8}), **SMALL)


@pytest.fixture(scope="module")
def informed() -> Fit:
    """A fit to runs whose exponent, 0.5, is far from what its narrow prior expects, 0.25."""
    x = np.geomspace(10, 1e4, 12)
    noise = np.exp(0.1 * np.random.default_rng(3).standard_normal(12))
    runs = pd.DataFrame({"x": x, "y": 8 * x**-0.5 * noise})
    priors = {"alpha": LogNormal(mu=np.log(0.25), sigma=0.1)}
    return fit(LAW, runs, likelihood=NORMAL, clusters=None, priors=priors, random_seed=4)


@pytest.mark.slow
def test_ranks_of_truths_from_a_posterior_are_uniform_given_observed_and_simulated_runs(
    informed: Fit,
) -> None:
    """Inside a 99.9% band; and far outside with refits to the simulated runs alone.

    The posterior is a compromise of runs and prior, from which such a refit pulls the exponent
    towards the prior a second time.
    """
    options: dict[str, Any] = {"sampling": Sampling(250, 500, 2), "parallel": Parallel(jobs=2)}
    together = calibrate(
        LAW, informed.runs, truth=informed, simulations=200, random_seed=5, **options
    )
    assert together.uniformity(mass=0.999)["inside"].all()
    structure = with_units_of(informed.structure, informed.runs)
    truths = choose_draws(informed.as_modelled.draws, 200, 5)
    task = {"structure": structure, "design": informed.runs, "joint": None}
    task |= {"simulator": as_modelled, "sampling": options["sampling"]}
    tasks = [(str(k), {**task, "truth": truths.isel(draw=[k])}) for k in range(200)]
    rows = sweep(rank_truth, tasks, parallel=options["parallel"], random_seed=5)
    places = np.array([row["alpha"] for row in rows["places"]])
    # Uniform ranks have a mean of 0.5 with a standard error of 1 / sqrt(12 * 200) = 0.02.
    assert places.mean() > 0.6


def test_a_truth_from_a_posterior_is_ranked_given_observed_and_simulated_runs(
    informed: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables, sample_carefully = [], sbc.sample_carefully

    def recorded(sampler: Any, structure: Any, runs: pd.DataFrame, settings: Any) -> Any:
        tables.append(runs)
        return sample_carefully(sampler, structure, runs, settings)

    chosen = []

    def choose(draws: Draws, count: int, seed: int) -> xr.Dataset:
        chosen.append(draws.posterior)
        return choose_draws(draws, count, seed)

    monkeypatch.setattr(sbc, "sample_carefully", recorded)
    monkeypatch.setattr("bayescale.validation.calibrate.choose_draws", choose)
    options = {"sampling": SMALL["sampling"], "parallel": SMALL["parallel"]}
    calibration = calibrate(LAW, informed.runs, truth=informed, simulations=2, **options)
    assert calibration.places.sizes["draw"] == len(tables) == 2
    # Of the model: ranks of widened truths would not be uniform.
    assert chosen[0].identical(informed.as_modelled.posterior)
    for table in tables:
        assert_array_equal(table["x"], np.tile(informed.runs["x"], 2))
        assert_array_equal(table["y"][:12], informed.runs["y"])
        assert not np.isin(table["y"][12:], informed.runs["y"]).any()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"design": DESIGN}, DataError, "not the table of 12 runs that the truth was fitted to"),
        ({"likelihood": STUDENT_T}, LawError, "Leave the likelihood out"),
        ({"law": LAWS["power_law_constant"]}, LawError, "calibrate the law of the fit"),
        ({"clusters": "x"}, LawError, "Leave clusters out"),
    ],
)
def test_a_truth_of_another_model_or_table_is_refused(
    informed: Fit, change: dict[str, Any], error: type[Exception], message: str
) -> None:
    options: dict[str, Any] = {"law": LAW, "design": informed.runs, "truth": informed} | change
    with pytest.raises(error, match=message):
        calibrate(**options)


def test_a_simulation_that_cannot_be_fitted_is_remarked_on() -> None:
    structure = fixed_structure(LAW, DESIGN, NORMAL, None)
    middle = float(draw_prior(structure, 4, 0)["sigma"].median())

    def broken(truth: Draws, rng: object) -> np.ndarray:
        first = float(truth.posterior["sigma"].squeeze()) < middle
        return np.full(12, np.nan if first else 2.0) * np.exp(np.arange(12) / -50)

    calibration = calibrate(LAW, DESIGN, simulator=broken, simulations=4, random_seed=0, **SMALL)
    assert calibration.places.sizes["draw"] == 2
    assert calibration.remarks["remark"].str.contains("not a finite positive").sum() == 2
    with pytest.raises(DataError, match="no simulation could be fitted"):
        calibrate(LAW, DESIGN, simulator=lambda *_: np.full(12, -1.0), simulations=2, **SMALL)


TWO = LAWS["chinchilla"]


@pytest.mark.parametrize("name", SIMULATORS)
def test_every_simulator_gives_responses_about_the_law(name: str) -> None:
    """Log residuals have a spread of a few scales: none is left without noise or without end."""
    runs = simulated(TWO, noise=0.01, seed=5, each=8)
    design = runs.assign(flops=6 * runs["params"] * runs["tokens"])
    structure = fixed_structure(TWO, design, NORMAL, None)
    truth = draw_prior(structure, 1, 6)
    scale = 0.003  # that of misfits which are absolute is of this size
    truth["sigma"] = xr.full_like(truth["sigma"], scale)
    rng = np.random.default_rng(7)
    responses = SIMULATORS[name](Draws(structure, truth, design), rng)
    known = Draws(structure, quantities(Draws(structure, truth, design)), design)
    expected = expected_response(known, design, "run").to_numpy().ravel()
    spread = np.log(responses / expected).std() / scale
    assert 0.5 < spread < 10


def test_outliers_are_few_and_far() -> None:
    runs = simulated(TWO, noise=0.01, seed=5, each=40)
    structure = fixed_structure(TWO, runs, NORMAL, None)
    truth = draw_prior(structure, 1, 6)
    first, second = (
        simulate(Draws(structure, truth, runs), np.random.default_rng(8))
        for simulate in (simulators.outliers, as_modelled)
    )
    assert first.shape == second.shape == (len(runs),)
    known = Draws(structure, quantities(Draws(structure, truth, runs)), runs)
    expected = expected_response(known, runs, "run").to_numpy().ravel()
    z = np.log(first / expected) / float(truth["sigma"].squeeze())
    share = (abs(z) > 4).mean()  # seven of ten outliers are as far out, and of 16,000 others one
    assert 0.2 * simulators.OUTLIERS < share < 2 * simulators.OUTLIERS


def test_widened_intervals_hold_truths_of_runs_that_err_together() -> None:
    """Eight budgets of five runs, whose errors the model takes for independent.

    A shared error of three scales makes the mean of a budget's runs scatter seven times as much as
    the model believes. Places are those of the same truths and runs, so that they differ only by
    the widening; the scale is left as it is.
    """
    params, flops = np.meshgrid(np.geomspace(1e7, 1e9, 5), np.geomspace(1e17, 1e20, 8))
    design = pd.DataFrame({"params": params.ravel(), "flops": flops.ravel()})
    design = design.assign(tokens=design["flops"] / (6 * design["params"]), loss=3.0)
    structure = fixed_structure(TWO, design, NORMAL, "auto")
    assert structure.clusters is not None
    truths = draw_prior(structure, 30, 4)
    own, widened = (
        [
            rank_truth(
                structure=structure,
                design=design,
                simulator=clustered,
                truth=truths.isel(draw=[k]),
                joint=None,
                sampling=SMALL["sampling"],
                random_seed=k,
                widened=wide,
            )["places"]
            for k in range(30)
        ]
        for wide in (False, True)
    )
    assert [row["sigma"] for row in own] == [row["sigma"] for row in widened]
    inside = [sum(abs(row["N_opt"] - 0.5) < 0.45 for row in rows) for rows in (own, widened)]
    assert inside[1] > inside[0]


def test_doubtful_fits_can_be_dropped() -> None:
    data = xr.Dataset(
        {"A": (("chain", "draw"), [[0.1, 0.5, 0.9]])}, {"chain": [0], "draw": [0, 2, 3]}
    )
    remarks = pd.DataFrame({"simulation": [1, 2], "remark": ["failed", "not mixed"]})
    trusted = Calibration("n", xr.DataTree.from_dict({"prior_sbc": data}), remarks).trusted()
    assert trusted.places["draw"].to_numpy().tolist() == [0, 3]
    assert trusted.places["A"].to_numpy().tolist() == [[0.1, 0.9]]
    assert trusted.remarks.empty


def test_the_first_truths_are_the_same_however_many_are_drawn() -> None:
    """Or a calibration that goes on would repeat what it has done, with other truths."""
    structure = fixed_structure(LAW, DESIGN, NORMAL, None)
    few, many = (draw_prior(structure, count, 0) for count in (3, 5))
    assert many.isel(draw=slice(3)).equals(few)
    draws = Draws(structure, many, DESIGN)
    few, many = (choose_draws(draws, count, 1) for count in (2, 4))
    assert many.isel(draw=slice(2)).equals(few)
