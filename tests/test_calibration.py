"""Calibration: right where the model is, and seen to be wrong where it is not."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from bayescale import simulators
from bayescale.calibration import Calibration, calibrate
from bayescale.errors import DataError
from bayescale.fitting import fit
from bayescale.likelihood import normal
from bayescale.models import LAWS
from bayescale.ranking import fixed_structure
from bayescale.simulators import SIMULATORS, as_modelled, drawn_truths, truths_like
from tests.designs import simulated

LAW = LAWS["power_law"]
DESIGN = pd.DataFrame({"params": np.geomspace(1e7, 1e10, 12), "loss": 3.0}).rename(
    columns={"params": LAW.inputs[0], "loss": LAW.response}
)
SMALL = {"likelihood": normal, "clusters": None, "draws": 100, "tune": 200, "jobs": 1}


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
    first = calibrate(LAW, DESIGN, simulations=2, path=path, **SMALL)
    again = calibrate(LAW, DESIGN, simulations=3, path=path, **SMALL)
    assert again.places.isel(draw=slice(2)).identical(first.places)
    assert len(path.read_text().splitlines()) == 4


def test_a_design_that_does_not_vary_is_refused() -> None:
    with pytest.raises(DataError, match="in all 12 runs; expected it to vary"):
        calibrate(LAW, DESIGN.assign(**{LAW.inputs[0]: 1e8}), **SMALL)


def test_truths_may_come_from_a_fit() -> None:
    runs = simulated(LAW, noise=0.01, seed=3, each=12)
    fitted = fit(LAW, runs, likelihood=normal, clusters=None, draws=50, chains=2, random_seed=4)
    found = calibrate(LAW, runs, truth=fitted, simulations=3, **SMALL)
    assert found.places.sizes["draw"] == 3


def test_a_simulation_that_cannot_be_fitted_is_remarked_on() -> None:
    def broken(made: object, truth: object, design: pd.DataFrame, rng: object) -> np.ndarray:
        first = float(truth["sigma"].squeeze()) < float(np.median(SIGMAS))  # type: ignore[index]
        return np.full(len(design), np.nan if first else 2.0) * np.exp(np.arange(len(design)) / -50)

    made = fixed_structure(LAW, DESIGN, normal, None)
    SIGMAS = drawn_truths(made, DESIGN, 4, 0)["sigma"]
    found = calibrate(LAW, DESIGN, simulator=broken, simulations=4, **SMALL)
    assert found.places.sizes["draw"] == 2
    assert found.remarks["remark"].str.contains("not a finite positive").sum() == 2
    with pytest.raises(DataError, match="no simulation could be fitted"):
        calibrate(LAW, DESIGN, simulator=lambda *_: np.full(12, -1.0), simulations=2, **SMALL)


TWO = LAWS["chinchilla"]


@pytest.mark.parametrize("name", SIMULATORS)
def test_every_simulator_gives_responses_about_the_law(name: str) -> None:
    """Log residuals have a spread of a few scales: none is left without noise or without end."""
    runs = simulated(TWO, noise=0.01, seed=5, each=8)
    design = runs.assign(flops=6 * runs["params"] * runs["tokens"])
    made = fixed_structure(TWO, design, normal, None)
    truth = drawn_truths(made, design, 1, 6)
    truth["sigma"] = xr.full_like(truth["sigma"], 0.01)
    rng = np.random.default_rng(7)
    responses = SIMULATORS[name](made, truth, design, rng)
    known = simulators.quantities(made, design, truth)
    expected = simulators.expected_response(made, known, design, "run").to_numpy().ravel()
    spread = np.log(responses / expected).std() / 0.01
    assert 0.5 < spread < 10


def test_outliers_are_few_and_far() -> None:
    runs = simulated(TWO, noise=0.01, seed=5, each=40)
    made = fixed_structure(TWO, runs, normal, None)
    truth = drawn_truths(made, runs, 1, 6)
    first, second = (
        simulate(made, truth, runs, np.random.default_rng(8))
        for simulate in (simulators.outliers, as_modelled)
    )
    assert first.shape == second.shape == (len(runs),)
    known = simulators.quantities(made, runs, truth)
    expected = simulators.expected_response(made, known, runs, "run").to_numpy().ravel()
    z = np.log(first / expected) / float(known["sigma"].squeeze())
    share = (abs(z) > 4).mean()  # seven of ten outliers are as far out, and of 16,000 others one
    assert 0.2 * simulators.OUTLIERS < share < 2 * simulators.OUTLIERS


def test_what_clusters_miss_is_drawn_anew() -> None:
    runs = pd.concat([simulated(TWO, noise=0.01, seed=k, each=5) for k in range(2)])
    budgets = np.repeat([1e18, 3e18, 1e19, 3e19, 1e20], len(runs) // 5)
    runs = runs.assign(tokens=budgets / (6 * runs["params"]), flops=budgets).reset_index(drop=True)
    made = fixed_structure(TWO, runs, None, "found")
    prior = drawn_truths(made, runs, 20, 9)
    drawn = truths_like(made, prior, 4, 10)
    assert drawn["offset_z"].sizes == {"chain": 1, "draw": 4, "cluster": 5}
    assert not np.isin(drawn["offset_z"], prior["offset_z"]).any()
    assert np.isin(drawn["sigma"], prior["sigma"]).all()


def test_without_doubted_fits_the_others_are_left() -> None:
    data = xr.Dataset(
        {"A": (("chain", "draw"), [[0.1, 0.5, 0.9]])}, {"chain": [0], "draw": [0, 2, 3]}
    )
    remarks = pd.DataFrame({"simulation": [1, 2], "remark": ["failed", "not mixed"]})
    found = Calibration("n", xr.DataTree.from_dict({"prior_sbc": data}), remarks).trusted()
    assert found.places["draw"].to_numpy().tolist() == [0, 3]
    assert found.places["A"].to_numpy().tolist() == [[0.1, 0.9]]
    assert found.remarks.empty


def test_the_first_truths_are_the_same_however_many_are_drawn() -> None:
    """Or a calibration that goes on would repeat what it has done, with other truths."""
    made = fixed_structure(LAW, DESIGN, normal, None)
    few, many = (drawn_truths(made, DESIGN, count, 0) for count in (3, 5))
    assert many.isel(draw=slice(3)).equals(few)
    few, many = (truths_like(made, many, count, 1) for count in (2, 4))
    assert many.isel(draw=slice(2)).equals(few)
