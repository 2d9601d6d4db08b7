"""Hold out the larger runs, predict them, and see how often they lie inside the intervals.

Everything is scored on the logarithm of the response, per run held out and method: where in its
predictive distribution a run fell (PIT), what the prediction cost (CRPS, log score), how wide the
intervals were and how far off the median.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.contestants import METHODS, Array, Question
from bayescale.errors import DataError, LawError
from bayescale.law import FOUND, Law
from bayescale.likelihood import LikelihoodFactory
from bayescale.likelihoods import name_or_default
from bayescale.runs import COMPUTE, digest, runs_for
from bayescale.sweeps import ERROR, sweep

CUTS = (0.5, 0.6, 0.7, 0.8)
MASSES = (0.5, 0.8, 0.9, 0.95)
PER_RUN = ("observed", "bias", "pit", "crps", "log_score")
FEWEST = 6
"""Runs to train on for every cut, and to predict: fewer say nothing."""


@dataclass(frozen=True, eq=False)
class Backtest:
    """How well a law, fitted to the smaller runs, predicted the larger ones.

    Made by `backtest`.

    Parameters
    ----------
    law : str
        Name of the law.
    by : str
        What the runs were cut by: ``flops``, ``params`` or ``tokens``.
    predictions : Dataset
        Along ``prediction``, with coordinates ``method``, ``cut``, ``run`` (row of the table) and
        ``decades`` beyond the largest run fitted: ``observed`` log response, ``bias`` of the
        median, ``pit``, ``crps``, ``log_score``; ``lower`` and ``upper`` also along ``mass``.
    remarks : DataFrame
        Method and cut of what could not be fitted or is not to be trusted, and why.
    """

    law: str
    by: str
    predictions: xr.Dataset
    remarks: pd.DataFrame

    def scores(self, *, decades: Sequence[float] | None = None) -> pd.DataFrame:
        """Mean scores of each method, every cut counting equally.

        Parameters
        ----------
        decades : sequence of float, optional
            Edges of bins of decades beyond the runs fitted, to score each apart.

        Returns
        -------
        DataFrame
            Coverage of the intervals (``inside_50`` and so on), mean width of the 90% interval,
            bias, root mean square error, CRPS and log score.
        """
        flat = _flat(self.predictions)
        keys = ["method"]
        if decades is not None:
            flat["decades"] = pd.cut(flat["decades"], list(decades), include_lowest=True)
            keys.append("decades")
        each = flat.groupby([*keys, "cut"], observed=True)
        means = each.mean(numeric_only=True).drop(columns=["run", "observed", "pit"])
        return (
            means.groupby(keys, observed=True)
            .mean()
            .assign(rmse=lambda table: np.sqrt(table.pop("square")))
        )


def backtest(
    law: Law,
    runs: pd.DataFrame | str | PathLike[str],
    *,
    by: str = "flops",
    cuts: Sequence[float] = CUTS,
    methods: Sequence[str] = tuple(METHODS),
    likelihood: LikelihoodFactory | None = None,
    clusters: str | None = FOUND,
    path: str | PathLike[str] | None = None,
    jobs: int = -1,
    random_seed: int = 0,
    progress: bool = False,
) -> Backtest:
    """Fit a law to the runs below each cut, and score its predictions of those above.

    Beside the law as `fit` has it (``posterior``) it scores two baselines: its posterior with
    Student-t scatter of one scale, every run on its own and nothing added beyond the runs
    (``one_scale``), and the point fit that papers report, with a pairs bootstrap and residuals
    drawn from its own (``point_fit``).

    Parameters
    ----------
    law : Law
        What to fit.
    runs : DataFrame or path
        Training runs, as for `fit`.
    by : {"flops", "params", "tokens"}
        What larger means.
    cuts : sequence of float
        Quantiles of it: runs up to one are fitted, those above it are predicted.
    methods : sequence of str
        Which of the three to score.
    likelihood, clusters
        As for `fit`; of ``posterior``.
    path, jobs, random_seed, progress
        As for `sweep`: where to keep rows as they come, processes, seed, progress bar.

    Returns
    -------
    Backtest

    Raises
    ------
    DataError
        If the table cannot be used, or a cut leaves too few runs on a side.
    LawError
        If there is no such method.

    Examples
    --------
    >>> import bayescale as bs
    >>> bs.backtest(bs.models.COUPLED, bs.datasets.load("pocket")).scores()  # doctest: +SKIP
    """
    table = _read(law, runs, by)
    unknown = sorted(set(methods) - set(METHODS))
    if unknown:
        raise LawError(
            f"unknown {unknown}; expected methods among {', '.join(METHODS)}. Choose one."
        )
    asked = [(method, cut) for cut in cuts for method in methods]
    named = f"{name_or_default(likelihood, law)}, {clusters}, {digest(table)[:12]}"
    name = f"{law.name}, {named}: {by}"
    parts = {cut: _parts(table, by, cut) for cut in cuts}
    what = {"law": law, "likelihood": likelihood, "clusters": clusters}
    tasks = [(f"{name} {cut:g} {m}", {"method": m, **what, **parts[cut]}) for m, cut in asked]
    rows = sweep(_scored, tasks, path=path, jobs=jobs, random_seed=random_seed, progress=progress)
    told = pd.DataFrame(asked, columns=["method", "cut"]).join(rows)
    told["remark"] = told[ERROR].where(told[ERROR].notna(), told.get("doubt", ""))
    return Backtest(
        law=law.name,
        by=by,
        predictions=_dataset(
            told[told[ERROR].isna()], {cut: _decades(**parts[cut], by=by) for cut in cuts}
        ),
        remarks=told.loc[told["remark"] != "", ["method", "cut", "remark"]].reset_index(drop=True),
    )


def _read(law: Law, runs: Any, by: str) -> pd.DataFrame:
    if by not in COMPUTE:
        raise DataError(
            f"runs are to be cut by {by!r}; expected one of {', '.join(COMPUTE)}. Choose one."
        )
    table = runs_for(law, runs)
    if by not in table:
        raise DataError(
            f"law {law.name!r} read no column {by!r}; expected one to cut the runs by. "
            f"Choose among {', '.join(name for name in COMPUTE if name in table)}."
        )
    return table


def _parts(table: pd.DataFrame, by: str, cut: float) -> dict[str, pd.DataFrame]:
    """Runs to fit and runs to predict."""
    above = table[by] > (table[by].quantile(cut) if 0 < cut < 1 else np.inf)
    if min(above.sum(), (~above).sum()) < FEWEST:
        raise DataError(
            f"the cut {cut:g} by {by} leaves {(~above).sum()} runs to fit and {above.sum()} to "
            f"predict; expected {FEWEST} or more of both. Take other cuts between 0 and 1."
        )
    return {"known": table[~above], "larger": table[above]}


def _decades(known: pd.DataFrame, larger: pd.DataFrame, by: str) -> pd.DataFrame:
    """Row of every run held out, and how far it lies beyond the largest one fitted."""
    beyond = np.log10(larger[by] / known[by].max())
    return pd.DataFrame({"run": beyond.index, "decades": beyond.to_numpy()})


def _scored(method: str, random_seed: int, **asked: Any) -> dict[str, Any]:
    """Scores of one method at one cut, a list over the runs held out."""
    question = Question(**asked, random_seed=random_seed)
    said, observed = METHODS[method](question), question.observed
    ends = [[(1 - mass) / 2, (1 + mass) / 2] for mass in MASSES]
    lower, upper = np.moveaxis(np.quantile(said.draws, ends, axis=0), 1, 0)
    return {
        "observed": observed.tolist(),
        "bias": (np.median(said.draws, axis=0) - observed).tolist(),
        "pit": (said.draws < observed).mean(axis=0).tolist(),
        "crps": crps(said.draws, observed).tolist(),
        "log_score": said.log_density.tolist(),
        "lower": lower.T.tolist(),
        "upper": upper.T.tolist(),
        "doubt": said.doubt,
    }


def crps(draws: Array, observed: Array) -> Array:
    """Continuous ranked probability score of predictive draws; lower is better.

    Parameters
    ----------
    draws : (draw, point) array
    observed : (point,) array

    References
    ----------
    Gneiting and Raftery (2007), doi:10.1198/016214506000001437, eq. 21.
    """
    count = len(draws)
    weights = (2 * np.arange(1, count + 1) - count - 1)[:, None]
    spread = (weights * np.sort(draws, axis=0)).sum(axis=0) / count**2
    return np.abs(draws - observed).mean(axis=0) - spread


def _dataset(told: pd.DataFrame, beyond: Mapping[float, pd.DataFrame]) -> xr.Dataset:
    """Scores of all methods and cuts along one dim."""
    parts = [
        xr.Dataset(
            {
                **{name: ("prediction", row[name]) for name in PER_RUN},
                **{name: (("prediction", "mass"), row[name]) for name in ("lower", "upper")},
            },
            {
                "method": ("prediction", [row["method"]] * len(row["pit"])),
                "cut": ("prediction", [row["cut"]] * len(row["pit"])),
                **{
                    name: ("prediction", values.to_numpy())
                    for name, values in beyond[row["cut"]].items()
                },
                "mass": list(MASSES),
            },
        )
        for row in told.to_dict("records")
    ]
    return xr.concat(parts, "prediction") if parts else xr.Dataset()


def _flat(predictions: xr.Dataset) -> pd.DataFrame:
    """Predictions as a table, with what is averaged of them."""
    table = predictions[list(PER_RUN)].to_dataframe().drop(columns="mass", errors="ignore")
    inside = (predictions["lower"] <= predictions["observed"]) & (
        predictions["observed"] <= predictions["upper"]
    )
    for mass in MASSES:
        table[f"inside_{100 * mass:.0f}"] = inside.sel(mass=mass).astype(float).to_numpy()
    width = (predictions["upper"] - predictions["lower"]).sel(mass=0.9)
    return table.assign(width_90=width.to_numpy(), square=table["bias"] ** 2)
