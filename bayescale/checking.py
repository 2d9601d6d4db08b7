"""What is wrong or odd about runs that could be read, before a law is fitted to them.

Too few runs, an input that does not vary and runs that contradict each other are refused. What may
be right but rarely is (units, a ray, losses in bits) becomes a warning that the fit keeps.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bayescale.errors import DataError
from bayescale.flops import SIX_ND, Cost
from bayescale.runs import COMPUTE
from bayescale.scales import POSITIVE, Scale

SEED_NOISE = 0.05  # relative; runs that differ in the seed alone are taken to agree so far
GUESS_NATS = 11.5  # ln of a vocabulary of 100,000
BITS_STEP = 0.3665  # ln 1.4427: how far a loss in bits lies above the same in nats


def check_runs(
    runs: pd.DataFrame,
    *,
    inputs: Sequence[str],
    response: str,
    parameters: int,
    law: str,
    cost: Cost = SIX_ND,
    sized: bool = True,
    scales: Mapping[str, Scale] | None = None,
) -> tuple[str, ...]:
    """Return what looks odd about runs that `read_runs` let through, before a law is fitted.

    Parameters
    ----------
    runs : DataFrame
        As `read_runs` returns it.
    inputs, response : sequence of str, str
        The columns that the law uses.
    parameters : int
        How many numbers the law has to find.
    law : str
        Its name, for the messages.
    cost : Cost
        What the flops are held against.
    sized : bool
        Whether the inputs are sizes, which should vary by a factor; losses as inputs need not.
    scales : mapping of str to Scale, optional
        What inputs and response may be; positive where nothing is said.

    Returns
    -------
    tuple of str
        Warnings; empty if there is nothing to say.

    Raises
    ------
    DataError
        If there are too few runs, an input does not vary, or runs contradict each other.
    """
    runs = runs.reset_index(drop=True)
    _refuse_few(runs, parameters, law)
    refuse_constant(runs, inputs, law)
    on = {name: (scales or {}).get(name, POSITIVE) for name in (*inputs, response)}
    if on[response].logged:
        _refuse_disagreement(runs, response)
    positive = [name for name in inputs if on[name].logged]
    remarks = (
        _remark_few(runs, parameters, law),
        _remark_copies(runs),
        _remark_units(runs, "params", 2e4),
        _remark_units(runs, "tokens", 1e6),
        _remark_flops(runs, cost),
        _remark_level(runs, response),
        _remark_bits(runs, positive, response),
        _remark_ray(runs, inputs),
        _remark_range(runs, positive) if sized else "",
    )
    return tuple(remark for remark in remarks if remark)


def _refuse_few(runs: pd.DataFrame, parameters: int, law: str) -> None:
    if len(runs) < parameters + 1:
        raise DataError(
            f"law {law!r} has {parameters} parameters and there are {len(runs)} runs; expected "
            f"at least {parameters + 1}. Add runs, or take a law with fewer parameters."
        )


def refuse_constant(runs: pd.DataFrame, inputs: Sequence[str], law: str) -> None:
    """Raise DataError if an input is the same in all runs."""
    for name in inputs:
        if runs[name].nunique() == 1:
            raise DataError(
                f"{name} is {runs[name].iloc[0]:.6g} in all {len(runs)} runs; expected it to "
                f"vary, or law {law!r} cannot say what it does. Add runs at other {name}, or take "
                f"a law without {name}."
            )


def _refuse_disagreement(runs: pd.DataFrame, response: str) -> None:
    """Raise DataError if runs that nothing tells apart differ by more than seeds do."""
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
            f"{SEED_NOISE:.0%}. Add a column that tells them apart, such as seed, or drop one."
        )


def _remark_few(runs: pd.DataFrame, parameters: int, law: str) -> str:
    if len(runs) >= 3 * parameters:
        return ""
    return (
        f"{len(runs)} runs for the {parameters} parameters of law {law!r}; three runs a parameter "
        "or more are usual. Expect the priors to show in the answer, or add runs."
    )


def _remark_copies(runs: pd.DataFrame) -> str:
    copies = runs.astype(str).duplicated(keep=False).to_numpy()
    if not copies.any():
        return ""
    return (
        f"{_rows(copies)} are copies of one another in every column; each run is expected once, "
        "and counting it twice narrows the intervals. Use drop_duplicates() unless they are "
        "separate runs."
    )


def _remark_units(runs: pd.DataFrame, name: str, least: float) -> str:
    if name not in runs or runs[name].max() >= least:
        return ""
    return (
        f"{name} are {runs[name].min():.3g} to {runs[name].max():.3g}, which looks like millions "
        "or billions; plain counts are expected. Multiply them, unless the runs are that small."
    )


def _remark_flops(runs: pd.DataFrame, cost: Cost) -> str:
    if not set(COMPUTE) <= set(runs):
        return ""
    factor = (runs["flops"] / cost.flops(runs["params"], runs["tokens"])).to_numpy()
    off = np.abs(np.log(factor)) > np.log(2)
    if not off.any():
        return ""
    return (
        f"flops differ from the {cost.name} of params and tokens by more than a factor 2 in "
        f"{off.sum()} of {len(runs)} runs ({_rows(off)}), by {np.median(factor[off]):.3g} times "
        "at the median; the same count was expected. Check the units and what params count, or "
        "pass the cost that was used."
    )


def _remark_level(runs: pd.DataFrame, response: str) -> str:
    if response != "loss" or runs[response].median() <= GUESS_NATS:
        return ""
    return (
        f"the median loss is {runs[response].median():.3g}, above the {GUESS_NATS} nats a token "
        "that guessing among 100,000 tokens costs; expected nats a token. Convert bits (times "
        "0.693), a sum over tokens (divide) or a perplexity (its logarithm)."
    )


def _remark_bits(runs: pd.DataFrame, inputs: Sequence[str], response: str) -> str:
    upper = _upper_group(runs, inputs, response) if response == "loss" else None
    if upper is None:
        return ""
    return (
        f"loss in {_rows(upper)} lies 1.44 times above what the other runs suggest, as bits lie "
        "above nats; one unit is expected. Multiply those by ln 2 = 0.693 if they are in bits."
    )


def _upper_group(runs: pd.DataFrame, inputs: Sequence[str], response: str) -> Any:
    """Return which runs lie above the others as bits lie above nats, None if none do.

    A quadratic in the logarithms stands for the law. Its residuals are cut at their widest gap;
    then the step between the groups is estimated along with the quadratic, and the runs are
    sorted again, a few times. The step has to be 0.3665 within 5%, and four standard deviations
    of what is left over.
    """
    logs = np.log(runs[list(inputs)].to_numpy())
    logs = logs - logs.mean(axis=0)
    smooth = np.column_stack([np.ones(len(runs)), logs, logs**2])
    if len(runs) < smooth.shape[1] + 4:
        return None
    log_loss = np.log(runs[response].to_numpy())
    left = _residuals(smooth, log_loss)[0]
    ordered = np.sort(left)
    upper = left > ordered[np.diff(ordered).argmax()]
    for _ in range(5):
        if not 2 <= upper.sum() <= len(runs) - 2:
            return None  # one run alone is an outlier, not a unit
        left, step = _residuals(np.column_stack([smooth, upper]), log_loss)
        upper = left + step * upper > step / 2
    return upper if step > 4 * left.std() and abs(step / BITS_STEP - 1) < 0.05 else None


def _residuals(design: Any, values: Any) -> tuple[Any, Any]:
    """Return what ordinary least squares leaves over, and the last coefficient."""
    coefficients = np.linalg.lstsq(design, values)[0]
    return values - design @ coefficients, coefficients[-1]


def _remark_ray(runs: pd.DataFrame, inputs: Sequence[str]) -> str:
    if not {"params", "tokens"} <= set(inputs):
        return ""
    params, tokens = np.log(runs["params"]), np.log(runs["tokens"])
    spread, correlation = (tokens - params).std(), np.corrcoef(params, tokens)[0, 1]
    if spread >= 0.05 and correlation**2 <= 0.999:
        return ""
    return (
        f"params and tokens move together in all runs (squared correlation of their logarithms "
        f"{correlation**2:.4f}, tokens per param {np.exp((tokens - params).mean()):.3g}); expected "
        "both to vary on their own, or their exponents cannot be told apart. Add runs with other "
        "tokens per param."
    )


def _remark_range(runs: pd.DataFrame, inputs: Sequence[str]) -> str:
    spans = {name: runs[name].max() / runs[name].min() for name in inputs}
    short = [f"{name} by a factor {span:.3g}" for name, span in spans.items() if span < 3]
    if not short:
        return ""
    return (
        f"runs vary {' and '.join(short)} only; a factor 3 or more is expected, or an exponent is "
        "hardly seen. Add smaller or larger runs."
    )


def _rows(which: Any) -> str:
    """Return the numbers of the rows where `which` holds, the first eight if there are more."""
    numbers = [str(number) for number in np.flatnonzero(which) + 1]
    more = f" and {len(numbers) - 8} more" if len(numbers) > 8 else ""
    return f"{'row' if len(numbers) == 1 else 'rows'} {', '.join(numbers[:8])}{more}"
