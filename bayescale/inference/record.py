"""What to ask of a sampler, and what it returns."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import xarray as xr

from bayescale.errors import LawError
from bayescale.inference.structure import Structure

WAYS = ("auto", "importance", "nuts", "pymc", "numpyro")
"""Ways to the draws (`bayescale.inference.sample`)."""


@dataclass(frozen=True)
class Sampling:
    """How much to sample, and which way.

    Parameters
    ----------
    draws, tune : int
        Draws per chain that are kept; and draws per chain that NUTS discards before them.
    chains : int
        Independent chains.
    sampler : str
        ``"auto"``: by importance sampling, which compiles nothing, and by NUTS where that is not
        good enough. ``"importance"`` or ``"nuts"`` for one of them; ``"pymc"`` or ``"numpyro"`` for
        `pm.sample` with that sampler.

    Raises
    ------
    LawError
        If there are fewer than 4 draws, 1 tuning draw or 1 chain, or the sampler is unknown.
    """

    draws: int = 1000
    tune: int = 800
    chains: int = 4
    sampler: str = "auto"

    def __post_init__(self) -> None:
        if self.draws < 4 or self.tune < 1 or self.chains < 1:
            raise LawError(
                f"sampling got draws={self.draws}, tune={self.tune}, chains={self.chains}; "
                "expected at least 4 draws, 1 tuning draw and 1 chain. The defaults are 1000, 800 "
                "and 4."
            )
        if self.sampler not in WAYS:
            raise LawError(
                f"unknown sampler {self.sampler!r}; expected one of {', '.join(WAYS)}. Choose one "
                "of these."
            )

    def __str__(self) -> str:
        return f"{self.chains} x ({self.tune} + {self.draws})"


@dataclass(frozen=True)
class Settings:
    """How to sample.

    Parameters
    ----------
    sampling : Sampling
        How much, and which way.
    random_seed : int
        Everything random in a fit follows from it.
    target_accept : float, optional
        A higher value takes smaller steps. `bayescale.inference.nuts.TARGET_ACCEPT` by default.
    progress : bool or callable
        Show nutpie's own progress bar, or call this with the list of chains' progress. Importance
        sampling takes a second, and shows none.
    """

    sampling: Sampling = Sampling()
    random_seed: int = 0
    target_accept: float | None = None
    progress: bool | Callable[[list[Any]], None] = False


@dataclass(frozen=True, kw_only=True)
class Sampled:
    """Draws of free parameters, as a sampler returns them.

    Parameters
    ----------
    posterior : Dataset
        Draws of free parameters.
    sample_stats : Dataset
        Statistics of the sampler.
    seconds : mapping of str to float
        Time spent: ``compile``, ``sample``.
    library : str
        The sampler and its version.
    way : str
        The way to the draws, a key of `bayescale.inference.sample.SAMPLERS`.
    reason : str
        Why importance sampling was not good enough, where it was tried; empty where it was.
    target_accept : float
        Target acceptance of NUTS; 0 of importance sampling, which has none.
    tune : int
        Draws per chain that were discarded first.
    thin : int
        Every `thin`-th draw was kept.
    """

    posterior: xr.Dataset
    sample_stats: xr.Dataset
    seconds: Mapping[str, float]
    library: str
    way: str = ""
    reason: str = ""
    target_accept: float = 0.0
    tune: int = 0
    thin: int = 1


Sampler = Callable[[Structure, pd.DataFrame, Settings], Sampled]
