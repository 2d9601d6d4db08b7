"""A page for those who decide: the answer, how far to trust it, and where it comes from."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bayescale.reporting.record import Report

if TYPE_CHECKING:
    from bayescale.auditing import Audit
    from bayescale.fitting import Fit

__all__ = ["Report", "report"]


def report(
    subject: "Fit | Audit | Sequence[Audit]",
    *,
    flops: Sequence[float] | None = None,
    at: Mapping[str, float] | None = None,
    table: str = "",
    command: str = "",
) -> Report:
    """What a person should read about a fit, about an audit, or about many audits.

    Parameters
    ----------
    subject : Fit, Audit or sequence of Audit
        What to report.
    flops : sequence of float, optional
        Of a fit, compute budgets in FLOP to answer for; the largest of them is the answer in one
        sentence. By default a tenth, one, ten and a hundred times the largest run's compute, and
        ten times for the sentence.
    at : mapping of str to float, optional
        Of a fit, the law's further inputs at which the optimum is asked for, such as
        ``{"unique_tokens": 25e9}``.
    table : str, optional
        Name of the dataset, whose card then fills in what a fit cannot know, or of the file.
    command : str, optional
        What makes the report anew.

    Returns
    -------
    Report
        With `html`, `markdown` and `json`, and `save` to write any of them.

    Raises
    ------
    DataError
        If a budget is not a positive number, or the law has no such further input.

    Examples
    --------
    >>> import bayescale as bs
    >>> bs.report(fitted, flops=[1e24]).save("report.html")  # doctest: +SKIP
    """
    from bayescale.auditing import Audit
    from bayescale.reporting.audited import audit_report
    from bayescale.reporting.fitted import fit_report
    from bayescale.reporting.many import audits_report
    from bayescale.reporting.provenance import Origin

    origin = Origin(table, command)
    if isinstance(subject, Audit):
        return audit_report(subject, origin)
    if isinstance(subject, Sequence):
        return audits_report(subject, origin)
    return fit_report(subject, origin, flops, at)
