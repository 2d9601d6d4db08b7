"""What was published, from records, mappings and files."""

from pathlib import Path
from typing import Any

import pytest

from bayescale.claimfiles import read_claims
from bayescale.claims import Claim
from bayescale.datasets import card
from bayescale.errors import DataError, LawError
from bayescale.models import LAWS

SAID: dict[str, Any] = {"label": "me", "reference": "here", "values": {"alpha": 0.34}}


def claim(**changes: Any) -> Claim:
    return Claim(**(SAID | changes))


def test_a_standard_deviation_comes_from_an_error_or_an_interval() -> None:
    made = claim(errors={"alpha": 0.02}, intervals={"beta": (0.2, 0.4)}, mass=0.8)
    assert made.sd("alpha") == 0.02
    # Half of 80% of a Normal is 1.2816 standard deviations.
    assert made.sd("beta") == pytest.approx(0.1 / 1.2815516)
    assert made.sd("gamma") is None
    assert made.names == {"alpha", "beta"}


@pytest.mark.parametrize(
    ("value", "digits", "half"),
    [
        (0.34, {}, 0.005),
        (406.4, {}, 0.05),
        (5.4e13, {}, 0.05e13),
        (0.5, {}, 0.05),
        (0.5, {"alpha": 2}, 0.005),
        (20.0, {}, 5.0),
        (20.0, {"alpha": 0}, 0.5),
    ],
)
def test_rounding_is_half_of_the_last_digit(
    value: float, digits: dict[str, int], half: float
) -> None:
    assert claim(values={"alpha": value}, digits=digits).rounding("alpha") == pytest.approx(half)


def test_claims_come_from_a_mapping_or_a_file(tmp_path: Path) -> None:
    path = tmp_path / "claims.toml"
    path.write_text(
        """
        [[claims]]
        label = "one"
        reference = "table 2"
        values = { a = "0.50", b = 0.46 }
        intervals = { a = [0.488, 0.502] }
        mass = 0.8
        runs = 400
        status = "remembered"
        table = "chinchilla"
        columns = { params = "params_tied" }
        without = [0, 4]
        objective = "huber"
        delta = 1e-3
        held_out = "loss_to_loss_extrapolation"
        where = { corpus = "starcoder" }
        [[claims]]
        label = "two"
        reference = "table 3"
        values = { a = 0.4 }
        """
    )
    one, two = read_claims(path)
    assert one == Claim(
        label="one",
        reference="table 2",
        values={"a": 0.5, "b": 0.46},
        intervals={"a": (0.488, 0.502)},
        mass=0.8,
        runs=400,
        status="remembered",
        digits={"a": 2},
        table="chinchilla",
        columns={"params": "params_tied"},
        without=(0, 4),
        objective="huber",
        delta=1e-3,
        held_out="loss_to_loss_extrapolation",
        where={"corpus": "starcoder"},
    )
    assert two.label == "two"
    assert read_claims(SAID) == (claim(),)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"values": {"a": 1}}, "claim 1 lacks 'label', 'reference'"),
        (SAID | {"vales": {}}, "has unknown 'vales'; expected keys among label"),
        (SAID | {"values": 3}, "has values = 3; expected a table"),
        (SAID | {"values": {"a": "abc"}}, "values of 'a' is 'abc'; expected a finite number"),
        (SAID | {"values": {"a": True}}, "values of 'a' is True"),
        (SAID | {"values": {"a": float("inf")}}, "values of 'a' is inf"),
        (SAID | {"intervals": {"a": 3}, "mass": 0.8}, "expected two numbers"),
        (SAID | {"intervals": {"a": [2, 1]}, "mass": 0.8}, "lower end below the upper"),
        (SAID | {"intervals": {"a": [1, 2]}}, "with mass None"),
        (SAID | {"status": "guessed"}, "is 'guessed'; expected one of printed"),
        (SAID | {"label": 3}, "has label = 3; expected text"),
        (SAID | {"runs": "many"}, "runs is 'many'"),
        (SAID | {"columns": {"loss": 3}}, "has columns = .*; expected a table of texts"),
        (SAID | {"where": "starcoder"}, "has where = 'starcoder'; expected a table of texts"),
        (SAID | {"without": 5}, "has without = 5; expected a list of rows"),
        (SAID | {"objective": "least squares"}, "minimises 'least squares'; expected one of huber"),
        (SAID | {"objective": "huber", "delta": 1e-3}, "over None runs; expected both above 0"),
        (SAID | {"objective": "huber", "runs": 9}, "with delta None over 9 runs"),
        (SAID | {"values": {"N_opt": 1e9}}, "an optimum at budget None; expected FLOP"),
        ({"claims": []}, "expected a list of tables"),
        ({"claims": [SAID, {}]}, "claim 2 lacks"),
    ],
)
def test_bad_claims_are_refused(said: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_claims(said)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"label = ", "is no TOML"), (b"\xff\xfe", "is no TOML"), (None, "cannot be read")],
)
def test_bad_files_are_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "claims.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_claims(path)


def test_a_claim_checks_itself() -> None:
    with pytest.raises(LawError, match="mass None"):
        claim(intervals={"alpha": (0.1, 0.2)})


def test_claims_are_about_tables_and_columns_that_there_are() -> None:
    for law in LAWS.values():
        for each in law.claims:
            if each.table:
                assert set(each.columns.values()) <= set(card(each.table).columns), each.label
            if each.held_out:
                assert set(each.where) <= set(card(each.held_out).columns), each.label


def test_the_claims_of_a_law_are_chosen_by_what_they_are_about() -> None:
    law = LAWS["chinchilla"]
    assert {each.table for each in law.claims_about()} == {"chinchilla", ""}
    assert [each.table for each in law.claims_about("gemstones_hot")] == ["gemstones_hot"]
    assert LAWS["power_law"].claims_about() == law.claims_about("nothing") == ()


def test_labels_tell_the_claims_of_a_law_apart() -> None:
    for law in LAWS.values():
        labels = [each.label for each in law.claims]
        assert len(set(labels)) == len(labels), law.name
