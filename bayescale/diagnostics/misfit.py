"""Misfit of the law itself: a surface that is left in the residuals.

Scatter has no shape. Where residuals follow the compute of the runs or their balance of tokens to
params, the law is bent otherwise than the runs, and no number of further runs will tell its
coefficients better.
"""

from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from scipy import stats

from bayescale.diagnostics.residuals import CHANCE, has_scale, standardised_residuals
from bayescale.fitting.record import Fit
from bayescale.inference.units import standardised
from bayescale.posterior.drift import usual_residual
from bayescale.spec.functions import Array
from bayescale.spec.law import Law

FURTHEST = 3.0
"""Standardised residuals beyond this count as this, so that no single run makes a surface."""


@dataclass(frozen=True)
class Misfit:
    """A quadratic surface in the residuals.

    Parameters
    ----------
    share : float
        Of the variance of the residuals that it explains.
    threshold : float
        Share that independent residuals exceed in `CHANCE` of tables.
    size : float
        Usual distance of the surface from the law, on the scale of the response.
    term : tuple of str
        The direction of most of it, twice for its square; or two, for their product.
    """

    share: float
    threshold: float
    size: float
    term: tuple[str, ...]

    @property
    def along(self) -> str:
        """Where most of it lies, in words."""
        if len(self.term) == 1:
            return f"a trend in {self.term[0]}"
        if len(set(self.term)) == 1:
            return f"a curvature in {self.term[0]}"
        return f"a trend in {self.term[0]} that changes with {self.term[1]}"

    def sentence(self, law: Law) -> str:
        """What it means for a law, and what to do."""
        logged = law.kind_of(law.response).logged
        unit = f"{self.size:.2g} in {'log ' if logged else ''}{law.response}"
        return (
            f"Law {law.name!r} is bent otherwise than the runs: a surface explains "
            f"{self.share:.0%} of the variance of the residuals, usually {unit}, mostly "
            f"{self.along}. Intervals are widened for it, and predictions beyond the runs too; "
            "bayescale diagnose --others says which law of the same inputs predicts larger runs "
            "better, and so does bayescale.compare(laws, runs, leave_out='backtest')."
        )


def misfit(fit: Fit) -> Misfit | None:
    """Fit a quadratic surface in the inputs to the residuals.

    For laws of params and tokens it is one in log compute and log tokens per param; else one in the
    standardised inputs. A law of one input has a cubic.

    Parameters
    ----------
    fit : Fit
        A fitted law.

    Returns
    -------
    Misfit or None
        None where the scatter has no scale, the runs have groups or are a series, or there are too
        few of them.
    """
    if not has_scale(fit, heavy_tails=True) or fit.structure.by or fit.likelihood.series:
        return None
    names, axes = _axes(fit)
    terms = [
        term
        for degree in range(1, 4 if len(names) == 1 else 3)
        for term in combinations_with_replacement(range(len(names)), degree)
    ]
    columns = np.column_stack([np.prod([axes[k] for k in term], axis=0) for term in terms])
    residuals = standardised_residuals(fit, heavy_tails=True).to_numpy()
    residuals = np.clip(residuals, -FURTHEST, FURTHEST)
    free = len(residuals) - len(terms) - len(fit.law.coefficient_labels)
    if free < len(terms):
        return None
    design = np.column_stack([np.ones(len(residuals)), columns])
    weights, *_ = np.linalg.lstsq(design, residuals, rcond=None)
    surface = design @ weights
    share = float(surface.var() / residuals.var())
    # The share of so many terms by chance, from the F distribution of its ratio to the rest.
    chance = len(terms) * stats.f.isf(CHANCE, len(terms), free)
    parts = np.abs(weights[1:]) * columns.std(axis=0)
    return Misfit(
        share=share,
        threshold=float(chance / (chance + free)),
        size=float(surface.std() / residuals.std() * usual_residual(fit.draws)),
        term=tuple(names[k] for k in terms[int(parts.argmax())]),
    )


def _axes(fit: Fit) -> tuple[tuple[str, ...], list[Array]]:
    """Names of the directions of a surface, and each run's standardised place along them."""
    inputs = fit.law.varying_inputs
    if {"params", "tokens"} == set(inputs):
        params, tokens = (np.log(fit.runs[name].to_numpy()) for name in ("params", "tokens"))
        raw = {"compute": params + tokens, "tokens per param": tokens - params}
        places = [(x - x.mean()) / max(x.std(), 1e-12) for x in raw.values()]
        return tuple(raw), places
    columns = standardised(fit.structure, fit.runs, fit.runs)
    return tuple(inputs), [columns[name] for name in inputs]
