"""A period of time, and which events are in it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from ocsf_ssl_lib.columns import epoch_milliseconds
from ocsf_ssl_lib.errors import InputError

__all__ = ["NO_TIME", "Period"]

NO_TIME = "a period (--since, --until) needs a column 'time' with the time of the event; there is none"


class Period(NamedTuple):
    """From ``since`` on and before ``until``, in epoch milliseconds; ``None`` leaves a side open.

    Example:
        >>> times = Period(since=1.7e12).times(pd.DataFrame({"time": [1_699_999_999_999, 1_700_000_000_000, None]}))
        >>> Period(since=1.7e12).holds(times).tolist()
        [False, True, False]
    """

    since: float | None = None
    until: float | None = None

    def __bool__(self) -> bool:
        """Whether it leaves anything out."""
        return self.since is not None or self.until is not None

    @staticmethod
    def times(frame: pd.DataFrame) -> pd.Series:
        """Epoch milliseconds of N events, NaN where ``time`` is missing or no time."""
        times = epoch_milliseconds(frame["time"], 0) if "time" in frame else None
        return pd.Series(np.nan, index=frame.index) if times is None else times

    def holds(self, times: pd.Series) -> np.ndarray:
        """(N,) bool; an event without a time is in no period."""
        keep = times.notna().to_numpy()
        if self.since is not None:
            keep = keep & (times >= self.since).to_numpy()
        if self.until is not None:
            keep = keep & (times < self.until).to_numpy()
        return keep

    @staticmethod
    def holds_nothing(first: float, last: float) -> InputError:
        """The error for events of which none is in the period: the first and the last time, if there is any."""
        if not first <= last:
            return InputError(NO_TIME)
        begin, end = (pd.to_datetime(t, unit="ms").isoformat(timespec="seconds") for t in (first, last))
        return InputError(f"no event in the period asked for; the events are from {begin} to {end} UTC")
