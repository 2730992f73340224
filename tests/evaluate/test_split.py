"""A split by time trains on the past and tests on the future, and on something each."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ocsf_ssl_lib import InputError, split_by_time


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 20), min_size=2, max_size=60), st.floats(0.05, 0.95))
def test_a_split_by_time_never_overlaps_and_loses_nothing(times: list[int], fraction: float) -> None:
    frame = pd.DataFrame({"time": times, "row": range(len(times))})
    assume(len(set(times)) > 1)
    train, test = split_by_time(frame, fraction)
    assert sorted([*train.row, *test.row]) == list(range(len(times)))
    assert train.time.max() < test.time.min()  # neither is empty: NaN compares false


def test_a_split_by_time_does_not_depend_on_the_order_of_the_rows() -> None:
    frame = pd.DataFrame({"time": np.arange(100), "row": range(100)})
    train, test = split_by_time(frame.sample(frac=1, random_state=0), 0.3)
    assert sorted(train.row) == list(range(70))
    assert sorted(test.row) == list(range(70, 100))


@pytest.mark.parametrize("fraction", [0, 1, -0.1, float("nan")])
def test_a_split_needs_a_share_between_zero_and_one(fraction: float) -> None:
    with pytest.raises(InputError, match="test_fraction"):
        split_by_time(pd.DataFrame({"time": [1, 2]}), fraction)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({"when": [1, 2]}), "no column 'time'"),
        (pd.DataFrame({"time": [1, None, 2]}), "1 events have no 'time'"),
        (pd.DataFrame({"time": []}), "no events"),
        (pd.DataFrame({"time": [7, 7, 7]}), "all 3 event.* have the same 'time', 7.*longer period"),
        (pd.DataFrame({"time": [7]}), "all 1 event"),
    ],
)
def test_a_split_without_usable_times_is_refused(frame: pd.DataFrame, message: str) -> None:
    with pytest.raises(InputError, match=message):
        split_by_time(frame)


def test_many_events_at_the_first_time_leave_something_to_train_on() -> None:
    train, test = split_by_time(pd.DataFrame({"time": [1, 1, 1, 1, 1, 2]}), 0.3)
    assert train.time.tolist() == [1] * 5
    assert test.time.tolist() == [2]
