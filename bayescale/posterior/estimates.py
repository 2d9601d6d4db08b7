"""Estimates with their intervals, and how they are written."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.posterior.draws import SAMPLE_DIMS
from bayescale.posterior.summary import interval, interval_names, summary_table
from bayescale.wording import (
    about,
    count_unit,
    finite,
    power_of,
    power_of_ten,
    significant,
    times_power,
)

OUTSIDE_RUNS = 0.05
"""Decades from which a budget counts as outside the runs; decades are printed to one place."""


@dataclass(frozen=True)
class Estimate:
    """A median, or a mean, with its interval.

    Parameters
    ----------
    median, lower, upper, sd : float
        The estimate, the ends of its interval, and its standard deviation.
    """

    median: float
    lower: float
    upper: float
    sd: float

    @classmethod
    def of_row(cls, median: float, row: Any) -> "Estimate":
        """An estimate with the interval of a row of a summary table."""
        lower, upper = interval_names()
        return cls(median, float(row[lower]), float(row[upper]), float(row["sd"]))

    def plain(self) -> str:
        """To the second digit of its uncertainty: ``26.8 (17.6 to 38.4)``."""
        numbers = (self.median, self.lower, self.upper)
        middle, low, high = (significant(x, self.sd) for x in numbers)
        return f"{middle} ({low} to {high})"

    def in_words(self) -> str:
        """As a count: ``1.07 million (0.57 to 1.68 million)``.

        Ends that are too large or too small for the unit of the median have their own:
        ``646 thousand (409 thousand to 1.03 million)``.
        """
        numbers = [float(f"{x:.3g}") for x in (self.median, self.lower, self.upper)]
        size, unit = count_unit(numbers[0])
        if unit and all(1e-3 <= number / size < 1e3 for number in numbers):
            middle, low, high = (f"{number / size:.3g}" for number in numbers)
            return f"{middle} {unit} ({low} to {high} {unit})"
        units = [count_unit(number) for number in numbers]
        if not all(name for _, name in units):
            return self.with_power()
        middle, low, high = (
            f"{number / size:.3g} {name}"
            for number, (size, name) in zip(numbers, units, strict=True)
        )
        return f"{middle} ({low} to {high})"

    def with_power(self) -> str:
        """With its power of ten once: ``1.29 (1.18 to 1.42)×10⁵``."""
        exponent = power_of(self.median)
        scaled = (x / 10.0**exponent for x in (self.median, self.lower, self.upper))
        middle, low, high = (f"{x:.3g}" for x in scaled)
        return f"{middle} ({low} to {high}){times_power(exponent)}"


@dataclass(frozen=True)
class BudgetEstimates:
    """What is optimal at one budget, of one group if there are groups.

    Parameters
    ----------
    group : str, optional
        Label of the group.
    flops : float
        The budget.
    estimates : dict of str to Estimate
        By name: ``N_opt``, ``D_opt``, ``tokens_per_param``, ``loss``, and the law's further
        quantities at an optimum.
    decades_beyond_runs : float
        How far the budget lies beyond the largest run.
    """

    group: str | None
    flops: float
    estimates: dict[str, Estimate]
    decades_beyond_runs: float

    def cells(self) -> tuple[str, ...]:
        """As a row of a table: the group if there is one, budget, estimates and decades."""
        estimates = (
            f"{estimate.plain() if name == 'loss' else estimate.with_power()}"
            for name, estimate in self.estimates.items()
        )
        group = () if self.group is None else (self.group,)
        decades = f"{self.decades_beyond_runs:.1f}"
        return (*group, power_of_ten(self.flops), *estimates, decades)

    def sentence(self, inputs: str = "") -> str:
        """As a recommendation.

        Parameters
        ----------
        inputs : str
            Follows the budget, such as `` and unique tokens of 2.5×10¹⁰``.
        """
        first = ("N_opt", "D_opt", "tokens_per_param", "loss")
        params, tokens, ratio, loss = (self.estimates[name] for name in first)
        further = "".join(
            f", {estimate.plain()} {name.replace('_', ' ')}"
            for name, estimate in self.estimates.items()
            if name not in first
        )
        # Its ends may be apart by more than any number of decimals shows.
        middle, low, high = (about(x) for x in (ratio.median, ratio.lower, ratio.upper))
        per_param = f"{middle} ({low} to {high})"
        group = "" if self.group is None else f" for {self.group}"
        place = (
            f"{self.decades_beyond_runs:.1f} decades beyond the largest run"
            if self.decades_beyond_runs > OUTSIDE_RUNS
            else "within the runs"
        )
        return (
            f"On {power_of_ten(self.flops)} FLOP{inputs}{group}, train {params.in_words()} "
            f"parameters on {tokens.in_words()} tokens, {per_param} tokens per parameter"
            f"{further}, to a loss of {loss.plain()}. This lies {place}."
        )


def _optimum_names(optimum: xr.Dataset) -> dict[str, str]:
    """Variables of an optimum by the names under which they are printed; ``loss`` is ``L_opt``."""
    first = {name: name for name in ("N_opt", "D_opt", "tokens_per_param")} | {"loss": "L_opt"}
    return first | {str(name): str(name) for name in optimum if name not in first.values()}


def budget_estimates(optimum: xr.Dataset) -> list[BudgetEstimates]:
    """Estimates at every budget, and for every group.

    Parameters
    ----------
    optimum : Dataset
        From `bayescale.posterior.optimum.optimum`.
    """
    names = _optimum_names(optimum)
    table = summary_table(optimum[list(names.values())])
    # The table has the quantities one after another, each with its places in the order of its dims.
    places = optimum["N_opt"].isel(chain=0, draw=0, drop=True)
    rows = places.copy(data=np.arange(places.size).reshape(places.shape))
    estimates = []
    for group, one in _split_optimum(optimum.assign(row=rows)):
        row = int(one["row"])
        named = {
            key: Estimate.of_row(float(one[name].median()), table.iloc[k * places.size + row])
            for k, (key, name) in enumerate(names.items())
        }
        decades = float(one["decades_beyond_runs"])
        estimates.append(BudgetEstimates(group, float(one["budget"]), named, decades))
    return estimates


def _split_optimum(optimum: xr.Dataset) -> Iterator[tuple[str | None, xr.Dataset]]:
    """Each budget of an optimum, by group; None where there are no groups."""
    groups = [str(dim) for dim in optimum.dims if dim not in (*SAMPLE_DIMS, "budget")]
    for k in range(optimum.sizes["budget"]):
        one = optimum.isel(budget=k)
        if not groups:
            yield None, one
        for label in one[groups[0]].to_numpy() if groups else ():
            yield str(label), one.sel({groups[0]: label}, drop=True)


def budgets_json(best: xr.Dataset) -> list[dict[str, Any]]:
    """Every budget as JSON prints it, with a key ``group`` where there are groups."""
    budgets = []
    for group, one in _split_optimum(best):
        described: dict[str, Any] = {} if group is None else {"group": group}
        described["flops"] = float(one["budget"])
        for key, name in _optimum_names(one).items():
            lower, upper = interval(one[name])
            described[key] = {
                "mean": finite(one[name].mean()),
                "median": finite(one[name].median()),
                "lower": finite(lower),
                "upper": finite(upper),
            }
        budgets.append(described | {"decades_beyond_runs": finite(one["decades_beyond_runs"])})
    return budgets


def row_estimates(table: pd.DataFrame) -> dict[str, Estimate]:
    """Means with their intervals, of every row of a summary table."""
    return {str(name): Estimate.of_row(float(row["mean"]), row) for name, row in table.iterrows()}
