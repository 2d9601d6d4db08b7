"""Learn the joint prior of the coupled law from public studies, and again without each family.

    BAYESCALE_DATA=... uv run python -m studies.field_prior.learn

Each full table is fitted with a prior three times as wide as the one shipped; that prior is taken
out again, so that what is left is a Normal likelihood of the five numbers. Studies of a family
scatter about it, and families about a middle. The prior is the predictive of a new family.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
from scipy.stats import spearmanr

import bayescale as bs
from bayescale.models.size_and_data.coupled_field import FIELD, PARTS, Field
from studies.extrapolation.tables import STUDIES, runs_of

SEED = 1
WIDE = 3.0
"""How many times as wide as the shipped prior the one of the fits is."""
NOT_LANGUAGE = ("gzip", "pocket")
"""Families that teach nothing here: strings of a grammar, and runs eight decades below 1e20."""

MU, MU_SD = (np.log(0.35), np.log(0.35), np.log(0.6), 0.0, 3.0), (0.7, 0.7, 0.7, 1.5, 1.5)
BETWEEN, WITHIN = (0.25, 0.25, 0.25, 0.5, 0.7), (0.15, 0.15, 0.15, 0.3, 0.4)
"""Priors of the middle, and scales of half Student-t priors of the sds of families and studies."""


def main() -> None:
    """Print the prior, and write those without each family."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("build/field_prior.json"))
    parser.add_argument("--jobs", type=int, default=-1)
    chosen = parser.parse_args()
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    rows = chosen.out.with_suffix(".jsonl")
    parallel = bs.Parallel(path=rows, jobs=chosen.jobs, progress=True)
    tasks = [(s, {"study": s}) for s, family in STUDIES.items() if family not in NOT_LANGUAGE]
    table = bs.sweep(likelihood_of, tasks, parallel=parallel, random_seed=SEED)
    print(table[["task", "error"]].dropna().to_string())
    table = table[table["error"].isna()]
    middles = np.exp(np.array(table["middle"].to_list()))
    print(pd.DataFrame(middles, table["study"], PARTS).round(3).to_string())
    families = table["study"].map(STUDIES)
    learned = {"": predictive(table)}
    for family in families.unique():
        learned[family] = predictive(table[families != family])
        print(family, learned[family])
    chosen.out.write_text(json.dumps(learned, indent=1))
    print(json.dumps(learned[""], indent=1))


def likelihood_of(study: str, random_seed: int) -> dict[str, Any]:
    """What one table says of the five numbers: middle and covariance of a Normal likelihood."""
    law = bs.models.COUPLED.learned
    assert law is not None
    priors = {"field": bs.priors.Normal(mu=0.0, sigma=WIDE, parts=PARTS)}
    fitted = bs.fit(law, runs_of(study), priors=priors, random_seed=random_seed)
    draws = fitted.posterior["field"].stack(sample=("chain", "draw")).transpose("sample", ...)
    standard = draws.to_numpy()
    precision = np.linalg.inv(np.cov(standard.T))
    # Without the prior, where the table says anything at all.
    sizes, axes = np.linalg.eigh(precision - np.eye(len(PARTS)) / WIDE**2)
    likelihood = (axes * np.maximum(sizes, 0.05)) @ axes.T
    middle = np.linalg.solve(likelihood, precision @ standard.mean(axis=0))
    factor = np.array(FIELD.factor)
    covariance = factor @ np.linalg.inv(likelihood) @ factor.T
    return {
        "study": study,
        "middle": (np.array(FIELD.middle) + factor @ middle).tolist(),
        "covariance": covariance.tolist(),
        "doubt": " ".join(fitted.verdict.reasons),
    }


def predictive(table: pd.DataFrame) -> dict[str, Any]:
    """Middle, sd and correlations of the five numbers of a new family of studies."""
    families = pd.factorize(table["study"].map(STUDIES))[0]
    observed, known = np.array(table["middle"].to_list()), np.array(table["covariance"].to_list())
    n = len(PARTS)
    with pm.Model():
        mu = pm.Normal("mu", MU, MU_SD)
        roots = [
            pm.LKJCholeskyCov(
                name, n=n, eta=1.0, sd_dist=pm.HalfStudentT.dist(nu=2, sigma=np.array(scale))
            )[0]
            for name, scale in (("between", BETWEEN), ("within", WITHIN))
        ]
        z = pm.Normal("z", shape=(families.max() + 1, n))
        centre = mu + (z @ roots[0].T)[families]
        pm.MvNormal("study", mu=centre, cov=roots[1] @ roots[1].T + known, observed=observed)
        spread = roots[0] @ roots[0].T + roots[1] @ roots[1].T
        pm.MvNormal("new", mu=mu, cov=spread)
        drawn = pm.sample(1000, tune=1500, chains=4, cores=2, random_seed=SEED, target_accept=0.95)
    new = drawn["posterior"]["new"].stack(sample=("chain", "draw")).transpose("sample", ...)
    low, middle, high = np.quantile(new, (0.159, 0.5, 0.841), axis=0)
    correlation = 2 * np.sin(np.pi / 6 * spearmanr(new).statistic)
    return {
        "middle": middle.round(3).tolist(),
        "sd": ((high - low) / 2).round(3).tolist(),
        "correlation": [correlation[k, :k].round(2).tolist() for k in range(1, n)],
    }


def field_of(numbers: dict[str, Any]) -> Field:
    """The record of learned numbers."""
    rows = tuple(tuple(row) for row in numbers["correlation"])
    return Field(tuple(numbers["middle"]), tuple(numbers["sd"]), rows)


if __name__ == "__main__":
    main()
