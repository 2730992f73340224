"""Stage 8a: what to train on and what to test on. In a log, the past and the future."""

from __future__ import annotations

import pandas as pd

from ocsf_ssl_lib.errors import InputError

__all__ = ["split_by_time"]


def split_by_time(
    frame: pd.DataFrame, test_fraction: float = 0.3, time: str = "time"
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The earlier events for training, the later ones for testing; equal times stay on one side.

    Args:
        frame: events with a column of times.
        test_fraction: share of the latest events, more than 0 and less than 1. The border falls between two times, so
            that the share is met as closely as equal times allow; neither side is ever empty.
        time: that column.

    Returns:
        ``(train, test)``; every test event is later than every training event.

    Raises:
        InputError: no such column, a missing time, no events, or all of them at one time.

    Example:
        >>> train, test = split_by_time(pd.DataFrame({"time": [3, 1, 2, 2]}), test_fraction=0.25)
        >>> sorted(train.time), sorted(test.time)
        ([1, 2, 2], [3])
    """
    if not 0 < test_fraction < 1:
        raise InputError(f"test_fraction must be between 0 and 1, however: {test_fraction=}")
    if time not in frame.columns:
        raise InputError(f"no column {time!r} to split by; name the column that holds the time")
    if frame[time].isna().any():
        raise InputError(f"{int(frame[time].isna().sum())} events have no {time!r}; drop them before splitting by time")
    if frame.empty:
        raise InputError("no events to split")
    first, last = frame[time].min(), frame[time].max()
    if first == last:
        raise InputError(
            f"all {len(frame)} event(s) have the same {time!r}, {first}: nothing is earlier; "
            "take events of a longer period, or a column with finer times"
        )
    border = frame[time].sort_values().iloc[min(len(frame) - 1, int(len(frame) * (1 - test_fraction)))]
    if border == first:  # so many events share the first time that nothing would be left to train on
        border = frame.loc[frame[time] > first, time].min()
    return frame[frame[time] < border], frame[frame[time] >= border]
