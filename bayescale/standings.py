"""Scores of several laws put side by side: where each stands, and how that is printed."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.errors import DataError
from bayescale.flops import Array

if TYPE_CHECKING:
    from bayescale.comparison import Comparison

WAYS = {
    "loo": "leaving out one run at a time",
    "cluster": "leaving out one cluster of runs at a time",
    "backtest": "predicting the larger runs from the smaller ones",
}
"""What laws can be compared by."""
FURTHER = 10.0
"""Budget at which the share between laws is printed, over the largest of the runs."""


def aligned(each: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """Scores of the cases that every law has, and how much each case counts.

    Parameters
    ----------
    each : mapping of str to Dataset
        By law, from `bayescale.heldout`.

    Returns
    -------
    Dataset
        ``elpd`` and ``doubtful`` (law, case), and ``counts`` (case): 1, but for cuts of a
        back-test, which have as much to say together whether many runs lie beyond them or few.

    Raises
    ------
    DataError
        If the laws have no case in common.
    """
    scores = xr.concat(
        each.values(),
        pd.Index(list(each), name="law"),
        join="inner",
        coords="minimal",
        compat="override",
    )
    if not scores.sizes["case"]:
        raise DataError(
            f"laws {', '.join(each)} were scored on different cases; expected some in common. "
            "Compare fewer laws, or by 'loo'."
        )
    counts = np.ones(scores.sizes["case"])
    if "cut" in scores.coords:
        runs = pd.Series(counts).groupby(scores["cut"].to_numpy())
        counts = (len(counts) / runs.ngroups / runs.transform("size")).to_numpy()
    return scores.assign(counts=("case", counts))


def standings(scores: xr.Dataset, weights: xr.DataArray) -> pd.DataFrame:
    """A row for each law, the best first: elpd, difference from the best, weight."""
    elpd = (scores["elpd"] * scores["counts"]).transpose("law", "case").to_numpy()
    # A run that is predicted beyond several cuts is one run: what was said of it goes together.
    unit = scores["run"].to_numpy() if "run" in scores.coords else np.arange(elpd.shape[1])
    sums = pd.DataFrame(elpd.T).groupby(unit).sum().to_numpy().T
    best = int(sums.sum(axis=1).argmax())
    table = pd.DataFrame(
        {
            "elpd": sums.sum(axis=1),
            "se": standard_error(sums),
            "difference": (sums - sums[best]).sum(axis=1),
            "difference_se": standard_error(sums - sums[best]),
            "weight": weights.sel(law=scores["law"]).to_numpy(),
            "doubtful": scores["doubtful"].sum("case").to_numpy(),
        },
        index=pd.Index(scores["law"].to_numpy(), name="law"),
    )
    if "refitted" in scores:
        table["refits"] = scores["refitted"].sum("case").to_numpy()
    table = table.sort_values("elpd", ascending=False, kind="stable")
    table.insert(0, "rank", np.arange(len(table)))
    return table


def standard_error(values: Array) -> Array:
    """Of the sum over cases, (..., case)."""
    return np.asarray(np.sqrt(values.shape[-1]) * values.std(axis=-1, ddof=1))


def told(comparison: "Comparison") -> tuple[str, pd.DataFrame, list[str]]:
    """What is printed of a comparison: a heading, the table as text, and what to mind."""
    table, laws = comparison.table, len(comparison.fits)
    cases = comparison.scores.sizes["case"]
    forms = dict.fromkeys(("elpd", "se", "difference", "difference_se"), "{:.1f}".format)
    shown = {name: table[name].map(form) for name, form in forms.items()}
    remarks = [between_laws(comparison)]
    if not table["trusted"].all():
        names = ", ".join(table.index[~table["trusted"]])
        remarks.append(f"! fits not to be trusted: {names}. See their verdicts.")
    if table["doubtful"].any():
        remarks.append("! elpd is only approximate where cases are doubtful.")
    return (
        f"{laws} laws compared by {WAYS[comparison.by]} ({cases} cases)",
        table.assign(**shown, weight=table["weight"].map("{:.2f}".format)),
        remarks,
    )


def between_laws(comparison: "Comparison") -> str:
    """Share of the variance that lies between laws, beyond the runs if the laws have an optimum."""
    fits = list(comparison.fits.values())
    if all(fit.law.has_optimum for fit in fits):
        runs = fits[0].runs
        at: Any = FURTHER * float((6.0 * runs["params"] * runs["tokens"]).max())
        ask: Callable[..., xr.Dataset] = comparison.optimum
        names = ["N_opt", "L_opt"]
        where = f"at {at:.2g} FLOP, {FURTHER:g} times the largest run"
    else:
        every = pd.concat([fit.runs for fit in fits], axis=1)
        every = every.loc[:, ~every.columns.duplicated()]
        at = every.loc[[every[fits[0].law.response].idxmin()]]
        ask, names, where = comparison.predict, ["mean"], "at the best of the runs"
    whole, alone = (
        comparison.between(ask(at, mixed=False, extrapolate=extrapolate)[names]).squeeze()
        for extrapolate in (True, False)
    )
    each = [f"{name} {float(whole[name]):.0%} ({float(alone[name]):.0%})" for name in names]
    return (
        f"Share of the variance that lies between laws, {where}: {', '.join(each)}. In brackets "
        "that of the laws alone, without what any law misses beyond its runs."
    )
