"""Whether ranks of truths from a posterior are uniform: with refits to both tables, and to one.

uv run python -m studies.calibration.posterior_sbc [--simulations 120] [--jobs -1] [--out FOLDER]

Truths are drawn from the posterior of observed runs, and runs are simulated from each at the same
design. A refit to the observed and the simulated runs together has uniform ranks. A refit to the
simulated runs alone has not, wherever the prior carries information: the truth is already a
compromise between prior and observed runs, and the refit moves it towards the prior once more.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd

import bayescale as bs
from bayescale.validation.calibrate import Calibration
from bayescale.validation.sbc import rank_truth, with_units_of
from bayescale.validation.simulators import as_modelled, choose_draws
from benchmarks.measuring import machine, print_rows

SAMPLING = bs.Sampling(draws=250, tune=500, chains=2)
SEED = 1


def main() -> None:
    """Rank the truths of every case in both ways, and print which quantities are uniform."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--case", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--simulations", type=int, default=120)
    parser.add_argument("--jobs", type=int, default=-1, help="processes; -1 for one a CPU")
    parser.add_argument("--out", type=Path, help="folder for rows; what it holds is not done again")
    given = parser.parse_args()
    print(f"{machine()}; seed {SEED}, {given.simulations} simulations of {SAMPLING} draws")
    ways = {"observed and simulated": ranks_given_both, "simulated alone": ranks_given_simulated}
    for name in given.case:
        fitted = CASES[name]()
        print(f"\n## {fitted.law.name}, {name}: {len(fitted.runs)} runs, {fitted.verdict}")
        for way, rank in ways.items():
            begun = perf_counter()
            path = given.out and given.out / f"{name} {way}.jsonl".replace(" ", "_")
            ranked = rank(fitted, given.simulations, bs.Parallel(path, given.jobs))
            print_uniformity(way, ranked, perf_counter() - begun)


def conflicting() -> bs.Fit:
    """A fit to twelve runs of an exponent of 0.5, which a narrow prior expects at 0.25."""
    x = np.geomspace(10, 1e4, 12)
    noise = np.exp(0.1 * np.random.default_rng(3).standard_normal(12))
    runs = pd.DataFrame({"x": x, "y": 8 * x**-0.5 * noise})
    return bs.fit(
        bs.models.LAWS["power_law"],
        runs,
        likelihood=bs.likelihoods.NORMAL,
        clusters=None,
        priors={"alpha": bs.priors.LogNormal(mu=np.log(0.25), sigma=0.1)},
        random_seed=SEED,
    )


def budgets() -> bs.Fit:
    """A fit of Chinchilla's law to a shipped table of runs at compute budgets."""
    return bs.fit(bs.models.CHINCHILLA, bs.datasets.load("simulated_isoflop"), random_seed=SEED)


CASES: dict[str, Callable[[], bs.Fit]] = {
    "prior against runs": conflicting,
    "compute budgets": budgets,
}


def ranks_given_both(fitted: bs.Fit, simulations: int, parallel: bs.Parallel) -> Calibration:
    """Ranks among draws given observed and simulated runs, as `bayescale.calibrate` has them."""
    ranked: Calibration = bs.calibrate(
        fitted.law,
        fitted.runs,
        truth=fitted,
        simulations=simulations,
        sampling=SAMPLING,
        parallel=parallel,
        random_seed=SEED,
    )
    return ranked


def ranks_given_simulated(fitted: bs.Fit, simulations: int, parallel: bs.Parallel) -> Calibration:
    """Ranks of the same truths among draws given the simulated runs alone."""
    truths = choose_draws(fitted.as_modelled.draws, simulations, SEED)
    options = {
        "structure": with_units_of(fitted.structure, fitted.runs),
        "design": fitted.runs,
        "simulator": as_modelled,
        "joint": None,
        "sampling": SAMPLING,
    }
    tasks = [(str(k), {**options, "truth": truths.isel(draw=[k])}) for k in range(simulations)]
    rows = bs.sweep(rank_truth, tasks, parallel=parallel, random_seed=SEED)
    return Calibration.from_rows(fitted.law.name, rows)


def print_uniformity(way: str, ranked: Calibration, seconds: float) -> None:
    """Mean rank of every quantity, and whether its ECDF is inside the band."""
    uniform, places = ranked.uniformity(mass=0.95), ranked.places
    print(f"\n{way}: {places.sizes['draw']} fitted in {seconds:.0f} s; mean rank (0.5 if uniform),")
    error = 1 / np.sqrt(12 * places.sizes["draw"])
    print(f"which has a standard error of {error:.3f}, and how far the ECDF is outside a 95% band:")
    rows = {
        str(name): (float(places[name].mean()), line.excess, not line.inside)
        for name, line in uniform.iterrows()
    }
    print_rows(("quantity", "mean rank", "excess", "outside"), rows)
    print(f"{int(uniform['inside'].sum())} of {len(uniform)} quantities inside the band")
    print(f"remarks: {ranked.remarks['remark'].str.slice(0, 40).value_counts().to_dict()}")


if __name__ == "__main__":
    main()
