"""What was published, from records, mappings and files."""

from pathlib import Path
from typing import Any

import pytest

from bayescale.auditing.claim_files import read_claims
from bayescale.datasets import card
from bayescale.errors import DataError, LawError
from bayescale.models import LAWS
from bayescale.spec.claim import Claim, ClaimData, Objective

WHOLE: dict[str, Any] = {"label": "me", "reference": "here", "values": {"alpha": 0.34}}


def claim(**changes: Any) -> Claim:
    return Claim(**(WHOLE | changes))


def test_a_standard_deviation_comes_from_an_error_or_an_interval() -> None:
    both = claim(errors={"alpha": 0.02}, intervals={"beta": (0.2, 0.4)}, mass=0.8)
    assert both.sd("alpha") == 0.02
    # Half of 80% of a Normal is 1.2816 standard deviations.
    assert both.sd("beta") == pytest.approx(0.1 / 1.2815516)
    assert both.sd("gamma") is None
    assert both.names == {"alpha", "beta"}


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
        objective = { kind = "huber", delta = 1e-3 }
        [claims.data]
        table = "chinchilla"
        columns = { params = "params_tied" }
        without = [0, 4]
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
        data=ClaimData(
            table="chinchilla",
            columns={"params": "params_tied"},
            without=(0, 4),
            held_out="loss_to_loss_extrapolation",
            where={"corpus": "starcoder"},
        ),
        objective=Objective(kind="huber", delta=1e-3),
    )
    assert two.label == "two"
    assert read_claims(WHOLE) == (claim(),)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vales": {}}, "has unknown 'vales'; expected keys among label"),
        ({"table": "chinchilla"}, "has unknown 'table'; expected keys among label, .* data"),
        ({"values": 3}, "claim 1, values is 3; expected a table of values"),
        ({"values": {"a": "abc"}}, "values of 'a' is 'abc'; expected a finite number"),
        ({"values": {"a": True}}, "values of 'a' is True"),
        ({"values": {"a": float("inf")}}, "values of 'a' is inf"),
        ({"intervals": {"a": 3}, "mass": 0.8}, "intervals of 'a' is 3; expected two numbers"),
        ({"intervals": {"a": [2, 1]}, "mass": 0.8}, "lower end below the upper"),
        ({"intervals": {"a": [1, 2]}}, "with mass None"),
        ({"digits": {"a": 1.5}}, "digits of 'a' is 1.5; expected a whole number"),
        ({"status": "guessed"}, "is 'guessed'; expected one of printed"),
        ({"label": 3}, "claim 1, label is 3; expected text"),
        ({"runs": "many"}, "claim 1, runs is 'many'; expected a finite number"),
        ({"runs": 245.5}, "claim 1, runs is 245.5; expected a whole number"),
        ({"mass": "most"}, "claim 1, mass is 'most'; expected a finite number"),
        ({"values": {"N_opt": 1e9}}, "an optimum at budget None; expected FLOP"),
        ({"data": "chinchilla"}, "claim 1, data is 'chinchilla'; expected a table"),
        ({"data": {"name": "x"}}, "claim 1, data has unknown 'name'; expected keys among table"),
        ({"data": {"columns": {"loss": 3}}}, "data, columns of 'loss' is 3; expected text"),
        ({"data": {"where": "starcoder"}}, "data, where is 'starcoder'; expected a table"),
        ({"data": {"without": 5}}, "data, without is 5; expected a list of rows"),
        ({"data": {"without": [0.5]}}, "data, without is 0.5; expected a whole number"),
        ({"objective": "huber"}, "claim 1, objective is 'huber'; expected a table"),
        ({"objective": {"kind": "huber"}}, "claim 1, objective lacks 'delta'"),
        (
            {"objective": {"kind": "least squares", "delta": 1e-3}},
            "claim 1, objective: a claim minimises 'least squares'; expected one of huber",
        ),
        (
            {"objective": {"kind": "huber", "delta": 1e-3}},
            "claim 1: claim 'me' minimises huber over None runs; expected their number",
        ),
        ({"objective": {"kind": "huber", "delta": 0}, "runs": 9}, "with delta 0.0; expected a log"),
    ],
)
def test_bad_claims_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_claims(WHOLE | changes)


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ({"values": {"a": 1}}, "claim 1 lacks 'label', 'reference'"),
        ({"claims": []}, "expected a list of tables"),
        ({"claims": [3]}, "expected a list of tables"),
        ({"claims": [WHOLE, {}]}, "claim 2 lacks 'label', 'reference', 'values'"),
    ],
)
def test_incomplete_claims_are_refused(claims: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_claims(claims)


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
        for published in law.claims:
            data = published.data
            if data.table:
                assert set(data.columns.values()) <= set(card(data.table).columns), published.label
            if data.held_out:
                assert set(data.where) <= set(card(data.held_out).columns), published.label


def test_the_claims_of_a_law_are_chosen_by_what_they_are_about() -> None:
    law = LAWS["chinchilla"]
    assert {about.data.table for about in law.claims_about()} == {"chinchilla", ""}
    tables = [about.data.table for about in law.claims_about("gemstones_hot")]
    assert tables == ["gemstones_hot"]
    assert LAWS["power_law"].claims_about() == law.claims_about("nothing") == ()


def test_labels_differ_between_the_claims_of_a_law() -> None:
    for law in LAWS.values():
        labels = [published.label for published in law.claims]
        assert len(set(labels)) == len(labels), law.name
