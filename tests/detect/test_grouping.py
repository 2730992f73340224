from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ocsf_ssl_lib import InputError, OCSFPreprocessor
from ocsf_ssl_lib.detect.grouping import GAP, group_alerts, group_ids

START = 1_700_000_000_000
HOUR = 3_600_000


@pytest.fixture(scope="module")
def preprocessor() -> OCSFPreprocessor:
    rng = np.random.default_rng(0)
    train = pd.DataFrame(
        {
            "user.name": rng.choice(["ann", "bob"], 400),
            "dst_endpoint.port": rng.choice([22, 443], 400),
            "bytes": rng.lognormal(8, 1, 400),
            "time": START + np.arange(400) * HOUR,
        }
    )
    return OCSFPreprocessor(["bytes"], ["user.name", "dst_endpoint.port", "time@hour"]).fit(train)


def alerts(**changes: object) -> pd.DataFrame:
    """Four equal events a minute apart; ``changes`` replaces columns."""
    events = {
        "metadata.uid": [f"e{i}" for i in range(4)],
        "time": START + np.arange(4) * 60_000,
        "user.name": ["ann"] * 4,
        "dst_endpoint.port": [443] * 4,
        "bytes": [3000.0, 3001.0, 3002.0, 3003.0],
        "process.pid": [1, 2, 3, 3],
    }
    return pd.DataFrame(events | changes)


def ids(events: pd.DataFrame, preprocessor: OCSFPreprocessor, **options: object) -> list[int]:
    return group_ids(events, preprocessor, **options).tolist()


def test_a_burst_is_one_line(preprocessor: OCSFPreprocessor) -> None:
    table = group_alerts(alerts(), np.array([-1.0, -3.0, -2.0, -3.0]), preprocessor)
    assert table.to_dict("records") == [
        {
            "row": 1,
            "score": -3.0,
            "count": 4,
            "first": START,
            "last": START + 180_000,
            "varies": ("bytes", "process.pid"),
        }
    ]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"user.name": ["ann", "bob", "ann", "bob"]}, [0, 1, 0, 1]),
        ({"user.name": ["ann", None, "ann", None]}, [0, 1, 0, 1]),
        ({"user.name": ["new1", "new2", "new1", "ann"]}, [0, 1, 0, 2]),  # never seen in training: one id, two values
        ({"dst_endpoint.port": [443, 443.0, "443", "22"]}, [0, 0, 0, 1]),
        ({"bytes": [3000.0, 30.0, 3001.0, None]}, [0, 1, 0, 2]),
        ({"time": [START, START + GAP, START + 2 * GAP, START + 3 * GAP]}, [0, 0, 0, 0]),
        ({"time": [START, START + GAP + 1, START, START + GAP + 1]}, [0, 1, 0, 1]),
        ({"time": [START, None, START + 1, None]}, [0, 1, 0, 1]),
        ({"time": [None] * 4}, [0, 0, 0, 0]),
    ],
)
def test_what_differs_in_a_field_that_matters_or_comes_late_is_another_group(
    changes: dict[str, object], expected: list[int], preprocessor: OCSFPreprocessor
) -> None:
    assert ids(alerts(**changes), preprocessor) == expected


def test_columns_may_be_ignored(preprocessor: OCSFPreprocessor) -> None:
    scan = alerts(**{"dst_endpoint.port": [1, 2, 3, 4]})
    assert ids(scan, preprocessor) == [0, 1, 2, 3]
    assert ids(scan, preprocessor, ignore=["dst_endpoint.port"]) == [0, 0, 0, 0]
    table = group_alerts(scan, np.zeros(4), preprocessor, ignore=["dst_endpoint.port"])
    assert "dst_endpoint.port" in table["varies"][0]
    with pytest.raises(InputError, match=r"no column of the model: dst\.port"):
        group_ids(scan, preprocessor, ignore=["dst.port"])


def test_groups_do_not_depend_on_the_order_of_rows(preprocessor: OCSFPreprocessor) -> None:
    rng = np.random.default_rng(1)
    n = 2000
    events = pd.DataFrame(
        {
            "metadata.uid": [f"e{i}" for i in range(n)],
            "time": START + rng.integers(0, 200 * HOUR, n),
            "user.name": rng.choice(["ann", "bob", "eve", None], n),
            "dst_endpoint.port": rng.choice([22, 443], n),
            "bytes": rng.lognormal(8, 2, n),
        }
    )
    scores = rng.normal(size=n)
    order = rng.permutation(n)
    first = group_alerts(events, scores, preprocessor)
    second = group_alerts(events.iloc[order], scores[order], preprocessor)
    assert 2 < len(first) < n
    assert first["count"].sum() == n
    assert first["score"].is_monotonic_increasing
    np.testing.assert_array_equal(first["row"], order[second["row"]])
    pd.testing.assert_frame_equal(first.drop(columns="row"), second.drop(columns="row"))


def test_groups_agree_with_a_loop_written_out(preprocessor: OCSFPreprocessor) -> None:
    rng = np.random.default_rng(2)
    n = 300
    events = pd.DataFrame(
        {
            "time": START + rng.integers(0, 30 * HOUR, n),
            "user.name": rng.choice(["ann", "bob", "eve"], n),
            "dst_endpoint.port": 443,
            "bytes": rng.choice([3.0, 3000.0, np.nan], n),
        }
    )
    latest: dict[tuple, tuple[float, int]] = {}
    expected = np.empty(n, int)
    for k, i in enumerate(events["time"].sort_values(kind="stable").index):
        key = (events["user.name"][i], str(events["bytes"][i]))
        time, group = latest.get(key, (-np.inf, -1))
        group = group if events["time"][i] - time <= GAP else k
        latest[key], expected[i] = (events["time"][i], group), group
    np.testing.assert_array_equal(group_ids(events, preprocessor), pd.factorize(expected)[0])


def test_a_hundred_thousand_alerts_of_one_burst_are_one_row(
    preprocessor: OCSFPreprocessor,
) -> None:
    n = 100_000
    events = pd.concat([alerts()] * (n // 4), ignore_index=True)
    events["time"] = START + np.arange(n)
    events.loc[n - 1, "user.name"] = "bob"
    table = group_alerts(events, -np.arange(n, dtype=float), preprocessor)
    assert table["count"].tolist() == [1, n - 1]
    assert table["row"].tolist() == [n - 1, n - 2]


def test_no_alert_gives_an_empty_table_and_wrong_scores_are_refused(preprocessor: OCSFPreprocessor) -> None:
    table = group_alerts(alerts().head(0), np.empty(0), preprocessor)
    assert table.columns.tolist() == ["row", "score", "count", "first", "last", "varies"]
    assert table.empty
    with pytest.raises(InputError, match=r"4 events but scores of shape \(3,\)"):
        group_alerts(alerts(), np.zeros(3), preprocessor)
    with pytest.raises(InputError, match="gap must be 0"):
        group_ids(alerts(), preprocessor, gap=float("nan"))


def test_the_index_of_the_table_does_not_matter(preprocessor: OCSFPreprocessor) -> None:
    events = alerts().set_axis([7, 7, 7, 7])
    assert group_alerts(events, np.array([0.0, 0, 0, -1]), preprocessor)["row"].tolist() == [3]
