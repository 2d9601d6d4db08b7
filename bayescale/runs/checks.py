"""What is wrong or odd about runs that could be read, before a law is fitted to them.

Too few runs, a column that does not vary, runs that contradict each other and totals are refused.
What may be right but rarely is (units, copies, a ray) becomes a remark that the fit keeps.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayescale.errors import DataError
from bayescale.runs.repeats import near_copies, refuse_contradictions, refuse_totals
from bayescale.runs.units import unit_remarks
from bayescale.spec.columns import POSITIVE, ColumnKind
from bayescale.spec.compute import SIX_ND, Cost
from bayescale.wording import listed, numbered_rows

WRONG, ODD, NARROW, DEPENDS, VAGUE = range(5)
"""Ranks of remarks: numbers are probably wrong, which is part of a fit's verdict; numbers are odd;
intervals are too narrow; the answer depends on a few runs; the priors show in the answer."""


@dataclass(frozen=True)
class Remark:
    """Something odd about runs or a fit.

    Parameters
    ----------
    rank : int
        From `WRONG` to `VAGUE`: what changes the answer most comes first.
    text : str
        One or two sentences.
    """

    rank: int
    text: str

    def __str__(self) -> str:
        return self.text


def check_runs(
    runs: pd.DataFrame,
    *,
    inputs: Sequence[str],
    response: str,
    parameters: int,
    law: str,
    cost: Cost = SIX_ND,
    sized: bool = True,
    kinds: Mapping[str, ColumnKind] | None = None,
) -> tuple[Remark, ...]:
    """Return what looks odd about runs that `read_runs` accepted, before a law is fitted.

    Parameters
    ----------
    runs : DataFrame
        As `read_runs` returns it.
    inputs, response : sequence of str, str
        The columns that the law uses.
    parameters : int
        Number of free parameters of the law.
    law : str
        Its name, for the messages.
    cost : Cost
        Compared with the flops of the runs.
    sized : bool
        Whether the inputs are sizes, which should vary by a factor; losses as inputs need not.
    kinds : mapping of str to ColumnKind, optional
        What inputs and response may hold; positive numbers by default.

    Returns
    -------
    tuple of Remark
        Empty if nothing is odd.

    Raises
    ------
    DataError
        If there are too few runs, an input or the response does not vary, runs contradict each
        other, or a row is the sum or the mean of others.
    """
    runs = runs.reset_index(drop=True)
    if len(runs) < parameters + 1:
        raise DataError(
            f"law {law!r} has {parameters} parameters and there are {len(runs)} runs; expected "
            f"at least {parameters + 1}. Add runs, or choose a law with fewer parameters."
        )
    refuse_constant(runs, inputs, law)
    if np.ptp(runs[response]) <= 1e-9 * np.abs(runs[response]).max():
        raise DataError(
            f"{response} is {runs[response].iloc[0]:.6g} in all {len(runs)} runs; expected it to "
            f"vary with {listed(inputs)}, or law {law!r} has nothing to learn. Check which column "
            f"was read as {response}."
        )
    kind_of = {name: (kinds or {}).get(name, POSITIVE) for name in (*inputs, response)}
    positive = [name for name in inputs if kind_of[name].logged]
    copies = runs.astype(str).duplicated(keep=False).to_numpy()
    near = np.zeros(len(runs), dtype=bool)
    if kind_of[response].logged:
        refuse_contradictions(runs, response)
        refuse_totals(runs, positive, response)
        near = near_copies(runs, inputs, response) & ~copies
    texts = unit_remarks(runs, inputs=positive, response=response, cost=cost)
    remarks = [Remark(WRONG if sure else ODD, text) for text, sure in texts]
    for rows, alike in ((copies, "in every column"), (near, "but for rounding, seed or number")):
        if rows.any():
            text = (
                f"{numbered_rows(rows)} are copies of one another {alike}; each run is expected "
                "once, and counting it twice narrows the intervals. Use drop_duplicates() unless "
                "they are separate runs."
            )
            remarks.append(Remark(NARROW, text))
    remarks += [Remark(VAGUE, t) for t in _weak_design(runs, inputs, positive if sized else [])]
    if len(runs) < 3 * parameters:
        text = (
            f"{len(runs)} runs for the {parameters} parameters of law {law!r}; three runs per "
            "parameter or more are usual. Expect the priors to show in the answer, or add runs."
        )
        remarks.append(Remark(VAGUE, text))
    return tuple(remarks)


def refuse_constant(runs: pd.DataFrame, inputs: Sequence[str], law: str) -> None:
    """Raise DataError if an input is the same in all runs."""
    for name in inputs:
        if runs[name].nunique() == 1:
            raise DataError(
                f"{name} is {runs[name].iloc[0]:.6g} in all {len(runs)} runs; expected it to "
                f"vary, or law {law!r} cannot learn its effect. Add runs at other {name}, or "
                f"choose a law without {name}."
            )


def _weak_design(runs: pd.DataFrame, inputs: Sequence[str], sizes: Sequence[str]) -> Iterator[str]:
    """Return remarks on inputs that vary together, or too little."""
    if {"params", "tokens"} <= set(inputs):
        params, tokens = np.log(runs["params"]), np.log(runs["tokens"])
        spread, correlation = (tokens - params).std(), np.corrcoef(params, tokens)[0, 1]
        if spread < 0.05 or correlation**2 > 0.999:
            yield (
                "params and tokens move together in all runs (squared correlation of their "
                f"logarithms {correlation**2:.4f}, tokens per param "
                f"{np.exp((tokens - params).mean()):.3g}); expected both to vary on their own, or "
                "their exponents cannot be distinguished. Add runs with other tokens per param."
            )
    spans = {name: runs[name].max() / runs[name].min() for name in sizes}
    short = [f"{name} by a factor {span:.3g}" for name, span in spans.items() if span < 3]
    if short:
        yield (
            f"runs vary {' and '.join(short)} only; a factor 3 or more is expected, or an exponent "
            "is hardly identified. Add smaller or larger runs."
        )
