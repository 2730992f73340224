"""Which columns a model sees, and the reason given for each that it does not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ocsf_ssl_lib.columns import choose_columns, default_protected, epoch_milliseconds

N = 400
RNG = np.random.default_rng(0)
CODES = RNG.integers(0, 5, N)


def verdict(column: object, name: str = "x", **others: object) -> tuple[str, str]:
    """Role and reason of one column, beside another that varies."""
    frame = pd.DataFrame({name: column, **others, "beside": CODES})
    report = choose_columns(frame).report.set_index("column")
    return report.role[name], report.reason[name]


@pytest.mark.parametrize(
    ("name", "column", "reason"),
    [
        ("x", ["same"] * N, "constant: always 'same'"),
        ("x", [1.5] * N, "constant"),
        ("x", [None] * N, "empty"),
        ("x", [np.nan] * N, "empty"),
        ("x", [f"{i:x}-{i * 7}" for i in range(N)], "identifier: 100%"),
        ("session_uid", np.arange(N), "identifier"),
        ("process.pid", RNG.integers(300, 60_000, N), "hands out anew"),
        ("actor.user.uid", [f"u{i}" for i in range(N)], "identifier"),
        ("start_time", 1_700_000_000_000 + np.arange(N) * 1000, "another time"),
        ("when", pd.date_range("2024", periods=N, freq="h"), "another time"),
    ],
)
def test_a_column_that_says_nothing_is_dropped_with_the_reason(name: str, column: object, reason: str) -> None:
    role, why = verdict(column, name, time=1_700_000_000_000 + np.arange(N) * 3_600_000)
    assert role == "dropped"
    assert reason in why


def test_one_value_beside_gaps_is_counted_in_the_singular() -> None:
    assert verdict(["AWS", None] * (N // 2), "cloud.provider") == ("categorical", "text: 1 value")


def test_free_text_is_dropped() -> None:
    texts = [f"user {i % 150} " + "did something that takes many words to tell, " * 3 for i in range(N)]
    role, why = verdict(texts, "message")
    assert role == "dropped"
    assert "free text" in why


@pytest.mark.parametrize(
    ("name", "column", "role"),
    [
        ("x", RNG.normal(size=N), "numerical"),
        ("traffic.bytes", RNG.integers(0, 10**6, N), "numerical"),
        ("x", RNG.integers(0, 10**6, N).astype(str), "numerical"),
        ("x", RNG.integers(0, 9, N), "categorical"),
        ("dst_endpoint.port", RNG.choice([22, 53, 80, 443, *range(8000, 8050)], N), "categorical"),
        ("activity_id", RNG.integers(0, 99, N), "categorical"),
        ("x", RNG.random(N) < 0.5, "categorical"),
        ("x", np.array([True, None] * (N // 2), dtype=object), "categorical"),
        ("x", pd.array([True, None] * (N // 2), dtype="boolean"), "categorical"),
        ("x", RNG.choice(["a", "b"], N), "categorical"),
        ("x", pd.Categorical(RNG.choice(["a", "b"], N)), "categorical"),
        ("x", ["a", None] * (N // 2), "categorical"),  # constant where present: its absence tells something
        ("x", [[1, 2], [3]] * (N // 2), "categorical"),
        ("x", [(1, [2]), {"a": 1}] * (N // 2), "categorical"),
        ("x", [1.5, "text", None, True] * (N // 4), "categorical"),
    ],
)
def test_a_column_that_varies_is_taken(name: str, column: object, role: str) -> None:
    assert verdict(pd.Series(column), name)[0] == role


@pytest.mark.parametrize("name", ["user.name", "actor.user.uid", "device.hostname", "src_endpoint.ip"])
def test_users_and_hosts_stay_although_most_of_their_values_are_rare(name: str) -> None:
    names = [f"n{i}" for i in range(int(N * 0.7))] + ["common"] * (N - int(N * 0.7))
    assert verdict(names, name)[0] == "categorical"
    assert verdict(names, "note")[0] == "dropped"


def test_a_second_name_of_a_column_is_dropped_and_the_first_stays() -> None:
    frame = pd.DataFrame({"class_uid": CODES, "n": RNG.normal(size=N), "class_name": [f"class {c}" for c in CODES]})
    choice = choose_columns(frame)
    assert choice.categorical == ["class_uid"]
    reason = choice.report.set_index("column").reason["class_name"]
    assert "repeats class_uid" in reason


def test_columns_that_are_merely_alike_both_stay() -> None:
    other = CODES.copy()
    other[0] = (other[0] + 1) % 5
    assert choose_columns(pd.DataFrame({"a": CODES, "b": other})).categorical == ["a", "b"]


def test_every_column_stands_in_the_report_once_and_in_the_order_of_the_table() -> None:
    frame = pd.DataFrame({"b": CODES, "time": 1_700_000_000_000 + np.arange(N), "a": RNG.normal(size=N), "c": 1})
    choice = choose_columns(frame)
    assert choice.report.column.tolist() == ["b", "time", "a", "c"]
    assert choice.report.role.tolist() == ["categorical", "time", "numerical", "dropped"]
    assert (choice.report.reason.str.len() > 0).all()
    assert choice.time == "time"


def test_the_order_of_the_rows_does_not_matter() -> None:
    frame = pd.DataFrame({"a": CODES, "b": CODES % 2, "c": CODES * 2, "n": RNG.normal(size=N)})
    shuffled = frame.sample(frac=1, random_state=3)
    pd.testing.assert_frame_equal(choose_columns(frame).report, choose_columns(shuffled).report)


def test_the_index_of_the_table_does_not_matter() -> None:
    frame = pd.DataFrame({"a": CODES, "time": 1_700_000_000_000 + np.arange(N)})
    same_index = frame.set_axis([0] * N)
    pd.testing.assert_frame_equal(choose_columns(frame).report, choose_columns(same_index).report)


# ---- times -----------------------------------------------------------------------------------------------------

MOMENT = 1_700_000_000_123  # milliseconds


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([MOMENT, None]),
        pd.Series([MOMENT, None], dtype="Int64"),
        pd.Series([MOMENT / 1000, np.nan]),
        pd.Series([MOMENT * 1000, None], dtype="Int64"),
        pd.Series([MOMENT * 1_000_000, None], dtype="Int64"),
        pd.to_datetime(pd.Series([MOMENT, None]), unit="ms"),
        pd.to_datetime(pd.Series([MOMENT, None]), unit="ms", utc=True).dt.tz_convert("Asia/Tokyo"),
        pd.Series(["2023-11-14T22:13:20.123Z", None], dtype=object),
        pd.Series(["2023-11-14T23:13:20.123+01:00", None], dtype="str"),
    ],
    ids=lambda c: f"{c.dtype}",
)
def test_a_time_is_known_in_any_unit_and_dtype(column: pd.Series) -> None:
    out = epoch_milliseconds(column)
    assert out is not None
    assert out.iloc[0] == pytest.approx(MOMENT, abs=1)
    assert np.isnan(out.iloc[1])


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([1.0, 2.0]),
        pd.Series([443, 22]),
        pd.Series([True, False]),
        pd.Series(["a", "b"]),
        pd.Series(["2024-01-01 is a date", "no"]),
        pd.Series([np.inf, np.nan]),
        pd.Series([None, None], dtype=object),
        pd.Series([], dtype="float64"),
    ],
    ids=range(8),
)
def test_what_is_no_time_is_not_taken_for_one(column: pd.Series) -> None:
    assert epoch_milliseconds(column) is None


def test_one_bad_text_among_many_times_is_a_missing_time() -> None:
    texts = ["-", *pd.date_range("2024", periods=300, freq="h").strftime("%Y-%m-%dT%H:%M:%SZ")]
    out = epoch_milliseconds(pd.Series(texts))
    assert out is not None
    assert np.isnan(out[0])
    assert out[1:].notna().all()


@pytest.mark.parametrize("name", ["time", "Time", "@timestamp", "event_time", "time_dt"])
def test_the_time_of_the_event_is_found_by_its_name(name: str) -> None:
    assert choose_columns(pd.DataFrame({"a": CODES, name: MOMENT + np.arange(N) * 1000})).time == name


def test_ocsfs_own_time_comes_before_other_times() -> None:
    frame = pd.DataFrame({"start_time": MOMENT + np.arange(N), "time": MOMENT + 2 * np.arange(N), "a": CODES})
    assert choose_columns(frame).time == "time"
    assert choose_columns(frame.drop(columns="time")).time == "start_time"


def test_the_time_of_something_in_the_event_is_not_the_time_of_the_event() -> None:
    choice = choose_columns(pd.DataFrame({"file.created_time": MOMENT + np.arange(N), "a": CODES}))
    assert choice.time is None
    assert choice.report.role.tolist() == ["dropped", "categorical"]


# ---- protected columns -----------------------------------------------------------------------------------------


def test_columns_that_are_the_meaning_of_an_event_are_protected_by_default() -> None:
    protected = ["status", "status_id", "severity_id", "activity_name", "class_uid", "type_uid", "action", "Severity"]
    free = ["user.name", "dst_endpoint.port", "time@hour", "transaction", "subactivity_id"]
    assert default_protected(protected + free) == protected
    assert default_protected(["unmapped.status_id", "http_status"]) == ["unmapped.status_id", "http_status"]
