"""A preprocessor that went through JSON is the same preprocessor."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from ocsf_ssl_lib import OCSFPreprocessor
from ocsf_ssl_lib.feature_state import plain, preprocessor_state, restore_preprocessor


def through_json(prep: OCSFPreprocessor) -> OCSFPreprocessor:
    options = json.loads(json.dumps(plain(prep.get_params(deep=False))))
    state = json.loads(json.dumps(preprocessor_state(prep), allow_nan=False))
    return restore_preprocessor(options, state, prep.scaler_.estimator)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"numerical_cols": np.array(["traffic.bytes"]), "categorical_cols": [], "scaling": "standard"},
        {"numerical_cols": [], "categorical_cols": pd.Index(["user.name"]), "max_categories": np.int64(2)},
        {"categorical_cols": ("time@hour", "status_id"), "timezone": "Asia/Tokyo", "min_frequency": 3},
    ],
    ids=range(4),
)
def test_a_restored_preprocessor_transforms_alike(options: dict, events: pd.DataFrame) -> None:
    prep = OCSFPreprocessor(**options).fit(events)
    again = through_json(prep)
    odd = events.head(5).copy()
    odd["user.name"], odd["traffic.bytes"] = ["ann", "eve", None, "bob", "dan"], [1.0, np.inf, np.nan, -5, 1e9]
    for frame in (events, odd):
        for ours, theirs in zip(prep.transform(frame), again.transform(frame), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert again.get_feature_names_out().tolist() == prep.get_feature_names_out().tolist()
    assert again.cardinalities_ == prep.cardinalities_
    assert (again.n_features_in_, again.timezone, again.min_frequency) == (
        prep.n_features_in_, prep.timezone, prep.min_frequency,
    )  # fmt: skip
    pd.testing.assert_frame_equal(again.column_report_, prep.column_report_)


def test_numbers_without_their_scaler_are_refused(events: pd.DataFrame) -> None:
    prep = OCSFPreprocessor(["traffic.bytes"], []).fit(events)
    for estimator in (None, object()):
        with pytest.raises(ValueError, match="scaler of the numbers is missing"):
            restore_preprocessor({}, preprocessor_state(prep), estimator)


def test_plain_options_are_those_of_json() -> None:
    given = {"a": np.int64(3), "b": np.float32(0.5), "c": ("x", "y"), "d": np.array(["z"]), "e": None, "f": "text"}
    assert json.loads(json.dumps(plain(given))) == {
        "a": 3, "b": 0.5, "c": ["x", "y"], "d": ["z"], "e": None, "f": "text",
    }  # fmt: skip
