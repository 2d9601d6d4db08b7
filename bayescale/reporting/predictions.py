"""What to expect of a law of one input, at and beyond its largest run.

Of an input that is not measured on the logarithm, such as a loss, that is at the ends of the runs
and past the one where they are best.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayescale.budgets import Estimate, estimate
from bayescale.draws import SAMPLE_DIMS
from bayescale.extrapolation import sizes
from bayescale.fitting import Fit
from bayescale.flops import SIX_ND
from bayescale.reporting.words import plain_between, power

MULTIPLES = (0.1, 1.0, 10.0, 100.0)
"""Of the largest input, or of the largest run's compute, where nothing is asked."""
TOLD = 10.0
"""The multiple that the answer tells of."""
PAST = 0.25
"""Of the range of the runs, how far past them it is asked of an input without a logarithm."""


@dataclass(frozen=True)
class Prediction:
    """The response at one input: by the law, and of a new run."""

    group: str | None
    multiple: float
    at: float
    place: str
    beyond: float
    law: Estimate
    new_run: Estimate

    @property
    def of_group(self) -> str:
        """Whom it is for, in a sentence."""
        return "" if self.group is None else f" for {self.group}"

    def row(self) -> tuple[str, ...]:
        """Cells of a table."""
        group = () if self.group is None else (self.group,)
        said = (f"{plain_between(x)}{'*' * x.widened}" for x in (self.law, self.new_run))
        return (*group, power(self.at), *said, f"{self.beyond:.1f}")


def predictions(fit: Fit) -> list[Prediction]:
    """The response at a few places, for every group."""
    (name,), by = fit.law.inputs, fit.structure.by
    largest = float(f"{fit.runs[name].max():.3g}")
    groups = fit.structure.groups or (None,)
    asked = [(group, *place) for group in groups for place in _places(fit, largest)]
    points = pd.DataFrame({name: [each[1] for each in asked]})
    if by is not None:
        points[by] = [each[0] for each in asked]
    predicted = fit.predict(points)
    said = predicted[["mean", "new_run"]]
    beyond = predicted["decades_beyond_runs"].to_numpy()
    medians = said.median(SAMPLE_DIMS)
    tables = {what: fit.summary(said[[what]]) for what in said}
    return [
        Prediction(
            None if group is None else str(group),
            at / largest,
            at,
            place,
            float(beyond[k]),
            *(estimate(float(medians[what][k]), table.iloc[k]) for what, table in tables.items()),
        )
        for k, (group, at, place) in enumerate(asked)
    ]


def _places(fit: Fit, largest: float) -> list[tuple[float, str]]:
    """Values of the input, and what is said of the one that the answer tells of."""
    (name,) = fit.law.inputs
    on = fit.law.scale_of(name)
    if on.logged:
        said = {TOLD: "ten times the largest of the runs"}
        return [(multiple * largest, said.get(multiple, "")) for multiple in MULTIPLES]
    low, high = fit.runs[name].min(), fit.runs[name].max()
    small, large = sizes(fit.law, pd.DataFrame({name: [low, high]}), SIX_ND)
    side, sign = (low, -1) if small > large else (high, 1)
    past = np.clip(side + sign * PAST * (high - low), on.lowest, on.highest)
    told = (
        float(f"{past:.3g}"),
        f"a quarter of their range {'below' if sign < 0 else 'above'} the runs",
    )
    inside = [(float(f"{at:.3g}"), "") for at in (low, (low + high) / 2, high)]
    return [told, *inside] if sign < 0 else [*inside, told]
