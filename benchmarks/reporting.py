"""How long the report of a finished fit takes, and where the time goes.

uv run python -m benchmarks.reporting [--dataset chinchilla --law chinchilla] [--repeats 5]
"""

import argparse
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np

import bayescale as bs
from bayescale.documents.drawing import draw_picture, drawing, svg
from benchmarks.measuring import machine, print_rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--dataset", default="chinchilla")
    parser.add_argument("--law", default="chinchilla")
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    runs, law = bs.datasets.load(given.dataset), bs.models.LAWS[given.law]
    fitted = bs.fit(law, runs, random_seed=0)
    print(f"{machine()}; {given.dataset}, {given.law}, {given.repeats} repeats after the first")
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            measured(fitted, given.dataset, Path(folder, "report.html"))
            for _ in range(given.repeats + 1)
        ]
    print_rows(("seconds", "first", "median", "longest"), _columns(rows))


def measured(fitted: bs.Fit, table: str, target: Path) -> dict[str, float]:
    """Seconds to find what a report says, to write it, and of each picture."""
    # As a fit that was just loaded: nothing about it is known yet.
    fresh = bs.Fit(fitted.structure, fitted.tree)
    start = perf_counter()
    report = bs.report(fresh, table=table)
    reported = perf_counter()
    report.save(target)
    whole = perf_counter()
    seconds = {
        "whole": whole - start,
        "what it says": reported - start,
        "writing": whole - reported,
    }
    for picture in report.document.pictures():
        start = perf_counter()
        with drawing():
            svg(draw_picture(picture))
        seconds[f"of which {picture.name}"] = perf_counter() - start
    return seconds


def _columns(rows: list[dict[str, float]]) -> dict[str, tuple[float, ...]]:
    return {
        name: (
            rows[0][name],
            float(np.median([row[name] for row in rows[1:]])),
            max(row[name] for row in rows[1:]),
        )
        for name in rows[0]
    }


if __name__ == "__main__":
    main()
