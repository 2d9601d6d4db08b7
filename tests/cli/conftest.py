"""Tables and fits that more than one command is tried on."""

import numpy as np
import pandas as pd
import pytest

from bayescale.fitting import fit as fitting
from bayescale.fitting.record import Fit


@pytest.fixture(scope="session")
def good() -> pd.DataFrame:
    """Runs of Chinchilla's law, with 1% of noise."""
    params, ratio = map(np.ravel, np.meshgrid(np.geomspace(1e8, 1e10, 7), np.geomspace(2, 200, 7)))
    noise = np.exp(0.01 * np.random.default_rng(1).standard_normal(params.size))
    tokens = params * ratio
    loss = (1.8 + 480 / params**0.35 + 2100 / tokens**0.37) * noise
    return pd.DataFrame({"params": params, "tokens": tokens, "loss": loss})


@pytest.fixture
def fitted_before(small_fit: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands that fit a table return this fit."""
    monkeypatch.setattr(fitting, "fit", lambda *args, **kwargs: small_fit)


@pytest.fixture
def unfittable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands that fit a table fail."""
    monkeypatch.setattr(fitting, "fit", lambda *args, **kwargs: pytest.fail("it was fitted"))
