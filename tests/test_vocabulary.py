"""Category keys do not depend on the dtype of the day, and ids not on the order of the rows."""

from __future__ import annotations

import datetime as dt
import decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocsf_ssl_lib.vocabulary import (
    MASK_ID,
    MISSING_ID,
    NUM_RESERVED,
    UNKNOWN_ID,
    Vocabulary,
    canonical_key,
    canonical_keys,
)


def keys_of(column: pd.Series) -> list[str | None]:
    codes, keys = canonical_keys(column)
    return [None if c < 0 else keys[c] for c in codes]


def test_three_ids_are_reserved() -> None:
    assert (MASK_ID, UNKNOWN_ID, MISSING_ID, NUM_RESERVED) == (0, 1, 2, 3)
    vocabulary = Vocabulary(["a"])
    assert [vocabulary.decode(i) for i in range(4)] == ["<mask>", "<unknown>", "<missing>", "a"]
    assert len(vocabulary) == 4


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (443, "443"),
        (443.0, "443"),
        (np.int16(443), "443"),
        (np.float32(443), "443"),
        ("443", "443"),
        (-0.0, "0"),
        (0.1, "0.1"),
        (np.float32(0.1), "0.1"),
        (True, "true"),
        (np.bool_(False), "false"),
        (float("inf"), "inf"),
        (None, None),
        (float("nan"), None),
        (pd.NA, None),
        (pd.NaT, None),
        ("", ""),
        ([1, "a"], '[1,"a"]'),
        ((1, "a"), '[1,"a"]'),
        (np.array([1, 2]), "[1,2]"),
        ({"b": 1, "a": 2}, '{"a":2,"b":1}'),
        (decimal.Decimal("1.5"), "1.5"),
    ],
)
def test_the_key_of_a_value_is_canonical_text(value: object, key: str | None) -> None:
    assert canonical_key(value) == key


INTEGERS = [
    pd.Series([1, 2, 1], dtype="int64"),
    pd.Series([1, 2, 1], dtype="uint8"),
    pd.Series([1.0, 2.0, 1.0], dtype="float32"),
    pd.Series([1, 2, 1], dtype="Int64"),
    pd.Series([1, 2, 1], dtype="int64[pyarrow]"),
    pd.Series(["1", "2", "1"], dtype=object),
    pd.Series(["1", "2", "1"], dtype="string"),
    pd.Series(["1", "2", "1"], dtype="str"),
    pd.Series([1, 2.0, "1"], dtype=object),
    pd.Series([1, 2, 1], dtype="category"),
    pd.Series(["1", "2", "1"], dtype="category"),
]


@pytest.mark.parametrize("column", INTEGERS, ids=lambda c: str(c.dtype))
def test_the_dtype_of_a_column_does_not_change_its_keys(column: pd.Series) -> None:
    assert keys_of(column) == ["1", "2", "1"]
    with_null = column.astype("object").where([True, False, True], None)
    assert keys_of(with_null) == ["1", None, "1"]


def test_an_integer_column_with_nulls_keeps_its_categories() -> None:
    vocabulary = Vocabulary.fit(pd.Series([1, 1, None, 2, 2]), 10, 1)  # float64, as pandas reads it
    assert vocabulary.values == ["1", "2"]
    assert vocabulary.encode(pd.Series([1, 2])).tolist() == [3, 4]
    assert vocabulary.encode(pd.Series(["1", None])).tolist() == [3, MISSING_ID]


def test_true_is_not_the_number_one() -> None:
    mixed = pd.Series([True, 1, "1", 1.0, False, 0], dtype=object)
    assert keys_of(mixed) == ["true", "1", "1", "1", "false", "0"]
    assert keys_of(pd.Series([True, None, False], dtype=object)) == ["true", None, "false"]
    assert keys_of(pd.Series([True, None, False], dtype="boolean")) == ["true", None, "false"]
    assert keys_of(pd.Series([True, False])) == ["true", "false"]


def test_lists_and_objects_in_cells_are_categories() -> None:
    cells = pd.Series([[1, 2], {"b": 1, "a": [2]}, None, [1, 2], np.array([1, 2])], dtype=object)
    assert keys_of(cells) == ["[1,2]", '{"a":[2],"b":1}', None, "[1,2]", "[1,2]"]


def test_times_have_one_key_whatever_holds_them() -> None:
    moment = dt.datetime(2024, 1, 2, 3, 4, 5)
    for column in (
        pd.Series([moment, None]),
        pd.Series([moment, None], dtype=object),
        pd.Series([moment, None]).astype("datetime64[ms]"),
    ):
        assert keys_of(column) == ["2024-01-02 03:04:05", None]


@pytest.mark.parametrize("dtype", [object, "float64", "string", "Int64"])
def test_a_column_without_a_value_or_without_a_row_is_all_missing(dtype: object) -> None:
    vocabulary = Vocabulary.fit(pd.Series([None, None], dtype=dtype), 10, 1)
    assert len(vocabulary) == NUM_RESERVED
    assert vocabulary.encode(pd.Series([None, None], dtype=dtype)).tolist() == [MISSING_ID, MISSING_ID]
    assert vocabulary.encode(pd.Series([], dtype=dtype)).shape == (0,)
    assert vocabulary.encode(pd.Series(["x"])).tolist() == [UNKNOWN_ID]


def test_the_cap_keeps_the_most_frequent_values() -> None:
    column = pd.Series(["b"] * 3 + ["a"] * 5 + ["c"] * 2 + ["d"])
    assert Vocabulary.fit(column, 2, 1).values == ["a", "b"]
    assert Vocabulary.fit(column, 100, 2).values == ["a", "b", "c"]
    assert Vocabulary.fit(column, 2, 1).encode(pd.Series(["c", "a"])).tolist() == [UNKNOWN_ID, 3]


def test_frequency_is_counted_after_values_were_made_one() -> None:
    assert Vocabulary.fit(pd.Series(["1", 1, 1.0, "2"], dtype=object), 1, 3).values == ["1"]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["a", "b", "c", "1", 1, True, None, 2.5]), min_size=1, max_size=30), st.randoms())
def test_the_order_of_the_rows_does_not_matter(values: list[object], random: object) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    first = Vocabulary.fit(pd.Series(values, dtype=object), 3, 1)
    assert first.values == Vocabulary.fit(pd.Series(shuffled, dtype=object), 3, 1).values


CELL = st.one_of(
    st.none(), st.text(max_size=4), st.integers(), st.floats(), st.booleans(), st.lists(st.integers(), max_size=2)
)


@settings(max_examples=100, deadline=None)
@given(st.lists(CELL, min_size=1, max_size=12), st.lists(CELL, max_size=12))
def test_any_cells_give_ids_in_range_and_known_values_decode_to_themselves(train: list, test: list) -> None:
    vocabulary = Vocabulary.fit(pd.Series(train, dtype=object), 100, 1)
    for cells in (train, test):
        ids = vocabulary.encode(pd.Series(cells, dtype=object))
        assert ids.dtype == np.int64
        for cell, number in zip(cells, ids, strict=True):
            key = canonical_key(cell)
            expected = MISSING_ID if key is None else UNKNOWN_ID if key not in vocabulary.values else None
            if expected is None:
                assert vocabulary.decode(int(number)) == key
            else:
                assert number == expected
