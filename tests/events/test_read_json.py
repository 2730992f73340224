"""JSON in every layout, and every way in which it goes wrong: good records survive, bad ones are named."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import zstandard

from ocsf_ssl_lib.errors import InputError
from ocsf_ssl_lib.events import _lines, _scan
from ocsf_ssl_lib.events.read import Events, read_events

A = {"class_uid": 3002, "user": {"name": "ada"}}
B = {"class_uid": 4001, "user": {"name": "bob"}}
LEVELS = _scan.MAX_LEVELS
LINES = "".join(json.dumps(one) + "\n" for one in (A, B))


def read(text: str | bytes, **options: str) -> Events:
    return read_events(io.BytesIO(text.encode() if isinstance(text, str) else text), **options)


def names(events: Events) -> list[str]:
    return events.frame["user.name"].tolist()


@pytest.mark.parametrize(
    "text",
    [
        LINES,
        LINES.replace("\n", "\r\n"),
        LINES.replace("\n", "\r"),
        LINES.rstrip(),
        LINES.replace("\n", "\n\n  \n"),
        LINES.replace("\n", ",\n"),
        json.dumps(A) + json.dumps(B),
        json.dumps(A) + " " + json.dumps(B),
        json.dumps([A, B]),
        json.dumps([A, B], indent=2),
        f"[{json.dumps(A)}]\n[{json.dumps(B)}]\n",
        json.dumps(A, indent=4) + "\n\n\n" + json.dumps(B, indent=4),
        json.dumps(A, indent=0) + "\n" + json.dumps(B, indent=0),
        json.dumps(A) + "\n" + json.dumps(B, indent=2) + "\n",
        "\ufeff" + LINES,
        "".join("\x1e" + line for line in LINES.splitlines(keepends=True)),
        json.dumps({"Records": [A, B]}),
        "".join(json.dumps({"host": "h", "event": one}) + "\n" for one in (A, B)),
    ],
)
@pytest.mark.parametrize(
    "pack", [bytes, gzip.compress, zstandard.compress, lambda b: gzip.compress(b[:9], mtime=0) + gzip.compress(b[9:])]
)
def test_every_layout_gives_the_same_events(text: str, pack: Callable[[bytes], bytes]) -> None:
    events = read(pack(text.encode()))
    assert names(events) == ["ada", "bob"]
    assert events.rejected.empty


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
def test_other_unicode_encodings_are_recoded(encoding: str) -> None:
    assert names(read(json.dumps({"user": {"name": "Žofie"}}, ensure_ascii=False).encode(encoding))) == ["Žofie"]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ('{"class_uid": 1,}', "trailing comma"),
        ('{"class_uid": [1, 2,]}', "trailing comma"),
        ('{"class_uid": 1,, "a": 2}', "two commas"),
        ('{"class_uid": [3] // why\n}', "comment"),
        ("{'class_uid': 1}", "single quotes"),
        ('{"class_uid": None}', "None is not JSON; write null"),
        ('{"class_uid": True}', "write true"),
        ('{"class_uid": 1', "no end"),
        ('{"class_uid": ', "no end"),
        ('{"class_uid": "x', "closing quote"),
        ('{"class_uid": "a\tb"}', "raw control character (0x09)"),
        ('{"class_uid": "\\x"}', "backslash escape"),
        ('{"class_uid" 1}', "where a colon should be"),
        ('{"class_uid": 1 "a": 2}', "where a comma or a closing bracket should be"),
        ("{class_uid: 1}", "where a name in double quotes should be"),
        ('{"class_uid": 01}', "where a comma"),
        ("Jan 12 sshd[1]: ok", "not JSON: it begins with 'Jan 12 sshd[1]: ok'"),
        ("42", "a number (42), not an event object"),
        ('"x"', 'a text ("x"), not an event object'),
        ("null", "null (null), not an event object"),
        ("{}", "without any value"),
        ('{"a": null, "b": {}}', "without any value"),
        ("\0\0\0", "not JSON"),
        ('{"a": ' + "9" * 5000 + "}", "a number too long"),
        *(('{"a":' * depth + "1" + "}" * depth, "nested too deeply") for depth in (LEVELS + 1, 340, 600, 2000, 20000)),
        *(('{"a":' + "[" * depth + "]" * depth + "}", "nested too deeply") for depth in (LEVELS, 900, 5000)),
        ("[" * 30000 + "]" * 30000 + "x", "not JSON"),
    ],
)
@pytest.mark.parametrize("fast", [True, False])
def test_a_bad_record_costs_only_itself_and_is_named(
    bad: str, reason: str, fast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_lines, "ATTEMPTS", 32 if fast else 0)
    good = "".join(json.dumps({"user": {"name": f"u{number}"}, "n": number}) + "\n" for number in range(50))
    events = read(good + bad + "\n" + good)
    assert names(events) == [f"u{number}" for number in range(50)] * 2
    assert events.rejected["line"].tolist() == [51]
    assert reason in events.rejected["reason"].iloc[0]
    with pytest.raises(InputError, match="line 51"):
        read(good + bad + "\n" + good, on_error="raise")


@pytest.mark.parametrize("broken", ['{"a": 1,}', '{"a": 1,\n  }'])
def test_trailing_comma_is_named_alike_by_every_python(broken: str) -> None:
    """Python 3.13 points at the comma, earlier ones at the bracket after it."""

    def refuse(text: str, position: int) -> None:
        raise json.JSONDecodeError("Illegal trailing comma before end of object", text, text.index(","))

    here, newest = _scan.Scanner(), _scan.Scanner()
    newest._decoder.raw_decode = refuse  # type: ignore[assignment]
    for scanner in (here, newest):
        scanner.scan(broken, final=True)
    assert newest.rejected == here.rejected
    assert "trailing comma: remove the comma before '}'" in here.rejected[0][1]


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize(
    "deep", ['{"a":' * LEVELS + "1" + "}" * LEVELS, '{"a":' + "[" * (LEVELS - 1) + "]" * (LEVELS - 1) + "}"]
)
def test_deepest_nesting_allowed_is_read_and_many_brackets_are_not_deep(
    deep: str, fast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_lines, "ATTEMPTS", 32 if fast else 0)
    wide = json.dumps({"a": [[0]] * 1000, "b": "[" * 1000})
    events = read("\n".join([deep, wide, deep]))
    assert events.rejected.empty
    assert len(events.frame) == 3


def test_bytes_that_are_not_utf8_are_refused_with_their_line() -> None:
    events = read(LINES.encode() + b'{"user": {"name": "Jos\xe9"}}\n' + LINES.encode())
    assert names(events) == ["ada", "bob"] * 2
    assert events.rejected[["line", "reason"]].values.tolist() == [
        [3, "not UTF-8 (byte 0xe9): convert the file to UTF-8"]
    ]


def test_a_fault_in_a_pretty_printed_record_is_named_by_its_own_line() -> None:
    broken = json.dumps(A, indent=4).replace('"ada"\n', '"ada",\n')
    events = read(broken + "\n" + json.dumps(B, indent=4))
    assert names(events) == ["bob"]
    line, reason = events.rejected[["line", "reason"]].values.tolist()[0]
    assert line == 5
    assert reason == "trailing comma: remove the comma before '}', at column 5 of the record that begins at line 1"


@pytest.mark.parametrize("indent", [0, 2])
def test_parts_of_a_record_are_never_taken_for_events(indent: int) -> None:
    record = {"class_uid": 1, "observables": [{"name": "a"}, {"name": "b"}], "user": {"name": "x"}}
    text = json.dumps(record, indent=indent).replace('{\n"name": "a"\n}', '{"name": "a"}')
    events = read(LINES + text + "\n" + LINES)
    assert names(events) == ["ada", "bob", "x", "ada", "bob"]
    assert "name" not in events.frame


def test_one_bad_element_of_an_array_on_one_line_costs_only_itself() -> None:
    events = read(f'[{json.dumps(A)}, {{"x": [1,]}}, {json.dumps(B)}]')
    assert names(events) == ["ada", "bob"]
    assert len(events.rejected) == 1


def test_an_array_cut_off_keeps_its_events_and_says_so() -> None:
    events = read(json.dumps([A, B])[:-1])
    assert names(events) == ["ada", "bob"]
    assert "not closed" in events.rejected["reason"].iloc[0]


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
@pytest.mark.parametrize("layout", ["lines", "array"])
def test_a_truncated_file_keeps_what_came_before_the_cut(pack: Callable[[bytes], bytes], layout: str) -> None:
    records = [{"user": {"name": f"{number * 7919 % 100_003:x}"}} for number in range(30_000)]
    text = "".join(json.dumps(one) + "\n" for one in records) if layout == "lines" else json.dumps(records)
    packed = pack(text.encode())
    events = read(packed[: len(packed) * 3 // 4])
    assert 10_000 < len(events) < 30_000
    assert names(events) == [one["user"]["name"] for one in records[: len(events)]]
    assert len(events.rejected) == 1
    assert "cut off" in events.rejected["reason"].iloc[0]
    if layout == "lines":
        assert events.rejected["line"].iloc[0] == len(events) + 1
    with pytest.raises(InputError, match="cut off"):
        read(packed[: len(packed) // 2], on_error="raise")


def test_damaged_compressed_data_are_named() -> None:
    packed = bytearray(gzip.compress(LINES.encode() * 5000, mtime=0))
    packed[len(packed) // 2] ^= 0xFF
    packed[-6] ^= 0xFF
    events = read(bytes(packed))
    assert events.rejected["reason"].str.contains("damaged|not JSON|not valid").any()


def test_an_integer_that_turns_into_a_text_late_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_lines, "BLOCK", 1 << 14)
    text = "".join(
        json.dumps({"n": number, "port": number if number < 4000 else str(number)}) + "\n" for number in range(5000)
    )
    events = read(text)
    assert events.rejected.empty
    assert events.frame["n"].tolist() == list(range(5000))
    assert events.frame["port"].tolist() == list(range(4000)) + [str(number) for number in range(4000, 5000)]


def test_a_field_first_seen_late_is_a_column(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_lines, "BLOCK", 1 << 12)
    text = "".join(
        json.dumps({"n": number} | ({"late": {"x": "2024-01-01"}} if number == 1999 else {})) + "\n"
        for number in range(2000)
    )
    events = read(text)
    assert events.frame["late.x"].dropna().to_dict() == {1999: "2024-01-01"}


def test_lines_are_counted_across_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_lines, "BLOCK", 256)
    rows = [json.dumps({"n": number}) if number % 97 else '{"n": }' for number in range(1, 1001)]
    events = read_pieces("\n".join(rows), 100)
    assert events == ([n for n in range(1, 1001) if n % 97], [n for n in range(1, 1001) if not n % 97])


def read_pieces(text: str, size: int) -> tuple[list[int], list[int]]:
    reader = _lines.BlockReader()
    for start in range(0, len(text), size):
        reader.feed(text[start : start + size].encode())
    reader.close()
    from ocsf_ssl_lib.events._assemble import assemble

    return assemble(reader.chunks)["n"].tolist(), [line for line, _ in reader.scanner.rejected]


def test_a_long_pretty_printed_record_may_span_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_lines, "BLOCK", 64)
    records = [{"n": number, "list": [{"deep": "x" * 50}] * 3} for number in range(20)]
    text = "\n".join(json.dumps(one, indent=2) for one in records)
    assert read_pieces(text, 40) == (list(range(20)), [])


def test_a_file_that_is_something_else_is_refused_as_a_whole() -> None:
    with pytest.raises(InputError, match="2,000 records refused, the first in line 1: not JSON") as caught:
        read("Jan 12 10:00:00 host sshd: accepted\n" * 2000)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b" \n\t\n", "only white space"),
        (b"[]", "no event"),
        (bytes(range(256)) * 20, "binary data"),
        (b"PK\x03\x04rest", "zip archive"),
        (b"\x7fELF\x02\x01\x01" + bytes(100), "binary data"),
        (gzip.compress(b"", mtime=0), "is empty"),
        (gzip.compress(LINES.encode(), mtime=0)[:12], "cut off"),
        (b"\x1f\x8b\x08garbage", "gzip"),
        (b"PAR1garbage", "Parquet"),
    ],
)
def test_what_holds_no_event_is_refused_in_one_line(content: bytes, reason: str, tmp_path: Path) -> None:
    file = tmp_path / "events.json"
    file.write_bytes(content)
    with pytest.raises(InputError, match=reason) as caught:
        read_events(file)
    assert str(caught.value).startswith(str(file))
    assert "\n" not in str(caught.value)


def test_repeated_keys_keep_the_last_value() -> None:
    assert read('{"a": 1, "a": 2}\n{"a": 3}').frame["a"].tolist() == [2, 3]


def test_careful_reading_leaves_the_garbage_collector_as_it_was() -> None:
    import gc

    gc.disable()
    try:
        _scan.Scanner().scan("{}", final=True)
        assert not gc.isenabled()
    finally:
        gc.enable()
    _scan.Scanner().scan("{", final=True)
    assert gc.isenabled()


def test_frames_of_an_index_that_counts_rows() -> None:
    assert read(LINES).frame.index.equals(pd.RangeIndex(2))
