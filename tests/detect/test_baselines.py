"""Baselines see what the encoder sees, and rank what each of them can see."""

from __future__ import annotations

import numpy as np
import pytest

from ocsf_ssl_lib import FeatureArrays
from ocsf_ssl_lib.detect.baselines import BASELINES, marginal_frequency, one_hot, row_count
from ocsf_ssl_lib.vocabulary import MISSING_ID, UNKNOWN_ID


def arrays(pairs: list[tuple[int, int]], numbers: list[float] | None = None) -> FeatureArrays:
    values = np.array(numbers if numbers is not None else [0.0] * len(pairs), np.float32)[:, None]
    missing = np.isnan(values)
    return FeatureArrays(np.where(missing, 0, values).astype(np.float32), np.array(pairs, np.int64), missing)


def test_one_hot_has_a_cell_per_id_but_the_mask_and_one_per_missing_indicator() -> None:
    out = one_hot(arrays([(3, UNKNOWN_ID), (4, MISSING_ID)], [1.5, np.nan]), [5, 4])
    assert out.tolist() == [[1.5, 0, 0, 0, 1, 0, 1, 0, 0], [0, 1, 0, 0, 0, 1, 0, 1, 0]]
    assert out.dtype == np.float32


def test_one_hot_of_numbers_alone_is_the_numbers_and_their_mask() -> None:
    bare = FeatureArrays(np.ones((2, 1), np.float32), np.empty((2, 0), np.int64), np.zeros((2, 1), bool))
    assert one_hot(bare, []).tolist() == [[1, 0], [1, 0]]


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_ranks_a_far_row_last_and_repeats_itself(name: str) -> None:
    rng = np.random.default_rng(0)
    train = rng.normal(size=(300, 3)).astype(np.float32)
    test = np.concatenate([train[:50] + 0.01, np.full((1, 3), 9, np.float32)])
    scores = BASELINES[name](train, test, 0)
    assert scores.shape == (51,)
    assert scores.argmin() == 50
    np.testing.assert_array_equal(scores, BASELINES[name](train, test, 0))


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_takes_a_handful_of_rows(name: str) -> None:
    few = np.eye(4, dtype=np.float32)
    assert np.isfinite(BASELINES[name](few, few, 0)).all()


NORMAL = [(3, 3)] * 50 + [(4, 4)] * 50


def test_marginal_frequency_sees_rare_values_and_is_blind_to_rare_combinations() -> None:
    scores = marginal_frequency(arrays(NORMAL), arrays([(3, 3), (3, 4), (3, UNKNOWN_ID)]))
    assert scores[0] == pytest.approx(scores[1])
    assert scores[2] < scores[0] - 1


def test_the_row_count_sees_rare_combinations() -> None:
    scores = row_count(arrays(NORMAL), arrays([(3, 3), (3, 4), (5, 5)]))
    np.testing.assert_allclose(scores, [np.log(51), 0, 0])


@pytest.mark.parametrize("function", [marginal_frequency, row_count])
def test_numbers_are_cut_into_intervals_and_missing_is_one_of_its_own(function: object) -> None:
    numbers = [*list(np.random.default_rng(0).normal(size=99)), np.nan]
    train = arrays([(3, 3)] * 100, numbers)
    scores = function(train, arrays([(3, 3)] * 3, [0.0, 0.05, np.nan]))  # type: ignore[operator]
    assert scores[0] == pytest.approx(scores[1], abs=1.0)
    assert scores[2] < scores[0]


@pytest.mark.parametrize("function", [marginal_frequency, row_count])
def test_the_order_of_the_rows_does_not_matter(function: object) -> None:
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=100)
    order = rng.permutation(100)
    test = arrays([(3, 3), (4, 4)], [0.1, -1])
    first = function(arrays(NORMAL, list(numbers)), test)  # type: ignore[operator]
    second = function(arrays([NORMAL[i] for i in order], list(numbers[order])), test)  # type: ignore[operator]
    np.testing.assert_allclose(first, second)
