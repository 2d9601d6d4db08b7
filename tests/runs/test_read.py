import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from bayescale.errors import DataError
from bayescale.runs.read import ALIASES, describe_runs, digest, read_runs
from bayescale.spec.compute import serving_cost, transformer_cost

HEADER = "params,tokens,loss\n"
RUNS = HEADER + "1e8,2e9,3.1\n2e8,4e9,2.9\n4e8,8e9,2.7\n"
TABLE: dict[str, list[Any]] = {
    "params": [1e8, 2e8, 4e8],
    "tokens": [2e9, 4e9, 8e9],
    "loss": [3.1, 2.9, 2.7],
}

# File name, what is in it, and what the message has to say.
BAD_FILES: dict[str, tuple[str, str | bytes, list[str]]] = {
    "no bytes": ("runs.csv", b"", ["runs.csv is empty", "header"]),
    "blank lines only": ("runs.csv", b"\n \n", ["runs.csv is empty"]),
    "byte order mark only": ("runs.csv", b"\xef\xbb\xbf\n", ["runs.csv is empty"]),
    "header only": ("runs.csv", HEADER, ["runs.csv holds no runs"]),
    "no records": ("runs.json", "[]", ["runs.json holds no runs"]),
    "binary": ("runs.csv", b"\x7fELF\x00\x01\x02", ["runs.csv is binary, not text"]),
    "latin-1": (
        "runs.csv",
        "params,tokens,loss,name\n1e8,2e9,3.1,caf\xe9\n".encode("latin-1"),
        ["not UTF-8", "0xe9", "line 2", "iconv"],
    ),
    "utf-16": ("runs.csv", RUNS.encode("utf-16"), ["UTF-16", "Save it again as UTF-8"]),
    "pickle": ("runs.pkl", b"\x80\x04.", ["runs.pkl is a pickle", "any code", "to_parquet"]),
    "unknown extension": ("runs.xlsx", b"PK", ["'.xlsx'", ".csv", ".parquet"]),
    "no extension": ("runs", RUNS, ["no extension", ".csv"]),
    "not gzip": ("runs.csv.gz", RUNS, ["runs.csv.gz cannot be opened", "really compressed"]),
    "cut gzip": ("runs.csv.gz", gzip.compress(RUNS.encode())[:-12], ["cannot be opened"]),
    "quote never closed": ("runs.csv", RUNS + '"1e9,2e9,3\n', ["cannot be split", "quotes"]),
    "row too short": ("runs.csv", RUNS + "8e8,2e10\n", ["2 cells in row 4", "expected 3"]),
    "row too long": ("runs.csv", RUNS + "8e8,2e10,2,5\n", ["4 cells in row 4", "8e8,2e10,2,5"]),
    "unquoted thousands": (
        "runs.csv",
        HEADER + "100,000,000,2e9,3.1\n",
        ["5 cells in row 1", "thousands separators"],
    ),
    "name twice": (
        "runs.csv",
        "params,tokens,loss,loss\n1e8,2e9,3.1,3.2\n",
        ["runs.csv", "2 columns named 'loss'", "columns 3, 4"],
    ),
    "missing cell": (
        "runs.csv",
        HEADER + "1e8,2e9,3.1\n2e8,,2.9\n",
        ["runs.csv", "'tokens'", "row 2", "missing"],
    ),
    "missing word": ("runs.csv", HEADER + "1e8,2e9,NA\n", ["'loss'", "row 1", "missing"]),
    "empty row": ("runs.csv", RUNS + ",,\n", ["'params'", "row 4", "missing"]),
    "text": (
        "runs.csv",
        HEADER + "1e8,2e9,3.1\n70M,4e9,2.9\n1B,4e9,2.9\n",
        ["'params'", "'70M'", "row 2", "1 more", "units"],
    ),
    "thousands, quoted": (
        "runs.csv",
        HEADER + '"1,000,000",2e9,3.1\n',
        ["'params'", "'1,000,000'", "row 1", "without thousands separators"],
    ),
    "thousands, underscore": ("runs.csv", HEADER + "1_000,2e9,3.1\n", ["'1_000'", "row 1"]),
    "thousands, points": (
        "runs.csv",
        "params;tokens;loss\n70.000.000;2e9;3.1\n",
        ["'70.000.000'", "row 1"],
    ),
    "decimal comma, semicolons": (
        "runs.csv",
        "params;tokens;loss\n1e8;2e9;3.1\n2e8;4e9;2,9\n",
        ["'loss'", "'2,9'", "row 2", "decimal commas"],
    ),
    "decimal comma, tabs": ("runs.tsv", "params\ttokens\tloss\n1e8\t2e9\t3,1\n", ["'3,1'"]),
    "control character": ("runs.csv", HEADER + "1e8\x1d,2e9,3.1\n", ["'params'", "row 1"]),
    "hexadecimal": ("runs.csv", HEADER + "0x10,2e9,3.1\n", ["'0x10'", "row 1"]),
    "infinite": ("runs.csv", RUNS + "1e8,2e9,inf\n", ["'loss'", "inf", "row 4", "infinite"]),
    "too large": ("runs.csv", HEADER + "1e999,2e9,3.1\n", ["'params'", "row 1", "too large"]),
    "zero": ("runs.csv", RUNS + "1e8,0,3\n", ["'tokens'", "holds 0", "row 4", "above zero"]),
    "negative": ("runs.csv", RUNS + "1e8,2e9,-3\n", ["'loss'", "-3", "row 4", "above zero"]),
    "negative flops": (
        "runs.csv",
        "N,D,C,loss\n1e8,2e9,-1e18,3.1\n",
        ["'C' (read as flops)", "-1e+18", "row 1"],
    ),
    "overflow on filling": (
        "runs.csv",
        HEADER + "1e200,1e200,3\n",
        ["'flops', filled from params and tokens", "inf", "row 1"],
    ),
    "no loss": (
        "runs.csv",
        "params,tokens,score\n1e8,2e9,3.1\n",
        ["'loss'", "'params', 'tokens', 'score'", "columns={'loss': 'its name'}"],
    ),
    "no tokens": ("runs.csv", "N,loss\n1e8,3.1\n", ["'tokens'", "Any two of"]),
    "two losses": (
        "runs.csv",
        "params,tokens,train_loss,val_loss\n1e8,2e9,3.1,3.2\n",
        ["could be loss", "'train_loss', 'val_loss'", "columns={'loss': 'train_loss'}"],
    ),
    "not JSON": ("runs.jsonl", '{"params": 1}\n{params: 2}\n', ["row 2", "is not JSON"]),
    "JSON too deep": ("runs.json", "[" * 100_000, ["runs.json is not JSON"]),
    "JSON of columns": ("runs.json", '{"params": [1e8]}', ["JSON dict", "list of records"]),
    "JSON of numbers": ("runs.json", '[{"params": 1e8}, 3]', ["holds '3' in row 2"]),
    "JSON key twice": ("runs.jsonl", '{"loss": 1, "loss": 2}\n', ["row 1", "named 'loss'"]),
    "JSON null": (
        "runs.jsonl",
        '{"params": 1e8, "tokens": 2e9, "loss": 3}\n{"params": 1e8, "tokens": 2e9, "loss": null}',
        ["'loss'", "row 2", "missing"],
    ),
    "JSON true": (
        "runs.jsonl",
        '{"params": true, "tokens": 2e9, "loss": 3}',
        ["'params'", "True", "row 1"],
    ),
    "not Parquet": ("runs.parquet", RUNS, ["runs.parquet is not Parquet"]),
    "cut Parquet": ("runs.parquet", b"PAR1" + b"\0" * 40 + b"PAR1", ["is not Parquet"]),
}

# What to change in TABLE, arguments for read_runs, and what the message has to say.
BAD_FRAMES: dict[str, tuple[dict[str, Any], dict[str, Any], list[str]]] = {
    "NaN": ({"loss": [3.1, np.nan, 2.7]}, {}, ["the table", "'loss'", "row 2", "missing"]),
    "pd.NA": ({"params": pd.array([1, None, 3], dtype="Int64")}, {}, ["'params'", "row 2"]),
    "None among text": ({"loss": ["3.1", None, "2.7"]}, {}, ["'loss'", "row 2", "missing"]),
    "None among objects": (
        {"loss": pd.Series(["3.1", 2.9, None], dtype="object")},
        {},
        ["'loss'", "row 3", "missing"],
    ),
    "booleans": ({"params": [True, True, False]}, {}, ["'params'", "True", "row 1"]),
    "dates": ({"loss": pd.to_datetime(["2024-01-01"] * 3)}, {}, ["'loss'", "2024-01-01"]),
    "complex": ({"loss": [1 + 1j, 1, 1]}, {}, ["'loss'", "(1+1j)", "row 1"]),
    "huge integer": ({"params": [1, 10**400, 1]}, {}, ["'params'", "row 2", "too large"]),
    "lists": ({"loss": [[3.1], [2.9], [2.7]]}, {}, ["'loss'", "[3.1]", "row 1"]),
    "columns= names nothing": (
        {},
        {"columns": {"loss": "val"}},
        ["no column 'val'", "columns={'loss': 'val'}", "'params', 'tokens', 'loss'"],
    ),
    "columns= names one twice": (
        {},
        {"columns": {"params": "tokens", "tokens": "tokens"}},
        ["takes one column", "for two"],
    ),
    "no name left for the column not chosen": (
        {"val_loss": [3, 2, 1], "loss_original": [1, 2, 3]},
        {"columns": {"loss": "val_loss"}},
        ["2 columns named 'loss_original'"],
    ),
    "many columns": (
        {f"score {i}": [1, 2, 3] for i in range(30)},
        {"response": "accuracy"},
        ["'score 8' and 21 more"],
    ),
    "response of another law": ({}, {"response": "accuracy"}, ["no column for 'accuracy'"]),
    "budget below the fixed cost": (
        {"tokens": [1e9] * 3, "params": [1e9] * 3, "flops": [1e20, 1e18, 1e20]},
        {"cost": serving_cost(1e12), "drop": "tokens"},
        ["'tokens', filled from params and flops", "row 1", "above zero"],
    ),
    "no params for the budget": (
        {"flops": [1e20, 1e20, 1e3]},
        {"cost": serving_cost(1e12), "drop": "params"},
        ["'params', filled from tokens and flops", "row 3", "above zero"],
    ),
}


def refusal(function: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    with pytest.raises(DataError) as caught:
        function(*args, **kwargs)
    return str(caught.value)


@pytest.mark.parametrize(("name", "content", "words"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_bad_file_is_refused_with_place_and_way_out(
    tmp_path: Path, name: str, content: str | bytes, words: list[str]
) -> None:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    message = refusal(read_runs, path)
    assert [word for word in words if word not in message] == [], message


@pytest.mark.parametrize(("change", "arguments", "words"), BAD_FRAMES.values(), ids=BAD_FRAMES)
def test_a_bad_frame_is_refused_with_place_and_way_out(
    change: dict[str, Any], arguments: dict[str, Any], words: list[str]
) -> None:
    frame = pd.DataFrame(TABLE | change)
    keywords = dict(arguments)
    if "drop" in keywords:
        frame = frame.drop(columns=keywords.pop("drop"))
    message = refusal(read_runs, frame, **keywords)
    assert [word for word in words if word not in message] == [], message


def test_an_absent_file_is_refused_by_name(tmp_path: Path) -> None:
    assert "absent.csv" in refusal(read_runs, tmp_path / "absent.csv")


def test_a_directory_is_refused(tmp_path: Path) -> None:
    assert "is a directory" in refusal(read_runs, tmp_path)


def test_a_frame_with_a_name_twice_is_refused() -> None:
    frame = pd.DataFrame([[1e8, 2e9, 3.1, 3.2]], columns=["params", "tokens", "loss", "loss"])
    assert "columns named 'loss'" in refusal(read_runs, frame)


def test_a_pickle_is_never_opened(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (os.mkdir, (str(tmp_path / "sprung"),))

    for name in ("runs.pkl", "runs.csv", "runs.parquet"):
        pd.to_pickle(Trap(), tmp_path / name, compression=None)
        refusal(read_runs, tmp_path / name)
    assert not (tmp_path / "sprung").exists()


def written(path: Path) -> Path:
    """Write TABLE and a text column in the format that the name asks for."""
    frame = pd.DataFrame(TABLE).assign(corpus=["web", "books", "web"])
    if "json" in path.name:
        frame.to_json(path, orient="records", lines=path.name.removesuffix(".gz")[-5:] != ".json")
    elif path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
    return path


@pytest.mark.parametrize(
    "name",
    [
        *("runs.csv", "RUNS.CSV", "runs.tsv", "runs.jsonl", "runs.ndjson", "runs.json"),
        *("runs.parquet", "runs.csv.gz", "runs.v1.jsonl.gz", "runs.json.gz"),
    ],
)
def test_every_format_gives_the_same_table(tmp_path: Path, name: str) -> None:
    runs = read_runs(written(tmp_path / name))
    assert list(runs) == ["params", "tokens", "flops", "loss", "corpus"]
    assert_array_equal(runs[list(TABLE)], pd.DataFrame(TABLE))
    assert runs["corpus"].tolist() == ["web", "books", "web"]


@pytest.mark.parametrize(
    "content",
    [
        RUNS.replace(",", ";"),
        RUNS.replace(",", "\t"),
        RUNS.replace(",", " , "),
        RUNS.replace("\n", "\r\n"),
        RUNS.replace("\n", "\r"),
        RUNS.replace("\n", "\n\n"),
        "\ufeff" + RUNS,
        RUNS.replace("params", '"params"').replace("1e8", '"1e8"'),
        ",params,tokens,loss\n0,1e8,2e9,3.1\n1,2e8,4e9,2.9\n2,4e8,8e9,2.7\n",
    ],
    ids=["semicolon", "tab", "spaces", "crlf", "cr", "blank lines", "bom", "quotes", "index"],
)
def test_every_dialect_of_csv_gives_the_same_table(tmp_path: Path, content: str) -> None:
    path = tmp_path / "runs.csv"
    path.write_bytes(content.encode())
    runs = read_runs(path)
    assert list(runs) == ["params", "tokens", "flops", "loss"]
    assert_array_equal(runs[list(TABLE)], pd.DataFrame(TABLE))


def test_numbers_in_a_file_are_read_to_the_last_bit(tmp_path: Path) -> None:
    losses = np.random.default_rng(1).uniform(2, 4, 200)
    frame = pd.DataFrame({"params": 1e8, "tokens": 2e9, "loss": losses})
    frame.to_csv(tmp_path / "runs.csv")
    assert_array_equal(read_runs(tmp_path / "runs.csv")["loss"], losses)


@pytest.mark.parametrize(
    ("standard", "alias"),
    [(name, alias) for name, aliases in ALIASES.items() for alias in (name.upper(), *aliases)],
)
@pytest.mark.parametrize("joint", [" ", "_", "-", ""])
def test_an_alias_is_known_in_any_spelling(standard: str, alias: str, joint: str) -> None:
    frame = pd.DataFrame(TABLE | {"flops": [1.2e18, 4.8e18, 19.2e18]})
    renamed = frame.rename(columns={standard: alias.replace(" ", joint)})
    assert_array_equal(read_runs(renamed), read_runs(frame))


def test_no_alias_stands_for_two_columns() -> None:
    spellings = [alias.replace(" ", "").lower() for names in ALIASES.values() for alias in names]
    assert sorted(set(spellings)) == sorted(spellings)


def test_the_chinchilla_headings_are_understood() -> None:
    frame = pd.DataFrame({"Model Size": [1e8], "Training FLOP": [1.2e18], "loss": [3.1]})
    assert read_runs(frame).loc[0].tolist() == [1e8, 2e9, 1.2e18, 3.1]


def test_an_exact_name_wins_over_an_alias() -> None:
    runs = read_runs(pd.DataFrame(TABLE).assign(train_loss=9.0, N=1.0))
    assert runs["loss"].tolist() == TABLE["loss"]
    assert runs["params"].tolist() == TABLE["params"]
    assert runs["train_loss"].tolist() == [9.0] * 3


def test_columns_wins_over_exact_names_and_loses_nothing() -> None:
    frame = pd.DataFrame(TABLE).assign(val_loss=[4.1, 3.9, 3.7])
    runs = read_runs(frame, columns={"loss": "val_loss"})
    assert runs["loss"].tolist() == [4.1, 3.9, 3.7]
    assert runs["loss_original"].tolist() == TABLE["loss"]


def test_columns_chooses_between_aliases() -> None:
    frame = pd.DataFrame(TABLE).rename(columns={"loss": "train_loss"}).assign(val_loss=4.0)
    assert read_runs(frame, columns={"loss": "val_loss"})["loss"].tolist() == [4.0] * 3


def test_columns_renames_any_other_column() -> None:
    frame = pd.DataFrame(TABLE).assign(Dataset=["web", "books", "web"])
    runs = read_runs(frame, columns={"corpus": "Dataset"})
    assert runs["corpus"].tolist() == ["web", "books", "web"]
    assert "Dataset" not in runs


@pytest.mark.parametrize("missing", ["params", "tokens", "flops"])
def test_the_third_of_params_tokens_and_flops_is_filled_exactly(missing: str) -> None:
    # Powers of two and small factors: every product and quotient is exact in float64.
    whole = pd.DataFrame({"params": [2.0**27, 2.0**30], "tokens": [2.0**31, 2.0**35]})
    whole = whole.assign(flops=6.0 * whole["params"] * whole["tokens"], loss=[3.1, 2.5])
    filled = read_runs(whole.drop(columns=missing))
    pd.testing.assert_frame_equal(filled, whole, check_exact=True)


@pytest.mark.parametrize("missing", ["params", "tokens", "flops"])
@pytest.mark.parametrize("cost", [serving_cost(1e12), transformer_cost(vocab=50_000, context=2048)])
def test_any_cost_can_be_filled_from(missing: str, cost: Any) -> None:
    whole = pd.DataFrame(TABLE)
    whole.insert(2, "flops", cost.flops(whole["params"], whole["tokens"]))
    filled = read_runs(whole.drop(columns=missing), cost=cost)
    assert_allclose(filled, whole, rtol=1e-12)  # a root in log params, to a few rounding errors


def test_integers_do_not_overflow() -> None:
    # 6 N D = 1.2e26 is beyond int64, and 2**70 is beyond it as a count.
    frame = pd.DataFrame({"params": [10**12, 2**70], "tokens": [2 * 10**13, 5], "loss": [2, 3]})
    runs = read_runs(frame)
    assert (runs.dtypes == "float64").all()
    assert_allclose(runs["flops"], [1.2e26, 30 * 2.0**70], rtol=1e-15)


@pytest.mark.parametrize("dtype", ["int32", "uint64", "float32", "Int64", "str", "object"])
def test_any_dtype_of_number_becomes_float64(dtype: str) -> None:
    frame = pd.DataFrame({"params": [64, 128], "tokens": [256, 512], "loss": [3, 2]})
    runs = read_runs(frame.astype(dtype))
    assert (runs.dtypes == "float64").all()
    assert runs["params"].tolist() == [64.0, 128.0]


def test_other_columns_and_their_types_are_kept(tmp_path: Path) -> None:
    text = "seed,corpus,params,tokens,loss,lr,note\n1,web,1e8,2e9,3.1,0.1,\n2,None,2e8,4e9,2.9,,a\n"
    (tmp_path / "runs.csv").write_text(text)
    runs = read_runs(tmp_path / "runs.csv")
    assert list(runs)[4:] == ["seed", "corpus", "lr", "note"]
    assert runs["seed"].dtype == "int64"
    assert runs["corpus"].tolist() == ["web", "None"]
    assert runs["lr"].dtype == "float64"
    assert runs["note"].isna().tolist() == [True, False]


def test_the_frame_given_is_not_changed() -> None:
    frame = pd.DataFrame({"N": [100, 200], "D": [20, 40], "L": [3, 2], "tag": ["a", "b"]})
    before = frame.copy(deep=True)
    runs = read_runs(frame.set_axis([7, 3]))
    runs.loc[:, "tag"] = "changed"
    doubled = read_runs(frame)
    doubled["params"] *= 2
    pd.testing.assert_frame_equal(frame, before)


def test_rows_are_numbered_afresh_and_a_named_index_becomes_a_column() -> None:
    frame = pd.DataFrame(TABLE).set_index("params").iloc[::-1]
    runs = read_runs(frame)
    assert runs.index.tolist() == [0, 1, 2]
    assert runs["params"].tolist() == TABLE["params"][::-1]


def test_an_index_in_parquet_is_kept_if_it_has_a_name(tmp_path: Path) -> None:
    frame = pd.DataFrame(TABLE)
    frame.set_index("params").to_parquet(tmp_path / "named.parquet")
    frame.set_axis(["a", "b", "c"]).to_parquet(tmp_path / "unnamed.parquet")
    for name in ("named.parquet", "unnamed.parquet"):
        pd.testing.assert_frame_equal(read_runs(tmp_path / name), read_runs(frame))


def test_a_law_of_one_input_needs_no_tokens() -> None:
    runs = read_runs(pd.DataFrame({"N": [1e6, 1e7], "loss": [4.0, 3.0]}), inputs=("params",))
    assert list(runs) == ["params", "loss"]


def test_a_law_without_compute_leaves_its_columns_alone() -> None:
    frame = pd.DataFrame({"X": [1.0, 2.0], "y": [3.0, 4.0], "C": ["a", "b"], "N": [-1, 0]})
    runs = read_runs(frame, inputs=("x",), response="y")
    assert list(runs) == ["x", "y", "C", "N"]
    assert runs["N"].tolist() == [-1, 0]


def test_runs_are_described_in_one_line() -> None:
    runs = read_runs(pd.DataFrame(TABLE))
    described = describe_runs(runs, inputs=("params", "tokens"), response="loss")
    assert described == "3 runs, params 1e+08 to 4e+08, tokens 2e+09 to 8e+09, loss 2.7 to 3.1"


def test_the_digest_is_the_same_in_another_process(tmp_path: Path) -> None:
    path = written(tmp_path / "runs.csv")
    code = (
        "import sys; from bayescale.runs.read import digest, read_runs; "
        "print(digest(read_runs(sys.argv[1])))"
    )
    command = [sys.executable, "-c", code, str(path)]
    other = subprocess.run(command, capture_output=True, text=True, check=True)
    assert other.stdout.strip() == digest(read_runs(path))
    assert len(other.stdout.strip()) == 64


def test_the_digest_knows_values_labels_and_order_of_runs_and_nothing_else() -> None:
    runs = pd.DataFrame(TABLE | {"extra": [np.nan, 1.0, 2.0], "corpus": ["web", "web", "code"]})
    same = runs[list(runs)[::-1]].astype({"extra": "Float64"})
    assert digest(same) == digest(runs)
    others = [
        runs.iloc[::-1],
        runs.iloc[:-1],
        runs.assign(loss=runs["loss"] + 1e-9),
        runs.assign(corpus=["web", "code", "code"]),
        runs.rename(columns={"extra": "other"}),
    ]
    assert len({digest(runs), *map(digest, others)}) == 6


def test_importing_is_cheap() -> None:
    code = (
        "import sys, bayescale.runs.read as _; "
        "print({'pymc', 'scipy', 'pyarrow.parquet'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_json_integers_of_more_than_64_bits_are_read(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    path.write_text(json.dumps({"params": 2**80, "tokens": 2e9, "loss": 3}) + "\n")
    assert read_runs(path)["params"].tolist() == [2.0**80]
