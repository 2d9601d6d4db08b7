from typing import Any

import numpy as np
import pandas as pd
import pytest

from bayescale.bootstrapping import CLUSTER, bootstrap, resampled
from bayescale.draws import SAMPLE_DIMS
from bayescale.errors import DataError
from bayescale.fitting import Fit
from bayescale.likelihood import normal
from bayescale.models import LAWS
from tests.designs import simulated

LAW = LAWS["power_law"]
RUNS = simulated(LAW, noise=0.02, seed=3, each=24)
SHORT = {"likelihood": normal, "clusters": None, "draws": 200, "tune": 300, "jobs": 1}


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


def clustered() -> pd.DataFrame:
    names = np.repeat(["a", "b", "c", "d", "e", "f", ""], [4, 1, 4, 4, 4, 4, 3])
    return RUNS.assign(**{CLUSTER: names})


def test_every_resample_is_fitted_by_itself() -> None:
    found = bootstrap(LAW, RUNS, resamples=6, of=slopes, random_seed=1, **SHORT)
    values = found.values
    assert values.sizes == {"resample": 6}
    # The priors are worth less than a thousandth of these runs: with Normal scatter the mean is the
    # line, within four of its Monte Carlo errors.
    assert (abs(values["alpha"] - values["line"]) < 4 * values["mcse"]).all()
    assert float(values["mcse"].max()) < 0.3 * float(found.sd["line"])
    np.testing.assert_allclose(found.sd["line"], np.std(values["line"], ddof=1))


def test_the_seed_says_what_is_drawn() -> None:
    one, same, other = (
        bootstrap(LAW, RUNS, resamples=1, random_seed=seed, **SHORT).values for seed in (1, 1, 2)
    )
    assert one.identical(same)
    assert set(one) >= {"A", "alpha", "sigma"}
    assert not np.isclose(one["alpha"], other["alpha"], rtol=1e-6)


def test_what_fails_is_remarked_on() -> None:
    found = bootstrap(LAW, RUNS, resamples=4, of=even, random_seed=1, **SHORT)
    failed = found.remarks["remark"].str.contains("an odd seed")
    assert set(found.remarks["resample"][failed]) | set(found.values["resample"].values) == {
        *range(4)
    }
    assert 0 < failed.sum() < 4


def test_nothing_at_all_is_refused() -> None:
    with pytest.raises(DataError, match=r"no resample could be fitted.*nothing to see"):
        bootstrap(LAW, RUNS, resamples=1, of=failing, **SHORT)


def test_single_runs_are_drawn_with_replacement() -> None:
    drawn = resampled(RUNS, np.random.default_rng(0))
    assert len(drawn) == len(RUNS)
    assert 0 < drawn.duplicated().sum() < len(RUNS)
    assert len(drawn.merge(RUNS)) == len(RUNS)


def test_whole_clusters_are_drawn_and_copies_told_apart() -> None:
    runs = clustered()
    whole: dict[float, Any] = {rows["x"].min(): rows for _, rows in runs.groupby(CLUSTER) if _}
    drawn = resampled(runs, np.random.default_rng(2), by_cluster=True)
    copies = [rows for name, rows in drawn.groupby(CLUSTER) if name]
    seen = [rows["x"].min() for rows in copies]
    assert len(set(seen)) < len(seen)
    for first, rows in zip(seen, copies, strict=True):
        np.testing.assert_array_equal(rows[LAW.response], whole[first][LAW.response])
    # Six clusters and three runs in none are nine things to draw.
    assert len(copies) + int((drawn[CLUSTER] == "").sum()) == 9


def test_clusters_that_are_not_there_cannot_be_drawn() -> None:
    with pytest.raises(DataError, match="make no clusters"):
        bootstrap(LAW, RUNS, by_cluster=True, **SHORT)


def test_resampled_clusters_are_fitted_as_clusters(simulated_runs: pd.DataFrame) -> None:
    law = LAWS["chinchilla"]
    found = bootstrap(
        law, simulated_runs, resamples=1, by_cluster=True, draws=200, tune=300, jobs=1
    )
    assert {"alpha", "offset_sd", "tilt_sd"} <= set(found.values)
