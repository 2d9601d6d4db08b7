"""Which laws can be compared, their scores side by side, and the table of a comparison."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.documents.document import Block, Document, Listing, Section, Table, Text
from bayescale.errors import DataError, LawError
from bayescale.spec.functions import Array
from bayescale.spec.law import Law

HELD_OUT = {
    "run": "leaving out one run at a time",
    "cluster": "leaving out one cluster of runs at a time",
    "backtest": "predicting the larger runs from the smaller ones",
}
"""What can be left out to compare laws."""


def check_laws(laws: Sequence[Law], leave_out: str) -> None:
    """Raise LawError unless laws can be compared in that way."""
    names = [law.name for law in laws]
    if len(set(names)) < max(len(names), 2):
        raise LawError(
            f"the laws to compare are {names}; expected two or more of different names. "
            "Add a law, or leave out the one that is there twice."
        )
    responses = sorted({law.response for law in laws})
    if len(responses) > 1:
        raise LawError(
            f"the laws to compare describe {responses}; expected one response. "
            "Compare laws of the same column."
        )
    stages = {None if law.stage is None else law.stage.response for law in laws}
    if len(stages) > 1:
        raise LawError(
            f"some of the laws {names} have the law of an input in them, and others have not; "
            "expected the same of all, since their densities are of other data. Compare laws with "
            "one stage, or without any."
        )
    if leave_out not in HELD_OUT:
        raise LawError(
            f"leave_out is {leave_out!r}; expected one of {', '.join(HELD_OUT)}. Choose one."
        )


def align_scores(scores: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """Scores of the cases that every law has, and how much each case counts.

    Parameters
    ----------
    scores : mapping of str to Dataset
        By law, from `bayescale.validation.cross_validation`.

    Returns
    -------
    Dataset
        ``elpd`` and ``doubtful`` (law, case), and ``counts`` (case): 1, but for cuts of a
        back-test, which count equally whether many runs lie beyond them or few.

    Raises
    ------
    DataError
        If the laws have no case in common.
    """
    aligned = xr.concat(
        scores.values(),
        pd.Index(list(scores), name="law"),
        join="inner",
        coords="minimal",
        compat="override",
    )
    if not aligned.sizes["case"]:
        raise DataError(
            f"laws {', '.join(scores)} were scored on different cases; expected some in common. "
            "Compare fewer laws, or leave out 'run'."
        )
    counts = np.ones(aligned.sizes["case"])
    if "cut" in aligned.coords:
        runs = pd.Series(counts).groupby(aligned["cut"].to_numpy())
        counts = (len(counts) / runs.ngroups / runs.transform("size")).to_numpy()
    return aligned.assign(counts=("case", counts))


def comparison_table(scores: xr.Dataset, weights: xr.DataArray) -> pd.DataFrame:
    """A row for each law, the best first: elpd, difference from the best, weight.

    Parameters
    ----------
    scores : Dataset
        From `align_scores`.
    weights : (law,) DataArray
        Stacking weights.
    """
    elpd = (scores["elpd"] * scores["counts"]).transpose("law", "case").to_numpy()
    # A run that is predicted beyond several cuts is one run: its scores are not independent.
    unit = scores["run"].to_numpy() if "run" in scores.coords else np.arange(elpd.shape[1])
    sums = pd.DataFrame(elpd.T).groupby(unit).sum().to_numpy().T
    best = int(sums.sum(axis=1).argmax())
    table = pd.DataFrame(
        {
            "elpd": sums.sum(axis=1),
            "se": _standard_error(sums),
            "difference": (sums - sums[best]).sum(axis=1),
            "difference_se": _standard_error(sums - sums[best]),
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


def _standard_error(values: Array) -> Array:
    """Of the sum over cases, (..., case)."""
    return np.asarray(np.sqrt(values.shape[-1]) * values.std(axis=-1, ddof=1))


def comparison_document(table: pd.DataFrame, leave_out: str, cases: int, between: str) -> Document:
    """What is printed of a comparison.

    Parameters
    ----------
    table : DataFrame
        From `comparison_table`, with the column ``trusted``.
    leave_out : str
        A key of `HELD_OUT`.
    cases : int
        How many cases were left out.
    between : str
        Sentence on the variance between the laws.
    """
    shown = table.astype(object).map(str)
    for name in ("elpd", "se", "difference", "difference_se", "weight"):
        digits = 2 if name == "weight" else 1
        shown[name] = [f"{value:.{digits}f}" for value in table[name]]
    rows = tuple((str(law), *row) for law, *row in shown.itertuples())
    doubts = []
    if not table["trusted"].all():
        names = ", ".join(table.index[~table["trusted"]])
        doubts.append(f"Fits not to be trusted: {names}. See their verdicts.")
    if table["doubtful"].any():
        doubts.append("elpd is only approximate where cases are doubtful.")
    heading = f"{len(table)} laws compared by {HELD_OUT[leave_out]} ({cases} cases)."
    blocks: list[Block] = [Text(heading), Table("", ("law", *shown), rows), Text(between, "note")]
    if doubts:
        blocks.append(Listing(tuple(doubts)))
    return Document("", "", (Section("comparison", "Comparison", tuple(blocks)),))
