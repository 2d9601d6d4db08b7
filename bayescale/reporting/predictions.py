"""What to expect of a law of one input, at and beyond its largest run."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayescale.budgets import Estimate, estimate
from bayescale.draws import SAMPLE_DIMS
from bayescale.fitting import Fit
from bayescale.reporting.words import plain_between, power

MULTIPLES = (0.1, 1.0, 10.0, 100.0)
"""Of the largest input, or of the largest run's compute, where nothing is asked."""


@dataclass(frozen=True)
class Prediction:
    """The response at one input: by the law, and of a new run."""

    group: str | None
    multiple: float
    at: float
    law: Estimate
    new_run: Estimate

    @property
    def of_group(self) -> str:
        """Whom it is for, in a sentence."""
        return "" if self.group is None else f" for {self.group}"

    def row(self) -> tuple[str, ...]:
        """Cells of a table."""
        group = () if self.group is None else (self.group,)
        beyond = f"{max(np.log10(self.multiple), 0.0):.1f}"
        said = plain_between(self.law), plain_between(self.new_run)
        return (*group, power(self.at), *said, beyond)


def predictions(fit: Fit) -> list[Prediction]:
    """The response at multiples of the largest input, for every group."""
    (name,), by = fit.law.inputs, fit.structure.by
    largest = float(f"{fit.runs[name].max():.3g}")
    groups = fit.structure.groups or (None,)
    asked = [(group, multiple) for group in groups for multiple in MULTIPLES]
    points = pd.DataFrame({name: [multiple * largest for _, multiple in asked]})
    if by is not None:
        points[by] = [group for group, _ in asked]
    said = fit.predict(points)[["mean", "new_run"]]
    medians = said.median(SAMPLE_DIMS)
    tables = {what: fit.summary(said[[what]]) for what in said}
    return [
        Prediction(
            None if group is None else str(group),
            multiple,
            float(points[name].iloc[k]),
            *(estimate(float(medians[what][k]), table.iloc[k]) for what, table in tables.items()),
        )
        for k, (group, multiple) in enumerate(asked)
    ]
