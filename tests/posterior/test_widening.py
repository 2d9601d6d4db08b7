"""Widening: draws of the law are stretched to what resampling gives, and no further."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from numpy.testing import assert_allclose, assert_array_equal

import bayescale as bs
from bayescale.fitting.fit import fit
from bayescale.fitting.record import Fit
from bayescale.inference.coordinates import (
    as_dataset,
    blocks_of,
    draw_prior_points,
    points_of,
    values_and_log_prior,
)
from bayescale.inference.structure import Structure, build_structure
from bayescale.likelihoods import NORMAL, VARIANCE_FUNCTION
from bayescale.models import LAWS
from bayescale.posterior.draws import Draws
from bayescale.posterior.jackknife import case_log_likelihood, resampling_unit
from bayescale.posterior.pointwise import log_likelihood, per_run
from bayescale.posterior.quantities import quantities
from bayescale.posterior.widening import of_law, stretch, widen
from bayescale.priors import Normal
from bayescale.spec.law import Law
from tests.designs import FORMS, simulated, with_columns

CHAINS, DRAWS = 4, 1000
COUNT = CHAINS * DRAWS
SIGMA = 0.02
LINE = Law(
    name="line",
    title="A straight line in the logarithms",
    formula=lambda params, height, slope: np.exp(height + slope * np.log(params)),
    inputs=("params",),
    priors={name: Normal(mu=0.0, sigma=10.0) for name in ("height", "slope")},
    coefficients=lambda units, height, slope: {"height": height, "slope": slope},
    reference="none",
)
ERROR = 5 / np.sqrt(2 * COUNT)
"""Five relative standard errors of a standard deviation of so many draws."""


def line_runs(signs: np.ndarray, *, copies: int = 1, scatter: float = SIGMA) -> pd.DataFrame:
    """Runs half at ``1/e`` and half at ``e``, that many scatters off a level line; and copies."""
    runs = pd.DataFrame({"params": np.exp(np.resize([-1.0, 1.0], len(signs)))})
    runs["loss"] = np.exp(scatter * signs)
    runs["setting"] = [f"setting {row}" for row in range(len(runs))]
    return pd.concat([runs] * copies, ignore_index=True)


def balanced(count: int) -> np.ndarray:
    """Signs that cancel at both ends of the line, so that the line through them is level."""
    return np.resize([1.0, 1.0, -1.0, -1.0], count)


def line_draws(runs: pd.DataFrame, clusters: str | None = None) -> Draws:
    """Draws of the exact posterior of a line with Normal scatter and hardly any prior.

    The scatter is known to one in a thousand: slopes of log likelihoods are then as planted.
    """
    structure = build_structure(LINE, runs, NORMAL, clusters=clusters)
    design = np.column_stack([np.ones(len(runs)), np.log(runs["params"])])
    middle, *_ = np.linalg.lstsq(design, np.log(runs["loss"]), rcond=None)
    rng = np.random.default_rng(11)
    factor = np.linalg.cholesky(np.linalg.inv(design.T @ design))
    law = middle + SIGMA * rng.standard_normal((COUNT, 2)) @ factor.T
    sigma = np.log(SIGMA) + 1e-3 * rng.standard_normal(COUNT)
    values, dims, _ = values_and_log_prior(structure, np.column_stack([law, sigma]))
    return Draws(structure, as_dataset(structure, values, dims, CHAINS), runs)


def cases_of(free: Draws) -> xr.DataArray:
    """Log likelihood of what resampling draws, as for a fit."""
    whole = Draws(free.structure, quantities(free), free.runs)
    unit = resampling_unit(free.structure.clusters)
    return case_log_likelihood(whole, per_run(log_likelihood(whole)), unit)


def widths(free: Draws) -> tuple[np.ndarray, np.ndarray]:
    """How many times as wide height and slope become, and the widened draws of both."""
    wide = widen(free, cases_of(free))
    names = ["height", "slope"]
    own, after = (
        draws[names].to_array().to_numpy().reshape(2, -1) for draws in (free.posterior, wide)
    )
    return after.std(axis=1) / own.std(axis=1), after


@pytest.mark.parametrize("copies", [1, 2, 4, 9])
def test_copies_of_runs_count_once(copies: int) -> None:
    """Each of 40 runs repeated k times as a cluster: the posterior is root k too narrow.

    All residuals are as large as the model says, so that resampling n clusters gives k n / (n - 1)
    times the variance, with the finite sample correction; except for what covariances of 4,000
    draws are wrong by. These are of two kinds: a relative error of the standard deviation as of one
    of draws, and noise of all n covariances that adds up to (2 / 4,000) of the variance.
    """
    settings = 40
    runs = line_runs(balanced(settings), copies=copies)
    wider, _ = widths(line_draws(runs, clusters="setting" if copies > 1 else None))
    expected = np.sqrt(copies * settings / (settings - 1))
    assert_allclose(wider, expected, rtol=ERROR + 2 / COUNT)


@pytest.mark.parametrize("copies", [2, 4])
def test_copies_that_nobody_knows_of_widen_nothing(copies: int) -> None:
    """Without the clusters they are runs like others, and the posterior believes in them."""
    runs = line_runs(balanced(40), copies=copies)
    wider, _ = widths(line_draws(runs))
    expected = np.sqrt(len(runs) / (len(runs) - 1))
    assert_allclose(wider, expected, rtol=ERROR + 2 / COUNT)


@pytest.mark.parametrize("seed", range(5))
def test_runs_as_the_model_says_stretch_little(seed: int) -> None:
    """Independent Normal runs: resampling gives the posterior's variance, apart from chance.

    In a direction u the ratio of variances is the mean of residual^2 (u'z)^2 over the runs, with z
    the runs whitened. The mean square of (u'z)^2 is 2 at most in this design, and a squared Normal
    residual has variance 2: the standard error is sqrt(4 / n). Five of it bound the ratio.
    """
    count = 1000
    free = line_draws(line_runs(np.random.default_rng(seed).standard_normal(count)))
    wider, _ = widths(free)
    assert np.all(wider >= 1 - 1e-9)
    assert np.all(wider < np.sqrt(1 + 5 * np.sqrt(4 / count)) * (1 + ERROR))


def test_draws_that_are_wide_enough_are_left_alone() -> None:
    """Runs that scatter by a third of what the model says: resampling would give narrower ones."""
    free = line_draws(line_runs(balanced(40), scatter=SIGMA / 3))
    wide = widen(free, cases_of(free))
    assert set(wide) == set(free.posterior)
    for name, values in wide.items():
        assert_allclose(values, free.posterior[name], rtol=1e-9, atol=1e-12)


def test_only_directions_that_are_too_narrow_are_stretched() -> None:
    """Both ends of the line err together in each pair: its height is uncertain, its slope is not.

    A pair then has no influence on the slope. What noise of 4,000 draws leaves of it turns the axes
    by so little that draws of the slope move by less than 5 / sqrt(4,000) of their width.
    """
    signs = np.repeat(np.resize([1.0, -1.0], 20), 2)
    runs = line_runs(signs, scatter=3 * SIGMA).assign(setting=np.arange(40) // 2)
    free = line_draws(runs, clusters="setting")
    wider, after = widths(free)
    # Pairs of runs three times as far off as the model says.
    assert_allclose(wider[0], 3 * np.sqrt(2 * 20 / 19), rtol=ERROR + 2 / COUNT)
    slope = free.posterior["slope"].to_numpy().ravel()
    assert np.sqrt(np.mean((after[1] - slope) ** 2)) < 5 / np.sqrt(COUNT) * slope.std()


def test_scatter_is_never_stretched() -> None:
    free = line_draws(line_runs(balanced(40), copies=4), clusters="setting")
    wide = widen(free, cases_of(free))
    assert_allclose(wide["sigma"], free.posterior["sigma"], rtol=1e-12)
    assert not np.allclose(wide["slope"], free.posterior["slope"], rtol=1e-3)


def test_the_middle_stays() -> None:
    free = line_draws(line_runs(balanced(40), copies=4), clusters="setting")
    wide = widen(free, cases_of(free))
    for name in ("height", "slope"):
        assert_allclose(wide[name].mean(), free.posterior[name].mean(), rtol=1e-9, atol=1e-15)


def test_a_fit_has_widened_draws_and_those_of_its_model() -> None:
    runs = line_runs(balanced(40), copies=4)
    short: dict[str, Any] = {"draws": 1000, "chains": 2, "random_seed": 3}
    fitted = fit(LINE, runs, likelihood=NORMAL, clusters="setting", **short)
    plain = fit(LINE, runs, likelihood=NORMAL, clusters=None, **short)
    # Without clusters the model is the same, and so are its draws.
    xr.testing.assert_equal(fitted.as_modelled.posterior, plain.as_modelled.posterior)
    for name in ("height", "slope"):
        ratio = float(fitted.posterior[name].std() / fitted.as_modelled.posterior[name].std())
        assert_allclose(fitted.summary().loc[name, "widened"], ratio, rtol=1e-9)
        # The posterior's scatter is uncertain by 1 / sqrt(2 n), its draws' by 1 / sqrt(2 * 2,000).
        spread = 1 / np.sqrt(2 * len(runs)) + 5 / np.sqrt(2 * 2000)
        assert_allclose(ratio, np.sqrt(4 * 40 / 39), rtol=spread)
    assert_allclose(fitted.summary(all=True).loc["sigma", "widened"], 1.0, rtol=1e-9)
    # The likelihood is that of the model's own draws.
    xr.testing.assert_equal(fitted.log_likelihood, plain.log_likelihood)


# --- the map --------------------------------------------------------------------------------------


def orthogonal(count: int, coordinates: int, seed: int = 1) -> np.ndarray:
    """Draws with mean zero and exactly the identity as covariance."""
    raw = np.random.default_rng(seed).standard_normal((count, coordinates))
    basis, _ = np.linalg.qr(raw - raw.mean(axis=0))
    return np.asarray(basis * np.sqrt(count - 1))


def planted_influence(scale: np.ndarray, cases: int = 12) -> np.ndarray:
    """Influences of cases with mean zero, and the squares of `scale` as resampling covariance."""
    raw = np.random.default_rng(2).standard_normal((cases, len(scale)))
    basis, _ = np.linalg.qr(raw - raw.mean(axis=0))
    return np.asarray((basis * scale).T * np.sqrt((cases - 1) / cases))


def test_each_axis_is_stretched_to_its_own_width_or_not_at_all() -> None:
    moved = orthogonal(500, 4)
    influence = planted_influence(np.array([3.0, 0.2, 1.0, 1.5]))
    assert_allclose(
        stretch(moved, moved @ influence), np.diag([3.0, 1.0, 1.0, 1.5]), rtol=1e-9, atol=1e-9
    )


def test_the_covariance_becomes_that_of_resampling() -> None:
    """Where that is wider in every direction; also between coordinates that are correlated."""
    mix = np.random.default_rng(3).standard_normal((4, 4))
    moved = orthogonal(500, 4) @ mix.T
    surprise = orthogonal(500, 4) @ planted_influence(np.array([3.0, 2.0, 1.1, 1.5]))
    influence = moved.T @ surprise / 499
    expected = influence @ influence.T * 12 / 11
    after = np.cov((moved @ stretch(moved, surprise).T).T)
    assert_allclose(after, expected, rtol=1e-9, atol=1e-9 * abs(expected).max())


def test_no_direction_becomes_narrower() -> None:
    moved = orthogonal(500, 4) @ np.random.default_rng(3).standard_normal((4, 4)).T
    surprise = orthogonal(500, 4) @ planted_influence(np.array([3.0, 0.1, 0.5, 1.5]))
    own, after = np.cov(moved.T), np.cov((moved @ stretch(moved, surprise).T).T)
    sizes = np.linalg.eigvals(np.linalg.solve(own, after))
    assert_allclose(np.sort(sizes.real), [1.0, 1.0, 1.5**2, 3.0**2], rtol=1e-9)


def test_the_map_does_not_depend_on_the_coordinates() -> None:
    moved = orthogonal(500, 3)
    surprise = moved @ planted_influence(np.array([3.0, 0.1, 1.5]))
    turn = np.random.default_rng(4).standard_normal((3, 3))
    expected = turn @ stretch(moved, surprise) @ np.linalg.inv(turn)
    assert_allclose(stretch(moved @ turn.T, surprise), expected, rtol=1e-9, atol=1e-9)


def test_a_chain_that_never_moved_is_returned_as_it_is() -> None:
    free = line_draws(line_runs(balanced(40), copies=4), clusters="setting")
    cases = cases_of(free)
    stuck = free.posterior.isel(chain=[0] * CHAINS, draw=[0] * DRAWS).assign_coords(
        {dim: free.posterior[dim] for dim in ("chain", "draw")}
    )
    wide = widen(Draws(free.structure, stuck, free.runs), cases)
    for name, values in stuck.items():
        assert_allclose(wide[name], values, rtol=1e-12, atol=1e-15)


def test_fewer_draws_than_coordinates_stretch_nothing() -> None:
    rng = np.random.default_rng(5)
    moved, surprise = rng.standard_normal((40, 60)), rng.standard_normal((40, 9))
    moved, surprise = moved - moved.mean(axis=0), surprise - surprise.mean(axis=0)
    assert_array_equal(stretch(moved, surprise), np.eye(60))


# --- coordinates ----------------------------------------------------------------------------------


def kinds() -> dict[str, tuple[Law, dict[str, Any]]]:
    """Every kind of structure: all laws, and groups of every kind."""
    every: dict[str, tuple[Law, dict[str, Any]]] = {name: (law, {}) for name, law in FORMS.items()}
    grouped: dict[str, Any] = {"groups": "corpus"}
    return every | {
        "line": (LINE, {}),
        "parts of the scatter": (LAWS["chinchilla"], {"likelihood": VARIANCE_FUNCTION}),
        "partial": (LAWS["chinchilla"], grouped),
        "separate": (LAWS["chinchilla"], {**grouped, "pool": "separate"}),
        "mixed": (LAWS["chinchilla"], {**grouped, "pool": {"alpha": "separate", "beta": "shared"}}),
        "partial stage": (LAWS["error_ladder"], grouped),
    }


def structure_of(law: Law, choices: dict[str, Any]) -> tuple[Structure, pd.DataFrame]:
    runs = simulated(law, noise=0.01, seed=1, each=6 if len(law.inputs) > 1 else 24)
    runs = with_columns(law.likelihoods[-1], runs) if law.likelihoods else runs
    runs["corpus"] = np.array(["web", "code", "maths"])[np.arange(len(runs)) % 3]
    return build_structure(law, runs, **choices), runs


every_kind = pytest.mark.parametrize(("law", "choices"), kinds().values(), ids=kinds())


@every_kind
def test_points_come_back_from_their_values(law: Law, choices: dict[str, Any]) -> None:
    structure, runs = structure_of(law, choices)
    points = draw_prior_points(structure, 20, 7)
    values, dims, _ = values_and_log_prior(structure, points)
    free = as_dataset(structure, values, dims, chains=2)
    # Logarithms and their inverses lose a digit or two; so do shares close to zero.
    assert_allclose(points_of(structure, free), points, rtol=1e-8, atol=1e-8)
    # Nor does the order of dims matter, or what else is computed from the draws.
    with np.errstate(all="ignore"):
        complete = quantities(Draws(structure, free, runs))
    turned = complete.transpose(..., "draw", "chain")
    assert_allclose(points_of(structure, turned), points, rtol=1e-8, atol=1e-8)


@every_kind
def test_only_scatter_does_not_belong_to_the_law(law: Law, choices: dict[str, Any]) -> None:
    structure, _ = structure_of(law, choices)
    names = np.repeat(
        [block.name for block in blocks_of(structure)],
        [block.size for block in blocks_of(structure)],
    )
    scatter = {*structure.likelihood.priors_for(law.inputs)}
    if structure.stage is not None:
        own = structure.stage.likelihood.priors_for(structure.stage.law.inputs)
        scatter |= {f"{structure.stage.prefix}{name}" for name in own}
    assert_array_equal(of_law(structure), [name not in scatter for name in names])
    assert 0 < of_law(structure).sum() < len(names)


def test_a_stage_is_widened_with_its_law() -> None:
    """Runs that err in pairs, in both laws: draws of the stage are stretched as well."""
    law = LAWS["error_ladder"]
    structure, runs = structure_of(law, {})
    assert structure.stage is not None
    points = draw_prior_points(structure, 400, 8)
    values, dims, _ = values_and_log_prior(structure, points)
    free = Draws(structure, as_dataset(structure, values, dims, chains=2), runs)
    staged = of_law(structure) & np.array(
        [
            block.name.startswith(structure.stage.prefix)
            for block in blocks_of(structure)
            for _ in range(block.size)
        ]
    )
    # Cases whose log likelihood is so many times a coordinate of the stage.
    (column, *_) = np.flatnonzero(staged)
    moved = points[:, column] - points[:, column].mean()
    slopes = 4 / moved.var(ddof=1) ** 0.5 * np.resize([1.0, -1.0], 8) / np.sqrt(8)
    cases = xr.DataArray(
        (moved[:, None] * slopes).reshape(2, -1, 8), dims=("chain", "draw", "case")
    )
    after = points_of(structure, widen(free, cases))
    ratio = after.std(axis=0) / points.std(axis=0)
    assert_allclose(ratio[column], 4 * np.sqrt(8 / 7), rtol=1e-6)
    assert_allclose(after[:, ~of_law(structure)], points[:, ~of_law(structure)], rtol=1e-8)


# --- files ----------------------------------------------------------------------------------------


def test_the_draws_of_the_model_are_saved(small_fit: Fit, tmp_path: Path) -> None:
    path = tmp_path / "fit.nc"
    small_fit.save(path)
    loaded = bs.load(path)
    own = loaded.tree["model_posterior"].to_dataset()
    xr.testing.assert_identical(own, small_fit.tree["model_posterior"].to_dataset())
    xr.testing.assert_identical(loaded.as_modelled.posterior, own)
    assert not loaded.as_modelled.posterior.equals(loaded.posterior)
    assert_allclose(loaded.summary()["widened"], small_fit.summary()["widened"])
