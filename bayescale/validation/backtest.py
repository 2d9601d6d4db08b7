"""Hold out the larger runs, predict them, and see how often they lie inside the intervals.

Everything is scored on the logarithm of the response (on a response that is not positive as it is),
for each held-out run and method: its place in the predictive distribution (PIT), CRPS and log
score, the width of the intervals, and the bias of the median.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.errors import DataError, LawError
from bayescale.runs.read import COMPUTE, digest, runs_for
from bayescale.spec.law import AUTO, Law
from bayescale.spec.likelihood import Likelihood
from bayescale.validation.backtest_methods import METHODS, Array, BacktestTask
from bayescale.validation.sweep import DOUBT, Parallel, split_rows, sweep

MASSES = (0.5, 0.8, 0.9, 0.95)
"""Probabilities of the intervals."""

SCORES = ("observed", "bias", "pit", "crps", "log_score")
"""What is kept of each run, besides its intervals."""


@dataclass(frozen=True, eq=False)
class Backtest:
    """How well a law, fitted to the smaller runs, predicted the larger ones.

    Returned by `backtest`.

    Parameters
    ----------
    law : str
        Name of the law.
    order_by : str
        What the runs were cut by: ``flops``, ``params`` or ``tokens``.
    predictions : Dataset
        Along ``prediction``, with coordinates ``method``, ``cut``, ``run`` (row of the table) and
        ``decades`` beyond the largest run fitted: ``observed`` log response, ``bias`` of the
        median, ``pit``, ``crps``, ``log_score``; ``lower`` and ``upper`` also along ``mass``. The
        seed is among its attributes.
    remarks : DataFrame
        Method and cut of what could not be fitted or is not to be trusted, and why.
    """

    law: str
    order_by: str
    predictions: xr.Dataset
    remarks: pd.DataFrame

    @property
    def random_seed(self) -> int:
        """The seed from which fits and predictions follow."""
        return int(self.predictions.attrs["random_seed"])

    def scores(self, *, decades: Sequence[float] | None = None) -> pd.DataFrame:
        """Mean scores of each method, every cut counting equally.

        Parameters
        ----------
        decades : sequence of float, optional
            Edges of bins of decades beyond the fitted runs. Each bin is then scored separately.

        Returns
        -------
        DataFrame
            Coverage of the intervals (``inside_50`` and so on), mean width of the 90% interval,
            bias, root mean square error, CRPS and log score.
        """
        predictions = self.predictions
        table = predictions[list(SCORES)].to_dataframe().drop(columns="mass", errors="ignore")
        observed, lower, upper = (predictions[name] for name in ("observed", "lower", "upper"))
        inside = (lower <= observed) & (observed <= upper)
        for mass in MASSES:
            table[f"inside_{100 * mass:.0f}"] = inside.sel(mass=mass).astype(float).to_numpy()
        width = (upper - lower).sel(mass=0.9).to_numpy()
        table = table.assign(width_90=width, square=table["bias"] ** 2)
        keys = ["method"]
        if decades is not None:
            table["decades"] = pd.cut(table["decades"], list(decades), include_lowest=True)
            keys.append("decades")
        by_cut = table.groupby([*keys, "cut"], observed=True)
        means = by_cut.mean(numeric_only=True).drop(columns=["run", "observed", "pit"])
        return (
            means.groupby(keys, observed=True)
            .mean()
            .assign(rmse=lambda mean: np.sqrt(mean.pop("square")))
        )


def backtest(
    law: Law,
    runs: pd.DataFrame | str | PathLike[str],
    *,
    order_by: str = "flops",
    cuts: Sequence[float] = (0.5, 0.6, 0.7, 0.8),
    methods: Sequence[str] = tuple(METHODS),
    likelihood: Likelihood | None = None,
    clusters: str | None = AUTO,
    parallel: Parallel = Parallel(),
    random_seed: int | None = None,
) -> Backtest:
    """Fit a law to the runs up to each cut, and score its predictions of the larger ones.

    Besides the law as `bayescale.fit` has it (``posterior``) it scores two baselines: its posterior
    with Student-t scatter of one scale, without clusters and without drift (``one_scale``), and the
    point fit that papers report, with a pairs bootstrap and its own residuals (``point_fit``).

    Parameters
    ----------
    law : Law
        What to fit.
    runs : DataFrame or path
        Training runs, as for `bayescale.fit`.
    order_by : {"flops", "params", "tokens"}
        Which column orders the runs.
    cuts : sequence of float
        Quantiles of it: runs up to a cut are fitted, larger ones are predicted.
    methods : sequence of str
        Which of the three to score.
    likelihood : Likelihood, optional
        As for `bayescale.fit`; of ``posterior``.
    clusters : str, optional
        As for `bayescale.fit`; of ``posterior``.
    parallel : Parallel
        File of rows, number of processes, progress bar.
    random_seed : int, optional
        Everything random follows from it. Without it, that of the rows in the file, if there are
        any; else drawn from the system. Kept with the result.

    Returns
    -------
    Backtest
        Predictions of every method at every cut, with their scores.

    Raises
    ------
    DataError
        If the table cannot be used, a cut leaves too few runs on a side, or nothing can be fitted.
    LawError
        If there is no such method.

    Examples
    --------
    >>> import bayescale as bs
    >>> bs.backtest(bs.models.COUPLED, bs.datasets.load("pocket")).scores()  # doctest: +SKIP
    """
    if order_by not in COMPUTE:
        raise DataError(
            f"order_by is {order_by!r}; expected one of {', '.join(COMPUTE)}. Choose one."
        )
    table = runs_for(law, runs)
    if order_by not in table:
        raise DataError(
            f"law {law.name!r} read no column {order_by!r}; expected one to order the runs by. "
            f"Choose among {', '.join(name for name in COMPUTE if name in table)}."
        )
    unknown = sorted(set(methods) - set(METHODS))
    if unknown:
        raise LawError(
            f"unknown {unknown}; expected methods among {', '.join(METHODS)}. Choose one."
        )
    parts = {cut: _split_at(table, order_by, cut) for cut in cuts}
    options = {"law": law, "likelihood": likelihood, "clusters": clusters}
    title = (
        f"{law.name}, {likelihood.name if likelihood else 'default'}, {clusters}, "
        f"{digest(table)[:12]}: {order_by}"
    )
    tried = pd.DataFrame([(m, cut) for cut in cuts for m in methods], columns=["method", "cut"])
    tasks = [
        (f"{title} {cut:g} {method}", {"method": method, **options, **parts[cut]})
        for method, cut in tried.itertuples(index=False)
    ]
    rows = sweep(_score_method, tasks, parallel=parallel, random_seed=random_seed)
    good, remarks = split_rows(rows, "cut of the runs")
    scored = tried.join(good, how="inner")
    tables = [
        _predictions_of(row, **parts[row["cut"]], order_by=order_by) for _, row in scored.iterrows()
    ]
    predictions: xr.Dataset = xr.concat(tables, "prediction")
    return Backtest(
        law=law.name,
        order_by=order_by,
        predictions=predictions.assign_attrs(random_seed=rows.attrs["random_seed"]),
        remarks=tried.join(remarks, how="inner").reset_index(drop=True),
    )


def _split_at(table: pd.DataFrame, order_by: str, cut: float) -> dict[str, pd.DataFrame]:
    """Runs to fit and runs to predict."""
    larger = table[order_by] > (table[order_by].quantile(cut) if 0 < cut < 1 else np.inf)
    if min(larger.sum(), (~larger).sum()) < 6:  # fewer tell nothing
        raise DataError(
            f"the cut {cut:g} by {order_by} leaves {(~larger).sum()} runs to fit and "
            f"{larger.sum()} to predict; expected 6 or more of both. Take other cuts between 0 "
            "and 1."
        )
    return {"known": table[~larger], "larger": table[larger]}


def _score_method(method: str, random_seed: int, **options: Any) -> dict[str, Any]:
    """Scores of one method at one cut, a list over the held-out runs."""
    task = BacktestTask(**options, random_seed=random_seed)
    prediction, observed = METHODS[method](task), task.observed
    draws = prediction.draws
    ends = [[(1 - mass) / 2, (1 + mass) / 2] for mass in MASSES]
    lower, upper = np.moveaxis(np.quantile(draws, ends, axis=0), 1, 0)
    return {
        "observed": observed.tolist(),
        "bias": (np.median(draws, axis=0) - observed).tolist(),
        "pit": (draws < observed).mean(axis=0).tolist(),
        "crps": crps(draws, observed).tolist(),
        "log_score": prediction.log_density.tolist(),
        "lower": lower.T.tolist(),
        "upper": upper.T.tolist(),
        DOUBT: prediction.doubt,
    }


def crps(draws: Array, observed: Array) -> Array:
    """Continuous ranked probability score of predictive draws; lower is better.

    Parameters
    ----------
    draws : (draw, point) array
        Of the predictive distribution.
    observed : (point,) array
        What was observed.

    Returns
    -------
    (point,) array

    References
    ----------
    Gneiting and Raftery (2007), doi:10.1198/016214506000001437, eq. 21.
    """
    count = len(draws)
    weights = (2 * np.arange(1, count + 1) - count - 1)[:, None]
    spread = (weights * np.sort(draws, axis=0)).sum(axis=0) / count**2
    return np.abs(draws - observed).mean(axis=0) - spread


def _predictions_of(
    row: "pd.Series[Any]", known: pd.DataFrame, larger: pd.DataFrame, order_by: str
) -> xr.Dataset:
    """Scores of one method at one cut, along the held-out runs."""
    decades = np.log10(larger[order_by] / known[order_by].max())
    return xr.Dataset(
        {
            **{name: ("prediction", row[name]) for name in SCORES},
            **{name: (("prediction", "mass"), row[name]) for name in ("lower", "upper")},
        },
        {
            "method": ("prediction", [row["method"]] * len(larger)),
            "cut": ("prediction", [row["cut"]] * len(larger)),
            "run": ("prediction", decades.index.to_numpy()),
            "decades": ("prediction", decades.to_numpy()),
            "mass": list(MASSES),
        },
    )
