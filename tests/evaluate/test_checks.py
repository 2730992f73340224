"""Each check finds the fault it is for, and nothing where there is none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ocsf_ssl_lib import InputError, check_split, simulate_events, single_column_auc, split_by_time
from ocsf_ssl_lib.evaluate.checks import MISSING_PATTERN


def log(n: int = 40) -> pd.DataFrame:
    ids = [f"e{k}" for k in range(n)]
    return pd.DataFrame({"metadata.uid": ids, "time": np.arange(n), "port": np.arange(n) % 7, "user": ["ann"] * n})


def test_a_split_by_time_is_sound() -> None:
    check = check_split(*split_by_time(log()))
    assert check.sound
    assert (check.same_ids, check.not_later) == (0, 0)


def test_events_on_both_sides_are_counted_by_id() -> None:
    check = check_split(log(), log().tail(3).assign(time=100, port=99))
    assert not check.sound
    assert (check.same_ids, check.not_later, check.equal_rows) == (3, 0, 0)


def test_a_random_split_is_not_later() -> None:
    test = log().sample(10, random_state=0)
    check = check_split(log().drop(test.index), test)
    assert not check.sound
    assert check.not_later is not None
    assert check.not_later >= 8


@pytest.mark.parametrize("values", [[80, None], ["80", None], [80.0, float("nan")]])
def test_equal_rows_are_found_whatever_the_type_of_the_day(values: list[object]) -> None:
    train = pd.DataFrame({"port": [80, None, 22], "user": ["ann", "ann", "bob"]})
    test = pd.DataFrame({"port": values, "user": ["ann", "ann"]})
    check = check_split(train, test)
    assert (check.equal_rows, check.same_ids, check.not_later) == (2, None, None)
    assert check_split(train, test.assign(user="eve"), columns=["port"]).equal_rows == 2
    assert check_split(train, test.assign(user="eve")).equal_rows == 0


def test_a_row_is_equal_only_in_the_right_combination() -> None:
    train = pd.DataFrame({"a": ["x", "y"], "b": ["1", "2"]})
    assert check_split(train, pd.DataFrame({"a": ["x", "y"], "b": ["2", "1"]})).equal_rows == 0


def test_what_cannot_be_checked_is_refused() -> None:
    with pytest.raises(InputError, match="no events in test"):
        check_split(log(), log().head(0))
    with pytest.raises(InputError, match="train has no column host"):
        check_split(log(), log(), columns=["host"])
    with pytest.raises(InputError, match="no column in common"):
        check_split(log()[["time"]], log()[["time"]])
    with pytest.raises(InputError, match="labels of shape"):
        single_column_auc(log(), np.zeros(3, bool))
    with pytest.raises(InputError, match="at least two anomalies"):
        single_column_auc(log(), np.arange(40) == 1)


def test_a_column_that_gives_the_label_away_is_first() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random(2000) < 0.05
    frame = pd.DataFrame({
        "noise": rng.normal(size=2000),
        "far out": rng.normal(size=2000) * np.where(truth, 50, 1),  # to both sides: no order of values shows it
        "gap": np.where(truth, None, "x"),
        "id": [f"e{k}" for k in range(2000)],
    })  # fmt: skip
    areas = single_column_auc(frame, truth)
    assert areas[["gap", MISSING_PATTERN]].tolist() == [1.0, 1.0]
    assert areas["far out"] > 0.9
    assert areas["id"] == 0.5
    assert abs(areas["noise"] - 0.5) < 0.12


def test_a_table_sorted_by_label_has_anomalies_in_both_halves() -> None:
    truth = np.arange(200) >= 180
    assert single_column_auc(pd.DataFrame({"leak": truth.astype(int)}), truth)["leak"] == 1.0


def test_no_column_of_the_simulated_events_gives_the_label_away() -> None:
    made = simulate_events(20_000, seed=3, anomaly_rate=0.02)
    areas = single_column_auc(made.frame.drop(columns="time"), made.labels["is_anomaly"].to_numpy())
    assert areas.max() < 0.9
