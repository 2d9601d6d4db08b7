"""How much the posterior depends on the priors, without refitting: power scaling.

Each draw is weighted by the ratio that a prior (or likelihood) raised to a power near 1 would give
it. Where the posterior moves with the power of the prior, the prior matters; where it does not move
with that of the likelihood, the runs say little.

References
----------
Kallioinen et al. (2024), doi:10.1007/s11222-023-10366-5.
"""

from collections.abc import Mapping

import pandas as pd
import xarray as xr

from bayescale.errors import LawError
from bayescale.fitting.record import Fit
from bayescale.inference.groups import Pool
from bayescale.posterior.draws import SAMPLE_DIMS


def safe_names(fit: Fit) -> dict[str, str]:
    """Stand-ins for the names that ArviZ's plots of power scaling refuse, by original name.

    They call the power ``alpha``, which nearly every scaling law has as a coefficient. ArviZ 1.3
    still does (arviz-stats 1.3.3), in the plots but not in its table.
    """
    refused = ("alpha", "component_group", "plot_axis", "quantities")
    names = {}
    for name in (name for name in refused if name in fit.posterior):
        stand_in = f"{name}_"
        while stand_in in fit.posterior:
            stand_in += "_"
        names[name] = stand_in
    return names


def psense_tree(fit: Fit) -> xr.DataTree:
    """Posterior, log likelihood and log prior, for every psense function of ArviZ.

    Parameters
    ----------
    fit : Fit
        A fitted law.

    Returns
    -------
    DataTree
        Groups ``posterior``, ``log_likelihood`` and ``log_prior``. A parameter ``alpha`` is called
        ``alpha_`` in it, since ArviZ's plots use that name for the power (`safe_names`).

    See Also
    --------
    prior_sensitivity : the table, under the law's own names.
    bayescale.plots.plot_psense_dist : the picture.

    Examples
    --------
    >>> az.plot_psense_dist(psense_tree(fitted), var_names=["alpha_"])  # doctest: +SKIP
    """
    return _renamed_tree(fit, safe_names(fit))


def _renamed_tree(fit: Fit, names: Mapping[str, str]) -> xr.DataTree:
    groups = {
        "posterior": fit.posterior,
        "log_likelihood": fit.log_likelihood.to_dataset(),
        "log_prior": log_prior(fit),
    }
    return xr.DataTree.from_dict(
        {
            group: draws.rename({name: new for name, new in names.items() if name in draws})
            for group, draws in groups.items()
        }
    )


def log_prior(fit: Fit) -> xr.Dataset:
    """Log density of each of the law's priors at the draws of the posterior.

    Scatter has priors too. They are left out: they are part of the model of the runs, and not a
    belief about the law.

    Parameters
    ----------
    fit : Fit
        A fitted law.

    Returns
    -------
    Dataset
        (chain, draw) for each free parameter of the law.
    """
    densities = {}
    for name, prior in fit.structure.priors:
        if name in fit.law.priors:
            pooled = fit.structure.pooling(name) is Pool.PARTIAL
            values = fit.posterior[f"{name}_mean" if pooled else name]
            part = [f"{name}_part"] if prior.parts else []
            ordered = values.transpose(*SAMPLE_DIMS, ..., *part).to_numpy()
            density = prior.log_density_of(ordered)
            total = density.reshape(*ordered.shape[:2], -1).sum(axis=-1)
            densities[name] = (SAMPLE_DIMS, total)
    return xr.Dataset(densities, {dim: fit.posterior[dim] for dim in SAMPLE_DIMS})


def prior_sensitivity(fit: Fit, var_names: list[str] | None = None) -> pd.DataFrame:
    """Power-scaling sensitivity of each quantity to the priors and to the likelihood.

    Parameters
    ----------
    fit : Fit
        A fitted law.
    var_names : list of str, optional
        Variables of the posterior; coefficients and derived quantities by default.

    Returns
    -------
    DataFrame
        A row for each quantity, with columns ``prior``, ``likelihood`` and ``diagnosis``. A value
        of ``prior`` above 0.05 is noticeable; a value of ``likelihood`` below 0.05 means that the
        runs say little.

    Raises
    ------
    LawError
        If the posterior has no such variable.

    References
    ----------
    Kallioinen et al. (2024), doi:10.1007/s11222-023-10366-5.

    Examples
    --------
    >>> prior_sensitivity(fitted, ["alpha", "beta"])  # doctest: +SKIP
    """
    import arviz_stats

    names = _known_names(fit, var_names)
    table: pd.DataFrame = arviz_stats.psense_summary(_renamed_tree(fit, {}), var_names=names)
    return table


def safe_choice(fit: Fit, var_names: list[str] | None) -> list[str]:
    """Variables to plot, under their names in `psense_tree`.

    Raises
    ------
    LawError
        If the posterior has no such variable.
    """
    names = safe_names(fit)
    return [names.get(name, name) for name in _known_names(fit, var_names)]


def _known_names(fit: Fit, var_names: list[str] | None) -> list[str]:
    """Chosen variables of the posterior, or by default coefficients and derived quantities."""
    default = [*fit.law.coefficient_names, *fit.law.derived]
    names = default if var_names is None else var_names
    unknown = [name for name in names if name not in fit.posterior]
    if unknown:
        raise LawError(
            f"the posterior has no {unknown}; expected names among {list(fit.posterior)}. "
            "Choose from these."
        )
    return names
