"""What was published beside what the runs say, a panel for each quantity."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayescale.calling import arguments, call
from bayescale.checks import of_number
from bayescale.claims import Claim
from bayescale.diagnosis import interval, interval_kind
from bayescale.draws import number
from bayescale.errors import LawError
from bayescale.law import Law
from bayescale.plots.labels import few_ticks, is_exponent, plain, symbol
from bayescale.plots.palette import BLUE, GREY, MARKERS, VERMILION
from bayescale.verdicts import FINE

if TYPE_CHECKING:
    from bayescale.auditing import Audit, ClaimAudit
    from bayescale.fitting import Fit

ACROSS = 3
"""Panels beside one another."""
PANEL_WIDTH, ROW_HEIGHT = 2.2, 0.26
"""Inches."""
WIDE = 10.0
"""Ratio of the ends of a panel from which on it is logarithmic."""
MOST = 6
"""Panels, if nobody says which quantities."""


def plot_claims(
    audited: "Audit", quantities: Sequence[str] | None = None, *, figure: Figure | None = None
) -> np.ndarray:
    """Claimed values with their intervals, below what the runs say.

    Parameters
    ----------
    audited : Audit
        From `bayescale.audit`.
    quantities : sequence of str, optional
        By default those that most claims name, at most six.
    figure : Figure, optional
        Drawn on; a new one by default.

    Returns
    -------
    array of Axes
        Above, the posterior by each likelihood, with a band across; below, a row a claim, with a
        bar of one standard error or the published interval. Claims that something speaks against
        stand out.

    Raises
    ------
    LawError
        If no claim names the quantity, or the fit has it not as one number.

    Examples
    --------
    >>> plot_claims(audited, ["a", "alpha", "beta"])  # doctest: +SKIP
    """
    names = list(quantities or claimed_most(audited))
    known = claimed_most(audited, most=None)
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise LawError(
            f"nothing was claimed about {unknown or 'what the fit has'}; expected quantities among "
            f"{known}. Choose from these."
        )
    rows = -(-len(names) // ACROSS)
    if figure is None:
        import matplotlib.pyplot as plt

        figure = plt.figure(figsize=figure_size(audited, len(names)), layout="constrained")
    panels = figure.subplots(rows, min(ACROSS, len(names)), squeeze=False, sharey=True)
    for ax, name in zip(panels.ravel(), names, strict=False):
        _draw_panel(ax, audited, name)
    for ax in panels.ravel()[len(names) :]:
        ax.set_axis_off()
    labels = [*(f"runs, {label}" for label in audited.fits), *_labels(audited)]
    panels[0, 0].set_yticks(range(len(labels)), [plain(label) for label in labels])
    panels[0, 0].set_ylim(len(labels) - 0.5, -0.5)
    drawn: np.ndarray = panels.ravel()[: len(names)]
    return drawn


def figure_size(audited: "Audit", panels: int) -> tuple[float, float]:
    """Inches that a figure of so many panels wants."""
    lines = len(audited.fits) + len(audited.claims)
    rows = -(-panels // ACROSS)
    return 1.8 + PANEL_WIDTH * min(ACROSS, panels), rows * (0.7 + ROW_HEIGHT * lines)


def claimed_most(audited: "Audit", most: int | None = MOST) -> list[str]:
    """Quantities that claims name and the fit has as one number, those of most claims first."""
    fit = next(iter(audited.fits.values()))
    coefficients = sorted(fit.law.numbers, key=lambda name: not is_exponent(name))
    order = [*fit.law.labels(fit.law.derived), *coefficients]
    counts = {
        name: sum(name in each.claim.values for each in audited.claims)
        for name in order
        if number(fit.posterior, name) is not None
    }
    named = [name for name, count in counts.items() if count]
    return sorted(sorted(named, key=lambda name: -counts[name])[:most], key=order.index)


def _labels(audited: "Audit") -> list[str]:
    return [each.claim.label for each in audited.claims]


def _draw_panel(ax: Axes, audited: "Audit", name: str) -> None:
    places = [_of_fit(fit, name) for fit in audited.fits.values()]
    ax.axvspan(*places[0][1:], color=BLUE, alpha=0.1, linewidth=0, zorder=0)
    for row, place in enumerate(places):
        _draw_row(ax, row, place, BLUE, MARKERS[0])
    for row, each in enumerate(audited.claims, start=len(places)):
        if (said := _of_claim(each.claim, audited.law, name)) is not None:
            places.append(said)
            _draw_row(ax, row, said, *_look(each))
    ends = np.array(places)
    if ends.min() > 0 and ends.max() / ends.min() > WIDE:
        ax.set_xscale("log")
        few_ticks(ax.xaxis)
    ax.axhline(len(audited.fits) - 0.5, color=GREY, linewidth=0.6)
    ax.set_xlabel(symbol(name))
    ax.grid(axis="y", color=GREY, alpha=0.15, linewidth=0.6)


def _look(each: "ClaimAudit") -> tuple[str, str]:
    return (GREY, MARKERS[1]) if set(each.verdict) <= FINE else (VERMILION, MARKERS[2])


def _draw_row(
    ax: Axes, row: int, place: tuple[float, float, float], color: str, marker: str
) -> None:
    value, low, high = place
    ax.hlines(row, low, high, color=color, linewidth=1.6, zorder=2)
    ax.scatter([value], [row], s=22, color=color, marker=marker, zorder=3)


def _of_fit(fit: "Fit", name: str) -> tuple[float, float, float]:
    draws = of_number(fit, name)
    low, high = interval(draws)
    return float(draws.mean()), float(low), float(high)


def _of_claim(claim: Claim, law: Law, name: str) -> tuple[float, float, float] | None:
    value = claim.values.get(name, implied(claim, law, name))
    if value is None:
        return None
    if name in claim.intervals:
        return (value, *claim.intervals[name])
    error = claim.errors.get(name, 0.0)
    return value, value - error, value + error


def implied(claim: Claim, law: Law, name: str) -> float | None:
    """What the coefficients of a claim make of a derived quantity, if they are all there."""
    quantity = name.partition("[")[0]
    function = law.derived.get(quantity)
    if function is None or not set(law.labels(arguments(function))) <= set(claim.values):
        return None
    found = call(function, law.gathered(claim.values, arguments(function)))
    parts = found if isinstance(found, tuple) else (found,)
    return float(parts[law.labels([quantity]).index(name)])


def caption() -> str:
    """What a person needs to read the picture."""
    kind, mass = interval_kind()
    return (
        f"What the runs say (above the line: posterior mean with {mass:.0%} {kind.upper()}, by "
        "likelihood; the band is the default's) and what was published (below: value with its "
        "interval or one standard error, or what follows from the coefficients). Diamonds: claims "
        "that something speaks against."
    )
