"""The coupled law with what public studies teach: its five numbers, fits, and what it owes them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayescale as bs
from bayescale.diagnostics.borrowed import Borrowed, borrowed
from bayescale.errors import LawError
from bayescale.fitting.record import Fit
from bayescale.inference.coordinates import draw_prior
from bayescale.inference.structure import build_structure
from bayescale.inference.units import units_of
from bayescale.models import COUPLED
from bayescale.models.size_and_data.coupled_field import FIELD, FLOPS, PARTS
from bayescale.spec.law import Law
from tests.designs import simulated
from tests.shell import Shell, assert_refused

RUNS = simulated(COUPLED, noise=0.01, seed=4, each=4)
FEW = RUNS.iloc[[0, 3, 5, 6, 9, 10, 12, 15]].reset_index(drop=True)


def with_field() -> Law:
    assert COUPLED.learned is not None
    return COUPLED.learned


@pytest.fixture(scope="module")
def fits() -> dict[str, Fit]:
    options = {"random_seed": 1, "draws": 500, "chains": 2}
    return {
        "own": bs.fit(COUPLED, FEW, **options),
        "field": bs.fit(COUPLED, FEW, priors="field", **options),
    }


def test_its_numbers_are_those_of_the_optimum_of_a_budget() -> None:
    """Two away from the middle, each: exponents, and shape and balance found by a search."""
    standard = (2.0, -1.0, 0.5, 1.0, -2.0)
    expected = np.array(FIELD.middle) + np.array(FIELD.factor) @ standard
    law = with_field()
    units = units_of(law, RUNS)
    values = law.coefficients(units, level=1.1, field=standard)
    assert_allclose(np.log([values[name] for name in PARTS[:3]]), expected[:3], rtol=1e-12)
    params = np.geomspace(1e6, 1e12, 2_000_001)
    loss = law.formula(params, FLOPS / 6 / params, **values)
    best = loss.argmin()
    # One step of the search is 7e-6 of a logarithm; tokens per parameter go with its square.
    assert_allclose(np.log(FLOPS / 6 / params[best] ** 2), expected[4], atol=2e-5)
    assert_allclose(np.log(loss[best] / values["E"] - 1), expected[3], atol=1e-9)
    pivot = [units.pivot[name] for name in ("params", "tokens")]
    assert_allclose(law.formula(*pivot, **values), 1.1 * units.pivot["loss"], rtol=1e-12)


def test_the_prior_has_the_learned_correlations() -> None:
    """With Normal numbers in place of Student-t, whose sd and correlations are simple."""
    priors = {"field": bs.priors.Normal(mu=0.0, sigma=1.0, parts=PARTS)}
    structure = build_structure(with_field(), RUNS, priors=priors)
    field = draw_prior(structure, 20_000, 1)["field"].to_numpy()[0]
    logs = np.array(FIELD.middle) + field @ np.array(FIELD.factor).T
    # Monte Carlo errors at 20,000 draws: 1/sqrt(n) of a correlation at most, sd/sqrt(2n) of an sd.
    assert_allclose(logs.std(axis=0), FIELD.sd, rtol=5 / np.sqrt(40_000))
    correlation = np.corrcoef(logs.T)
    for row, values in enumerate(FIELD.correlation, start=1):
        assert_allclose(correlation[row, :row], values, atol=5 / np.sqrt(20_000))


def test_the_forms_are_one_law() -> None:
    law = with_field()
    assert law.plain is not None
    assert law.plain.priors == COUPLED.priors
    assert (law.name, law.formula, law.response) == ("coupled", COUPLED.formula, "loss")


def test_few_runs_know_the_best_size_better_with_it(fits: dict[str, Fit]) -> None:
    reach = {name: np.log(one.optimum(1e23)["N_opt"]).std() for name, one in fits.items()}
    assert float(reach["field"]) < float(reach["own"])
    assert any("priors='field'" in remark for remark in fits["own"].warnings)
    assert any("public studies" in remark for remark in fits["field"].warnings)


def test_it_is_loaded_as_it_was_saved(fits: dict[str, Fit], tmp_path: Path) -> None:
    path = tmp_path / "fit.nc"
    fits["field"].save(path)
    loaded = bs.load(path)
    assert loaded.law is with_field()
    assert loaded.posterior.identical(fits["field"].posterior)


def test_other_names_of_priors_are_refused() -> None:
    with pytest.raises(LawError, match=r"priors are 'fields'; expected 'field'"):
        bs.fit(COUPLED, RUNS, priors="fields")
    with pytest.raises(LawError, match=r"'kaplan_n' has no priors learned"):
        bs.fit(bs.models.LAWS["kaplan_n"], RUNS, priors="field")


def test_the_share_of_the_priors_is_that_of_precisions(fits: dict[str, Fit]) -> None:
    """A reach of a factor 2 after one of 4 leaves a quarter of the variance."""
    found = Borrowed(flops=1e24, known=2.0, priors=4.0, plain=16.0)
    assert_allclose((found.share, found.gone), (0.25, 0.75), rtol=1e-12)
    few = {name: borrowed(one) for name, one in fits.items()}
    assert few["own"] is not None
    assert few["field"] is not None
    assert few["own"].plain is None
    assert few["field"].plain is not None
    # Prior draws are the same of both laws but for their seeds: 2,000 draws, quantiles of 5.5%.
    assert_allclose(np.log(few["field"].plain), np.log(few["own"].priors), rtol=0.15)
    assert few["field"].priors < few["own"].priors


def test_more_runs_owe_less(fits: dict[str, Fit]) -> None:
    many = bs.fit(COUPLED, RUNS, priors="field", random_seed=1, draws=500, chains=2)
    more, less = borrowed(fits["field"]), borrowed(many)
    assert more is not None
    assert less is not None
    assert less.share < more.share


def test_a_report_has_the_answer_without_it(fits: dict[str, Fit]) -> None:
    sections = {section.anchor: section for section in bs.report(fits["field"]).document.sections}
    table = sections["field"].blocks[-1]
    assert [row[0] for row in table.rows] == ["field", "law"]
    numbers = sections["field"].numbers
    assert 0 < numbers["share"] <= 1
    assert "field" not in {section.anchor for section in bs.report(fits["own"]).document.sections}


def test_the_shell_takes_it(shell: Shell, tmp_path: Path) -> None:
    pd.DataFrame(FEW).to_csv("runs.csv", index=False)
    outcome = shell("fit", "runs.csv", "--priors", "field", "--draws", "250", "--chains", "2")
    assert "with priors of public studies" in outcome.out
    assert_refused(shell("fit", "runs.csv", "--priors", "fields"), ["'fields'", "expected 'field'"])
