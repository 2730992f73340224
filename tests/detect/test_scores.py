"""Scores of embeddings and of cells: higher is more normal, and what was learned is plain arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ocsf_ssl_lib import InputError
from ocsf_ssl_lib.detect.embedding_scores import KNNScorer, MahalanobisScorer, reference_rows
from ocsf_ssl_lib.detect.evidence import Evidence
from ocsf_ssl_lib.detect.likelihood_scores import LEAST_SPREAD, LikelihoodScorer, SurpriseScorer, TypicalityScorer
from ocsf_ssl_lib.detect.scores import SCORERS, make_scorer
from ocsf_ssl_lib.features import FeatureArrays

RNG = np.random.default_rng(0)
CLOUD = (RNG.normal(size=(500, 4)) * [5, 1, 1, 0.1] + 3).astype(np.float32)


def shown(name: str, rows: np.ndarray) -> Any:
    """Rows of numbers as what the scorer of that name looks at."""
    features = FeatureArrays(rows, np.full((len(rows), 1), 3), np.zeros(rows.shape, bool))
    return Evidence(features, rows, rows) if make_scorer(name).looks_at == "all" else rows


def test_the_mahalanobis_score_is_minus_the_squared_distance() -> None:
    scorer = MahalanobisScorer().fit(CLOUD)
    difference = CLOUD[7].astype(float) - CLOUD.mean(0, dtype=float)
    expected = -difference @ scorer.precision @ difference
    assert scorer.score(CLOUD)[7] == pytest.approx(expected, rel=1e-6)
    ball = RNG.normal(size=(2000, 4))
    assert MahalanobisScorer().fit(ball).score(ball).mean() == pytest.approx(-4, abs=0.2)  # as many as dimensions


def test_a_direction_in_which_training_varies_counts_less() -> None:
    scorer = MahalanobisScorer().fit(CLOUD)
    middle = CLOUD.mean(0)
    along, across = (middle + 3 * np.eye(4, dtype=np.float32)[k] for k in (0, 3))
    assert scorer.score(along[None]) > 10 * scorer.score(across[None])


def test_more_dimensions_than_events_and_unused_ones_are_no_obstacle() -> None:
    wide = RNG.normal(size=(5, 40))
    wide[:, 30:] = 0
    assert np.isfinite(MahalanobisScorer().fit(wide).score(wide)).all()
    same = np.ones((6, 3))
    assert np.isfinite(MahalanobisScorer().fit(same).score(same + 1)).all()


def test_the_knn_score_is_minus_the_mean_cosine_distance_to_the_nearest() -> None:
    train, test = RNG.normal(size=(50, 6)), RNG.normal(size=(7, 6))
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (train, test)]
    distances = np.sort(1 - unit[1] @ unit[0].T, axis=1)[:, :5]
    np.testing.assert_allclose(KNNScorer().fit(train).score(test), -distances.mean(1), atol=1e-5)


def test_knn_looks_at_directions_only() -> None:
    scorer = KNNScorer().fit(CLOUD)
    np.testing.assert_allclose(scorer.score(CLOUD[:9]), scorer.score(CLOUD[:9] * 7), atol=1e-5)


def test_knn_takes_fewer_neighbours_when_there_are_fewer_events() -> None:
    assert np.isfinite(KNNScorer(n_neighbors=5).fit(CLOUD[:2]).score(CLOUD)).all()


def test_knn_keeps_a_random_part_of_many_events_and_the_same_one_every_time() -> None:
    first, second = (KNNScorer(max_reference=100).fit(CLOUD).reference for _ in range(2))
    assert first.shape == (100, 4)
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, KNNScorer(max_reference=100, seed=1).fit(CLOUD).reference)


NAN = float("nan")
CELLS = np.array([[1.0, 5.0, NAN], [2.0, NAN, NAN], [6.0, 5.0, NAN], [3.0, 5.0, 1.0]], np.float32)


def test_the_likelihood_score_is_minus_the_mean_of_standardised_surprises() -> None:
    scorer = LikelihoodScorer().fit(CELLS)
    test = np.array([[1.0, NAN, 3.0], [9.0, 7.0, NAN]], np.float32)
    expected = []
    for row in test:
        units = []
        for value, column in zip(row, CELLS.T, strict=True):
            known = [float(v) for v in column if v == v]
            mean = sum(known) / len(known)
            spread = max((sum((v - mean) ** 2 for v in known) / len(known)) ** 0.5, LEAST_SPREAD)
            if value == value:
                units.append((float(value) - mean) / spread)
        expected.append(-sum(units) / len(units))
    np.testing.assert_allclose(scorer.score(test), expected, rtol=1e-6)


def test_a_column_that_always_surprises_counts_less_than_one_that_never_does() -> None:
    train = np.column_stack([RNG.normal(9, 3, 500), RNG.normal(0.1, 0.05, 500)])
    scorer = LikelihoodScorer().fit(train)
    usual_noise, unusual_quiet = np.array([[13.0, 0.1]]), np.array([[9.0, 4.0]])
    assert scorer.score(unusual_quiet) < scorer.score(usual_noise) - 1


def test_events_and_columns_that_say_nothing_score_zero() -> None:
    scorer = LikelihoodScorer().fit(CELLS)
    np.testing.assert_array_equal(scorer.score(np.full((2, 3), NAN)), [0, 0])
    silent = LikelihoodScorer().fit(np.full((4, 2), NAN))
    assert np.isfinite(silent.score(np.array([[1.0, NAN]]))).all()
    np.testing.assert_array_equal(silent.score(np.full((1, 2), NAN)), [0])
    assert scorer.score(np.empty((0, 3))).shape == (0,)


def test_cells_without_a_say_change_nothing_in_the_others() -> None:
    scorer = LikelihoodScorer().fit(CELLS[:, :1])
    with_nan = LikelihoodScorer().fit(np.column_stack([CELLS[:, 0], np.full(4, NAN)]))
    test = np.array([[4.0]])
    np.testing.assert_allclose(with_nan.score(np.column_stack([test, [NAN]])), scorer.score(test))


def test_too_little_surprise_is_unusual_too() -> None:
    scorer = TypicalityScorer().fit(RNG.normal(5, 1, (1000, 3)))
    usual, quiet, loud = (scorer.score(np.full((1, 3), v))[0] for v in (5.0, 1.0, 9.0))
    assert usual > -0.2
    assert quiet == pytest.approx(loud, rel=0.1)
    assert quiet < usual - 3


def test_the_cell_that_surprises_most_counts_alone() -> None:
    cells = np.array([[1.0, 7.0, 2.0], [np.nan, 0.5, np.nan], [np.nan, np.nan, np.nan]])
    np.testing.assert_array_equal(SurpriseScorer().fit(cells).score(cells), [-7, -0.5, 0])


def test_a_training_event_is_not_its_own_neighbour() -> None:
    rows = RNG.normal(size=(60, 6)).astype(np.float32)
    scorer = KNNScorer(n_neighbors=3).fit(rows)
    alone = [KNNScorer(n_neighbors=3).fit(np.delete(rows, i, axis=0)).score(rows[i : i + 1])[0] for i in range(60)]
    np.testing.assert_allclose(scorer.training_scores(rows), alone, atol=1e-5)
    few = KNNScorer(n_neighbors=3, max_reference=10).fit(rows)
    away = np.setdiff1d(np.arange(60), reference_rows(60, 10, 0))
    np.testing.assert_allclose(few.training_scores(rows)[away], few.score(rows)[away], atol=1e-6)
    one = KNNScorer().fit(rows[:1])
    np.testing.assert_array_equal(one.training_scores(rows[:1]), one.score(rows[:1]))


@pytest.mark.parametrize("name", SCORERS)
def test_an_outlier_scores_lower_than_any_training_event(name: str) -> None:
    scorer = make_scorer(name).fit(shown(name, CLOUD))
    outlier = CLOUD.mean(0, keepdims=True)
    outlier[0, 2] += 60  # upwards: to a likelihood, fewer nats are more normal
    assert scorer.score(shown(name, outlier))[0] < scorer.score(shown(name, CLOUD)).min()


@pytest.mark.parametrize("name", SCORERS)
def test_the_state_holds_all_that_was_learned(name: str) -> None:
    scorer = make_scorer(name).fit(shown(name, CLOUD))
    again = make_scorer(name).load_state(scorer.state())
    np.testing.assert_array_equal(again.score(shown(name, CLOUD)), scorer.score(shown(name, CLOUD)))
    assert all(isinstance(v, np.ndarray) and v.dtype.kind in "fib" for v in scorer.state().values())


@pytest.mark.parametrize("name", SCORERS)
def test_a_score_does_not_depend_on_the_other_rows(name: str) -> None:
    scorer = make_scorer(name).fit(shown(name, CLOUD))
    alone, among = scorer.score(shown(name, CLOUD[3:4])), scorer.score(shown(name, CLOUD))[3:4]
    np.testing.assert_allclose(alone, among, rtol=1e-5, atol=1e-6)


def test_an_unknown_score_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="'mahalanobis', 'knn', however: score='lof'"):
        make_scorer("lof")
