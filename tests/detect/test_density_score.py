"""The local outlier factor, against scikit-learn's and on repeated events."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.neighbors import LocalOutlierFactor

from ocsf_ssl_lib.detect.density_score import DensityScorer
from ocsf_ssl_lib.features import FeatureArrays


def features(n: int, seed: int = 0, spread: float = 1.0) -> FeatureArrays:
    rng = np.random.default_rng(seed)
    numbers = (spread * rng.normal(size=(n, 3))).astype(np.float32)
    return FeatureArrays(numbers, rng.integers(3, 6, (n, 2)), np.zeros((n, 3), bool))


def test_it_is_scikit_learns_but_for_the_floor() -> None:
    train, new = features(600), features(300, seed=1, spread=2.0)
    scorer = DensityScorer().fit(train)
    theirs = LocalOutlierFactor(n_neighbors=20, novelty=True).fit(scorer.one_hot.transform(train))
    np.testing.assert_allclose(scorer.score(new), theirs.score_samples(scorer.one_hot.transform(new)), rtol=0.02)
    np.testing.assert_allclose(scorer.training_scores(train), theirs.negative_outlier_factor_, rtol=0.02)


def test_a_step_out_of_a_crowd_is_further_than_the_same_step_among_scattered_events() -> None:
    rng = np.random.default_rng(2)
    crowd, scattered = 0.05 * rng.normal(size=(300, 2)), 8 + 2 * rng.normal(size=(300, 2))
    numbers = np.vstack([crowd, scattered]).astype(np.float32)

    def table(numbers: np.ndarray) -> FeatureArrays:
        n = len(numbers)
        return FeatureArrays(np.asarray(numbers, np.float32), np.zeros((n, 0), np.int64), np.zeros((n, 2), bool))

    near_crowd, near_scattered = DensityScorer().fit(table(numbers)).score(table([[0.8, 0.0], [8.8, 8.0]]))
    assert near_crowd < -3
    assert near_scattered > -1.5


def test_events_that_repeat_have_a_finite_density_and_are_ordinary() -> None:
    one = features(1)
    copies = FeatureArrays(*(np.repeat(part, 50, axis=0) for part in one))
    mixed = FeatureArrays(*(np.concatenate(parts) for parts in zip(copies, features(50, seed=3), strict=True)))
    scorer = DensityScorer().fit(mixed)
    assert np.isfinite(scorer.training_scores(mixed)).all()
    assert scorer.score(one)[0] == pytest.approx(-1, abs=0.1)
    alone = DensityScorer().fit(copies)
    assert np.isfinite(alone.score(features(5))).all()


@pytest.mark.parametrize("n", [1, 2, 5])
def test_a_handful_of_events_is_enough(n: int) -> None:
    scorer = DensityScorer().fit(features(n))
    assert np.isfinite(scorer.score(features(4, seed=1))).all()
    assert np.isfinite(scorer.training_scores(features(n))).all()


def test_it_keeps_a_part_of_many_events_and_the_state_holds_all_that_was_learned() -> None:
    train, new = features(500), features(100, seed=1)
    scorer = DensityScorer(max_reference=200).fit(train)
    assert len(scorer.state()["reference_numerical"]) == 200
    again = DensityScorer(max_reference=200).load_state(scorer.state())
    np.testing.assert_array_equal(again.score(new), scorer.score(new))
    whole = DensityScorer().fit(train)
    assert spearmanr(whole.score(new), scorer.score(new)).statistic > 0.8


def test_a_training_event_is_not_its_own_neighbour() -> None:
    train = features(100)
    scorer = DensityScorer(n_neighbors=5).fit(train)
    assert scorer.training_scores(train).mean() < scorer.score(train).mean()
