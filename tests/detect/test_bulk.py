"""Scores of Parquet files, piece by piece: those of the whole table, in any cut, and whole files or none."""

from __future__ import annotations

import resource
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ocsf_ssl_lib import InputError, OCSFAnomalyDetector, ParquetEvents, score_parquet
from ocsf_ssl_lib.detect import bulk
from ocsf_ssl_lib.detect.bulk import LowestScores

CUTS = {"a.parquet": (0, 130), "b.parquet": (130, 300)}


@pytest.fixture
def folder(events: pd.DataFrame, tmp_path: Path) -> Path:
    """300 events in two files of several row groups; some cells are missing in one of them only."""
    folder = tmp_path / "logs"
    folder.mkdir()
    table = holed(events)
    for name, (start, stop) in CUTS.items():
        table.iloc[start:stop].to_parquet(folder / name, index=False, row_group_size=50)
    return folder


def holed(events: pd.DataFrame) -> pd.DataFrame:
    table = events.copy()
    table["status_id"] = table["status_id"].astype("Int64").where(np.arange(len(table)) % 7 != 0)
    table["traffic.bytes"] = table["traffic.bytes"].where(np.arange(len(table)) > 60)
    return table


@pytest.fixture(params=["contrastive", "masked"])
def detector(
    request: pytest.FixtureRequest, make_detector: Callable[..., OCSFAnomalyDetector], events: pd.DataFrame
) -> OCSFAnomalyDetector:
    return make_detector(objective=request.param, max_epochs=1).fit(holed(events))


def test_scores_are_those_of_the_whole_table(
    detector: OCSFAnomalyDetector, events: pd.DataFrame, folder: Path, tmp_path: Path
) -> None:
    result = score_parquet(detector, ParquetEvents(folder), tmp_path / "scores.parquet")
    written = pd.read_parquet(tmp_path / "scores.parquet")
    expected = detector.score_samples(holed(events))
    np.testing.assert_allclose(written["score"], expected, rtol=1e-5, atol=1e-5)
    assert written["metadata.uid"].tolist() == events["metadata.uid"].tolist()
    assert written["is_anomaly"].tolist() == (written["score"] < detector.offset_).tolist()
    assert written["file"].tolist() == [
        str(folder / name) for name, (low, high) in CUTS.items() for _ in range(low, high)
    ]
    assert written["row"].tolist() == [*range(130), *range(170)]
    assert (result.events, result.anomalies) == (300, int(written["is_anomaly"].sum()))


@pytest.mark.parametrize("rows", [1, 7, 50, 16_384])
def test_a_score_depends_on_its_event_alone(
    detector: OCSFAnomalyDetector, events: pd.DataFrame, folder: Path, tmp_path: Path, rows: int
) -> None:
    score_parquet(detector, ParquetEvents(folder), tmp_path / "scores.parquet", batch_rows=rows)
    written = pd.read_parquet(tmp_path / "scores.parquet")["score"]
    np.testing.assert_allclose(written, detector.score_samples(holed(events)), rtol=1e-5, atol=1e-5)


def test_no_more_than_a_batch_is_in_memory(
    fitted: OCSFAnomalyDetector, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    score = fitted.score_samples
    monkeypatch.setattr(fitted, "score_samples", lambda frame: sizes.append(len(frame)) or score(frame))
    score_parquet(fitted, ParquetEvents(folder), tmp_path / "scores.parquet", batch_rows=20)
    assert sum(sizes) == 300
    assert max(sizes) == 20


def test_rows_of_a_period_keep_their_numbers(
    fitted: OCSFAnomalyDetector, events: pd.DataFrame, folder: Path, tmp_path: Path
) -> None:
    late = ParquetEvents(folder, since=float(events["time"][100]), until=float(events["time"][200]))
    score_parquet(fitted, late, tmp_path / "scores.parquet", batch_rows=16)
    written = pd.read_parquet(tmp_path / "scores.parquet")
    assert written["metadata.uid"].tolist() == events["metadata.uid"][100:200].tolist()
    assert written["row"].tolist() == [*range(100, 130), *range(70)]


def test_the_lowest_are_kept_with_their_events(fitted: OCSFAnomalyDetector, events: pd.DataFrame, folder: Path) -> None:
    lowest = score_parquet(fitted, ParquetEvents(folder), top=7, batch_rows=40).lowest
    scores = fitted.score_samples(holed(events))
    first = np.argsort(scores, kind="stable")[:7]
    np.testing.assert_allclose(lowest.scores["score"], scores[first], rtol=1e-5, atol=1e-5)
    assert lowest.events["metadata.uid"].tolist() == events["metadata.uid"][first].tolist()
    assert score_parquet(fitted, ParquetEvents(folder), top=0).lowest.scores.empty


def test_equal_scores_rank_by_place_whoever_comes_first() -> None:
    places = [(file, row) for file in range(3) for row in range(4)]
    for order in (places, places[::-1]):
        parts = [LowestScores(5), LowestScores(5)]
        for k, place in enumerate(order):
            parts[k % 2].push(1.0, place, f"{place[0]}", {"at": place})
        parts[0].merge(parts[1])
        assert parts[0].events["at"].tolist() == places[:5]


def test_an_event_may_have_columns_called_like_ours(make_detector: Callable[..., Any], tmp_path: Path) -> None:
    log = pd.DataFrame({"score": ["a", "b"] * 40, "file": ["x", "x", "y", "y"] * 20, "row": range(80)})
    log.to_parquet(tmp_path / "log.parquet", index=False)
    detector = make_detector(numerical_cols=["row"], categorical_cols=["score", "file"]).fit(log)
    lowest = score_parquet(detector, ParquetEvents(tmp_path / "log.parquet"), tmp_path / "s.parquet", top=80).lowest
    assert set(lowest.events["file"]) == {"x", "y"}
    assert set(lowest.scores["file"]) == {str(tmp_path / "log.parquet")}
    assert sorted(lowest.scores["row"]) == list(range(80))


def test_scores_are_written_in_groups_of_bounded_size(
    fitted: OCSFAnomalyDetector, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "GROUP_ROWS", 60)
    score_parquet(fitted, ParquetEvents(folder), tmp_path / "scores.parquet", batch_rows=20)
    footer = pq.ParquetFile(tmp_path / "scores.parquet").metadata
    sizes = [footer.row_group(k).num_rows for k in range(footer.num_row_groups)]
    assert sum(sizes) == 300
    assert all(60 <= size < 80 for size in sizes[:-1])


def test_a_file_damaged_half_way_leaves_no_scores(fitted: OCSFAnomalyDetector, folder: Path, tmp_path: Path) -> None:
    events = ParquetEvents(folder)
    data = bytearray((folder / "b.parquet").read_bytes())
    data[4 : len(data) // 2] = bytes(len(data) // 2 - 4)  # the footer was read already
    (folder / "b.parquet").write_bytes(data)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InputError, match=r"b.parquet: a damaged"):
        score_parquet(fitted, events, tmp_path / "scores.parquet")
    assert sorted(tmp_path.iterdir()) == before


def test_a_full_disk_leaves_the_old_scores(fitted: OCSFAnomalyDetector, folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "scores.parquet"
    output.write_bytes(b"the old ones")
    before = sorted(tmp_path.iterdir())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # as a disk that is full after 1000 bytes
    try:
        with pytest.raises(InputError, match=r"cannot write .*scores.parquet"):
            score_parquet(fitted, ParquetEvents(folder), output)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert sorted(tmp_path.iterdir()) == before
    assert output.read_bytes() == b"the old ones"


def test_events_without_ids_have_scores_without(
    fitted: OCSFAnomalyDetector, events: pd.DataFrame, tmp_path: Path
) -> None:
    events.drop(columns="metadata.uid").to_parquet(tmp_path / "log.parquet", index=False)
    score_parquet(fitted, ParquetEvents(tmp_path / "log.parquet"), tmp_path / "scores.parquet")
    assert pq.read_schema(tmp_path / "scores.parquet").names == ["file", "row", "score", "is_anomaly"]


def test_ids_of_any_type_become_text_and_none_stays_none(
    fitted: OCSFAnomalyDetector, events: pd.DataFrame, tmp_path: Path
) -> None:
    for name, ids in (("a", pa.array([7, None])), ("b", pa.array(["x", None]))):
        table = pa.Table.from_pandas(events.head(2), preserve_index=False)
        place = table.schema.get_field_index("metadata.uid")
        pq.write_table(table.set_column(place, "metadata.uid", ids), tmp_path / f"{name}.parquet")
    score_parquet(fitted, ParquetEvents(tmp_path), tmp_path / "s.parquet")
    written = pq.read_table(tmp_path / "s.parquet")["metadata.uid"].to_pylist()
    assert written == ["7", None, "x", None]


def test_a_missing_column_is_named_before_anything_is_scored(fitted: OCSFAnomalyDetector, tmp_path: Path) -> None:
    pd.DataFrame({"user.name": ["ann"]}).to_parquet(tmp_path / "log.parquet")
    with pytest.raises(InputError, match=r"device.hostname"):
        score_parquet(fitted, ParquetEvents(tmp_path), tmp_path / "scores.parquet")


def test_no_batch_of_no_rows(fitted: OCSFAnomalyDetector, folder: Path) -> None:
    with pytest.raises(InputError, match=r"rows of a batch must be positive, however: 0"):
        score_parquet(fitted, ParquetEvents(folder), batch_rows=0)


def test_numbers_that_do_not_parse_are_not_told_once_per_batch(
    fitted: OCSFAnomalyDetector, events: pd.DataFrame, tmp_path: Path
) -> None:
    events.assign(**{"traffic.bytes": "many"}).to_parquet(tmp_path / "log.parquet", index=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        score_parquet(fitted, ParquetEvents(tmp_path / "log.parquet"))


def test_a_detector_of_files_knows_how_many_events_a_day_has(
    make_detector: Callable[..., OCSFAnomalyDetector], events: pd.DataFrame, folder: Path
) -> None:
    detector = make_detector(objective="masked", max_epochs=1, validation_fraction=0.3).fit(ParquetEvents(folder))
    calibration = detector.calibration_
    assert calibration is not None
    days = (events["time"].max() - events["time"].min()) / 86_400_000
    assert calibration.events_per_day_ == pytest.approx(len(events) / days, rel=0.25)  # the ends may be held out or not
    assert np.isfinite(calibration.threshold(per_day=0.1 * calibration.events_per_day_))
