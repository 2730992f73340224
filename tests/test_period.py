"""Which events are in a period, whatever their times look like."""

from __future__ import annotations

import pandas as pd
import pytest

from ocsf_ssl_lib.period import Period

TIMES = pd.DataFrame({"time": ["2026-03-01T00:00:00Z", 1_772_323_201, 1_772_323_202_000, "no time", None]})


@pytest.mark.parametrize(
    ("since", "until", "inside"),
    [
        (None, None, [True, True, True, False, False]),
        (1_772_323_201_000, None, [False, True, True, False, False]),
        (None, 1_772_323_201_000, [True, False, False, False, False]),
        (1_772_323_201_000, 1_772_323_202_000, [False, True, False, False, False]),
    ],
)
def test_since_is_inside_until_is_not_and_an_event_without_time_never_is(
    since: float | None, until: float | None, inside: list[bool]
) -> None:
    period = Period(since, until)
    assert period.holds(Period.times(TIMES)).tolist() == inside
    assert bool(period) == (since is not None or until is not None)


def test_a_table_without_times_has_none_in_any_period() -> None:
    for frame in (TIMES[["time"]].rename(columns={"time": "x"}), TIMES[3:]):
        assert not Period(0).holds(Period.times(frame)).any()
    assert "needs a column 'time'" in str(Period(0).holds_nothing(float("nan"), float("nan")))
