"""Runs of a known law, claims about it, and specifications with known answers."""

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

import bayescale as bs
from bayescale.fitting.record import Fit
from bayescale.posterior.summary import interval_kind
from bayescale.spec.claim import Claim
from bayescale.validation.multiverse import STATISTICS

LAW = bs.models.CHINCHILLA
TRUTH = {"E": 1.8172, "A": 482.01, "B": 2085.43, "alpha": 0.3478, "beta": 0.3658}
NOISE = 0.005


def planted_runs(params: Any, tokens: Any, *, seed: int, noise: float = NOISE) -> pd.DataFrame:
    """Runs of the law at the truth."""
    params, tokens = (np.ravel(x) for x in np.broadcast_arrays(params, tokens))
    expected = LAW.formula(params, tokens, **TRUTH)
    scatter = np.exp(noise * np.random.default_rng(seed).standard_normal(len(params)))
    return pd.DataFrame({"params": params, "tokens": tokens, "loss": expected * scatter})


def claim_of(**changes: Any) -> Claim:
    """A claim of the truth, with changes."""
    return Claim(**({"label": "me", "values": TRUTH, "reference": "here"} | changes))


def specifications(fit: Fit, shifts: Any, trusted: Any = True, name: str = "alpha") -> xr.Dataset:
    """Two axes of two and five choices; by how many posterior sd each moves a quantity."""
    draws = fit.posterior[name]
    mean, sd = float(draws.mean()), float(draws.std(ddof=1))
    means = mean + sd * np.broadcast_to(np.asarray(shifts, dtype=float), (2, 5))
    half = sd * float(stats.norm.ppf((1 + interval_kind()[1]) / 2))
    values = np.stack([means, np.full_like(means, sd), means - half, means + half], axis=-1)
    dims = ("scatter", "runs")
    return xr.Dataset(
        {
            name: ((*dims, "statistic"), values),
            "trusted": (dims, np.broadcast_to(trusted, (2, 5))),
        },
        {"scatter": ["usual", "one scale"], "runs": list("abcde"), "statistic": list(STATISTICS)},
    )
