"""The fast and the careful reader must agree on every text: same frame, same refusals."""

from __future__ import annotations

import json
import math
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ocsf_ssl_lib.events import _arrow_json, _lines
from ocsf_ssl_lib.events._assemble import assemble
from ocsf_ssl_lib.events._flatten import flatten_arrow
from ocsf_ssl_lib.events._json_text import arrow_json_text, json_text
from ocsf_ssl_lib.events._lines import BlockReader

KEYS = st.sampled_from(["a", "b", "c", "a.b", "", "unmapped", "class_uid", "é", 'q"', "\u0000"])
TEXTS = st.one_of(
    st.text(max_size=5),
    st.sampled_from(["2024-01-01", "2024-01-01T10:00:00Z", "1", "true", "null", "-", "\u2028", "\ud800"]),
)
NUMBERS = st.one_of(
    st.integers(-5, 5),
    st.sampled_from(
        [2**53, 2**53 + 1, -(2**63), 2**63 - 1, 2**63, 2**64, 2**70, 1.0, 2.5, -0.0, 1e15, 1e16, 1e300, 5e-324]
    ),
    st.floats(allow_nan=True, allow_infinity=True, width=32),
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=8,
)
UNIFORM = st.fixed_dictionaries(
    {},
    optional={
        "a": st.integers(-(2**63), 2**63 - 1) | st.none(),
        "b": st.fixed_dictionaries(
            {}, optional={"x": TEXTS, "y": st.floats(-1e6, 1e6), "a": st.lists(st.integers(0, 3))}
        ),
        "c": st.lists(
            st.fixed_dictionaries({}, optional={"k": TEXTS, "n": st.floats(-10, 10) | st.integers(-9, 9)}), max_size=2
        ),
        "unmapped": st.dictionaries(st.sampled_from("pqr"), st.integers(), max_size=2),
        "f": st.booleans(),
        "b.x": TEXTS,
    },
)
LINES = st.one_of(
    st.dictionaries(KEYS, VALUES, max_size=4).map(json.dumps),
    st.dictionaries(KEYS, VALUES, max_size=4).map(
        lambda one: json.dumps(one, ensure_ascii=False).replace("\ud800", "?")
    ),
    SCALARS.map(json.dumps),
    st.sampled_from(
        [
            '{"a":1,}',
            '{"a":',
            "",
            "  ",
            "null",
            "{} null",
            '{"a":1}{"a":2}',
            '{"a":1,"a":2}',
            '{"a":01}',
            "[",
            "]",
            '[{"a":1}]',
            '{"a":1e5}',
            '{"a":-0}',
            '{"a":1E400}',
            '{"a":"\\ud83d\\ude00"}',
            '{"a":{"b":{"c":{"d":{"e":{"f":1}}}}}}',
            "{",
            "}",
            '{"Records":[{"class_uid":1}]}',
            '{"a":"\t"}',
            '{"a":1} x',
            "{'a':1}",
            '{"a":1.}',
            "\r",
            '{"a":tru}',
        ]
    ),
)


def everything(text: bytes, *, fast: bool) -> tuple[pd.DataFrame, list[tuple[int, str]], int]:
    reader = BlockReader(fast=fast)
    reader.feed(text)
    reader.close()
    return assemble(reader.chunks), reader.scanner.rejected, len(reader.chunks)


def assert_agree(lines: list[str]) -> None:
    text = "\n".join(lines).encode("utf-8", "surrogatepass")
    quick, quick_refused, _ = everything(text, fast=True)
    slow, slow_refused, _ = everything(text, fast=False)
    pd.testing.assert_frame_equal(quick, slow, check_exact=True)
    for name in quick:
        if quick[name].dtype == object:
            assert [(type(v), v) for v in quick[name]] == [(type(v), v) for v in slow[name]]
    assert quick_refused == slow_refused


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(LINES, max_size=12))
@example(["null"])
@example(['{"a": null, "b": []}', '{"a": {}, "b": []}'])
@example(['{"b": {"b": false, "class_uid": null}}', '{"a": []}'])
@example(['{"a":1} x', "\r"])
@example(['{"a": [null, null]}', '{"a": [1]}'])
@example(['{"a":1}'] * 9 + ['{"a":"x"}'] * 9)
@example(['{"a":1}', '{"a":2.5}', '{"a":9007199254740993}'])
@example(['{"a":NaN}', '{"a":1}'])
@example(['{"b":{"x":"1"}}', '{"b.x":"2"}', '{"b":{"x":"3"},"b.x":"4"}'])
def test_fast_and_careful_reading_agree_on_any_lines(lines: list[str]) -> None:
    assert_agree(lines)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(UNIFORM, min_size=1, max_size=12))
def test_fast_and_careful_reading_agree_on_events_of_one_kind(records: list[dict[str, Any]]) -> None:
    assert_agree([json.dumps(one) for one in records])


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(UNIFORM.filter(bool), min_size=1, max_size=30), st.sampled_from([None, 0]))
def test_blocks_parsed_in_threads_keep_their_order(records: list[dict[str, Any]], indent: int | None) -> None:
    text = "\n".join(json.dumps(one, indent=indent) for one in records).encode("utf-8", "surrogatepass")
    whole, refused, _ = everything(text, fast=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_lines, "BLOCK", 200)
        reader = BlockReader()
        for start in range(0, len(text), 50):
            reader.feed(text[start : start + 50])
        reader.close()
    pd.testing.assert_frame_equal(assemble(reader.chunks), whole, check_exact=True)
    assert reader.scanner.rejected == refused


def test_the_fast_reader_reads_ordinary_lines_itself() -> None:
    lines = [
        json.dumps({"t": "2024-01-01T00:00:00Z", "l": [{"t": "2024-01-01"}], "n": number}) for number in range(2000)
    ]
    reader = BlockReader()
    reader.feed("\n".join(lines).encode())
    reader.close()
    assert [chunk.rows for chunk in reader.chunks] == [2000]
    chunk, bad = _arrow_json.ArrowParser().parse([line.encode() for line in lines])
    assert chunk is not None
    assert bad is None


@given(st.lists(st.one_of(st.none(), st.lists(UNIFORM, max_size=3)), max_size=6))
@settings(max_examples=100, deadline=None)
def test_both_writers_of_json_text_agree(values: list[Any]) -> None:
    def clean(value: Any) -> Any:
        if isinstance(value, list):
            return [clean(one) for one in value]
        if isinstance(value, dict):
            return {key: clean(one) for key, one in value.items()}
        if isinstance(value, str):
            return value.replace("\ud800", "?")
        return max(min(value, 2**40), -(2**40)) if type(value) is int else value

    values = clean(values)
    try:
        array = pa.array(values)
    except (pa.ArrowException, OverflowError):
        return
    assert arrow_json_text(array).to_pylist() == [None if value is None else json_text(value) for value in values]


def test_json_text_is_compact_sorted_and_reads_back() -> None:
    value = {"b": [1, 2.0, None, math.inf], "a": {"y": '\u2028"\\', "x": None}, "c": 2**70}
    text = json_text(value)
    assert text == '{"a":{"y":"\u2028\\"\\\\"},"b":[1,2,null,1e999],"c":1180591620717411303424}'
    assert json.loads(text)["b"] == [1, 2, None, math.inf]


@pytest.mark.parametrize("start", [0, 3])
def test_slices_of_arrow_lists_are_written_right(start: int) -> None:
    values = [[{"a": 1}], None, [], [{"a": None}, {"a": 2}], [None], [{"b": "x"}]]
    array = pa.array(values).slice(start)
    expected = ['[{"a":1}]', None, "[]", '[{},{"a":2}]', "[null]", '[{"b":"x"}]'][start:]
    assert arrow_json_text(array).to_pylist() == expected
    assert flatten_arrow(["l"], [array], len(array)).columns["l",].to_pylist() == expected
