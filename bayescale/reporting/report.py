"""Reports: of a fit, of an audit, or of many audits."""

from collections.abc import Mapping, Sequence

from bayescale.auditing.record import Audit
from bayescale.fitting.record import Fit
from bayescale.reporting.audit_page import audit_page
from bayescale.reporting.audits_page import audits_page
from bayescale.reporting.fit_page import fit_page
from bayescale.reporting.provenance import Origin
from bayescale.reporting.record import Report


def report(
    subject: Fit | Audit | Sequence[Audit],
    *,
    flops: Sequence[float] | None = None,
    at: Mapping[str, float] | None = None,
    table: str = "",
    command: str = "",
) -> Report:
    """Page about a fit, about an audit, or about many audits.

    Parameters
    ----------
    subject : Fit, Audit or sequence of Audit
        What to report.
    flops : sequence of float, optional
        For a fit, compute budgets in FLOP to answer for; the largest of them is the answer in one
        sentence. By default a tenth, one, ten and a hundred times the largest run's compute, and
        ten times for the sentence.
    at : mapping of str to float, optional
        For a fit, the law's extra inputs at which the optimum is computed, such as
        ``{"unique_tokens": 25e9}``.
    table : str, optional
        Name of the dataset, whose card then answers what a fit cannot know, or of the file.
    command : str, optional
        The command that makes the report.

    Returns
    -------
    Report
        With `html`, `markdown` and `json`, and `save` to write any of them.

    Raises
    ------
    LawError
        If the law has no optimum at these budgets.
    DataError
        If a budget is not a positive number, or the law has other extra inputs.

    Examples
    --------
    >>> import bayescale as bs
    >>> bs.report(fitted, flops=[1e24]).save("report.html")  # doctest: +SKIP
    """
    origin = Origin(table, command)
    if isinstance(subject, Audit):
        return Report(audit_page(subject, origin))
    if isinstance(subject, Sequence):
        return Report(audits_page(subject, origin))
    return Report(fit_page(subject, origin, flops, at))
