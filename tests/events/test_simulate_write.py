"""Events out: nested again, whole files only, same bytes, and back through ``read_events``."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pandas as pd
import pytest
import zstandard

from ocsf_ssl_lib.errors import InputError
from ocsf_ssl_lib.events.simulate import simulate_events
from ocsf_ssl_lib.events.write import json_lines, to_ocsf_records, write_jsonl


def test_missing_cells_leave_no_trace_and_types_survive() -> None:
    frame = pd.DataFrame(
        {
            "a.x": ["p", None],
            "time": pd.array([1, 2], dtype="int64"),
            "a.y.z": pd.array([443, None], dtype="Int64"),
            "ok": pd.array([None, True], dtype="boolean"),
            "ratio": [0.5, np.nan],
            "metadata.profiles": ['["host"]', None],
            "100%": ["%s", 'say "é"'],
        }
    )
    assert list(to_ocsf_records(frame)) == [
        {
            "a": {"x": "p", "y": {"z": 443}},
            "time": 1,
            "ratio": 0.5,
            "metadata": {"profiles": ["host"]},
            "100%": "%s",
        },
        {"time": 2, "ok": True, "100%": 'say "é"'},
    ]


def test_a_row_without_values_is_an_empty_object() -> None:
    assert list(json_lines(pd.DataFrame({"a": [None]}))) == ["{}"]
    assert list(json_lines(pd.DataFrame({"a": []}))) == []


@pytest.mark.parametrize("columns", [["a", "a.b"], ["a.b", "a"], ["a", "a.b.c"]])
def test_a_value_inside_a_value_is_refused(columns: list[str]) -> None:
    with pytest.raises(InputError, match="a"):
        list(json_lines(pd.DataFrame([[1, 2]], columns=columns)))
    # As long as no row has both, such columns are fine: real tables mix versions of a schema.
    apart = pd.DataFrame([[1, None], [None, 2]], columns=columns, dtype="Int64")
    assert len(list(json_lines(apart))) == 2


def test_what_json_cannot_hold_is_refused() -> None:
    with pytest.raises(InputError, match="'x'"):
        list(json_lines(pd.DataFrame({"x": [float("inf")]})))
    with pytest.raises(InputError, match="'x'"):
        list(json_lines(pd.DataFrame({"x": [pd.Timestamp("2026-01-01")]})))


def test_compressed_files_hold_the_same_bytes_each_time(tmp_path) -> None:
    frame = simulate_events(300, seed=1).frame
    plain = write_jsonl(frame, tmp_path / "e.jsonl").read_bytes()
    packed = write_jsonl(frame, tmp_path / "e.jsonl.gz").read_bytes()
    zst = write_jsonl(frame, tmp_path / "e.jsonl.zst").read_bytes()
    assert gzip.decompress(packed) == plain
    assert zstandard.ZstdDecompressor().decompressobj().decompress(zst) == plain
    assert write_jsonl(frame, tmp_path / "other.jsonl.gz").read_bytes() == packed
    assert plain.count(b"\n") == 300
    assert json.loads(plain.splitlines()[0])["metadata"]["uid"] == frame["metadata.uid"].iloc[0]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path) -> None:
    target = tmp_path / "e.jsonl"
    target.write_text("old")
    with pytest.raises(InputError):
        write_jsonl(pd.DataFrame({"x": [float("inf")]}), target)
    assert [p.name for p in tmp_path.iterdir()] == ["e.jsonl"]
    assert target.read_text() == "old"
    with pytest.raises(InputError, match="cannot be written"):
        write_jsonl(pd.DataFrame({"x": [1]}), tmp_path / "nowhere" / "e.jsonl")


def test_reading_back_gives_the_same_table(tmp_path) -> None:
    from ocsf_ssl_lib.events.read import read_events

    frame = simulate_events(2_000, seed=9).frame
    events = read_events(write_jsonl(frame, tmp_path / "e.jsonl.gz"))
    assert len(events.rejected) == 0
    pd.testing.assert_frame_equal(events.frame[list(frame.columns)], frame, check_dtype=False)
    assert set(events.frame.columns) == set(frame.columns)
