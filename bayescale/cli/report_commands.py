"""Commands of the shell that write reports: of a fit, and of published claims."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bayescale.cli.fits import GOOD, fit_table, is_saved_fit, load_fit, status_of
from bayescale.cli.options import (
    DEFAULT_LAW,
    DEFAULT_TABLE,
    At,
    Budgets,
    Chains,
    Columns,
    Draws,
    Figures,
    Form,
    Groups,
    Json,
    LawName,
    Priors,
    Seed,
    TableOrFit,
    Where,
    read_columns,
    read_extra_inputs,
)
from bayescale.documents.escaping import show_unseen
from bayescale.errors import DataError

if TYPE_CHECKING:
    from bayescale.auditing.record import Audit


def report(
    source: TableOrFit = DEFAULT_TABLE,
    law: LawName = None,
    priors: Priors = None,
    columns: Columns = None,
    where: Where = None,
    groups: Groups = None,
    flops: Budgets = None,
    at: At = None,
    draws: Draws = 1000,
    chains: Chains = 4,
    seed: Seed = 0,
    out: Annotated[Path, typer.Option(help="File to write: .html, .md or .json.")] = Path(
        "report.html"
    ),
    form: Form = None,
    figures: Figures = None,
) -> int:
    """Write a page with the answer of a fit and its evidence."""
    from bayescale.models import law_named
    from bayescale.posterior.optimum import check_budgets
    from bayescale.reporting.files import check_target
    from bayescale.reporting.report import report as report_fit

    chosen, inputs = law_named(law or DEFAULT_LAW), read_extra_inputs(at)
    check_target(out, form)
    if is_saved_fit(source):
        fitted, table = load_fit(source, law), ""
    else:
        if inputs or (flops and chosen.allocates):
            check_budgets(chosen, flops or [1.0], inputs)
        settings: dict[str, Any] = {"draws": draws, "chains": chains, "random_seed": seed}
        names = read_columns(columns)
        fitted = fit_table(
            source, chosen, columns=names, where=where, groups=groups, priors=priors, **settings
        )
        table = source
    page = report_fit(fitted, flops=flops, at=inputs, table=table, command=_command())
    page.save(out, form=form, figures=figures)
    print(show_unseen(str(out)))
    return status_of(fitted)


def _command() -> str:
    return shlex.join(["bayescale", *sys.argv[1:]])


def audit(
    table: Annotated[
        str, typer.Argument(help="A file of runs, or a dataset's name.")
    ] = "chinchilla",
    claims: Annotated[
        str, typer.Option(help="A law, for its published claims; or a TOML file of claims.")
    ] = "chinchilla",
    law: Annotated[
        str | None, typer.Option(help="The law of the claims in a file; chinchilla by default.")
    ] = None,
    columns: Columns = None,
    choices: Annotated[
        bool, typer.Option("--choices", help="Fit again under other choices; takes minutes.")
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Every published claim, on its own dataset.")
    ] = False,
    draws: Draws = 1000,
    chains: Chains = 4,
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option(help="Write a page: .html, .md or .json.")] = None,
    form: Form = None,
    figures: Figures = None,
    as_json: Json = False,
) -> int:
    """Compare published estimates with the runs behind them."""
    from bayescale.auditing.catalogue import audit_published
    from bayescale.auditing.check_result import DEFAULT
    from bayescale.cli import printing
    from bayescale.reporting.files import check_target
    from bayescale.reporting.report import report as report_audits
    from bayescale.validation.sweep import Parallel

    if out is not None:
        check_target(out, form)
    elif form or figures:
        raise DataError("--format or --figures without --out; expected a file. Add --out.")
    settings: dict[str, Any] = {"draws": draws, "chains": chains, "random_seed": seed}
    audits: tuple[Audit, ...]
    if everything:
        audits = audit_published(parallel=Parallel(progress=sys.stderr.isatty()), **settings)
    else:
        audits = (_audit_table(table, claims, law, columns, choices, **settings),)
    page = report_audits(audits if everything else audits[0], table=table, command=_command())
    if out is not None:
        page.save(out, form=form, figures=figures)
    if as_json:
        printing.print_json(page.json())
    elif out is not None:
        print(show_unseen(str(out)))
    else:
        for number, audited in enumerate(audits):
            if number:
                print()
            printing.print_document(audited.document())
    return GOOD if everything else status_of(audits[0].fits[DEFAULT])


def _audit_table(
    table: str,
    claims: str,
    law: str | None,
    columns: list[str] | None,
    choices: bool,
    **settings: Any,
) -> "Audit":
    """Audit claims of a law, or of a file, against one table."""
    from bayescale.auditing.audit import audit as audit_claims
    from bayescale.auditing.claim_files import read_claims
    from bayescale.models import LAWS, law_named

    if claims not in LAWS and Path(claims).suffix:
        chosen, published = law_named(law or "chinchilla"), read_claims(claims)
    else:
        chosen = law_named(claims)
        published = chosen.claims_about(table) or chosen.claims_about()
        if law not in (None, claims):
            raise DataError(
                f"--law is {law} beside --claims {claims}; expected them to be the same, or a file "
                "of claims. Leave one of them out."
            )
        if not published:
            raise DataError(
                f"nothing was published about law {claims!r}; expected a law with claims, or a "
                "file. See bayescale laws."
            )
    # A claim may be about another column of its dataset; the user's choice has priority.
    names = {**published[0].data.columns, **read_columns(columns)}
    fitted = fit_table(table, chosen, columns=names, **settings)
    return audit_claims(
        published, fitted, law=chosen, dataset=table, multiverse=choices or None, **settings
    )
