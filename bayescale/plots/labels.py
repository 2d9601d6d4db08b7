"""Labels, ticks, legends and the colours of groups, as all pictures have them."""

from collections.abc import Iterator

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.font_manager import FontProperties
from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator, NullLocator, ScalarFormatter

from bayescale.documents.escaping import show_unseen
from bayescale.errors import DataError
from bayescale.fitting.record import Fit
from bayescale.plots.colours import BLUE, CATEGORIES, GREY, VERMILION
from bayescale.posterior.draws import SAMPLE_DIMS

QUANTITIES = {
    "params": "parameters $N$",
    "tokens": "training tokens $D$",
    "flops": "training compute $C$ (FLOP)",
    "tokens_per_param": "tokens per parameter $D/N$",
    "loss": "loss (nats per token)",
    "bits_per_byte": "loss on the task (bits per byte)",
    "accuracy": "accuracy (proportion of right answers)",
    "error": "error (proportion of wrong answers)",
    "x": "scale $x$",
    "N_opt": r"compute-optimal parameters $N_\mathrm{opt}$",
    "D_opt": r"compute-optimal tokens $D_\mathrm{opt}$",
    "L_opt": r"loss at the optimum $L_\mathrm{opt}$ (nats per token)",
}


GREEK = ("alpha", "beta", "gamma", "delta", "epsilon", "eta", "kappa", "nu", "sigma", "tau")


LONGEST = 40
"""Characters of a name that pictures show."""


def coloured_groups[Draws: (xr.DataArray, xr.Dataset)](
    draws: Draws, *, along: tuple[str, ...] = ()
) -> Iterator[tuple[str | None, Draws, str]]:
    """Name as pictures show it, draws and colour of every group; None where there are no groups.

    Parameters
    ----------
    draws : DataArray or Dataset
        Dimensions are those of the sample, those of `along`, and perhaps one of groups.
    along : tuple of str
        Dimensions that a picture runs along.

    Yields
    ------
    (str or None, DataArray or Dataset, str)
        Name, draws and colour.

    Raises
    ------
    DataError
        If there are more groups than colours.
    """
    extra = [str(dim) for dim in draws.dims if dim not in (*SAMPLE_DIMS, *along)]
    if not extra:
        yield None, draws, BLUE
        return
    names = draws[extra[0]].to_numpy()
    if len(names) > len(CATEGORIES):
        raise DataError(
            f"there are {len(names)} groups of {extra[0]}; expected at most {len(CATEGORIES)}, "
            "one for each colour. Choose some: draw in several axes, or fit fewer together."
        )
    for name, color in zip(names, CATEGORIES, strict=False):
        yield plain_text(str(name)), draws.sel({extra[0]: name}), color


def quantity_label(name: str) -> str:
    """Name of a quantity with its unit, for an axis."""
    return QUANTITIES.get(name, plain_text(name.replace("_", " ")))


def is_exponent(name: str) -> bool:
    """Whether a coefficient has the name of an exponent."""
    return name.startswith(("alpha", "beta"))


def plain_text(text: str) -> str:
    """Text from a user or a file on one line, shortened, with no formula in it."""
    line = " ".join(show_unseen(text).split())
    short = line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
    return short.replace("$", r"\$")


def symbol(name: str) -> str:
    """A coefficient as a formula writes it."""
    if name in GREEK:
        return rf"$\{name}$"
    return f"${name}$" if len(name) == 1 and name.isalnum() else plain_text(name)


def plain_ticks(axis: Axis) -> None:
    """Label a short logarithmic axis with 2, 2.5, 3 and so on, instead of powers of ten."""
    low, high = axis.get_view_interval()
    if high / low < 30:
        axis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 2.5, 5, 10]))
        axis.set_major_formatter(ScalarFormatter())
        axis.set_minor_locator(NullLocator())


def few_ticks(axis: Axis) -> None:
    """Label a logarithmic axis of a small panel at powers of ten, or at two points."""
    low, high = axis.get_view_interval()
    if np.floor(np.log10(high)) - np.ceil(np.log10(low)) >= 1:
        axis.set_major_locator(LogLocator(numticks=4))
    else:
        # With at most one power of ten in sight, two numbers of two digits near the ends.
        near_ends = [float(f"{low * (high / low) ** part:.2g}") for part in (0.15, 0.85)]
        axis.set_major_locator(FixedLocator(near_ends))
        axis.set_major_formatter("{x:g}")
    axis.set_minor_locator(NullLocator())


def mark_extrapolation(ax: Axes, edge: float, *, at_top: bool) -> None:
    """Shade and label the part of a logarithmic axis beyond the largest run.

    Parameters
    ----------
    ax : Axes
        Drawn on.
    edge : float
        The largest run, on the axis of x.
    at_top : bool
        Whether the label is at the top of the axes, or at the bottom.
    """
    low, high = ax.get_xlim()
    if high <= edge:
        return
    start = max(edge, low)
    # In a narrow strip the label runs upwards.
    narrow = np.log(high / start) < 0.25 * np.log(high / low)
    ax.axvspan(start, high, color=GREY, alpha=0.09, linewidth=0, zorder=0)
    ax.axvline(start, color=GREY, linewidth=0.8, linestyle=":", zorder=1)
    ax.text(
        np.sqrt(start * high),
        0.97 if at_top else 0.03,
        "beyond the runs",
        transform=ax.get_xaxis_transform(),
        color=GREY,
        fontsize="small",
        ha="center",
        va="top" if at_top else "bottom",
        rotation=90 if narrow else 0,
    )
    ax.set_xlim(low, high)


def draw_legend(ax: Axes, fit: Fit | None = None, *, columns: int = 5) -> None:
    """Draw the legend over the axes, where it hides nothing, and name doubts about the draws.

    Parameters
    ----------
    ax : Axes
        Drawn on.
    fit : Fit, optional
        Where the draws are from; the legend's title gives reasons not to trust them.
    columns : int
        Largest number of columns. There are fewer where labels are long.
    """
    # 80 characters fit over the axes; a handle and its margins take as much room as 7.
    lengths = [len(label) for label in ax.get_legend_handles_labels()[1]]
    one_row = len(lengths) if sum(lengths) + 7 * len(lengths) <= 80 else 1
    legend = ax.legend(
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=min(columns, max(one_row, 80 // max(lengths, default=1))),
        frameon=False,
        fontsize="small",
        handlelength=1.6,
        columnspacing=1.4,
    )
    if fit is not None and not fit.verdict.trusted:
        reasons = ", ".join(reason.split()[0].rstrip(":") for reason in fit.verdict.reasons)
        legend.set_title(
            f"not to be trusted: {reasons}", prop=FontProperties(size="small", weight="bold")
        )
        legend.get_title().set_color(VERMILION)
