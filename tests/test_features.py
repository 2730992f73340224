"""The preprocessor's contract: whatever comes in, numbers, ids and a mask come out, and no NaN."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from torch.utils.data import DataLoader

from ocsf_ssl_lib import Batch, DataWarning, FeatureArrays, InputError, OCSFDataset, OCSFPreprocessor
from ocsf_ssl_lib.vocabulary import MISSING_ID, NUM_RESERVED, UNKNOWN_ID

SMALL = pd.DataFrame({"user": ["ann", "bob"] * 10, "bytes": np.arange(20.0)})


def fitted(**options: object) -> OCSFPreprocessor:
    return OCSFPreprocessor(["bytes"], ["user"], **options).fit(SMALL)  # type: ignore[arg-type]


def ids(prep: OCSFPreprocessor, *users: object) -> list[int]:
    return prep.transform(pd.DataFrame({"user": list(users), "bytes": 1.0})).categorical[:, 0].tolist()


# ---- what was not there in training ----------------------------------------------------------------------------


def test_a_value_never_seen_is_unknown_and_a_value_missing_is_missing() -> None:
    assert ids(fitted(), "bob", "eve", None, np.nan, "ann") == [4, UNKNOWN_ID, MISSING_ID, MISSING_ID, 3]


def test_a_column_never_seen_is_ignored() -> None:
    prep = fitted()
    expected, wider = (
        prep.transform(SMALL),
        prep.transform(SMALL.assign(other="x", aaa=1.0)[["other", "bytes", "user", "aaa"]]),
    )
    for a, b in zip(expected, wider, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("column", ["user", "bytes"])
def test_an_absent_column_is_refused_by_name_with_the_remedy(column: str) -> None:
    with pytest.raises(InputError, match=rf"absent: {column}; .*on_missing_column='missing'"):
        fitted().transform(SMALL.drop(columns=column))


def test_an_absent_column_counts_as_missing_when_asked() -> None:
    out = fitted(on_missing_column="missing").transform(pd.DataFrame({"z": [1, 2]}))
    assert out.categorical.tolist() == [[MISSING_ID], [MISSING_ID]]
    assert out.missing_mask.all()
    assert (out.numerical == 0).all()


def test_a_derived_column_whose_source_is_absent_is_named_by_the_source() -> None:
    frame = pd.DataFrame({"time": 1_700_000_000_000 + np.arange(10) * 3_600_000})
    prep = OCSFPreprocessor([], ["time@hour"], on_missing_column="error").fit(frame)
    with pytest.raises(InputError, match="absent: time;"):
        prep.transform(pd.DataFrame({"x": [1]}))
    prep.on_missing_column = "missing"
    assert prep.transform(pd.DataFrame({"x": [1]})).categorical.tolist() == [[MISSING_ID]]


def test_a_missing_number_is_zero_and_marked() -> None:
    out = fitted().transform(pd.DataFrame({"user": "ann", "bytes": [None, 9.5]}))
    assert out.missing_mask.tolist() == [[True], [False]]
    assert out.numerical[0, 0] == 0


@pytest.mark.parametrize("scaling", ["quantile", "standard"])
def test_an_infinity_is_beyond_the_extremes_and_not_missing(scaling: str) -> None:
    out = fitted(scaling=scaling).transform(pd.DataFrame({"user": "ann", "bytes": [-np.inf, 0, 19, np.inf]}))
    assert (np.diff(out.numerical[:, 0]) > 0).all()
    assert not out.missing_mask.any()


def test_text_in_a_column_of_numbers_is_parsed_and_the_rest_is_missing_with_one_warning() -> None:
    frame = pd.DataFrame({"user": "ann", "bytes": ["3", "4.5", "-", None, " 7 ", "rubbish"]})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        out = fitted().transform(frame)
    assert out.missing_mask[:, 0].tolist() == [False, False, True, True, False, True]
    assert [w.category for w in caught] == [DataWarning]
    assert "'bytes': 2 of 6" in str(caught[0].message)
    assert caught[0].filename == __file__  # points at the caller, not into the library


@pytest.mark.filterwarnings("ignore::ocsf_ssl_lib.errors.DataWarning")
@pytest.mark.parametrize(
    ("cells", "missing"),
    [
        ([[1, 2], {}, None, 3.0], [True, True, True, False]),
        ([True, "5", 2, None], [False, False, False, True]),
        ([10**400, -(10**400), "x", 1], [False, False, True, False]),
        (pd.array([1, None, 3, 4], dtype="Int64"), [False, True, False, False]),
        (pd.Categorical(["1", None, "3", "x"]), [False, True, False, True]),
        (pd.to_timedelta(["1s", None, "3s", "4s"]), [False, True, False, False]),
        ([None] * 4, [True] * 4),
        (pd.to_datetime([None] * 4), [True] * 4),
        ([np.float32(1), np.int8(2), np.nan, True], [False, False, True, False]),
    ],
    ids=range(9),
)
def test_cells_of_any_type_in_a_column_of_numbers_are_numbers_or_missing(cells: object, missing: list[bool]) -> None:
    out = fitted().transform(pd.DataFrame({"user": "ann", "bytes": cells}))
    assert out.missing_mask[:, 0].tolist() == missing
    assert np.isfinite(out.numerical).all()


def test_dates_in_a_column_of_numbers_are_refused() -> None:
    with pytest.raises(InputError, match="'bytes' holds times"):
        fitted().transform(pd.DataFrame({"user": "ann", "bytes": pd.to_datetime(["2024-01-01", None])}))


@pytest.mark.parametrize(
    "train", [[443, 443, 22], [443.0, 443, 22, None], ["443", "443", "22"], pd.array([443, 443, 22], "Int64")]
)
def test_a_port_is_one_category_as_integer_float_and_text(train: object) -> None:
    prep = OCSFPreprocessor([], ["port"], min_frequency=1).fit(pd.DataFrame({"port": train}))
    for column in ([443], [443.0, None], ["443"], pd.array([443], "Int64"), np.array([443], object)):
        assert prep.transform(pd.DataFrame({"port": column})).categorical[0, 0] == 3


@pytest.mark.parametrize("dtype", [object, "str", "string", "category"])
def test_the_dtype_of_text_does_not_matter(dtype: object) -> None:
    prep = OCSFPreprocessor(["bytes"], ["user"]).fit(SMALL.astype({"user": dtype}))
    assert ids(prep, "bob", None, "eve") == [4, MISSING_ID, UNKNOWN_ID]
    out = fitted().transform(pd.DataFrame({"user": pd.Series(["bob", None, "eve"], dtype=dtype), "bytes": 1}))
    assert out.categorical[:, 0].tolist() == [4, MISSING_ID, UNKNOWN_ID]


def test_true_is_not_the_category_one() -> None:
    prep = OCSFPreprocessor([], ["flag"], min_frequency=1).fit(pd.DataFrame({"flag": [True, False]}))
    out = prep.transform(pd.DataFrame({"flag": np.array([True, 1, "true", False], dtype=object)}))
    assert out.categorical[:, 0].tolist() == [4, UNKNOWN_ID, 4, 3]


def test_lists_in_cells_are_categories() -> None:
    frame = pd.DataFrame({"tags": [["a"], ["a"], ["a"], ["a", "b"], ["a", "b"]]})
    prep = OCSFPreprocessor([], ["tags"]).fit(frame)
    assert prep.transform(pd.DataFrame({"tags": [["a", "b"], ["b"], None]})).categorical[:, 0].tolist() == [4, 1, 2]


CELL = st.one_of(
    st.none(), st.text(max_size=3), st.integers(-5, 5), st.floats(), st.booleans(), st.lists(st.integers(), max_size=2)
)


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    train=st.lists(st.tuples(CELL, CELL), min_size=2, max_size=12),
    test=st.lists(st.tuples(CELL, CELL), max_size=6),
    scaling=st.sampled_from(["quantile", "standard"]),
    chosen=st.booleans(),
)
def test_no_nan_ever_comes_out_whatever_goes_in(train: list, test: list, scaling: str, chosen: bool) -> None:
    first, second = (pd.DataFrame(rows, columns=["a", "b"], dtype=object) for rows in (train, test))
    columns = (None, None) if chosen else (["a"], ["b"])
    prep = OCSFPreprocessor(*columns, scaling=scaling, min_frequency=1)  # type: ignore[arg-type]
    try:
        prep.fit(first)
    except InputError:
        return  # nothing to learn from
    for frame in (first, second):
        out = prep.transform(frame)
        assert (out.numerical.dtype, out.categorical.dtype, out.missing_mask.dtype) == (np.float32, np.int64, np.bool_)
        assert len(out.numerical) == len(out.categorical) == len(out.missing_mask) == len(frame)
        assert np.isfinite(out.numerical).all()
        assert (out.numerical[out.missing_mask] == 0).all()
        assert (out.categorical > 0).all()  # the mask id is the model's, not the data's
        assert (out.categorical < np.array(prep.cardinalities_)).all()


# ---- fit -------------------------------------------------------------------------------------------------------


def test_a_rare_value_counts_as_unknown_and_the_cap_keeps_the_frequent() -> None:
    frame = pd.DataFrame({"u": ["a"] * 6 + ["b"] * 4 + ["c"] * 2 + ["d"], "n": np.arange(13.0)})
    prep = OCSFPreprocessor(["n"], ["u"]).fit(frame)
    assert prep.vocabularies_["u"].values == ["a", "b", "c"]
    assert prep.cardinalities_ == [NUM_RESERVED + 3]
    assert prep.transform(frame).categorical[-1, 0] == UNKNOWN_ID
    assert OCSFPreprocessor(["n"], ["u"], max_categories=1).fit(frame).vocabularies_["u"].values == ["a"]
    assert OCSFPreprocessor(["n"], ["u"], min_frequency=1).fit(frame).cardinalities_ == [NUM_RESERVED + 4]


def test_the_order_of_the_rows_does_not_matter(events: pd.DataFrame) -> None:
    head = events.head(7)
    first = OCSFPreprocessor().fit(events)
    second = OCSFPreprocessor().fit(events.sample(frac=1, random_state=1))
    assert first.categorical_names_ == second.categorical_names_
    for a, b in zip(first.transform(head), second.transform(head), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_rows_are_transformed_each_on_its_own(events: pd.DataFrame) -> None:
    prep = OCSFPreprocessor().fit(events)
    whole = prep.transform(events)
    for row in (0, 17, 299):
        one = prep.transform(events.iloc[[row]])
        for a, b in zip(one, whole, strict=True):
            np.testing.assert_array_equal(a[0], b[row])


def test_an_index_with_repeats_does_not_mix_rows(events: pd.DataFrame) -> None:
    prep = OCSFPreprocessor().fit(events)
    for a, b in zip(prep.transform(events), prep.transform(events.set_axis([0] * len(events))), strict=True):
        np.testing.assert_array_equal(a, b)


def test_neither_fit_nor_transform_changes_the_table(events: pd.DataFrame) -> None:
    before = events.copy(deep=True)
    OCSFPreprocessor().fit(events).transform(events)
    pd.testing.assert_frame_equal(events, before)


def test_columns_are_chosen_from_the_data_and_the_report_says_why(events: pd.DataFrame) -> None:
    prep = OCSFPreprocessor().fit(events)
    assert prep.numerical_names_ == ["traffic.bytes"]
    assert prep.categorical_names_ == ["user.name", "dst_endpoint.port", "status_id", "time@hour", "time@weekday"]
    report = prep.column_report_.set_index("column")
    assert report.role["metadata.uid"] == "dropped"
    assert "repeats user.name" in report.reason["device.hostname"]
    assert report.role["time"] == "time"
    assert prep.get_feature_names_out().tolist() == prep.numerical_names_ + prep.categorical_names_


def test_a_column_you_did_not_name_is_reported_as_left_out() -> None:
    report = OCSFPreprocessor(["bytes"]).fit(SMALL.assign(other=np.random.default_rng(0).normal(size=20)))
    rows = report.column_report_.set_index("column")
    assert rows.role.to_dict() == {"user": "categorical", "other": "dropped", "bytes": "numerical"}
    assert report.numerical_names_ == ["bytes"]


@pytest.mark.parametrize("kind", [list, tuple, pd.Index, np.array])
def test_columns_may_be_named_in_any_kind_of_list(kind: Callable[[list[str]], object]) -> None:
    prep = OCSFPreprocessor(kind(["bytes"]), kind(["user"])).fit(SMALL)  # type: ignore[arg-type]
    assert (prep.numerical_names_, prep.categorical_names_) == (["bytes"], ["user"])


def test_tables_with_only_numbers_or_only_categories_work() -> None:
    out = OCSFPreprocessor(["bytes"], []).fit(SMALL).transform(SMALL)
    assert (out.numerical.shape, out.categorical.shape) == ((20, 1), (20, 0))
    out = OCSFPreprocessor([], ["user"]).fit(SMALL).transform(SMALL)
    assert (out.numerical.shape, out.categorical.shape, out.missing_mask.shape) == ((20, 0), (20, 1), (20, 0))


def test_no_row_and_one_row_are_transformed() -> None:
    for n in (0, 1):
        for array, width in zip(fitted().transform(SMALL.head(n)), (1, 1, 1), strict=True):
            assert array.shape == (n, width)


def test_named_columns_that_are_constant_are_kept_and_finite() -> None:
    frame = pd.DataFrame({"user": ["ann"] * 5, "bytes": [7.0] * 5})
    out = OCSFPreprocessor(["bytes"], ["user"]).fit(frame).transform(frame)
    assert (out.numerical == 0).all()
    assert (out.categorical == 3).all()


@pytest.mark.parametrize(
    ("frame", "options", "message"),
    [
        (pd.DataFrame({"a": [1] * 9, "b": ["x"] * 9}), {}, "no column varies"),
        (SMALL.head(1), {}, "1 event.*at least 2"),
        (SMALL.head(0), {}, "0 event"),
        (pd.DataFrame(), {}, "0 event"),
        (SMALL, {"numerical_cols": ["byte"]}, "no such column: byte; the events have 2 columns: user, bytes"),
        (SMALL, {"numerical_cols": ["bytes"], "categorical_cols": ["bytes"]}, "named twice: bytes"),
        (SMALL, {"numerical_cols": "bytes"}, "numerical_cols must be a list"),
        (SMALL, {"categorical_cols": ["user@hour"]}, "'user' holds no times"),
        (SMALL.assign(bytes="x"), {"numerical_cols": ["bytes"]}, "holds no finite number"),
        (SMALL, {"numerical_cols": [], "categorical_cols": []}, "nothing to learn from"),
        (pd.concat([SMALL, SMALL], axis=1), {}, "used more than once: bytes, user"),
        (pd.DataFrame(np.zeros((4, 2))), {}, "column names must be text"),
        (SMALL, {"timezone": "Mars/Base"}, "no such time zone: 'Mars/Base'"),
        (SMALL, {"on_missing_column": "ignore"}, "on_missing_column must be"),
        (SMALL, {"max_categories": 0}, "max_categories must be positive"),
        (SMALL, {"scaling": "robust"}, "scaling must be"),
        (SMALL.to_dict("list"), {}, "must be a pandas DataFrame"),
    ],
)
@pytest.mark.filterwarnings("ignore::ocsf_ssl_lib.errors.DataWarning")
def test_what_cannot_be_learned_from_is_refused_in_one_line(frame: object, options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        OCSFPreprocessor(**options).fit(frame)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_duplicate_column_names_are_refused_at_transform_time_too() -> None:
    with pytest.raises(InputError, match="more than once: user"):
        fitted().transform(pd.concat([SMALL, SMALL[["user"]]], axis=1))


# ---- hour and weekday ------------------------------------------------------------------------------------------


def hours(times: object, timezone: str = "UTC", part: str = "hour") -> list[str]:
    frame = pd.DataFrame({"time": times})
    prep = OCSFPreprocessor([], [f"time@{part}"], timezone=timezone, min_frequency=1).fit(frame)
    column = prep.transform(frame).categorical[:, 0]
    return [prep.vocabularies_[f"time@{part}"].decode(int(i)) for i in column]


MIDNIGHT = 1_704_067_200_000  # Monday, 2024-01-01T00:00Z


def test_hour_and_weekday_are_read_off_in_the_time_zone() -> None:
    assert hours([MIDNIGHT, MIDNIGHT + 3_600_000]) == ["00", "01"]
    assert hours([MIDNIGHT, MIDNIGHT + 3_600_000], "America/New_York") == ["19", "20"]
    assert hours([MIDNIGHT, MIDNIGHT + 3_600_000], "Asia/Kolkata") == ["05", "06"]
    assert hours([MIDNIGHT, MIDNIGHT], "UTC", "weekday") == ["Mon", "Mon"]
    assert hours([MIDNIGHT, MIDNIGHT], "America/New_York", "weekday") == ["Sun", "Sun"]


def test_summer_time_is_kept() -> None:
    summer = pd.Timestamp("2024-07-01T12:00Z").value // 10**6
    assert hours([MIDNIGHT, summer], "Europe/Berlin") == ["01", "14"]


@pytest.mark.parametrize(
    "times",
    [
        pd.to_datetime([MIDNIGHT, None], unit="ms"),
        pd.to_datetime([MIDNIGHT, None], unit="ms", utc=True).tz_convert("Asia/Tokyo"),
        ["2024-01-01T00:30:00Z", None],
        [MIDNIGHT / 1000, np.nan],
        pd.array([MIDNIGHT * 1000, None], dtype="Int64"),
    ],
    ids=range(5),
)
def test_times_of_any_kind_give_the_same_hour_and_a_missing_time_is_missing(times: object) -> None:
    assert hours(times) == ["00", "<missing>"]


@pytest.mark.parametrize("bad", [0, -1, 1e300, np.inf, "yesterday", "", True, [1]], ids=str)
def test_a_time_that_is_none_is_missing_and_stops_neither_its_neighbours_nor_itself(bad: object) -> None:
    train = pd.DataFrame({"time": [MIDNIGHT] * 9})
    prep = OCSFPreprocessor([], ["time@hour", "time@weekday"]).fit(train)
    for good in ([], [MIDNIGHT], [MIDNIGHT] * 30):
        out = prep.transform(pd.DataFrame({"time": pd.Series([bad, *good], dtype=object)}))
        assert out.categorical.tolist() == [[MISSING_ID, MISSING_ID]] + [[3, 3]] * len(good)


def test_a_few_bad_times_among_many_are_missing_in_training_too() -> None:
    assert hours([1e300, np.inf] + [float(MIDNIGHT)] * 300)[:3] == ["<missing>", "<missing>", "00"]


def test_times_in_mixed_units_are_read_each_in_its_own() -> None:
    assert hours([MIDNIGHT, MIDNIGHT * 10**6, MIDNIGHT // 1000]) == ["00"] * 3


def test_a_column_name_with_an_at_sign_is_a_column() -> None:
    frame = pd.DataFrame(
        {"@timestamp": MIDNIGHT + np.arange(50) * 7_200_000, "a@b": ["x", "y"] * 25, "n": np.arange(50.0)}
    )
    prep = OCSFPreprocessor().fit(frame)
    assert prep.categorical_names_ == ["a@b", "@timestamp@hour", "@timestamp@weekday"]
    out = prep.transform(frame)
    assert (out.categorical >= NUM_RESERVED).all()
    with pytest.raises(InputError, match="absent: @timestamp;"):
        prep.transform(frame.drop(columns="@timestamp"))


def test_only_hour_and_weekday_can_be_derived() -> None:
    with pytest.raises(InputError, match="only @hour and @weekday"):
        OCSFPreprocessor([], ["time@minute"]).fit(pd.DataFrame({"time": [MIDNIGHT] * 3}))


# ---- scikit-learn's contract -----------------------------------------------------------------------------------


def test_the_preprocessor_keeps_scikit_learns_contract() -> None:
    prep = OCSFPreprocessor(["bytes"], ["user"], scaling="standard")
    copy = clone(prep)
    assert copy.get_params() == prep.get_params()
    assert prep.fit(SMALL) is prep
    assert not hasattr(clone(prep), "vocabularies_")
    with pytest.raises(NotFittedError):
        OCSFPreprocessor().transform(SMALL)
    for a, b in zip(copy.fit_transform(SMALL), prep.transform(SMALL), strict=True):
        np.testing.assert_array_equal(a, b)


def test_scikit_learns_pandas_output_does_not_touch_the_arrays() -> None:
    with sklearn.config_context(transform_output="pandas"):
        out = fitted().transform(SMALL)
    assert isinstance(out, FeatureArrays)
    assert isinstance(out.numerical, np.ndarray)


# ---- OCSFDataset -----------------------------------------------------------------------------------------------


def dataset(n: int) -> OCSFDataset:
    return OCSFDataset(
        FeatureArrays(
            np.arange(n, dtype=np.float32)[:, None], np.arange(n)[:, None] + NUM_RESERVED, np.zeros((n, 1), bool)
        )
    )


@pytest.mark.parametrize(
    ("n", "sizes"),
    [(9, [4, 5]), (8, [4, 4]), (10, [4, 4, 2]), (1, [1]), (4, [4]), (5, [5]), (3, [3]), (0, [])],
)
def test_a_last_row_on_its_own_joins_the_batch_before_it(n: int, sizes: list[int]) -> None:
    data = dataset(n)
    assert [len(b.categorical) for b in data.batches(4)] == sizes
    assert data.num_batches(4) == len(sizes)
    shuffled = [b.categorical for b in data.batches(4, generator=torch.Generator().manual_seed(0))]
    assert [len(b) for b in shuffled] == sizes
    if n:
        assert sorted(torch.cat(shuffled).flatten().tolist()) == list(range(3, n + 3))


def test_rows_stay_together_and_order_follows_the_generator() -> None:
    data = dataset(50)

    def order(seed: int) -> list[float]:
        batches = list(data.batches(8, generator=torch.Generator().manual_seed(seed)))
        for batch in batches:
            assert torch.equal(batch.numerical.long() + NUM_RESERVED, batch.categorical)
        return torch.cat([b.numerical for b in batches]).flatten().tolist()

    assert order(1) == order(1) != order(2)
    assert torch.cat([b.numerical for b in data.batches(8)]).flatten().tolist() == list(range(50))


def test_a_dataset_gives_rows_to_a_data_loader() -> None:
    data = OCSFDataset.from_frame(fitted(), SMALL)
    assert len(data) == 20
    assert isinstance(data[3], Batch)
    assert data[3].numerical.shape == (1,)
    batches = list(DataLoader(data, batch_size=8))
    assert isinstance(batches[0], Batch)
    torch.testing.assert_close(torch.cat([b.numerical for b in batches]), data.tensors.numerical)


def test_a_dataset_can_be_moved_and_the_original_stays() -> None:
    data = dataset(3)
    moved = data.to("meta")
    assert moved.tensors.numerical.device.type == "meta"
    assert data.tensors.numerical.device.type == "cpu"


def test_a_dataset_of_more_rows_than_float32_can_count_has_a_fingerprint() -> None:
    n = 2**25 + 4  # the last row's number would be rounded up, to one that is not there
    column = torch.zeros(1, 1).expand(n, 1)
    data = OCSFDataset.of(Batch(column, column, column))
    assert data.fingerprint().startswith(f"{n} events, ")
