"""How rows of a training curve scatter: their errors are correlated from one to the next."""

import numpy as np

from bayescale.likelihoods.families import LOG_NORMAL
from bayescale.likelihoods.losses import SIGMA
from bayescale.priors import Beta
from bayescale.spec.functions import cached
from bayescale.spec.likelihood import Likelihood
from bayescale.spec.series import Series
from bayescale.spec.settings import name_with_settings

# Errors of neighbouring checkpoints are similar, hardly ever opposite; they are not equal either,
# since what a whole curve has in common is its offset.
RHO = Beta(alpha=2.0, beta=2.0)


@cached
def autoregressive(by: str, order: str, apart: float = 0.0) -> Likelihood:
    """Return a Normal about the log of the law, with errors correlated along each curve.

    Parameters
    ----------
    by, order : str
        Column that identifies curves, and column along which they run.
    apart : float
        Least distance, in `order`, between rows of a curve that are fitted. 0 fits all rows.

    Returns
    -------
    Likelihood

    Examples
    --------
    >>> autoregressive("run", "step").title
    'Normal on the log response, correlated along step within each run'
    """
    return Likelihood(
        name=name_with_settings("autoregressive", by=by, order=order, apart=apart),
        title=f"Normal on the log response, correlated along {order} within each {by}",
        family=LOG_NORMAL,
        priors={"sigma": SIGMA, "rho": RHO},
        scatter=lambda expected, sigma, rho: {"mu": np.log(expected), "sigma": sigma, "rho": rho},
        series=Series(by, order, apart),
    )
