"""Stage 7c: scores for more events than fit in memory. Parquet is read, scored and written a few events at a time.

``score_parquet`` does it in one process; ``ray_engine`` hands the same work, a row group at a time, to many.
"""

from __future__ import annotations

import heapq
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ocsf_ssl_lib.columns import KEY
from ocsf_ssl_lib.detect.detector import OCSFAnomalyDetector
from ocsf_ssl_lib.errors import DataWarning, InputError
from ocsf_ssl_lib.files import written_aside
from ocsf_ssl_lib.parquet_events import TIME, EventBatch, ParquetEvents, Piece
from ocsf_ssl_lib.progress import scoring_bar

__all__ = ["BATCH_ROWS", "BulkScores", "LowestScores", "score_parquet", "score_pieces", "write_in_groups"]

BATCH_ROWS = 16_384  # events in memory at a time: 40 text columns take 50 MB
GROUP_ROWS = 2**17  # scores of a row group that is written: 8 MB; small ones would make a long footer


class LowestScores:
    """The ``most`` lowest of any number of scores, with their events: a heap that never holds more.

    Equal scores count in the order of their places, so that the result does not depend on who came first.

    Example:
        >>> lowest = LowestScores(2)
        >>> for score in (0.5, -1.0, 0.0, 3.0):
        ...     lowest.push(score, (0, int(10 * score)), "log.parquet", {"user.name": f"user {score}"})
        >>> lowest.scores["score"].tolist(), lowest.events["user.name"].tolist()
        ([-1.0, 0.0], ['user -1.0', 'user 0.0'])
    """

    def __init__(self, most: int) -> None:
        self.most = most
        # The root is the highest of the scores kept, for heapq keeps the least in front: everything is negated.
        self._heap: list[tuple[float, int, int, str, dict[str, Any]]] = []

    def push(self, score: float, place: tuple[int, int], path: str, event: dict[str, Any]) -> None:
        """Take in one event.

        Args:
            score: its score.
            place: number of its file and of its row; no two events have the same.
            path: of its file.
            event: what to remember of it.
        """
        entry = (-score, -place[0], -place[1], path, event)
        if len(self._heap) < self.most:
            heapq.heappush(self._heap, entry)
        elif self.most:
            heapq.heappushpop(self._heap, entry)

    def push_batch(self, scores: np.ndarray, file: int, batch: EventBatch) -> None:
        """Take in the N events of a batch with their scores (N,); only those that may stay are looked at."""
        best = np.argsort(scores, kind="stable")[: self.most]
        if len(self._heap) == self.most and self.most:
            best = best[scores[best] <= -self._heap[0][0]]
        for k, event in zip(best, batch.frame.iloc[best].to_dict("records"), strict=True):
            self.push(float(scores[k]), (file, int(batch.rows[k])), batch.path, event)

    def merge(self, other: LowestScores) -> None:
        """Take in what another one has kept."""
        for score, file, row, path, event in other._heap:
            self.push(-score, (-file, -row), path, event)

    @property
    def scores(self) -> pd.DataFrame:
        """``score``, ``file`` and ``row`` in it, the lowest first."""
        rows = [(-score, path, -row) for score, _, row, path, _ in self._ordered()]
        return pd.DataFrame(rows, columns=["score", "file", "row"])

    @property
    def events(self) -> pd.DataFrame:
        """The events, in the same order."""
        return pd.DataFrame([event for *_, event in self._ordered()], dtype=object)

    def _ordered(self) -> list[tuple[float, int, int, str, dict[str, Any]]]:
        return sorted(self._heap, key=lambda entry: entry[:3], reverse=True)


@dataclass
class BulkScores:
    """What is left of many scores when they are written to a file: how many, and the lowest ones."""

    lowest: LowestScores
    events: int = 0
    anomalies: int = 0

    def merge(self, other: BulkScores) -> None:
        """Add those of another part of the events."""
        self.events += other.events
        self.anomalies += other.anomalies
        self.lowest.merge(other.lowest)


def score_parquet(
    detector: OCSFAnomalyDetector,
    events: ParquetEvents,
    output: str | Path | None = None,
    *,
    top: int = 20,
    batch_rows: int = BATCH_ROWS,
    progress: bool | None = None,
) -> BulkScores:
    """Score events in Parquet files, in memory that does not grow with their number.

    The scores are Parquet as well, in the order of the files and of their rows: ``metadata.uid`` if the events have
    it, ``file``, ``row`` (in that file, from 0), ``score`` (higher = more normal), ``is_anomaly``.

    Args:
        detector: fitted.
        events: the files.
        output: where the scores go; written aside, then renamed. ``None`` keeps the lowest only.
        top: how many of the lowest scores to give back with their events.
        batch_rows: events in memory at a time. It does not change the scores.
        progress: show a bar; ``None`` shows it in a terminal only.

    Raises:
        InputError: a file is damaged, a column of the model is in none of them, ``output`` cannot be written.

    Example:
        >>> import tempfile
        >>> from ocsf_ssl_lib import EncoderConfig, OCSFAnomalyDetector, ParquetEvents
        >>> from ocsf_ssl_lib.events import write_events
        >>> log = pd.DataFrame({"user": ["ann", "bob"] * 50, "bytes": range(100)})
        >>> detector = OCSFAnomalyDetector(max_epochs=1, encoder_config=EncoderConfig(d_model=8), random_state=0)
        >>> folder = Path(tempfile.mkdtemp())
        >>> write_events(log, folder / "log.parquet")
        >>> scores = score_parquet(detector.fit(log), ParquetEvents(folder), folder / "scores.parquet", top=3)
        >>> scores.events, len(scores.lowest.events), pd.read_parquet(folder / "scores.parquet").shape
        (100, 3, (100, 4))
    """
    with scoring_bar(progress) as bar:
        task = bar.add_task("scoring", total=len(events))
        return score_pieces(
            detector,
            events,
            events.pieces,
            output,
            top=top,
            batch_rows=batch_rows,
            scored=lambda rows: bar.advance(task, rows),
        )


def score_pieces(
    detector: OCSFAnomalyDetector,
    events: ParquetEvents,
    pieces: Iterable[Piece],
    output: str | Path | None,
    *,
    top: int,
    batch_rows: int,
    scored: Callable[[int], None] = lambda rows: None,
) -> BulkScores:
    """Score some pieces of ``events`` into one file; see ``score_parquet``.

    Args:
        detector: fitted.
        events: the files.
        pieces: some of ``events.pieces``.
        output: where the scores go, or ``None``.
        top: how many of the lowest to keep.
        batch_rows: events in memory at a time.
        scored: told after each batch how many events it had.
    """
    result = BulkScores(LowestScores(top))
    columns = detector.preprocessor_.input_columns(events.columns)
    columns = list(dict.fromkeys([*columns, *(c for c in (KEY, TIME) if c in events.columns)]))

    def tables() -> Iterator[pa.Table]:
        for piece in pieces:
            for batch in events.batches(piece, columns, rows=batch_rows):
                scores = _scores(detector, batch)
                unusual = scores < detector.offset_
                result.events += len(scores)
                result.anomalies += int(unusual.sum())
                result.lowest.push_batch(scores, piece.file, batch)
                yield _table(batch, scores, unusual)
                scored(len(scores))

    if output is None:
        for _ in tables():
            pass
    else:
        write_in_groups(tables(), Path(output))
    return result


def write_in_groups(tables: Iterable[pa.Table], path: Path) -> None:
    """Write tables of one schema as one Parquet file, whole or not at all, a row group in memory at a time.

    Raises:
        InputError: the file cannot be written, or there is no table.
    """
    writer: pq.ParquetWriter | None = None
    waiting: list[pa.Table] = []
    with written_aside(path) as aside:
        try:
            for table in tables:
                # Ids and scores differ in every row; only the name of the file repeats itself.
                options = {"compression": "zstd", "use_dictionary": ["file"]}
                writer = writer or pq.ParquetWriter(aside, table.schema, **options)
                waiting.append(table)
                if sum(map(len, waiting)) >= GROUP_ROWS:
                    writer.write_table(pa.concat_tables(waiting))
                    waiting = []
            if writer is None:
                raise InputError(f"{path}: there is no score to write")
            if waiting:
                writer.write_table(pa.concat_tables(waiting))
        finally:
            if writer is not None:
                writer.close()


def _scores(detector: OCSFAnomalyDetector, batch: EventBatch) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # it would come again with every batch
        return detector.score_samples(batch.frame)


def _table(batch: EventBatch, scores: np.ndarray, unusual: np.ndarray) -> pa.Table:
    """Scores of a batch as they are written."""
    columns = {KEY: pa.array(batch.frame[KEY].astype("string"), pa.string())} if KEY in batch.frame else {}
    columns |= {
        "file": pa.array([batch.path] * len(scores), pa.string()),
        "row": pa.array(batch.rows, pa.int64()),
        "score": pa.array(scores, pa.float64()),
        "is_anomaly": pa.array(unusual, pa.bool_()),
    }
    return pa.table(columns)
