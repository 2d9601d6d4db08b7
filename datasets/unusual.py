"""Readers of files that no recipe can describe: functions from a path to a DataFrame.

They only bring what is in the file into rows and columns; names, units and selections stay with
the recipe. Nothing here unpickles or evaluates.
"""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd


def transposed(path: Path) -> pd.DataFrame:
    """A CSV whose rows are what we have as columns; the old header becomes column `label`."""
    return pd.read_csv(path, index_col=0).T.rename_axis("label").reset_index()


def pairs(path: Path) -> pd.DataFrame:
    """A JSON object of numbers: its keys as column `label`, the numbers as column `value`."""
    entries = json.loads(path.read_text(encoding="utf-8"))
    return pd.DataFrame({"label": list(entries), "value": list(entries.values())})


def columns(path: Path) -> pd.DataFrame:
    """A JSON object of columns: each a list, or an object from row labels to cells."""
    return pd.DataFrame(json.loads(path.read_text(encoding="utf-8")))


def leaves(path: Path) -> pd.DataFrame:
    """Nested JSON objects: the keys down to a leaf as `key_1`, `key_2`, ..., the leaf as `leaf`."""
    rows = list(_walk(json.loads(path.read_text(encoding="utf-8"))))
    keys = [f"key_{level}" for level in range(1, len(rows[0]))]
    return pd.DataFrame(rows, columns=[*keys, "leaf"])


def _walk(entry: Any, *keys: str) -> Iterator[tuple[Any, ...]]:
    if not isinstance(entry, dict):
        yield (*keys, entry)
        return
    for key, inner in entry.items():
        yield from _walk(inner, *keys, key)


def domain_mixtures(path: Path) -> pd.DataFrame:
    """A JSON of runs by `size` and `part`: a row for every loss of a run, at its `place`."""
    return pd.DataFrame(
        {"size": size, "part": part, "ratio": run["ratio"], "place": place, "loss": loss}
        for size, parts in json.loads(path.read_text(encoding="utf-8")).items()
        for part, runs in parts.items()
        for run in runs
        for place, loss in enumerate(run["loss"])
    )


def from_zero(path: Path) -> pd.DataFrame:
    """A CSV as it is; JSON lines whose `index` counts from one, counted from zero."""
    if path.suffix != ".jsonl":
        return pd.read_csv(path)
    lines = pd.read_json(path, lines=True)
    return lines.assign(index=lines["index"] - 1)


TASK_METRIC = re.compile(
    r"eval/downstream\w*/(?P<task>\w+?)_(?:rc_5shot_)?"
    r"(?P<metric>(?:mc_5shot_)?(?:acc|len_norm)|bpb|soft_log|soft|ctx_ce_loss|ce_loss)"
)
"""A column of a benchmark's results, such as `eval/downstream/piqa_val_rc_5shot_len_norm`."""


def tasks(path: Path) -> pd.DataFrame:
    """A CSV with a column for every task and metric: a row per task, a column per metric.

    The task goes into column `task`. An accuracy is called `acc`, whether it allows for the length
    of the answers (`len_norm`) or not: no task has both.
    """
    table = pd.read_csv(path)
    found = {str(column): TASK_METRIC.fullmatch(str(column)) for column in table}
    kept = [column for column, match in found.items() if match is None]
    parts: dict[str, dict[str, str]] = {}
    for column, match in found.items():
        if match is not None:
            metric = match["metric"].replace("len_norm", "acc")
            parts.setdefault(match["task"], {})[column] = metric
    rows = [
        table[[*kept, *part]].rename(columns=part).assign(task=task) for task, part in parts.items()
    ]
    return pd.concat(rows, ignore_index=True)


OWN_LOSS = {
    "fineweb-100b": "fineweb_100b",
    "fineweb-edu-100b": "fineweb_edu_100b",
    "proof-pile-2": "proof_pile_2",
    "slimpajama-chunk1": "slimpajama",
    "smollm-corpus": "smollm",
    "starcoder": "starcoder",
}
"""What the validation set of each training set is called."""


def paired_losses(path: Path) -> pd.DataFrame:
    """A CSV of runs on several training sets: a row for any two of one size, tokens and budget.

    `loss_source` and `loss` are the losses of the two on the validation sets of their own training
    sets, which `source` and `corpus` name.
    """
    table = pd.read_csv(path, low_memory=False)
    own = [f"eval/{validation}_val/CrossEntropyLoss" for validation in table["data"].map(OWN_LOSS)]
    losses = pd.Series([table[column].iloc[row] for row, column in enumerate(own)])
    keys = ["params", "tokens", "iso_flop"]
    runs = table[[*keys, "data"]].assign(loss=losses)
    both = runs.merge(runs, on=keys, suffixes=("_source", ""))
    apart = both[both["data_source"] != both["data"]]
    return apart.rename(columns={"data_source": "source", "data": "corpus"})


UNUSUAL: dict[str, Callable[[Path], pd.DataFrame]] = {
    "transposed": transposed,
    "pairs": pairs,
    "columns": columns,
    "leaves": leaves,
    "domain_mixtures": domain_mixtures,
    "from_zero": from_zero,
    "tasks": tasks,
    "paired_losses": paired_losses,
}
"""Readers by the name they go by on a card."""
