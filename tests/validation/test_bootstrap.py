from typing import Any

import numpy as np
import pandas as pd
import pytest

from bayescale.errors import DataError, LawError
from bayescale.fitting.record import Fit
from bayescale.inference.record import Sampling
from bayescale.inference.structure import build_structure
from bayescale.likelihoods import NORMAL
from bayescale.models import LAWS
from bayescale.posterior.draws import SAMPLE_DIMS
from bayescale.runs.read import runs_for
from bayescale.validation.bootstrap import CLUSTER_COLUMN, bootstrap, resampled
from bayescale.validation.sweep import Parallel
from tests.designs import simulated

LAW = LAWS["power_law"]
RUNS = simulated(LAW, noise=0.02, seed=3, each=24)
SAMPLED: dict[str, Any] = {"sampling": Sampling(200, 300, 2), "parallel": Parallel(jobs=1)}
SHORT: dict[str, Any] = {"likelihood": NORMAL, "clusters": None, **SAMPLED}


def slopes(fitted: Fit) -> dict[str, float]:
    """The exponent's mean with its Monte Carlo error, and the line through the same runs."""
    import arviz_stats

    draws = fitted.posterior["alpha"]
    x, y = np.log(fitted.runs["x"]), np.log(fitted.runs[LAW.response])
    return {
        "alpha": float(draws.mean(SAMPLE_DIMS)),
        "mcse": float(arviz_stats.mcse(draws).item()),
        "line": -float(np.polyfit(x, y, 1)[0]),
    }


def failing(fitted: Fit) -> dict[str, float]:
    raise RuntimeError("nothing to see")


def even(fitted: Fit) -> dict[str, float]:
    if fitted.random_seed % 2:
        raise RuntimeError("an odd seed")
    return {"seed": fitted.random_seed}


def cluster_count(fitted: Fit) -> dict[str, int]:
    clusters = fitted.structure.clusters
    return {"clusters": 0 if clusters is None else len(clusters.labels)}


def clustered() -> pd.DataFrame:
    names = np.repeat(["a", "b", "c", "d", "e", "f", ""], [4, 1, 4, 4, 4, 4, 3])
    return RUNS.assign(**{CLUSTER_COLUMN: names})


def test_every_resample_is_fitted_by_itself() -> None:
    resamples = bootstrap(LAW, RUNS, resamples=6, of=slopes, random_seed=1, **SHORT)
    values = resamples.values
    assert values.sizes == {"resample": 6}
    # The priors are worth less than a thousandth of these runs: with Normal scatter the mean is the
    # line, within four of its Monte Carlo errors.
    assert (abs(values["alpha"] - values["line"]) < 4 * values["mcse"]).all()
    assert float(values["mcse"].max()) < 0.3 * float(resamples.sd["line"])
    np.testing.assert_allclose(resamples.sd["line"], np.std(values["line"], ddof=1))


def test_resamples_follow_from_the_seed() -> None:
    one, same, other = (
        bootstrap(LAW, RUNS, resamples=1, random_seed=seed, **SHORT).values for seed in (1, 1, 2)
    )
    assert one.identical(same)
    assert one.attrs["random_seed"] == 1
    assert set(one) >= {"A", "alpha", "sigma"}
    assert not np.isclose(one["alpha"], other["alpha"], rtol=1e-6)


def test_what_fails_is_remarked_on() -> None:
    resamples = bootstrap(LAW, RUNS, resamples=4, of=even, random_seed=1, **SHORT)
    failed = resamples.remarks["remark"].str.contains("an odd seed")
    assert set(resamples.remarks["resample"][failed]) | set(
        resamples.values["resample"].values
    ) == {*range(4)}
    assert 0 < failed.sum() < 4


def test_nothing_that_could_be_fitted_is_an_error() -> None:
    with pytest.raises(DataError, match=r"no resample could be fitted.*nothing to see"):
        bootstrap(LAW, RUNS, resamples=1, of=failing, **SHORT)


def test_single_runs_are_drawn_with_replacement() -> None:
    drawn = resampled(RUNS, np.random.default_rng(0))
    assert len(drawn) == len(RUNS)
    assert 0 < drawn.duplicated().sum() < len(RUNS)
    assert len(drawn.merge(RUNS)) == len(RUNS)


def test_whole_clusters_are_drawn_and_copies_have_their_own_names() -> None:
    runs = clustered()
    whole: dict[float, Any] = {
        rows["x"].min(): rows for _, rows in runs.groupby(CLUSTER_COLUMN) if _
    }
    drawn = resampled(runs, np.random.default_rng(2), "cluster")
    copies = [rows for name, rows in drawn.groupby(CLUSTER_COLUMN) if name]
    seen = [rows["x"].min() for rows in copies]
    assert len(set(seen)) < len(seen)
    for first, rows in zip(seen, copies, strict=True):
        np.testing.assert_array_equal(rows[LAW.response], whole[first][LAW.response])
    # Six clusters and three runs in none are nine things to draw.
    assert len(copies) + int((drawn[CLUSTER_COLUMN] == "").sum()) == 9


def test_clusters_that_are_not_there_cannot_be_drawn() -> None:
    with pytest.raises(DataError, match="make no clusters"):
        bootstrap(LAW, RUNS, resample="cluster", **SHORT)
    with pytest.raises(LawError, match="resample is 'clusters'; expected 'run' or 'cluster'"):
        bootstrap(LAW, RUNS, resample="clusters", **SHORT)


def test_resampled_clusters_are_fitted_as_clusters(simulated_runs: pd.DataFrame) -> None:
    law = LAWS["chinchilla"]
    clusters = build_structure(law, runs_for(law, simulated_runs)).clusters
    assert clusters is not None
    assert "" not in clusters.names(simulated_runs)  # every run is in one
    options: dict[str, Any] = {"resamples": 2, "resample": "cluster", "of": cluster_count}
    resamples = bootstrap(law, simulated_runs, random_seed=1, **options, **SAMPLED)
    assert resamples.values["clusters"].to_numpy().tolist() == [len(clusters.labels)] * 2
