"""Readers of files that no recipe can describe: functions from a path to a DataFrame.

They only bring what is in the file into rows and columns; names, units and selections belong to the
recipe. Nothing here unpickles or evaluates.
"""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd


def transposed(path: Path) -> pd.DataFrame:
    """Return a CSV with rows and columns exchanged; the old header becomes column `label`."""
    return pd.read_csv(path, index_col=0).T.rename_axis("label").reset_index()


def pairs(path: Path) -> pd.DataFrame:
    """Return a JSON object of numbers: keys as column `label`, numbers as column `value`."""
    entries = json.loads(path.read_text(encoding="utf-8"))
    return pd.DataFrame({"label": list(entries), "value": list(entries.values())})


def columns(path: Path) -> pd.DataFrame:
    """Return a JSON object of columns, which are lists or objects from row labels to cells."""
    return pd.DataFrame(json.loads(path.read_text(encoding="utf-8")))


def leaves(path: Path) -> pd.DataFrame:
    """Return the leaves of nested JSON objects: keys as `key_1`, `key_2`, ..., leaf as `leaf`."""
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
    """Return a row for every loss of a run, at its `place`; the JSON has runs by `size` and `part`.

    The ratio of a run's domains is repeated in every row.
    """
    return pd.DataFrame(
        {"size": size, "part": part, "ratio": run["ratio"], "place": place, "loss": loss}
        for size, parts in json.loads(path.read_text(encoding="utf-8")).items()
        for part, runs in parts.items()
        for run in runs
        for place, loss in enumerate(run["loss"])
    )


def from_zero(path: Path) -> pd.DataFrame:
    """Return a CSV as it is, and JSON lines with `index` counted from zero instead of one."""
    if path.suffix != ".jsonl":
        return pd.read_csv(path)
    lines = pd.read_json(path, lines=True)
    return lines.assign(index=lines["index"] - 1)


def tasks(path: Path) -> pd.DataFrame:
    """Return a row per task of a CSV that has a column for every task and metric.

    The task goes into column `task`, each metric into a column. An accuracy is called `acc`,
    whether it allows for the length of the answers (`len_norm`) or not: no task has both.
    """
    # A column of a benchmark's results, such as eval/downstream/piqa_val_rc_5shot_len_norm.
    task_metric = re.compile(
        r"eval/downstream\w*/(?P<task>\w+?)_(?:rc_5shot_)?"
        r"(?P<metric>(?:mc_5shot_)?(?:acc|len_norm)|bpb|soft_log|soft|ctx_ce_loss|ce_loss)"
    )
    table = pd.read_csv(path)
    matches = {str(column): task_metric.fullmatch(str(column)) for column in table}
    kept = [column for column, match in matches.items() if match is None]
    parts: dict[str, dict[str, str]] = {}
    for column, match in matches.items():
        if match is not None:
            metric = match["metric"].replace("len_norm", "acc")
            parts.setdefault(match["task"], {})[column] = metric
    rows = [
        table[[*kept, *part]].rename(columns=part).assign(task=task) for task, part in parts.items()
    ]
    return pd.concat(rows, ignore_index=True)


def paired_losses(path: Path) -> pd.DataFrame:
    """Return a row for any two runs of one size, tokens and budget on different training sets.

    `loss_source` and `loss` are the losses of the two on the validation sets of their own training
    sets, which `source` and `corpus` name.
    """
    own_validation = {
        "fineweb-100b": "fineweb_100b",
        "fineweb-edu-100b": "fineweb_edu_100b",
        "proof-pile-2": "proof_pile_2",
        "slimpajama-chunk1": "slimpajama",
        "smollm-corpus": "smollm",
        "starcoder": "starcoder",
    }
    table = pd.read_csv(path, low_memory=False)
    own = [f"eval/{name}_val/CrossEntropyLoss" for name in table["data"].map(own_validation)]
    losses = pd.Series([table[column].iloc[row] for row, column in enumerate(own)])
    keys = ["params", "tokens", "iso_flop"]
    runs = table[[*keys, "data"]].assign(loss=losses)
    both = runs.merge(runs, on=keys, suffixes=("_source", ""))
    different = both[both["data_source"] != both["data"]]
    return different.rename(columns={"data_source": "source", "data": "corpus"})


SPECIAL_READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    "transposed": transposed,
    "pairs": pairs,
    "columns": columns,
    "leaves": leaves,
    "domain_mixtures": domain_mixtures,
    "from_zero": from_zero,
    "tasks": tasks,
    "paired_losses": paired_losses,
}
"""Readers by their name on a card."""
