"""Accuracies of OLMo 2 7B and 13B on each task, predicted from a ladder of small runs.

uv run python -m studies.held_out.ladder [--draws 1000] [--chains 4]
"""

import argparse
from collections.abc import Iterable, Iterator, Mapping
from time import perf_counter

import numpy as np
import pandas as pd

import bayescale as bs
from bayescale.models.evaluation.accuracy import chance_prior
from benchmarks.measuring import machine

MASS = 0.9
LAWS = {"task loss": "accuracy_from_loss", "compute": "sigmoid_accuracy"}
PUBLISHED = {"task loss": "bits_per_byte", "compute": "flops, through bits_per_byte"}
MMLU = {"stem": 0.215, "humanities": 0.335, "social_sciences": 0.219, "other": 0.231}
EIGHT = (
    *("hellaswag_val", "arc_challenge_test", "arc_easy_test", "piqa_val"),
    *("csqa_val", "socialiqa_val", "openbookqa_test"),
)
LAST = 5
"""Checkpoints of 13B that are averaged, as the paper does; of 7B there is one annealed."""


def main() -> None:
    """Fit every task at two ladders and from two inputs, and print errors and coverage."""
    given = _arguments()
    begun = perf_counter()
    tasks, targets = bs.datasets.load("olmo_ladder_tasks"), _targets()
    small = ~tasks["run"].str.contains("0.5xC|rerun") & (tasks["model"] != "3B")
    ladders = {"16 runs to 1.3B, as the paper": tasks[small], "30 runs to 3B": tasks}
    rows = [
        {"ladder": ladder, "from": source, **row}
        for ladder, runs in ladders.items()
        for source, law in LAWS.items()
        for row in _predicted(law, runs, targets, draws=given.draws, chains=given.chains)
    ]
    print(machine(), f"; {given.chains} chains of {given.draws}, {perf_counter() - begun:.0f} s")
    table = pd.DataFrame(rows)
    _print_coverage(table)
    _print_errors(table)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--chains", type=int, default=4)
    return parser.parse_args()


def _targets() -> pd.DataFrame:
    """What is to be predicted: 7B annealed, and the mean of the last checkpoints of 13B."""
    table = bs.datasets.load("olmo_ladder_target_tasks", run=["7B-anneal", "13B"])
    last = table.sort_values("step").groupby(["run", "task"]).tail(LAST)
    numbers = ["flops", "bits_per_byte", "accuracy", "items"]
    return last.groupby(["model", "task"])[numbers].mean().reset_index()


def _predicted(
    law: str, runs: pd.DataFrame, targets: pd.DataFrame, **settings: int
) -> Iterator[dict[str, object]]:
    """Predictions of each target and task, and of MMLU as an average of its parts."""
    predicted: dict[tuple[str, str], tuple[np.ndarray, np.ndarray, float, str]] = {}
    for task, known in runs.groupby("task"):
        there = targets[targets["task"] == task]
        chance = float(known["chance"].iloc[0])
        fitted = bs.fit(
            bs.models.law_named(law),
            known,
            priors={"p_0": chance_prior(chance)},
            random_seed=1,
            **settings,
        )
        with_drift, without = (
            fitted.predict(there, drift=drift)["new_run"]
            .stack(sample=("chain", "draw"))
            .transpose("point", "sample")
            .to_numpy()
            for drift in (True, False)
        )
        doubt = "" if fitted.verdict.trusted else "not trusted"
        for k, row in enumerate(there.to_dict("records")):
            predicted[row["model"], str(task)] = with_drift[k], without[k], row["accuracy"], doubt
    models = sorted({model for model, _ in predicted})
    for model in models:
        parts = [(predicted[model, f"mmlu_{part}_test"], weight) for part, weight in MMLU.items()]
        drawn = [np.sum([weight * part[k] for part, weight in parts], axis=0) for k in (0, 1)]
        actual = float(sum(weight * part[2] for part, weight in parts))
        predicted[model, "mmlu_avg_test"] = drawn[0], drawn[1], actual, ""
    for (model, task), (drift, alone, actual, doubt) in predicted.items():
        yield {"model": model, "task": task, "actual": actual, "doubt": doubt} | {
            f"{name}{kind}": value
            for kind, draws in (("", drift), ("_alone", alone))
            for name, value in zip(
                ("low", "median", "high"),
                np.quantile(draws, [(1 - MASS) / 2, 0.5, (1 + MASS) / 2]),
                strict=True,
            )
        }


def _print_coverage(table: pd.DataFrame) -> None:
    single = table[table["task"] != "mmlu_avg_test"]
    rows = {}
    for (ladder, source, model), part in single.groupby(["ladder", "from", "model"]):
        error = part["median"] / part["actual"] - 1
        rows[f"{ladder}, {source}, {model}"] = (
            f"{_inside(part, ''):.0%}",
            f"{(part['high'] - part['low']).mean():.3f}",
            f"{_inside(part, '_alone'):.0%}",
            f"{(part['high_alone'] - part['low_alone']).mean():.3f}",
            f"{error.abs().mean():.1%}",
            f"{error.mean():+.1%}",
            int((part["doubt"] != "").sum()),
        )
    count = single.groupby(["ladder", "from", "model"]).size().iloc[0]
    print(f"\n{count} tasks, intervals of {MASS:.0%}:")
    names = ("inside", "width", "inside, no drift", "width, no drift")
    _print_table(
        ("fitted, from, target", *names, "mean size of error", "mean error", "not trusted"), rows
    )


def _print_table(header: Iterable[str], rows: Mapping[str, Iterable[object]]) -> None:
    """Print a Markdown table; every row has its name first."""
    names = list(header)
    lines = [names, ["---"] * len(names), *([name, *cells] for name, cells in rows.items())]
    print("\n".join(f"| {' | '.join(map(str, cells))} |" for cells in lines))


def _inside(part: pd.DataFrame, kind: str) -> float:
    return float(part["actual"].between(part[f"low{kind}"], part[f"high{kind}"]).mean())


def _print_errors(table: pd.DataFrame) -> None:
    """The paper's eight tasks at 13B, with what it says of them."""
    published = bs.datasets.load("olmo_ladder_step_2")
    for ladder in table["ladder"].unique():
        rows = {}
        for task in ("mmlu_avg_test", *EIGHT):
            chosen = table[(table["ladder"] == ladder) & (table["model"] == "13B")]
            cells: list[str] = []
            for source, inputs in PUBLISHED.items():
                row = chosen[(chosen["task"] == task) & (chosen["from"] == source)].iloc[0]
                theirs = published[
                    (published["inputs"] == inputs) & (published["task"] == f"{task}_5shot")
                ]["relative_error"].iloc[0]
                cells += [
                    f"{row['median']:.3f} ({row['low']:.3f} to {row['high']:.3f})",
                    f"{row['median'] / row['actual'] - 1:+.1%}",
                    f"{theirs:+.1%}",
                ]
            rows[task] = (f"{row['actual']:.3f}", *cells)
        means = [
            f"{np.mean([abs(float(r[k].rstrip('%'))) for r in rows.values()]):.1f}%"
            for k in (2, 3, 5, 6)
        ]
        rows["mean of sizes"] = ("", "", means[0], means[1], "", means[2], means[3])
        print(f"\n13B from {ladder}:")
        sides = [(f"from {s}", "error", "paper") for s in PUBLISHED]
        _print_table(("task", "actual", *sides[0], *sides[1]), rows)


if __name__ == "__main__":
    main()
