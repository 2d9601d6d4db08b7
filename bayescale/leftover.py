"""Whether the runs scatter about a claimed law as they would about a true one."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from scipy import special, stats

from bayescale.checks import AGREES, CHANCE, DISAGREES, CheckResult, has_all, rounded, untested
from bayescale.claims import Claim
from bayescale.clusterwise import log_cluster_density
from bayescale.draws import SAMPLE_DIMS, deviation, expected_response, quantities, stacked
from bayescale.flops import Array
from bayescale.prediction import drawn_at_runs, log_likelihood
from bayescale.simulators import truths_like
from bayescale.structure import response_of

if TYPE_CHECKING:
    from bayescale.fitting import Fit

REPLICATES = 1000
"""Tables made anew to see how the mean residual of a true law scatters: known to 3% then."""


def misfit(claim: Claim, fit: "Fit") -> CheckResult:
    """Whether the runs scatter about the claimed law as they would about a true one.

    The mean residual (of logarithms, where the response is positive), runs weighted by their
    precision in the fit, is compared with that of runs made anew at the same places, with the
    scatter and the clusters of the fit.
    """
    name = "residuals"
    if not has_all(claim, fit) or fit.structure.by is not None:
        return untested(name, "The claim does not give every coefficient of an ungrouped law.")
    weights = precision(fit)
    means = mean_residuals(claim, fit, weights)
    mean, (low, high) = float(means[0]), (float(means.min()), float(means.max()))
    spread = _mean_scatter(fit, weights)
    p, at_best = (float(2 * stats.norm.sf(abs(x) / spread)) for x in (mean, _nearest(low, high)))
    difference, se = density_difference(claim, fit)
    outcome = DISAGREES if at_best < CHANCE else AGREES
    sentence = (
        f"The runs lie {mean:+.4f} from the claimed law in {_what(fit)} on the weighted mean "
        f"(p = {p:.2g}), {low:+.4f} to {high:+.4f} within the rounding of its digits"
        f"{', which are too few to use it' if p < CHANCE <= at_best else ''}; "
        f"the claim's elpd is {difference:+.0f} +- {se:.0f} against the refit."
    )
    numbers = {
        "mean": mean,
        "lowest": low,
        "highest": high,
        "sd": spread,
        "p": p,
        "p_rounded": at_best,
        "elpd_difference": difference,
        "elpd_difference_se": se,
    }
    return CheckResult(name, outcome, numbers, sentence)


def _what(fit: "Fit") -> str:
    law = fit.law
    return f"log {law.response}" if law.scale_of(law.response).logged else law.response


def _nearest(low: float, high: float) -> float:
    """The number nearest to zero of an interval."""
    return float(np.clip(0.0, low, high))


def precision(fit: "Fit") -> Array:
    """Weight of each run: one over the variance of its scatter, averaged to 1.

    Without it a few runs that scatter widely would decide over a mean.
    """
    scale = deviation(fit.structure, fit.posterior, fit.runs, fit.runs, "run")
    each = np.broadcast_to(scale.median(SAMPLE_DIMS), len(fit.runs)) ** -2.0
    return np.asarray(each / each.mean())


def mean_residuals(claim: Claim, fit: "Fit", weights: Array) -> Array:
    """Mean residual of the runs under the claim, then under every corner of its rounding."""
    law = fit.law
    corners = rounded(claim, law, law.coefficient_names)
    columns = {name: xr.DataArray(fit.runs[name].to_numpy(), dims="run") for name in law.inputs}
    expected = law.formula(**columns, **corners)
    on = law.scale_of(law.response).measured
    observed = xr.DataArray(on(fit.runs[law.response].to_numpy()), dims="run")
    return np.asarray(((observed - on(expected)) * xr.DataArray(weights, dims="run")).mean("run"))


def _mean_scatter(fit: "Fit", weights: Array) -> float:
    """Standard deviation of the mean residual of runs made anew about a true law."""
    made, rng = fit.structure, np.random.default_rng(fit.random_seed)
    # What clusters miss is drawn anew, too.
    truths = truths_like(made, fit.posterior, REPLICATES, fit.random_seed)
    known = quantities(made, fit.runs, truths)
    drawn = drawn_at_runs(made, known, fit.runs, rng)
    on = made.law.scale_of(made.law.response).measured
    responses = on(response_of(made, drawn, fit.runs, fit.runs))
    about = on(expected_response(made, known, fit.runs, "run"))
    means = ((responses - about) * xr.DataArray(weights, dims="run")).mean("run")
    low, high = np.quantile(means, stats.norm.cdf([-1.0, 1.0]))
    return float((high - low) / 2)


def density_difference(claim: Claim, fit: "Fit") -> tuple[float, float]:
    """Log predictive density of the claim less that of the refit, and its standard error.

    Over what errs on its own (clusters, or runs). Scatter and clusters are the fit's; the refit
    pays for its coefficients by WAIC.
    """
    law = fit.law
    values = stacked(law, law.gathered(claim.values, law.coefficient_names))
    claimed = fit.posterior.assign(
        {name: xr.zeros_like(fit.posterior[name]) + value for name, value in values.items()}
    )
    theirs, ours = (_waic(fit, draws) for draws in (claimed, fit.posterior))
    each = theirs - ours
    return float(each.sum()), float(np.sqrt(len(each)) * each.std(ddof=1))


def _waic(fit: "Fit", draws: xr.Dataset) -> Array:
    made = fit.structure
    if made.integrable:
        index = made.clusters.index(fit.runs)  # type: ignore[union-attr]
        density = log_cluster_density(made, draws, fit.runs, fit.runs, index)
    else:
        density = (
            log_likelihood(made, draws, fit.runs).to_array()[0].transpose(..., "run").to_numpy()
        )
    flat = density.reshape(-1, density.shape[-1])
    mean = special.logsumexp(flat, axis=0) - np.log(len(flat))
    return np.asarray(mean - flat.var(axis=0, ddof=1))
