"""Values to columns: dtypes, nesting, the ceiling on columns, Parquet types, and what ``Events`` tells."""

from __future__ import annotations

import datetime as dt
import io
import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ocsf_ssl_lib.errors import InputError
from ocsf_ssl_lib.events._assemble import MAX_COLUMNS, OTHER_FIELDS
from ocsf_ssl_lib.events._classes import CLASS_NAMES
from ocsf_ssl_lib.events.read import Events, read_events


def read(*records: Any) -> Events:
    return read_events(io.BytesIO("\n".join(json.dumps(record) for record in records).encode()))


def column(*values: Any) -> pd.Series:
    return read(*({"n": 1, "x": value} for value in values)).frame["x"]


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([42, 7], "int64"),
        ([42, None], "Int64"),
        ([1.5, 2.0], "float64"),
        ([1.5, None], "float64"),
        ([1, 2.5], "float64"),
        ([True, False], "bool"),
        ([True, None], "boolean"),
        ([1, "1"], "object"),
        ([1, True], "object"),
        ([2**63, 1], "object"),
        ([2**53 + 1, 0.5], "object"),
    ],
)
def test_a_column_gets_the_dtype_of_its_values_and_keeps_them(values: list[Any], dtype: str) -> None:
    series = column(*values)
    assert str(series.dtype) == dtype
    assert [None if pd.isna(value) else value for value in series] == values
    if dtype == "object":
        assert [type(value) for value in series] == [type(value) for value in values]


def test_texts_are_the_text_dtype_of_this_pandas() -> None:
    series = column("2024-01-01T00:00:00Z", None)
    assert series.dtype == pd.Series(["a", None]).dtype
    assert series[0] == "2024-01-01T00:00:00Z"
    assert pd.isna(series[1])


def test_integers_of_64_bits_are_exact_beside_missing_ones() -> None:
    assert column(2**63 - 1, None, -(2**63)).tolist() == [2**63 - 1, pd.NA, -(2**63)]


def test_a_whole_number_is_one_value_however_it_was_written() -> None:
    assert column(42.0, "x", 42).tolist() == [42, "x", 42]
    assert [type(value) for value in column(42.0, "x")] == [int, str]


def test_nan_is_missing_and_infinity_is_a_number() -> None:
    frame = read_events(io.BytesIO(b'{"n": 1, "x": NaN}\n{"n": 2, "x": Infinity}\n{"n": 3, "x": 1.5}')).frame
    assert np.isnan(frame["x"][0])
    assert frame["x"][1:].tolist() == [float("inf"), 1.5]


def test_half_a_surrogate_pair_becomes_the_replacement_character() -> None:
    frame = read_events(io.BytesIO(b'{"x": "a\\ud800b", "l": ["\\udc00"], "ok": "\\ud83d\\ude00"}')).frame
    assert frame.iloc[0].to_dict() == {"l": '["\ufffd"]', "ok": "😀", "x": "a\ufffdb"}


def test_objects_become_dotted_columns_in_alphabetical_order() -> None:
    frame = read({"b": {"z": 1, "a": {"y": 2}}, "a": 3}).frame
    assert frame.to_dict("records") == [{"a": 3, "b.a.y": 2, "b.z": 1}]
    assert list(frame) == ["a", "b.a.y", "b.z"]


def test_a_field_that_is_null_in_every_event_is_no_column() -> None:
    assert list(read({"a": 1, "b": None, "c": {}}, {"a": 2, "b": {"x": None}}).frame) == ["a"]


def test_a_dotted_key_is_read_as_nested_and_the_nested_one_wins() -> None:
    frame = read({"a.b": 1}, {"a": {"b": 2}}, {"a.b": 3, "a": {"b": 4}}, {"a": {"b": None}, "a.b": 5}).frame
    assert frame.to_dict("list") == {"a.b": [1, 2, 4, 5]}


def test_an_empty_key_is_a_name_like_any_other() -> None:
    assert list(read({"": 1, "a": {"": 2}}).frame) == ["", "a."]


def test_lists_deep_objects_and_open_maps_are_one_column_of_json_text() -> None:
    event = {
        "l": [{"b": 1, "a": None}, "x"],
        "unmapped": {"z": {"y": 1}, "a.b": 2},
        "device": {"labels": {"k8s.io/x": "1"}},
        "a": {"b": {"c": {"d": {"e": {"f": 1}, "g": 2}}}},
        "empty": {},
        "none": [],
    }
    assert read(event).frame.to_dict("records") == [
        {
            "a.b.c.d.e": '{"f":1}',
            "a.b.c.d.g": 2,
            "device.labels": '{"k8s.io/x":"1"}',
            "l": '[{"b":1},"x"]',
            "none": "[]",
            "unmapped": '{"a.b":2,"z":{"y":1}}',
        }
    ]


def test_a_field_that_is_a_value_here_and_an_object_there_keeps_both() -> None:
    frame = read({"actor": "root"}, {"actor": {"name": "ada"}}, {"actor": ["x"]}).frame
    assert frame["actor"].tolist()[::2] == ["root", '["x"]']
    assert frame["actor.name"][1] == "ada"


def test_a_wide_and_deep_event_does_not_blow_up_the_columns() -> None:
    deep: dict[str, Any] = {f"k{number}": number for number in range(150)}
    for _ in range(9):
        deep = {"x": deep}
    assert read({"class_uid": 1, "unmapped": deep, "a": deep}).frame.shape[1] == 3


@pytest.mark.parametrize("keys", [600, 5000])
def test_no_more_columns_than_the_ceiling_and_no_value_lost(keys: int) -> None:
    records = [{"time": number, "map": {f"id{number % keys}": number}} for number in range(2 * keys)]
    records += [{"time": 0, "map": {"often": 1, "id3": "x"}}] * 3
    frame = read(*records).frame
    assert frame.shape[1] == MAX_COLUMNS
    assert {"time", "map.often", "map.id3"} <= set(frame)
    assert frame["time"].tolist() == [record["time"] for record in records]
    kept = frame.drop(columns=["time", OTHER_FIELDS]).notna().any(axis=1)
    assert (kept ^ frame[OTHER_FIELDS].notna()).all()
    row = int(np.flatnonzero(frame[OTHER_FIELDS].notna())[0])
    assert json.loads(frame[OTHER_FIELDS][row]) == {f"map.id{row % keys}": row}


def test_the_same_events_give_the_same_columns_in_any_order() -> None:
    records = [{"b": 1}, {"a": {"c": "x"}}, {"a": {"b": 2}}]
    assert list(read(*records).frame) == list(read(*records[::-1]).frame) == ["a.b", "a.c", "b"]


def test_parquet_types_have_defined_columns(tmp_path: Path) -> None:
    moment = dt.datetime(2024, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
    table = pa.table(
        {
            "bytes": pa.array([b"text", b"\xff\x00"]),
            "date": pa.array([dt.date(2024, 1, 2), None]),
            "dec": pa.array([Decimal("1.50"), None]),
            "dec0": pa.array([Decimal(12), None], pa.decimal128(38, 0)),
            "dict": pa.array(["x", "y"]).dictionary_encode(),
            "f32": pa.array([0.5, None], pa.float32()),
            "list": pa.array([[{"b": 1, "a": "x"}], None]),
            "map": pa.array([[("k2", 1), ("k1", 2)], []], pa.map_(pa.string(), pa.int64())),
            "s": pa.array(
                [{"t": {"u": 1, "v": None}}, None], pa.struct({"t": pa.struct({"u": pa.int8(), "v": pa.string()})})
            ),
            "time": pa.array([moment, None], pa.timestamp("us", "UTC")),
            "u64": pa.array([2**64 - 1, 1], pa.uint64()),
            "u8": pa.array([1, 2], pa.uint8()),
            "when": pa.array([[moment], []], pa.list_(pa.timestamp("s", "UTC"))),
        }
    )
    pq.write_table(table, tmp_path / "x.parquet")
    frame = read_events(tmp_path / "x.parquet").frame
    first = {name: frame[name][0] for name in frame}
    assert frame["bytes"].tolist() == ["text", "ff00"]
    assert first["date"] == pd.Timestamp("2024-01-02")
    assert (frame["dec"].dtype, first["dec"]) == (np.float64, 1.5)
    assert (str(frame["dec0"].dtype), first["dec0"]) == ("Int64", 12)
    assert first["dict"] == "x"
    assert frame["f32"].dtype == np.float64
    assert first["list"] == '[{"a":"x","b":1}]'
    assert frame["map"].tolist() == ['{"k1":2,"k2":1}', "{}"]
    assert first["s.t.u"] == 1
    assert frame["s.t.v"].isna().all()
    assert first["time"] == moment
    assert frame["u64"].tolist() == [2**64 - 1, 1]
    assert frame["u8"].dtype == np.int64
    assert first["when"] == '["2024-01-02 03:04:05+00:00"]'


def test_a_security_lake_folder_is_read_with_its_partitions(tmp_path: Path) -> None:
    for region, day, uids in (("eu-west-1", "20240102", [1, 2]), ("us-east-1", "20240101", [3])):
        folder = tmp_path / "ext" / f"region={region}" / "accountId=0123" / f"eventDay={day}"
        folder.mkdir(parents=True)
        events = pa.table({"time": uids, "user": [{"name": f"u{uid}"} for uid in uids]})
        pq.write_table(events, folder / "part.gz.parquet", compression="gzip")
    (tmp_path / "ext" / "_SUCCESS").touch()
    (tmp_path / "ext" / ".part.crc.json").write_text("x")
    (tmp_path / "ext" / "readme.txt").write_text("x")
    events = read_events(tmp_path)
    assert events.frame.to_dict("list") == {
        "accountId": ["0123"] * 3,
        "eventDay": [20240102, 20240102, 20240101],
        "region": ["eu-west-1", "eu-west-1", "us-east-1"],
        "time": [1, 2, 3],
        "user.name": ["u1", "u2", "u3"],
    }
    assert events.rejected.empty
    assert events.files["events"].tolist() == [2, 1]


def test_a_parquet_table_of_something_else_is_still_a_table(tmp_path: Path) -> None:
    pd.DataFrame({"x": [1.5], "y": ["z"]}, index=[7]).to_parquet(tmp_path / "x.parquet")
    events = read_events(tmp_path / "x.parquet")
    assert events.frame.to_dict("records") == [{"x": 1.5, "y": "z"}]
    assert events.per_class().values.tolist() == [[pd.NA, "no class_uid", 1]]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_cut_parquet_file_is_refused_with_the_remedy(share: float, tmp_path: Path) -> None:
    file = tmp_path / "x.parquet"
    pq.write_table(pa.table({"a": list(range(1000))}), file)
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(InputError, match="damaged or incomplete Parquet file: copy or export it again"):
        read_events(file)


def test_a_parquet_table_without_rows_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": pa.array([], pa.int64())}), tmp_path / "x.parquet")
    with pytest.raises(InputError, match="no rows"):
        read_events(tmp_path / "x.parquet")


def test_several_paths_are_read_in_order_and_each_file_once(tmp_path: Path) -> None:
    (tmp_path / "b.jsonl").write_text('{"n": 1}\n')
    (tmp_path / "a.json").write_text('[{"n": 2}, {"n": "x"}]')
    events = read_events([tmp_path / "b.jsonl", str(tmp_path), tmp_path / "a.json"])
    assert events.frame["n"].tolist() == [1, 2, "x"]
    assert [Path(file).name for file in events.files["file"]] == ["b.jsonl", "a.json"]


def test_an_unreadable_file_among_others_is_listed_without_a_line(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"n": 1}')
    (tmp_path / "b.json").write_text("")
    events = read_events([tmp_path / "a.json", tmp_path / "b.json", tmp_path / "c.json"])
    assert len(events) == 1
    assert events.rejected["line"].isna().all()
    assert "is empty" in events.rejected["reason"][0]
    assert "no such file" in events.rejected["reason"][1]
    with pytest.raises(InputError, match=r"b\.json: the file is empty"):
        read_events([tmp_path / "a.json", tmp_path / "b.json"], on_error="raise")


def test_a_locked_file_is_refused_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(*args: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("ocsf_ssl_lib.events._sources.open", locked, raising=False)  # root may read everything
    with pytest.raises(InputError, match="may not be read; check its permissions"):
        read_events(tmp_path / "a.json")


def test_missing_paths_and_folders_without_events_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file or folder"):
        read_events(tmp_path / "nothing.json")
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(InputError, match="holds no events"):
        read_events(tmp_path)
    with pytest.raises(InputError, match="no path given"):
        read_events([])
    with pytest.raises(InputError, match="on_error"):
        read_events(tmp_path, on_error="ignore")  # type: ignore[arg-type]


def test_standard_input_is_read_as_a_dash(monkeypatch: pytest.MonkeyPatch) -> None:
    class Piped(io.BytesIO):
        def seekable(self) -> bool:
            return False

    table = io.BytesIO()
    pq.write_table(pa.table({"n": [1]}), table)
    for content in (b'{"n": 1}\n{"n": }\n', table.getvalue()):
        stream = Piped(content)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(stream))
        events = read_events("-")
        assert events.frame["n"].tolist() == [1]
        assert not stream.closed
    assert events.files["file"].tolist() == ["<stdin>"]


def test_counts_per_class_and_the_report_are_readable(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    lines = (
        [{"class_uid": 3002}] * 3
        + [{"class_uid": 4001, "class_name": "Flow"}] * 2
        + [{"x": 1}, {"class_uid": "odd"}, {"class_uid": 77}]
    )
    file.write_text("\n".join(map(json.dumps, lines)) + '\n{"class_uid": 1,}\n')
    events = read_events(file)
    assert [tuple(row) for row in events.per_class().itertuples(index=False)] == [
        (3002, "Authentication", 3),
        (4001, "Flow", 2),
        (pd.NA, "no class_uid", 2),
        (77, "unknown class", 1),
    ]
    assert events.report().splitlines() == [
        "8 events with 3 columns from 1 file",
        "          3  3002   Authentication",
        "          2  4001   Flow",
        "          2         no class_uid",
        "          1  77     unknown class",
        "1 refused",
        f"  {file}, line 9: trailing comma: remove the comma before '}}', at column 17",
    ]


def test_the_names_of_classes_are_those_of_the_schema() -> None:
    schema = pytest.importorskip("ocsf_json_schema").get_ocsf_schema("1.8.0")
    for entry in schema["classes"].values():
        if entry.get("uid"):
            assert CLASS_NAMES[entry["uid"]] == entry["caption"]
