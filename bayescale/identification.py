"""Which coefficients the runs identify, and which are what the prior said.

Everything is judged on the scale on which a quantity is about Normal: the logarithm of a positive
one, the log odds of a share. *Contraction* is by how much the runs lower the prior's variance
there: 0 where the posterior is the prior, 1 where the prior is forgotten. *Power scaling* says how
far a posterior moves when the priors count for a little more or less. On a *ridge*, two numbers are
each known badly and one combination of them well.

References
----------
Betancourt (2018), https://betanalpha.github.io/assets/case_studies/principled_bayesian_workflow.html,
for the contraction.
Kallioinen et al. (2024), doi:10.1007/s11222-023-10366-5, for power scaling.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pymc as pm
import xarray as xr

from bayescale.draws import (
    coefficients_from,
    coefficients_of,
    common,
    common_names,
    numbers,
    stacked,
)
from bayescale.law import Law
from bayescale.model import QUICK, build_model
from bayescale.sensitivity import log_prior

if TYPE_CHECKING:
    from bayescale.fitting import Fit

PRIOR_DRAWS = 2000
IDENTIFIED = 0.5
"""Contraction below which a coefficient counts as not identified: the prior then says more."""
RIDGE = 0.95
"""Rank correlation from which two lie on a ridge: given one, the other is thrice as sure."""
SENSITIVE = 0.05
"""Power-scaling sensitivity that counts: halving the prior's power moves a mean by 0.3 sd."""


@dataclass(frozen=True)
class Ridge:
    """Two numbers of which one combination is known better than either.

    Parameters
    ----------
    first, second : str
        Labels of the two; `first` is the one that is known better.
    correlation : float
        Rank correlation of their draws.
    power : float
        The combination that is known best is ``first * second**power``.
    sd : float
        Posterior standard deviation of the logarithm of that combination.
    alone : tuple of float
        Posterior standard deviations of each on its own scale.
    """

    first: str
    second: str
    correlation: float
    power: float
    sd: float
    alone: tuple[float, float]


def identification(fit: "Fit") -> pd.DataFrame:
    """How much the runs say about each coefficient, free parameter and derived quantity.

    Parameters
    ----------
    fit : Fit
        A fitted law.

    Returns
    -------
    DataFrame
        A row a quantity: ``scale`` (``log``, ``log odds`` or ``plain``), ``prior_sd`` and ``sd`` on
        it, ``contraction`` (1 less the ratio of their squares), and the power-scaling sensitivities
        ``prior`` and ``likelihood``. Of the priors only the law's are scaled.

    Examples
    --------
    >>> identification(fitted)  # doctest: +SKIP
    """
    return identification_of(fit, *both_scaled(fit))


def identification_of(fit: "Fit", before: xr.Dataset, after: xr.Dataset) -> pd.DataFrame:
    """The same from draws of prior and posterior that are at hand (`both_scaled`)."""
    table = pd.DataFrame(
        {
            "scale": before.attrs["scales"],
            "prior_sd": {name: float(values.std(ddof=1)) for name, values in before.items()},
            "sd": {name: float(values.std(ddof=1)) for name, values in after.items()},
        }
    )
    table["contraction"] = 1 - (table["sd"] / table["prior_sd"]) ** 2
    return table.join(_power_scaled(fit, after))


def both_scaled(fit: "Fit") -> tuple[xr.Dataset, xr.Dataset]:
    """Draws of prior and posterior, a variable a number, each on the scale it is judged on."""
    prior = prior_draws(fit)
    scales = {str(name): _scale(values) for name, values in prior.items()}
    before, after = (_elements(draws, scales) for draws in (prior, fit.posterior))
    labels = {label: SCALES[kind][0] for label, (kind, _) in before.items()}
    return (
        xr.Dataset({label: x for label, (_, x) in before.items()}, attrs={"scales": labels}),
        xr.Dataset({label: x for label, (_, x) in after.items()}),
    )


def prior_draws(fit: "Fit") -> xr.Dataset:
    """Draws of what the law's priors say about coefficients, free parameters and their kin."""
    law, model = fit.law, build_model(fit.structure, fit.runs)
    commons = [f"{name}_common" for name in common_names(fit.structure)]
    names = list(dict.fromkeys((*law.coefficient_names, *law.priors, *commons)))
    # Only what these depend on is compiled, and none of it for speed.
    drawn = pm.draw(
        [model[name] for name in names], PRIOR_DRAWS, random_seed=fit.random_seed, **QUICK
    )
    dims = {name: model.named_vars_to_dims.get(name) or () for name in names}
    prior = xr.Dataset(
        {
            name: (("chain", "draw", *dims[name]), values[None])
            for name, values in zip(names, drawn, strict=True)
        },
        {name: fit.posterior[name] for each in dims.values() for name in each},
    )
    if fit.structure.own_groups:
        typical = coefficients_from(fit.structure, common(fit.structure, prior), fit.runs)
        prior = prior.assign(stacked(law, typical))
    return prior.assign(stacked(law, law.derive(coefficients_of(law, prior))))


def _logit(shares: Any) -> Any:
    return np.log(shares) - np.log1p(-shares)


SCALES: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "log": ("log", np.log),
    "share": ("log odds", _logit),
    "plain": ("plain", lambda values: values),
}


def _scale(values: xr.DataArray) -> str:
    part = f"{values.name}_part"
    if part in values.dims and np.allclose(values.sum(part), 1.0):
        return "share"
    return "log" if bool((values > 0).all()) else "plain"


def _elements(draws: xr.Dataset, scales: Mapping[str, str]) -> dict[str, tuple[str, xr.DataArray]]:
    """Every number of the variables, with its scale, by the label that a summary gives it."""
    found = {}
    for name, kind in scales.items():
        scaled = SCALES[kind][1](draws[name])
        for label, one in numbers(scaled, name):
            found[label] = kind, one
    return found


def _power_scaled(fit: "Fit", scaled: xr.Dataset) -> pd.DataFrame:
    """Sensitivity of each number to the power of the law's priors, and of the likelihood.

    What clusters miss is integrated out of the likelihood where it can be, and its distribution is
    no prior that anybody chose.
    """
    from arviz_stats import psense

    # Names that cannot be those ArviZ gives its own dimensions.
    names = {name: f"quantity_{k}" for k, name in enumerate(scaled)}
    tree = xr.DataTree.from_dict(
        {
            "posterior": scaled.rename(names),
            "log_likelihood": fit.case_likelihood.to_dataset(name="all"),
            "log_prior": log_prior(fit),
        }
    )
    found = {group: psense(tree, group=group) for group in ("prior", "likelihood")}
    return pd.DataFrame(
        {
            group: {name: float(values[names[name]]) for name in scaled}
            for group, values in found.items()
        }
    )


def ridges(posterior: xr.Dataset, law: Law) -> tuple[Ridge, ...]:
    """Pairs of free parameters of which one combination is known much better than either.

    Coefficients that only follow from free parameters are left out: an amplitude in raw units goes
    with its exponent in any table. So are shares of one whole.

    Parameters
    ----------
    posterior : Dataset
        Draws on the scale they are judged on (`both_scaled`).
    law : Law
        Names the free parameters.
    """
    # Of two shares one says all.
    spare = {
        f"{name}[{prior.parts[1]}]" for name, prior in law.priors.items() if len(prior.parts) == 2
    }
    labels = [str(label) for label in posterior if label not in spare]
    free = [label for label in labels if label.partition("[")[0] in law.priors]
    pairs = [
        _ridge(posterior, one, other)
        for one, other in combinations(free, 2)
        if one.partition("[")[0] != other.partition("[")[0]
    ]
    steep = (each for each in pairs if abs(each.correlation) > RIDGE)
    return tuple(sorted(steep, key=lambda each: -abs(each.correlation)))


def _ridge(posterior: xr.Dataset, one: str, other: str) -> Ridge:
    spread = {label: float(posterior[label].std(ddof=1)) for label in (one, other)}
    first, second = sorted(spread, key=lambda label: spread[label])
    one_sd, other_sd = spread[first], spread[second]
    linear = float(xr.corr(posterior[first], posterior[second]))
    return Ridge(
        first,
        second,
        correlation=float(xr.corr(_ranks(posterior[first]), _ranks(posterior[second]))),
        power=-linear * one_sd / other_sd,
        sd=one_sd * float(np.sqrt(max(1 - linear**2, 0.0))),
        alone=(one_sd, other_sd),
    )


def _ranks(draws: xr.DataArray) -> xr.DataArray:
    """A ridge may be bent on any scale, and is one all the same."""
    from scipy.stats import rankdata

    return draws.copy(data=rankdata(draws.to_numpy()).reshape(draws.shape))
