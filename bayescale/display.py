"""How a fit looks in a notebook and in a terminal.

Numbers are rounded to what their interval supports; everything that came from a file is escaped.
"""

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayescale.diagnosis import HONEST, interval_kind, interval_names
from bayescale.runs import describe_runs

if TYPE_CHECKING:
    from bayescale.auditing import Audit
    from bayescale.fitting import Fit

COLUMNS = {"honesty": "{:.2f}", "ess_bulk": "{:.0f}", "ess_tail": "{:.0f}", "r_hat": "{:.3f}"}


def significant(value: float, scale: float) -> str:
    """Write a number to the second digit of its uncertainty."""
    if not (np.isfinite(value) and np.isfinite(scale) and scale > 0):
        return f"{value:.4g}"
    if abs(value) >= 1e6 or scale < 1e-6:
        digits = max(int(np.floor(np.log10(abs(value) / scale))), 0) + 2 if value else 2
        return f"{value:.{min(digits, 6) - 1}e}"
    return f"{value:.{max(1 - int(np.floor(np.log10(scale))), 0)}f}"


def about(count: float) -> str:
    """A count to two digits, as a person writes it.

    Examples
    --------
    >>> about(283.1), about(613_000), about(0.74)
    ('280', '610,000', '0.74')
    """
    return f"{float(f'{count:.2g}'):,.15g}"


def listed(words: Sequence[str], most: int | None = None) -> str:
    """A, b and c; of more than `most`, these and how many others."""
    if most is not None and len(words) > most + 1:
        words = [*words[:most], f"{len(words) - most} others"]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def printed(table: pd.DataFrame) -> pd.DataFrame:
    """A summary as text: rounded, honest intervals only where they differ."""
    lower, upper = interval_names()
    shown = pd.DataFrame(index=table.index)
    for name in ("mean", "sd", lower, upper):
        shown[name] = list(map(significant, table[name], table["sd"]))
    wide = table["honesty"] > HONEST
    if wide.any():
        for name in ("honest_lb", "honest_ub"):
            texts = map(significant, table[name], table["sd"])
            shown[name] = [text if flag else "" for text, flag in zip(texts, wide, strict=True)]
    for name, form in COLUMNS.items():
        shown[name] = [form.format(value) for value in table[name]]
    return shown


def heading(fit: "Fit") -> list[str]:
    """Law, runs, likelihood and what the intervals are, a line each."""
    kind, mass = interval_kind()
    law = fit.law
    return [
        f"{law.title} ({law.name})",
        describe_runs(fit.runs, inputs=law.inputs, response=law.response),
        f"{fit.likelihood.title}; {mass:.0%} {kind.upper()} intervals",
    ]


def remarks(fit: "Fit") -> list[str]:
    """Verdict first, then warnings."""
    verdict = fit.verdict
    first = ["Verdict: trusted."] if verdict.trusted else ["Verdict: NOT TO BE TRUSTED."]
    return [
        *first,
        *(f"- {reason}" for reason in verdict.reasons),
        *map("! {}".format, fit.warnings),
    ]


def fit_text(fit: "Fit") -> str:
    """A fit as plain text."""
    table = printed(fit.summary()).to_string()
    return "\n".join([*heading(fit), "", table, "", *remarks(fit)])


def fit_html(fit: "Fit") -> str:
    """A fit as HTML, for notebooks."""
    lines = "<br>".join(html.escape(line) for line in heading(fit))
    notes = "".join(f"<p>{html.escape(line)}</p>" for line in remarks(fit))
    table = printed(fit.summary()).to_html(border=0, escape=True, justify="right")
    table = table.replace("<table", '<table style="text-align:right"', 1)
    colour = "#2e7d32" if fit.verdict.trusted else "#b00020"
    return (
        f'<div><p>{lines}</p>{table}<div style="border-left:4px solid {colour};'
        f'padding-left:.8em">{notes}</div></div>'
    )


def audit_html(audited: "Audit") -> str:
    """An audit as HTML, for notebooks: every claim with its verdict and the reasons."""
    style = ' style="text-align:left; vertical-align:top"'
    rows = "".join(
        f"<tr><th{style}>{html.escape(each.claim.label)}</th>"
        f"<td{style}>{html.escape(', '.join(each.verdict))}</td>"
        f"<td{style}>{'<br>'.join(map(html.escape, each.reasons))}</td></tr>"
        for each in audited.claims
    )
    head = "".join(f"<th{style}>{name}</th>" for name in ("claim", "verdict", "because"))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
