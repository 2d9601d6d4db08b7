"""Draw the coverage of every study, from what `learn.py --out` wrote.

uv run python -m studies.extrapolation.draw coverage.csv docs/images/extrapolation.png
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter

from bayescale.plots.colours import BLUE, GREY

KINDS = {"none": ("o", GREY, "law alone"), "own": ("s", BLUE, "with drift")}
NOMINAL = 0.9
WIDTHS = (0.02, 0.05, 0.1, 0.2)


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--law", default="coupled")
    chosen = parser.parse_args()
    table = pd.read_csv(chosen.table).query("law == @chosen.law")
    means = table.groupby(["kind", "study"]).mean(numeric_only=True)
    order = means.loc["own"].sort_values("inside_90").index
    figure, (coverage, width) = plt.subplots(
        1, 2, figsize=(9, 6.5), sharey=True, layout="constrained"
    )
    for kind in KINDS:
        _points(coverage, means.loc[kind].loc[order, "inside_90"], kind)
        _points(width, means.loc[kind].loc[order, "width_90"], kind)
    coverage.axvline(NOMINAL, color=GREY, linewidth=1)
    coverage.set(xlabel="larger runs inside their 90% interval", xlim=(-0.03, 1.03))
    width.set(xlabel="mean width of the interval, log loss", xscale="log")
    width.xaxis.set_minor_formatter(NullFormatter())
    width.set_xticks(WIDTHS, [f"{tick:g}" for tick in WIDTHS])
    coverage.set_yticks(np.arange(len(order)), [name.replace("_", " ") for name in order])
    coverage.legend(frameon=False, loc="upper left")
    figure.savefig(chosen.picture, dpi=130)


def _points(ax: Axes, values: "pd.Series[float]", kind: str) -> None:
    marker, color, label = KINDS[kind]
    ax.plot(values, np.arange(len(values)), marker, color=color, label=label, markersize=5)
    ax.grid(axis="y", color="0.92")
    ax.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    main()
