"""How the numbers were found, in a paragraph for a paper, and what a reader should ask of a fit."""

from collections.abc import Iterator

import pandas as pd

from bayescale.clusters import Clusters
from bayescale.diagnosis import HONEST, interval_kind
from bayescale.display import listed
from bayescale.extrapolation import TAU
from bayescale.fitting import Fit
from bayescale.reporting.provenance import UNKNOWN, Origin
from bayescale.reporting.record import Block, Listing, Section, Table, Text
from bayescale.runs import describe_runs

SCALES = {"positive": "log ", "amount": "", "share": "log odds of ", "number": ""}
"""How the scale on which a response drifts is called, by the kind of response."""


def methods(fit: Fit) -> Section:
    """A paragraph to paste, and the priors."""
    priors = tuple((name, repr(prior)) for name, prior in fit.structure.priors)
    table = Table("Priors of what is sampled", ("parameter", "prior"), priors)
    return Section("methods", "Methods", (Text(" ".join(_sentences(fit))), table))


def _sentences(fit: Fit) -> Iterator[str]:
    law, said, sizes = fit.law, fit.tree.attrs, fit.posterior.sizes
    runs = describe_runs(fit.runs, inputs=law.inputs, response=law.response)
    yield f"We fitted the law {law.name!r} ({law.reference}) to {runs}."
    yield f"Likelihood: {fit.likelihood.title}."
    if fit.structure.clusters is not None:
        yield _clusters(fit.structure.clusters, integrated=fit.structure.integrable)
    if fit.structure.by is not None:
        pooled = listed([f"{name} {how}" for name, how in fit.structure.pool] or ["nothing pooled"])
        yield f"Runs are grouped by {fit.structure.by}: {pooled}."
    yield (
        f"The posterior was sampled with {fit.posterior.attrs['inference_library']} "
        f"({sizes['chain']} chains of {sizes['draw']} draws{_thinned(fit)} after {said['tune']} to "
        f"tune, target acceptance {said['target_accept']:g}, seed {fit.random_seed})."
    )
    kind, mass = interval_kind()
    yield (
        f"Intervals hold {mass:.0%} of the posterior ({kind.upper()}). Where the infinitesimal "
        f"jackknife (Giordano and Broderick 2023) gives more than {HONEST} times the posterior's "
        "standard deviation, the interval is stretched to that."
    )
    yield drift_sentence(fit)
    yield f"Expected log predictive density by PSIS-LOO: {fit.loo.attrs['elpd']:.1f} +- " + (
        f"{fit.loo.attrs['se']:.1f}."
    )


def _thinned(fit: Fit) -> str:
    thin = int(fit.tree.attrs["thin"])
    return "" if thin == 1 else f", every {thin}th of {thin * fit.posterior.sizes['draw']},"


def drift_sentence(fit: Fit) -> str:
    """How predictions beyond the runs are widened, and where the amount comes from."""
    law = fit.law
    scale = SCALES[law.scale_of(law.response).name]
    if "slopes" in fit.extrapolation.attrs:
        source = "updated by back-tests of these runs"
    else:
        source = law.tau_source or "assumed, between those of laws that were measured"
    return (
        f"At d decades beyond the runs the expected {scale}{law.response} is shifted by a drift of "
        "d times a number drawn from Normal(0, tau), one for each posterior draw. The prior of tau "
        f"is {law.tau or TAU!r}; it was {source}."
    )


def _clusters(clusters: Clusters, *, integrated: bool) -> str:
    terms = "an offset and a tilt" if clusters.tilted else "an offset"
    what = "about the same compute" if clusters.by == "flops" else f"the same {clusters.by}"
    how = "integrated out" if integrated else "sampled with the other parameters"
    return (
        f"Runs of {what} ({len(clusters.labels)} clusters) share {terms} from the law. "
        f"These terms were {how}."
    )


def checklist(fit: Fit, origin: Origin) -> Section:
    """Questions of a survey of scaling-law papers, answered from what is known."""
    rows = tuple(_asked(fit, origin))
    known = sum(answer != UNKNOWN for _, _, answer in rows)
    said = (
        "What a reader needs to judge a scaling law, after Li et al. (2025), arXiv:2502.18969. Of "
        f"{len(rows)} answers {known} are known here; whoever trained the runs may know the rest."
    )
    table = Table("What is known of this fit", ("part", "question", "answer"), rows)
    numbers = {question: answer for _, question, answer in rows}
    blocks: tuple[Block, ...] = (Text(said), table)
    if origin.card and origin.card.quirks:
        blocks += (Text("What is odd about the table:"), Listing(origin.card.quirks))
    return Section("checklist", "(Mis)Fitting checklist", blocks, numbers=numbers)


def _asked(fit: Fit, origin: Origin) -> Iterator[tuple[str, str, str]]:
    yield from (("law", *each) for each in _of_law(fit))
    yield from (("training", *each) for each in _of_training(fit, origin))
    yield from (("runs", *each) for each in _of_runs(fit, origin))
    yield from (("fit", *each) for each in _of_fit(fit))


def _of_law(fit: Fit) -> Iterator[tuple[str, str]]:
    yield "which form", fit.law.title
    yield "where it is from", fit.law.reference or UNKNOWN
    yield "how many coefficients", str(len(fit.law.numbers))


def _of_training(fit: Fit, origin: Origin) -> Iterator[tuple[str, str]]:
    card = origin.card
    yield "data the models were trained on", card.title if card else UNKNOWN
    yield "how params are counted", card.params_count if card else UNKNOWN
    yield "how compute is counted", (card.cost if card else "") or UNKNOWN
    same = card is not None and card.response == fit.law.response
    yield "unit of the response", card.response_unit if card and same else UNKNOWN
    yield "tokeniser and vocabulary", UNKNOWN
    yield "learning rate and batch tuned for each size", UNKNOWN
    yield "schedule as long as the run", UNKNOWN
    yield "data repeated", UNKNOWN


def _of_runs(fit: Fit, origin: Origin) -> Iterator[tuple[str, str]]:
    law = fit.law
    yield "how many", str(len(fit.runs))
    for name in law.inputs:
        yield f"range of {name}", _span(fit.runs[name])
    if {"params", "tokens"} <= set(fit.runs):
        yield "range of tokens per parameter", _span(fit.runs["tokens"] / fit.runs["params"])
    again = int(fit.runs.duplicated(list(law.inputs), keep=False).sum())
    yield "runs repeated with other seeds", f"{again} of {len(fit.runs)} share their inputs"
    yield "final losses or checkpoints along the way", UNKNOWN
    yield "losses smoothed, averaged or selected", UNKNOWN
    yield "runs left out, and why", UNKNOWN
    quirks = origin.card.quirks if origin.card else ()
    odd = f"{len(quirks)} remarks, below" if origin.card else UNKNOWN
    yield "what is odd about the table", odd


def _span(values: "pd.Series[float]") -> str:
    span = f"{values.min():.3g} to {values.max():.3g}"
    return f"{span} (a factor of {values.max() / values.min():.3g})" if values.min() > 0 else span


def _of_fit(fit: Fit) -> Iterator[tuple[str, str]]:
    said, kind = fit.tree.attrs, interval_kind()
    yield "objective", f"posterior; {fit.likelihood.title}"
    yield "where the search begins", "near the middle of the priors; every chain on its own"
    yield "optimiser or sampler", str(fit.posterior.attrs["inference_library"])
    yield "its settings", f"target acceptance {said['target_accept']:g}, {said['tune']} to tune"
    yield "how intervals were made", f"{kind[1]:.0%} of the posterior, checked by the jackknife"
    yield "converged", "yes" if fit.verdict.trusted else "; ".join(fit.verdict.reasons)
    yield "leave-one-out density", f"{fit.loo.attrs['elpd']:.1f} +- {fit.loo.attrs['se']:.1f}"
    yield "held-out larger runs", UNKNOWN
