"""What pictures say: quantities with their units, where the runs end, what is not to be trusted."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.font_manager import FontProperties
from matplotlib.ticker import (
    FixedLocator,
    LogLocator,
    MaxNLocator,
    NullLocator,
    ScalarFormatter,
)

from bayescale.plots.palette import GREY, VERMILION

if TYPE_CHECKING:
    from bayescale.fitting import Fit

QUANTITIES = {
    "params": "parameters $N$",
    "tokens": "training tokens $D$",
    "flops": "training compute $C$ (FLOP)",
    "tokens_per_param": "tokens per parameter $D/N$",
    "loss": "loss (nats per token)",
    "bits_per_byte": "loss on the task (bits per byte)",
    "accuracy": "accuracy (share of right answers)",
    "error": "error (share of wrong answers)",
    "x": "scale $x$",
    "N_opt": r"compute-optimal parameters $N_\mathrm{opt}$",
    "D_opt": r"compute-optimal tokens $D_\mathrm{opt}$",
    "L_opt": r"loss at the optimum $L_\mathrm{opt}$ (nats per token)",
}
GREEK = ("alpha", "beta", "gamma", "delta", "epsilon", "eta", "kappa", "nu", "sigma", "tau")
LONGEST = 40
"""Letters of a name that pictures show."""
LINE = 80
"""Letters of legend that fit beside one another."""
NARROW = 30.0
"""Below this ratio of its ends, a logarithmic axis is labelled with plain numbers."""
NARROW_STRIP = 0.25
"""Below this share of the axes' width, what stands in a strip is written upwards."""


def quantity_label(name: str) -> str:
    """Name of a quantity with its unit, for an axis."""
    return QUANTITIES.get(name, plain(name.replace("_", " ")))


def is_exponent(name: str) -> bool:
    """Whether a coefficient goes by the name of an exponent."""
    return name.startswith(("alpha", "beta"))


def plain(text: str) -> str:
    """Text that came from outside: on one line, not too long, and no formula in it."""
    line = " ".join(text.split())
    short = line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
    return short.replace("$", r"\$")


def symbol(name: str) -> str:
    """A coefficient as a formula writes it."""
    if name in GREEK:
        return rf"$\{name}$"
    return f"${name}$" if len(name) == 1 else name


def plain_ticks(axis: Axis) -> None:
    """Label a short logarithmic axis with 2, 2.5, 3 and so on, instead of powers of ten."""
    low, high = axis.get_view_interval()
    if high / low < NARROW:
        axis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 2.5, 5, 10]))
        axis.set_major_formatter(ScalarFormatter())
        axis.set_minor_locator(NullLocator())


def few_ticks(axis: Axis) -> None:
    """Label a logarithmic axis of a small panel at powers of ten, or at two or three places."""
    low, high = axis.get_view_interval()
    if np.floor(np.log10(high)) - np.ceil(np.log10(low)) >= 1:
        axis.set_major_locator(LogLocator(numticks=4))
    else:
        axis.set_major_locator(FixedLocator(_two_places(low, high)))
        axis.set_major_formatter("{x:.2g}")
    axis.set_minor_locator(NullLocator())


def _two_places(low: float, high: float) -> list[float]:
    """Two numbers of two digits, near either end."""
    return [float(f"{low * (high / low) ** share:.2g}") for share in (0.15, 0.85)]


def mark_beyond(ax: Axes, edge: float, *, at_top: bool) -> None:
    """Shade what lies right of the largest run on a logarithmic axis, and say so in a corner."""
    left, right = ax.get_xlim()
    if right <= edge:
        return
    start = max(edge, left)
    narrow = np.log(right / start) < NARROW_STRIP * np.log(right / left)
    ax.axvspan(start, right, color=GREY, alpha=0.09, linewidth=0, zorder=0)
    ax.axvline(start, color=GREY, linewidth=0.8, linestyle=":", zorder=1)
    ax.text(
        np.sqrt(start * right),
        0.97 if at_top else 0.03,
        "beyond the runs",
        transform=ax.get_xaxis_transform(),
        color=GREY,
        fontsize="small",
        ha="center",
        va="top" if at_top else "bottom",
        rotation=90 if narrow else 0,
    )
    ax.set_xlim(left, right)


def put_legend(ax: Axes, fit: "Fit | None" = None, *, columns: int = 4) -> None:
    """Legend above the axes, where it hides nothing; it says if draws are not to be trusted."""
    longest = max((len(label) for label in ax.get_legend_handles_labels()[1]), default=1)
    legend = ax.legend(
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=max(min(columns, LINE // longest), 1),
        frameon=False,
        fontsize="small",
        handlelength=1.6,
        columnspacing=1.4,
    )
    if fit is not None and not fit.verdict.trusted:
        found = ", ".join(reason.split()[0].rstrip(":") for reason in fit.verdict.reasons)
        legend.set_title(
            f"not to be trusted: {found}", prop=FontProperties(size="small", weight="bold")
        )
        legend.get_title().set_color(VERMILION)
