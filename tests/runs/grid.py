"""A clean grid of runs, and what `check_runs` says of it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bayescale.errors import DataError
from bayescale.runs.checks import Remark, check_runs
from bayescale.runs.read import read_runs


def refusal(function: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    with pytest.raises(DataError) as caught:
        function(*args, **kwargs)
    return str(caught.value)


def isoflop(*, noise: float = 0.005, seed: int = 4) -> pd.DataFrame:
    """Four budgets of seven models each on the law of Hoffmann et al., with lognormal noise."""
    flops, ratio = (
        np.ravel(a) for a in np.meshgrid(10.0 ** np.arange(18, 22), np.geomspace(4, 120, 7))
    )
    params = np.sqrt(flops / 6 / ratio)
    tokens = flops / 6 / params
    loss = 1.69 + 406.4 / params**0.34 + 410.7 / tokens**0.28
    loss = loss * np.exp(noise * np.random.default_rng(seed).standard_normal(len(loss)))
    return read_runs(pd.DataFrame({"params": params, "tokens": tokens, "loss": loss}))


def check(runs: pd.DataFrame, **changes: Any) -> tuple[Remark, ...]:
    usual: dict[str, Any] = {"inputs": ("params", "tokens"), "response": "loss"}
    usual |= {"parameters": 5, "law": "chinchilla"}
    return check_runs(runs, **(usual | changes))


def only(remarks: tuple[Remark, ...]) -> str:
    assert len(remarks) == 1, remarks
    return str(remarks[0])
