"""Which coefficients the runs identify, and which the prior determines.

Everything is judged on the scale on which a quantity is about Normal: the logarithm of a positive
one, the log odds of a share. *Contraction* is how much the runs reduce the prior variance there: 0
where the posterior is the prior, 1 where the prior no longer matters. *Power scaling* shows how far
a posterior moves when the priors count a little more or less. On a *ridge*, each of two numbers is
known badly and one combination of them well.

References
----------
Betancourt (2018), https://betanalpha.github.io/assets/case_studies/principled_bayesian_workflow.html,
for the contraction.
Kallioinen et al. (2024), doi:10.1007/s11222-023-10366-5, for power scaling.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.diagnostics.power_scaling import log_prior
from bayescale.fitting.record import Fit
from bayescale.inference.coordinates import draw_prior
from bayescale.posterior.draws import Draws
from bayescale.posterior.quantities import (
    coefficients_from_free,
    population_names,
    population_values,
    scalars,
    stack_parts,
)
from bayescale.spec.law import Law

PRIOR_DRAWS = 2000


IDENTIFIED = 0.5
"""Contraction below which a coefficient is not identified: the prior then weighs more."""


RIDGE = 0.95
"""Rank correlation above which two numbers lie on a ridge: given one, the other is three times as
sure."""


SENSITIVE = 0.05
"""Power-scaling sensitivity that counts: halving the prior's power moves a mean by 0.3 sd."""


def identification(fit: Fit) -> pd.DataFrame:
    """How much the runs say about each coefficient, free parameter and derived quantity.

    Parameters
    ----------
    fit : Fit
        A fitted law.

    Returns
    -------
    DataFrame
        A row for each quantity: ``scale`` (``log``, ``log odds`` or ``plain``), ``prior_sd`` and
        ``sd`` on it, ``contraction`` (1 less the ratio of their squares), and the power-scaling
        sensitivities ``prior`` and ``likelihood``. Of the priors only those of the law are scaled.

    References
    ----------
    Betancourt (2018), for the contraction; Kallioinen et al. (2024),
    doi:10.1007/s11222-023-10366-5, for power scaling.

    Examples
    --------
    >>> identification(fitted)  # doctest: +SKIP
    """
    return identification_of(fit, *scaled_draws(fit))


def identification_of(fit: Fit, prior: xr.Dataset, posterior: xr.Dataset) -> pd.DataFrame:
    """Table of `identification`, from draws of prior and posterior (`scaled_draws`)."""
    from arviz_stats import psense

    table = pd.DataFrame(
        {
            "scale": prior.attrs["scales"],
            "prior_sd": {name: float(values.std(ddof=1)) for name, values in prior.items()},
            "sd": {name: float(values.std(ddof=1)) for name, values in posterior.items()},
        }
    )
    table["contraction"] = 1 - (table["sd"] / table["prior_sd"]) ** 2
    # A group may have a slash in its name, which a variable of a DataTree may not.
    names = {name: f"quantity_{k}" for k, name in enumerate(posterior)}
    tree = xr.DataTree.from_dict(
        {
            "posterior": posterior.rename(names),
            "log_likelihood": fit.log_likelihood.to_dataset(name="all"),
            "log_prior": log_prior(fit),
        }
    )
    for group in ("prior", "likelihood"):
        sensitivity = psense(tree, group=group)
        table[group] = pd.Series({name: float(sensitivity[new]) for name, new in names.items()})
    return table


def scaled_draws(fit: Fit) -> tuple[xr.Dataset, xr.Dataset]:
    """Draws of prior and posterior, on the scale on which each number is judged.

    Parameters
    ----------
    fit : Fit
        A fitted law.

    Returns
    -------
    prior, posterior : Dataset
        A (chain, draw) variable for each number, by the label of a summary. ``attrs["scales"]`` of
        the prior gives the scale by label.
    """
    draws = prior_draws(fit)
    prior: dict[str, xr.DataArray] = {}
    posterior: dict[str, xr.DataArray] = {}
    scales: dict[str, str] = {}
    for name, values in ((str(name), values) for name, values in draws.items()):
        transform: Callable[[Any], Any]
        part = f"{name}_part"
        if part in values.dims and np.allclose(values.sum(part), 1.0):
            scale, transform = "log odds", lambda shares: np.log(shares) - np.log1p(-shares)
        elif bool((values > 0).all()):
            scale, transform = "log", xr.ufuncs.log
        else:
            scale, transform = "plain", lambda numbers: numbers
        own = dict(scalars(transform(values), name))
        prior |= own
        posterior |= dict(scalars(transform(fit.posterior[name]), name))
        scales |= dict.fromkeys(own, scale)
    return xr.Dataset(prior, attrs={"scales": scales}), xr.Dataset(posterior)


def prior_draws(fit: Fit) -> xr.Dataset:
    """Draws of the law's priors: free parameters, coefficients and derived quantities.

    Parameters
    ----------
    fit : Fit
        A fitted law.

    Returns
    -------
    Dataset
        Each variable with one chain of `PRIOR_DRAWS` draws.
    """
    law, runs = fit.law, fit.runs
    free = Draws(fit.structure, draw_prior(fit.structure, PRIOR_DRAWS, fit.random_seed), runs)
    coefficients = stack_parts(law, coefficients_from_free(free))
    common = [f"{name}_common" for name in population_names(fit.structure)]
    prior = free.posterior[[*law.priors, *common]].assign(coefficients)
    draws = Draws(fit.structure, prior, fit.runs)
    if fit.structure.own_groups:
        typical = coefficients_from_free(population_values(draws))
        prior = prior.assign(stack_parts(law, typical))
        draws = Draws(fit.structure, prior, fit.runs)
    return prior.assign(stack_parts(law, law.derive(draws.coefficients)))


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
        Posterior standard deviation of each, on its own scale.
    """

    first: str
    second: str
    correlation: float
    power: float
    sd: float
    alone: tuple[float, float]

    def __str__(self) -> str:
        # A share is judged by its log odds.
        first, second = (
            f"odds({label})" if label.startswith("share[") else label
            for label in (self.first, self.second)
        )
        sign = "*" if self.power > 0 else "/"
        return (
            f"{self.first} and {self.second} lie on a ridge (rank correlation "
            f"{self.correlation:.2f}): the runs determine {first} {sign} "
            f"{second}^{abs(self.power):.2g} to {self.sd:.1%}, but {first} only to "
            f"{self.alone[0]:.1%} and {second} to {self.alone[1]:.0%}. "
            "Do not interpret either alone."
        )


def ridges(posterior: xr.Dataset, law: Law) -> tuple[Ridge, ...]:
    """Pairs of free parameters of which one combination is known much better than either.

    Coefficients that only follow from free parameters are left out: an amplitude in raw units is
    correlated with its exponent in any table. So are pairs of shares of one whole.

    Parameters
    ----------
    posterior : Dataset
        Draws on the scale on which they are judged (`scaled_draws`).
    law : Law
        Names the free parameters.

    Returns
    -------
    tuple of Ridge
        The steepest first.
    """
    from scipy.stats import rankdata

    # Of two shares, one determines the other.
    spare = {
        f"{name}[{prior.parts[1]}]" for name, prior in law.priors.items() if len(prior.parts) == 2
    }
    labels = [str(label) for label in posterior if label not in spare]
    names = {label: label.partition("[")[0] for label in labels}
    free = [label for label in labels if names[label] in law.priors]
    # A ridge may be curved on any scale: ranks show it all the same.
    ranks = {}
    for label in free:
        draws = posterior[label]
        ranks[label] = draws.copy(data=rankdata(draws).reshape(draws.shape))
    pairs = []
    for one, other in combinations(free, 2):
        correlation = float(xr.corr(ranks[one], ranks[other]))
        if names[one] == names[other] or not abs(correlation) > RIDGE:
            continue
        spread = {label: float(posterior[label].std(ddof=1)) for label in (one, other)}
        first, second = sorted(spread, key=lambda label: spread[label])
        linear = float(xr.corr(posterior[first], posterior[second]))
        pairs.append(
            Ridge(
                first,
                second,
                correlation=correlation,
                power=-linear * spread[first] / spread[second],
                sd=spread[first] * float(np.sqrt(max(1 - linear**2, 0.0))),
                alone=(spread[first], spread[second]),
            )
        )
    return tuple(sorted(pairs, key=lambda ridge: -abs(ridge.correlation)))
