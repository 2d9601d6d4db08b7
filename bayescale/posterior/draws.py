"""Draws of a posterior, with the model and the runs that they belong to."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd
import xarray as xr

from bayescale.inference.structure import Structure
from bayescale.spec.law import Law

SAMPLE_DIMS = ("chain", "draw")


@dataclass(frozen=True, eq=False)
class Draws:
    """Draws of a model, with the structure and the runs that they belong to.

    Parameters
    ----------
    structure : Structure
        The model.
    posterior : Dataset
        Draws of free parameters, (chain, draw, ...), and of quantities that follow from them.
    runs : DataFrame
        The validated runs behind them, which also give the units of free parameters.
    """

    structure: Structure
    posterior: xr.Dataset
    runs: pd.DataFrame

    @property
    def law(self) -> Law:
        """The law."""
        return self.structure.law

    @cached_property
    def coefficients(self) -> dict[str, Any]:
        """The law's coefficients as the formula takes them: one with parts is a tuple."""
        law = self.law
        return {n: split_parts(self.posterior, n, law.parts) for n in law.coefficient_names}

    @cached_property
    def stage(self) -> "Draws":
        """Draws of the law's stage under its own names; a law without one raises ValueError."""
        stage = self.structure.stage
        if stage is None:
            raise ValueError(f"law {self.law.name!r} has no stage")
        return Draws(stage, strip_prefix(stage, self.posterior), self.runs)


def strip_prefix(stage: Structure, draws: xr.Dataset) -> xr.Dataset:
    """Draws of a stage alone, out of those of the whole model."""
    own = draws[[name for name in draws if str(name).startswith(stage.prefix)]]
    named = {name: str(name).removeprefix(stage.prefix) for name in (*own, *own.dims)}
    return own.rename({name: plain for name, plain in named.items() if plain != name})


def add_prefix(stage: Structure, draws: xr.Dataset) -> xr.Dataset:
    """Draws of a stage under their names in the whole model."""
    dims = [dim for dim in draws.dims if str(dim).endswith("_part")]
    # Offsets of groups have a dim of their own, under the name of the parameter.
    dims += [dim for dim in draws.dims if any(str(dim).startswith(f"{n}_dim_") for n in draws)]
    return draws.rename({name: f"{stage.prefix}{name}" for name in (*draws, *dims)})


def split_parts(draws: xr.Dataset, name: str, parts: Mapping[str, tuple[str, ...]]) -> Any:
    """A quantity, as a tuple if it has parts."""
    values = draws[name]
    if name not in parts:
        return values
    return tuple(values.isel({f"{name}_part": k}, drop=True) for k in range(len(parts[name])))
