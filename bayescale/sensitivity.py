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
import pymc as pm
import xarray as xr

from bayescale.draws import SAMPLE_DIMS
from bayescale.errors import LawError
from bayescale.grouping import Pool
from bayescale.model import QUICK

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
    parts = (fit.posterior, fit.log_likelihood.to_dataset(), log_prior(fit))
    names = safe_names(fit)
    return xr.DataTree.from_dict(
        {group: _renamed(part, names) for group, part in zip(GROUPS, parts, strict=True)}
    )


def log_prior(fit: "Fit") -> xr.Dataset:
    """Log density of each of the law's priors at the posterior's draws, (chain, draw).

    How runs scatter and what clusters miss has priors too. They are left out: the second are part
    of the model of the runs, and nobody's belief about the law.
    """
    found = {}
    for name, prior in fit.structure.priors:
        if name in fit.law.priors:
            pooled = fit.structure.pooling(name) is Pool.PARTIAL
            values = fit.posterior[f"{name}_mean" if pooled else name]
            part = [f"{name}_part"] if prior.parts else []
            ordered = values.transpose(*SAMPLE_DIMS, ..., *part).to_numpy()
            density = pm.logp(prior.distribution.dist(**prior.parameters), ordered).eval(**QUICK)
            total = density.reshape(*ordered.shape[:2], -1).sum(axis=-1)
            found[name] = (SAMPLE_DIMS, total)
    return xr.Dataset(found, {dim: fit.posterior[dim] for dim in SAMPLE_DIMS})


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
