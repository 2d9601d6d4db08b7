"""Whether the runs scatter about a claimed law as they would about a true one."""

import numpy as np
import pandas as pd
import xarray as xr
from scipy import special, stats

from bayescale.auditing.check_result import (
    AGREES,
    CHANCE,
    DISAGREES,
    CheckResult,
    Evidence,
    is_whole_law,
    rounded,
    untested,
)
from bayescale.fitting.record import Fit
from bayescale.inference.structure import response_from_observed
from bayescale.posterior.draws import SAMPLE_DIMS, Draws
from bayescale.posterior.expectation import expected_response, scatter_sd
from bayescale.posterior.jackknife import case_log_likelihood
from bayescale.posterior.pointwise import log_likelihood, replicate_runs
from bayescale.posterior.quantities import quantities, stack_parts
from bayescale.spec.claim import Claim
from bayescale.validation.simulators import choose_draws


def residuals(claim: Claim, evidence: Evidence) -> CheckResult:
    """Check whether the runs scatter about the claimed law as they would about a true one.

    The mean residual (of logarithms, where the response is positive) is compared with that of
    replicated runs at the same inputs, with the scatter of the fit. Runs are
    weighted by their precision in the fit, because otherwise a few runs that scatter widely would
    decide the mean.
    """
    fit = evidence.fit
    law, runs = fit.law, fit.runs
    if not is_whole_law(claim, fit) or fit.structure.by is not None:
        return untested("The claim does not give every coefficient of an ungrouped law.")
    scale = scatter_sd(fit.draws, runs, "run").median(SAMPLE_DIMS)
    precision = np.broadcast_to(scale, len(runs)) ** -2.0
    weights = xr.DataArray(precision / precision.mean(), dims="run")
    # The claim as printed comes first, then every corner of its rounding.
    columns = {name: xr.DataArray(runs[name].to_numpy(), dims="run") for name in law.inputs}
    claimed = law.formula(**columns, **rounded(claim, law, law.coefficient_names))
    kind = law.kind_of(law.response)
    observed = xr.DataArray(kind.scaled(runs[law.response].to_numpy()), dims="run")
    means = ((observed - kind.scaled(claimed)) * weights).mean("run").to_numpy()
    mean, low, high = float(means[0]), float(means.min()), float(means.max())
    sd = _sd_of_mean(fit, weights)
    p, p_rounded = (float(2 * stats.norm.sf(abs(x) / sd)) for x in (mean, np.clip(0.0, low, high)))
    difference, se = _density_difference(claim, fit)
    too_few = ", which are too few to use it" if p < CHANCE <= p_rounded else ""
    sentence = (
        f"The runs lie {mean:+.4f} from the claimed law in {'log ' if kind.logged else ''}"
        f"{law.response} on the weighted mean (p = {p:.2g}), {low:+.4f} to {high:+.4f} within the "
        f"rounding of its digits{too_few}; the claim's elpd is {difference:+.0f} +- {se:.0f} "
        "against the refit."
    )
    numbers = {
        "mean": mean,
        "lowest": low,
        "highest": high,
        "sd": sd,
        "p": p,
        "p_rounded": p_rounded,
        "elpd_difference": difference,
        "elpd_difference_se": se,
    }
    return CheckResult(DISAGREES if p_rounded < CHANCE else AGREES, numbers, sentence)


def _sd_of_mean(fit: Fit, weights: xr.DataArray) -> float:
    """Standard deviation of the mean residual of runs about a true law.

    That of replicated runs; or, where it is larger, that of the fit's own residuals added up by
    cluster, whose runs err together.
    """
    structure, runs, seed = fit.structure, fit.runs, fit.random_seed
    # 1000 replicated tables give the standard deviation to 3%.
    truths = choose_draws(fit.draws, 1000, seed)
    known = Draws(structure, quantities(Draws(structure, truths, runs)), runs)
    replicated = replicate_runs(known, np.random.default_rng(seed))
    scaled = structure.law.kind_of(structure.law.response).scaled
    responses = scaled(response_from_observed(structure, replicated, runs, runs))
    means = ((responses - scaled(expected_response(known, runs, "run"))) * weights).mean("run")
    low, high = np.quantile(means, stats.norm.cdf([-1.0, 1.0]))
    replicated_sd = float((high - low) / 2)
    if structure.clusters is None:
        return replicated_sd
    expected = scaled(expected_response(fit.draws, runs, "run")).mean(SAMPLE_DIMS)
    own = pd.Series(weights * (scaled(runs[structure.law.response].to_numpy()) - expected))
    sums = own.groupby(structure.clusters.cases(runs)).sum()
    return max(replicated_sd, float(np.sqrt((sums**2).sum())) / len(runs))


def _density_difference(claim: Claim, fit: Fit) -> tuple[float, float]:
    """Log predictive density of a claim less that of the refit, with its standard error.

    The sum is over clusters, or runs, which have independent errors. The scatter is that of the
    fit. The refit pays for its fitted coefficients by WAIC.
    """
    law = fit.law
    values = stack_parts(law, law.group_parts(claim.values, law.coefficient_names))
    claimed = fit.posterior.assign(
        {name: xr.zeros_like(fit.posterior[name]) + value for name, value in values.items()}
    )
    densities = []
    for posterior in (claimed, fit.posterior):
        draws = Draws(fit.structure, posterior, fit.runs)
        by_run = log_likelihood(draws).to_array()[0]
        cases = case_log_likelihood(draws, by_run).transpose(*SAMPLE_DIMS, ...).to_numpy()
        flat = cases.reshape(-1, cases.shape[-1])
        mean = special.logsumexp(flat, axis=0) - np.log(len(flat))
        densities.append(mean - flat.var(axis=0, ddof=1))
    difference = densities[0] - densities[1]
    return float(difference.sum()), float(np.sqrt(len(difference)) * difference.std(ddof=1))
