"""Whether posteriors are calibrated: truths drawn, runs simulated, fitted, and truths ranked.

uv run python -m studies.calibration.sbc [--law NAME ...] [--design table 30] [--wrong] [--widened]

A law of other columns than the Chinchilla runs have stands at the first table whose card names it,
or at ``--table NAME --where COLUMN=VALUE --column OURS=THEIRS``.
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter
from zlib import crc32

import pandas as pd

import bayescale as bs
from bayescale.cli.options import read_columns
from bayescale.runs.read import runs_for
from bayescale.validation.simulators import SIMULATORS
from benchmarks.measuring import benchmark_runs, machine, print_rows

MASS = 0.9
SMALL = 30
FITTED: dict[str, dict[str, object]] = {
    "default": {},
    "student_t": {"likelihood": bs.likelihoods.STUDENT_T, "clusters": None},
}
AS_MODELLED = "as_modelled"


def main() -> None:
    """Calibrate every law asked for at every design, and print what holds and what does not."""
    given = _arguments()
    print(machine(), f"; truths from the {given.truth}, seed {given.seed}")
    for law in map(bs.models.law_named, given.law):
        name, runs = _runs(law, given)
        for size in given.design:
            design = _design(law, runs, size)
            # Parameters that laws have in common would otherwise have the same truths in all.
            seed = crc32(f"{law.name} {size} {given.seed}".encode())
            print(f"\n## {law.name}, {len(design)} runs of {name}, seed {seed}")
            if given.wrong:
                _print_wrong(law, design, given, seed)
            else:
                calibration = _calibrated(law, design, given, seed, given.fitted, AS_MODELLED)
                _print_all("all", calibration)
                if len(calibration.remarks):
                    _print_all("without those remarked on", calibration.trusted())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--law", nargs="+", default=list(bs.models.LAWS))
    parser.add_argument("--table", help="whose runs give the places")
    parser.add_argument("--column", nargs="*", default=[], help="OURS=THEIRS, names of columns")
    parser.add_argument(
        "--where", nargs="*", default=[], help="COLUMN=VALUE of the rows to keep, by a label"
    )
    parser.add_argument("--design", nargs="+", default=["table", str(SMALL)])
    parser.add_argument("--simulations", type=int, default=300)
    parser.add_argument("--fitted", choices=FITTED, default="default")
    parser.add_argument("--truth", choices=("prior", "posterior"), default="prior")
    parser.add_argument("--wrong", action="store_true", help="simulate what the model is not")
    parser.add_argument("--simulators", nargs="+", choices=SIMULATORS, default=list(SIMULATORS))
    parser.add_argument("--widened", action="store_true", help="rank among a fit's widened draws")
    parser.add_argument("--jobs", type=int, default=-1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="rows; what it holds is not done again")
    return parser.parse_args()


def _runs(law: bs.Law, given: argparse.Namespace) -> tuple[str, pd.DataFrame]:
    """Table to take places from, and its runs as the law wants them."""
    simple = law.response in ("loss", "y") and set(law.inputs) <= {"params", "tokens", "flops", "x"}
    if simple and not given.table:
        name, runs = benchmark_runs()
        flops = 6.0 * runs["params"] * runs["tokens"]
        runs = runs.assign(flops=runs.get("flops", flops), x=flops)
        return name, runs.assign(**{law.response: runs["loss"]})
    named = (name for name in bs.datasets.catalogue()["name"] if law.name in _laws(name))
    table = given.table or next(named)
    where = dict(pair.split("=", 1) for pair in given.where)
    return table, runs_for(
        law, bs.datasets.load(table, **where), columns=read_columns(given.column)
    )


def _laws(table: str) -> tuple[str, ...]:
    return bs.datasets.card(table).laws


def _design(law: bs.Law, runs: pd.DataFrame, size: str) -> pd.DataFrame:
    """Places of the table, or as many of them as are asked for, evenly from small to large.

    A law of one input stands at the values that the table has of it; of an `x`, at its flops.
    """
    order = "flops" if "flops" in runs else law.inputs[0]
    table = runs.sort_values(order, kind="stable", ignore_index=True)
    if size == "table":
        return table
    kept = [round(k * (len(table) - 1) / (int(size) - 1)) for k in range(int(size))]
    return table.iloc[kept].reset_index(drop=True)


def _calibrated(
    law: bs.Law,
    design: pd.DataFrame,
    given: argparse.Namespace,
    seed: int,
    fitted: str,
    simulator: str,
) -> bs.Calibration:
    """Calibrate, and say how long it took and what went wrong."""
    options = FITTED[fitted]
    fit: Callable[..., bs.Fit] = partial(bs.fit, law, design, random_seed=seed)
    truth = fit(**options) if given.truth == "posterior" else None
    done = _rows_in(given.out)
    begun = perf_counter()
    calibration = bs.calibrate(
        law,
        design,
        truth=truth,
        simulator=SIMULATORS[simulator],
        simulations=given.simulations,
        parallel=bs.Parallel(path=given.out, jobs=given.jobs),
        random_seed=seed,
        widened=given.widened,
        **options,
    )
    seconds = perf_counter() - begun
    new = _rows_in(given.out) - done if given.out else given.simulations
    print(f"\n{simulator}, fitted with {fitted}: {new} new fits in {seconds:.0f} s")
    print(f"{calibration.places.sizes['draw']} of {given.simulations} fitted; remarks:")
    print(calibration.remarks["remark"].str.slice(0, 60).value_counts().to_dict())
    return calibration


def _rows_in(path: Path | None) -> int:
    return len(path.read_bytes().splitlines()) if path and path.exists() else 0


def _print_all(which: str, calibration: bs.Calibration) -> None:
    uniform = calibration.uniformity()
    covered = calibration.coverage(masses=(MASS,)).droplevel("mass")
    print(f"\n{which}, {calibration.places.sizes['draw']} simulations:")
    rows = {
        str(name): (line.excess, not line.inside, covered.covered[name], not covered.within[name])
        for name, line in uniform.iterrows()
    }
    print_rows(("quantity", "excess", "outside band", f"in {MASS:.0%}", "outside limits"), rows)
    print(f"\nBinomial standard error {covered['se'].iloc[0]:.3f}.", end=" ")
    failed = [name for name, (_, band, _, limits) in rows.items() if band or limits]
    print("Failed: " + (", ".join(failed) or "none") + ".")


def _print_wrong(law: bs.Law, design: pd.DataFrame, given: argparse.Namespace, seed: int) -> None:
    """Coverage of every quantity but the noise under every simulator, for both ways of fitting."""
    rows = {}
    names = [*law.coefficient_names, *law.derived, "N_opt", "L_opt"]
    for simulator in given.simulators:
        for fitted in FITTED:
            calibration = _calibrated(law, design, given, seed, fitted, simulator)
            covered = calibration.coverage(masses=(MASS,)).droplevel("mass")["covered"]
            rows[f"{simulator}, {fitted}"] = covered.reindex(names).to_list()
    print(f"\nShare of truths in the central {MASS:.0%}:")
    print_rows(("simulated, fitted", *names), rows)


if __name__ == "__main__":
    main()
