"""Events in files: what ``read_events`` would have read, and one line of error for files that cannot be streamed."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ocsf_ssl_lib import InputError, ParquetEvents, read_events
from ocsf_ssl_lib.events import _parquet

Events = Callable[..., pd.DataFrame]

NESTED = [
    {"user": {"name": "ann", "uid": None}, "tags": ["a", "b"], "unmapped": {"k": 1}, "n": 1, "time": 1_700_000_000_000},
    {"user": {"name": "bob", "uid": "7"}, "tags": [], "unmapped": {"k": 2}, "n": 2, "time": 1_700_000_060_000},
    {"user": None, "tags": None, "unmapped": None, "n": None, "time": 1_700_000_120_000},
] * 20


def whole(events: ParquetEvents, columns: list[str] | None = None) -> pd.DataFrame:
    parts = [events.read(piece, columns) for piece in events.pieces]
    return pd.concat([part.astype(object) for part in parts], ignore_index=True)


def assert_equal(some: pd.DataFrame, other: pd.DataFrame) -> None:
    """Equal values; the type of a column may differ between parts of it and the whole."""
    a, b = (frame.astype(object).where(frame.notna(), None) for frame in (some, other))
    pd.testing.assert_frame_equal(a, b, check_dtype=False)


@pytest.fixture
def nested(tmp_path: Path) -> Path:
    """Structs, lists and maps as Security Lake and Spark write them."""
    path = tmp_path / "nested.parquet"
    pq.write_table(pa.Table.from_pylist(NESTED), path, row_group_size=16)
    return path


def test_nested_fields_are_the_dotted_columns_of_read_events(nested: Path) -> None:
    events, expected = ParquetEvents(nested), read_events(nested).frame
    assert len(events) == 60
    assert list(events.columns) == list(expected.columns)
    assert_equal(whole(events), expected)


def test_only_the_columns_asked_for_are_read(nested: Path) -> None:
    events = ParquetEvents(nested)
    expected = read_events(nested).frame
    for columns in (["user.name"], ["n", "unmapped"], ["tags", "user.uid"], ["time"]):
        assert_equal(whole(events, columns), expected[sorted(columns)])


def test_a_name_that_begins_another_is_told_from_it(tmp_path: Path) -> None:
    pd.DataFrame({"user": ["x", "y"], "user.name": ["ann", "bob"]}).to_parquet(tmp_path / "a.parquet")
    assert list(whole(ParquetEvents(tmp_path), ["user"])) == ["user"]


def test_partition_folders_give_columns(tmp_path: Path) -> None:
    for day in ("20260101", "20260102"):
        folder = tmp_path / f"eventDay={day}" / "region=eu"
        folder.mkdir(parents=True)
        pd.DataFrame({"n": [1, 2]}).to_parquet(folder / "x.parquet")
    events = ParquetEvents(tmp_path)
    assert_equal(whole(events), read_events(tmp_path).frame)
    assert whole(events, ["eventDay"])["eventDay"].tolist() == [20260101] * 2 + [20260102] * 2


def test_a_sample_has_the_types_of_read_events(tmp_path: Path) -> None:
    pd.DataFrame({"n": [1, 2], "s": [None, None]}).to_parquet(tmp_path / "a.parquet")
    pd.DataFrame({"s": ["x", "y"]}).to_parquet(tmp_path / "b.parquet")
    pd.testing.assert_frame_equal(ParquetEvents(tmp_path).sample(100), read_events(tmp_path).frame)


def test_a_sample_of_many_small_row_groups_is_as_large_as_asked(tmp_path: Path) -> None:
    pd.DataFrame({"n": range(1000)}).to_parquet(tmp_path / "a.parquet", row_group_size=2)
    values = ParquetEvents(tmp_path).sample(300)["n"]
    assert len(values) == 300
    assert values.is_unique
    assert values.is_monotonic_increasing


def test_held_out_are_stretches_from_all_over_and_nothing_is_on_both_sides(tmp_path: Path) -> None:
    pd.DataFrame({"n": range(10_000)}).to_parquet(tmp_path / "a.parquet", row_group_size=100)
    train, held = ParquetEvents(tmp_path).hold_out(640)
    kept, out = whole(train)["n"].tolist(), whole(held)["n"].tolist()
    assert len(held) == 640
    assert sorted(kept + out) == list(range(10_000))
    assert sum(b - a > 1 for a, b in itertools.pairwise(out)) == 31
    assert out[0] < 100
    assert out[-1] == 9999


def test_events_of_one_row_group_are_held_out_from_its_end(tmp_path: Path) -> None:
    pd.DataFrame({"n": range(50)}).to_parquet(tmp_path / "a.parquet")
    train, held = ParquetEvents(tmp_path).hold_out(5)
    assert whole(train)["n"].tolist() == list(range(45))
    assert whole(held)["n"].tolist() == list(range(45, 50))


# ---- a period --------------------------------------------------------------------------------------------------


def test_a_period_keeps_the_events_in_it(tmp_path: Path, make_events: Events) -> None:
    frame = make_events(300).sample(frac=1, random_state=0)
    frame.loc[frame.index[:3], "time"] = None
    frame.to_parquet(tmp_path / "log.parquet", index=False, row_group_size=64)
    since, until = 1_700_000_000_000 + 50 * 600_000, 1_700_000_000_000 + 120 * 600_000
    expected = frame.loc[(frame["time"] >= since) & (frame["time"] < until), "metadata.uid"].tolist()
    events = ParquetEvents(tmp_path, since=since, until=until)
    assert len(events) == len(expected)
    parts = whole(events, ["metadata.uid"])
    assert list(parts) == ["metadata.uid"]
    assert parts["metadata.uid"].tolist() == expected
    train, held = events.hold_out(10)
    assert sorted([*whole(train)["metadata.uid"], *whole(held)["metadata.uid"]]) == sorted(expected)


def test_a_period_without_events_or_without_times_is_refused(tmp_path: Path, make_events: Events) -> None:
    make_events(50).to_parquet(tmp_path / "log.parquet")
    with pytest.raises(InputError, match="no event in the period asked for; the events are from 2023-11-14T22:13:20"):
        ParquetEvents(tmp_path, until=1.6e12)
    make_events(50).drop(columns="time").to_parquet(tmp_path / "log.parquet")
    with pytest.raises(InputError, match="needs a column 'time'"):
        ParquetEvents(tmp_path, since=1.6e12)


# ---- files that cannot be used ---------------------------------------------------------------------------------


def test_empty_files_and_row_groups_give_no_rows(tmp_path: Path) -> None:
    frame = pd.DataFrame({"n": [1, 2, 3]})
    frame[:0].to_parquet(tmp_path / "a.parquet")
    table = pa.Table.from_pandas(frame)
    with pq.ParquetWriter(tmp_path / "b.parquet", table.schema) as writer:
        for part in (table[:0], table[:2], table[:0], table[2:]):
            writer.write_table(part)
    events = ParquetEvents(tmp_path)
    assert whole(events)["n"].tolist() == [1, 2, 3]
    with pytest.raises(InputError, match=r"a\.parquet: the Parquet files hold no event"):
        ParquetEvents(tmp_path / "a.parquet")


def test_a_damaged_file_is_named_with_the_remedy(nested: Path) -> None:
    nested.write_bytes(nested.read_bytes()[:-30])
    with pytest.raises(InputError, match=r"nested\.parquet: a damaged or incomplete Parquet file: copy or export"):
        ParquetEvents(nested)


def test_damage_behind_the_footer_is_found_when_it_is_read(nested: Path) -> None:
    events = ParquetEvents(nested)
    content = bytearray(nested.read_bytes())
    content[4:400] = b"\xff" * 396
    nested.write_bytes(bytes(content))
    with pytest.raises(InputError, match=r"nested\.parquet: a damaged or incomplete"):
        whole(events)


def test_a_file_that_went_away_is_named(nested: Path) -> None:
    events = ParquetEvents(nested)
    nested.unlink()
    with pytest.raises(InputError, match=r"nested\.parquet: .*"):
        whole(events)


@pytest.mark.parametrize("content", [b'{"class_uid": 3002}\n', b"", b"\x1f\x8b\x08", b"PARE----"])
def test_a_file_that_is_no_parquet_is_refused_with_the_remedy(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "log.json").write_bytes(content)
    with pytest.raises(InputError, match=r"log\.json: only plain Parquet can be streamed; write .*--stream"):
        ParquetEvents(tmp_path)


def test_what_can_be_read_only_once_is_refused() -> None:
    for source in ("-", io.BytesIO(b"PAR1")):
        with pytest.raises(InputError, match="cannot be streamed: it can be read only once"):
            ParquetEvents(source)


@pytest.mark.parametrize("rows", [1, 7, 100])
def test_batches_are_the_events_of_a_piece_with_their_rows(
    tmp_path: Path, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_parquet, "ROWS", 10)  # so that a row group comes in several chunks
    pq.write_table(pa.Table.from_pylist(NESTED), tmp_path / "log.parquet", row_group_size=25)
    minute = 60_000
    events = ParquetEvents(tmp_path / "log.parquet", since=1_700_000_000_000 + minute)  # leaves out every third
    expected = [row for row in range(60) if row % 3]
    batches = [batch for piece in events.pieces for batch in events.batches(piece, rows=rows)]
    assert [int(row) for batch in batches for row in batch.rows] == expected
    assert all(len(batch.frame) == len(batch.rows) <= rows for batch in batches)
    assert {batch.path for batch in batches} == {str(tmp_path / "log.parquet")}
    assert_equal(pd.concat([b.frame.astype(object) for b in batches], ignore_index=True), whole(events))


def test_batches_of_a_part_of_a_row_group_keep_their_rows(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(NESTED), tmp_path / "log.parquet", row_group_size=20)
    parts = ParquetEvents(tmp_path / "log.parquet").hold_out(15)
    train, held = ([int(r) for p in part.pieces for b in part.batches(p, ["n"]) for r in b.rows] for part in parts)
    assert held == [*range(15, 20), *range(35, 40), *range(55, 60)]
    assert sorted(train + held) == list(range(60))
