"""What is wrong or odd about runs that could be read, before a law is fitted to them.

Too few runs, an input that does not vary and runs that contradict each other are refused. What may
be right but rarely is (units, a ray, losses in bits) becomes a remark that the fit keeps.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bayescale.errors import DataError
from bayescale.runs.read import COMPUTE
from bayescale.spec.columns import POSITIVE, ColumnKind
from bayescale.spec.compute import SIX_ND, Cost

SEED_NOISE = 0.05
"""Relative difference up to which runs that differ in the seed alone agree."""

GUESS_NATS = 11.5
"""Loss of guessing, the logarithm of a vocabulary of 100,000."""

WRONG, NARROW, DEPENDS, VAGUE = range(4)
"""Ranks of remarks: numbers are probably wrong; intervals are too narrow; the answer depends on a
few runs; the priors show in the answer."""


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
        If there are too few runs, an input does not vary, or runs contradict each other.
    """
    runs = runs.reset_index(drop=True)
    if len(runs) < parameters + 1:
        raise DataError(
            f"law {law!r} has {parameters} parameters and there are {len(runs)} runs; expected "
            f"at least {parameters + 1}. Add runs, or choose a law with fewer parameters."
        )
    refuse_constant(runs, inputs, law)
    kind_of = {name: (kinds or {}).get(name, POSITIVE) for name in (*inputs, response)}
    if kind_of[response].logged:
        _refuse_contradictions(runs, response)
    positive = [name for name in inputs if kind_of[name].logged]
    remarks = [Remark(WRONG, text) for text in _wrong_numbers(runs, positive, response, cost)]
    copies = runs.astype(str).duplicated(keep=False).to_numpy()
    if copies.any():
        text = (
            f"{_rows(copies)} are copies of one another in every column; each run is expected "
            "once, and counting it twice narrows the intervals. Use drop_duplicates() unless they "
            "are separate runs."
        )
        remarks.append(Remark(NARROW, text))
    remarks += [
        Remark(VAGUE, text) for text in _weak_design(runs, inputs, positive if sized else [])
    ]
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


def _refuse_contradictions(runs: pd.DataFrame, response: str) -> None:
    """Raise DataError if runs that agree in all other columns differ by more than seeds do."""
    keys = runs.drop(columns=response).astype(str)
    repeats = keys.groupby(list(keys), dropna=False, sort=False).ngroup()
    values = runs[response].groupby(repeats)
    ratio = values.transform("max") / values.transform("min")
    if ratio.max() > 1 + SEED_NOISE:
        same = runs[response][repeats == repeats.iloc[ratio.argmax()]]
        ordered = same.sort_values()
        first, last = ordered.index[[0, -1]] + 1
        raise DataError(
            f"rows {first} and {last} of the table are the same run with {response} "
            f"{ordered.iloc[0]:.6g} and {ordered.iloc[-1]:.6g}; expected them to agree within "
            f"{SEED_NOISE:.0%}. Add a column that distinguishes them, such as seed, or drop one."
        )


def _wrong_numbers(
    runs: pd.DataFrame, inputs: Sequence[str], response: str, cost: Cost
) -> Iterator[str]:
    """Return remarks on numbers that are probably wrong, most often in another unit."""
    for name, least in (("params", 2e4), ("tokens", 1e6)):
        if name in runs and runs[name].max() < least:
            yield (
                f"{name} are {runs[name].min():.3g} to {runs[name].max():.3g}, which looks like "
                "millions or billions; plain counts are expected. Multiply them, unless the runs "
                "are that small."
            )
    if set(COMPUTE) <= set(runs):
        factor = (runs["flops"] / cost.flops(runs["params"], runs["tokens"])).to_numpy()
        off = np.abs(np.log(factor)) > np.log(2)
        if off.any():
            yield (
                f"flops differ from the {cost.name} of params and tokens by more than a factor 2 "
                f"in {off.sum()} of {len(runs)} runs ({_rows(off)}), by "
                f"{np.median(factor[off]):.3g} times at the median; the same count was expected. "
                "Check the units and what params count, or pass the cost that was used."
            )
    if response != "loss":
        return
    if runs[response].median() > GUESS_NATS:
        yield (
            f"the median loss is {runs[response].median():.3g}, above the {GUESS_NATS} nats a "
            "token that guessing among 100,000 tokens costs; expected nats a token. Convert bits "
            "(times 0.693), a sum over tokens (divide) or a perplexity (its logarithm)."
        )
    upper = _losses_in_bits(runs, inputs, response)
    if upper is not None:
        yield (
            f"loss in {_rows(upper)} lies 1.44 times above what the other runs suggest, as bits "
            "lie above nats; one unit is expected. Multiply those by ln 2 = 0.693 if they are in "
            "bits."
        )


def _losses_in_bits(runs: pd.DataFrame, inputs: Sequence[str], response: str) -> Any:
    """Return which runs lie above the others as bits lie above nats, None if none do.

    A quadratic in the logarithms stands for the law. Its residuals are cut at their widest gap;
    then the step between the groups is estimated along with the quadratic, and the runs are
    sorted again, a few times. The step has to be ln 1.4427 = 0.3665 within 5%, and four standard
    deviations of the residuals.
    """
    logs = np.log(runs[list(inputs)].to_numpy())
    logs = logs - logs.mean(axis=0)
    smooth = np.column_stack([np.ones(len(runs)), logs, logs**2])
    if len(runs) < smooth.shape[1] + 4:
        return None
    log_loss = np.log(runs[response].to_numpy())
    residuals = _least_squares(smooth, log_loss)[0]
    ordered = np.sort(residuals)
    upper = residuals > ordered[np.diff(ordered).argmax()]
    for _ in range(5):
        if not 2 <= upper.sum() <= len(runs) - 2:
            return None  # one run alone is an outlier, not a unit
        residuals, step = _least_squares(np.column_stack([smooth, upper]), log_loss)
        upper = residuals + step * upper > step / 2
    return upper if step > 4 * residuals.std() and abs(step / 0.3665 - 1) < 0.05 else None


def _least_squares(design: Any, values: Any) -> tuple[Any, Any]:
    """Return the residuals of ordinary least squares, and the last coefficient."""
    coefficients = np.linalg.lstsq(design, values)[0]
    return values - design @ coefficients, coefficients[-1]


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


def _rows(which: Any) -> str:
    """Return the numbers of the rows where `which` holds, the first eight if there are more."""
    numbers = [str(number) for number in np.flatnonzero(which) + 1]
    more = f" and {len(numbers) - 8} more" if len(numbers) > 8 else ""
    return f"{'row' if len(numbers) == 1 else 'rows'} {', '.join(numbers[:8])}{more}"
