"""The pictures of a report: runs and law, frontier, what is left over, what goes together."""

from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayescale import plots
from bayescale.budgets import largest_run
from bayescale.draws import SAMPLE_DIMS
from bayescale.fitting import Fit
from bayescale.plots.labels import is_exponent
from bayescale.plots.palette import CATEGORIES
from bayescale.plots.runs import on_budgets
from bayescale.reporting.record import Picture, Section, on_axes
from bayescale.reporting.words import at_given

SIZE = (6.4, 4.2)
FEW_GROUPS = 4
"""Groups that get pictures of their own."""
POINTS = 60
BEFORE, BEYOND = 1e-3, 1e2
"""The frontier is drawn between these multiples of the largest run's compute."""


def evidence(fit: Fit, given: Mapping[str, Any]) -> Section:
    """Every picture that the law and the groups allow; the frontier at further inputs."""
    pictures = (*_runs(fit), *_frontier(fit, given), *_checks(fit), *_pair(fit))
    return Section("evidence", "Evidence", pictures)


def _runs(fit: Fit) -> Iterator[Picture]:
    # A law's own groups are drawn together.
    groups = (None,) if fit.structure.own_groups else fit.structure.groups[:FEW_GROUPS] or (None,)
    for k, group in enumerate(groups):
        number, whose = ("", "") if group is None else (f"-{k + 1}", f" of {group}")
        if len(fit.law.inputs) == 1 or on_budgets(fit):
            yield Picture(
                f"runs{number}",
                f"The runs{whose} and the law through them: its median, dashed beyond the runs, "
                "and its interval.",
                f"{fit.law.response} of the runs{whose}, with the fitted law and its interval.",
                on_axes(partial(_draw_runs, fit, group), SIZE),
            )
        if on_budgets(fit):
            yield Picture(
                f"slices{number}",
                f"IsoFLOP slices{whose}: runs of about the same compute with the law (dark) and a "
                "new run (light). Dotted: where the law is lowest, with its interval.",
                f"{fit.law.response} against parameters at single compute budgets{whose}, a panel "
                "each, with the fitted law and its lowest point.",
                partial(_slices, fit, group),
            )


def _draw_runs(fit: Fit, group: str | None, ax: Axes) -> None:
    plots.plot_runs(fit, group=group, ax=ax)


def _slices(fit: Fit, group: str | None) -> Figure:
    figure = Figure(figsize=(7.2, 4.8), layout="constrained")
    plots.plot_slices(fit, group=group, figure=figure)
    return figure


def _frontier(fit: Fit, given: Mapping[str, Any]) -> Iterator[Picture]:
    if not fit.law.has_optimum_at(given):
        return
    along = cache(partial(_along_compute, fit, given))
    against = f"against compute{at_given(given).replace(' and', ', at', 1)}"
    for quantity, name, what in (
        ("N_opt", "frontier", "Compute-optimal parameters"),
        ("L_opt", "loss", "The loss to expect at the optimum"),
    ):
        yield Picture(
            name,
            f"{what} {against}, with the 50% and the printed interval. Beyond the runs the "
            "interval contains how wrong laws are there.",
            f"{what} rises or falls as a band {against}; the band widens beyond the runs.",
            on_axes(partial(_draw_frontier, fit, along, quantity), SIZE),
        )


def _along_compute(fit: Fit, given: Mapping[str, Any]) -> xr.Dataset:
    largest = largest_run(fit)
    budgets = np.geomspace(BEFORE * largest, BEYOND * largest, POINTS)
    return _few(fit.optimum(budgets, **given))


def _draw_frontier(fit: Fit, along: Callable[[], xr.Dataset], quantity: str, ax: Axes) -> None:
    plots.plot_optimum(along(), quantity=quantity, fit=fit, ax=ax)


def _few(found: xr.Dataset) -> xr.Dataset:
    """As many groups as there are colours."""
    groups = [str(dim) for dim in found.dims if dim not in (*SAMPLE_DIMS, "budget")]
    return found.isel({dim: slice(len(CATEGORIES)) for dim in groups})


def _checks(fit: Fit) -> Iterator[Picture]:
    against = "compute" if "flops" in fit.runs else fit.law.inputs[0]
    yield Picture(
        "residuals",
        f"How far each run lies off the law, against {against}. Bars: where 90% of new runs would "
        "lie; runs outside stand out.",
        f"Residuals of the runs against {against}, with a bar for each run's expected scatter.",
        on_axes(partial(_draw_residuals, fit), SIZE),
    )
    yield Picture(
        "predictive",
        "Posterior predictive check: where each run falls among predictions made without it "
        "(LOO-PIT), less what a model that is right would give on average. A p above 0.01 is no "
        "reason against the model.",
        "Difference between the cumulative distribution of the runs' predictive ranks and the "
        "uniform one.",
        partial(_predictive, fit),
    )


def _draw_residuals(fit: Fit, ax: Axes) -> None:
    plots.plot_residuals(fit, ax=ax)


def _predictive(fit: Fit) -> Figure:
    import arviz
    import matplotlib.pyplot as plt

    drawn = arviz.plot_loo_pit(
        fit.with_predictive().tree, figure_kwargs={"figsize": (6.4, 3.2)}, backend="matplotlib"
    )
    figure: Figure = drawn.viz["figure"].item()
    plt.close(figure)  # ours to draw, no longer pyplot's to show
    figure.set_layout_engine("constrained")
    for ax in figure.axes:
        ax.set(title="", xlabel="share of predictions below the run (LOO-PIT)")
    return figure


def _pair(fit: Fit) -> Iterator[Picture]:
    names = sorted(fit.law.coefficient_names, key=lambda name: not is_exponent(name))
    if len(names) < 2 or len(fit.structure.groups) > len(CATEGORIES):
        return
    x, y = names[:2]
    yield Picture(
        "pair",
        f"{x} and {y} together: draws, and contours that hold 50% and 90% of them.",
        f"Scatter of the joint posterior of {x} and {y}.",
        on_axes(partial(_draw_pair, fit, x, y), SIZE),
    )


def _draw_pair(fit: Fit, x: str, y: str, ax: Axes) -> None:
    plots.plot_pair(fit, x, y, claims=False, ax=ax)
