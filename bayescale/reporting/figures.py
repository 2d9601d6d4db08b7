"""The pictures of a report: runs and law, the optimum, residuals, joint posterior."""

from collections.abc import Iterator, Mapping
from functools import cache, partial
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayescale import plots
from bayescale.documents.document import Picture, Section, on_axes, on_figure
from bayescale.fitting.answer import extra_inputs_text
from bayescale.fitting.record import Fit
from bayescale.plots.colours import CATEGORIES
from bayescale.plots.labels import is_exponent
from bayescale.plots.runs import on_budgets
from bayescale.posterior.draws import SAMPLE_DIMS
from bayescale.posterior.optimum import largest_budget

SIZE = (6.4, 4.2)
"""Inches of a picture of one Axes."""


def evidence_section(fit: Fit, at: Mapping[str, float]) -> Section:
    """Every picture that the law and the groups allow.

    Parameters
    ----------
    fit : Fit
        A fitted law.
    at : mapping of str to float
        The law's extra inputs, at which the optimum is drawn.

    Returns
    -------
    Section
    """
    pictures = (*_run_pictures(fit), *_optimum_pictures(fit, at), *_check_pictures(fit))
    return Section("evidence", "Evidence", pictures)


def _run_pictures(fit: Fit) -> Iterator[Picture]:
    """The law through the runs: for up to four groups apart, where they are not the law's own."""
    groups = (None,) if fit.structure.own_groups else fit.structure.groups[:4] or (None,)
    for number, group in enumerate(groups, start=1):
        suffix, whose = ("", "") if group is None else (f"-{number}", f" of {group}")
        if len(fit.law.inputs) == 1 or on_budgets(fit):
            yield Picture(
                f"runs{suffix}",
                f"The runs{whose} and the law through them: its median, dashed beyond the runs, "
                "and its interval.",
                f"{fit.law.response} of the runs{whose}, with the fitted law and its interval.",
                on_axes(partial(plots.plot_runs, fit, group=group), SIZE),
            )
        if on_budgets(fit):
            yield Picture(
                f"slices{suffix}",
                f"IsoFLOP slices{whose}: runs of about the same compute with the law (dark) and a "
                "new run (light). Dotted: where the law is lowest, with its interval.",
                f"{fit.law.response} against parameters at single compute budgets{whose}, a panel "
                "each, with the fitted law and its lowest point.",
                on_figure(partial(plots.plot_slices, fit, group=group), (7.2, 4.8)),
            )


def _optimum_pictures(fit: Fit, at: Mapping[str, float]) -> Iterator[Picture]:
    """N_opt and its loss from a thousandth to a hundred times the compute of the largest run."""
    if not fit.law.has_optimum_at(at):
        return

    @cache
    def optimum() -> xr.Dataset:
        budgets = largest_budget(fit.draws) * np.geomspace(1e-3, 1e2, 60)
        best = fit.optimum(budgets.tolist(), at=at)
        # As many groups as there are colours.
        groups = [str(dim) for dim in best.dims if dim not in (*SAMPLE_DIMS, "budget")]
        return best.isel({dim: slice(len(CATEGORIES)) for dim in groups})

    def draw(quantity: str, ax: Axes) -> None:
        plots.plot_optimum(optimum(), quantity=quantity, fit=fit, ax=ax)

    against = f"against compute{extra_inputs_text(at).replace(' and', ', at', 1)}"
    for quantity, name, what in (
        ("N_opt", "frontier", "Compute-optimal parameters"),
        ("L_opt", "loss", f"The {fit.law.response} to expect at the optimum"),
    ):
        yield Picture(
            name,
            f"{what} {against}, with the 50% and the printed interval. Beyond the runs the "
            "interval contains the drift of the law.",
            f"{what} rises or falls as a band {against}; the band widens beyond the runs.",
            on_axes(partial(draw, quantity), SIZE),
        )


def _check_pictures(fit: Fit) -> Iterator[Picture]:
    """Residuals, posterior predictive check, and the joint posterior of two coefficients."""
    against = "compute" if "flops" in fit.runs else fit.law.inputs[0]
    yield Picture(
        "residuals",
        f"Residual of each run, against {against}. Bars: where 90% of new runs would be; runs "
        "outside stand out.",
        f"Residuals of the runs against {against}, with a bar for each run's expected scatter.",
        on_axes(partial(plots.plot_residuals, fit), SIZE),
    )
    yield Picture(
        "predictive",
        "Posterior predictive check: the rank of each run among predictions made without it "
        "(LOO-PIT), minus the average of a model that is right. A p above 0.01 is no reason "
        "against the model.",
        "Difference between the cumulative distribution of the runs' predictive ranks and the "
        "uniform one.",
        partial(_draw_predictive, fit),
    )
    names = sorted(fit.law.coefficient_names, key=lambda name: not is_exponent(name))
    if len(names) < 2 or len(fit.structure.groups) > len(CATEGORIES):
        return
    x, y = names[:2]
    yield Picture(
        "pair",
        f"{x} and {y} together: draws, and contours that hold 50% and 90% of them.",
        f"Scatter of the joint posterior of {x} and {y}.",
        on_axes(partial(plots.plot_pair, fit, x, y, claims=False), SIZE),
    )


def _draw_predictive(fit: Fit) -> Figure:
    import arviz
    import matplotlib.pyplot as plt

    options: dict[str, Any] = {"figure_kwargs": {"figsize": (6.4, 3.2)}, "backend": "matplotlib"}
    collection = arviz.plot_loo_pit(fit.with_predictive().tree, **options)
    figure: Figure = collection.viz["figure"].item()
    plt.close(figure)  # so that pyplot does not show it
    figure.set_layout_engine("constrained")
    for ax in figure.axes:
        ax.set(title="", xlabel="share of predictions below the run (LOO-PIT)")
    return figure
