"""Each step of a recipe follows its record, and refuses columns that are missing."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bayescale.datasets.card_record import File
from bayescale.datasets.operations import ARGUMENT_COUNTS, OPERATIONS
from bayescale.datasets.recipe import Join, Recipe
from bayescale.datasets.recipes import standard_table
from bayescale.datasets.special_readers import SPECIAL_READERS
from bayescale.errors import DataError
from tests.datasets.toys import FILE, toy


def table(folder: Path, text: str, columns: str, name: str = "runs.csv", **steps: Any) -> Any:
    """Table that a recipe makes of one small file, as lists by column."""
    file = folder / name
    file.write_text(text)
    names = columns.split()
    labels = tuple(column for column in names if column in {"family", "task", "run"})
    card = toy(
        columns=dict.fromkeys(names, "."),
        response=names[-1],
        groups=labels,
        recipe=Recipe(**steps),
    )
    return standard_table({"runs": file}, card).to_dict("list")


def test_the_steps_together(tmp_path: Path) -> None:
    standard = table(
        tmp_path,
        "N,params,D,loss,family,seed\n1,-1,2,3.5,a,42\n2,-1,3,3.25,b,42\n9,-1,9,9.0,b,7\n",
        "params tokens flops family loss",
        filter={"seed": [42]},
        rename={"params": "N", "tokens": "D"},  # the file's own `params` is something else
        scale={"params": 1e6, "tokens": 1e9},
        compute={"flops": ["cost"]},
    )
    assert standard == {
        "params": [1e6, 2e6],
        "tokens": [2e9, 3e9],
        "flops": [1.2e16, 3.6e16],
        "family": ["a", "b"],
        "loss": [3.5, 3.25],
    }


def test_columns_can_trade_names(tmp_path: Path) -> None:
    swapped = table(
        tmp_path,
        "unique,tokens,loss\n8,4,3\n",
        "unique tokens loss",
        rename={"unique": "tokens", "tokens": "unique"},
    )
    assert swapped == {"unique": [4.0], "tokens": [8.0], "loss": [3.0]}


def test_whole_numbers_become_floats_before_they_overflow(tmp_path: Path) -> None:
    text = "params,tokens,loss\n6889410560,2203000000000,2.5\n"
    standard = table(tmp_path, text, "params tokens flops loss", compute={"flops": ["cost"]})
    assert standard["flops"] == [6.0 * 6889410560.0 * 2203000000000.0]


@pytest.mark.parametrize("column", ["params", "tokens", "flops"])
def test_the_cost_gives_the_third_of_three(tmp_path: Path, column: str) -> None:
    known = {"params": "2", "tokens": "5", "flops": "60", "loss": "3"}
    known.pop(column)
    text = f"{','.join(known)}\n{','.join(known.values())}\n"
    standard = table(tmp_path, text, "params tokens flops loss", compute={column: ["cost"]})
    assert standard == {"params": [2.0], "tokens": [5.0], "flops": [60.0], "loss": [3.0]}


def test_repeated_rows_are_dropped(tmp_path: Path) -> None:
    assert table(tmp_path, "x,loss\n1,2\n1,2\n1,3\n", "x loss", distinct=True) == {
        "x": [1.0, 1.0],
        "loss": [2.0, 3.0],
    }


def test_rows_are_joined_with_the_nearest_number(tmp_path: Path) -> None:
    (tmp_path / "runs.csv").write_text("params,loss\n9.9e6,3\n2.1e6,2\n1.8e6,1\n")
    (tmp_path / "sizes.csv").write_text("millions,depth\n2,12\n10,24\n")
    join = Join(file="sizes", on={"params": "millions"}, nearest=1e6)
    described = toy(
        files=(File(**FILE), File(**FILE | {"name": "sizes", "path": "toy/sizes.csv"})),
        columns=dict.fromkeys(["params", "depth", "loss"], "."),
        recipe=Recipe(join=(join,)),
    )
    paths = {name: tmp_path / f"{name}.csv" for name in ("runs", "sizes")}
    standard = standard_table(paths, described).to_dict("list")
    assert standard == {
        "params": [9.9e6, 2.1e6, 1.8e6],
        "depth": [24.0, 12.0, 12.0],
        "loss": [3.0, 2.0, 1.0],
    }
    with pytest.raises(DataError, match="takes the nearest of 2 columns; expected one"):
        Join(file="sizes", on={"params": "millions", "loss": "depth"}, nearest=1e6)


def test_columns_become_rows(tmp_path: Path) -> None:
    standard = table(
        tmp_path,
        "x,c4_loss,pile_loss\n1,2,3\n4,5,6\n",
        "x task loss",
        melt={"columns": "(.*)_loss", "names": "task", "values": "loss"},
    )
    assert standard == {
        "x": [1.0, 4.0, 1.0, 4.0],
        "task": ["c4", "c4", "pile", "pile"],
        "loss": [2.0, 5.0, 3.0, 6.0],
    }


def test_a_label_is_looked_up_and_unknown_ones_can_be_dropped(tmp_path: Path) -> None:
    standard = table(
        tmp_path,
        "size,loss\nsmall,3\nhuge,2\n",
        "params loss",
        lookup={"params": {"by": "size", "values": {"small": 125e6}}},
        present=("params",),
    )
    assert standard == {"params": [1.25e8], "loss": [3.0]}


def test_a_range_is_kept(tmp_path: Path) -> None:
    text = "x,loss\n1,3\n2,4\n3,5\n"
    standard = table(tmp_path, text, "x loss", between={"x": [2.0, 3.0]})
    assert standard["x"] == [2.0, 3.0]


def test_the_last_row_of_every_run_is_kept(tmp_path: Path) -> None:
    standard = table(
        tmp_path,
        "run,step,loss\nb,2,5\na,1,9\na,3,7\nb,1,8\n",
        "run step loss",
        last={"by": ["run"], "order": "step"},
    )
    assert standard == {"run": ["b", "a"], "step": [2.0, 3.0], "loss": [5.0, 7.0]}


def test_files_are_stacked_with_their_constants(tmp_path: Path) -> None:
    paths = {}
    for name, loss in (("a", 3), ("b", 4)):
        paths[name] = tmp_path / f"{name}.csv"
        paths[name].write_text(f"step,loss\n1,{loss}\n")
    files = tuple(
        File(**FILE | {"name": name, "constants": {"family": name, "params": params}})
        for name, params in (("a", 1e6), ("b", 2e6))
    )
    card = toy(
        files=files,
        columns={"family": ".", "params": ".", "step": ".", "loss": "."},
        groups=("family",),
    )
    assert standard_table(paths, card).to_dict("list") == {
        "family": ["a", "b"],
        "params": [1e6, 2e6],
        "step": [1.0, 1.0],
        "loss": [3.0, 4.0],
    }


def test_another_file_adds_columns(tmp_path: Path) -> None:
    runs, sizes = tmp_path / "runs.csv", tmp_path / "sizes.csv"
    runs.write_text("arch,loss\nS,3\nL,2\n")
    sizes.write_text("model,params\nL,20\nS,10\n")
    card = toy(
        files=(File(**FILE), File(**FILE | {"name": "sizes"})),
        columns={"params": ".", "loss": "."},
        recipe=Recipe(join=(Join(file="sizes", on={"arch": "model"}),)),
    )
    standard = standard_table({"runs": runs, "sizes": sizes}, card)
    assert standard.to_dict("list") == {"params": [10.0, 20.0], "loss": [3.0, 2.0]}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("runs.jsonl", '{"x": 1, "loss": 3}\n{"x": 2, "loss": 4}\n'),
        ("runs.json", '[{"x": 1, "loss": 3}, {"x": 2, "loss": 4}]'),
        ("runs.csv", "x,loss\n1,3\n2,4\n"),
    ],
)
def test_kinds_of_files(tmp_path: Path, name: str, text: str) -> None:
    assert table(tmp_path, text, "x loss", name) == {"x": [1.0, 2.0], "loss": [3.0, 4.0]}


def test_one_object_is_one_row(tmp_path: Path) -> None:
    standard = table(
        tmp_path,
        json.dumps({"exponents": [0.3, 0.4], "loss": 1}),
        "alpha loss",
        "fit.json",
        compute={"alpha": ["item", "exponents", "0"]},
    )
    assert standard == {"alpha": [0.3], "loss": [1.0]}


def test_parquet(tmp_path: Path) -> None:
    file = tmp_path / "runs.parquet"
    pd.DataFrame({"x": [1], "loss": [3.0]}).to_parquet(file)
    card = toy(columns={"x": ".", "loss": "."})
    assert standard_table({"runs": file}, card).to_dict("list") == {"x": [1.0], "loss": [3.0]}


def test_a_file_without_a_header(tmp_path: Path) -> None:
    standard = table(
        tmp_path,
        "base/1-0.25-0.75/500\t2.5\nbase/2-0.5-0.5/final\t2.75\n",
        "share step loss",
        "runs.txt",
        header=("path", "loss"),
        compute={
            "share": ["match", "path", r"/\d+-([\d.]+)-"],
            "step": ["match", "path", r"/(\d+)$"],
        },
        present=("step",),
    )
    assert standard == {"share": [0.25], "step": [500.0], "loss": [2.5]}


def column(*values: Any) -> pd.Series:
    return pd.Series(values)


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("ratio", (column(6.0), column(2.0)), [3.0]),
        ("product", (column(6.0), column(2.0)), [12.0]),
        ("sum", (column(6.0), column(2.0)), [8.0]),
        ("difference", (column(6.0), column(2.0)), [4.0]),
        ("one_minus", (column(0.25),), [0.75]),
        ("log", (column(1.0),), [0.0]),
        ("exp", (column(0.0),), [1.0]),
        ("power_of_ten", (column(9.0),), [1e9]),
        ("count", (column("2.8B", "125m", "64", "1.5T", "50K"),), [2.8e9, 1.25e8, 64, 1.5e12, 5e4]),
        ("match", (column("a12", "b"), r"a(\d+)"), ["12", None]),
        ("number", (column("3.5", "none"),), [3.5, None]),
        ("item", (column([1, 2], [3, 4]), "-1"), [2, 4]),
        ("year", (column("2024-01-01", "2023/07/02", "soon"),), [2024.0, 2023 + 182 / 365, None]),
    ],
)
def test_operations(name: str, arguments: tuple[Any, ...], expected: list[Any]) -> None:
    assert ARGUMENT_COUNTS[name] == len(arguments)
    values = OPERATIONS[name](*arguments)
    assert values.astype(object).where(values.notna(), None).tolist() == pytest.approx(expected)


@pytest.mark.parametrize("text", ["many", "2.8 billion", "1,000", "-3M", ""])
def test_what_is_no_count_is_missing(text: str) -> None:
    assert OPERATIONS["count"](column(text)).isna().all()


READ: dict[str, tuple[str, str, dict[str, list[Any]]]] = {
    "transposed": (
        "fits.csv",
        ",first,second\nalpha,1,2\nbeta,3,4\n",
        {"label": ["first", "second"], "alpha": [1, 2], "beta": [3, 4]},
    ),
    "pairs": ("losses.json", '{"a": 1.5, "b": 2.5}', {"label": ["a", "b"], "value": [1.5, 2.5]}),
    "columns": (
        "runs.json",
        '{"a": {"x": 1, "y": 2}, "b": {"x": 3, "y": 4}}',
        {"a": [1, 2], "b": [3, 4]},
    ),
    "leaves": (
        "nested.json",
        '{"a": {"x": 1, "y": [2, 3]}, "b": {"x": 4}}',
        {"key_1": ["a", "a", "b"], "key_2": ["x", "y", "x"], "leaf": [1, [2, 3], 4]},
    ),
    "domain_mixtures": (
        "runs.json",
        '{"70M": {"train": [{"ratio": [0.4, 0.6], "loss": [2, 3]}], "eval": []}}',
        {
            "size": ["70M", "70M"],
            "part": ["train", "train"],
            "ratio": [[0.4, 0.6], [0.4, 0.6]],
            "place": [0, 1],
            "loss": [2, 3],
        },
    ),
    "from_zero": ("runs.jsonl", '{"index": 1, "loss": 3}\n', {"index": [0], "loss": [3]}),
    "paired_losses": (
        "runs.csv",
        "params,tokens,iso_flop,data,eval/smollm_val/CrossEntropyLoss,"
        "eval/starcoder_val/CrossEntropyLoss\n"
        "1,2,12,smollm-corpus,2.5,1.5\n1,2,12,starcoder,3.5,1.0\n3,2,36,starcoder,3.4,0.9\n",
        {
            "params": [1, 1],
            "tokens": [2, 2],
            "iso_flop": [12, 12],
            "source": ["smollm-corpus", "starcoder"],
            "loss_source": [2.5, 1.0],
            "corpus": ["starcoder", "smollm-corpus"],
            "loss": [1.0, 2.5],
        },
    ),
    "tasks": (
        "runs.csv",
        "run,eval/downstream/piqa_val_rc_5shot_len_norm,eval/downstream_bpb/piqa_val_rc_5shot_bpb,"
        "eval/downstream/boolq_acc\na,0.7,1.1,0.6\n",
        {"run": ["a"] * 2, "acc": [0.7, 0.6], "bpb": [1.1, None], "task": ["piqa_val", "boolq"]},
    ),
}


@pytest.mark.parametrize("reader", SPECIAL_READERS)
def test_special_readers(tmp_path: Path, reader: str) -> None:
    name, text, expected = READ[reader]
    file = tmp_path / name
    file.write_text(text)
    values = SPECIAL_READERS[reader](file)
    shown = values.astype(object).where(values.notna(), None) if reader == "tasks" else values
    assert shown.to_dict("list") == expected


def test_a_csv_counts_from_zero_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "runs.csv"
    file.write_text("index,loss\n0,3\n")
    assert SPECIAL_READERS["from_zero"](file).to_dict("list") == {"index": [0], "loss": [3]}


@pytest.mark.parametrize(
    "steps",
    [
        {"rename": {"params": "N"}},
        {"scale": {"N": 2.0}},
        {"lookup": {"params": {"by": "N", "values": {}}}},
        {"compute": {"params": ["count", "N"]}},
        {"filter": {"N": [1]}},
        {"between": {"N": [1.0, 2.0]}},
        {"present": ("N",)},
        {"last": {"by": ["N"], "order": "loss"}},
        {"last": {"by": ["x"], "order": "N"}},
    ],
)
def test_a_recipe_for_another_file_is_refused(tmp_path: Path, steps: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=r"'toy' has no column 'N'.*it has x, loss\. Correct"):
        table(tmp_path, "x,loss\n1,2\n", "x loss", **steps)


def test_a_column_on_the_card_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no column 'params'"):
        table(tmp_path, "x,loss\n1,2\n", "params loss")
