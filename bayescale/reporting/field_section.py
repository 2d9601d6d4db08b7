"""What a fit owes to public studies, and its answer without them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from bayescale.diagnostics.borrowed import borrowed
from bayescale.documents.document import Block, Section, Table, Text
from bayescale.fitting.fit import fit as fit_law
from bayescale.fitting.record import Fit
from bayescale.posterior.estimates import budget_estimates
from bayescale.posterior.optimum import largest_budget


def field_sections(
    fit: Fit, flops: Sequence[float] | None = None, at: Mapping[str, float] | None = None
) -> tuple[Section, ...]:
    """What the field's prior adds to a fit; nothing for a fit with the law's own priors.

    The runs are fitted once more, with the law's own priors.

    Parameters
    ----------
    fit : Fit
        A fitted law.
    flops, at
        Budgets and extra inputs, as for `bayescale.report`.
    """
    if fit.law.plain is None:
        return ()
    clusters, stats = fit.structure.clusters, fit.posterior.sizes
    without = fit_law(
        fit.law.plain,
        fit.runs,
        likelihood=fit.likelihood,
        clusters=None if clusters is None else clusters.saved,
        groups=fit.structure.by,
        draws=stats["draw"],
        chains=stats["chain"],
        random_seed=fit.random_seed,
    )
    budgets = flops or [10 * float(f"{largest_budget(fit.draws):.1e}")]
    best = {
        name: budget_estimates(one.optimum(budgets, at=dict(at or {})))
        for name, one in (("field", fit), ("law", without))
    }
    # The two answers to a question below one another, without how far out it lies.
    rows = tuple(
        (name, *estimates.cells()[:-1])
        for pair in zip(*best.values(), strict=True)
        for name, estimates in zip(best, pair, strict=True)
    )
    group = () if fit.structure.by is None else ("group",)
    table = Table(
        "The answer with what public studies teach (field), and with the law's own priors (law)",
        ("priors", *group, "FLOP", "parameters", "tokens", "tokens per parameter", "loss"),
        rows,
    )
    found = borrowed(fit)
    blocks: list[Block] = [] if found is None else [Text(found.sentence())]
    if not without.verdict.trusted:
        blocks.append(Text("The fit with the law's own priors is not to be trusted.", "bad"))
    numbers = {} if found is None else asdict(found) | {"share": found.share, "gone": found.gone}
    title = "What public studies add"
    return (Section("field", title, (*blocks, table), numbers=numbers),)
