from dataclasses import replace

import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr
from scipy.signal import lfilter

from bayescale import sampling
from bayescale.diagnosis import mixed
from bayescale.errors import ConvergenceError, LawError
from bayescale.law import Law
from bayescale.likelihood import normal
from bayescale.models.chinchilla import CHINCHILLA
from bayescale.priors import Prior
from bayescale.resampling import CAREFUL, sample_carefully
from bayescale.sampling import USUAL, Sampled, Settings, sample
from bayescale.structure import Structure, structure
from tests.designs import simulated

RUNS = simulated(CHINCHILLA, noise=0.01, seed=4, each=5)
MADE = structure(CHINCHILLA, normal(CHINCHILLA.inputs), RUNS)
SUM = Law(
    name="sum",
    title="One coefficient of two parameters",
    formula=lambda params, level: 0.0 * params + level,
    inputs=("params",),
    priors={name: Prior(pm.Normal, mu=0.0, sigma=1.0) for name in ("alpha", "beta")},
    coefficients=lambda units, alpha, beta: {"level": np.exp(alpha + beta)},
    reference="none",
)
SUMMED = structure(SUM, normal(SUM.inputs), RUNS)
SHORT = Settings(draws=50, tune=100, chains=2, random_seed=1)


def fake(diverging: dict[float, int], asked: list[float]) -> sampling.Sampler:
    """A sampler with so many divergences at each acceptance, and independent draws."""

    def sampler(made: Structure, runs: object, settings: Settings) -> Sampled:
        target = settings.target_accept or USUAL
        asked.append(target)
        flags = np.arange(10) < diverging[target]
        stats = xr.Dataset({"diverging": (("chain", "draw"), flags[None, :])})
        seconds = {"compile": 1.0, "sample": 2.0}
        return Sampled(walks(settings, step=np.inf), stats, seconds, "fake", target, settings.tune)

    return sampler


def walks(settings: Settings, *, step: float) -> xr.Dataset:
    """Chains of an autoregression that takes about `step` draws to forget, beside a fast one."""
    shape = (settings.chains, settings.draws)
    rng = np.random.default_rng(settings.random_seed)
    noise, fast = rng.standard_normal(shape), rng.standard_normal(shape)
    values = noise if step == np.inf else lfilter([1], [1, -np.exp(-1 / step)], noise)
    every = {"alpha": values, "beta": fast, "sigma": np.exp(fast)}
    draws = {name: (("chain", "draw"), each) for name, each in every.items()}
    return xr.Dataset(draws, {"draw": np.arange(settings.draws)})


def slow(asked: list[Settings], *, step: float) -> sampling.Sampler:
    """A sampler without divergences but in draw 5, where it is asked for more than usual."""

    def sampler(made: Structure, runs: object, settings: Settings) -> Sampled:
        asked.append(settings)
        posterior = walks(settings, step=step)
        flags = xr.zeros_like(posterior["alpha"], dtype=bool)
        flags[0, 5] = len(asked) > 1
        stats = xr.Dataset({"diverging": flags, "energy": posterior["alpha"]})
        return Sampled(
            posterior, stats, {"compile": 1.0, "sample": 2.0}, "fake", USUAL, settings.tune
        )

    return sampler


def test_draws_too_much_alike_are_drawn_longer_and_thinned() -> None:
    asked: list[Settings] = []
    # 4,000 draws that take 40 to forget are worth about 50.
    drawn = sample_carefully(slow(asked, step=40), SUMMED, RUNS, Settings())
    assert [(s.draws, s.tune) for s in asked] == [(1000, 800), (4000, 1600)]
    assert drawn.posterior.sizes == drawn.sample_stats.sizes == {"chain": 4, "draw": 1000}
    every_fourth = walks(asked[1], step=40)["alpha"][:, ::4]
    np.testing.assert_array_equal(drawn.posterior["alpha"], every_fourth)
    np.testing.assert_array_equal(drawn.sample_stats["energy"], every_fourth)
    assert drawn.posterior["draw"].to_numpy().tolist() == list(range(1000))
    # The divergence was in a draw that is not kept, and still counts.
    assert np.argwhere(drawn.sample_stats["diverging"].to_numpy()).tolist() == [[0, 1]]
    assert drawn.seconds == {"compile": 2.0, "sample": 4.0}


def test_a_coefficient_that_mixes_worse_than_its_parameters_is_drawn_longer() -> None:
    """Two parameters that make up for one another: each forgets at once, and their sum does not."""
    asked: list[Settings] = []
    mixing = slow(asked, step=40)

    def sampler(made: Structure, runs: pd.DataFrame, settings: Settings) -> Sampled:
        drawn = mixing(made, runs, settings)
        slowly, fast = drawn.posterior["alpha"], drawn.posterior["beta"]
        apart = drawn.posterior.assign(alpha=10 * fast, beta=0.01 * slowly - 10 * fast)
        return replace(drawn, posterior=apart)

    assert mixed(sampler(SUMMED, RUNS, Settings()).posterior)
    asked.clear()
    sample_carefully(sampler, SUMMED, RUNS, Settings())
    assert [each.draws for each in asked] == [1000, 4000]


def test_groups_are_not_drawn_longer() -> None:
    asked: list[Settings] = []
    grouped = replace(SUMMED, by="corpus", groups=("a", "b"))
    sample_carefully(slow(asked, step=40), grouped, RUNS, Settings())
    assert len(asked) == 1


@pytest.mark.parametrize("settings", [Settings(draws=300), Settings(target_accept=0.9)])
def test_few_draws_and_an_acceptance_asked_for_are_left_alone(settings: Settings) -> None:
    asked: list[Settings] = []
    drawn = sample_carefully(slow(asked, step=40), SUMMED, RUNS, settings)
    assert asked == [settings]
    assert drawn.posterior.sizes["draw"] == settings.draws


def test_sampling_without_divergences_is_done_once() -> None:
    asked: list[float] = []
    drawn = sample_carefully(fake({USUAL: 0}, asked), SUMMED, RUNS, Settings())
    assert asked == [USUAL]
    assert drawn.seconds == {"compile": 1.0, "sample": 2.0}


def test_divergences_are_answered_with_smaller_steps_once_whatever_that_shows() -> None:
    asked: list[float] = []
    drawn = sample_carefully(fake({USUAL: 1, CAREFUL: 3}, asked), SUMMED, RUNS, Settings())
    assert asked == [USUAL, CAREFUL]
    assert int(drawn.sample_stats["diverging"].sum()) == 3
    assert drawn.target_accept == CAREFUL
    assert drawn.seconds == {"compile": 2.0, "sample": 4.0}


def test_an_acceptance_that_was_asked_for_is_kept() -> None:
    asked: list[float] = []
    settings = Settings(target_accept=0.8)
    drawn = sample_carefully(fake({0.8: 5}, asked), SUMMED, RUNS, settings)
    assert asked == [0.8]
    assert int(drawn.sample_stats["diverging"].sum()) == 5


def test_draws_have_the_shape_and_the_names_that_were_asked_for() -> None:
    drawn = sample(MADE, RUNS, SHORT)
    assert drawn.posterior.sizes["chain"] == 2
    assert drawn.posterior.sizes["draw"] == 50
    assert set(drawn.posterior) == {"level", "share", "alpha", "beta", "sigma"}
    assert list(drawn.posterior["share_part"].values) == ["irreducible", "model", "data"]
    assert set(drawn.seconds) == {"compile", "sample"}


def test_chains_start_apart_and_seeds_differ() -> None:
    drawn = sample(MADE, RUNS, SHORT)
    other = sample(MADE, RUNS, replace(SHORT, random_seed=2))
    assert not drawn.posterior["alpha"][0].equals(drawn.posterior["alpha"][1])
    assert not drawn.posterior["alpha"].equals(other.posterior["alpha"])


@pytest.mark.parametrize(("told", "threads"), [("3", 3), ("2,1", 2), ("0", 7), ("", 7), ("x", 7)])
def test_a_process_has_the_threads_it_was_told_of_or_all(
    told: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", told)
    monkeypatch.setattr(sampling.os, "cpu_count", lambda: 7)
    assert sampling._threads() == threads


def test_progress_is_reported_while_sampling() -> None:
    seen: list[int] = []

    def look(states: list[object]) -> None:
        seen.append(sum(state.finished_draws for state in states))

    sample(MADE, RUNS, replace(SHORT, draws=4000, progress=look))
    assert seen
    assert max(seen) > 0


def test_a_density_that_is_not_finite_at_the_start_is_refused() -> None:
    broken = Law(
        name="broken",
        title="Negative losses",
        formula=lambda params, level: 0.0 * params - level,
        inputs=("params",),
        priors={"level": Prior(CHINCHILLA.priors["level"].distribution, mu=0.0, sigma=0.5)},
        coefficients=lambda units, level: {"level": level},
        reference="none",
    )
    made = structure(broken, normal(("params",)), RUNS)
    with pytest.raises(ConvergenceError, match="log density is nan at the middle of the priors"):
        sample(made, RUNS, SHORT)


@pytest.mark.parametrize("wrong", [{"draws": 3}, {"tune": 0}, {"chains": 0}])
def test_settings_that_cannot_be_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(LawError, match=next(iter(wrong))):
        Settings(**wrong)
