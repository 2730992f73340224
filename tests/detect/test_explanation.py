"""What an explanation holds, in words, as a table, as JSON, and with its values hidden."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from ocsf_ssl_lib import ExplainedCell, ExplainedEvent, Explanations
from ocsf_ssl_lib.detect.explanation import Expected, NearEvent
from ocsf_ssl_lib.detect.members import StrongestMember

PORT = ExplainedCell(
    column="port",
    value="53",
    state="seen",
    expected=(Expected("443", probability=0.9), Expected("80", probability=0.1)),
    nats=6.0,
    marginal_nats=2.0,
    units=5.0,
    repaired_nats=3.0,
)
BYTES = ExplainedCell("bytes", 1234567.0, "seen", (Expected(low=10.0, high=None, probability=0.6),), 2, 3, 1)
NEAR = NearEvent(1.5, {"port": "443", "bytes": None}, ("port", "bytes"))
DENSITY = StrongestMember("density", 12.3, "it lies alone")
EVENT = ExplainedEvent(7, nats=21.0, ordinary_nats=4.0, cells=(PORT, BYTES), neighbours=(NEAR,))


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        (Expected("ann", probability=0.5), "ann"),
        (Expected(low=1.0, high=2500.0), "1 to 2,500"),
        (Expected(low=None, high=3.0), "at most 3"),
        (Expected(low=3.0, high=None), "more than 3"),
        (Expected(low=3.0, high=3.0), "about 3"),
        (Expected(), "any number"),
    ],
)
def test_what_was_expected_is_said_in_words(expected: Expected, text: str) -> None:
    assert expected.text == text


def test_a_value_is_said_in_words() -> None:
    assert (PORT.text, BYTES.text) == ("53", "1,234,567")
    assert replace(PORT, value="x", state="new").text == "x (new or rare)"
    assert replace(PORT, value=None, state="missing").text == "(missing)"
    assert (NEAR.text("port"), NEAR.text("bytes")) == ("443", "(missing)")


def test_the_sentence_says_what_would_put_it_right() -> None:
    assert EVENT.sentence == (
        "If port were 443, this would be an ordinary event (surprise 21 → 3 nats; 19 in 20 have less than 4)."
    )
    assert "a less unusual event" in replace(EVENT, ordinary_nats=2.0).sentence
    assert "a less unusual event" in replace(EVENT, ordinary_nats=30.0).sentence  # it was an ordinary one before


@pytest.mark.parametrize("cells", [(), (BYTES,), (replace(PORT, repaired_nats=21.0),), (replace(PORT, expected=()),)])
def test_the_sentence_admits_that_no_field_explains_it(cells: tuple[ExplainedCell, ...]) -> None:
    assert replace(EVENT, cells=cells).sentence == "No single field explains its 21 nats."


def test_the_repair_leads_where_the_fields_surprise() -> None:
    assert replace(EVENT, strongest=DENSITY).sentence == (
        f"{EVENT.sentence} Most unusual by density (12.3 nats; a usual event has about 1): it lies alone."
    )


def test_the_strongest_member_leads_where_the_fields_are_ordinary() -> None:
    event = replace(EVENT, ordinary_nats=21.0, strongest=DENSITY)  # as many as 19 in 20 have
    assert event.sentence == (
        "Most unusual by density (12.3 nats; a usual event has about 1): it lies alone. "
        "Its fields together are ordinary (surprise 21 nats; 19 in 20 have less than 21). If port were 443: 3 nats."
    )
    assert replace(event, cells=()).sentence == event.ranked_by
    assert event.ranked_by + " If port were 443: 3 nats." == event.sentence
    assert "ordinary (surprise" not in replace(event, ordinary_nats=20.9).ranked_by
    assert EVENT.ranked_by == ""


def test_a_member_that_noticed_nothing_is_given_no_meaning() -> None:
    faint = replace(DENSITY, nats=2.9)  # one training event in 20 has 3.0
    assert faint.sentence == "No score finds it unusual: the strongest, density, has 2.9 nats."
    assert replace(DENSITY, nats=3.0).sentence.endswith("it lies alone.")


def test_the_table_has_a_line_per_field() -> None:
    table = Explanations((EVENT, replace(EVENT, row=8, cells=(BYTES,)))).table
    assert table["row"].tolist() == [7, 7, 8]
    assert table["rank"].tolist() == [1, 2, 1]
    assert table["column"].tolist() == ["port", "bytes", "bytes"]
    assert table["expected"].tolist() == ["443", "more than 10", "more than 10"]
    assert table["probability"].tolist() == [0.9, 0.6, 0.6]
    assert table["repaired_nats"].isna().tolist() == [False, True, True]
    assert table["taken_out"][0] == 21.0 - 3.0
    assert table["taken_out"].isna().tolist() == [False, True, True]


def test_json_holds_everything() -> None:
    event = json.loads(Explanations((replace(EVENT, strongest=DENSITY),)).to_json())[0]
    assert event["sentence"].startswith(EVENT.sentence)
    assert event["strongest"] == {"name": "density", "nats": 12.3, "says": "it lies alone"}
    assert event["cells"][0]["expected"][1] == {"value": "80", "low": None, "high": None, "probability": 0.1}
    assert event["cells"][1]["value"] == 1234567.0
    near = {"distance": 1.5, "values": {"port": "443", "bytes": None}, "differs": ["port", "bytes"]}
    assert event["neighbours"] == [near]


def test_values_pass_through_a_function_wherever_they_stand() -> None:
    hidden = Explanations((EVENT,)).map_values(lambda column, text: f"{column}-hidden")
    text = hidden.to_json()
    for value in ('"53"', "443", "80"):
        assert value not in text
    assert hidden[0].cells[0].value == hidden[0].neighbours[0].values["port"] == "port-hidden"
    assert hidden[0].cells[1] == BYTES  # numbers name nobody
    assert hidden[0].neighbours[0].values["bytes"] is None
