"""How much of what a fit says of the best model size was known before its runs.

Precisions add up: what the posterior knows of log N_opt is what the priors know and what the runs
add. So the share of the priors is the posterior's variance over the priors'. It is asked for N_opt
at ten times the largest run's compute, for the law alone, since drift is the same without any run.
"""

from dataclasses import dataclass, replace
from math import exp, log

import numpy as np

from bayescale.diagnostics.identifiability import prior_draws
from bayescale.fitting.record import Fit
from bayescale.posterior.draws import Draws
from bayescale.posterior.optimum import largest_budget, optimum
from bayescale.spec.law import Law
from bayescale.wording import power_of_ten

LEANS = 0.25
"""Share of the priors above which an interval of N_opt leans on them: without them it would be 15%
wider."""

MIDDLE = (0.055, 0.945)
"""Levels whose distance stands for a standard deviation: tails of priors are long."""


@dataclass(frozen=True)
class Borrowed:
    """What the priors say about the best model size of a budget, and what is known in the end.

    Parameters
    ----------
    flops : float
        The budget.
    known : float
        Factor by which the 89% interval of N_opt reaches each way from its middle.
    priors : float
        The same factor before any run.
    plain : float or None
        The same before any run with the law's own priors, where the field's were taken.
    """

    flops: float
    known: float
    priors: float
    plain: float | None

    @property
    def share(self) -> float:
        """Share of what is known of log N_opt that the priors knew."""
        return min((log(self.known) / log(self.priors)) ** 2, 1.0)

    @property
    def gone(self) -> float:
        """Share of the variance of log N_opt that the field's prior takes off before any run."""
        return 1 - (log(self.priors) / log(self.plain or self.priors)) ** 2

    def sentence(self) -> str:
        """What it means, for a person."""
        whose = "the priors" if self.plain is None else "public studies of language models"
        before = (
            f"Of what is known of N_opt at {power_of_ten(self.flops)} FLOP, {self.share:.0%} comes "
            f"from {whose}: before the first run it was known within {_factor(self.priors)} each "
            f"way, and now within {_factor(self.known)} (the law alone, without drift)."
        )
        if self.plain is None:
            return before
        return (
            f"{before} With the law's own priors it would have been known within "
            f"{_factor(self.plain)} before: {self.gone:.0%} of the variance of log N_opt is gone "
            "before the first run."
        )


def _factor(reach: float) -> str:
    return f"a factor of {reach:.2g}" if reach < 1e3 else f"a factor of {power_of_ten(reach)}"


def borrowed(fit: Fit) -> Borrowed | None:
    """How much of what is known of N_opt comes from the priors.

    Parameters
    ----------
    fit : Fit
        A fitted law.

    Returns
    -------
    Borrowed or None
        None for a law whose optimum needs more than a budget, and for grouped runs.
    """
    if not fit.law.has_optimum or fit.structure.by is not None:
        return None
    flops = 10 * largest_budget(fit.draws)
    law = fit.law
    plain = None if law.plain is None else _reach(_prior_of(fit, law.plain), flops)
    return Borrowed(flops, _reach(fit.draws, flops), _reach(_prior_of(fit, law), flops), plain)


def _prior_of(fit: Fit, law: Law) -> Draws:
    """Draws of a law's own priors at the runs of a fit; those of the fit, where it is its law."""
    own = fit.structure
    if law is not fit.law:
        noise = tuple((n, prior) for n, prior in own.priors if n not in fit.law.priors)
        own = replace(own, law=law, priors=(*law.priors.items(), *noise))
    asked = Fit(own, fit.tree)
    return Draws(own, prior_draws(asked), fit.runs)


def _reach(draws: Draws, flops: float) -> float:
    """Factor by which N_opt may lie off its middle, either way."""
    best = optimum(draws, flops, drift=None)["N_opt"].to_numpy()
    low, high = np.quantile(np.log(best), MIDDLE)
    return exp((high - low) / 2)
