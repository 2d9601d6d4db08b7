"""Published values beside the posterior, a panel for each quantity."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayescale.auditing.record import Audit
from bayescale.auditing.verdicts import FINE
from bayescale.errors import LawError
from bayescale.plots.colours import BLUE, GREY, MARKERS, VERMILION
from bayescale.plots.labels import few_ticks, is_exponent, plain_text, symbol
from bayescale.posterior.quantities import scalar_draws
from bayescale.posterior.summary import interval, interval_kind
from bayescale.spec.claim import Claim
from bayescale.spec.functions import arguments, call
from bayescale.spec.law import Law

ACROSS = 3
"""Panels in a row."""


def plot_claims(
    audit: Audit, quantities: Sequence[str] | None = None, *, figure: Figure | None = None
) -> np.ndarray:
    """Published values with their intervals, under the posterior's.

    Parameters
    ----------
    audit : Audit
        From `bayescale.audit`.
    quantities : sequence of str, optional
        By default those that most claims name, at most six.
    figure : Figure, optional
        Drawn on; a new one by default.

    Returns
    -------
    (quantity,) array of Axes
        First the posterior by each likelihood, with a band down the panel; then a row for each
        claim, with a bar of one standard error or the published interval. Claims with a verdict
        against them stand out.

    Raises
    ------
    LawError
        If no claim names a quantity, or the fit does not have it as one number.

    Examples
    --------
    >>> plot_claims(bs.audit(claims, fitted), ["a", "alpha", "beta"])  # doctest: +SKIP
    """
    names = list(quantities or claimed_most(audit))
    known = claimed_most(audit, most=None)
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise LawError(
            f"no claim gives a value of {unknown or 'what the fit has'}; expected quantities among "
            f"{known}. Choose from these."
        )
    rows = -(-len(names) // ACROSS)
    if figure is None:
        import matplotlib.pyplot as plt

        figure = plt.figure(figsize=claims_figure_size(audit, len(names)), layout="constrained")
    grid = figure.subplots(rows, min(ACROSS, len(names)), squeeze=False, sharey=True)
    panels: np.ndarray = grid.ravel()[: len(names)]
    for ax, name in zip(panels, names, strict=True):
        _draw_panel(ax, audit, name)
    for ax in grid.ravel()[len(names) :]:
        ax.set_axis_off()
    labels = [f"runs, {likelihood}" for likelihood in audit.fits]
    labels += [audited.claim.label for audited in audit.claims]
    grid[0, 0].set_yticks(range(len(labels)), [plain_text(label) for label in labels])
    grid[0, 0].set_ylim(len(labels) - 0.5, -0.5)
    return panels


def claims_figure_size(audit: Audit, panels: int) -> tuple[float, float]:
    """Width and height in inches of a figure of some panels."""
    labels, panel, line = 1.8, 2.2, 0.26
    lines = len(audit.fits) + len(audit.claims)
    rows = -(-panels // ACROSS)
    return labels + panel * min(ACROSS, panels), rows * (0.7 + line * lines)


def claimed_most(audit: Audit, most: int | None = 6) -> list[str]:
    """Quantities that most claims name, of those that the fit has as one number.

    Parameters
    ----------
    audit : Audit
        From `bayescale.audit`.
    most : int, optional
        How many; None for all that any claim names.

    Returns
    -------
    list of str
        Derived quantities first, then exponents, then other coefficients. Empty for an audit
        without fits.
    """
    if not audit.fits:
        return []
    fit = next(iter(audit.fits.values()))
    coefficients = sorted(fit.law.coefficient_labels, key=lambda name: not is_exponent(name))
    order = [*fit.law.labels(fit.law.derived), *coefficients]
    counts = {
        name: sum(name in audited.claim.values for audited in audit.claims)
        for name in order
        if scalar_draws(fit.posterior, name) is not None
    }
    named = [name for name, count in counts.items() if count]
    return sorted(sorted(named, key=lambda name: -counts[name])[:most], key=order.index)


def _draw_panel(ax: Axes, audit: Audit, name: str) -> None:
    """Draw one quantity, a row for each fit and each claim."""
    estimates: list[tuple[float, float, float]] = []
    styles: list[tuple[int, str, str]] = []
    for row, fit in enumerate(audit.fits.values()):
        if (draws := scalar_draws(fit.posterior, name)) is not None:
            low, high = map(float, interval(draws))
            estimates.append((float(draws.mean()), low, high))
            styles.append((row, BLUE, MARKERS[0]))
    ax.axvspan(*estimates[0][1:], color=BLUE, alpha=0.1, linewidth=0, zorder=0)
    for row, audited in enumerate(audit.claims, start=len(audit.fits)):
        if (published := _published(audited.claim, audit.law, name)) is not None:
            fine = set(audited.verdict) <= FINE
            estimates.append(published)
            styles.append((row, GREY, MARKERS[1]) if fine else (row, VERMILION, MARKERS[2]))
    for (value, low, high), (row, color, marker) in zip(estimates, styles, strict=True):
        ax.hlines(row, low, high, color=color, linewidth=1.6, zorder=2)
        ax.scatter([value], [row], s=22, color=color, marker=marker, zorder=3)
    numbers = np.array(estimates)
    if numbers.min() > 0 and numbers.max() > 10 * numbers.min():
        ax.set_xscale("log")
        few_ticks(ax.xaxis)
    ax.axhline(len(audit.fits) - 0.5, color=GREY, linewidth=0.6)
    ax.set_xlabel(symbol(name))
    ax.grid(axis="y", color=GREY, alpha=0.15, linewidth=0.6)


def _published(claim: Claim, law: Law, name: str) -> tuple[float, float, float] | None:
    """Value that a claim gives or implies, with the ends of its interval or of one error."""
    value = claim.values.get(name, implied(claim, law, name))
    if value is None:
        return None
    if name in claim.intervals:
        return (value, *claim.intervals[name])
    error = claim.errors.get(name, 0.0)
    return value, value - error, value + error


def implied(claim: Claim, law: Law, name: str) -> float | None:
    """Value of a derived quantity that follows from the coefficients of a claim.

    Parameters
    ----------
    claim : Claim
        What was published.
    law : Law
        The law that the claim is about.
    name : str
        Label of the derived quantity, for example ``local[2]``.

    Returns
    -------
    float or None
        None where the claim lacks a coefficient that the quantity needs.
    """
    quantity = name.partition("[")[0]
    function = law.derived.get(quantity)
    if function is None or not set(law.labels(arguments(function))) <= set(claim.values):
        return None
    value = call(function, law.group_parts(claim.values, arguments(function)))
    parts = value if isinstance(value, tuple) else (value,)
    return float(parts[law.labels([quantity]).index(name)])


def caption() -> str:
    """Explain the picture of `plot_claims` to a reader of a report."""
    kind, mass = interval_kind()
    return (
        f"Posteriors (first rows: mean with {mass:.0%} {kind.upper()}, by likelihood; the band is "
        "that of the default) and published values (other rows: value with its interval or one "
        "standard error, or what follows from the coefficients). Diamonds: claims with a verdict "
        "against them."
    )
