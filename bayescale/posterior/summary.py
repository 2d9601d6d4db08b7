"""Summary tables of draws: mean, interval, how much it was widened, and convergence."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.errors import LawError
from bayescale.posterior.chains import chain_statistic, labels_of, stack_numbers
from bayescale.posterior.draws import SAMPLE_DIMS


def interval_names() -> tuple[str, str]:
    """Names of an interval's ends by ArviZ's settings, for example ``eti89_lb, eti89_ub``."""
    kind, mass = interval_kind()
    return f"{kind}{mass * 100:g}_lb", f"{kind}{mass * 100:g}_ub"


def interval_kind() -> tuple[str, float]:
    """Kind and mass of the intervals that are printed, from ArviZ's settings."""
    from arviz_base import rcParams

    return rcParams["stats.ci_kind"], float(rcParams["stats.ci_prob"])


def interval(draws: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Lower and upper end of the interval of ArviZ's settings, over chains and draws."""
    samples = draws.stack(sample=SAMPLE_DIMS).transpose(..., "sample")
    low, high = (
        draws.isel(dict.fromkeys(SAMPLE_DIMS, 0), drop=True).copy(data=end)
        for end in _ends(samples.to_numpy())
    )
    return low, high


def _ends(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the interval of ArviZ's settings, over the last axis."""
    from arviz_stats.base import array_stats

    kind, mass = interval_kind()
    ends = getattr(array_stats, kind)(samples, prob=mass, axis=-1)
    return ends[..., 0], ends[..., 1]


def select_quantities(
    posterior: xr.Dataset, names: Sequence[str] | None = None, scatter: bool = False
) -> xr.Dataset:
    """Quantities of a posterior to report.

    Parameters
    ----------
    posterior : Dataset
        From `bayescale.posterior.quantities.quantities`.
    names : sequence of str, optional
        Its variables; by default coefficients and derived quantities.
    scatter : bool
        Without `names`, also the parameters of scatter and groups.

    Raises
    ------
    LawError
        If the posterior has no such variable.
    """
    roles = {"coefficient", "derived", *(("noise",) if scatter else ())}
    reported = [str(name) for name, values in posterior.items() if values.attrs["role"] in roles]
    chosen = reported if names is None else list(names)
    unknown = [name for name in chosen if name not in posterior]
    if unknown:
        raise LawError(
            f"the posterior has no {unknown}; expected names among {list(posterior)}. "
            "Choose from these."
        )
    return posterior[chosen]


def summary_table(draws: xr.Dataset, model: xr.Dataset | None = None) -> pd.DataFrame:
    """Mean, sd, interval and convergence of quantities, a row each.

    Parameters
    ----------
    draws : Dataset
        Quantities, each (chain, draw, ...).
    model : Dataset, optional
        The same quantities at the draws of the model as it stands, before they were widened.

    Returns
    -------
    DataFrame
        With `model` also ``widened``, the standard deviation over the model's own; of logarithms
        where all draws are positive.
    """
    # Coordinates such as budgets as people write them: 1e+13, not 10000000000000.0.
    texts = {
        name: [f"{value:.3g}" if float(f"{value:.3g}") == value else str(value) for value in index]
        for name, index in draws.indexes.items()
        if index.dtype.kind == "f"
    }
    numbers = stack_numbers(draws)
    flat = numbers.reshape(len(numbers), -1)
    columns = ["mean", "sd", *interval_names(), "ess_bulk", "ess_tail", "r_hat"]
    # Draws that never move and draws too large to square give nan, which shows in the table.
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        values = (
            flat.mean(axis=1),
            flat.std(axis=1, ddof=1),
            *_ends(flat),
            chain_statistic("ess", numbers, method="bulk"),
            # Of the 5% and 95% quantiles, as the verdict has it.
            chain_statistic("ess", numbers, method="tail", prob=(0.05, 0.95)),
            chain_statistic("rhat", numbers),
        )
        labels = labels_of(draws.assign_coords(texts))
        table = pd.DataFrame(dict(zip(columns, values, strict=True)), index=labels)
        if model is not None:
            both = np.stack([numbers, stack_numbers(model)])
            positive = both.min(axis=(0, 2, 3)) > 0
            both[:, positive] = np.log(both[:, positive])
            sd, own = both.std(axis=(2, 3), ddof=1)
            table["widened"] = sd / own
            columns.insert(4, "widened")
    return table[columns]
