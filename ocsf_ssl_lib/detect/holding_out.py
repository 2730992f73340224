"""Stage 7b: which events a detector is trained on, and which it keeps back to judge itself by."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from ocsf_ssl_lib.features import OCSFDataset, OCSFPreprocessor
from ocsf_ssl_lib.parquet_events import ParquetEvents
from ocsf_ssl_lib.period import Period
from ocsf_ssl_lib.pretraining import held_out_rows
from ocsf_ssl_lib.streaming import EventStream

__all__ = ["Parts", "hold_out_files", "hold_out_rows"]

HELD_ROWS = 100_000  # of files: at most so many events are held out, in memory


class Parts(NamedTuple):
    """Two parts without a common event.

    Attributes:
        train: events to train on, in memory or streamed from files.
        held: events held out, in memory; ``None`` if two cannot be spared.
        times: epoch milliseconds of the latter, NaN where unknown; ``None`` as ``held``.
    """

    train: OCSFDataset | EventStream
    held: OCSFDataset | None = None
    times: np.ndarray | None = None


def hold_out_rows(frame: pd.DataFrame, data: OCSFDataset, fraction: float, seed: int) -> Parts:
    """Rows drawn at random from a table; ``data`` is what the preprocessor makes of it."""
    kept, out = held_out_rows(len(data), fraction, seed)
    if not len(out):
        return Parts(data)
    return Parts(data.rows(kept), data.rows(out), Period.times(frame.iloc[out]).to_numpy("float64"))


def hold_out_files(events: ParquetEvents, preprocessor: OCSFPreprocessor, fraction: float) -> Parts:
    """Some stretches of events in files, the last ones of row groups (``ParquetEvents.hold_out``)."""
    rows = min(HELD_ROWS, int(len(events) * fraction))
    if rows < 2:
        return Parts(EventStream(events, preprocessor))
    train, held = events.hold_out(rows)
    needed = preprocessor.input_columns(events.columns)
    if "time" in events.columns and "time" not in needed:
        needed.append("time")  # for a threshold per day
    frame = held.sample(len(held), needed)
    times = Period.times(frame).to_numpy("float64")
    return Parts(EventStream(train, preprocessor), OCSFDataset.from_frame(preprocessor, frame), times)
