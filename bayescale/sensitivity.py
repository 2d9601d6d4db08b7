"""How far the answer hangs on the priors, without refitting: power scaling.

Each draw is weighted by what it would count for under a prior (or likelihood) raised to a power
near 1. Where the posterior moves with the prior's power, the prior says much; where it does not
move with the likelihood's, the runs say little.

References
----------
Kallioinen et al. (2024), doi:10.1007/s11222-023-10366-5.
"""

from typing import TYPE_CHECKING

import pandas as pd
import xarray as xr

from bayescale.errors import LawError

if TYPE_CHECKING:
    from bayescale.fitting import Fit

TAKEN = ("alpha", "component_group", "quantities", "sample")
"""Dimensions that ArviZ gives its power-scaled draws; no variable may have such a name."""
GROUPS = ("posterior", "log_likelihood", "log_prior")


def safe_names(fit: "Fit") -> dict[str, str]:
    """Stand-ins for names that ArviZ's power scaling takes for itself, by the name they stand for.

    ArviZ calls the power ``alpha`` and refuses a posterior with a variable of that name, which a
    scaling law nearly always has.
    """
    names = {}
    for name in (name for name in TAKEN if name in fit.posterior):
        stand_in = f"{name}_"
        while stand_in in fit.posterior:
            stand_in += "_"
        names[name] = stand_in
    return names


def psense_tree(fit: "Fit") -> xr.DataTree:
    """Posterior, log likelihood and log prior, such that every ArviZ psense function works on it.

    Parameters
    ----------
    fit : Fit
        A fitted law.

    Returns
    -------
    DataTree
        Groups ``posterior``, ``log_likelihood`` and ``log_prior``. A parameter ``alpha`` is called
        ``alpha_`` in it, since ArviZ 1.3 takes that name for itself (`safe_names`).

    See Also
    --------
    prior_sensitivity : the table, under the law's own names.
    bayescale.plots.plot_psense_dist : the picture.

    Examples
    --------
    >>> az.plot_psense_dist(psense_tree(fitted), var_names=["alpha_"])  # doctest: +SKIP
    """
    # PyMC 6.4 moved it here; the old place warns.
    from pymc.stats import compute_log_prior

    groups = {"posterior": fit.posterior, "log_likelihood": fit.log_likelihood.to_dataset()}
    tree = xr.DataTree.from_dict(groups)
    compute_log_prior(tree, model=fit.model, progressbar=False)
    names = safe_names(fit)
    renamed = {group: _renamed(tree[group].to_dataset(), names) for group in GROUPS}
    return xr.DataTree.from_dict(renamed)


def _renamed(draws: xr.Dataset, names: dict[str, str]) -> xr.Dataset:
    return draws.rename({name: stand_in for name, stand_in in names.items() if name in draws})


def prior_sensitivity(fit: "Fit", var_names: list[str] | None = None) -> pd.DataFrame:
    """How far prior and likelihood each move the posterior, a row for each quantity.

    Parameters
    ----------
    fit : Fit
        A fitted law.
    var_names : list of str, optional
        Variables of the posterior; coefficients and derived quantities by default.

    Returns
    -------
    DataFrame
        Columns ``prior``, ``likelihood`` and ``diagnosis``. A prior value above 0.05 is
        noticeable; a likelihood value below says that the runs tell little.

    Raises
    ------
    LawError
        If the posterior has no such variable.

    Examples
    --------
    >>> prior_sensitivity(fitted, ["alpha", "beta"])  # doctest: +SKIP
    """
    import arviz_stats

    names = safe_names(fit)
    chosen = safe_choice(fit, var_names)
    table: pd.DataFrame = arviz_stats.psense_summary(psense_tree(fit), var_names=chosen)
    back = {stand_in: name for name, stand_in in names.items()}
    return table.rename(index=lambda label: _said(str(label), back))


def safe_choice(fit: "Fit", var_names: list[str] | None) -> list[str]:
    """Variables chosen, or coefficients and derived quantities, as `psense_tree` calls them."""
    chosen = var_names if var_names is not None else _reported(fit)
    unknown = [name for name in chosen if name not in fit.posterior]
    if unknown:
        raise LawError(
            f"the posterior has no {unknown}; expected names among {list(fit.posterior)}. "
            "Choose from these."
        )
    names = safe_names(fit)
    return [names.get(name, name) for name in chosen]


def _reported(fit: "Fit") -> list[str]:
    return [*fit.law.coefficient_names, *fit.law.derived]


def _said(label: str, back: dict[str, str]) -> str:
    """Give a row, perhaps with its part in brackets, the name that a stand-in stands for."""
    name, bracket, rest = label.partition("[")
    return back.get(name, name) + bracket + rest
