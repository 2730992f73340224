"""Scores of the columns as they are, against what they are made of written out, or another library's."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest

from ocsf_ssl_lib import OCSFPreprocessor
from ocsf_ssl_lib.detect.column_scores import (
    CovarianceScorer,
    ForestScorer,
    LinearScorer,
    MarginalScorer,
    RarestScorer,
)
from ocsf_ssl_lib.detect.embedding_scores import MahalanobisScorer
from ocsf_ssl_lib.detect.one_hot import MAX_CELLS, OneHot
from ocsf_ssl_lib.features import FeatureArrays


def features(n: int, seed: int = 0) -> FeatureArrays:
    rng = np.random.default_rng(seed)
    ids = np.column_stack([rng.choice([3, 4, 5], n, p=[0.7, 0.2, 0.1]), rng.integers(2, 9, n)])
    numbers = rng.normal(size=(n, 3)).astype(np.float32)
    numbers[:, 2] = 2 * numbers[:, 1]
    missing = rng.random((n, 3)) < 0.05
    return FeatureArrays(np.where(missing, 0, numbers).astype(np.float32), ids, missing)


def changed(base: FeatureArrays, **cells: tuple[int, float]) -> FeatureArrays:
    """The first event alone, with one cell of each part named set to a value."""
    event = {k: v[:1].copy() for k, v in base._asdict().items()}
    event["missing_mask"][:] = False
    for part, (column, value) in cells.items():
        event[part][0, column] = value
    return FeatureArrays(**event)


TRAIN = features(3000)


def test_a_category_counts_by_how_often_training_had_it() -> None:
    scorer = MarginalScorer().fit(TRAIN)
    counts = np.bincount(TRAIN.categorical[:, 0], minlength=10) + 1.0
    for value in (3, 5, 1):
        cells = scorer.cells(changed(TRAIN, categorical=(0, value)))
        assert cells[0, 3] == pytest.approx(-np.log(counts[value] / counts.sum()))
    never = scorer.cells(changed(TRAIN, categorical=(0, 999)))[0, 3]  # an id beyond all of training
    assert never == pytest.approx(-np.log(1 / counts.sum()))


def test_a_number_counts_by_its_interval_and_its_tail() -> None:
    scorer = MarginalScorer().fit(TRAIN)

    def nats(value: float) -> float:
        return float(scorer.cells(changed(TRAIN, numerical=(0, value)))[0, 0])

    assert nats(0.0) == pytest.approx(np.log(20), abs=0.1)  # the middle: one interval of twenty, no tail
    assert nats(9.0) == nats(-9.0) > nats(2.5) > nats(1.0) > nats(0.0)
    assert nats(9.0) == pytest.approx(np.log(20) + np.log(1003 / 2), abs=0.1)


def test_a_number_that_repeats_is_no_tail() -> None:
    zeros = TRAIN.numerical.copy()
    zeros[:, 0] = np.where(np.arange(len(zeros)) % 2, 0, zeros[:, 0] ** 2)  # half zeros, the lowest value
    scorer = MarginalScorer().fit(TRAIN._replace(numerical=zeros))
    cells = scorer.cells(changed(TRAIN, numerical=(0, 0.0)))
    assert cells[0, 0] < np.log(3)


def test_a_missing_number_counts_by_how_often_it_was_missing() -> None:
    scorer = MarginalScorer().fit(TRAIN)
    event = changed(TRAIN)
    event.missing_mask[0, 0] = True
    assert scorer.cells(event)[0, 0] == pytest.approx(-np.log((TRAIN.missing_mask[:, 0].sum() + 1) / 3002))


def test_the_rarest_value_counts_alone() -> None:
    scorer = RarestScorer().fit(TRAIN)
    np.testing.assert_allclose(-scorer.score(TRAIN), scorer.cells(TRAIN).max(axis=1))
    event = changed(TRAIN, categorical=(0, 99))
    other = event._replace(numerical=np.zeros_like(event.numerical))
    assert scorer.score(event) == scorer.score(other)  # the unseen category is rarer than either number
    usual = changed(TRAIN, categorical=(0, 3))
    assert scorer.score(event) < scorer.score(usual)


def test_a_column_without_a_number_and_a_table_without_numbers_are_no_obstacle() -> None:
    nothing = TRAIN._replace(missing_mask=np.ones_like(TRAIN.missing_mask))
    assert np.isfinite(MarginalScorer().fit(nothing).score(TRAIN)).all()
    empty = FeatureArrays(np.zeros((50, 0), np.float32), TRAIN.categorical[:50], np.zeros((50, 0), bool))
    for scorer in (MarginalScorer(), LinearScorer(), CovarianceScorer(), ForestScorer()):
        assert np.isfinite(scorer.fit(empty).score(empty)).all()


def test_the_linear_score_is_the_error_of_principal_components() -> None:
    scorer = LinearScorer().fit(TRAIN)
    rows = scorer.one_hot.transform(TRAIN).astype(float)
    pca = PCA(n_components=0.9).fit(rows)
    error = ((rows - pca.inverse_transform(pca.transform(rows))) ** 2).sum(axis=1)
    np.testing.assert_allclose(scorer.score(TRAIN), -error, atol=1e-4)


def test_a_broken_dependence_sticks_out_of_the_plane() -> None:
    scorer = LinearScorer().fit(TRAIN)
    kept, broken = changed(TRAIN, numerical=(1, 1.0)), changed(TRAIN, numerical=(1, 1.0))
    kept.numerical[0, 2], broken.numerical[0, 2] = 2.0, -2.0
    assert scorer.score(broken)[0] < scorer.score(kept)[0] - 1


def test_the_covariance_score_weighs_a_rigid_dependence_more() -> None:
    scorer = CovarianceScorer().fit(TRAIN)
    kept, broken = changed(TRAIN, numerical=(1, 1.0)), changed(TRAIN, numerical=(1, 1.0))
    kept.numerical[0, 2], broken.numerical[0, 2] = 2.0, 1.0  # half a unit off a line that training never left
    assert scorer.score(broken)[0] < scorer.score(kept)[0] - 2
    rows = scorer.one_hot.transform(TRAIN)
    np.testing.assert_array_equal(scorer.score(TRAIN), MahalanobisScorer().fit(rows).score(rows))


def test_the_forest_is_scikit_learns() -> None:
    rows = OneHot().fit(TRAIN).transform(TRAIN)
    forest = IsolationForest(n_estimators=200, max_samples=256, random_state=5).fit(rows)
    np.testing.assert_allclose(ForestScorer(5).fit(TRAIN).score(TRAIN), forest.score_samples(rows), atol=1e-6)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_a_handful_of_events_is_enough(n: int) -> None:
    few = features(n)
    for scorer in (MarginalScorer(), LinearScorer(), CovarianceScorer(), ForestScorer()):
        assert np.isfinite(scorer.fit(few).score(TRAIN)).all()


def test_events_that_are_all_the_same_are_no_obstacle() -> None:
    same = FeatureArrays(*(np.repeat(part[:1], 40, axis=0) for part in TRAIN))
    for scorer in (MarginalScorer(), LinearScorer(), CovarianceScorer(), ForestScorer()):
        assert np.isfinite(scorer.fit(same).score(TRAIN)).all()


def test_one_hot_gives_each_frequent_value_a_cell_and_no_more_than_fit() -> None:
    frame = pd.DataFrame({"a": [f"v{i % 1500}" for i in range(6000)], "b": ["x", "y"] * 3000})
    prep = OCSFPreprocessor([], ["a", "b"], max_categories=2000).fit(frame)
    arrays = prep.transform(frame)
    encoder = OneHot().fit(arrays)
    rows = encoder.transform(arrays)
    assert rows.shape[1] == MAX_CELLS // 2 + 2
    assert set(rows[:, -2:].sum(axis=1)) == {1.0}
    assert set(rows[:, :-2].sum(axis=1)) == {0.0, 1.0}
    np.testing.assert_array_equal(OneHot().load_state(encoder.state()).transform(arrays), rows)
