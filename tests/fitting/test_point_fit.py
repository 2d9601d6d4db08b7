"""The point fit is the one that papers report."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.special

from bayescale.fitting.point_fit import point_fit
from bayescale.models import LAWS

# Refits of the 245 runs, and of those without the five of fewest tokens per parameter, by another
# program.
CHINCHILLA_245 = {"E": 1.891, "A": 495, "B": 12842, "alpha": 0.349, "beta": 0.453}
CHINCHILLA_240 = {"E": 1.817, "A": 478, "B": 2143, "alpha": 0.347, "beta": 0.367}


def test_runs_without_noise_are_fitted_exactly() -> None:
    law = LAWS["chinchilla"]
    params, tokens = map(
        np.ravel, np.meshgrid(np.geomspace(1e8, 1e10, 5), np.geomspace(2e9, 2e11, 5))
    )
    truth = {"E": 1.8, "A": 480.0, "B": 2100.0, "alpha": 0.35, "beta": 0.37}
    runs = pd.DataFrame(
        {"params": params, "tokens": tokens, "loss": law.formula(params, tokens, **truth)}
    )
    best, resampled = point_fit(law, runs, resamples=5)
    assert {name: float(best[name]) for name in truth} == pytest.approx(truth, rel=1e-4)
    assert resampled.sizes == {"draw": 5}
    for name, value in truth.items():
        assert resampled[name].to_numpy() == pytest.approx(value, rel=1e-3)


@pytest.mark.parametrize(("dropped", "published"), [(0, CHINCHILLA_245), (5, CHINCHILLA_240)])
def test_the_published_refit_comes_out(
    chinchilla_runs: pd.DataFrame, dropped: int, published: dict[str, float]
) -> None:
    ratio = chinchilla_runs["tokens"] / chinchilla_runs["params"]
    runs = chinchilla_runs[ratio.rank() > dropped]
    best, _ = point_fit(LAWS["chinchilla"], runs, resamples=0)
    # Half a unit of the last digit; A and B follow their exponents too steeply to be compared so.
    for name in ("E", "alpha", "beta"):
        assert float(best[name]) == pytest.approx(published[name], abs=5e-4), name

    def huber(coefficients: Any) -> float:
        law = LAWS["chinchilla"]
        values = {name: float(coefficients[name]) for name in law.coefficient_names}
        off = np.log(law.formula(runs["params"], runs["tokens"], **values) / runs["loss"])
        return float(scipy.special.huber(1e-3, off).sum())

    assert huber(best) <= huber(published)


def test_one_seed_gives_one_answer(simulated_runs: pd.DataFrame) -> None:
    first, second = (
        point_fit(LAWS["coupled"], simulated_runs, resamples=3, random_seed=4)[1] for _ in range(2)
    )
    assert first.identical(second)
