"""How long the whole Chinchilla audit takes, with every usual choice, and what its parts are.

uv run python -m benchmarks.auditing [--jobs 2]
"""

import argparse
import os
from time import perf_counter

import numpy as np
from joblib.externals.loky import get_reusable_executor

import bayescale as bs
from bayescale.auditing.check_result import ONE_SCALE
from bayescale.spec.claim import budget_of
from bayescale.validation.multiverse import usual_axes
from benchmarks.measuring import benchmark_runs, machine, print_rows

LAW = bs.models.CHINCHILLA
SEED = 1


def main() -> None:
    """Print seconds of each part, and what came out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    name, runs = benchmark_runs()
    print(f"{name}, {len(runs)} runs; {machine()}; seed {SEED}, {given.jobs} jobs")
    begun = spent()
    fitted = bs.fit(LAW, runs, random_seed=SEED)
    sampled = spent()
    varied = bs.multiverse(
        LAW,
        fitted.runs,
        axes=usual_axes(fitted),
        flops=budget_of(LAW.claims),
        parallel=bs.Parallel(jobs=given.jobs),
        random_seed=SEED,
    )
    explored = spent()
    audited = bs.audit(None, fitted, law=LAW, multiverse=varied, random_seed=SEED)
    ended = spent()
    one_scale = audited.fits[ONE_SCALE].seconds["total"]
    count = varied["trusted"].size
    print_rows(
        ("the whole audit", "wall s", "CPU s"),
        {
            "fit": sampled - begun,
            f"multiverse of {count}": explored - sampled,
            f"one-scale fit, and checks of {len(audited.claims)} claims": ended - explored,
            "whole": ended - begun,
        },
    )
    print(f"\nThe one-scale fit took {one_scale:.1f} s of these.")
    failed = int((varied["error"] != "").sum())
    print(f"{int(varied['trusted'].sum())} of {count} trusted, {failed} not fitted.\n")
    print(audited.table[["verdict", "sensitivity"]].to_string())
    for audited_claim in audited.claims:
        sentence = audited_claim.results["sensitivity"].sentence
        print(f"\n{audited_claim.claim.label}: {sentence}")


def spent() -> np.ndarray:
    """Wall and CPU seconds so far, those of other processes too, which are ended for it."""
    get_reusable_executor().shutdown(wait=True)
    used = os.times()
    own, others = used.user + used.system, used.children_user + used.children_system
    return np.array([perf_counter(), own + others])


if __name__ == "__main__":
    main()
