"""Claims at the minimum of their own objective, beside it, and printed from another one's."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.optimize
import scipy.special

from bayescale.checks import AGREES, DISAGREES, UNTESTED
from bayescale.choices import with_column
from bayescale.claims import Claim
from bayescale.law import Law
from bayescale.models import LAWS
from bayescale.objectives import objective, own_objective
from bayescale.pointfit import descended, residuals
from bayescale.published import groups
from tests.tables import PublicTable

LAW = LAWS["chinchilla"]
TRUTH = {"E": 1.8172, "A": 482.01, "B": 2085.43, "alpha": 0.3478, "beta": 0.3658}


def alone(runs: pd.DataFrame, law: Law = LAW, by: str | None = None) -> Any:
    """What the check needs of a fit; no posterior."""
    return SimpleNamespace(law=law, runs=runs, structure=SimpleNamespace(by=by), random_seed=0)


@pytest.fixture(scope="module")
def runs() -> pd.DataFrame:
    params, tokens = map(np.ravel, np.meshgrid(np.geomspace(5e7, 1e10, 7), np.geomspace(1e9, 3e11)))
    noise = 0.005 * np.random.default_rng(1).standard_normal(len(params))
    expected = LAW.formula(params, tokens, **TRUTH)
    return pd.DataFrame({"params": params, "tokens": tokens, "loss": expected * np.exp(noise)})


def claim(runs: pd.DataFrame, values: dict[str, float], **changes: Any) -> Claim:
    said = {"objective": "huber", "delta": 1e-3, "runs": len(runs), "reference": "here"}
    return Claim(**({"label": "me", "values": values} | said | changes))


@pytest.fixture(scope="module")
def best(runs: pd.DataFrame) -> dict[str, float]:
    start = np.log(list(TRUTH[name] for name in LAW.coefficient_names))
    logs, _ = descended(LAW, runs, start, 1e-3, xtol=1e-15, ftol=1e-15, gtol=1e-15)
    return dict(zip(LAW.coefficient_names, np.exp(logs).tolist(), strict=True))


@pytest.mark.parametrize("delta", [1e-3, 0.5, 3.0])
def test_the_likelihood_has_its_best_scale(delta: float) -> None:
    off = 0.01 * np.random.default_rng(2).standard_normal(50)

    def minus_log_likelihood(log_scale: float) -> float:
        return float(scipy.special.huber(delta, off / np.exp(log_scale)).sum() + 50 * log_scale)

    found = scipy.optimize.minimize_scalar(
        minus_log_likelihood, bounds=(-20.0, 0.0), method="bounded", options={"xatol": 1e-9}
    )
    assert 50 * np.log(objective("huber likelihood", off, delta)) == pytest.approx(found.fun)
    assert objective("huber", off, delta) == scipy.special.huber(delta, off).sum()


def test_the_minimum_and_what_rounds_to_it_agree(
    runs: pd.DataFrame, best: dict[str, float]
) -> None:
    exact = own_objective(claim(runs, best), alone(runs))
    assert exact.outcome == AGREES
    assert exact.numbers["excess"] == pytest.approx(0, abs=1e-9)
    rounded = {name: float(f"{value:.3g}") for name, value in best.items()}
    coarse = own_objective(claim(runs, rounded), alone(runs))
    assert coarse.outcome == AGREES, coarse
    assert coarse.numbers["excess"] >= 0


def test_a_place_further_along_the_valley_disagrees(
    runs: pd.DataFrame, best: dict[str, float]
) -> None:
    """The exponent of data a twentieth too large, and all others the best for it."""
    beta = 1.05 * best["beta"]
    start = np.log([best[name] for name in ("E", "A", "B", "alpha")])
    found = scipy.optimize.least_squares(
        lambda logs: residuals(LAW, runs)(np.append(logs, np.log(beta))),
        start,
        loss="huber",
        f_scale=1e-3,
        x_scale="jac",
    )
    values = dict(zip(LAW.coefficient_names, [*np.exp(found.x).tolist(), beta], strict=True))
    result = own_objective(claim(runs, values), alone(runs))
    assert result.outcome == DISAGREES, result
    assert result.numbers["at_minimum"] == pytest.approx(best, rel=1e-4)
    assert "rounding allowed for, where" in result.sentence


def test_other_runs_or_groups_are_no_test(runs: pd.DataFrame, best: dict[str, float]) -> None:
    for fit, said in (
        (alone(runs[:-1]), claim(runs, best)),
        (alone(runs, by="corpus"), claim(runs, best)),
        (alone(runs), claim(runs, {"alpha": 0.34})),
        (alone(runs), Claim(label="me", values=best, reference="here")),
    ):
        assert own_objective(said, fit).outcome == UNTESTED


def published(table: str) -> list[tuple[Claim, Law]]:
    return [(each, group.law) for group in groups(tables=[table]) for each in group.claims]


def test_one_number_of_the_replication_is_from_another_optimum(
    chinchilla_runs: pd.DataFrame,
) -> None:
    """A constant read off a likelihood's own output is 1.8169, and 1.8172 is printed."""
    (said,) = (c for c in LAW.claims if c.label == "Besiroglu et al.")
    result = own_objective(said, alone(chinchilla_runs))
    assert result.outcome == AGREES
    assert result.numbers["elsewhere"] == {"E": "huber"}
    # Their repository's own digits, which those of the paper are rounded from.
    unrounded = next(c for c in LAW.claims if c.label == "Schaeffer et al., Model Size")
    assert result.numbers["at_minimum"] == pytest.approx(unrounded.values, rel=1e-6)
    assert "E = 1.8172 is that of the minimum of the huber objective" in result.sentence


@pytest.mark.parametrize("label", ["Reported", "Best Fit Formula", "Standard Formula"])
def test_every_count_of_params_gives_its_published_minimum(
    public_table: PublicTable, label: str
) -> None:
    runs = public_table("chinchilla_conventions")
    (said,) = (c for c in LAW.claims if c.label == f"Schaeffer et al., {label} Parameters")
    counted = with_column(runs, name="params", column=said.columns["params"])
    result = own_objective(said, alone(counted))
    # Their search was by quasi-Newton steps, which end at 1e-5 of a corner.
    assert result.numbers["at_minimum"] == pytest.approx(said.values, rel=1e-4)


GEMSTONES = [claim.table for claim in LAW.claims if claim.table.startswith("gemstones")]
ASTRAY = {
    "gemstones_hot_to_100b": 0.729,
    "gemstones_cool_end": 0.586,
    "gemstones_lr_ablation": 0.647,
    "gemstones_lr_ablation_like_chinchilla": 0.557,
    "gemstones_slim_chinchilla": 0.523,
}
"""Exponents of tokens at lower minima than the published ones. The first two are on the cards; all
were found by another search, from the published coefficients alone."""


@pytest.mark.parametrize("table", GEMSTONES)
def test_some_gemstones_fits_are_no_minima(public_table: PublicTable, table: str) -> None:
    ((said, law),) = published(table)
    runs = public_table(table)
    result = own_objective(said, alone(runs, law))
    assert (result.outcome == DISAGREES) == (table in ASTRAY), result
    if table in ASTRAY:
        assert result.numbers["at_minimum"]["beta"] == pytest.approx(ASTRAY[table], abs=1e-3)
    fits = public_table("gemstones_fits").query("counted == 'total'").set_index("rows")
    logs = np.log([said.values[name] for name in law.coefficient_names])
    # Ten decimals are printed.
    printed = fits["objective"][said.label.removeprefix("McLeish et al., ")]
    assert objective("huber", residuals(law, runs)(logs), 1e-4) == pytest.approx(printed, abs=6e-11)


CORPORA = [claim.table for claim in LAW.claims if claim.table.startswith("loss_to_loss")]


@pytest.mark.parametrize("table", CORPORA)
def test_both_forms_reproduce_their_source(public_table: PublicTable, table: str) -> None:
    fits = public_table("loss_to_loss_fits").query("target == 'val_loss'")
    points = public_table("loss_to_loss_extrapolation")
    for said, law in published(table):
        form = "chinchilla" if law is LAW else "kaplan"
        corpus = said.where["corpus"]
        source = fits[(fits["corpus"] == corpus) & (fits["form"] == form)].iloc[0]
        runs = with_column(public_table(table), name="loss", column=said.columns["loss"])
        logs = np.log([said.values[name] for name in law.coefficient_names])
        mean = objective("huber", residuals(law, runs)(logs), 1e-3) / len(runs)
        # Theirs are of single precision: a loss of 2 is off by 1e-7, and residuals are near 2e-3.
        assert mean == pytest.approx(source["huber"], rel=1e-4)
        point = points[points["corpus"] == corpus].iloc[0]
        expected = law.formula(point["params"], point["tokens"], **said.values)
        assert expected == pytest.approx(source["predicted"], rel=1e-6)
        assert own_objective(said, alone(runs, law)).outcome == AGREES
