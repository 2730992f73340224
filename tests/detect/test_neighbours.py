"""The nearest ordinary events: counted in fields, and no event twice."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtri

from ocsf_ssl_lib import FeatureArrays, InputError
from ocsf_ssl_lib.detect.neighbours import ROWS, nearest


def arrays(categories: list[list[int]], ranks: list[float | None] | None = None) -> FeatureArrays:
    """Events with one number, given as its rank among training values, and categories."""
    ranks = [0.5] * len(categories) if ranks is None else ranks
    missing = np.array([[rank is None] for rank in ranks])
    numbers = np.array([[0.0 if rank is None else ndtri(rank)] for rank in ranks], np.float32)
    return FeatureArrays(numbers, np.array(categories, np.int64), missing)


REFERENCE = arrays([[3, 3, 3], [3, 4, 3], [4, 4, 4], [5, 5, 5]], [0.5, 0.9, 0.5, None])


def test_a_category_that_differs_is_one_whatever_its_id() -> None:
    found = nearest(arrays([[3, 9, 3]]), REFERENCE, 2)
    assert found.rows.tolist() == [[0, 1]]
    np.testing.assert_allclose(found.distance, [[1, 1.4]], atol=1e-5)
    assert found.differs[0].tolist() == [[False, False, True, False], [True, False, True, False]]


def test_a_number_counts_by_the_difference_of_ranks_and_a_missing_one_in_full() -> None:
    known, gone = nearest(arrays([[5, 5, 5]], [0.05]), REFERENCE, 1), nearest(arrays([[5, 5, 5]], [None]), REFERENCE, 1)
    assert (known.distance[0, 0], gone.distance[0, 0]) == (1, 0)
    assert known.differs[0, 0].tolist() == [True, False, False, False]
    assert not gone.differs.any()
    near = nearest(arrays([[3, 3, 3]], [0.55]), REFERENCE, 1)
    assert near.distance[0, 0] == pytest.approx(0.05, abs=1e-5)
    assert not near.differs.any()


def test_a_field_that_is_ignored_takes_no_part_but_differs() -> None:
    event = arrays([[4, 3, 3]])
    np.testing.assert_array_equal(nearest(event, REFERENCE, 1).rows, [[0]])
    for column, distance in ((0, 1.0), (1, 0.0), (-1, 1.0)):
        found = nearest(event, REFERENCE, 1, np.array([column]))
        assert (found.rows[0, 0], found.distance[0, 0]) == (0, distance)
        assert found.differs[0, 0].tolist() == [False, True, False, False]
    number = nearest(arrays([[3, 4, 3]], [0.1]), REFERENCE, 1, np.array([0]))
    assert (number.rows[0, 0], number.distance[0, 0]) == (1, 0)
    assert number.differs[0, 0].tolist() == [True, False, False, False]


def test_equal_reference_events_count_as_one_and_keep_their_row() -> None:
    reference = arrays([[9, 9, 9], [3, 3, 3], [3, 3, 3], [3, 3, 4]])
    assert nearest(arrays([[3, 3, 3]]), reference, 3).rows.tolist() == [[1, 3, 0]]


def test_many_events_are_compared_as_each_alone() -> None:
    rng = np.random.default_rng(0)
    events = arrays(rng.integers(3, 6, (2 * ROWS + 5, 4)).tolist(), rng.random(2 * ROWS + 5).tolist())
    reference = arrays(rng.integers(3, 6, (50, 4)).tolist(), rng.random(50).tolist())
    ignore = rng.integers(-1, 5, len(events.categorical))
    whole = nearest(events, reference, 4, ignore)
    for i in (0, ROWS, 2 * ROWS + 4):
        alone = nearest(FeatureArrays(*(a[[i]] for a in events)), reference, 4, ignore[[i]])
        for all_of_them, one in zip(whole, alone, strict=True):
            np.testing.assert_array_equal(all_of_them[[i]], one)


def test_no_more_neighbours_than_there_are() -> None:
    assert nearest(arrays([[3, 3, 3]]), REFERENCE, 99).rows.shape == (1, 4)
    assert nearest(FeatureArrays(*(a[:0] for a in REFERENCE)), REFERENCE, 2).differs.shape == (0, 2, 4)


def test_no_reference_is_refused() -> None:
    with pytest.raises(InputError, match="no reference event"):
        nearest(REFERENCE, FeatureArrays(*(a[:0] for a in REFERENCE)), 1)
