"""How the numbers were computed, in a paragraph for a paper; and what to ask of any fit."""

from bayescale.documents.document import Block, Listing, Section, Table, Text
from bayescale.fitting.display import how_drawn
from bayescale.fitting.record import Fit
from bayescale.posterior.drift import RATIO, usual_residual
from bayescale.posterior.jackknife import CLUSTER, resampling_unit
from bayescale.posterior.summary import interval_kind
from bayescale.reporting.provenance import UNKNOWN, Origin
from bayescale.runs.read import describe_runs
from bayescale.spec.columns import POSITIVE, PROPORTION
from bayescale.wording import listed


def methods_section(fit: Fit) -> Section:
    """A paragraph for a paper, and the priors."""
    law, structure = fit.law, fit.structure
    runs = describe_runs(fit.runs, inputs=law.inputs, response=law.response)
    sentences = [
        f"We fitted the law {law.name!r} ({law.reference}) to {runs}.",
        f"Likelihood: {fit.likelihood.title}.",
    ]
    if law.plain is not None:
        sentences.append("The joint prior of the law was learned from public studies.")
    resampled = "single runs"
    clusters = structure.clusters
    if clusters is not None and resampling_unit(clusters) == CLUSTER:
        of = "about the same compute" if clusters.by == "flops" else f"the same {clusters.by}"
        resampled = f"clusters of runs of {of} ({len(clusters.labels)})"
    if structure.by is not None:
        pooled = listed([f"{name} {kind}" for name, kind in structure.pool] or ["nothing pooled"])
        sentences.append(f"Runs are grouped by {structure.by}: {pooled}.")
    kind, mass = interval_kind()
    sentences += [
        f"The posterior was sampled, with seed {fit.random_seed}: {how_drawn(fit.tree)}",
        "The draws of the law's parameters were stretched about their mean to the covariance that "
        f"resampling {resampled} would give by the infinitesimal jackknife (Giordano and Broderick "
        "2023), in the directions in which that is wider (Müller 2013).",
        f"Intervals hold {mass:.0%} of the draws ({kind.upper()}).",
        drift_sentence(fit),
        f"Expected log predictive density by PSIS-LOO: {_elpd(fit)}.",
    ]
    priors = tuple((name, repr(prior)) for name, prior in structure.priors)
    table = Table("Priors of what is sampled", ("parameter", "prior"), priors)
    return Section("methods", "Methods", (Text(" ".join(sentences)), table))


def _elpd(fit: Fit) -> str:
    return f"{fit.loo.attrs['elpd']:.1f} +- {fit.loo.attrs['se']:.1f}"


def drift_sentence(fit: Fit) -> str:
    """How predictions beyond the runs are widened, and where the amount comes from.

    Parameters
    ----------
    fit : Fit
        A fitted law.
    """
    law = fit.law
    scales = {POSITIVE.name: "log ", PROPORTION.name: "log odds of "}
    scale = scales.get(law.kind_of(law.response).name, "")
    if "slopes" in fit.drift.attrs:
        source = "updated by back-tests of these runs"
    else:
        source = law.drift.source or "assumed, between those of laws that were measured"
    prior = f"is {law.drift.tau!r}"
    if law.drift.tau is None:
        prior = (
            f"is {law.drift.ratio or RATIO!r} times {usual_residual(fit.draws):.2g}, the usual "
            "distance of a run from the law"
        )
    return (
        f"At d decades beyond the runs the expected {scale}{law.response} is shifted by a drift of "
        "d times a number drawn from Normal(0, tau), one for each posterior draw. The prior of tau "
        f"{prior}; it was {source}."
    )


def checklist_section(fit: Fit, origin: Origin) -> Section:
    """Questions of a survey of scaling-law papers, with the answers that are known.

    References
    ----------
    Li et al. (2025), (Mis)Fitting: a survey of scaling laws, arXiv:2502.18969.
    """
    parts = {
        "law": {
            "which form": fit.law.title,
            "where it is from": fit.law.reference or UNKNOWN,
            "how many coefficients": str(len(fit.law.coefficient_labels)),
        },
        "training": _training_answers(fit, origin),
        "runs": _run_answers(fit, origin),
        "fit": _fit_answers(fit),
    }
    rows = tuple((part, *answer) for part, answers in parts.items() for answer in answers.items())
    known = sum(answer != UNKNOWN for _, _, answer in rows)
    text = (
        "What a reader needs to judge a scaling law, after Li et al. (2025), arXiv:2502.18969. Of "
        f"{len(rows)} answers {known} are known here; whoever trained the runs may know the rest."
    )
    table = Table("What is known of this fit", ("part", "question", "answer"), rows)
    blocks: list[Block] = [Text(text), table]
    if origin.card and origin.card.quirks:
        blocks += [Text("Peculiarities of the table:"), Listing(origin.card.quirks)]
    numbers = {question: answer for _, question, answer in rows}
    return Section("checklist", "(Mis)Fitting checklist", tuple(blocks), numbers=numbers)


def _training_answers(fit: Fit, origin: Origin) -> dict[str, str]:
    card = origin.card
    is_response = card is not None and card.response == fit.law.response
    return {
        "data the models were trained on": card.title if card else UNKNOWN,
        "how params are counted": card.params_count if card else UNKNOWN,
        "how compute is counted": (card.cost if card else "") or UNKNOWN,
        "unit of the response": card.response_unit if card and is_response else UNKNOWN,
        "tokeniser and vocabulary": UNKNOWN,
        "learning rate and batch tuned for each size": UNKNOWN,
        "schedule as long as the run": UNKNOWN,
        "data repeated": UNKNOWN,
    }


def _run_answers(fit: Fit, origin: Origin) -> dict[str, str]:
    law, runs, card = fit.law, fit.runs, origin.card
    answers = {"how many": str(len(runs))}
    ranges = {f"range of {name}": runs[name] for name in law.inputs}
    if {"params", "tokens"} <= set(runs):
        ranges["range of tokens per parameter"] = runs["tokens"] / runs["params"]
    for question, values in ranges.items():
        low, high = values.min(), values.max()
        factor = f" (a factor of {high / low:.3g})" if low > 0 else ""
        answers[question] = f"{low:.3g} to {high:.3g}{factor}"
    repeated = int(runs.duplicated(list(law.inputs), keep=False).sum())
    return answers | {
        "runs repeated with other seeds": f"{repeated} of {len(runs)} share their inputs",
        "final losses or checkpoints along the way": UNKNOWN,
        "losses smoothed, averaged or selected": UNKNOWN,
        "runs left out, and why": UNKNOWN,
        "peculiarities of the table": f"{len(card.quirks)} remarks, below" if card else UNKNOWN,
    }


def _fit_answers(fit: Fit) -> dict[str, str]:
    _, mass = interval_kind()
    return {
        "objective": f"posterior; {fit.likelihood.title}",
        "where the search begins": "in the middle of the priors and at draws of them",
        "optimiser or sampler": str(fit.posterior.attrs["inference_library"]),
        "its settings": how_drawn(fit.tree),
        "how intervals were made": f"{mass:.0%} of the posterior, checked by the jackknife",
        "converged": "yes" if fit.verdict.trusted else "; ".join(fit.verdict.reasons),
        "leave-one-out density": _elpd(fit),
        "held-out larger runs": UNKNOWN,
    }
