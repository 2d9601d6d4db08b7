"""Observed and replicated runs in one table, and the truth about both."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from numpy.testing import assert_allclose

from bayescale.inference.coordinates import draw_prior
from bayescale.inference.structure import Structure, build_structure
from bayescale.likelihoods import NORMAL, STUDENT_T, autoregressive
from bayescale.models import LAWS
from bayescale.posterior.draws import Draws
from bayescale.posterior.pointwise import log_likelihood, per_run
from bayescale.posterior.quantities import ROLES, quantities
from bayescale.runs.read import runs_for
from bayescale.spec.law import Groups, Law
from bayescale.spec.likelihood import Likelihood
from bayescale.validation.sbc import joint_runs, joint_structure, with_units_of
from bayescale.validation.simulators import as_modelled, free_parameters, with_stage

CHINCHILLA = LAWS["chinchilla"]


def budgets() -> pd.DataFrame:
    """Runs at four compute budgets, the last run at a budget of its own."""
    params = np.tile(np.geomspace(5e7, 5e8, 5), 4)
    flops = np.append(np.repeat([1e18, 3e18, 1e19, 3e19], 5), 1e20)
    runs = pd.DataFrame({"params": np.append(params, 2e8), "flops": flops})
    runs["tokens"] = runs["flops"] / (6 * runs["params"])
    noise = np.exp(0.01 * np.random.default_rng(1).standard_normal(len(runs)))
    loss = (1.8 + 480 / runs["params"] ** 0.35 + 2100 / runs["tokens"] ** 0.37) * noise
    return runs.assign(loss=loss, error=0.9 - np.exp(-0.7 * loss))


def curves() -> pd.DataFrame:
    """Two curves of six rows each."""
    x = np.tile(np.geomspace(10, 1e3, 6), 2)
    noise = np.exp(0.01 * np.random.default_rng(1).standard_normal(12))
    return pd.DataFrame({"x": x, "y": 8 * x**-0.2 * noise, "curve": np.repeat([3, 4], 6)})


SERIES = autoregressive(by="curve", order="x")
CASES: dict[str, tuple[Law, Likelihood | None, pd.DataFrame]] = {
    "plain": (LAWS["power_law"], NORMAL, curves()),
    "clusters": (CHINCHILLA, NORMAL, budgets()),
    "clusters and heavy tails": (CHINCHILLA, STUDENT_T, budgets()),
    "curves": (LAWS["power_law"], SERIES, curves()),
    "groups of the law": (LAWS["isoflop"], None, budgets()),
    "groups of a coefficient": (
        replace(LAWS["power_law"], name="by_curve", groups=Groups(by="curve")),
        NORMAL,
        curves(),
    ),
    "a stage": (LAWS["error_ladder"], None, budgets()),
}


def structure_of(name: str) -> tuple[Structure, pd.DataFrame]:
    """Structure with fixed units, and its runs."""
    law, likelihood, table = CASES[name]
    runs = runs_for(law, table)
    return with_units_of(build_structure(law, runs, likelihood), runs), runs


@pytest.mark.parametrize("name", CASES)
def test_free_parameters_come_back_out_of_all_quantities(name: str) -> None:
    structure, runs = structure_of(name)
    draws = quantities(Draws(structure, draw_prior(structure, 3, 2), runs))
    free = free_parameters(Draws(structure, draws, runs))
    again = quantities(Draws(structure, free, runs))
    reported = [name for name, x in draws.items() if x.attrs["role"] in (*ROLES, "group")]
    xr.testing.assert_allclose(again[reported], draws[reported])


@pytest.mark.parametrize("name", CASES)
def test_observed_and_replicated_runs_are_independent_given_the_truth(name: str) -> None:
    """The log likelihood of one table of both is the sum of theirs, in the same units."""
    structure, runs = structure_of(name)
    law = structure.law
    truth, rng = draw_prior(structure, 1, 0), np.random.default_rng(4)
    replicated = with_stage(Draws(structure, truth, runs), rng)
    responses = as_modelled(Draws(structure, truth, replicated), rng)
    replicated = replicated.assign(**{law.response: responses})
    joint = Draws(joint_structure(structure), truth, joint_runs(structure, runs, replicated))
    apart = [total(Draws(structure, truth, table)) for table in (runs, replicated)]
    assert total(joint) == pytest.approx(sum(apart))
    assert_allclose(joint.runs[law.response], [*runs[law.response], *responses])


def total(free: Draws) -> float:
    """Log likelihood of all runs."""
    draws = Draws(free.structure, quantities(free), free.runs)
    return float(per_run(log_likelihood(draws)).sum())
