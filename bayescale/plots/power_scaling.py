"""How the posterior changes when prior or likelihood are raised to powers near 1.

ArviZ draws these pictures. It refuses some names, among them ``alpha``, which are replaced for it.
"""

from collections.abc import Hashable
from typing import Any

from bayescale.diagnostics.power_scaling import psense_tree, safe_choice, safe_names
from bayescale.fitting.record import Fit
from bayescale.plots.labels import plain_text
from bayescale.posterior.draws import SAMPLE_DIMS


def plot_psense_dist(fit: Fit, var_names: list[str] | None = None, **arviz: Any) -> Any:
    """Posterior of each quantity with prior and likelihood raised to powers.

    Parameters
    ----------
    fit : Fit
        A fitted law.
    var_names : list of str, optional
        Variables of the posterior; coefficients and derived quantities by default.
    **arviz
        Arguments of `arviz_plots.plot_psense_dist`, for example ``kind="ecdf"``.

    Returns
    -------
    arviz_plots.PlotCollection
        A row for each quantity, with the posterior for each power of the prior and of the
        likelihood.

    Raises
    ------
    LawError
        If the posterior has no such variable.

    Examples
    --------
    >>> plot_psense_dist(fitted, ["alpha", "beta"])  # doctest: +SKIP
    """
    import arviz_plots

    # ArviZ draws intervals at heights for densities near 1; those of a law's coefficients are not.
    visuals = {"visuals": {"credible_interval": False, "point_estimate": False}}
    options = {**_arviz_options(fit, var_names), **visuals, **arviz}
    return arviz_plots.plot_psense_dist(psense_tree(fit), **options)


def plot_psense_quantities(fit: Fit, var_names: list[str] | None = None, **arviz: Any) -> Any:
    """Mean and sd of each quantity against the power of prior and likelihood.

    Parameters
    ----------
    fit : Fit
        A fitted law.
    var_names : list of str, optional
        Variables of the posterior; coefficients and derived quantities by default.
    **arviz
        Arguments of `arviz_plots.plot_psense_quantities`, for example ``quantities="0.9"``.

    Returns
    -------
    arviz_plots.PlotCollection
        A panel for each quantity and statistic.

    Raises
    ------
    LawError
        If the posterior has no such variable.

    Examples
    --------
    >>> plot_psense_quantities(fitted, ["alpha", "beta"])  # doctest: +SKIP
    """
    import arviz_plots

    legend = {"visuals": {"legend": {"title": "what is scaled"}}}
    options = {**_arviz_options(fit, var_names), **legend, **arviz}
    return arviz_plots.plot_psense_quantities(psense_tree(fit), **options)


def _arviz_options(fit: Fit, var_names: list[str] | None) -> dict[str, Any]:
    """Variables under names that ArviZ accepts, and a labeller that shows the law's names."""
    from arviz_base.labels import MapLabeller

    shown: dict[Hashable, Hashable] = {safe: name for name, safe in safe_names(fit).items()}
    groups: dict[Hashable, dict[Hashable, Hashable]] = {
        dim: {value: plain_text(str(value)) for value in coordinate.to_numpy()}
        for dim, coordinate in fit.posterior.coords.items()
        if dim not in SAMPLE_DIMS
    }
    return {
        "var_names": safe_choice(fit, var_names),
        "labeller": MapLabeller(var_name_map=shown, coord_map=groups),
        "figure_kwargs": {"layout": "constrained"},
    }
