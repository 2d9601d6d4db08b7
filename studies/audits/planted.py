"""Whether an audit's verdicts are right, on runs whose law is known.

uv run python -m studies.audits.planted [--seeds 100] [--jobs -1] [--out ROWS.jsonl]

Five claims a seed: the truth with an honest error, with one ten times too small, with a biased
exponent, with few digits, and the truth on runs that do not identify it.
"""

import argparse
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import bayescale as bs
from bayescale.auditing.checks import INCONSISTENT, OVERCONFIDENT
from bayescale.auditing.verdicts import CONSISTENT, UNTESTABLE
from benchmarks.measuring import machine, print_rows

LAW = bs.models.CHINCHILLA
TRUTH = {"E": 1.8172, "A": 482.01, "B": 2085.43, "alpha": 0.3478, "beta": 0.3658}
NOISE = 0.004
BUDGETS = np.geomspace(1e18, 1e21, 7)
RATIOS = np.geomspace(2.0, 200.0, 9)
RAY, RATIO, RAY_NOISE = np.geomspace(1e18, 1e21, 16), 20.0, 0.02
"""Budgets and scatter of runs of one ratio. More and sharper runs make a ridge so narrow that a fit
takes two minutes to follow it, and is not always trusted."""
TOO_SURE, BIAS = 10.0, 6.0
"""How many times too small an error is, and how many posterior sd an exponent is off."""
EXPECTED = {
    "true": CONSISTENT,
    "too sure": OVERCONFIDENT,
    "biased": INCONSISTENT,
    "rounded": CONSISTENT,
    "unidentified": UNTESTABLE,
}


def main() -> None:
    """Print how many verdicts are right, and what the wrong ones were."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=-1, help="processes; -1 for one a CPU")
    parser.add_argument("--out", type=Path, help="rows; what it holds is not done again")
    given = parser.parse_args()
    print(f"{machine()}; seeds 0 to {given.seeds - 1}")
    tasks = [(str(k), {"seed": k}) for k in range(given.seeds)]
    parallel = bs.Parallel(path=given.out, jobs=given.jobs)
    rows = bs.sweep(judged, tasks, parallel=parallel, random_seed=0)
    failed = rows["error"].dropna()
    if len(failed):
        raise SystemExit(failed.iloc[0])
    counts = {
        f"{name}: {word}": ((rows[name] == word).sum(), len(rows))
        for name, word in EXPECTED.items()
    }
    print_rows(("planted: verdict", "right", "of"), counts)
    for name, word in EXPECTED.items():
        wrong = rows.loc[rows[name] != word, name].value_counts().to_dict()
        print(f"{name}, otherwise: {wrong or 'never'}")


def judged(seed: int, random_seed: int) -> dict[str, str]:
    """Verdicts on the claims of one seed, and what led to those that are wrong."""
    grid, ray = _runs(BUDGETS[:, None], RATIOS, NOISE, seed), _runs(RAY, RATIO, RAY_NOISE, seed)
    fitted = bs.fit(LAW, grid, random_seed=seed)
    sd = {name: float(fitted.posterior[name].std()) for name in ("alpha", "beta")}
    few = {"E": 1.82, "A": 480.0, "B": 2100.0, "alpha": 0.35, "beta": 0.37}
    claims = [
        _claim("true", errors=sd),
        _claim("too sure", errors={name: value / TOO_SURE for name, value in sd.items()}),
        _claim("biased", values=TRUTH | {"alpha": TRUTH["alpha"] + BIAS * sd["alpha"]}),
        _claim("rounded", values=few),
    ]
    identified = bs.audit(claims, fitted, law=LAW, random_seed=seed)
    vague = bs.audit(_claim("unidentified"), ray, law=LAW, random_seed=seed)
    every = [*identified.claims, *vague.claims]
    verdicts = {audited.claim.label: ", ".join(audited.verdict) for audited in every}
    wrong = {
        f"{label}, reasons": " ".join(audited.reasons)
        for label, audited in zip(verdicts, every, strict=True)
        if verdicts[label] != EXPECTED[label]
    }
    return {**verdicts, **wrong}


def _claim(label: str, **fields: Any) -> bs.Claim:
    return bs.Claim(**({"label": label, "reference": "planted", "values": TRUTH} | fields))


def _runs(flops: Any, ratio: Any, sd: float, seed: int) -> pd.DataFrame:
    params = np.ravel(np.sqrt(flops / 6 / ratio))
    tokens = np.ravel(flops / 6 / np.sqrt(flops / 6 / ratio))
    noise = np.exp(sd * np.random.default_rng(seed).standard_normal(params.size))
    loss = LAW.formula(params, tokens, **TRUTH) * noise
    return pd.DataFrame({"params": params, "tokens": tokens, "loss": loss})


if __name__ == "__main__":
    # Functions of a script cannot be sent to another process; those of a module can.
    import_module("studies.audits.planted").main()
