"""Compare importance sampling with NUTS: is the posterior the same, and how often is it enough.

    uv run python -m studies.sampling.importance agreement
    uv run python -m studies.sampling.importance enough
    uv run python -m studies.sampling.importance flat auto
    uv run python -m studies.sampling.importance flat nuts

`agreement` draws both ways for every registered law, from its table and from 30 simulated runs at
rows of that table. Every mean and every 5% and 95% quantile is compared in units of the Monte Carlo
error of the difference, so that z is about standard normal if the two are the same.
`enough` counts, over all tables and laws, how often importance sampling is good enough by itself.
`flat` calibrates six laws of different shape by one way, with truths from the prior, and counts the
quantities whose ranks leave the 95% band of a uniform ECDF, and whose 90% intervals hold the truth
less often or more often than 99 of 100 right ones would.
"""

import sys
from collections import defaultdict
from collections.abc import Iterator

import arviz_stats
import numpy as np
import pandas as pd
import xarray as xr

import bayescale as bs
from bayescale.fitting.refits import sample_carefully
from bayescale.inference.coordinates import blocks_of
from bayescale.inference.record import Sampling, Settings
from bayescale.inference.sample import SAMPLERS
from bayescale.inference.structure import build_structure
from bayescale.models import LAWS
from bayescale.posterior.draws import Draws
from bayescale.posterior.quantities import ROLES, quantities
from bayescale.runs.read import runs_for
from bayescale.spec.law import Law
from bayescale.validation.simulators import as_modelled, choose_draws, with_stage

SEED = 1
LARGEST = 1500  # rows of a table; more take minutes with NUTS
SIMULATED = 30
PROBS = (0.05, 0.95)
SIMULATIONS = 200
SHAPES = {
    "chinchilla": "chinchilla",
    "coupled": "chinchilla",
    "kaplan_n": "clark_routing",
    "henighan_c": "pocket",
    "data_constrained": "datablations_contour",
    "sigmoid_above_chance": "olmo_ladder_tasks",
}
MIXED = 1.02  # R-hat of NUTS above which there is nothing to compare with
SIZES = {8: "to 8", 12: "9 to 12", 15: "13 to 15", 30: "16 to 30", 10**9: "more"}


def tables_of(law: Law) -> Iterator[tuple[str, pd.DataFrame]]:
    """Tables whose cards name a law, as far as they can be had."""
    for name in bs.datasets.catalogue()["name"]:
        if law.name in bs.datasets.card(name).laws:
            try:
                yield name, runs_for(law, bs.datasets.load(name))
            except bs.DataError:  # without the law's inputs, or not to be had
                continue


def draw(law: Law, runs: pd.DataFrame, way: str, seed: int) -> tuple[Draws, str]:
    """Quantities of a law drawn in one way, and the reason against the draws."""
    structure = build_structure(law, runs)
    sampled = sample_carefully(SAMPLERS[way], structure, runs, Settings(Sampling(), seed))
    free = Draws(structure, sampled.posterior, runs)
    return Draws(structure, quantities(free), runs), sampled.reason


def z_scores(first: xr.Dataset, second: xr.Dataset) -> np.ndarray:
    """Differences of means and quantiles over the Monte Carlo errors of the differences."""
    names = [name for name in first if first[name].attrs["role"] in ROLES]
    columns = []
    for options in ({"method": "mean"}, *({"method": "quantile", "prob": p} for p in PROBS)):
        values, errors = [], []
        for draws in (first[names], second[names]):
            errors.append(arviz_stats.mcse(draws, **options))
            if options["method"] == "mean":
                values.append(draws.mean(("chain", "draw")))
            else:
                values.append(draws.quantile(options["prob"], ("chain", "draw")))
        for name in names:
            error = np.hypot(errors[0][name], errors[1][name])
            columns.append(np.ravel((values[0][name] - values[1][name]) / error))
    return np.concatenate(columns)


def simulated(law: Law, drawn: Draws) -> pd.DataFrame:
    """A few runs at rows of the table, simulated from one draw of the posterior."""
    rows = np.linspace(0, len(drawn.runs) - 1, SIMULATED).round().astype(int)
    design = drawn.runs.iloc[np.unique(rows)].reset_index(drop=True)
    # A few runs have clusters of their own, or none.
    structure = build_structure(law, design, drawn.structure.likelihood, clusters=None)
    truth = Draws(structure, choose_draws(drawn, 1, SEED), design)
    rng = np.random.default_rng(SEED)
    runs = with_stage(truth, rng)
    response = as_modelled(Draws(structure, truth.posterior, runs), rng)
    return runs_for(law, runs.assign(**{law.response: response}))


def agreement() -> None:
    """Print, for each law and table, how far the two ways are apart."""
    print(
        "| law | runs | free numbers | compared | mean z^2 | largest z | R-hat of NUTS | enough |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    every = []
    for law in LAWS.values():
        name, runs = next((own for own in tables_of(law) if len(own[1]) <= LARGEST), ("", None))
        if runs is None:
            continue
        for label in (name, f"{SIMULATED} simulated"):
            try:
                ours, reason = draw(law, runs, "importance", SEED)
                theirs, _ = draw(law, runs, "nuts", SEED)
                z = z_scores(ours.posterior, theirs.posterior)
                z = z[np.isfinite(z)]
                numbers = sum(block.size for block in blocks_of(ours.structure))
                cells = (law.name, label, numbers, z.size, f"{np.mean(z**2):.2f}")
                r_hat = float(arviz_stats.rhat(theirs.posterior).to_array().max())
                cells = (*cells, f"{abs(z).max():.1f}", f"{r_hat:.3f}", reason or "yes")
                print("|", " | ".join(map(str, cells)), "|", flush=True)
                every += [z] if not reason and r_hat < MIXED else []
                if label == name:
                    runs = simulated(law, theirs)
            except (bs.BayescaleError, ValueError, KeyError) as error:
                print(f"{law.name} on {label}: {error}", file=sys.stderr, flush=True)
                break
    z = np.concatenate(every)
    print(
        f"Where importance is enough and NUTS mixed: {z.size} z, mean square {np.mean(z**2):.2f}, "
        f"beyond 2 {np.mean(abs(z) > 2):.3f} (0.046 expected), largest {abs(z).max():.1f}"
    )


def enough() -> None:
    """Print how often importance sampling is enough, by law and by the number of coordinates."""
    counts: dict[tuple[str, str], list[bool]] = defaultdict(list)
    reasons: dict[str, int] = defaultdict(int)
    for law in LAWS.values():
        for name, runs in tables_of(law):
            if len(runs) > LARGEST:
                continue
            try:
                structure = build_structure(law, runs)
            except bs.BayescaleError:
                continue
            numbers = sum(block.size for block in blocks_of(structure))
            settings = Settings(Sampling(), SEED)
            reason = "more than 30 free numbers"
            if numbers <= 30:
                reason = SAMPLERS["importance"](structure, runs, settings).reason
            size = next(label for most, label in SIZES.items() if numbers <= most)
            counts["law", law.name].append(not reason)
            counts["free numbers", size].append(not reason)
            kind = " ".join(reason.split()[:2])
            reasons[kind] += bool(reason)
            print(
                law.name, name, len(runs), numbers, reason or "enough", file=sys.stderr, flush=True
            )
    print("| by | which | fits | enough |")
    print("| --- | --- | --- | --- |")
    for (by, which), results in sorted(counts.items()):
        print(f"| {by} | {which} | {len(results)} | {np.mean(results):.0%} |")
    print(dict(reasons))


def flat() -> None:
    """Print whether ranks of truths are uniform by one way of drawing."""
    way = sys.argv[2]
    sampling = Sampling(draws=250, tune=500, chains=2, sampler=way)
    print(f"| law by {way} | quantities | outside the band | 90% off limits | remarks |")
    print("| --- | --- | --- | --- | --- |")
    for law, name in SHAPES.items():
        runs = runs_for(LAWS[law], bs.datasets.load(name))
        rows = np.unique(np.linspace(0, len(runs) - 1, 80).round().astype(int))
        design = runs.iloc[rows].reset_index(drop=True)
        calibration = bs.calibrate(
            LAWS[law], design, simulations=SIMULATIONS, sampling=sampling, random_seed=SEED
        )
        uniform = calibration.uniformity()
        covered = calibration.coverage(masses=(0.9,))
        cells = (law, len(uniform), (~uniform["inside"]).sum(), (~covered["within"]).sum())
        print("|", " | ".join(map(str, (*cells, len(calibration.remarks)))), "|", flush=True)


def main() -> None:
    """Run the comparison that is asked for."""
    {"agreement": agreement, "enough": enough, "flat": flat}[sys.argv[1]]()


if __name__ == "__main__":
    main()
