"""How the posterior moves when prior or likelihood count for more or less.

ArviZ draws these pictures; here it is given names that it does not trip over.
"""

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

from bayescale.sensitivity import psense_tree, safe_choice, safe_names

if TYPE_CHECKING:
    from bayescale.fitting import Fit


def plot_psense_dist(fit: "Fit", var_names: list[str] | None = None, **arviz: Any) -> Any:
    """Posterior of each quantity with prior and likelihood raised to powers.

    Parameters
    ----------
    fit : Fit
        A fitted law.
    var_names : list of str, optional
        Variables of the posterior; coefficients and derived quantities by default.
    **arviz
        What `arviz_plots.plot_psense_dist` takes, for example ``kind="ecdf"``.

    Returns
    -------
    arviz_plots.PlotCollection

    Examples
    --------
    >>> plot_psense_dist(fitted, ["alpha", "beta"])  # doctest: +SKIP
    """
    import arviz_plots

    # ArviZ places intervals for densities near 1 high; those of a law's coefficients are not.
    plain = {"visuals": {"credible_interval": False, "point_estimate": False}}
    given = {**_given(fit, var_names), **plain, **arviz}
    return arviz_plots.plot_psense_dist(psense_tree(fit), **given)


def plot_psense_quantities(fit: "Fit", var_names: list[str] | None = None, **arviz: Any) -> Any:
    """Mean and sd of each quantity against the power that prior and likelihood are raised to.

    Parameters
    ----------
    fit : Fit
        A fitted law.
    var_names : list of str, optional
        Variables of the posterior; coefficients and derived quantities by default.
    **arviz
        What `arviz_plots.plot_psense_quantities` takes, for example ``quantities="0.9"``.

    Returns
    -------
    arviz_plots.PlotCollection

    Examples
    --------
    >>> plot_psense_quantities(fitted, ["alpha", "beta"])  # doctest: +SKIP
    """
    import arviz_plots

    legend = {"visuals": {"legend": {"title": "what is scaled"}}}
    given = {**_given(fit, var_names), **legend, **arviz}
    return arviz_plots.plot_psense_quantities(psense_tree(fit), **given)


def _given(fit: "Fit", var_names: list[str] | None) -> dict[str, Any]:
    """Variables under names that ArviZ takes, and a labeller that says them as the law does."""
    from arviz_base.labels import MapLabeller

    back: dict[Hashable, Hashable] = {new: old for old, new in safe_names(fit).items()}
    return {
        "var_names": safe_choice(fit, var_names),
        "labeller": MapLabeller(var_name_map=back),
        "figure_kwargs": {"layout": "constrained"},
    }
