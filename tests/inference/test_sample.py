from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.signal import lfilter

from bayescale.errors import ConvergenceError, LawError
from bayescale.fitting.refits import sample_carefully
from bayescale.inference import nuts as module
from bayescale.inference.nuts import TARGET_ACCEPT
from bayescale.inference.record import Sampled, Sampler, Sampling, Settings
from bayescale.inference.sample import SAMPLERS
from bayescale.inference.structure import Structure, build_structure
from bayescale.likelihoods import NORMAL
from bayescale.models.size_and_data.chinchilla import CHINCHILLA
from bayescale.posterior.convergence import chains_mixed
from bayescale.priors import Normal, Prior
from bayescale.spec.law import Law
from tests.designs import simulated

RUNS = simulated(CHINCHILLA, noise=0.01, seed=4, each=5)
STRUCTURE = build_structure(CHINCHILLA, RUNS, NORMAL)
SUM = Law(
    name="sum",
    title="One coefficient of two parameters",
    formula=lambda params, level: 0.0 * params + level,
    inputs=("params",),
    priors={name: Normal(mu=0.0, sigma=1.0) for name in ("alpha", "beta")},
    coefficients=lambda units, alpha, beta: {"level": np.exp(alpha + beta)},
    reference="none",
)
SUMMED = build_structure(SUM, RUNS, NORMAL)
SHORT = Settings(Sampling(draws=50, tune=100, chains=2), random_seed=1)
CAREFUL = 0.99  # target acceptance of the second try


def diverging(counts: dict[float, int], targets: list[float]) -> Sampler:
    """A sampler with so many divergences at each acceptance, and independent draws."""

    def sampler(structure: Structure, runs: object, settings: Settings) -> Sampled:
        target = settings.target_accept or TARGET_ACCEPT
        targets.append(target)
        flags = np.arange(10) < counts[target]
        stats = xr.Dataset({"diverging": (("chain", "draw"), flags[None, :])})
        return sampled(walks(settings, step=np.inf), stats, target, settings)

    return sampler


def walks(settings: Settings, *, step: float) -> xr.Dataset:
    """Chains of an autoregression that takes about `step` draws to forget, beside a fast one."""
    shape = (settings.sampling.chains, settings.sampling.draws)
    rng = np.random.default_rng(settings.random_seed)
    noise, fast = rng.standard_normal(shape), rng.standard_normal(shape)
    values = noise if step == np.inf else lfilter([1], [1, -np.exp(-1 / step)], noise)
    named = {"alpha": values, "beta": fast, "sigma": np.exp(fast)}
    draws = {name: (("chain", "draw"), array) for name, array in named.items()}
    return xr.Dataset(draws, {"draw": np.arange(settings.sampling.draws)})


def slow(calls: list[Settings], *, step: float) -> Sampler:
    """A sampler without divergences, except in draw 5 of its second call."""

    def sampler(structure: Structure, runs: object, settings: Settings) -> Sampled:
        calls.append(settings)
        posterior = walks(settings, step=step)
        flags = xr.zeros_like(posterior["alpha"], dtype=bool)
        flags[0, 5] = len(calls) > 1
        stats = xr.Dataset({"diverging": flags, "energy": posterior["alpha"]})
        return sampled(posterior, stats, TARGET_ACCEPT, settings)

    return sampler


def sampled(posterior: xr.Dataset, stats: xr.Dataset, target: float, settings: Settings) -> Sampled:
    return Sampled(
        posterior=posterior,
        sample_stats=stats,
        seconds={"compile": 1.0, "sample": 2.0},
        library="fake",
        target_accept=target,
        tune=settings.sampling.tune,
    )


def test_correlated_draws_are_sampled_longer_and_thinned() -> None:
    calls: list[Settings] = []
    # 4,000 draws that take 40 to forget are worth about 50.
    drawn = sample_carefully(slow(calls, step=40), SUMMED, RUNS, Settings())
    sizes = [(s.sampling.draws, s.sampling.tune) for s in calls]
    assert sizes == [(1000, 800), (4000, 1600)]
    assert drawn.thin == 4
    assert drawn.posterior.sizes == drawn.sample_stats.sizes == {"chain": 4, "draw": 1000}
    every_fourth = walks(calls[1], step=40)["alpha"][:, ::4]
    np.testing.assert_array_equal(drawn.posterior["alpha"], every_fourth)
    np.testing.assert_array_equal(drawn.sample_stats["energy"], every_fourth)
    assert drawn.posterior["draw"].to_numpy().tolist() == list(range(1000))
    # The divergence was in a draw that is not kept, and still counts.
    assert np.argwhere(drawn.sample_stats["diverging"].to_numpy()).tolist() == [[0, 1]]
    assert drawn.seconds == {"compile": 2.0, "sample": 4.0}


def test_importance_that_stays_correlated_leaves_the_work_to_nuts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[Settings] = []
    mixing = slow(calls, step=40)

    def importance(structure: Structure, runs: pd.DataFrame, settings: Settings) -> Sampled:
        drawn = mixing(structure, runs, settings)
        stats = drawn.sample_stats.drop_vars("diverging")
        return replace(drawn, sample_stats=stats, way="importance")

    def nuts(structure: Structure, runs: pd.DataFrame, settings: Settings) -> Sampled:
        return replace(slow([], step=1)(structure, runs, settings), way="nuts")

    monkeypatch.setitem(SAMPLERS, "importance", importance)
    monkeypatch.setitem(SAMPLERS, "nuts", nuts)
    drawn = sample_carefully(importance, SUMMED, RUNS, Settings())
    assert [settings.sampling.draws for settings in calls] == [1000, 4000]
    assert drawn.way == "nuts"
    assert "4000 draws" in drawn.reason
    named = Settings(Sampling(sampler="importance"))
    assert sample_carefully(importance, SUMMED, RUNS, named).way == "importance"


def test_a_coefficient_that_mixes_worse_than_its_parameters_is_sampled_longer() -> None:
    """Two parameters that compensate each other: both forget at once, and their sum does not."""
    calls: list[Settings] = []
    mixing = slow(calls, step=40)

    def sampler(structure: Structure, runs: pd.DataFrame, settings: Settings) -> Sampled:
        drawn = mixing(structure, runs, settings)
        slowly, fast = drawn.posterior["alpha"], drawn.posterior["beta"]
        apart = drawn.posterior.assign(alpha=10 * fast, beta=0.01 * slowly - 10 * fast)
        return replace(drawn, posterior=apart)

    assert chains_mixed(sampler(SUMMED, RUNS, Settings()).posterior)
    calls.clear()
    sample_carefully(sampler, SUMMED, RUNS, Settings())
    assert [settings.sampling.draws for settings in calls] == [1000, 4000]


def test_groups_are_not_sampled_longer() -> None:
    calls: list[Settings] = []
    grouped = replace(SUMMED, by="corpus", groups=("a", "b"))
    sample_carefully(slow(calls, step=40), grouped, RUNS, Settings())
    assert len(calls) == 1


@pytest.mark.parametrize("settings", [Settings(Sampling(draws=300)), Settings(target_accept=0.9)])
def test_few_draws_and_a_given_acceptance_are_kept(settings: Settings) -> None:
    calls: list[Settings] = []
    drawn = sample_carefully(slow(calls, step=40), SUMMED, RUNS, settings)
    assert calls == [settings]
    assert drawn.posterior.sizes["draw"] == settings.sampling.draws


def test_sampling_without_divergences_is_done_once() -> None:
    targets: list[float] = []
    drawn = sample_carefully(diverging({TARGET_ACCEPT: 0}, targets), SUMMED, RUNS, Settings())
    assert targets == [TARGET_ACCEPT]
    assert drawn.seconds == {"compile": 1.0, "sample": 2.0}


def test_divergences_are_answered_with_smaller_steps_once_whatever_the_result() -> None:
    targets: list[float] = []
    counts = {TARGET_ACCEPT: 1, CAREFUL: 3}
    drawn = sample_carefully(diverging(counts, targets), SUMMED, RUNS, Settings())
    assert targets == [TARGET_ACCEPT, CAREFUL]
    assert int(drawn.sample_stats["diverging"].sum()) == 3
    assert drawn.target_accept == CAREFUL
    assert drawn.seconds == {"compile": 2.0, "sample": 4.0}


def test_a_given_acceptance_is_kept_when_trajectories_diverge() -> None:
    targets: list[float] = []
    settings = Settings(target_accept=0.8)
    drawn = sample_carefully(diverging({0.8: 5}, targets), SUMMED, RUNS, settings)
    assert targets == [0.8]
    assert int(drawn.sample_stats["diverging"].sum()) == 5


every_way = pytest.mark.parametrize("way", ["auto", "importance", "nuts"])


@every_way
def test_draws_have_their_shape_and_names(way: str) -> None:
    drawn = SAMPLERS[way](STRUCTURE, RUNS, SHORT)
    assert drawn.posterior.sizes["chain"] == 2
    assert drawn.posterior.sizes["draw"] == 50
    assert set(drawn.posterior) == {"level", "share", "alpha", "beta", "sigma"}
    assert list(drawn.posterior["share_part"].values) == ["irreducible", "model", "data"]
    assert set(drawn.seconds) == {"compile", "sample"}


@every_way
def test_chains_start_apart_and_seeds_differ(way: str) -> None:
    drawn = SAMPLERS[way](STRUCTURE, RUNS, SHORT)
    assert SAMPLERS[way](STRUCTURE, RUNS, SHORT).posterior.equals(drawn.posterior)
    other = SAMPLERS[way](STRUCTURE, RUNS, replace(SHORT, random_seed=2))
    assert not drawn.posterior["alpha"][0].equals(drawn.posterior["alpha"][1])
    assert not drawn.posterior["alpha"].equals(other.posterior["alpha"])


@pytest.mark.parametrize(("limit", "threads"), [("3", 3), ("2,1", 2), ("0", 7), ("", 7), ("x", 7)])
def test_a_process_uses_the_threads_of_its_limit_or_all(
    limit: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", limit)
    monkeypatch.setattr(module.os, "cpu_count", lambda: 7)
    assert module._threads() == threads


def test_progress_is_reported_while_sampling() -> None:
    seen: list[int] = []

    def look(states: list[object]) -> None:
        seen.append(sum(state.finished_draws for state in states))

    longer = replace(SHORT.sampling, draws=4000)
    SAMPLERS["nuts"](STRUCTURE, RUNS, replace(SHORT, sampling=longer, progress=look))
    assert seen
    assert max(seen) > 0


@every_way
def test_a_density_that_is_not_finite_at_the_start_is_refused(way: str) -> None:
    broken = Law(
        name="broken",
        title="Negative losses",
        formula=lambda params, level: 0.0 * params - level,
        inputs=("params",),
        priors={"level": Prior(CHINCHILLA.priors["level"].distribution, mu=0.0, sigma=0.5)},
        coefficients=lambda units, level: {"level": level},
        reference="none",
    )
    structure = build_structure(broken, RUNS, NORMAL)
    with pytest.raises(ConvergenceError, match=r"log density is .* middle of the priors"):
        SAMPLERS[way](structure, RUNS, SHORT)


@pytest.mark.parametrize("wrong", [{"draws": 3}, {"tune": 0}, {"chains": 0}])
def test_too_little_sampling_is_refused(wrong: dict[str, int]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(LawError, match=f"{name}={value}.*at least 4 draws, 1 tuning draw and 1"):
        Sampling(**wrong)
